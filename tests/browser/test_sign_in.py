"""Signing in, by button and by autofill, and the ways in which it does not happen."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, Request, Route, expect

from passkeys.response import decode_base64url
from tests.browser.conftest import ROOMY
from tests.browser.visitor import Visitor, visiting
from tests.hosts import FUNCTION_KEY, RunningHost, running_host, start_host


def code_of(visitor: Visitor) -> str:
    """The stable code that the page shows."""
    return visitor.page.locator("#outcome-code").inner_text()


def starts(visitor: Visitor) -> list[Request]:
    """From now on: each start of a sign-in that the page asks for."""
    seen: list[Request] = []
    visitor.page.on(
        "request", lambda request: seen.append(request) if request.url.endswith("/authentications") else None
    )
    return seen


def body_of(request: Request) -> dict[str, str]:
    """What the page sent."""
    body = request.post_data_json
    assert isinstance(body, dict)
    return body


def reference(visitor: Visitor) -> str:
    """The id of the ceremony that the page shows."""
    return visitor.page.locator("#reference-id").inner_text()


def outcome(host: RunningHost, ceremony_id: str) -> str:
    """What the host says of a ceremony."""
    with urllib.request.urlopen(f"{host.url}/ceremonies/{ceremony_id}?wait=5") as answer:
        return json.load(answer)["output"]["outcome"]


def test_by_button(visitor: Visitor) -> None:
    """One press, one prompt: signed in, with every stage done and the ceremony's id shown. Without autofill, too."""
    visitor.enrol()
    visitor.page.add_init_script(
        "if (globalThis.PublicKeyCredential)"
        " PublicKeyCredential.isConditionalMediationAvailable = async () => false"
    )
    visitor.go()
    visitor.heading("Sign in")
    assert "your browser offers" not in visitor.page.locator("#account-hint").inner_text()
    visitor.press("Sign in with a passkey")
    visitor.heading("Ada Lovelace")
    assert visitor.page.locator("#stages li[data-state=done]").count() == 4
    assert outcome(visitor.host, reference(visitor)) == "completed"


def test_the_button_uses_the_ceremony_that_autofill_held_ready(visitor: Visitor) -> None:
    """One visit that signs in by button is one ceremony, not two; the browser is asked twice, once each way."""
    visitor.enrol()
    visitor.note_prompts()
    visitor.consents(False)
    seen = starts(visitor)
    visitor.go()
    visitor.prompts(1)
    visitor.press("Sign in with a passkey")
    visitor.heading("Follow your browser")
    assert visitor.prompts(2) == ["get conditional", "get optional"]
    assert [body_of(request)["mediation"] for request in seen] == ["conditional"]


def test_every_start_carries_a_proof_key_of_its_own(newcomer: Visitor) -> None:
    """A challenge of 32 bytes with each start, never the same twice; a name only where one was typed."""
    newcomer.enrol()
    newcomer.consents(False)
    seen = starts(newcomer)
    with newcomer.page.expect_response("**/authentications"):
        newcomer.go()
    newcomer.page.get_by_label("User name").fill(f" {newcomer.person} ")
    newcomer.press("Sign in with a passkey")
    newcomer.heading("Follow your browser")
    newcomer.press("Cancel")
    newcomer.press("Try again")
    newcomer.heading("Follow your browser")
    bodies = [body_of(request) for request in seen]
    assert [(body["mediation"], body.get("username")) for body in bodies] == [
        ("conditional", None),
        ("modal", newcomer.person),
        ("modal", newcomer.person),
    ]
    challenges = [body["code_challenge"] for body in bodies]
    assert len(set(challenges)) == 3
    assert all(len(decode_base64url(challenge)) == 32 for challenge in challenges)


