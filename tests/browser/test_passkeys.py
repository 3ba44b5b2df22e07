"""A person's own passkeys on the page: names, adding, removing, the last one, and what is no longer good."""

from __future__ import annotations

from playwright.sync_api import Browser, Request, Route, expect

from passkeys.credentials import StandingState
from passkeys.proof import challenge_of
from tests.browser.standings import decide
from tests.browser.visitor import Visitor, visiting


def status(visitor: Visitor) -> str:
    """What the page says of the last change, once it says something."""
    line = visitor.page.locator("#passkeys-status")
    expect(line).to_be_visible()
    return line.inner_text()


def with_a_second_passkey(visitor: Visitor) -> str:
    """Signed in on the device, with another passkey on a security key; the key's id among the authenticators."""
    visitor.enrol()
    visitor.signs_in_after_enrolment()
    key = visitor.plug_in()
    visitor.consents(False)  # the device, which has a passkey and would say so
    visitor.press("Add a passkey")
    visitor.is_signed_in()
    expect(visitor.holdings()).to_have_count(2)
    visitor.consents(True)
    return key


def test_the_list_says_what_and_where_a_passkey_is(newcomer: Visitor) -> None:
    """One passkey, in use now, on one device only: so another one is advised."""
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    (passkey,) = newcomer.holdings().all()
    told = passkey.inner_text()
    assert "Passkey on a device" in told
    assert "In use now" in told
    assert "On one device only" in told
    assert "Last used" in told
    assert passkey.locator("time").count() == 2
    expect(newcomer.page.locator("#passkeys-hint")).to_contain_text("only passkey")


def test_a_passkey_is_renamed_in_place(newcomer: Visitor) -> None:
    """The name is kept by the service: another sign-in shows it. Escape leaves it as it was."""
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    rename = newcomer.page.get_by_role("button", name="Rename Passkey on a device")
    rename.click()
    field = newcomer.page.get_by_label("Name of this passkey")
    expect(field).to_be_focused()
    field.press("Escape")
    expect(rename).to_be_focused()
    rename.click()
    field.fill("  Laptop in the kitchen ")
    field.press("Enter")
    expect(newcomer.page.get_by_role("button", name="Rename Laptop in the kitchen")).to_be_focused()
    expect(newcomer.page.locator("#announcer")).to_have_text("Renamed to Laptop in the kitchen.")
    newcomer.go()
    newcomer.is_signed_in()
    expect(newcomer.page.get_by_role("heading", level=3)).to_have_text("Laptop in the kitchen")


def test_another_passkey_is_added_in_the_session(newcomer: Visitor) -> None:
    """No link is needed; the page comes back with the new one in the list, and it signs in."""
    key = with_a_second_passkey(newcomer)
    assert "new passkey is ready" in status(newcomer)
    assert len(newcomer.passkeys(key)) == 1
    assert "Security key" in newcomer.holdings().last.inner_text()
    newcomer.expects_failed_loads = True  # signed in by key, the page asks whether it may be upgraded
    newcomer.consents(False)
    newcomer.go()  # the key alone answers
    newcomer.is_signed_in()
    expect(newcomer.holdings().filter(has_text="In use now")).to_contain_text("Security key")


def test_adding_that_is_cancelled_comes_back(newcomer: Visitor) -> None:
    """The person is still signed in, and nothing has changed."""
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    newcomer.consents(False)
    newcomer.press("Add a passkey")
    newcomer.heading("Follow your browser")
    newcomer.press("Cancel")
    newcomer.heading("You cancelled")
    newcomer.press("Back to your passkeys")
    newcomer.is_signed_in()
    expect(newcomer.holdings()).to_have_count(1)


def test_removing_asks_first_and_says_what_it_means(newcomer: Visitor) -> None:
    """The dialog has the focus on what takes nothing away; "Keep it" changes nothing; "Remove it" is for good."""
    key = with_a_second_passkey(newcomer)
    remove = newcomer.page.get_by_role("button", name="Remove Security key")
    remove.click()
    dialog = newcomer.page.get_by_role("dialog", name="Remove Security key?")
    expect(dialog).to_contain_text("no longer sign you in")
    expect(dialog).to_contain_text("cannot be undone")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    newcomer.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(remove).to_be_focused()
    remove.click()
    newcomer.press("Remove it")
    assert status(newcomer) == "Security key is removed."
    expect(newcomer.page.locator("#passkeys-title")).to_be_focused()
    expect(newcomer.holdings()).to_have_count(1)
    newcomer.consents(False)
    newcomer.go()
    newcomer.heading("Sign in")
    assert newcomer.passkeys(key) == []  # the signal has reached it, too


