"""How a visitor gets to each view of the pages: one function a view, for the tests that look at all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from passkeys.credentials import StandingState
from tests.browser import asking
from tests.browser.places import sign_in_to
from tests.browser.standings import decide
from tests.browser.visitor import Visitor, visiting
from tests.hosts import FUNCTION_KEY

# A passkey as the service lists it, for the views that others of the same person would change.
LONE = {
    "id": "AAAA",
    "name": None,
    "authenticator": {
        "aaguid": "00000000-0000-0000-0000-000000000000",
        "name": None,
        "icon": None,
        "proven": False,
    },
    "createdAt": "2026-11-03T09:12:00.000Z",
    "lastUsedAt": None,
    "synced": False,
    "backedUp": False,
    "transports": ["internal"],
    "standing": "active",
    "current": True,
}


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
    visitor.signs_in_after_enrolment()


def passkeys_of_every_standing(visitor: Visitor) -> None:
    key, old = visitor.plug_in(), visitor.plug_in(transport="nfc")
    for authenticator, state in (
        (key, StandingState.DISABLED),
        (old, StandingState.STEP_UP),
        (visitor.authenticator, None),
    ):
        for each in (key, old, visitor.authenticator):
            visitor.consents(each == authenticator, each)
        visitor.enrol()
        if state:
            decide(visitor.host, visitor.credential_ids(authenticator)[0], state)
    visitor.signs_in_after_enrolment()
    visitor.page.get_by_text("Disabled", exact=True).first.wait_for()


def renaming(visitor: Visitor) -> None:
    signed_in(visitor)
    visitor.holdings().filter(has_text="In use now").get_by_role("button", name="Rename").click()
    visitor.page.get_by_label("Name of this passkey").wait_for()


def renamed(visitor: Visitor) -> None:
    renaming(visitor)
    visitor.page.get_by_label("Name of this passkey").fill(
        "Laptop, in the kitchen, on the shelf above the bread" + " bin" * 3
    )
    visitor.press("Save")
    visitor.page.get_by_role("heading", name="Laptop, in the kitchen").wait_for()


def removing(visitor: Visitor) -> None:
    signed_in(visitor)
    visitor.holdings().filter(has_text="In use now").get_by_role("button", name="Remove").click()
    visitor.page.get_by_role("dialog").wait_for()


def removing_the_last(visitor: Visitor) -> None:
    visitor.page.route(
        "**/credentials", lambda route: route.fulfill(json={"credentials": [LONE], "signals": {}})
    )
    removing(visitor)
    visitor.page.get_by_role("dialog", name="Remove your last passkey?").wait_for()


def removed(visitor: Visitor) -> None:
    removing(visitor)
    visitor.consents(False)
    visitor.press("Remove it")
    visitor.heading("Sign in")


def still_you(visitor: Visitor) -> None:
    visitor.expects_failed_loads = True
    visitor.page.route(
        "**/credentials/*", lambda route: route.fulfill(status=401, json={"code": "session_stale"})
    )
    removing(visitor)
    visitor.press("Remove it")
    visitor.page.get_by_role("dialog", name="Is it still you?").wait_for()


def stepped_up(visitor: Visitor) -> None:
    visitor.enrol()
    decide(visitor.host, visitor.credential_ids()[0], StandingState.STEP_UP)
    visitor.signs_in_after_enrolment()
    visitor.page.get_by_text("One more step").wait_for()


def passkeys_unreachable(visitor: Visitor) -> None:
    visitor.expects_failed_loads = True
    visitor.page.route("**/credentials", lambda route: route.abort("connectionrefused"))
    visitor.enrol()
    visitor.press("Sign in with it")
    visitor.page.get_by_text("The service does not answer.").wait_for()


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


def unlock(visitor: Visitor, place: str = "#people") -> None:
    """Open a place of the operators' page with the function key."""
    visitor.go(f"/operations{place}")
    visitor.page.get_by_label("Function key").fill(FUNCTION_KEY)
    visitor.press("Open")


