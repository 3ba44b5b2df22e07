"""The two listeners: the public one (HTTP triggers, webhooks with a key) and the RPC one (the SDK's client, loopback).

Both are aiohttp's low-level server with one hand-written dispatcher each: no middleware, no application, no router.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import socket
from dataclasses import dataclass

from aiohttp import web

from local_host import durable_api, http_functions
from local_host.app import App
from local_host.client_binding import WEBHOOKS_PATH
from local_host.connections import ARRIVAL_S, BODY_LIMIT, Handler
from local_host.durable_api import Answer, Api
from local_host.durable_requests import CONTINUATION, Call
from local_host.http_functions import SERVER, Received
from local_host.invoke import Invoker
from local_host.keys import HEADER, QUERY, Keys, allows
from local_host.log import Log
from local_host.routing import decode_path, decode_text, find, lower_names

# What a browser on this machine writes into Host for a loopback address, in lower case and without the port.
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
MISDIRECTED = "This host serves localhost only; use http://localhost with its port."
_EMPTY: dict[str, str] = {}
_PORT = re.compile(r":[0-9]*\Z")


class Refusal(Exception):
    """A request that is answered before anything looks at its meaning."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Public:
    """What the public listener needs to answer."""

    app: App
    api: Api
    keys: Keys
    invoker: Invoker
    log: Log
    host: str  # localhost:7071, for requests without a Host header
    arrival_s: float = ARRIVAL_S  # for a body, since its head
    hosts: frozenset[str] | None = None  # the names that Host may give, see `hosts_of`; None is any


async def read_body(request: web.BaseRequest, arrival_s: float) -> bytes:
    """The whole body, or nothing when it has no length: a chunked one never reaches a function. Raises Refusal."""
    text = request.headers.get("Content-Length")
    if text is None:
        return b""
    length = int(text)  # the parser has refused anything but digits
    if length > BODY_LIMIT:
        raise Refusal(413, f"The body may have {BODY_LIMIT} bytes.")
    if length == 0:
        return b""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the interim answer is no part of the final one
    try:
        async with asyncio.timeout(arrival_s):
            return bytes(await request.read())
    except TimeoutError as error:
        raise Refusal(408, f"The body did not arrive within {arrival_s:g} seconds.") from error


def hosts_of(address: str) -> frozenset[str] | None:
    """The names under which a bound numeric address is served: for loopback its own, for any other whatever is asked.

    A page from elsewhere can point its own name at 127.0.0.1 (DNS rebinding) and would then share an origin with
    whatever answers there; the browser still sends the page's name.
    """
    if not ipaddress.ip_address(address).is_loopback:
        return None
    return LOOPBACK_HOSTS | {f"[{address}]" if ":" in address else address}


def _is_misdirected(request: web.BaseRequest, hosts: frozenset[str]) -> bool:
    """Whether a Host header names another host. Browsers always send one; a request without is no browser's."""
    given = request.headers.getall("Host", ())
    return any(_PORT.sub("", host.lower(), count=1) not in hosts for host in given)


def split_target(request: web.BaseRequest) -> tuple[str, str]:
    """Path and query as sent, the fragment cut off; the path of an absolute-form target without its authority."""
    target = request.raw_path
    if not target.startswith("/"):
        # RFC 9112 section 3.2: absolute-form begins with a scheme; authority-form and `*` are no paths at all.
        _, separator, rest = target.partition("://")
        slash = rest.find("/")
        target = rest[slash:] if separator and slash >= 0 else "/" if separator else ""
    path, _, query = target.partition("#")[0].partition("?")
    return path, query


