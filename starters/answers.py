"""What every answer has in common: JSON, its headers, and the choice of the handler by method."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.errors import (
    AuditUnavailable,
    DirectoryUnavailable,
    IssuerUnreachable,
    KeysUnavailable,
    StoreUnavailable,
)
from starters.correlation import answering
from starters.headers import API_HEADERS
from starters.problems import RefusedError

RETRY_AFTER_SECONDS = 1  # for a client that does not use ?wait=: a person is sitting there
_AWAY = (StoreUnavailable, DirectoryUnavailable, IssuerUnreachable, KeysUnavailable, AuditUnavailable)
log = logging.getLogger("starters.answers")

Handler = Callable[[], Awaitable[HttpResponse]]


def json_response(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """A JSON answer with the headers that every answer of the API carries."""
    return HttpResponse(
        json.dumps(body, separators=(",", ":")),
        status_code=status,
        headers={**API_HEADERS, "Content-Type": "application/json", **(headers or {})},
    )


async def by_method(req: HttpRequest, handlers: Mapping[str, Handler]) -> HttpResponse:
    """Call the handler of the request's method; answer 405 with Allow, or the problem that the handler raised.

    A store, a directory, an issuer, a home of keys or an audit that cannot be reached is 503: it is ours, it passes, and the caller may come back.

    HEAD is GET: the host sends the same headers and drops the content (RFC 9110 §9.3.2). A platform's own route table
    would answer a wrong method with 404, which tells the caller nothing; so every method comes here.
    """
    handler = handlers.get("GET" if req.method == "HEAD" else req.method)
    if handler is None:
        allowed = {*handlers, "HEAD"} if "GET" in handlers else set(handlers)
        return RefusedError("method_not_allowed", headers={"Allow": ", ".join(sorted(allowed))}).response()
    try:
        with answering(req):
            return await handler()
    except RefusedError as refused:
        return refused.response()
    except _AWAY as away:
        log.error("%s %s: %s", req.method, type(away).__name__, away)  # noqa: TRY400 -- where it was raised says nothing
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return RefusedError("unavailable", headers=headers).response()
