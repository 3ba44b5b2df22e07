"""Bytes that are not HTTP, or barely: answered with a 4xx or a closed connection, and the host serves on."""

from __future__ import annotations

import contextlib
import random
import socket
import urllib.parse

import pytest

from demo.ceremonies import call
from tests.hosts import RunningHost

GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "line ends": b"\r\n" * 200,
    "nul bytes": b"\0" * 4096,
    "random": random.Random(1).randbytes(8192),
    "TLS hello": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "no version": b"GET / \r\n\r\n",
    "HTTP/9": b"GET / HTTP/9.9\r\n\r\n",
    "bad method": b"G\x01T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "path not UTF-8": b"GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "raw bytes in path": b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "absolute target": b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "connect": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "header without colon": b"GET /healthz HTTP/1.1\r\nHost a\r\n\r\n",
    "header injection": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
    "long header": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
    "negative length": b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "length no number": b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    "length and chunks": b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "body cut short": b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{}",
    "gigabytes announced": b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n{}",
    "bad cookie": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"\xff=;;=" * 50 + b"\r\n\r\n",
    "bad forwarded": b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ]:[,,;\x80\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}",
    "bad range": b'GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=9-1,,\r\nIf-None-Match: "\r\nIf-Modified-Since: never\r\n\r\n',
    "escaped slashes": b"GET /assets/..%2f..%2fhost.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "dots": b"GET /assets/../../function_app.py HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "upgrade": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    "expect": b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nExpect: the-impossible\r\nContent-Length: 2\r\n\r\n{}",
}


def exchange(url: str, data: bytes) -> bytes:
    """Send the bytes, close our half, and read what comes back, up to a second of silence."""
    port = urllib.parse.urlsplit(url).port
    assert port is not None
    received = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_and_the_host_lives(passkeys_host: RunningHost, data: bytes) -> None:
    """No 5xx, no trace of the program in the answer, no file from outside web/, and /healthz answers at once."""
    received = exchange(passkeys_host.url, data)
    status = int(received.split()[1]) if received.startswith(b"HTTP/") else None
    assert status is None or status < 500 or status in {501, 505}, received[:400]
    for leak in (b"Traceback", b"site-packages", b".py", b'"extensionBundle"'):
        assert leak not in received
    assert call(passkeys_host.url, "GET", "/healthz").status == 200


def test_a_slow_or_silent_caller_holds_nobody_up(passkeys_host: RunningHost) -> None:
    """Two hundred connections that never finish their request: others are served meanwhile."""
    port = urllib.parse.urlsplit(passkeys_host.url).port
    assert port is not None
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=2))
            held.sendall(b"POST /authentications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
        assert call(passkeys_host.url, "GET", "/healthz").status == 200
    assert call(passkeys_host.url, "GET", "/healthz").status == 200
