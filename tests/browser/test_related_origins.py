"""Related origins in Chromium: a passkey of example.com, made and used at example.org, because example.com says so.

A browser asks for the document at the RP id's own https address, so the test has one: a proxy on this machine that speaks TLS
for example.com, example.org and example.net before one host. No name is looked up anywhere.
"""

from __future__ import annotations

import http.client
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.browser.browsers import arguments, find_browser
from tests.browser.conftest import ROOMY
from tests.browser.visitor import visiting
from tests.hosts import RunningHost, running_host
from tests.passkeys.authorities import issue

RP_ID, RELATED, STRANGE = "example.com", "example.org", "example.net"
NAMES = (RP_ID, RELATED, STRANGE)
DOCUMENT = "/.well-known/webauthn"


@dataclass
class Front:
    """The TLS front of a host: its port, and what it was asked for, as (name, path)."""

    host: RunningHost
    port: int
    asked: list[tuple[str, str]] = field(default_factory=list)

    def at(self, name: str) -> RunningHost:
        """The host under one of its names."""
        return replace(self.host, url=f"https://{name}")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A host whose passkeys belong to example.com and may be used at example.org."""
    folder = tmp_path_factory.mktemp("related")
    env = {
        "PASSKEYS_RP_ID": RP_ID,
        "PASSKEYS_ORIGINS": f"https://{RP_ID}",
        "PASSKEYS_RELATED_ORIGINS": f"https://{RELATED}",
    }
    with running_host(state=folder / "state", env={**ROOMY, **env}) as host:
        server = TlsServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        made = Front(host, server.server_port)
        server.RequestHandlerClass = handler_for(made)
        server.socket = certified(folder).wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()
        server.server_close()


class TlsServer(ThreadingHTTPServer):
    """One that takes a browser that hangs up for what it is."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def handler_for(front: Front) -> type[BaseHTTPRequestHandler]:
    """Pass each request on to the host, under the name that the host has on this machine."""
    behind = urlsplit(front.host.url)

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            front.asked.append((self.headers["Host"], self.path))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with closing(http.client.HTTPConnection(behind.hostname or "", behind.port)) as connection:
                headers = {**dict(self.headers), "Host": behind.netloc}
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in (
                    "content-length",
                    "connection",
                    "date",
                    "server",
                    "transfer-encoding",
                ):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _pass_on

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def certified(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for all names that nobody has vouched for."""
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    made = issue("A front of the tests", extensions=[(names, False)])
    chain = folder / "front.pem"
    key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(made.certificate.public_bytes(Encoding.PEM) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


@pytest.fixture(scope="module")
def far_browser(front: Front) -> Iterator[Browser]:
    """A browser for which these names are this machine, and whatever its certificates are is good."""
    rules = ", ".join(f"MAP {name}:443 127.0.0.1:{front.port}" for name in NAMES)
    flags = [f"--host-resolver-rules={rules}, EXCLUDE localhost", "--ignore-certificate-errors"]
    playwright: Playwright
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=find_browser(), args=[*arguments(), *flags], ignore_default_args=["--headless"]
        )
        yield running
        running.close()


def test_a_passkey_of_the_rp_id_is_made_and_used_at_a_related_origin(
    far_browser: Browser, front: Front
) -> None:
    """Chromium fetches the document from example.com, and only then makes and uses its passkeys at example.org."""
    with visiting(far_browser, front.at(RELATED)) as visitor:
        visitor.enrol()
        assert (RP_ID, DOCUMENT) in front.asked
        assert (RELATED, DOCUMENT) not in front.asked
        (passkey,) = visitor.passkeys()
        assert passkey["rpId"] == RP_ID
        visitor.signs_in_after_enrolment()


def test_an_origin_that_is_not_listed_is_told_where_to_go(far_browser: Browser, front: Front) -> None:
    """The document is fetched here, too, and does not name example.net: the page says which address is right."""
    front.asked.clear()
    with visiting(far_browser, front.at(STRANGE)) as visitor:
        visitor.consents(False)
        visitor.go()
        visitor.press("Sign in with a passkey")
        visitor.heading("Passkeys cannot be used at this address")
        assert RP_ID in visitor.page.locator("#outcome-lead").inner_text()
    assert (RP_ID, DOCUMENT) in front.asked


def test_at_its_own_origin_nobody_asks(far_browser: Browser, front: Front) -> None:
    """The document is for others: at example.com itself it is not needed."""
    front.asked.clear()
    with visiting(far_browser, front.at(RP_ID)) as visitor:
        visitor.enrol("grace")
    assert (RP_ID, DOCUMENT) not in front.asked
