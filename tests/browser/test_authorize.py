"""Signing in to an application: what the person is told, what the application is, and that only the application can redeem it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.asking import BACK, STATE, VERIFIER, answer_of, await_return, path
from tests.browser.test_every_view import tab_to
from tests.browser.visitor import Visitor


def asked(visitor: Visitor, **changed: str) -> None:
    """At the page, as an application's redirect brings people there."""
    await_return(visitor)
    visitor.note_prompts()
    visitor.go(path(**changed))
    visitor.heading("Sign in to Sample application")


def test_sign_in_to_an_application(visitor: Visitor) -> None:
    """One press: back at the application, with the ceremony as the code, its state, and who we are."""
    visitor.enrol()
    visitor.consents(False)
    starts: list[dict[str, object]] = []
    visitor.page.on(
        "request",
        lambda one: starts.append(one.post_data_json) if one.url.endswith("/authentications") else None,
    )
    asked(visitor)
    facts = visitor.page.locator("#sign-in-facts").inner_text()
    assert "localhost:7080" in facts
    assert "and your roles" in facts
    visitor.prompts(1)
    visitor.consents(True)  # not before: the form field would be answered, too
    visitor.press("Sign in with a passkey")
    answer = answer_of(visitor)
    assert re.fullmatch(r"authentication-[0-9a-f]{32}", answer["code"])
    assert (answer["state"], answer["iss"]) == (STATE, visitor.host.url)
    told = visitor.page.request.get(f"{visitor.host.url}/ceremonies/{answer['code']}").text()
    assert "completed" in told
    assert visitor.person not in told.replace(answer["code"], "")
    # Its own proof key answers; the application's redeems; neither is the other, and no verifier has left its owner.
    (start, *_) = starts
    assert start["client_id"] == "sample"
    assert start["application_challenge"] != start["code_challenge"]
    assert VERIFIER not in str(starts)


def test_a_passkey_picked_in_the_field(visitor: Visitor) -> None:
    """The browser offers it in the form, and no button is pressed."""
    visitor.enrol()
    await_return(visitor)
    visitor.go(path())
    assert answer_of(visitor)["code"]


def test_cancelling_tells_the_application(visitor: Visitor) -> None:
    """Before any prompt, and after one that was cancelled: access_denied, with state and issuer."""
    visitor.consents(False)
    asked(visitor, acr_values="phrh")
    assert "in hardware" in visitor.page.locator("#sign-in-facts").inner_text()
    visitor.press("Cancel")
    answer = answer_of(visitor)
    assert answer == {"error": "access_denied", "state": STATE, "iss": visitor.host.url}
    asked(visitor)
    assert "in hardware" not in visitor.page.locator("#sign-in-facts").inner_text()
    visitor.press("Sign in with a passkey")
    visitor.heading("Follow your browser")
    visitor.press("Cancel")
    visitor.heading("You cancelled")
    visitor.press("Back to Sample application")
    assert answer_of(visitor)["error"] == "access_denied"


def test_a_service_that_is_away_is_no_no_of_the_persons(visitor: Visitor) -> None:
    """The application is told that it may try again later."""
    visitor.expects_failed_loads = True
    visitor.consents(False)
    visitor.page.route(
        "**/authentications", lambda route: route.fulfill(status=503, json={"code": "unavailable"})
    )
    asked(visitor)
    visitor.press("Sign in with a passkey")
    visitor.heading("Something broke on our side")
    visitor.press("Back to Sample application")
    assert answer_of(visitor)["error"] == "temporarily_unavailable"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"client_id": "nobody"}, "client_unknown"),
        ({"redirect_uri": BACK + "/x"}, "redirect_uri_unregistered"),
    ],
)
def test_in_doubt_the_person_stays_here(visitor: Visitor, changed: dict[str, str], code: str) -> None:
    """A page with words and a code, no button that leads anywhere, and no ceremony."""
    visitor.expects_failed_loads = True
    await_return(visitor)
    visitor.go(path(**changed))
    visitor.heading("This sign-in cannot go on")
    expect(visitor.page.locator("#outcome-code")).to_have_text(code)
    expect(visitor.page.get_by_role("button")).to_have_count(0)
    assert visitor.page.url.startswith(visitor.host.url)


def test_by_keyboard_alone(newcomer: Visitor) -> None:
    """With a user name that the application knows already: Tab and Enter, and back."""
    newcomer.enrol()
    newcomer.consents(False)
    asked(newcomer, login_hint=newcomer.person)
    assert newcomer.page.get_by_label("User name").input_value() == newcomer.person
    tab_to(newcomer, "Sign in with a passkey")
    newcomer.prompts(1)
    newcomer.consents(True)
    newcomer.page.keyboard.press("Enter")
    assert answer_of(newcomer)["code"]


def test_it_is_never_open_in_a_frame_and_leaves_nothing(visitor: Visitor) -> None:
    """No storage, no cookie; and the request is not in the history of who came back."""
    visitor.consents(False)
    asked(visitor)
    assert visitor.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]
    visitor.press("Cancel")
    answer_of(visitor)
    entries = visitor.devtools.send("Page.getNavigationHistory")["entries"]
    assert not [entry["url"] for entry in entries if "/authorize" in entry["url"]]
