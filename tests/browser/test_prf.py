"""The PRF extension: the same secret at every sign-in, for code in the page, and not a byte of it anywhere else."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Request, expect

from tests.browser.conftest import ROOMY
from tests.browser.visitor import AUTHENTICATOR, Visitor, visiting
from tests.hosts import RunningHost, running_host

WITH_PRF = {**AUTHENTICATOR, "hasPrf": True}
# What embedding code does, before the page has asked for anything: it listens, and keeps what it is told where the test can see.
LISTEN = """
globalThis.told = [];
if (location.protocol.startsWith("http")) import("/assets/prf.js").then(({ onPrf }) => onPrf(({ results, ...told }) => {
  globalThis.told.push({ ...told, results: results && { first: [...results.first] } });
}));
"""


@pytest.fixture(scope="module")
def encrypting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host that asks for the PRF."""
    state = tmp_path_factory.mktemp("encrypting") / "state"
    with running_host(state=state, env={**ROOMY, "PASSKEYS_EXTENSIONS": "credProps,prf"}) as running:
        yield running


def told(visitor: Visitor) -> list[dict[str, Any]]:
    """What the embedding code of this document has been told."""
    noted: list[dict[str, Any]] = visitor.page.evaluate("told")
    return noted


def spellings(secret: bytes) -> list[bytes]:
    """The ways in which a secret could be written down."""
    return [
        secret,
        secret.hex().encode(),
        b64encode(secret).rstrip(b"="),
        urlsafe_b64encode(secret).rstrip(b"="),
        json.dumps(list(secret), separators=(",", ":")).strip("[]").encode(),
    ]


def test_the_same_secret_twice_and_nothing_of_it_leaves_the_page(
    browser: Browser, encrypting: RunningHost
) -> None:
    """32 bytes, the same at each sign-in: in no request, no view, no storage, no file of the host."""
    sent: list[bytes] = []

    def note(request: Request) -> None:
        sent.append(json.dumps([request.url, request.headers]).encode() + (request.post_data_buffer or b""))

    with visiting(browser, encrypting, authenticator=WITH_PRF) as visitor:
        visitor.page.on("request", note)
        visitor.page.add_init_script(LISTEN)
        visitor.enrol()
        (made,) = told(visitor)
        visitor.signs_in_after_enrolment()
        first = told(visitor)[-1]
        visitor.go()
        visitor.is_signed_in()
        second = told(visitor)[-1]
        expect(visitor.page.locator("#signed-in-facts")).to_contain_text("can encrypt on this device")
        shown = visitor.page.content().encode()
        assert visitor.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert (made["kind"], made["able"]) == ("registration", True)
    assert (first["kind"], first["able"]) == ("authentication", True)
    assert [made["credentialId"], second] == [first["credentialId"], first]
    secret = bytes(first["results"]["first"])
    assert len(secret) == 32
    kept = [path.read_bytes() for path in encrypting.state.parent.rglob("*") if path.is_file()]
    for spelling in spellings(secret):
        assert not any(spelling in where for where in (*sent, *kept, shown))
    answers = [body for body in sent if b"clientExtensionResults" in body]
    assert len(answers) == 3
    assert b'"prf":{"results":{"first":""}}' in answers[-1]  # that it was there is told, and no more


def test_a_passkey_without_it_is_told_as_such(browser: Browser, encrypting: RunningHost) -> None:
    """The page says that it cannot encrypt, and embedding code is told so, too."""
    with visiting(browser, encrypting) as visitor:
        visitor.page.add_init_script(LISTEN)
        visitor.enrol()
        visitor.signs_in_after_enrolment()
        assert [(one["able"], one["results"]) for one in told(visitor)] == [(False, None), (False, None)]
        expect(visitor.page.locator("#signed-in-facts")).to_contain_text("cannot encrypt")


def test_without_the_extension_nothing_is_said(browser: Browser, host: RunningHost) -> None:
    """A service that does not ask for it shows nothing of it, whatever the authenticator could."""
    with visiting(browser, host, authenticator=WITH_PRF) as visitor:
        visitor.page.add_init_script(LISTEN)
        visitor.enrol()
        visitor.signs_in_after_enrolment()
        assert told(visitor) == []
        expect(visitor.page.locator("#signed-in-facts")).not_to_contain_text("encrypt")


def test_a_listener_that_fails_does_not_fail_the_ceremony(browser: Browser, encrypting: RunningHost) -> None:
    """Embedding code has its own bugs: they are reported as such, and the person is signed in."""
    with visiting(browser, encrypting, authenticator=WITH_PRF) as visitor:
        visitor.page.add_init_script(
            """if (location.protocol.startsWith("http")) import("/assets/prf.js").then(({ onPrf }) => onPrf(() => {
              throw new Error("a bug of the embedding code");
            }));"""
        )
        visitor.enrol()
        visitor.signs_in_after_enrolment()
        assert visitor.complaints
        assert all("a bug of the embedding code" in complaint for complaint in visitor.complaints)
        visitor.complaints.clear()