def look_up(visitor: Visitor, whom: str) -> None:
    """Ask for somebody's passkeys, as an operator who is among people."""
    visitor.page.get_by_label("Person", exact=True).fill(whom)
    visitor.press("Show passkeys")


def people(visitor: Visitor) -> None:
    visitor.enrol("grace")
    unlock(visitor)
    visitor.heading("People")


def signed_in_to_applications(visitor: Visitor) -> None:
    visitor.enrol()
    long = "an-application-with-a-name-that-nobody-has-ever-thought-about-on-a-phone"
    sign_in_to(visitor.host, visitor.person, visitor.credential_ids()[0], "sample", long)
    visitor.signs_in_after_enrolment()
    visitor.page.locator(".visit").nth(1).wait_for()


def signing_out_everywhere(visitor: Visitor) -> None:
    signed_in(visitor)
    visitor.press("Sign out everywhere")
    visitor.page.get_by_role("dialog").wait_for()


def person(visitor: Visitor) -> None:
    people(visitor)
    sign_in_to(visitor.host, "grace", visitor.credential_ids()[0], "sample")
    look_up(visitor, "grace")
    visitor.holdings().first.wait_for()


def disabling(visitor: Visitor) -> None:
    person(visitor)
    visitor.holdings().first.get_by_role("button").click()
    visitor.page.get_by_role("dialog").wait_for()


def not_an_operator(visitor: Visitor) -> None:
    visitor.expects_failed_loads = True
    visitor.enrol()
    unlock(visitor)
    look_up(visitor, "ada")
    visitor.page.get_by_text("Your account does not have the operator's role.").wait_for()


def recovery_waits(visitor: Visitor) -> None:
    people(visitor)
    look_up(visitor, "ada")
    visitor.page.get_by_label("Reason, for the other operator").fill("Lost her phone on the train")
    visitor.press("Start a recovery")
    visitor.heading("Recovery of Ada Lovelace")


def recovery_to_confirm(visitor: Visitor) -> None:
    recovery_waits(visitor)
    link = visitor.page.get_by_label("Link for the other operator").input_value()
    visitor.page.goto("about:blank")
    visitor.page.goto(link)
    visitor.heading("Confirm a recovery")


def recovery_not_confirmed(visitor: Visitor) -> None:
    recovery_to_confirm(visitor)
    visitor.press("Confirm with your passkey")  # by whoever started it
    visitor.heading("The recovery was not confirmed")


def recovery_confirmed(visitor: Visitor) -> None:
    recovery_waits(visitor)
    link = visitor.page.get_by_label("Link for the other operator").input_value()
    browser = visitor.page.context.browser
    assert browser is not None
    with visiting(browser, visitor.host, person="katherine") as other:
        other.enrol()
        other.go(link.removeprefix(visitor.host.url))
        other.press("Confirm with your passkey")
        other.heading("The recovery is confirmed")
    visitor.page.get_by_role("button", name="Show the ticket").wait_for()


def ticket(visitor: Visitor) -> None:
    recovery_confirmed(visitor)
    visitor.press("Show the ticket")
    visitor.heading("A new start for Ada Lovelace")


def application(visitor: Visitor) -> None:
    visitor.consents(False)
    visitor.go(asking.path(login_hint="ada"))
    visitor.heading("Sign in to Sample application")


def application_unknown(visitor: Visitor) -> None:
    visitor.expects_failed_loads = True
    visitor.go(asking.path(client_id="nobody"))
    visitor.heading("This sign-in cannot go on")


VIEWS: Mapping[str, Callable[[Visitor], None]] = {
    view.__name__: view
    for view in (
        sign_in, enrol, prompt, connection_lost, canceled, prompt_closed, ticket_invalid, rate_limited,
        enrolled, signed_in, passkeys_of_every_standing, renaming, renamed, removing, removing_the_last, removed, still_you,
        stepped_up, signed_in_to_applications, signing_out_everywhere, passkeys_unreachable, outdated, gate, key_refused, listed, detail, people, person, disabling,
        not_an_operator, recovery_waits, recovery_to_confirm, recovery_not_confirmed, recovery_confirmed, ticket,
        application, application_unknown,
    )
}  # fmt: skip