def test_removing_the_passkey_in_use_signs_out(newcomer: Visitor) -> None:
    """The dialog warns of it, and the sign-in page says what has happened."""
    key = with_a_second_passkey(newcomer)
    newcomer.page.get_by_role("button", name="Remove Passkey on a device").click()
    expect(newcomer.page.get_by_role("dialog")).to_contain_text("you will be signed out here")
    for authenticator in (newcomer.authenticator, key):
        newcomer.consents(False, authenticator)  # else the sign-in page is answered at once
    newcomer.press("Remove it")
    newcomer.heading("Sign in")
    expect(newcomer.page.locator("#sign-in-note")).to_contain_text("so you are signed out")
    assert newcomer.passkeys() == []


def test_the_last_passkey_needs_a_stronger_word(newcomer: Visitor) -> None:
    """Without the tick nothing happens; with it the passkey goes, and the account cannot be signed in to."""
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    newcomer.page.get_by_role("button", name="Remove Passkey on a device").click()
    dialog = newcomer.page.get_by_role("dialog", name="Remove your last passkey?")
    expect(dialog).to_contain_text("cannot sign in at all")
    dialog.get_by_role("button", name="Remove my last passkey").click()
    expect(dialog).to_be_visible()
    assert len(newcomer.passkeys()) == 1
    dialog.get_by_role("checkbox").check()
    newcomer.consents(False)
    with newcomer.page.expect_request(lambda request: request.method == "DELETE") as removed:
        dialog.get_by_role("button", name="Remove my last passkey").click()
    assert removed.value.url.endswith("?confirm=last")
    newcomer.heading("Sign in")
    expect(newcomer.page.locator("#sign-in-note")).to_contain_text("last passkey")
    assert newcomer.passkeys() == []


def test_one_that_has_become_the_last_meanwhile(browser: Browser, newcomer: Visitor) -> None:
    """The list may be old: the service says that it is the last one, and the page asks the stronger question."""
    key = with_a_second_passkey(newcomer)
    newcomer.expects_failed_loads = True
    with visiting(browser, newcomer.host, person=newcomer.person, name=newcomer.name) as elsewhere:
        for passkey in newcomer.passkeys(key):
            elsewhere.take_over(passkey)
        elsewhere.go()
        elsewhere.is_signed_in()
        elsewhere.page.get_by_role("button", name="Remove Security key").click()
        elsewhere.consents(False)
        elsewhere.press("Remove it")
        elsewhere.heading("Sign in")
    newcomer.page.get_by_role("button", name="Remove Passkey on a device").click()
    newcomer.press("Remove it")
    expect(newcomer.page.get_by_role("dialog", name="Remove your last passkey?")).to_be_visible()
    newcomer.press("Keep it")
    assert len(newcomer.passkeys()) == 1


def test_a_session_that_is_too_old_is_renewed_and_the_change_made(newcomer: Visitor) -> None:
    """The page asks the person to sign in again, comes back, and does what they had asked for."""
    with_a_second_passkey(newcomer)
    newcomer.expects_failed_loads = True
    refused: list[str] = []

    def stale_once(route: Route) -> None:
        if route.request.method == "DELETE" and not refused:
            refused.append(route.request.headers["authorization"])
            route.fulfill(status=401, json={"code": "session_stale", "detail": "Sign in again."})
        else:
            route.continue_()

    newcomer.page.route("**/credentials/*", stale_once)
    newcomer.page.get_by_role("button", name="Remove Security key").click()
    newcomer.press("Remove it")
    expect(newcomer.page.get_by_role("dialog", name="Is it still you?")).to_contain_text(
        "remove this passkey"
    )
    with newcomer.page.expect_request(lambda request: request.method == "DELETE") as again:
        newcomer.press("Sign in again")
    assert again.value.headers["authorization"] not in refused
    newcomer.is_signed_in()
    assert status(newcomer) == "Security key is removed."
    expect(newcomer.holdings()).to_have_count(1)


