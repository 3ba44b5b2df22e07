"""How a visitor gets to each view of the pages: one function a view, for the tests that look at all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.browser.visitor import Visitor
from tests.hosts import FUNCTION_KEY


def sign_in(visitor: Visitor) -> None:
    visitor.consents(False)
    visitor.go()
    visitor.heading("Sign in")
    visitor.page.get_by_label("User name").wait_for()


def enrol(visitor: Visitor) -> None:
    visitor.go(f"/#ticket={'x' * 43}")
    visitor.heading("Create your passkey")


def prompt(visitor: Visitor) -> None:
    sign_in(visitor)
    visitor.press("Sign in with a passkey")
    visitor.heading("Follow your browser")


def connection_lost(visitor: Visitor) -> None:
    visitor.expects_failed_loads = True
    visitor.page.route("**/ceremonies/**", lambda route: route.abort("connectionrefused"))
    prompt(visitor)
    visitor.page.get_by_text("The connection is lost.").wait_for()


def canceled(visitor: Visitor) -> None:
    prompt(visitor)
    visitor.press("Cancel")
    visitor.heading("You cancelled")


def prompt_closed(visitor: Visitor) -> None:
    visitor.enrol()
    visitor.is_recognised(False)
    visitor.press("Sign in with it")
    visitor.heading("Your browser ended the prompt")


def ticket_invalid(visitor: Visitor) -> None:
    visitor.expects_failed_loads = True
    enrol(visitor)
    visitor.press("Create a passkey")
    visitor.heading("This link no longer works")


def rate_limited(visitor: Visitor) -> None:
    visitor.expects_failed_loads = True
    visitor.page.route(
        "**/registrations",
        lambda route: route.fulfill(status=429, headers={"Retry-After": "42"}, json={"code": "rate_limited"}),
    )
    enrol(visitor)
    visitor.press("Create a passkey")
    visitor.heading("Too many attempts")


def enrolled(visitor: Visitor) -> None:
    visitor.enrol()


def signed_in(visitor: Visitor) -> None:
    visitor.enrol()
    visitor.press("Sign in with it")
    visitor.heading("Ada Lovelace")


def outdated(visitor: Visitor) -> None:
    visitor.page.add_init_script("delete globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON")
    visitor.go()
    visitor.heading("This browser is too old")


def gate(visitor: Visitor) -> None:
    visitor.go("/operations")
    visitor.heading("Operations")


def key_refused(visitor: Visitor) -> None:
    visitor.expects_failed_loads = True
    gate(visitor)
    visitor.page.get_by_label("Function key").fill("not-the-key")
    visitor.press("Open")
    visitor.page.get_by_text("This key was not accepted.").wait_for()


def listed(visitor: Visitor) -> None:
    canceled(visitor)
    gate(visitor)
    visitor.page.get_by_label("Function key").fill(FUNCTION_KEY)
    visitor.press("Open")
    visitor.heading("Recent ceremonies")


def detail(visitor: Visitor) -> None:
    listed(visitor)
    visitor.page.locator("#rows a").first.click()
    visitor.page.get_by_role("heading", name="Timeline").wait_for()


VIEWS: Mapping[str, Callable[[Visitor], None]] = {
    view.__name__: view
    for view in (
        sign_in, enrol, prompt, connection_lost, canceled, prompt_closed, ticket_invalid, rate_limited,
        enrolled, signed_in, outdated, gate, key_refused, listed, detail,
    )
}  # fmt: skip
