"""A proxy before a storage account that loses what it is told to lose, as networks do: a connection ends, and nobody knows why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from tests.azurite.server import Account
from tests.passkeys.stores import Faults

WRITES = ("PUT", "DELETE")
# Of this connection alone, or made anew from the body.
_OWN = ("connection", "content-length", "transfer-encoding", "keep-alive")


@asynccontextmanager
async def lossy(
    account: Account, faults: Faults, *, meanwhile: Callable[[str], Awaitable[None]] | None = None
) -> AsyncIterator[Account]:
    """The account by way of the proxy. A write that a fault befalls is answered by no byte: not kept, or kept.

    `meanwhile` is awaited with the method of each request before it goes on: what others do in between.
    """

    async def pass_on(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        is_write = request.method in WRITES
        if meanwhile is not None:
            await meanwhile(request.method)
        try:
            if is_write:
                faults.on_commit("before")
            answer = await _sent(session, account, request, body)
            if is_write:
                faults.on_commit("after")
        except OSError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer

    application = web.Application(client_max_size=2**30)
    application.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Account(f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


async def _sent(
    session: aiohttp.ClientSession, account: Account, request: web.Request, body: bytes
) -> web.StreamResponse:
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN}
    url = URL(account.url + request.raw_path, encoded=True)
    async with session.request(
        request.method, url, data=body, headers=headers, skip_auto_headers=("Content-Type",)
    ) as told:
        told_headers = {name: value for name, value in told.headers.items() if name.lower() not in _OWN}
        if request.method == "HEAD":
            told_headers["Content-Length"] = told.headers.get("Content-Length", "0")
        return web.Response(status=told.status, headers=told_headers, body=await told.read())
