"""Enrolment by link, in a real browser with a virtual authenticator."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.visitor import Visitor, issue_ticket


def test_a_link_makes_a_passkey_which_signs_in(visitor: Visitor) -> None:
    """From the link to being signed in: two presses, and the page says who and with which passkey."""
    visitor.go(f"/#ticket={issue_ticket(visitor.host, 'ada')}")
    visitor.heading("Create your passkey")
    visitor.press("Create a passkey")
    visitor.heading("Your passkey is ready")
    (passkey,) = visitor.passkeys()
    assert passkey["isResidentCredential"]
    visitor.press("Sign in with it")
    visitor.heading("Ada Lovelace")
    shown = visitor.page.locator("#signed-in-facts").inner_text()
    assert "ada" in shown
    assert "with a passkey on this device" in shown


def test_the_ticket_leaves_the_address_bar_and_the_history(visitor: Visitor) -> None:
    """Once the page has read the ticket, neither the address nor the history holds it."""
    ticket = issue_ticket(visitor.host, "ada")
    visitor.go(f"/#ticket={ticket}")
    visitor.heading("Create your passkey")
    assert visitor.page.url == f"{visitor.host.url}/"
    entries = visitor.devtools.send("Page.getNavigationHistory")["entries"]
    assert not any(ticket in entry["url"] for entry in entries)
    visitor.page.reload()
    visitor.heading("Sign in")


def test_a_link_opened_in_a_page_that_is_open_already(visitor: Visitor) -> None:
    """A change of the fragment alone shows the enrolment too."""
    visitor.consents(False)
    visitor.go()
    visitor.heading("Sign in")
    visitor.page.evaluate(
        "ticket => { location.hash = 'ticket=' + ticket }", issue_ticket(visitor.host, "ada")
    )
    visitor.heading("Create your passkey")
    assert visitor.page.url == f"{visitor.host.url}/"
    visitor.consents(True)
    visitor.press("Create a passkey")
    visitor.heading("Your passkey is ready")


# Every answer of the service that tells of a completed ceremony names another passkey.
ANOTHER_PASSKEY = """
const asked = globalThis.fetch;
globalThis.fetch = async (...request) => {
  const answer = await asked(...request);
  const told = await answer.text();
  return new Response(told.replace(/("credential_id": ?")[^"]+"/, '$1c29tZWJvZHkgZWxzZSdz"'), answer);
};
"""


def test_somebody_elses_passkey_is_never_told_as_ones_own(visitor: Visitor) -> None:
    """Should another passkey than the one just made be registered, the page says so, and whom to tell."""
    visitor.page.add_init_script(ANOTHER_PASSKEY)
    visitor.consents(False)
    visitor.go(f"/#ticket={issue_ticket(visitor.host, 'ada')}")
    visitor.consents(True)
    visitor.press("Create a passkey")
    visitor.heading("Somebody else's passkey was registered")
    expect(visitor.page.locator("#outcome-code")).to_have_text("other_passkey")
    assert "Your passkey is ready" not in visitor.page.inner_text("main")
    visitor.consents(False)
    visitor.press("Go to sign-in")
    visitor.heading("Sign in")


def test_a_second_passkey_on_the_same_device_is_refused(visitor: Visitor) -> None:
    """excludeCredentials: the browser refuses, and the page says to sign in with what is there."""
    visitor.enrol("grace")
    visitor.go(f"/#ticket={issue_ticket(visitor.host, 'grace')}")
    visitor.press("Create a passkey")
    visitor.heading("You already have a passkey here")
    expect(visitor.page.locator("#outcome-code")).to_have_text("passkey_exists")
    assert len(visitor.passkeys()) == 1
    visitor.consents(False)
    visitor.press("Go to sign-in")
    visitor.heading("Sign in")


def test_a_link_works_once(visitor: Visitor) -> None:
    """The second use of a ticket is told to ask for a new link."""
    ticket = issue_ticket(visitor.host, "ada")
    visitor.go(f"/#ticket={ticket}")
    visitor.press("Create a passkey")
    visitor.heading("Your passkey is ready")
    visitor.expects_failed_loads = True
    visitor.go(f"/#ticket={ticket}")
    visitor.press("Create a passkey")
    visitor.heading("This link no longer works")
    expect(visitor.page.locator("#outcome-code")).to_have_text("ticket_invalid")


def test_a_disabled_account_gets_no_passkey(visitor: Visitor) -> None:
    """The directory says no: the page says whom to ask, and not why."""
    visitor.go(f"/#ticket={issue_ticket(visitor.host, 'mallory')}")
    visitor.press("Create a passkey")
    visitor.heading("This account cannot be used now")
    assert "disabled" not in visitor.page.locator("main").inner_text()


def test_a_cancelled_enrolment_can_be_repeated_with_the_same_link(visitor: Visitor) -> None:
    """Cancelling uses nothing up: the ticket is still good."""
    visitor.consents(False)
    visitor.go(f"/#ticket={issue_ticket(visitor.host, 'ada')}")
    visitor.press("Create a passkey")
    visitor.heading("Follow your browser")
    visitor.press("Cancel")
    visitor.heading("You cancelled")
    visitor.consents(True)
    visitor.press("Try again")
    visitor.heading("Your passkey is ready")
