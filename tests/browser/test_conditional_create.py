"""Conditional create: after a sign-in with another device's passkey, the browser may keep one of its own, unasked.

In Chromium only its own password manager answers such a request, and only while somebody is signed in to it: neither is there
in a test, and its virtual authenticators are never asked. So Chromium itself shows how a request that nobody answers goes, and
for one that is answered the tests let an authenticator stand in for the password manager.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import ROOMY
from tests.browser.visitor import AUTHENTICATOR, Visitor, visiting
from tests.hosts import FUNCTION_KEY, RunningHost, running_host

# In every document to come: what is asked without a prompt, an authenticator answers, once the test lets it.
STAND_IN = """
globalThis.turn = Promise.withResolvers();
if (navigator.credentials) {
  const create = navigator.credentials.create.bind(navigator.credentials);
  navigator.credentials.create = async ({ mediation, ...options }) => {
    await turn.promise;
    return create(options);
  };
}
"""
UPGRADED = "This browser has saved a passkey of its own"


@pytest.fixture(scope="module")
def upgrading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host that allows conditional create."""
    state = tmp_path_factory.mktemp("upgrading") / "state"
    with running_host(state=state, env={**ROOMY, "PASSKEYS_CONDITIONAL_CREATE": "on"}) as running:
        yield running


@pytest.fixture
def keyholder(browser: Browser, upgrading: RunningHost) -> Iterator[Visitor]:
    """Somebody whose one passkey is on a security key: to this browser, another device."""
    with visiting(browser, upgrading, authenticator={**AUTHENTICATOR, "transport": "usb"}) as visitor:
        visitor.note_prompts()
        yield visitor


def registrations(visitor: Visitor) -> list[dict[str, Any]]:
    """From now on: the bodies with which the page starts a registration."""
    bodies: list[dict[str, Any]] = []
    visitor.page.on(
        "request",
        lambda request: (
            bodies.append(request.post_data_json) if request.url.endswith("/registrations") else None
        ),
    )
    return bodies


def outcome(visitor: Visitor, ceremony_id: str) -> str:
    """How a ceremony ended."""
    with urllib.request.urlopen(f"{visitor.host.url}/ceremonies/{ceremony_id}?wait=5") as answer:
        ended: str = json.load(answer)["output"]["outcome"]
        return ended


def audit_entry(visitor: Visitor, ceremony_id: str) -> dict[str, Any]:
    """What the audit says of it."""
    request = urllib.request.Request(
        f"{visitor.host.url}/operations/ceremonies/{ceremony_id}", headers={"x-functions-key": FUNCTION_KEY}
    )
    with urllib.request.urlopen(request) as answer:
        entry: dict[str, Any] = json.load(answer)["audit"]
        return entry


def test_chromium_says_that_it_can(keyholder: Visitor) -> None:
    """The capability that the page looks for is there, so the tests below are about something."""
    keyholder.go()
    capabilities = keyholder.page.evaluate("PublicKeyCredential.getClientCapabilities()")
    assert capabilities["conditionalCreate"] is True


def test_one_calm_line_tells_of_the_new_passkey(keyholder: Visitor) -> None:
    """No view changes; the list has it; and the ceremony remembers that it was conditional, whatever the client says later."""
    keyholder.enrol()
    keyholder.page.add_init_script(STAND_IN)
    device = keyholder.plug_in(transport="internal")
    with keyholder.page.expect_response("**/registrations") as started:
        keyholder.go()
        keyholder.is_signed_in()
    keyholder.consents(False)  # the key, which would say that it has a passkey already
    keyholder.page.evaluate("turn.resolve()")
    expect(keyholder.page.locator("#passkeys-status")).to_contain_text(UPGRADED)
    keyholder.heading("Ada Lovelace")
    assert started.value.request.post_data_json["mediation"] == "conditional"
    assert len(keyholder.passkeys(device)) == 1
    expect(keyholder.holdings()).to_have_count(2)
    entry = audit_entry(keyholder, started.value.json()["id"])
    assert (entry["outcome"], entry["mediation"]) == ("completed", "conditional")


