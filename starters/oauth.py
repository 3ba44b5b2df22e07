"""The edge of OAuth: what every request of an application's is read by, and every answer to one written by.

A request is a form (RFC 6749 §3.2), of an application that is registered here, which proves that it is itself if it has a
key (private_key_jwt), and that it holds the key which its tokens are bound to (starters/possession.py). Whatever is wrong is an
OAuthError: JSON with one of the codes that clients know, and for operators a line in the log with our own. Nothing of a
token, a proof, an assertion or a verifier is in either.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from azure.functions import HttpRequest, HttpResponse

from passkeys import once
from passkeys.applications import Application
from passkeys.client_assertions import TYPE, AssertionRefused, check_assertion, claimed_client
from passkeys.errors import (
    AuditUnavailable,
    DirectoryUnavailable,
    KeysUnavailable,
    StoreUnavailable,
)
from passkeys.world import World
from starters.answers import RETRY_AFTER_SECONDS
from starters.backlog import FULL_RETRY_AFTER_SECONDS
from starters.correlation import answering
from starters.headers import API_HEADERS
from starters.requests import MAX_BODY_BYTES

MAX_PARAMETERS = 32
TOKEN_PATH = "/token"  # noqa: S105 -- a path, and no secret
PREFLIGHT_SECONDS = 600
CLIENT_SCHEME = "private_key_jwt"
_FORM_MEDIA_TYPE = re.compile(
    r"""application/x-www-form-urlencoded\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?""", re.IGNORECASE
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNESCAPED = re.compile(r"[A-Za-z0-9*._~!$'()/:;@,?|^`{}\[\]\\\"<>+%-]*")
# What a script of another origin may send, and read of the answer, beside what it always may (Fetch §3.3).
_REQUEST_HEADERS = "content-type, dpop"
_RESPONSE_HEADERS = "DPoP-Nonce, Retry-After, WWW-Authenticate"
log = logging.getLogger("starters.oauth")

Form = Mapping[str, str]
Handler = Callable[[], Awaitable[HttpResponse]]


class OAuthError(Exception):
    """A request that ends here: RFC 6749 §5.2. `code` is of those that the RFCs name; `description` is for developers."""

    def __init__(
        self, code: str, description: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> HttpResponse:
        """The error as an HTTP response."""
        body = {"error": self.code, "error_description": self.description}
        return oauth_response(body, status=self.status, headers=self.headers)


def oauth_response(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """A JSON answer that no cache keeps, an old one neither (RFC 6749 §5.1)."""
    common = {**API_HEADERS, "Content-Type": "application/json", "Pragma": "no-cache"}
    return HttpResponse(
        json.dumps(body, separators=(",", ":")), status_code=status, headers={**common, **(headers or {})}
    )


async def answered(world: World, req: HttpRequest, handlers: Mapping[str, Handler]) -> HttpResponse:
    """Call the handler of the request's method; answer with the error that it raised, 405, or a preflight (Fetch §4.8).

    Applications' scripts may read the answer. What cannot be reached is 503: it is ours, it passes, and a client may come back.
    """
    shared = _cors(world, req)
    if req.method == "OPTIONS":
        return HttpResponse(
            status_code=204, headers={**API_HEADERS, **shared, **_preflight(shared, handlers)}
        )
    try:
        handler = handlers.get(req.method)
        if handler is None:
            raise OAuthError(  # noqa: TRY301 -- answered as all of them
                "invalid_request",
                "Use one of the methods that the Allow header names.",
                status=405,
                headers={"Allow": ", ".join(sorted({*handlers, "OPTIONS"}))},
            )
        with answering(req):
            response = await handler()
    except OAuthError as error:
        response = error.response()
    except (StoreUnavailable, DirectoryUnavailable, KeysUnavailable, AuditUnavailable) as away:
        log.error("%s %s: %s", req.method, type(away).__name__, away)  # noqa: TRY400 -- where it was raised says nothing
        response = unavailable().response()
    response.headers.update(shared)
    return response


def unavailable() -> OAuthError:
    """503: something that we need cannot be reached."""
    return OAuthError(
        "temporarily_unavailable",
        "Try again in a few seconds, with the same token and a new proof.",
        status=503,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def full() -> OAuthError:
    """503: what would be done now could not be recorded in time."""
    return OAuthError(
        "temporarily_unavailable",
        "Come back in a minute, with the same token and a new proof: the audit trail waits for its store.",
        status=503,
        headers={"Retry-After": str(FULL_RETRY_AFTER_SECONDS)},
    )


def _cors(world: World, req: HttpRequest) -> dict[str, str]:
    """Who may read the answer: the applications' own origins, each named by itself. `client_of` looks whose it is."""
    origin = req.headers.get("origin")
    known = origin is not None and any(origin in one.origins for one in world.applications.values())
    if not known:
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": str(origin),
        "Access-Control-Expose-Headers": _RESPONSE_HEADERS,
    }


def _preflight(shared: Mapping[str, str], handlers: Mapping[str, Handler]) -> dict[str, str]:
    if "Access-Control-Allow-Origin" not in shared:
        return {}
    return {
        "Access-Control-Allow-Methods": ", ".join(sorted(handlers)),
        "Access-Control-Allow-Headers": _REQUEST_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }


