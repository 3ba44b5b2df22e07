"""The door for FIDO's conformance tools: their REST profile onto the same ceremonies. Not there unless it is opened.

The profile: FIDO2 Server Requirements and Transport Binding Profile, §7. Four POSTs, every answer with `status` and
`errorMessage`. Between options and result a cookie names the ceremony; nothing is kept for it here. Starting,
answering and judging are those of the ceremonies themselves: this file translates words.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.ceremony import Kind, Outcome, Stage, kind_of, public_reason
from passkeys.conformance import person_of
from passkeys.extensions import PROTECTIONS
from passkeys.tickets import digest_of, issue_ticket
from passkeys.usernames import token_of
from passkeys.world import World
from starters.answers import RETRY_AFTER_SECONDS, by_method, json_response
from starters.ceremonies import MEDIATIONS, hand_over, open_ceremony
from starters.problems import MEDIA_TYPE, RefusedError
from starters.requests import json_object
from starters.views import output_of
from starters.waiting import is_finished, stage_of

Json = dict[str, Any]

COOKIE = "passkeys-conformance"
# Each kind's cookie goes to its own two routes, and nowhere else.
_PATHS: Mapping[Kind, str] = {Kind.REGISTRATION: "/attestation", Kind.AUTHENTICATION: "/assertion"}
# WebAuthn L3 §6.4.1: what authenticators must be able to keep of a name. In bytes of UTF-8.
MAX_NAME = 64
# As JSON. With the longest names and the most credentials that options list, they still fit the custom status.
MAX_EXTENSIONS = 512

CONVEYANCES = ("none", "indirect", "direct")
REQUIREMENTS = ("required", "preferred", "discouraged")
ATTACHMENTS = ("platform", "cross-platform")
# What of a problem's headers the envelope goes out with.
_KEPT = ("Allow", "Retry-After", "WWW-Authenticate")
_PROTECTION, _ENFORCED = "credentialProtectionPolicy", "enforceCredentialProtectionPolicy"


async def attestation_options(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /attestation/options: start a registration for whomever the tool names."""

    async def post() -> HttpResponse:
        body = json_object(req)
        username = _name(body, "username")
        user = {"name": username, "displayName": _name(body, "displayName")}
        wishes = {
            "user": user,
            "attestation": _word(body, "attestation", CONVEYANCES, default="none"),
            "authenticatorSelection": _selection(body),
            "extensions": _extensions(body),
        }
        person = person_of(username)
        # The ticket that every registration needs: issued and used up in here, for the ceremony's minutes. Its secret
        # goes nowhere.
        secret = await issue_ticket(
            world.store,
            person,
            seconds=world.settings.ceremony_seconds,
            now=world.clock(),
            random_bytes=world.random_bytes,
        )
        opened = await open_ceremony(
            world,
            req,
            client,
            Kind.REGISTRATION,
            person=person,
            ticket=digest_of(secret),
            mediation=MEDIATIONS[0],
            wishes=wishes,
        )
        return _offered(world, Kind.REGISTRATION, *opened)

    return await _enveloped(req, post)


