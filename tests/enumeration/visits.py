"""What an outsider does: start sign-ins for names, answer them wrongly, and note everything that can be seen.

One connection that stays open, one request at a time, and a clock of nanoseconds around each: as near as an attacker can
come, and nearer than any across a network.
"""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import socket
import time
import urllib.parse
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from demo import authenticator
from demo.authenticator import Lie, Passkey, from_base64url

# Their values differ with every request, and say nothing; their lengths could.
VARYING = frozenset({"location", "date", "x-ms-request-id"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer, with the time that it took."""

    status: int
    headers: tuple[tuple[str, str], ...]
    raw: bytes
    milliseconds: float

    @property
    def body(self) -> Any:
        """The parsed JSON."""
        return json.loads(self.raw)


class Visitor:
    """A client with one connection."""

    def __init__(self, url: str) -> None:
        where = urllib.parse.urlsplit(url)
        self.origin = url
        self._connection = http.client.HTTPConnection(where.hostname or "localhost", where.port, timeout=60)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def post(self, path: str, body: Any) -> Seen:
        """One request."""
        data = json.dumps(body).encode()
        began = time.perf_counter_ns()
        self._connection.request("POST", path, data, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        raw = response.read()
        took = time.perf_counter_ns() - began
        headers = tuple(
            (name.lower(), f"<{len(value)}>" if name.lower() in VARYING else value)
            for name, value in response.getheaders()
        )
        return Seen(response.status, headers, raw, took / 1e6)

    def start(self, username: str | None) -> Seen:
        """Begin a sign-in."""
        return self.post("/authentications", {} if username is None else {"username": username})

    def answer(self, started: Seen, passkey: Passkey, lie: Lie) -> Seen:
        """Answer it, and wait for the outcome."""
        begun = started.body
        response = authenticator.get(passkey, begun["publicKey"], origin=self.origin, lie=lie)
        return self.post(begun["sendResponsePostUri"], response)


@contextlib.contextmanager
def visiting(url: str) -> Iterator[Visitor]:
    """A visitor whose own garbage collection does not get into the times."""
    visitor = Visitor(url)
    gc.collect()
    gc.disable()
    try:
        yield visitor
    finally:
        gc.enable()
        visitor.close()


def features(seen: Seen) -> dict[str, float]:
    """Everything in an answer that is a number, or can be made one; but not the time."""
    public_key = seen.body.get("publicKey", {})
    listed = public_key.get("allowCredentials", [])
    ids = [from_base64url(entry["id"]) for entry in listed]
    words = Counter(word for entry in listed for word in entry.get("transports", ()))
    bits = "".join(f"{byte:08b}" for credential_id in ids for byte in credential_id)
    return {
        "status": seen.status,
        "headers": len(seen.headers),
        "header bytes": sum(len(name) + len(value) for name, value in seen.headers),
        "content length": len(seen.raw),
        "members": len(seen.body) + len(public_key),
        "count": len(listed),
        "id bytes": sum(map(len, ids)),
        "longest id": max(map(len, ids), default=0),
        "shortest id": min(map(len, ids), default=0),
        "different lengths": len({len(credential_id) for credential_id in ids}),
        "uuids": sum(one[6] >> 4 == 4 and one[8] >> 6 == 2 for one in ids if len(one) == 16),
        "bits set": bits.count("1") / len(bits) if bits else 0,
        "first byte": ids[0][0] if ids else 0,
        "last byte": ids[0][-1] if ids else 0,
        "in order": ids == sorted(ids),
        "transports": sum(words.values()),
        **{f"transport {word}": words[word] for word in ("internal", "hybrid", "usb", "nfc", "ble")},
    }


def shape(value: Any) -> Hashable:
    """A JSON value with its texts replaced by their lengths, but words kept; ids and challenges are random anyway."""
    if isinstance(value, dict):
        return tuple((name, shape(member)) for name, member in value.items())
    if isinstance(value, list):
        return tuple(shape(member) for member in value)
    if isinstance(value, str) and (len(value) > 20 or any(character.isdigit() for character in value)):
        return len(value)
    return value  # type: ignore[no-any-return]


def shape_of(seen: Seen) -> Hashable:
    """Status, headers and body, less what is random in them."""
    return seen.status, seen.headers, shape(seen.body)
