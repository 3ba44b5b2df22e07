"""What bounds a connection: the time its requests may take to arrive, the number open at once, the words of a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from local_host.connections import MALFORMED, Limits, close_connections, make_server
from local_host.log import Log
from local_host.server import bind
from tests.local_host.apps import HEAD
from tests.local_host.serving import Serving, read_reply, served

APP = (
    HEAD
    + """
import asyncio

@app.route(route="length")
async def length(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(len(req.get_body())))

@app.route(route="slow")
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(0.5)
    return func.HttpResponse("slow")
"""
)
HEAD_OF_ONE = b"POST /api/length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n"


@pytest_asyncio.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[Serving]:
    """A host that waits a fifth of a second and takes three connections."""
    async with served(tmp_path, APP, limits=Limits(arrival_s=0.2, connections=3)) as running:
        yield running


async def connect(host: Serving, *, rpc: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", host.rpc_port if rpc else host.port)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the end of the connection, which must come."""
    return await asyncio.wait_for(reader.read(-1), 5)


async def response(reader: asyncio.StreamReader) -> bytes:
    """Head and body of one response on a connection that stays open."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0].split(b":")[1]))


async def test_a_connection_that_sends_nothing_is_closed(hasty: Serving) -> None:
    """No request within the time: closed without a word, since nobody has asked."""
    reader, writer = await connect(hasty)
    assert await rest(reader) == b""
    writer.close()
    assert len(hasty.events("request_too_slow")) == 1


@pytest.mark.parametrize("served_before", [0, 1])
async def test_a_head_that_dribbles_is_closed_with_408(hasty: Serving, served_before: int) -> None:
    """A byte now and then does not extend the time, neither for the first head nor for a later one."""
    reader, writer = await connect(hasty)
    for _ in range(served_before):
        writer.write(HEAD_OF_ONE + b"x")
        assert (await response(reader)).endswith(b"\r\n\r\n1")

    async def dribble() -> None:
        writer.write(b"GET /api/length HTTP/1.1\r\nX: ")
        while True:
            writer.write(b"a")
            await asyncio.sleep(0.05)

    dribbling = asyncio.create_task(dribble())
    try:
        reply = read_reply(await rest(reader))
    finally:
        dribbling.cancel()
        writer.close()
    assert (reply.status, reply.header("server"), reply.header("connection")) == (408, "local-host", "close")


async def test_a_body_that_does_not_come_is_408(hasty: Serving) -> None:
    """The head is whole, the body is not: answered in time, and the connection is closed."""
    reader, writer = await connect(hasty)
    writer.write(HEAD_OF_ONE)
    reply = read_reply(await rest(reader))
    writer.close()
    assert (reply.status, reply.header("connection")) == (408, "close")


async def test_an_idle_connection_and_a_slow_function_have_no_such_deadline(hasty: Serving) -> None:
    """Between two requests, and while a function works, more time than that may pass."""
    reader, writer = await connect(hasty)
    for _ in range(2):
        writer.write(HEAD_OF_ONE + b"x")
        assert (await response(reader)).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.3)
    writer.write(b"GET /api/slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await response(reader)).endswith(b"slow")
    writer.close()


async def test_connections_over_the_limit_are_closed_at_once_and_counted(tmp_path: Path) -> None:
    """The fourth of three is closed unread; the log has one line for a burst of them; a place that is free is given."""
    async with served(tmp_path, APP, limits=Limits(connections=3)) as host:
        held = [await connect(host) for _ in range(3)]
        for reader, writer in held:
            writer.write(HEAD_OF_ONE + b"x")
            await response(reader)
        for _ in range(5):
            reader, writer = await connect(host)
            assert await rest(reader) == b""
            writer.close()
        (line,) = host.events("connections_full")
        assert (line["level"], line["listener"], line["connections"]) == ("warning", "public", 1)
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        assert (await host.ask("POST", "/api/length", b"ab")).body == b"2"


async def test_a_request_without_end_is_given_up_in_the_time_that_was_set() -> None:
    """A stop waits so long and not twice; the caller then sees a closed connection, not a hang."""
    begun = asyncio.Event()

    async def endless(_request: web.BaseRequest) -> web.Response:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = make_server(endless, Log(), "endless")
    with bind("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        listener = await asyncio.get_running_loop().create_server(server, sock=listening)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await begun.wait()
        listener.close()
        async with asyncio.timeout(1.8):
            await close_connections(server, 1.0)
        assert await rest(reader) == b""
        writer.close()


MALFORMED_REQUESTS = {
    "header without colon": b"GET / HTTP/1.1\r\nsecret-header\r\n\r\n",
    "header with blank": b"GET / HTTP/1.1\r\nsecret header: x\r\n\r\n",
    "NUL in header": b"GET / HTTP/1.1\r\nX: secret\0b\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nX: " + b"secret" * 10_000 + b"\r\n\r\n",
    "long line": b"GET /" + b"secret" * 10_000 + b" HTTP/1.1\r\n\r\n",
    "no HTTP": b"secret\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nsecret",
}


@pytest.mark.parametrize("rpc", [False, True], ids=["public", "rpc"])
@pytest.mark.parametrize("data", MALFORMED_REQUESTS.values(), ids=MALFORMED_REQUESTS.keys())
async def test_a_malformed_request_is_answered_in_fixed_words(hasty: Serving, data: bytes, rpc: bool) -> None:
    """400 with one sentence: nothing of the request, no name or version of what the host is made of, in log or answer."""
    reader, writer = await connect(hasty, rpc=rpc)
    writer.write(data)
    received = await rest(reader)
    writer.close()
    reply = read_reply(received)
    assert (reply.status, reply.body.decode()) == (400, MALFORMED)
    assert reply.header("server") == "local-host"
    for word in (b"secret", b"python", b"aiohttp"):
        assert word not in received.lower()
    assert not [line for line in hasty.lines if "secret" in line]
