"""A whole host in this process: loader, engine on a database in memory, both listeners on loopback."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_host.app import App
from local_host.client_binding import Site, client_texts
from local_host.connections import Limits, make_server
from local_host.database import Database
from local_host.durable_api import Api, make_api
from local_host.engine import Engine
from local_host.invoke import Invoker, make_pool
from local_host.keys import Keys
from local_host.log import Log
from local_host.model import EngineOptions
from local_host.run import durable_functions
from local_host.server import Public, bind, public_handler, rpc_handler

KEYS = Keys(master="master-key", function="function-key", system="system-key")
SECRET = "unguessable"


@dataclass
class Reply:
    """One response, taken apart."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Serving:
    """Where it listens, what it is made of, what it has logged."""

    port: int
    rpc_port: int
    engine: Engine
    api: Api
    lines: list[str] = field(default_factory=list)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in map(json.loads, self.lines) if line["event"] == name]

    async def raw(self, data: bytes, *, rpc: bool = False) -> bytes:
        """Send these bytes on a connection of their own; everything that comes back until it is closed or silent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.rpc_port if rpc else self.port)
        try:
            writer.write(data)
            received = b""
            try:
                while chunk := await asyncio.wait_for(reader.read(65536), 0.3):
                    received += chunk
            except (TimeoutError, ConnectionError):
                pass
            return received
        finally:
            writer.close()

    async def ask(
        self, method: str, target: str, body: bytes | None = None, *, rpc: bool = False, **headers: str
    ) -> Reply:
        """One well-formed request and its response. Header names are given with underscores."""
        lines = [f"{method} {target} HTTP/1.1", "connection: close"]
        given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        given.setdefault("host", f"localhost:{self.port}")
        if body is not None:
            given.setdefault("content-length", str(len(body)))
        lines += [f"{name}: {value}" for name, value in given.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.rpc_port if rpc else self.port)
        try:
            writer.write(head + (body or b""))
            return read_reply(await asyncio.wait_for(reader.read(-1), 10))
        finally:
            writer.close()


def read_reply(data: bytes) -> Reply:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest)]
    return Reply(int(first.split()[1]), headers, body)


@asynccontextmanager
async def serving(
    app: App,
    *,
    settled_reads: bool = True,
    level: str = "info",
    limits: Limits | None = None,
    hosts: frozenset[str] | None = None,
) -> AsyncIterator[Serving]:
    """The app, served until the block ends."""
    lines: list[str] = []
    log = Log(level, write=lines.append)
    numbers = itertools.count(1)
    with bind("127.0.0.1", 0) as public_socket, bind("127.0.0.1", 0) as rpc_socket, make_pool({}) as pool:
        port, rpc_port = public_socket.getsockname()[1], rpc_socket.getsockname()[1]
        rpc_url = f"http://127.0.0.1:{rpc_port}/{SECRET}/durabletask/"
        site = Site(f"http://localhost:{port}", rpc_url, app.settings.hub_name, KEYS.system)
        new_id = lambda: f"id-{next(numbers)}"
        invoker = Invoker(pool, client_texts(site), new_id)
        database = Database(":memory:")
        engine = Engine(
            database,
            durable_functions(app, invoker),
            clock=lambda: datetime.now(UTC),
            new_id=new_id,
            options=EngineOptions(),
            log=log,
        )
        api = make_api(engine, site, log, settled_reads=settled_reads)
        await engine.start()
        limits = limits or Limits()
        needs = Public(app, api, KEYS, invoker, log, f"localhost:{port}", limits.arrival_s, hosts)
        public = make_server(public_handler(needs), log, "public", limits)
        rpc = make_server(rpc_handler(api, SECRET), log, "rpc")
        loop = asyncio.get_running_loop()
        listeners = [
            await loop.create_server(public, sock=public_socket),
            await loop.create_server(rpc, sock=rpc_socket),
        ]
        try:
            yield Serving(port, rpc_port, engine, api, lines)
        finally:
            for listener in listeners:
                listener.close()
            for server in (public, rpc):
                server.pre_shutdown()
                await server.shutdown(1)
            await engine.drain(1)
            database.close()


@asynccontextmanager
async def served(directory: Path, source: str, **options: Any) -> AsyncIterator[Serving]:
    """The app of this source, loaded and served."""
    from tests.local_host.apps import loaded

    with loaded(directory, source, host_json={"extensions": {"durableTask": {"hubName": "hub"}}}) as app:
        async with serving(app, **options) as host:
            yield host
