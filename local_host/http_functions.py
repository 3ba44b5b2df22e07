"""HTTP triggers: what the function is given of a request, and what becomes of its return value."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from azure.functions import HttpResponse
from azure.functions.http import HttpRequest
from multidict import CIMultiDict, CIMultiDictProxy

from local_host.function import Function
from local_host.invoke import BadResult, Invoker
from local_host.log import Log

# RFC 9110 section 7.6.1: these concern one connection only. Transfer-Encoding is gone because the body is whole.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip
# Of these the host knows better than the function.
_HOSTS_OWN = frozenset({*HOP_BY_HOP, "content-length", "date", "server"})
_BODILESS = frozenset({204, 205, 304})
SERVER = {"Server": "local-host"}  # not which library and version: nobody outside needs to know


@dataclass(frozen=True, slots=True)
class Received:
    """What the listener knows of a request; `target` is path and query as sent."""

    method: str
    target: str
    query: str
    headers: CIMultiDictProxy[str]
    peer: tuple[str, int] | None
    body: bytes


def build_request(received: Received, route_values: Mapping[str, str], default_host: str) -> HttpRequest:
    """The request object of the Python library, as the worker would build it."""
    headers = function_headers(received.headers, received.peer)
    host = received.headers.get("Host") or default_host
    return HttpRequest(
        received.method,
        f"http://{host}{received.target}",
        headers=headers,
        params=query_parameters(received.query) if received.query else {},
        route_params=route_values,
        body_type="bytes",
        body=received.body,
    )


def function_headers(given: CIMultiDictProxy[str], peer: tuple[str, int] | None) -> dict[str, str]:
    """Names in lower case, repeated ones joined with a comma, those of the connection dropped.

    The peer's `address:port` is appended to X-Forwarded-For, as Azure's front end does it.
    """
    headers: dict[str, str] = {}
    for name, value in given.items():
        lower = name.lower()
        if lower not in HOP_BY_HOP:
            headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
    if peer is not None:
        address = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
        earlier = headers.get("x-forwarded-for")
        headers["x-forwarded-for"] = f"{earlier}, {address}" if earlier else address
    return headers


def query_parameters(query: str) -> dict[str, str]:
    """Parameters by name: empty values dropped, repeated names (ignoring case) joined with a comma."""
    names: dict[str, str] = {}
    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=False, errors="replace"):
        known = names.setdefault(name.lower(), name)
        values[known] = f"{values[known]},{value}" if known in values else value
    return values


async def serve(
    function: Function,
    received: Received,
    route_values: Mapping[str, str],
    *,
    invoker: Invoker,
    timeout_s: float | None,
    default_host: str,
    log: Log,
) -> web.Response:
    """Call the function and turn what it returns into a response; whatever it raises is a 500 without a body."""
    try:
        request = build_request(received, route_values, default_host)
        async with asyncio.timeout(timeout_s):
            result = await invoker.call(
                function, request, request.headers if function.wants_context else None
            )
        return convert(result)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        log.error("function_failed", function=function.name, message="the function cancelled itself")  # noqa: TRY400 -- our own log
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- the boundary of app code
        log.error("function_failed", function=function.name, error=error)  # noqa: TRY400 -- our own log
    return web.Response(status=500, headers=SERVER)


def convert(result: Any) -> web.Response:
    """The HTTP response for a function's return value. Raises BadResult or ValueError when it is none."""
    if isinstance(result, HttpResponse):
        return _from_response(result)
    if isinstance(result, str):
        return _from_text(result)
    raise BadResult(f"the function returned {type(result).__name__}; return an azure.functions.HttpResponse")


def _from_response(result: HttpResponse) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict()
    headers["Server"] = SERVER["Server"]
    cookies: list[str] = []
    for name, value in result.headers.items():
        lower = name.lower()
        if lower == "set-cookie":
            cookies.append(value)
        elif lower not in _HOSTS_OWN:
            headers[name] = _checked(name, str(value))
    if "Content-Type" not in headers:
        mimetype = result.mimetype
        text = mimetype.startswith("text/")
        headers["Content-Type"] = f"{mimetype}; charset={result.charset}" if text else mimetype
    for cookie in cookies:
        _add_cookies(headers, cookie)
    status = int(result.status_code)
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is no status code that a function can answer with")
    return web.Response(
        body=b"" if status in _BODILESS else result.get_body(), status=status, headers=headers
    )


def _checked(name: str, value: str) -> str:
    if any(letter in name + value for letter in "\r\n\0"):
        raise ValueError(f"the response header {name!r} holds a line break")
    return value


def _add_cookies(headers: CIMultiDict[str], text: str) -> None:
    """Read the header as the Python library does and write it again: one Set-Cookie each, attributes kept."""
    try:
        parsed = SimpleCookie(text)
    except CookieError as error:
        raise ValueError(f"the response sets an impossible cookie: {error}") from error
    for morsel in parsed.values():
        headers.add("Set-Cookie", _checked("Set-Cookie", morsel.OutputString()))


def _from_text(text: str) -> web.Response:
    """Functions host: a returned text is a body, unless it is a JSON object with `body`: then it describes a response."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or "body" not in value:
        return web.Response(text=text, headers=SERVER)
    body = value["body"]
    plain = isinstance(body, str)
    status = int(value.get("status") or value.get("statusCode") or 200)
    described = HttpResponse(
        body if plain else json.dumps(body),
        status_code=status,
        headers={str(name): str(item) for name, item in (value.get("headers") or {}).items()},
        mimetype="text/plain" if plain else "application/json",
    )
    return _from_response(described)
