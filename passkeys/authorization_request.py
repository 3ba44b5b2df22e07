"""What an application's browser brings to GET /authorize: read, and judged before anybody is asked for a passkey.

RFC 6749 §4.1.1 with RFC 7636 (S256 alone), RFC 8707 and RFC 9449 §10. Three things can come of it. A good request. One that is
told to the application, at its redirect URI (§4.1.2.1, with `iss`, RFC 9207). Or one that is told to the person and to nobody
else, since whose it is, or where to send them, is in doubt: then nothing is ever redirected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from passkeys.applications import Application
from passkeys.assurance import ACR_VALUES
from passkeys.authorization import Authorization, AuthorizationFault, AuthorizationRefused, authorization_of
from passkeys.errors import PasskeysError
from passkeys.proof import is_code_challenge
from passkeys.usernames import MAX_USERNAME

MAX_QUERY = 8 * 1024
MAX_PARAMETERS = 64
MAX_STATE = 1024
# RFC 6749 appendix A.5.
_STATE = re.compile(r"[ -~]{1,1024}\Z")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})


class RequestFault(PasskeysError):
    """A request that nobody is redirected for. `code` is an AuthorizationFault."""

    code: AuthorizationFault

    def __init__(self, code: AuthorizationFault) -> None:
        super().__init__(code.value)
        self.code = code


class RequestRefused(PasskeysError):
    """A request that is answered at the application's redirect URI: `code` is one of OAuth's, `description` is for developers."""

    def __init__(self, code: str, description: str, *, redirect_uri: str, state: str | None) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.redirect_uri = redirect_uri
        self.state = state


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A good request. `state` goes back as it came; `login_hint` is a user name to begin with, and no more than that."""

    application: Application
    authorization: Authorization
    redirect_uri: str
    state: str | None
    login_hint: str | None


def request_of(applications: Mapping[str, Application], query: str) -> AuthorizationRequest:
    """The request of a query string. Raises RequestFault, RequestRefused."""
    given, twice = _parameters(query)
    application = applications.get(given.get("client_id", ""))
    if application is None or "client_id" in twice:
        raise RequestFault(AuthorizationFault.CLIENT_UNKNOWN)
    redirect_uri = given.get("redirect_uri", "")
    # RFC 9700 §2.1: character by character; and always sent, so that no default is guessed.
    if redirect_uri not in application.redirect_uris or "redirect_uri" in twice:
        raise RequestFault(AuthorizationFault.REDIRECT_URI_UNREGISTERED)
    state = given.get("state")
    if "state" in twice or (state is not None and not _STATE.match(state)):
        state, twice = None, twice | {"state"}
    try:
        authorization = _authorization(applications, given, twice)
    except _Mistake as mistake:
        raise RequestRefused(
            mistake.code, mistake.description, redirect_uri=redirect_uri, state=state
        ) from None
    hint = given.get("login_hint", "")
    named = 1 <= len(hint) <= MAX_USERNAME and hint.isprintable()
    return AuthorizationRequest(application, authorization, redirect_uri, state, hint if named else None)


class _Mistake(Exception):
    """Of an application that is known, in one of OAuth's words."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(code)
        self.code = code
        self.description = description


def _authorization(
    applications: Mapping[str, Application], given: Mapping[str, str], twice: frozenset[str]
) -> Authorization:
    for is_wrong, code, description in _table(given, twice):
        if is_wrong:
            raise _Mistake(code, description)
    asked = {
        name: given.get(name) for name in ("client_id", "redirect_uri", "resource", "dpop_jkt", "acr_values")
    }
    try:
        found = authorization_of(
            applications, {**asked, "application_challenge": given["code_challenge"]}, code_challenge=None
        )
    except AuthorizationRefused as fault:
        if fault.code is AuthorizationFault.RESOURCE_UNREGISTERED:
            raise _Mistake("invalid_target", "The application has no such audience.") from None
        raise _Mistake("invalid_request", "dpop_jkt or acr_values cannot be read.") from None
    assert found is not None  # there is a client_id
    if found.acr_values and set(ACR_VALUES).isdisjoint(found.acr_values):
        # OpenID Connect Core Error Code unmet_authentication_requirements 1.0: asked for, and never to be had here.
        raise _Mistake("unmet_authentication_requirements", f"acr is one of: {' '.join(ACR_VALUES)}.")
    return found


def answer_uri(redirect_uri: str, *, issuer: str, state: str | None, **members: str) -> str:
    """Where the browser goes with the answer: what the redirect URI has in its query stays (RFC 6749 §3.1.2)."""
    answered = {**members, **({} if state is None else {"state": state}), "iss": issuer}
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(answered)}"


def _parameters(query: str) -> tuple[dict[str, str], frozenset[str]]:
    """The parameters, and the names of those that came more than once. RFC 6749 §3.1: without a value is not there."""
    try:
        if len(query) > MAX_QUERY:
            return {}, frozenset()
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return {}, frozenset()
    given = {name: value for name, value in pairs if value}
    names = [name for name, _ in pairs]
    # Of those that nobody here knows, nothing is asked: they are ignored.
    return given, frozenset(name for name in _KNOWN if names.count(name) > 1)


_KNOWN = frozenset(
    {
        "client_id",
        "redirect_uri",
        "response_type",
        "response_mode",
        "state",
        "code_challenge",
        "code_challenge_method",
        "resource",
        "acr_values",
        "dpop_jkt",
        "login_hint",
        "prompt",
        "request",
        "request_uri",
    }
)


def _table(given: Mapping[str, str], twice: frozenset[str]) -> tuple[tuple[bool, str, str], ...]:
    """What is wrong with a request whose client and redirect URI are good: whether, OAuth's code, and what to send instead."""
    kind, prompts = given.get("response_type"), set(given.get("prompt", "").split())
    return (
        (
            "state" in twice,
            "invalid_request",
            f"Send state once, of at most {MAX_STATE} printable characters.",
        ),
        ("resource" in twice, "invalid_target", "A token is for one audience: send one resource."),
        (bool(twice), "invalid_request", "Send each parameter once."),
        ("request" in given, "request_not_supported", "Send the parameters themselves."),
        ("request_uri" in given, "request_uri_not_supported", "Send the parameters themselves."),
        (kind is None, "invalid_request", "Send response_type=code."),
        (kind != "code", "unsupported_response_type", "Send response_type=code."),
        (given.get("response_mode", "query") != "query", "invalid_request", "The answer is in the query."),
        # RFC 7636 §4.3 would take one without a method for `plain`, which hands the verifier itself over.
        (given.get("code_challenge_method") != "S256", "invalid_request", "Send code_challenge_method=S256."),
        (
            not is_code_challenge(given.get("code_challenge")),
            "invalid_request",
            "Send code_challenge: the SHA-256 of the code_verifier, in base64url.",
        ),
        (
            not prompts <= _PROMPTS or ("none" in prompts and len(prompts) > 1),
            "invalid_request",
            "prompt is none, or some of login, consent and select_account.",
        ),
        # Every sign-in here takes the person and their passkey: the other prompts are met by that.
        ("none" in prompts, "login_required", "Nobody is signed in here without being asked."),
    )