def form_of(req: HttpRequest) -> Form:
    """The body's parameters, none twice, those without a value left out (RFC 6749 §3.2). Raises OAuthError(invalid_request)."""
    body = req.get_body()
    if len(body) > MAX_BODY_BYTES:
        raise _invalid_request(f"Send at most {MAX_BODY_BYTES} bytes.", status=413)
    if not _FORM_MEDIA_TYPE.fullmatch(req.headers.get("content-type", "").strip()):
        raise _invalid_request("Send the parameters as application/x-www-form-urlencoded, in UTF-8.")
    if req.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _invalid_request("Send the body without compression.")
    if urlsplit(req.url).query:
        raise _invalid_request("Send every parameter in the body: addresses are written down along the way.")
    try:
        pairs = [_pair(part) for part in body.decode("ascii").split("&") if part]
    except ValueError:
        raise _invalid_request("The body is no form: escape what is no letter or digit, in UTF-8.") from None
    if len(pairs) > MAX_PARAMETERS:
        raise _invalid_request(f"Send at most {MAX_PARAMETERS} parameters.")
    form = dict(pairs)
    if len(form) != len(pairs):
        raise _invalid_request("Send each parameter once.")
    return {name: value for name, value in form.items() if value}


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    if not name:
        raise ValueError("no name")
    return _text(name), _text(value)


def _text(written: str) -> str:
    if _BAD_ESCAPE.search(written) or not _UNESCAPED.fullmatch(written):
        raise ValueError("not escaped")
    text = unquote_to_bytes(written.replace("+", " ")).decode("utf-8")
    # RFC 6749 appendix A: no parameter of any grant has a control character in it.
    if not text.isprintable():
        raise ValueError("a control character")
    return text


def required(form: Form, name: str) -> str:
    """A parameter's value. Raises OAuthError(invalid_request)."""
    if name not in form:
        raise _invalid_request(f"Send `{name}`.")
    return form[name]


def _invalid_request(description: str, *, status: int = 400) -> OAuthError:
    return OAuthError("invalid_request", description, status=status)


async def client_of(world: World, req: HttpRequest, form: Form) -> Application:
    """The application that asks: by its id alone if it is public, by an assertion of its key's, taken once, if it is not.

    Raises OAuthError: invalid_request, invalid_client, unauthorized_client. And StoreUnavailable.
    """
    if "authorization" in req.headers or "client_secret" in form:
        raise _invalid_client(
            "secret", "No client has a secret here. Send `client_id`, or `client_assertion` beside it."
        )
    assertion = form.get("client_assertion")
    if (assertion is None) != ("client_assertion_type" not in form):
        raise _invalid_request("Send `client_assertion` and `client_assertion_type` together.")
    if assertion is None:
        application = _registered(world, required(form, "client_id"))
        if application.keys is not None:
            raise _invalid_client("assertion_missing", "This client proves itself by `client_assertion`.")
    else:
        application = await _by_assertion(world, form, assertion)
    _check_origin(world, req, application)
    return application


def _registered(world: World, client_id: str) -> Application:
    application = world.applications.get(client_id)
    if application is None:
        raise _invalid_client("client_unknown", "No application of this `client_id` is registered here.")
    return application


async def _by_assertion(world: World, form: Form, assertion: str) -> Application:
    if form["client_assertion_type"] != TYPE:
        raise _invalid_request(f"`client_assertion_type` is {TYPE}.")
    refusal = "The client's assertion is not valid here. See that its key is registered, `aud` is our issuer, and it is new."
    try:
        application = _registered(world, claimed_client(assertion))
        if application.keys is None or form.get("client_id", application.client_id) != application.client_id:
            raise _invalid_client("assertion_unexpected", refusal)
        issuer = world.settings.issuer
        found = check_assertion(
            assertion,
            client_id=application.client_id,
            keys=application.keys,
            audiences=frozenset({issuer, issuer + TOKEN_PATH}),
            at=world.clock(),
        )
    except AssertionRefused as refused:
        raise _invalid_client(str(refused), refusal) from None
    fresh = await once.first_time(
        world.store, once.ASSERTIONS, whose=found.client_id, called=found.jti, at=found.expires_at
    )
    if not fresh:
        raise _invalid_client("assertion_replayed", refusal)
    return application


def _check_origin(world: World, req: HttpRequest, application: Application) -> None:
    """A script asks for its own application alone. Who is no browser sends no Origin."""
    origin = req.headers.get("origin")
    if origin is not None and origin not in application.origins and origin not in world.settings.origins:
        log.warning("client_origin_refused %s", application.client_id)
        raise OAuthError("unauthorized_client", "This origin is none of the application's.")


def _invalid_client(fact: str, description: str) -> OAuthError:
    log.warning("client_refused %s", fact)
    # RFC 6749 §5.2, RFC 9110 §11.6.1.
    return OAuthError("invalid_client", description, status=401, headers={"WWW-Authenticate": CLIENT_SCHEME})
