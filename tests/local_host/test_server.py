"""The listeners: dispatch, keys, bodies, and whatever hostile callers send (the host must outlive all of it)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from local_host.connections import close_connections, make_server
from local_host.log import Log
from local_host.server import MISDIRECTED, hosts_of
from tests.local_host.apps import HEAD
from tests.local_host.serving import SECRET, Serving, read_reply, served

APP = (
    HEAD
    + """
import asyncio, json, threading

@app.route(route="echo/{*rest}")
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    told = {"method": req.method, "url": req.url, "route": dict(req.route_params), "length": len(req.get_body()),
            "params": dict(req.params), "forwarded": req.headers.get("x-forwarded-for")}
    return func.HttpResponse(json.dumps(told), mimetype="application/json")

@app.route(route="plain")
def plain(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(threading.current_thread() is threading.main_thread()))

@app.route(route="context")
async def with_context(req: func.HttpRequest, context) -> func.HttpResponse:
    context.thread_local_storage.invocation_id = context.invocation_id
    return func.HttpResponse(json.dumps([context.function_name, context.invocation_id, context.trace_context.Traceparent,
                                         context.retry_context.retry_count]))

@app.route(route="for-function", auth_level=func.AuthLevel.FUNCTION)
async def for_function(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route(route="for-admins", auth_level=func.AuthLevel.ADMIN)
async def for_admins(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route(route="fails/{how}")
async def fails(req: func.HttpRequest) -> func.HttpResponse:
    how = req.route_params["how"]
    if how == "exits":
        raise SystemExit(1)
    if how == "cancels":
        raise asyncio.CancelledError
    if how == "header":
        return func.HttpResponse("x", headers={"X": "a\\0b"})
    if how == "none":
        return None
    raise ValueError("Password=hunter2 of the caller")
"""
)


@pytest_asyncio.fixture
async def host(tmp_path: Path) -> AsyncIterator[Serving]:
    async with served(tmp_path, APP) as running:
        yield running


async def test_a_request_reaches_its_function(host: Serving) -> None:
    """Method, URL, route values, query, body and the caller's address."""
    reply = await host.ask("PUT", "/api/echo/a%20b/c?x=1&y=", b"12345", host="app.example")
    assert reply.status == 200
    told = reply.json()
    assert told.pop("forwarded").startswith("127.0.0.1:")
    assert told == {
        "method": "PUT",
        "url": "http://app.example/api/echo/a%20b/c?x=1&y=",
        "route": {"rest": "a b/c"},
        "params": {"x": "1"},
        "length": 5,
    }


async def test_plain_functions_run_in_the_pool_and_context_is_given(host: Serving) -> None:
    """A `def` function is off the main thread; `context` carries name, id and the caller's trace."""
    assert (await host.ask("GET", "/api/plain")).body == b"False"
    name, invocation, trace, retries = (
        await host.ask("GET", "/api/context", traceparent="00-aa-bb-01")
    ).json()
    assert (name, trace, retries) == ("with_context", "00-aa-bb-01", 0)
    assert invocation.startswith("id-")


KEYED = [
    ("for-function", None, None, 401),
    ("for-function", "function-key", None, 200),
    ("for-function", None, "function-key", 200),
    ("for-function", "master-key", None, 200),
    ("for-function", "system-key", None, 401),
    ("for-function", "wrong", "function-key", 401),
    ("for-function", "", "function-key", 401),
    ("for-function", None, "FUNCTION-KEY", 401),
    ("for-admins", "function-key", None, 401),
    ("for-admins", None, "master-key", 200),
    ("echo", "wrong", None, 200),
]


@pytest.mark.parametrize(("path", "header", "query", "status"), KEYED)
async def test_keys(host: Serving, path: str, header: str | None, query: str | None, status: int) -> None:
    """The header decides when there is one, else `code`; the body of a refusal is empty."""
    given = {} if header is None else {"x_functions_key": header}
    reply = await host.ask("GET", f"/api/{path}" + (f"?code={query}" if query else ""), **given)
    assert reply.status == status
    if status == 401:
        assert reply.body == b""
    assert not any(key in line for line in host.lines for key in ("function-key", "master-key", "system-key"))


FAILURES = ["raises", "exits", "cancels", "header", "none"]


@pytest.mark.parametrize("how", FAILURES)
async def test_a_failing_function_is_500_and_empty(host: Serving, how: str) -> None:
    """Whatever the function does, the caller gets an empty 500, the log the reason, and the host lives."""
    reply = await host.ask("GET", f"/api/fails/{how}")
    assert (reply.status, reply.body) == (500, b"")
    (line,) = host.events("function_failed")
    assert (line["level"], line["function"]) == ("error", "fails")
    assert "hunter2" not in json.dumps(line)
    assert (await host.ask("GET", "/api/echo")).status == 200


@pytest.mark.parametrize(
    "target", ["/", "/api", "/api/none", "/runtime/other", "/runtime/webhooks/durabletaskx", "/admin"]
)
async def test_unknown_paths_are_404(host: Serving, target: str) -> None:
    """What nobody serves is 404 and empty."""
    reply = await host.ask("GET", target)
    assert (reply.status, reply.body) == (404, b"")


async def test_a_chunked_body_never_reaches_a_function(host: Serving) -> None:
    """No Content-Length, no body; the connection's next request is not confused by the chunks."""
    chunked = (
        b"POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n0\r\n\r\nGET /api/plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    first, _, second = (await host.raw(chunked)).partition(b"HTTP/1.1 200 OK\r\n")[2].partition(b"HTTP/1.1 ")
    assert b'"length": 0' in first
    assert second.endswith(b"False")


async def test_a_body_over_the_limit_is_refused_unread(host: Serving) -> None:
    """100 MiB and one byte: 413, without asking for the body, and the connection is closed."""
    head = b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 104857601\r\nExpect: 100-continue\r\n\r\n"
    assert read_reply(await host.raw(head)).status == 413


async def test_a_caller_that_waits_to_be_asked_is_asked(host: Serving) -> None:
    """Expect: 100-continue gets its interim answer, then the real one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", host.port)
    writer.write(b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_compressed_body_is_handed_over_as_sent(host: Serving) -> None:
    """The host inflates nothing: what a bomb would become is the function's own decision."""
    import gzip

    body = gzip.compress(b"x" * 1_000_000)
    assert (await host.ask("POST", "/api/echo", body, content_encoding="gzip")).json()["length"] == len(body)


HOSTILE = {
    "nothing": b"",
    "noise": bytes(range(256)) * 8,
    "no version": b"GET /\r\n\r\n",
    "wrong version": b"GET / HTTP/9.9\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(5000)) + b"\r\n",
    "header without name": b"GET /api/echo HTTP/1.1\r\n: x\r\n\r\n",
    "header with blank": b"GET /api/echo HTTP/1.1\r\nX : x\r\n\r\n",
    "folded header": b"GET /api/echo HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    "NUL in header": b"GET /api/echo HTTP/1.1\r\nX: a\0b\r\n\r\n",
    "negative length": b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length in words": b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    "absurd length": b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "two lengths": b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunked": b"POST /api/echo HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "connect": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "upgrade": b"GET /api/echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
    "absolute form": b"GET http://elsewhere/api/echo HTTP/1.1\r\nHost: x\r\n\r\n",
    "bad port in target": b"GET http://x:99999999/api/echo HTTP/1.1\r\nHost: x\r\n\r\n",
    "bad escape": b"GET /api/echo/%zz%ff%00?%zz=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    "dots": b"GET /api/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in target": b"GET /api/echo/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in host": b"GET /api/echo HTTP/1.1\r\nHost: \xff\r\n\r\n",
    "impossible host": b"GET /api/echo HTTP/1.1\r\nHost: a b:x/y?z\r\n\r\n",
    "bytes in key": b"GET /api/for-function HTTP/1.1\r\nHost: x\r\nx-functions-key: \xff\xfe\r\n\r\n",
    "body cut short": b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
    "webhooks, bad escape": b"GET /runtime/webhooks/durabletask/instances/%zz%ff?code=system-key HTTP/1.1\r\nHost: x\r\n\r\n",
    "webhooks, bytes": b"GET /runtime/webhooks/durabletask/instances/\xff?code=system-key HTTP/1.1\r\nHost: x\r\n\r\n",
    "webhooks, NUL": b"POST /runtime/webhooks/durabletask/orchestrators/x/%00?code=system-key HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("rpc", [False, True], ids=["public", "rpc"])
async def test_no_request_harms_the_host(host: Serving, data: bytes, rpc: bool) -> None:
    """Whatever the bytes: an answer below 500 or none, no stack in it, no unhandled error, and the next caller is served."""
    answer = await host.raw(data, rpc=rpc)
    if answer:
        assert answer.startswith(b"HTTP/"), answer[:100]
        assert int(answer.split(b" ", 2)[1]) < 500, answer[:200]
        assert b"Traceback" not in answer
    assert not [line for line in host.lines if json.loads(line)["level"] in {"error", "critical"}]
    assert (await host.ask("GET", "/api/echo")).status == 200


async def test_a_caller_that_leaves_harms_nobody(host: Serving) -> None:
    """Connections closed in the middle of a request or before the answer are forgotten."""
    for data in (b"GET /api/echo HT", b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na"):
        _, writer = await asyncio.open_connection("127.0.0.1", host.port)
        writer.write(data)
        await writer.drain()
        writer.transport.abort()
    assert (await host.ask("GET", "/api/echo")).status == 200
    assert not host.events("function_failed")


RPC_PATHS = [
    ("/", 404),
    (f"/{SECRET}", 404),
    (f"/{SECRET}/durabletask/instances/x", 404),
    (f"/{SECRET}/durabletask/instances/", 200),
    (f"/{SECRET.upper()}/durabletask/instances/", 404),
    ("/durabletask/instances/", 404),
    ("/wrong/durabletask/instances/", 404),
]


@pytest.mark.parametrize(("target", "status"), RPC_PATHS)
async def test_the_rpc_listener_answers_only_below_its_secret(
    host: Serving, target: str, status: int
) -> None:
    """Without the unguessable segment everything is 404; with it no key is needed."""
    assert (await host.ask("GET", target, rpc=True)).status == status


async def test_the_rpc_api_is_not_on_the_public_listener(host: Serving) -> None:
    """Even with the secret the public listener knows no such path."""
    assert (await host.ask("GET", f"/{SECRET}/durabletask/instances/")).status == 404


ADDRESSES = [
    ("127.0.0.1", {"localhost", "127.0.0.1", "[::1]"}),
    ("127.0.0.2", {"localhost", "127.0.0.1", "[::1]", "127.0.0.2"}),
    ("::1", {"localhost", "127.0.0.1", "[::1]"}),
    ("0.0.0.0", None),
    ("::", None),
    ("203.0.113.1", None),
]


@pytest.mark.parametrize(("address", "hosts"), ADDRESSES)
def test_only_a_loopback_address_is_served_under_its_own_names_alone(
    address: str, hosts: set[str] | None
) -> None:
    """Who serves a network must be reachable under whatever name the network has for it."""
    assert hosts_of(address) == hosts


HOSTS = [
    ("localhost", 200),
    ("LocalHost:7071", 200),
    ("127.0.0.1:1", 200),
    ("[::1]:7071", 200),
    ("[::1]", 200),
    ("rebound.example", 421),
    ("rebound.example:7071", 421),
    ("localhost.rebound.example", 421),
    ("localhost:7071.rebound.example", 421),
    ("localhost@rebound.example", 421),
    ("127.0.0.1.rebound.example", 421),
    ("::1", 421),
    ("", 421),
]


@pytest.mark.parametrize(("name", "status"), HOSTS)
@pytest.mark.parametrize("path", ["/api/echo", "/runtime/webhooks/durabletask/instances/?code=system-key"])
async def test_another_host_than_this_machine_is_misdirected(
    tmp_path: Path, path: str, name: str, status: int
) -> None:
    """A page that points its own name at 127.0.0.1 is refused, whatever it asks for and whatever key it has."""
    async with served(tmp_path, APP, hosts=hosts_of("127.0.0.1")) as host:
        reply = await host.ask("GET", path, host=name)
    assert reply.status == status
    if status == 421:
        assert reply.body.decode() == MISDIRECTED


async def test_a_request_without_host_is_served(tmp_path: Path) -> None:
    """HTTP/1.0 has no Host; no browser speaks it."""
    async with served(tmp_path, APP, hosts=hosts_of("127.0.0.1")) as host:
        assert read_reply(await host.raw(b"GET /api/echo HTTP/1.0\r\n\r\n")).status == 200


class SilentTransport(asyncio.Transport):
    """A connection over which nothing ever comes."""

    def close(self) -> None:
        pass

    def write(self, data: object) -> None:
        pass


async def test_a_connection_accepted_while_closing_is_not_waited_for() -> None:
    """One that comes in the very moment before the end is closed with the others, not waited for."""
    server = make_server(lambda request: asyncio.sleep(0), Log(), "late")  # type: ignore[arg-type, return-value]
    server().connection_made(SilentTransport())
    async with asyncio.timeout(5):  # in this very step of the loop: the connection's own task has not begun
        await close_connections(server, 30)
    assert server.connections == []
