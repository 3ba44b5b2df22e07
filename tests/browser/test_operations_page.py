"""The operator's page on a real host: the list, one ceremony's timeline, links, and what goes wrong."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.views import canceled, gate, key_refused, listed, signed_in
from tests.browser.visitor import Visitor
from tests.hosts import FUNCTION_KEY


def unlock(visitor: Visitor) -> None:
    """Give the key."""
    visitor.page.get_by_label("Function key").fill(FUNCTION_KEY)
    visitor.press("Open")


def test_a_sign_in_as_a_timeline_with_its_audit_entry(visitor: Visitor) -> None:
    """A link with the id leads, once the key is given, to every step, the gaps between them, and the audit entry."""
    signed_in(visitor)
    ceremony = visitor.page.locator("#reference-id").inner_text()
    visitor.go(f"/operations#{ceremony}")
    unlock(visitor)
    visitor.heading("Sign-in " + ceremony.split("-")[1][:8])
    steps = visitor.page.locator("#timeline .step").all_inner_texts()
    assert "Awaiting authenticator" in steps
    assert "Verify authentication" in steps
    assert "Rate limiter" in steps
    times = visitor.page.locator("#timeline time").all_inner_texts()
    assert len(times) == len(steps)
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", time) for time in times)
    assert visitor.page.locator("#timeline .gap").count() > 0
    audit = visitor.page.locator("#audit")
    expect(audit).to_contain_text("ada")
    assert ceremony in (visitor.page.locator("#audit-json").text_content() or "")


def test_the_list_is_filtered_by_outcome(visitor: Visitor) -> None:
    """Choosing an outcome leaves the ceremonies that ended like that."""
    signed_in(visitor)
    listed(visitor)
    everything = visitor.page.locator("#rows tr").count()
    visitor.page.get_by_label("Outcome").select_option("completed")
    badges = visitor.page.locator("#rows .badge").all_inner_texts()
    assert set(badges) == {"Completed"}
    assert 0 < len(badges) < everything


def test_refresh_shows_what_happened_since(visitor: Visitor) -> None:
    """A ceremony that began after the list was read appears with the next refresh."""
    listed(visitor)
    before = visitor.page.locator("#rows tr").count()
    visitor.page.evaluate(
        """() => fetch("/authentications",
          { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } })"""
    )
    visitor.press("Refresh")
    expect(visitor.page.locator("#rows tr")).to_have_count(before + 1)
    # Not the first one always: what a page has left behind may end meanwhile, and is listed by its end.
    waiting = visitor.page.locator("#rows tr").filter(has_text="Waiting for the person")
    expect(waiting).not_to_have_count(0)


def test_open_by_id_and_back(visitor: Visitor) -> None:
    """An id from a report opens its ceremony; the browser's Back leads to the list; a wrong id says what one looks like."""
    canceled(visitor)
    ceremony = visitor.page.locator("#reference-id").inner_text()
    gate(visitor)
    unlock(visitor)
    visitor.heading("Recent ceremonies")
    visitor.page.get_by_label("Open by id").fill("authentication-1")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("#find-error")).to_contain_text("32 hexadecimal digits")
    visitor.page.get_by_label("Open by id").fill(ceremony)
    visitor.page.keyboard.press("Enter")
    visitor.heading("Sign-in " + ceremony.split("-")[1][:8])
    expect(visitor.page.locator("#summary")).to_contain_text("Cancelled")
    visitor.page.go_back()
    visitor.heading("Recent ceremonies")


def test_an_id_that_nobody_has(visitor: Visitor) -> None:
    """An unknown id is said to be unknown; one of the wrong form too, without asking the host."""
    visitor.expects_failed_loads = True
    visitor.go("/operations#authentication-" + "0" * 32)
    unlock(visitor)
    expect(visitor.page.locator("#detail-error")).to_contain_text("There is no such ceremony.")
    visitor.go("/operations#nonsense")
    unlock(visitor)
    visitor.heading("No such ceremony")


def test_a_wrong_key_and_forgetting_the_right_one(visitor: Visitor) -> None:
    """A refused key says so and asks again; forgetting the key takes everything with it that it opened."""
    key_refused(visitor)
    unlock(visitor)
    visitor.heading("Recent ceremonies")
    visitor.press("Forget the key")
    visitor.heading("Operations")
    assert visitor.page.locator("#rows tr").count() == 0