def test_the_session_is_the_proof_of_its_own_start(newcomer: Visitor) -> None:
    """The verifier shown with the lists is that of the sign-in's challenge; before, it was shown with the answer alone."""
    newcomer.enrol()
    sent: list[Request] = []
    newcomer.page.on("request", lambda request: sent.append(request))  # noqa: PLW0108 -- playwright marks what it calls
    newcomer.signs_in_after_enrolment()
    (started,) = [request for request in sent if request.url.endswith("/authentications")]
    (listed,) = [request for request in sent if request.url.endswith("/credentials")]
    (places,) = [request for request in sent if request.url.endswith("/sessions")]
    assert places.headers["authorization"] == listed.headers["authorization"]
    scheme, _, shown = listed.headers["authorization"].partition(" ")
    ceremony, _, verifier = shown.partition(":")
    assert scheme == "Ceremony"
    assert ceremony == newcomer.page.locator("#reference-id").inner_text()
    assert started.post_data_json["code_challenge"] == challenge_of(verifier)
    (answered,) = [request for request in sent if request.url.endswith("/response")]
    assert answered.headers["authorization"] == listed.headers["authorization"]
    others = [request for request in sent if request not in (listed, places, answered)]
    assert not any(verifier in f"{each.url} {each.headers} {each.post_data}" for each in others)
    assert verifier not in newcomer.page.content()


def test_too_many_changes_are_told_as_a_wait(newcomer: Visitor) -> None:
    """The limiter's seconds become words."""
    newcomer.expects_failed_loads = True
    newcomer.enrol()
    newcomer.signs_in_after_enrolment()
    newcomer.page.route(
        "**/credentials/*",
        lambda route: route.fulfill(status=429, headers={"Retry-After": "61"}, json={"code": "rate_limited"}),
    )
    newcomer.page.get_by_role("button", name="Rename Passkey on a device").click()
    newcomer.page.get_by_label("Name of this passkey").fill("Laptop")
    newcomer.press("Save")
    assert status(newcomer) == "Too many changes in a short time. Try again in 2 minutes."


def test_a_disabled_passkey_says_so(newcomer: Visitor) -> None:
    """It is listed, with what to do about it."""
    key = with_a_second_passkey(newcomer)
    (disabled,) = newcomer.credential_ids(key)
    decide(newcomer.host, disabled, StandingState.DISABLED)
    newcomer.consents(False, key)
    newcomer.go()
    newcomer.is_signed_in()
    listed = newcomer.holdings().filter(has_text="Security key")
    expect(listed).to_contain_text("Disabled")
    expect(listed).to_contain_text("ask the people who look after your account")
    newcomer.page.get_by_role("button", name="Remove Security key").click()
    expect(newcomer.page.get_by_role("dialog")).to_contain_text("It is disabled")


def test_a_session_to_be_stepped_up_opens_the_list_alone(newcomer: Visitor) -> None:
    """The page explains it, offers adding first, and no names; the new passkey opens everything again."""
    newcomer.enrol()
    (own,) = newcomer.credential_ids()
    decide(newcomer.host, own, StandingState.STEP_UP)
    newcomer.signs_in_after_enrolment()
    expect(newcomer.page.locator("#signed-in-badge")).to_have_text("One more step")
    expect(newcomer.page.locator("#step-up")).to_contain_text("no longer trusts")
    expect(newcomer.page.locator("#signed-in-facts")).to_be_hidden()
    expect(newcomer.holdings()).to_contain_text("Replace it")
    assert newcomer.page.get_by_role("button", name="Rename").count() == 0
    newcomer.plug_in()
    newcomer.consents(False)
    newcomer.press("Add a passkey")
    assert "Sign out, and sign in with it" in status(newcomer)
    expect(newcomer.holdings()).to_have_count(2)
    newcomer.expects_failed_loads = True  # signed in by key, the page asks whether it may be upgraded
    newcomer.press("Sign out")  # the autofill's prompt is answered by the new one
    newcomer.is_signed_in()
    expect(newcomer.page.locator("#signed-in-badge")).to_have_text("Signed in")
    expect(newcomer.page.locator("#step-up")).to_be_hidden()


def test_a_list_that_cannot_be_had_is_asked_for_again(newcomer: Visitor) -> None:
    """The page says that the service does not answer, and one press brings the list."""
    newcomer.expects_failed_loads = True
    newcomer.enrol()
    newcomer.page.route("**/credentials", lambda route: route.abort("connectionrefused"))
    newcomer.press("Sign in with it")
    assert "does not answer" in status(newcomer)
    newcomer.page.unroute("**/credentials")
    newcomer.press("Try again")
    expect(newcomer.holdings()).to_have_count(1)
    expect(newcomer.page.locator("#passkeys-title")).to_be_focused()
    expect(newcomer.page.locator("#passkeys-status")).to_be_hidden()
