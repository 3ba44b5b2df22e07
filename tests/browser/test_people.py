"""Operators and people's passkeys: who may look, what is shown, disabling and enabling with a reason."""

from __future__ import annotations

from playwright.sync_api import Route, expect

from passkeys.credentials import StandingState
from tests.browser.standings import decide
from tests.browser.views import look_up, unlock
from tests.browser.visitor import Visitor
from tests.hosts import FUNCTION_KEY


def test_looking_somebody_up_takes_the_operators_own_passkey(operator: Visitor, newcomer: Visitor) -> None:
    """The key alone shows nobody: the first look-up asks for the passkey, and the page then says who is looking."""
    newcomer.enrol()
    unlock(operator)
    operator.heading("People")
    expect(operator.page.locator("#operator-words")).to_contain_text("sign in with your own passkey")
    look_up(operator, newcomer.person)
    expect(operator.page.locator("#person-title")).to_be_focused()
    expect(operator.page.locator("#operator-words")).to_have_text("Signed in as Grace Hopper (grace).")
    (passkey,) = operator.holdings().all()
    told = passkey.inner_text()
    assert newcomer.credential_ids()[0] in told
    assert "Active" in told
    assert "not attested" in told
    operator.press("Sign out")
    assert operator.holdings().count() == 0


def test_disabling_and_enabling_with_a_reason(operator: Visitor, newcomer: Visitor) -> None:
    """Without a reason nothing happens; with one the passkey signs nobody in, until it is enabled again."""
    newcomer.enrol()
    unlock(operator)
    look_up(operator, newcomer.person)
    operator.page.get_by_role("button", name="Disable Passkey").click()
    reason = operator.page.get_by_label("Reason, for the audit trail")
    expect(reason).to_be_focused()
    reason.fill("  ")
    operator.press("Disable it")
    expect(reason).to_be_visible()
    reason.fill("Left in a taxi")
    reason.press("Enter")
    expect(operator.page.locator("#people-status")).to_have_text("Passkey on a device is disabled.")
    expect(operator.holdings()).to_contain_text("Left in a taxi")
    expect(operator.page.get_by_role("button", name="Enable Passkey")).to_be_focused()
    with newcomer.page.expect_response("**/signals"):
        newcomer.go()
    newcomer.heading("That passkey was not accepted")
    operator.page.keyboard.press("Enter")
    operator.page.get_by_label("Reason, for the audit trail").fill("Found again")
    operator.press("Enable it")
    expect(operator.page.locator("#people-status")).to_have_text("Passkey on a device is enabled again.")
    newcomer.go()
    newcomer.is_signed_in()


def test_what_the_metadata_has_decided_is_told_as_such(operator: Visitor, newcomer: Visitor) -> None:
    """An operator sees that it was no colleague."""
    newcomer.enrol()
    decide(newcomer.host, newcomer.credential_ids()[0], StandingState.STEP_UP)
    unlock(operator)
    look_up(operator, newcomer.person)
    expect(operator.holdings()).to_contain_text("To be replaced")
    expect(operator.holdings()).to_contain_text("By the metadata of its model")


def test_a_person_without_the_role_is_told_so(newcomer: Visitor) -> None:
    """Function key and passkey are there; the role is missing, and the page says whom to ask."""
    newcomer.expects_failed_loads = True
    newcomer.enrol()
    unlock(newcomer)
    look_up(newcomer, "ada")
    expect(newcomer.page.locator("#people-error")).to_contain_text("operator's role")
    assert newcomer.page.locator("#person-body").is_hidden()


def test_a_prompt_that_is_not_answered_shows_nobody(operator: Visitor) -> None:
    """Cancelling and failing lead back to the form; the failure says what to do."""
    unlock(operator)
    operator.consents(False)
    operator.press("Sign in")
    expect(operator.page.locator("#operator-words")).to_contain_text("Follow your browser")
    operator.press("Cancel")
    expect(operator.page.locator("#operator-words")).to_contain_text("sign in with your own passkey")
    expect(operator.page.locator("#operator-error")).to_be_hidden()
    operator.consents(True)
    operator.is_recognised(False)
    look_up(operator, "ada")
    expect(operator.page.locator("#people-error")).to_contain_text("Your browser ended the prompt")


def test_an_old_session_is_renewed_and_the_change_made(operator: Visitor, newcomer: Visitor) -> None:
    """The service wants the passkey again: the page asks for it, and goes on."""
    newcomer.enrol()
    operator.expects_failed_loads = True
    refused: list[str] = []

    def stale_once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.headers["authorization"])
            route.fulfill(status=401, json={"code": "session_stale", "detail": "Sign in again."})

    unlock(operator)
    look_up(operator, newcomer.person)
    operator.page.route("**/disable", stale_once)
    operator.page.get_by_role("button", name="Disable Passkey").click()
    operator.page.get_by_label("Reason, for the audit trail").fill("Left in a taxi")
    operator.press("Disable it")
    expect(operator.page.get_by_role("dialog", name="Is it still you?")).to_contain_text("disable a passkey")
    with operator.page.expect_request("**/disable") as again:
        operator.press("Sign in again")
    assert again.value.headers["authorization"] not in refused
    assert again.value.headers["x-functions-key"] == FUNCTION_KEY
    expect(operator.page.locator("#people-status")).to_have_text("Passkey on a device is disabled.")


def test_forgetting_the_key_forgets_people_and_operator(operator: Visitor, newcomer: Visitor) -> None:
    """Nothing of what was shown stays in the page."""
    newcomer.enrol()
    unlock(operator)
    look_up(operator, newcomer.person)
    expect(operator.holdings()).to_have_count(1)
    operator.press("Forget the key")
    operator.heading("Operations")
    assert operator.holdings().count() == 0
    assert newcomer.credential_ids()[0] not in operator.page.content()
    assert "Grace" not in operator.page.content()
