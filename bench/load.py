"""The load: people who sign in again and again, each with a passkey and a connection of their own. A process apart.

`python -m bench.load URL PEOPLE SECONDS TICKETS...` registers a passkey a ticket, warms up, then times; it prints one JSON
object. Lean on purpose, because it shares the machine with the server: raw sockets, one prepared head for each request,
JSON read only where the next request needs it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from demo import authenticator
from demo.authenticator import Passkey

ES256 = -7
WARM_UP_SECONDS = 1.0


class BrokenExchangeError(Exception):
    """The server did not answer as a sign-in needs; the message carries its answer."""


@dataclass(slots=True)
class Connection:
    """One keep-alive connection of one person."""

    host: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """One request and its answer: the status, and the JSON."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(answer[9:12]), json.loads(await self.reader.readexactly(length))


@dataclass(slots=True)
class Times:
    """Milliseconds of each complete sign-in and of its two steps; `polls` are status queries that were needed."""

    start: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    sign_in: list[float] = field(default_factory=list)
    polls: int = 0


async def connect(url: str) -> Connection:
    """Open a connection."""
    where = urllib.parse.urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    return Connection(where.netloc, reader, writer)


async def register(connection: Connection, origin: str, ticket: str) -> Passkey:
    """A whole registration."""
    _, started = await connection.call("POST", "/registrations", json.dumps({"ticket": ticket}).encode())
    passkey, response = authenticator.create(started["publicKey"], origin=origin, algorithm=ES256)
    await answered(connection, started["id"], response, Times())
    return passkey


async def sign_in(connection: Connection, origin: str, passkey: Passkey, times: Times) -> None:
    """A whole sign-in, timed from the first byte sent to the outcome read; signing is the person's time, and left out."""
    began = time.perf_counter()
    status, started = await connection.call("POST", "/authentications", b"{}")
    has_options = time.perf_counter()
    if status != 202 or "publicKey" not in started:
        raise BrokenExchangeError(f"{status}: {started}")
    response = authenticator.get(passkey, started["publicKey"], origin=origin)
    signed = time.perf_counter()
    await answered(connection, started["id"], response, times)
    ended = time.perf_counter()
    times.start.append((has_options - began) * 1000)
    times.answer.append((ended - signed) * 1000)
    times.sign_in.append((has_options - began + ended - signed) * 1000)


async def answered(connection: Connection, ceremony_id: str, response: dict[str, Any], times: Times) -> None:
    """Send the authenticator's response and wait for the outcome. Raises BrokenExchangeError unless it is completed."""
    status, ended = await connection.call(
        "POST", f"/ceremonies/{ceremony_id}/response", json.dumps(response).encode()
    )
    while status == 202:
        times.polls += 1
        status, ended = await connection.call("GET", f"/ceremonies/{ceremony_id}?wait=20")
    if status != 200 or ended["output"]["outcome"] != "completed":
        raise BrokenExchangeError(f"{status}: {ended}")


async def person(url: str, ticket: str, times: Times, begin: asyncio.Barrier, seconds: float) -> None:
    """One person: a passkey, a warm-up, then sign-ins without a pause until the time is over."""
    connection = await connect(url)
    passkey = await register(connection, url, ticket)
    warm = time.perf_counter() + WARM_UP_SECONDS
    while time.perf_counter() < warm:
        await sign_in(connection, url, passkey, Times())
    await begin.wait()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await sign_in(connection, url, passkey, times)
    connection.writer.close()


async def run(url: str, seconds: float, tickets: list[str]) -> None:
    """Everybody at once. A line "begin" and a line "end" mark the timed part for who measures the server."""
    times = Times()
    begin = asyncio.Barrier(len(tickets) + 1)
    async with asyncio.TaskGroup() as people:
        for ticket in tickets:
            people.create_task(person(url, ticket, times, begin, seconds))
        await begin.wait()
        began = time.perf_counter()
        print("begin", flush=True)
    took = time.perf_counter() - began
    print("end", flush=True)
    result = {
        "seconds": took,
        "start": times.start,
        "answer": times.answer,
        "sign_in": times.sign_in,
        "polls": times.polls,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
