"""What is true of every view: it fits a phone, has names and contrast, says what changed, and can be used by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.views import VIEWS, canceled, detail, signed_in
from tests.browser.visitor import Visitor, issue_ticket, visiting
from tests.hosts import FUNCTION_KEY, RunningHost

CHECKS = (Path(__file__).parent / "accessibility.js").read_text("utf-8")
NARROWEST = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}


@pytest.mark.parametrize("view", VIEWS)
def test_names_landmarks_and_contrast(browser: Browser, host: RunningHost, view: str) -> None:
    """Everything has a name and a place, and every word 4.5:1: light and dark, on a desk and on the narrowest phone.

    And nothing is wider than the screen.
    """
    with visiting(browser, host, reduced_motion="reduce") as visitor:
        VIEWS[view](visitor)
        for viewport in (NARROWEST, DESK):
            visitor.page.set_viewport_size(viewport)
            assert visitor.page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
            for scheme in ("light", "dark"):
                visitor.page.emulate_media(color_scheme=scheme)
                assert visitor.page.evaluate(CHECKS) == [], (viewport, scheme)


def test_a_violation_of_the_policy_is_noticed(browser: Browser, host: RunningHost) -> None:
    """The tests above would see one: an inline style is refused, and the console says so."""
    with pytest.raises(AssertionError, match="Content Security Policy"), visiting(browser, host) as visitor:
        visitor.go("/operations")
        visitor.page.evaluate(
            "() => { const style = document.createElement('style'); style.textContent = 'body { color: red }';"
            " document.head.append(style) }"
        )


def test_the_checks_see_faults(visitor: Visitor) -> None:
    """The hand-written checks are not blind: a nameless button, a twin id and pale words are found."""
    visitor.go("/operations")
    visitor.heading("Operations")
    visitor.page.evaluate(
        """() => {
          document.querySelector("main").append(document.createElement("button"));
          document.getElementById("gate-title").style.color = "#ccc";
          document.querySelector("main").id = "key";
        }"""
    )
    faults = " ".join(visitor.page.evaluate(CHECKS))
    assert "has no name" in faults
    assert "has a contrast of" in faults
    assert "used twice" in faults


def focused(visitor: Visitor) -> str:
    """The words of what has the focus."""
    return visitor.page.evaluate(
        "() => { const at = document.activeElement; return (at.labels?.[0] ?? at).textContent.trim() }"
    )


def tab_to(visitor: Visitor, name: str) -> None:
    """Press Tab until this has the focus; the focus must be visible."""
    for _ in range(12):
        visitor.page.keyboard.press("Tab")
        if focused(visitor) == name:
            outline = visitor.page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert float(outline.removesuffix("px")) >= 2, name
            return
    pytest.fail(f"Tab does not lead to {name!r}")


def test_enrol_sign_in_and_sign_out_by_keyboard_alone(visitor: Visitor) -> None:
    """Each view hands the focus to its heading; Tab and Enter do the rest."""
    keyboard = visitor.page.keyboard
    visitor.go(f"/#ticket={issue_ticket(visitor.host, 'ada')}")
    visitor.heading("Create your passkey")
    tab_to(visitor, "Create a passkey")
    keyboard.press("Enter")
    expect(visitor.heading("Your passkey is ready")).to_be_focused()
    tab_to(visitor, "Sign in with it")
    keyboard.press("Enter")
    expect(visitor.heading("Ada Lovelace")).to_be_focused()
    visitor.consents(False)
    tab_to(visitor, "Sign out")
    keyboard.press("Enter")
    expect(visitor.heading("Sign in")).to_be_focused()
    tab_to(visitor, "User name optional")
    keyboard.press("Enter")  # in the field: as good as the button
    visitor.heading("Follow your browser")
    tab_to(visitor, "Cancel")
    keyboard.press("Enter")
    expect(visitor.heading("You cancelled")).to_be_focused()
    tab_to(visitor, "Back")
    keyboard.press("Enter")
    expect(visitor.heading("Sign in")).to_be_focused()


def test_an_operator_by_keyboard_alone(visitor: Visitor) -> None:
    """From the key to a timeline and back."""
    canceled(visitor)
    keyboard = visitor.page.keyboard
    visitor.go("/operations")
    tab_to(visitor, "Function key")
    keyboard.type(FUNCTION_KEY)
    keyboard.press("Enter")
    expect(visitor.heading("Recent ceremonies")).to_be_focused()
    first = visitor.page.locator("#rows a").first.inner_text()
    tab_to(visitor, " ".join(first.split()))
    keyboard.press("Enter")
    visitor.page.get_by_role("heading", name="Timeline").wait_for()
    assert visitor.page.evaluate("document.activeElement.id") == "detail-title"
    tab_to(visitor, "All ceremonies")
    keyboard.press("Enter")
    expect(visitor.heading("Recent ceremonies")).to_be_focused()


def test_stages_are_spoken(visitor: Visitor) -> None:
    """A live region tells each stage; the list says in words where it stands."""
    visitor.page.add_init_script(
        """addEventListener("DOMContentLoaded", () => {
          window.spoken = [];
          const region = document.getElementById("announcer");
          if (!region) return;
          new MutationObserver(() => spoken.push(region.textContent)).observe(region, { childList: true });
        })"""
    )
    signed_in(visitor)
    spoken = visitor.page.evaluate("spoken")
    assert "Your browser asks for your passkey." in spoken
    assert "Checking the answer." in spoken
    assert visitor.page.locator("#stages .visually-hidden").all_inner_texts() == ["done"] * 4


def test_nothing_moves_for_those_who_asked(browser: Browser, host: RunningHost) -> None:
    """prefers-reduced-motion stops the one animation that there is."""
    with visiting(browser, host, reduced_motion="reduce") as visitor:
        VIEWS["prompt"](visitor)
        names = visitor.page.evaluate(
            "[...document.querySelectorAll('#stages li')].map((item) => getComputedStyle(item, '::after').animationName)"
        )
        assert set(names) == {"none"}


def test_the_key_is_kept_in_memory_only(visitor: Visitor) -> None:
    """Neither storage nor the address has the operator's key, and a reload asks for it again."""
    detail(visitor)
    assert visitor.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]
    assert FUNCTION_KEY not in visitor.page.url
    assert visitor.page.evaluate("document.getElementById('key').value") == ""
    visitor.page.reload()
    visitor.heading("Operations")
