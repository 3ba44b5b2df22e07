"""Where somebody is signed in, on the person's own page and on the operators': seen, and ended, one or all."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.browser.places import sign_in_to
from tests.browser.test_every_view import tab_to
from tests.browser.views import look_up, unlock
from tests.browser.visitor import Visitor

NOBODY_THERE = "You are signed in to no application."


def places(visitor: Visitor) -> Locator:
    """The sessions that the page lists."""
    return visitor.page.locator(".visit")


def is_in(visitor: Visitor, *applications: str) -> list[str]:
    """Enrolled, signed in to these applications, and on the page that lists them; the sessions' ids."""
    visitor.enrol()
    opened = sign_in_to(visitor.host, visitor.person, visitor.credential_ids()[0], *applications)
    visitor.signs_in_after_enrolment()
    expect(places(visitor)).to_have_count(len(applications))
    return opened


def test_a_person_sees_where_they_are_signed_in_and_leaves_one(newcomer: Visitor) -> None:
    """By the application's name; the one goes, the other stays, and the page says that it may take a while."""
    is_in(newcomer, "sample", "old-shop")
    sample = places(newcomer).filter(has_text="Sample")
    expect(sample).to_contain_text("Signed in today")
    expect(sample).to_contain_text("unless it is used")
    sample.get_by_role("button").click()
    expect(newcomer.page.locator("#places-status")).to_contain_text("You are signed out of Sample")
    expect(newcomer.page.locator("#places-title")).to_be_focused()
    (left,) = places(newcomer).all()
    assert "old-shop" in left.inner_text()


def test_signed_out_everywhere_by_keyboard_alone(newcomer: Visitor) -> None:
    """The dialog has the focus on what takes nothing away; then the page is signed out, too, and finds nothing later."""
    is_in(newcomer, "sample")
    keyboard = newcomer.page.keyboard
    tab_to(newcomer, "Sign out everywhere")
    keyboard.press("Enter")
    dialog = newcomer.page.get_by_role("dialog", name="Sign out everywhere?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    keyboard.press("Escape")
    expect(newcomer.page.locator("#sign-out-everywhere")).to_be_focused()
    keyboard.press("Enter")
    newcomer.consents(False)
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    expect(newcomer.heading("Sign in")).to_be_visible()
    expect(newcomer.page.locator("#sign-in-note")).to_contain_text("signed out everywhere")
    newcomer.consents(True)
    newcomer.go()
    newcomer.is_signed_in()
    expect(newcomer.page.get_by_text(NOBODY_THERE)).to_be_visible()


def test_what_has_ended_meanwhile_is_said(newcomer: Visitor) -> None:
    """Another window, or an operator, was faster: the list is as it is now."""
    is_in(newcomer, "sample")
    newcomer.expects_failed_loads = True
    newcomer.page.route(
        "**/sessions/*", lambda route: route.fulfill(status=404, json={"code": "session_unknown"})
    )
    places(newcomer).get_by_role("button").click()
    expect(newcomer.page.locator("#places-status")).to_have_text("You are signed out there already.")


def test_a_list_that_cannot_be_had_can_be_asked_for_again(newcomer: Visitor) -> None:
    """The passkeys are there all the same."""
    newcomer.expects_failed_loads = True
    newcomer.page.route("**/sessions", lambda route: route.abort("connectionrefused"))
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    expect(newcomer.page.locator("#places-status")).to_contain_text("does not answer")
    newcomer.page.unroute("**/sessions")
    newcomer.page.get_by_role("button", name="Try again to see").click()
    expect(newcomer.page.get_by_text(NOBODY_THERE)).to_be_visible()


def test_an_operator_signs_somebody_out_with_a_reason(operator: Visitor, newcomer: Visitor) -> None:
    """Of one application, then of all; the person's own page is signed out with it."""
    is_in(newcomer, "sample", "old-shop", "older-shop")
    unlock(operator)
    look_up(operator, newcomer.person)
    expect(places(operator)).to_have_count(3)
    places(operator).filter(has_text="Sample").get_by_role("button").click()
    reason = operator.page.get_by_label("Reason, for the audit trail")
    expect(reason).to_be_focused()
    reason.fill("Lost a laptop")
    reason.press("Enter")
    expect(operator.page.locator("#people-status")).to_have_text(
        f"{newcomer.person} is signed out of Sample application."
    )
    expect(places(operator)).to_have_count(2)
    operator.press("Sign them out everywhere")
    reason.fill("Lost a laptop")
    operator.page.get_by_role("dialog").get_by_role("button", name="Sign them out everywhere").click()
    expect(operator.page.locator("#people-status")).to_contain_text("signed out everywhere")
    expect(operator.page.get_by_text("No application.")).to_be_visible()
    newcomer.expects_failed_loads = True
    newcomer.page.get_by_role("button", name="Sign out of").first.click()
    expect(newcomer.page.get_by_role("dialog", name="Is it still you?")).to_be_visible()
