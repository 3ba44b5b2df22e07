"""call_http against a server on loopback (Durable protocol: actions of the walk)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.protocol.driver import Driver


class Site(BaseHTTPRequestHandler):
    """Echoes what it is sent; /poll answers 202 twice before 200."""

    polls = 0

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/poll" and Site.polls < 2:
            Site.polls += 1
            self.send_response(202)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/poll")
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        told = {
            "method": self.command,
            "body": body.decode("utf-8"),
            "x": self.headers.get("x-own"),
            "polls": Site.polls,
        }
        answer = json.dumps(told).encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Site", "here")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A server on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_durable_http_call_gives_status_headers_and_content(flows: Driver, site: str, method: str) -> None:
    """The answer has statusCode, headers and content as text; content was sent as JSON, headers as given."""
    given = {"method": method, "uri": f"{site}/x", "headers": {"x-own": "1"}}
    if method != "GET":
        given["content"] = {"a": 1}
    answer = flows.output("fetches", given)
    assert answer["statusCode"] == 200
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    assert headers["x-site"] in ("here", ["here"])
    told = json.loads(answer["content"])
    assert (told["method"], told["x"]) == (method, "1")
    if method != "GET":
        assert json.loads(told["body"]) == {"a": 1}


def test_an_error_status_is_an_answer(flows: Driver, site: str) -> None:
    """404 is a result, not a failure of the orchestration."""
    assert flows.output("fetches", {"method": "GET", "uri": f"{site}/missing"})["statusCode"] == 404


def test_accepted_is_polled_or_refused_aloud(flows: Driver, site: str) -> None:
    """202 with Location: polling uses ids the SDK does not know, so either it is right in the end or it is loud."""
    Site.polls = 0
    instance_id = flows.start("fetches", {"method": "GET", "uri": f"{site}/poll"})
    body = flows.finished(instance_id)
    if body["runtimeStatus"] == "Completed":
        assert body["output"]["statusCode"] in {200, 202}
    else:
        assert "202" in body["output"] or "poll" in body["output"].lower()


def test_a_server_that_is_not_there_fails_the_call(flows: Driver) -> None:
    """No connection: the orchestration fails with a message, it does not hang."""
    assert flows.failure("fetches", {"method": "GET", "uri": "http://127.0.0.1:9/"})
