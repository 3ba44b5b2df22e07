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


def test_enrol_sign_in_and_sign_out_by_keyboard_alone(newcomer: Visitor) -> None:
    """Each view hands the focus to its heading; Tab and Enter do the rest."""
    keyboard = newcomer.page.keyboard
    newcomer.go(f"/#ticket={issue_ticket(newcomer.host, newcomer.person)}")
    newcomer.heading("Create your passkey")
    tab_to(newcomer, "Create a passkey")
    keyboard.press("Enter")
    expect(newcomer.heading("Your passkey is ready")).to_be_focused()
    tab_to(newcomer, "Sign in with it")
    keyboard.press("Enter")
    expect(newcomer.heading(newcomer.name)).to_be_focused()
    newcomer.consents(False)
    tab_to(newcomer, "Sign out")
    keyboard.press("Enter")
    expect(newcomer.heading("Sign in")).to_be_focused()
    tab_to(newcomer, "User name optional")
    keyboard.press("Enter")  # in the field: as good as the button
    newcomer.heading("Follow your browser")
    tab_to(newcomer, "Cancel")
    keyboard.press("Enter")
    expect(newcomer.heading("You cancelled")).to_be_focused()
    tab_to(newcomer, "Back")
    keyboard.press("Enter")
    expect(newcomer.heading("Sign in")).to_be_focused()


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


def test_passkeys_are_looked_after_by_keyboard_alone(newcomer: Visitor) -> None:
    """Rename, keep, add and remove: each step leaves the focus where the next one is expected."""
    keyboard = newcomer.page.keyboard
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    tab_to(newcomer, "Rename Passkey on a device")
    keyboard.press("Enter")
    keyboard.type("Laptop")
    keyboard.press("Enter")
    expect(newcomer.page.get_by_role("button", name="Rename Laptop")).to_be_focused()
    newcomer.plug_in()
    newcomer.consents(False)
    tab_to(newcomer, "Add a passkey")
    keyboard.press("Enter")
    expect(newcomer.page.locator("#passkeys-status")).to_contain_text("new passkey is ready")
    expect(newcomer.heading(newcomer.name)).to_be_focused()
    tab_to(newcomer, "Remove Security key")
    keyboard.press("Enter")
    expect(newcomer.page.get_by_role("button", name="Keep it")).to_be_focused()
    keyboard.press("Enter")
    expect(newcomer.page.get_by_role("button", name="Remove Security key")).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Shift+Tab")
    assert focused(newcomer) == "Remove it"
    keyboard.press("Enter")
    expect(newcomer.page.locator("#passkeys-title")).to_be_focused()
    expect(newcomer.holdings()).to_have_count(1)


def test_a_dialog_keeps_the_focus(newcomer: Visitor) -> None:
    """Behind an open question nothing can be reached, and Escape is no."""
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    remove = newcomer.page.get_by_role("button", name="Remove Passkey on a device")
    remove.click()
    seen = set()
    for _ in range(6):
        newcomer.page.keyboard.press("Tab")
        seen.add(
            focused(newcomer) if newcomer.page.evaluate("document.activeElement !== document.body") else ""
        )
    assert seen - {""} <= {
        "I know that I will be signed out, and that only an operator can let me back in.",
        "Remove my last passkey",
        "Keep it",
    }
    newcomer.page.keyboard.press("Escape")
    expect(remove).to_be_focused()


def test_an_operator_disables_a_passkey_by_keyboard_alone(newcomer: Visitor, browser: Browser) -> None:
    """From the key to the person, the reason and the outcome."""
    newcomer.enrol()
    with visiting(browser, newcomer.host, person="grace") as operator:
        operator.enrol()
        keyboard = operator.page.keyboard
        operator.go("/operations#people")
        tab_to(operator, "Function key")
        keyboard.type(FUNCTION_KEY)
        keyboard.press("Enter")
        expect(operator.heading("People")).to_be_focused()
        tab_to(operator, "Person")
        keyboard.type(newcomer.person)
        keyboard.press("Enter")
        expect(operator.page.locator("#person-title")).to_be_focused()
        tab_to(operator, "Disable Passkey on a device")
        keyboard.press("Enter")
        expect(operator.page.get_by_label("Reason, for the audit trail")).to_be_focused()
        keyboard.type("Left in a taxi")
        keyboard.press("Enter")
        expect(operator.page.get_by_role("button", name="Enable Passkey")).to_be_focused()


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
