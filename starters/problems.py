"""Every way in which a request can be refused: one table of stable codes, written as RFC 9457 problem documents.

The code is the contract; titles and details are for people and may change. `type` is a URN that ends in the code, so that
a client can match it without fetching anything. The OpenAPI document is made from this same table.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.functions import HttpResponse

from starters.headers import API_HEADERS

TYPE_PREFIX = "urn:durable-passkeys:problem:"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its HTTP status, its title, and what the caller can do about it."""

    status: int
    title: str
    detail: str


PROBLEMS: Mapping[str, Kind] = {
    "body_malformed": Kind(
        400,
        "The body is not acceptable JSON",
        "Send one JSON object in UTF-8, at most 16 levels deep, without repeated names and without NaN or Infinity.",
    ),
    "request_malformed": Kind(
        400,
        "The request has the wrong shape",
        "Send the members that the API document names, of the types it names.",
    ),
    "response_malformed": Kind(
        400,
        "The answer has the wrong shape",
        "Send the credential's toJSON() for this kind of ceremony. The challenge is still good: answer it again.",
    ),
    "client_unknown": Kind(
        400, "There is no such application", "Send the `client_id` that the application is registered by."
    ),
    "redirect_uri_unregistered": Kind(
        400,
        "The application is not registered with this redirect URI",
        "Send one of its redirect URIs, character by character as they are registered.",
    ),
    "resource_unregistered": Kind(
        400,
        "The application has no such audience",
        "Send one of the audiences that it is registered with as `resource`, or leave it out for the first.",
    ),
    "parameter_invalid": Kind(
        400, "A query parameter is not acceptable", "Send the values that the API document names."
    ),
    "session_invalid": Kind(
        401,
        "The session is not valid",
        "Sign in with a code_challenge, and send Authorization: Ceremony <its id>:<code_verifier> soon afterwards.",
    ),
    "session_stale": Kind(
        401,
        "The session is too old for a change",
        "Sign in again, and repeat the request with the new ceremony.",
    ),
    "token_invalid": Kind(
        401,
        "The access token is not valid here",
        "Get a new one from your identity provider, for this API. It is good for one registration.",
    ),
    "token_stale": Kind(
        401,
        "The access token is not fresh enough, or of too weak a sign-in",
        "Sign in at your identity provider again, as the WWW-Authenticate header says, and use the new token at once.",
    ),
    "proof_required": Kind(
        401,
        "Only who started the ceremony may answer it",
        "Send Authorization: Ceremony <its id>:<the code_verifier of its start>. The challenge is still good.",
    ),
    "step_up_required": Kind(
        403,
        "This passkey is good for managing passkeys alone",
        "Add another passkey, or sign in with one, and repeat the request with that ceremony.",
    ),
    "operator_required": Kind(
        403,
        "Only operators may do this",
        "Ask for the operator's role in your directory, or ask an operator.",
    ),
    "user_verification_required": Kind(
        403,
        "Operators must have been verified by their passkey",
        "Sign in again with a passkey that asks for your PIN, fingerprint or face (a security key needs a PIN first), "
        "and repeat the request with that ceremony.",
    ),
    "conditional_create_off": Kind(
        403,
        "Passkeys are not made without a prompt here",
        "Start the registration with modal mediation. Conditional needs a session and PASSKEYS_CONDITIONAL_CREATE.",
    ),
    "token_scope_insufficient": Kind(
        403,
        "The access token does not allow this",
        "Ask your identity provider for a token with the scope that the WWW-Authenticate header names.",
    ),
    "identity_unknown": Kind(
        403,
        "Nobody here is known by this identity",
        "Ask the people who look after your account: the directory does not say whose it is, or says another person's.",
    ),
    "ticket_invalid": Kind(
        403,
        "The enrolment ticket is not valid",
        "Ask for a new enrolment link. A ticket works once and expires.",
    ),
    "recovery_not_yours": Kind(
        403,
        "The recovery is not yours to finish",
        "Its ticket is for the operator who started it, with the code_verifier of that start.",
    ),
    "ceremony_unknown": Kind(
        404, "There is no such ceremony", "Check the id, or start a new ceremony. Ids are never reused."
    ),
    "person_unknown": Kind(
        404,
        "There is no such person who may sign in",
        "Check the id in the directory. Whoever is disabled there is enabled there first.",
    ),
    "credential_unknown": Kind(
        404,
        "There is no such passkey",
        "Read the ids with GET /credentials. A removed passkey does not come back.",
    ),
    "session_unknown": Kind(
        404,
        "There is no such session with an application",
        "Read the ids with GET /sessions. One that has ended is not there any more.",
    ),
    "entry_unknown": Kind(
        404,
        "No sealed entry of the audit is of this",
        "Check the id. What was recorded just now is sealed within the hour: ask again then.",
    ),
    "checkpoint_unknown": Kind(
        404, "There is no such checkpoint", "Take the number of one that was kept, from 0 to the newest."
    ),
    "icon_unknown": Kind(
        404,
        "There is no picture of this authenticator",
        "Show the authenticator's name, or a picture of your own.",
    ),
    "page_unknown": Kind(
        404, "There is no such page", "Start at the address of this service, without a path."
    ),
    "method_not_allowed": Kind(
        405, "This method is not allowed here", "Use one of the methods that the Allow header names."
    ),
    "ceremony_finished": Kind(
        409, "The ceremony has already ended", "Read its outcome with GET, or start a new ceremony."
    ),
    "recovery_not_confirmed": Kind(
        409,
        "The recovery has not been confirmed",
        "Wait for another operator to confirm it, or start a new one: GET /ceremonies/{id} tells how it stands.",
    ),
    "recovery_expired": Kind(
        409, "The recovery was confirmed too long ago", "Start a new recovery, and take its ticket soon."
    ),
    "ticket_shown": Kind(
        409,
        "The ticket of this recovery was issued already",
        "It is shown once. If it is lost, start a new recovery.",
    ),
    "last_credential": Kind(
        409,
        "This is the last passkey that can sign in",
        "Add another one first. To remove it all the same, repeat the request with ?confirm=last.",
    ),
    "body_too_large": Kind(413, "The body is too large", "Send at most 65536 bytes."),
    "media_type_unsupported": Kind(
        415,
        "The body's media type is not supported",
        "Send the body as application/json, in UTF-8, not compressed.",
    ),
    "rate_limited": Kind(
        429,
        "Too many ceremonies have been started, or changes asked for",
        "Wait for as many seconds as the Retry-After header says.",
    ),
    "not_ready": Kind(
        503, "The service is not ready", "Look at `missing` for what cannot be reached, and mend that first."
    ),
    "audit_full": Kind(
        503,
        "Nothing new can be recorded just now",
        "Come back in a minute. The audit trail waits for its store, and nothing begins that could not be recorded.",
    ),
    "proof_offline": Kind(
        503,
        "The audit trail is too long to be read for one request",
        "An operator makes the proof with `python -m passkeys audit prove`.",
    ),
    "unavailable": Kind(
        503,
        "A part of the service could not be reached",
        "Try again in a few seconds; a start, with a new ceremony.",
    ),
}


class RefusedError(Exception):
    """A request that ends here: carries the code of `PROBLEMS`, the headers and the further members of the answer."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def response(self) -> HttpResponse:
        """The problem document as an HTTP response."""
        kind = PROBLEMS[self.code]
        document = {
            "type": TYPE_PREFIX + self.code,
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail or kind.detail,
            "code": self.code,
            **self.members,
        }
        return HttpResponse(
            json.dumps(document),
            status_code=kind.status,
            headers={**API_HEADERS, "Content-Type": MEDIA_TYPE, **self.headers},
        )