def test_a_request_that_nobody_answers_is_given_up_for_the_next_prompt(keyholder: Visitor) -> None:
    """Chromium leaves it open: nothing is shown, and when the person acts, it is withdrawn and cancelled."""
    keyholder.enrol()
    with keyholder.page.expect_response("**/registrations") as quiet:
        keyholder.signs_in_after_enrolment()
    assert keyholder.prompts(3) == ["create optional", "get optional", "create conditional"]
    keyholder.heading("Ada Lovelace")
    expect(keyholder.page.locator("#passkeys-status")).to_be_hidden()
    keyholder.consents(False)
    keyholder.press("Add a passkey")
    keyholder.heading("Follow your browser")
    assert keyholder.prompts(4)[-1] == "create optional"
    assert outcome(keyholder, quiet.value.json()["id"]) == "canceled"


def test_signing_out_and_leaving_withdraw_it(keyholder: Visitor) -> None:
    """A request of a person who is gone ends at once."""
    keyholder.enrol()
    with keyholder.page.expect_response("**/registrations") as signed_out:
        keyholder.signs_in_after_enrolment()
    keyholder.prompts(3)
    keyholder.consents(False)
    keyholder.press("Sign out")
    keyholder.heading("Sign in")
    assert outcome(keyholder, signed_out.value.json()["id"]) == "canceled"
    keyholder.consents(True)
    with keyholder.page.expect_response("**/registrations") as left:
        keyholder.press("Sign in with a passkey")
        keyholder.is_signed_in()
    keyholder.prompts(5)
    ceremony = left.value.json()["id"]
    keyholder.page.goto("about:blank")
    assert outcome(keyholder, ceremony) == "canceled"


def test_a_failure_is_silent(keyholder: Visitor) -> None:
    """A browser that refuses at once: nobody hears of it, and the ceremony is cancelled."""
    keyholder.enrol()
    keyholder.page.add_init_script(
        """if (navigator.credentials) navigator.credentials.create = async () => {
          throw new DOMException("no password saved here", "NotAllowedError");
        }"""
    )
    with (
        keyholder.page.expect_response("**/registrations") as quiet,
        keyholder.page.expect_request(lambda request: request.method == "DELETE"),
    ):
        keyholder.go()
        keyholder.press("Sign in with a passkey")
        keyholder.is_signed_in()
    assert outcome(keyholder, quiet.value.json()["id"]) == "canceled"
    expect(keyholder.page.locator("#passkeys-status")).to_be_hidden()


def test_a_service_that_has_it_off_is_asked_and_believed(browser: Browser, host: RunningHost) -> None:
    """The refusal is the whole of it: no prompt, no word."""
    with visiting(browser, host, authenticator={**AUTHENTICATOR, "transport": "usb"}) as visitor:
        visitor.expects_failed_loads = True
        visitor.note_prompts()
        visitor.enrol()
        with visitor.page.expect_response("**/registrations") as refused:
            visitor.signs_in_after_enrolment()
        assert (refused.value.status, refused.value.json()["code"]) == (403, "conditional_create_off")
        assert visitor.prompts(2) == ["create optional", "get optional"]
        expect(visitor.page.locator("#passkeys-status")).to_be_hidden()


def test_nobody_is_asked_without_need_or_without_the_capability(
    browser: Browser, upgrading: RunningHost
) -> None:
    """A passkey of this device needs no other one; a browser that does not know the mediation would show a prompt."""
    with visiting(browser, upgrading) as at_home:
        at_home.enrol()
        bodies = registrations(at_home)
        at_home.signs_in_after_enrolment()
        assert bodies == []
    with visiting(browser, upgrading, authenticator={**AUTHENTICATOR, "transport": "usb"}) as visitor:
        visitor.page.add_init_script(
            "if (globalThis.PublicKeyCredential) delete PublicKeyCredential.getClientCapabilities"
        )
        visitor.enrol()
        bodies = registrations(visitor)
        visitor.signs_in_after_enrolment()
        assert bodies == []