def test_a_typed_name_lets_go_of_the_ceremony_for_anybody(visitor: Visitor) -> None:
    """What autofill held ready asks for anybody's passkey: it is cancelled, and one for the name is started."""
    visitor.enrol()
    visitor.note_prompts()
    visitor.consents(False)
    with visitor.page.expect_response("**/authentications") as held:
        visitor.go()
    visitor.prompts(1)
    visitor.consents(True)  # for the prompts to come
    visitor.page.get_by_label("User name").fill("ada")
    visitor.press("Sign in with a passkey")
    visitor.heading("Ada Lovelace")
    assert reference(visitor) != held.value.json()["id"]
    assert outcome(visitor.host, held.value.json()["id"]) == "canceled"


def test_by_autofill(visitor: Visitor) -> None:
    """The field offers passkeys: choosing one signs in without touching the button."""
    visitor.enrol()
    visitor.go()  # the virtual authenticator chooses for the person
    visitor.heading("Ada Lovelace")
    assert visitor.page.locator("#account").get_attribute("autocomplete") == "username webauthn"


def test_sign_out_forgets(visitor: Visitor) -> None:
    """After signing out, the page holds nothing of the person."""
    visitor.enrol()
    visitor.press("Sign in with it")
    visitor.heading("Ada Lovelace")
    visitor.consents(False)
    visitor.press("Sign out")
    visitor.heading("Sign in")
    assert "Lovelace" not in visitor.page.content()
    assert visitor.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]


def test_a_prompt_that_is_not_answered_rightly(visitor: Visitor) -> None:
    """NotAllowedError: the page says what to do, the ceremony is cancelled, and trying again works."""
    visitor.enrol()
    visitor.is_recognised(False)
    visitor.press("Sign in with it")
    visitor.heading("Your browser ended the prompt")
    assert code_of(visitor) == "prompt_closed"
    assert outcome(visitor.host, reference(visitor)) == "canceled"
    visitor.is_recognised(True)
    visitor.press("Try again")
    visitor.heading("Ada Lovelace")


def test_a_prompt_that_is_cancelled_from_the_page(visitor: Visitor) -> None:
    """Cancel closes the prompt and ends the ceremony; Back leads to the sign-in page."""
    visitor.consents(False)
    visitor.go()
    visitor.press("Sign in with a passkey")
    visitor.heading("Follow your browser")
    visitor.press("Cancel")
    visitor.heading("You cancelled")
    assert outcome(visitor.host, reference(visitor)) == "canceled"
    visitor.press("Back")
    visitor.heading("Sign in")


def test_leaving_the_page_cancels(visitor: Visitor) -> None:
    """A ceremony does not wait for a person who has left."""
    visitor.consents(False)
    visitor.go()
    visitor.press("Sign in with a passkey")
    visitor.heading("Follow your browser")
    left = reference(visitor)
    visitor.page.goto("about:blank")
    assert outcome(visitor.host, left) == "canceled"


def test_a_passkey_that_the_service_does_not_know(visitor: Visitor, browser: Browser, tmp_path: Path) -> None:
    """A passkey of an earlier state is not accepted, and the page does not say why."""
    with running_host(state=tmp_path / "state", env=ROOMY) as other, visiting(browser, other) as stranger:
        stranger.enrol()
        (passkey,) = stranger.passkeys()
    visitor.take_over(passkey)
    visitor.go()
    visitor.heading("That passkey was not accepted")
    assert code_of(visitor) == "rejected"


def test_an_answer_that_is_lost_on_its_way_is_sent_again(visitor: Visitor) -> None:
    """A connection that breaks while the answer is sent ends nothing."""
    visitor.enrol()
    visitor.expects_failed_loads = True
    lost: list[str] = []

    def lose_the_first(route: Route) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.request.url)
            route.abort("connectionreset")

    visitor.page.route("**/response", lose_the_first)
    visitor.press("Sign in with it")
    visitor.heading("Ada Lovelace")
    assert len(lost) == 1