async def assertion_options(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /assertion/options: start a sign-in that begins with the name that the tool registered."""

    async def post() -> HttpResponse:
        body = json_object(req)
        wishes = {
            "userVerification": _word(body, "userVerification", REQUIREMENTS, default="preferred"),
            "extensions": _extensions(body),
        }
        opened = await open_ceremony(
            world,
            req,
            client,
            Kind.AUTHENTICATION,
            mediation=MEDIATIONS[0],
            username=token_of(await world.decoy_key(), person_of(_name(body, "username"))),
            wishes=wishes,
        )
        return _offered(world, Kind.AUTHENTICATION, *opened)

    return await _enveloped(req, post)


async def attestation_result(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /attestation/result: the answer of the registration that the cookie names, and its outcome."""
    return await _result(world, req, client, Kind.REGISTRATION)


async def assertion_result(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /assertion/result: the answer of the sign-in that the cookie names, and its outcome."""
    return await _result(world, req, client, Kind.AUTHENTICATION)


async def _result(world: World, req: HttpRequest, client: Any, kind: Kind) -> HttpResponse:
    async def post() -> HttpResponse:
        response = _as_webauthn_says(json_object(req))
        found = _named_by_cookie(req, kind)
        status = await hand_over(client, found, kind, response)
        if not is_finished(status):
            raise _unavailable()
        outcome = Outcome(output_of(found, status)["outcome"])
        spent = {"Set-Cookie": _cookie(world, kind, "", seconds=0)}
        if outcome is Outcome.COMPLETED:
            return _envelope({}, headers=spent)
        # As little as anybody outside is told; the exact reason is on the operator's page.
        reason = public_reason(outcome)
        error = f"The ceremony ended as {outcome}" + (f": {reason}." if reason else ".")
        return _envelope({}, status=400, error=error, headers=spent)

    return await _enveloped(req, post)


def _offered(world: World, kind: Kind, started: str, status: Any) -> HttpResponse:
    """The options in their envelope, and the cookie that says whose they are."""
    if not status or stage_of(status) != Stage.AWAITING_AUTHENTICATOR:
        raise _unavailable()
    cookie = _cookie(world, kind, started, seconds=world.settings.ceremony_seconds)
    return _envelope(status.custom_status["publicKey"], headers={"Set-Cookie": cookie})


def _as_webauthn_says(body: Json) -> Json:
    """ServerPublicKeyCredential as PublicKeyCredential.toJSON() has it: the profile has fewer members, and other names."""
    response = body.get("response")
    if isinstance(response, dict) and response.get("userHandle") == "":
        response = {**response, "userHandle": None}  # the profile's own example of none
    said = body.get("clientExtensionResults", body.get("getClientExtensionResults", {}))
    return {"rawId": body.get("id"), **body, "response": response, "clientExtensionResults": said}


def _named_by_cookie(req: HttpRequest, kind: Kind) -> str:
    """The ceremony whose options this browser was given. Raises RefusedError."""
    try:
        morsel = SimpleCookie(req.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        morsel = None
    if morsel is None or kind_of(morsel.value) is not kind:
        raise RefusedError(
            "request_malformed", f"Ask {_PATHS[kind]}/options first, and send its cookie back."
        )
    return morsel.value


def _cookie(world: World, kind: Kind, value: str, *, seconds: int) -> str:
    """For this browser and these routes alone, out of reach of scripts and of other sites' pages (RFC 6265bis §5.6)."""
    secure = all(origin.startswith("https:") for origin in world.settings.origins)
    attributes = f"Max-Age={seconds}; Path={_PATHS[kind]}; HttpOnly; SameSite=Strict"
    return f"{COOKIE}={value}; {attributes}" + ("; Secure" if secure else "")


def _selection(body: Json) -> Json:
    """WebAuthn L3 §5.4.4: what is missing has its default, and `requireResidentKey` says what `residentKey` says."""
    asked = _object(body, "authenticatorSelection")
    default = "required" if _flag(asked, "requireResidentKey") else "discouraged"
    resident_key = _word(asked, "residentKey", REQUIREMENTS, default=default)
    selection = {
        "residentKey": resident_key,
        "requireResidentKey": resident_key == "required",
        "userVerification": _word(asked, "userVerification", REQUIREMENTS, default="preferred"),
    }
    if asked.get("authenticatorAttachment") is not None:
        selection["authenticatorAttachment"] = _word(asked, "authenticatorAttachment", ATTACHMENTS)
    return selection


def _extensions(body: Json) -> Json:
    """Those asked for and no others, as they are: the tools look for one that nobody knows.

    Credential protection, which is held against the answer, has its shape and its default (CTAP 2.1 §12.1).
    """
    asked = _object(body, "extensions")
    if len(json.dumps(asked)) > MAX_EXTENSIONS:
        raise RefusedError("request_malformed", f"`extensions` has at most {MAX_EXTENSIONS} characters.")
    if _PROTECTION not in asked:
        return asked
    policy, enforced = _word(asked, _PROTECTION, tuple(PROTECTIONS)), _flag(asked, _ENFORCED)
    return {**asked, _PROTECTION: policy, _ENFORCED: enforced}


def _object(body: Json, name: str) -> Json:
    value: object = {} if body.get(name) is None else body[name]
    if not isinstance(value, dict):
        raise RefusedError("request_malformed", f"`{name}` is an object.")
    return value


def _flag(body: Json, name: str) -> bool:
    value: object = False if body.get(name) is None else body[name]
    if not isinstance(value, bool):
        raise RefusedError("request_malformed", f"`{name}` is true or false.")
    return value


def _name(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= MAX_NAME:
        raise RefusedError("request_malformed", f"`{name}` is a text of 1 to {MAX_NAME} bytes.")
    return value


def _word(body: Json, name: str, allowed: tuple[str, ...], *, default: str | None = None) -> str:
    value = default if body.get(name) is None else body[name]
    if not isinstance(value, str) or value not in allowed:
        raise RefusedError("request_malformed", f"`{name}` is one of: {', '.join(allowed)}.")
    return value


def _unavailable() -> RefusedError:
    return RefusedError("unavailable", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


async def _enveloped(req: HttpRequest, post: Callable[[], Awaitable[HttpResponse]]) -> HttpResponse:
    """The answer to a POST; and every problem, that of another method too, as one sentence in the profile's envelope."""
    answer = await by_method(req, {"POST": post})
    if answer.headers["Content-Type"] != MEDIA_TYPE:
        return answer
    problem = json.loads(answer.get_body())
    detail = problem["detail"].split(". ")[0].rstrip(".")
    kept = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
    error = f"{problem['title']} ({problem['code']}): {detail}."
    return _envelope({}, status=answer.status_code, error=error, headers=kept)


def _envelope(
    members: Mapping[str, Any],
    *,
    status: int = 200,
    error: str = "",
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """ServerResponse: `status` and `errorMessage`, and what an answer of its kind has besides."""
    said = {"status": "failed" if error else "ok", "errorMessage": error}
    return json_response({**members, **said}, status=status, headers=headers)
