"""Recovery with two operators in two browsers: started by one, confirmed by the other, taken once, enrolled with."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.views import look_up, unlock
from tests.browser.visitor import Visitor, visiting
from tests.hosts import RunningHost

REASON = "Lost her phone on the train, called from her desk"


@pytest.fixture
def other(browser: Browser, host: RunningHost) -> Iterator[Visitor]:
    """Katherine, another operator with a passkey, in a browser of her own."""
    with visiting(browser, host, person="katherine", name="Katherine Johnson") as visitor:
        visitor.enrol()
        yield visitor


def start(operator: Visitor, person: str, name: str) -> str:
    """Start a recovery; the place for the other operator, which is the link without the host."""
    unlock(operator)
    look_up(operator, person)
    operator.page.get_by_label("Reason, for the other operator").fill(REASON)
    operator.press("Start a recovery")
    operator.heading(f"Recovery of {name}")
    link = operator.page.get_by_label("Link for the other operator").input_value()
    assert link.startswith(f"{operator.host.url}/operations#recovery=recovery-")
    return link.removeprefix(operator.host.url)


def test_two_operators_let_a_person_enrol_anew(
    browser: Browser, operator: Visitor, other: Visitor, newcomer: Visitor
) -> None:
    """From the loss to the new passkey, with the details before the eyes of both, and the ticket shown once."""
    place = start(operator, newcomer.person, newcomer.name)
    other.go(place)  # without the function key
    other.heading("Confirm a recovery")
    shown = other.page.locator("#recovery-facts").inner_text()
    assert f"{newcomer.name} ({newcomer.person})" in shown
    assert REASON in shown
    assert "grace" in shown
    other.press("Confirm with your passkey")
    other.heading("The recovery is confirmed")
    expect(operator.page.locator("#recovery-lead")).to_contain_text("Katherine Johnson has confirmed it.")
    operator.press("Show the ticket")
    operator.heading(f"A new start for {newcomer.name}")
    link = operator.page.get_by_label("Enrolment link").input_value()
    newcomer.go(link.removeprefix(newcomer.host.url))
    newcomer.heading("Create your passkey")
    newcomer.press("Create a passkey")
    newcomer.heading("Your passkey is ready")
    newcomer.signs_in_after_enrolment()
    operator.press("Done")
    operator.heading("People")
    assert link not in operator.page.content()
    assert operator.page.locator("#recovery-under-way").is_hidden()


def test_the_ticket_is_not_lost_on_a_walk_through_the_page(
    operator: Visitor, other: Visitor, newcomer: Visitor
) -> None:
    """Until "Done" it can be gone back to; the service itself would not show it again."""
    other.go(start(operator, newcomer.person, newcomer.name))
    other.press("Confirm with your passkey")
    other.heading("The recovery is confirmed")
    operator.press("Show the ticket")
    operator.heading(f"A new start for {newcomer.name}")
    link = operator.page.get_by_label("Enrolment link").input_value()
    operator.page.get_by_role("link", name="Ceremonies").click()
    operator.heading("Recent ceremonies")
    expect(operator.page.locator("#rows tr", has_text="Recovery").first).to_contain_text("Completed")
    operator.page.get_by_role("link", name="People").click()
    operator.page.get_by_role("link", name="The recovery that you have started").click()
    operator.heading(f"A new start for {newcomer.name}")
    assert operator.page.get_by_label("Enrolment link").input_value() == link


def test_whoever_started_it_cannot_confirm_it(browser: Browser, operator: Visitor, newcomer: Visitor) -> None:
    """In another browser, too, Grace is Grace: the recovery is over, and both pages say so."""
    place = start(operator, newcomer.person, newcomer.name)
    with visiting(browser, operator.host, person="grace", name="Grace Hopper") as elsewhere:
        for passkey in operator.passkeys():
            elsewhere.take_over(passkey)
        elsewhere.go(place)
        elsewhere.press("Confirm with your passkey")
        elsewhere.heading("The recovery was not confirmed")
    operator.heading("The recovery was not confirmed")


def test_the_other_operator_refuses(operator: Visitor, other: Visitor, newcomer: Visitor) -> None:
    """The recovery ends without a ticket."""
    other.go(start(operator, newcomer.person, newcomer.name))
    other.press("Refuse")
    other.heading("The recovery was cancelled")
    operator.heading("The recovery was cancelled")
    assert operator.page.get_by_role("button", name="Show the ticket").count() == 0
    operator.press("Back to people")
    operator.heading("People")


def test_a_prompt_that_was_closed_loses_nothing(operator: Visitor, other: Visitor, newcomer: Visitor) -> None:
    """The recovery still waits, and can be confirmed."""
    other.go(start(operator, newcomer.person, newcomer.name))
    other.is_recognised(False)
    other.press("Confirm with your passkey")
    expect(other.page.locator("#recovery-error")).to_contain_text("Your browser ended the prompt")
    other.is_recognised(True)
    other.press("Confirm with your passkey")
    other.heading("The recovery is confirmed")
    expect(operator.page.get_by_role("button", name="Show the ticket")).to_be_visible()


def test_details_that_are_not_what_is_signed_are_not_confirmed(
    operator: Visitor, other: Visitor, newcomer: Visitor
) -> None:
    """The page compares the challenge with what it shows, before anybody signs."""

    def lie(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        told["customStatus"]["details"]["reason"] = "Nothing out of the ordinary"
        route.fulfill(response=answer, json=told)

    place = start(operator, newcomer.person, newcomer.name)
    other.page.route(re.compile(r"/ceremonies/[^?]*\?wait=0$"), lie)
    other.note_prompts()
    other.go(place)
    other.press("Confirm with your passkey")
    expect(other.page.locator("#recovery-error")).to_contain_text("Do not confirm it")
    assert other.prompts(0) == []


def test_a_link_that_leads_nowhere(other: Visitor) -> None:
    """A cut or old link says so, to whoever has no key."""
    other.expects_failed_loads = True
    other.go(f"/operations#recovery=recovery-{'0' * 32}")
    other.heading("There is no such recovery")
    assert other.page.get_by_role("button", name="Back to people").count() == 0