def test_a_ceremony_outlives_its_host(browser: Browser, tmp_path: Path) -> None:
    """The host is killed while the prompt is open, and started again: the page says so, and carries on."""
    host = start_host(state=tmp_path / "state", env=ROOMY)
    try:
        with visiting(browser, host) as visitor:
            visitor.expects_failed_loads = True
            visitor.consents(False)
            visitor.go()
            visitor.press("Sign in with a passkey")
            visitor.heading("Follow your browser")
            host.kill()
            lost = visitor.page.get_by_text("The connection is lost.")
            expect(lost).to_be_visible()
            port = host.url.rpartition(":")[2]
            host = start_host(state=tmp_path / "state", env=ROOMY, arguments=("--port", port))
            expect(lost).to_be_hidden(timeout=15_000)
            visitor.press("Cancel")
            visitor.heading("You cancelled")
            assert outcome(host, reference(visitor)) == "canceled"
    finally:
        host.kill()


def test_a_service_that_does_not_answer(visitor: Visitor) -> None:
    """No host: the page says so instead of waiting for ever."""
    visitor.expects_failed_loads = True
    visitor.page.route("**/authentications", lambda route: route.abort("connectionrefused"))
    visitor.go()
    visitor.press("Sign in with a passkey")
    visitor.heading("The service does not answer")
    assert code_of(visitor) == "host_unreachable"
    visitor.page.unroute("**/authentications")
    visitor.consents(False)
    visitor.press("Try again")
    visitor.heading("Follow your browser")


def test_an_expired_ceremony(browser: Browser, tmp_path: Path) -> None:
    """At the deadline the page closes the prompt, says so, and lets the person start again."""
    with (
        running_host(state=tmp_path / "state", env={**ROOMY, "PASSKEYS_CEREMONY_SECONDS": "2"}) as host,
        visiting(browser, host) as visitor,
    ):
        visitor.consents(False)
        visitor.go()
        visitor.press("Sign in with a passkey")
        visitor.heading("Time ran out")
        assert code_of(visitor) == "expired"
        assert outcome(host, reference(visitor)) == "expired"
        visitor.press("Try again")
        visitor.heading("Follow your browser")


def test_autofill_renews_its_ceremony_quietly(browser: Browser, tmp_path: Path) -> None:
    """A page that stays open keeps offering passkeys, with a fresh challenge and without a word."""
    with (
        running_host(state=tmp_path / "state", env={**ROOMY, "PASSKEYS_CEREMONY_SECONDS": "2"}) as host,
        visiting(browser, host) as visitor,
    ):
        visitor.consents(False)
        with visitor.page.expect_response("**/authentications"):
            visitor.go()
        with visitor.page.expect_response("**/authentications", timeout=15_000) as renewed:
            pass
        assert body_of(renewed.value.request)["mediation"] == "conditional"
        visitor.heading("Sign in")


def test_too_many_attempts(browser: Browser, tmp_path: Path) -> None:
    """The limiter's answer becomes a countdown; when it is up, the button works again."""
    with (
        running_host(state=tmp_path / "state", env={**ROOMY, "PASSKEYS_LIMIT_NETWORK": "1/3600"}) as host,
        visiting(browser, host) as visitor,
    ):
        visitor.expects_failed_loads = True
        visitor.page.clock.install()
        visitor.consents(False)
        with visitor.page.expect_response("**/authentications"):
            visitor.go()
        visitor.press("Sign in with a passkey")
        visitor.heading("Follow your browser")
        visitor.press("Cancel")
        visitor.press("Try again")
        visitor.heading("Too many attempts")
        assert code_of(visitor) == "rate_limited"
        left = visitor.page.locator("#outcome-countdown")
        again = visitor.page.get_by_role("button", name="Try again")
        minutes = int(left.inner_text().split(":")[0])
        assert 0 < minutes <= 60
        assert again.get_attribute("aria-disabled") == "true"
        visitor.page.clock.fast_forward("01:00:01")
        expect(left).to_be_hidden()
        assert again.get_attribute("aria-disabled") is None


def test_a_sign_in_is_listed_for_operators(visitor: Visitor) -> None:
    """What the page calls its reference is what an operator opens."""
    visitor.enrol()
    visitor.press("Sign in with it")
    visitor.heading("Ada Lovelace")
    request = urllib.request.Request(
        f"{visitor.host.url}/operations/ceremonies/{reference(visitor)}",
        headers={"x-functions-key": FUNCTION_KEY},
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["outcome"] == "completed"
