"""The Signal API: what the page tells the browser, when, and that Chromium's virtual authenticator obeys it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from passkeys.credentials import StandingState
from tests.browser.conftest import ROOMY
from tests.browser.standings import decide
from tests.browser.visitor import Visitor, visiting
from tests.hosts import running_host

# In every document to come: each signal is noted, and goes on to the browser; `heard` tells when it has been heard.
NOTE_SIGNALS = """
globalThis.signals = [];
for (const name of ["signalAllAcceptedCredentials", "signalCurrentUserDetails", "signalUnknownCredential"]) {
  if (!globalThis.PublicKeyCredential) break;
  const signal = PublicKeyCredential[name].bind(PublicKeyCredential);
  PublicKeyCredential[name] = async (payload) => {
    const noted = { name, payload, heard: false };
    signals.push(noted);
    await signal(payload);
    noted.heard = true;
  };
}
"""


@pytest.fixture
def listener(newcomer: Visitor) -> Visitor:
    """A newcomer whose page's signals are noted."""
    newcomer.page.add_init_script(NOTE_SIGNALS)
    return newcomer


@pytest.fixture
def stranger(browser: Browser, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A passkey for this RP id that our host has never heard of: of the same service, before its state was lost."""
    with running_host(state=tmp_path / "state", env=ROOMY) as other, visiting(browser, other) as somebody:
        somebody.enrol()
        (passkey,) = somebody.passkeys()
        yield passkey


def heard(visitor: Visitor, name: str) -> dict[str, Any]:
    """The payload of the last signal of this name, once the browser has heard it."""
    visitor.page.wait_for_function(
        "name => signals.findLast((signal) => signal.name === name)?.heard", arg=name, timeout=15_000
    )
    payload: dict[str, Any] = visitor.page.evaluate(
        "name => signals.findLast((signal) => signal.name === name).payload", name
    )
    return payload


def signalled(visitor: Visitor) -> list[str]:
    """The names of all signals of this document."""
    names: list[str] = visitor.page.evaluate("signals.map(({ name }) => name)")
    return names


def rejected(visitor: Visitor) -> None:
    """Sign in, and be told that the passkey was not accepted; what there is to be signalled has been asked for."""
    with visitor.page.expect_response("**/signals"):
        visitor.go()
    visitor.heading("That passkey was not accepted")


def test_after_a_sign_in_the_browser_knows_the_accepted_passkeys_and_the_name(listener: Visitor) -> None:
    """Both payloads as served; a passkey of the same account that the service has not is hidden, a name put right."""
    listener.enrol()
    (own,) = listener.passkeys()
    key = listener.plug_in(automaticPresenceSimulation=False)
    listener.take_over({**own, "credentialId": b64encode(b"long gone").decode()}, key)
    listener.devtools.send("WebAuthn.clearCredentials", {"authenticatorId": listener.authenticator})
    listener.take_over({**own, "userName": "an old name", "userDisplayName": "An Old Name"})
    listener.go()
    listener.is_signed_in()
    accepted = heard(listener, "signalAllAcceptedCredentials")
    details = heard(listener, "signalCurrentUserDetails")
    (left,) = listener.passkeys()
    assert left["credentialId"] == own["credentialId"]
    assert accepted["allAcceptedCredentialIds"] == listener.credential_ids()
    assert (accepted["rpId"], accepted["userId"]) == (details["rpId"], details["userId"])
    assert (details["name"], details["displayName"]) == (listener.person, listener.name)
    assert (left["userName"], left["userDisplayName"]) == (listener.person, listener.name)
    assert listener.passkeys(key) == []
    assert "signalUnknownCredential" not in signalled(listener)


def test_a_passkey_that_was_removed_is_hidden_at_once(listener: Visitor) -> None:
    """Removing the last one tells the browser that none is accepted: the authenticator offers it no longer."""
    listener.enrol()
    listener.signs_in_after_enrolment()
    listener.page.get_by_role("button", name="Remove Passkey on a device").click()
    listener.page.get_by_role("checkbox").check()
    listener.consents(False)
    listener.press("Remove my last passkey")
    listener.heading("Sign in")
    assert heard(listener, "signalAllAcceptedCredentials")["allAcceptedCredentialIds"] == []
    assert listener.passkeys() == []


def test_an_unknown_passkey_is_signalled_and_forgotten(listener: Visitor, stranger: dict[str, Any]) -> None:
    """Only the one that was tried: it is deleted where it is kept, and the sign-in page stays usable."""
    listener.take_over(stranger)
    (unknown,) = listener.credential_ids()
    rejected(listener)
    assert heard(listener, "signalUnknownCredential") == {"rpId": "localhost", "credentialId": unknown}
    assert signalled(listener) == ["signalUnknownCredential"]
    assert listener.passkeys() == []


def test_a_disabled_passkey_is_not_signalled_as_unknown(listener: Visitor) -> None:
    """From outside, the sign-in looks the same; but nothing is deleted, because it may be enabled again."""
    listener.enrol()
    (own,) = listener.credential_ids()
    decide(listener.host, own, StandingState.DISABLED)
    rejected(listener)
    assert signalled(listener) == []
    assert listener.credential_ids() == [own]


def test_a_wrong_signature_is_not_signalled_as_unknown(listener: Visitor, stranger: dict[str, Any]) -> None:
    """The id is known, the key is another: whoever made this must not get the genuine one deleted."""
    listener.enrol()
    (own,) = listener.passkeys()
    listener.devtools.send("WebAuthn.clearCredentials", {"authenticatorId": listener.authenticator})
    listener.take_over({**own, "privateKey": stranger["privateKey"]})
    rejected(listener)
    assert signalled(listener) == []
    assert len(listener.passkeys()) == 1


def test_a_browser_without_the_signal_api_misses_nothing(newcomer: Visitor, stranger: dict[str, Any]) -> None:
    """Signing in and being rejected work as ever; what cannot be signalled is not asked for."""
    newcomer.page.add_init_script(
        """for (const name of Object.getOwnPropertyNames(globalThis.PublicKeyCredential ?? {})) {
          if (name.startsWith("signal")) delete PublicKeyCredential[name];
        }"""
    )
    asked: list[str] = []
    newcomer.page.on(
        "request", lambda request: asked.append(request.url) if request.url.endswith("/signals") else None
    )
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    newcomer.devtools.send("WebAuthn.clearCredentials", {"authenticatorId": newcomer.authenticator})
    newcomer.take_over(stranger)
    newcomer.go()
    newcomer.heading("That passkey was not accepted")
    assert asked == []


def test_a_signal_that_fails_is_nobodys_trouble(newcomer: Visitor) -> None:
    """A browser that throws does not disturb the page."""
    newcomer.page.add_init_script(
        """for (const name of Object.getOwnPropertyNames(globalThis.PublicKeyCredential ?? {})) {
          if (name.startsWith("signal")) PublicKeyCredential[name] = async () => { throw new TypeError(name); };
        }"""
    )
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    expect(newcomer.page.locator("#passkeys-status")).to_be_hidden()