def public_handler(public: Public) -> Handler:
    """The dispatcher of the public listener."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        path, query = split_target(request)
        try:
            response = await _dispatch(public, request, path, query)
        except Refusal as refusal:
            response = web.Response(status=refusal.status, text=str(refusal), headers=SERVER)
            if refusal.status in {408, 413}:  # the rest of the body is not waited for
                response.force_close()
        # The path alone: a query may hold a key.
        public.log.debug("http_request", method=request.method, path=path, status=response.status)
        return response

    return handle


async def _dispatch(public: Public, request: web.BaseRequest, path: str, query: str) -> web.Response:
    if public.hosts is not None and _is_misdirected(request, public.hosts):
        raise Refusal(421, MISDIRECTED)
    if path.lower().startswith(WEBHOOKS_PATH) and path[len(WEBHOOKS_PATH) :][:1] in {"", "/"}:
        return await _webhook(public, request, path[len(WEBHOOKS_PATH) + 1 :], query)
    found = find(public.app.routes, request.method, decode_path(path[1:])) if path else None
    if found is None:
        raise Refusal(404)
    function, values = found[0].target, found[1]
    level = function.auth_level
    if level != "anonymous" and not allows(public.keys, level, _given_key(request, query)):
        raise Refusal(401)
    received = Received(
        method=request.method,
        target=f"{path}?{query}" if query else path,
        query=query,
        headers=request.headers,
        peer=_peer(request),
        body=await read_body(request, public.arrival_s),
    )
    return await http_functions.serve(
        function,
        received,
        values,
        invoker=public.invoker,
        timeout_s=public.app.settings.function_timeout_s,
        default_host=public.host,
        log=public.log,
    )


def _peer(request: web.BaseRequest) -> tuple[str, int] | None:
    peer = None if request.transport is None else request.transport.get_extra_info("peername")
    return (str(peer[0]), int(peer[1])) if peer else None


def _given_key(request: web.BaseRequest, query: str) -> str | None:
    """The key of the header, or, without that header, of the query."""
    header = request.headers.get(HEADER)
    if header is not None or not query:
        return header
    return lower_names(query).get(QUERY)


async def _webhook(public: Public, request: web.BaseRequest, below: str, query: str) -> web.Response:
    given = request.headers.get(HEADER)
    names = lower_names(query) if query else _EMPTY
    if not allows(public.keys, "system", names.get(QUERY) if given is None else given):
        raise Refusal(401)
    path, _, _ = request.raw_path.partition("#")
    host = request.headers.get("Host") or public.host
    url = f"http://{host}{path}" if path.startswith("/") else path
    call = await _call(request, below, names, url, public.arrival_s)
    return _response(await durable_api.handle(public.api, call))


async def _call(
    request: web.BaseRequest, below: str, query: dict[str, str], url: str | None, arrival_s: float
) -> Call:
    headers = request.headers
    return Call(
        method=request.method,
        parts=tuple(map(decode_text, below.removesuffix("/").split("/"))),
        query=query,
        content_type=headers.get("Content-Type", ""),
        body=await read_body(request, arrival_s) if request.method != "GET" else b"",
        continuation=headers.get(CONTINUATION),
        url=url,
    )


def _response(answer: Answer) -> web.Response:
    return web.Response(body=answer.body, status=answer.status, headers={**SERVER, **answer.headers})


def rpc_handler(api: Api, secret: str) -> Handler:
    """The dispatcher of the RPC listener: `/{secret}/durabletask/...`, anything else is unknown."""
    prefix = f"/{secret}/durabletask/"
    expected = prefix.encode()
    length = len(prefix)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        path, query = split_target(request)
        if not hmac.compare_digest(path[:length].encode("utf-8", "replace"), expected):
            return web.Response(status=404, headers=SERVER)
        try:
            call = await _call(
                request, path[length:], lower_names(query) if query else _EMPTY, None, ARRIVAL_S
            )
        except Refusal as refusal:
            return web.Response(status=refusal.status, text=str(refusal), headers=SERVER)
        return _response(await durable_api.handle(api, call))

    return handle


def bind(host: str, port: int) -> socket.socket:
    """A listening socket of our own, before anything else is done: the port is in the app's environment. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
