"""The door itself: shut unless it is opened, nobody's way in but the run's own people's, and never a 5xx."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Flags, Lie
from demo.ceremonies import call
from passkeys.conformance import person_of
from tests.conformance.conftest import LIMITS
from tests.conformance.kit import assertion, make, self_statement
from tests.conformance.tool import Browser, somebody
from tests.faults.evidence import documents
from tests.faults.tickets import issue_tickets
from tests.hostile.test_broken_responses import WRONG_VALUES, changed, paths
from tests.hosts import FUNCTION_KEY, RunningHost, running_host

Json = dict[str, Any]
ROUTES = ("/attestation/options", "/attestation/result", "/assertion/options", "/assertion/result")


def test_shut_it_is_not_there_and_neither_are_its_people(tmp_path: Path) -> None:
    """404 as any other route, and not in the document; who enrolled while it was open can sign in no more."""
    state = tmp_path / "state"
    with running_host(state=state, env={**LIMITS, "PASSKEYS_CONFORMANCE": "on"}) as opened:
        browser = Browser(opened.url)
        options = browser.attestation_options("alice", authenticatorSelection={"requireResidentKey": True})
        passkey, answer = authenticator.create(options, origin=opened.url, algorithm=-7)
        assert browser.result("attestation", answer).said == "ok"
        assert ceremonies.sign_in(opened.url, passkey).body["output"]["person"]["id"] == person_of("alice")
        assert set(ROUTES) <= call(opened.url, "GET", "/openapi.json").body["paths"].keys()
        assert opened.stop() == 0
    with running_host(state=state, env=LIMITS) as shut:
        unknown = call(shut.url, "POST", "/there/is-no-such-route", {})
        for route in ROUTES:
            answer = call(shut.url, "POST", route, {"username": "alice", "displayName": "Alice"})
            assert (answer.status, answer.body) == (unknown.status, unknown.body) == (404, b"")
            assert "set-cookie" not in answer.headers
        assert not set(ROUTES) & call(shut.url, "GET", "/openapi.json").body["paths"].keys()
        ended = ceremonies.sign_in(shut.url, passkey)
        assert (ended.outcome, reason(shut, ended.body["instanceId"])) == ("refused", "person_unknown")


def reason(host: RunningHost, ceremony_id: str) -> Any:
    """The exact one, on the operator's side."""
    found = call(
        host.url,
        "GET",
        f"/operations/ceremonies/{ceremony_id}",
        headers={"x-functions-key": FUNCTION_KEY},
    )
    return found.body["reason"]


def test_everybody_elses_ceremonies_are_as_ever(host: RunningHost) -> None:
    """Beside the open door people need a ticket, verify themselves, and are offered what the settings say."""
    (ticket,) = issue_tickets(host.state, "ada")
    started = ceremonies.start(
        host.url, "registration", {"ticket": ticket, "wishes": {"attestation": "direct"}}
    )
    options = started.body["publicKey"]
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    passkey, answer = authenticator.create(options, origin=host.url)
    ended = ceremonies.finished(host.url, ceremonies.respond(host.url, started.body["id"], answer))
    assert ended.outcome == "completed"
    unverified = ceremonies.sign_in(host.url, passkey, lie=Lie(flags=Flags.USER_PRESENT))
    assert reason(host, unverified.body["instanceId"]) == "user_not_verified"


def test_a_name_of_the_directory_is_somebody_else(browser: Browser, host: RunningHost) -> None:
    """Whoever enrols as `ada` through the door is not Ada, and signs in as nobody that anybody knows."""
    for name in ("ada", person_of("ada")):
        options = browser.attestation_options(name)
        passkey, answer = authenticator.create(options, origin=host.url, algorithm=-7)
        assert browser.result("attestation", answer).said == "ok"
        signed_in = ceremonies.sign_in(host.url, passkey)
        person = signed_in.body["output"]["person"]
        assert person == {"id": person_of(name), "display_name": person_of(name)}


def test_the_tickets_that_it_makes_are_used_up(browser: Browser, host: RunningHost) -> None:
    """Each is spent on the registration that it was made for."""
    name = somebody()
    made = make(browser.attestation_options(name), origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    tickets = [json.loads(data) for data in documents(host.state, "tickets/").values()]
    mine = [ticket["used_for"] for ticket in tickets if ticket["person"] == person_of(name)]
    assert mine == [made.credential.id]


def wrongs(like: Json) -> Iterator[tuple[str, Callable[[Json], Json]]]:
    """What can be wrong with a body like this one, one thing at a time: a member left out, or of a wrong value."""
    for path in list(paths(like)):
        named = ".".join(path)
        yield f"no {named}", lambda body, path=path: changed(body, path, lambda where, name: where.pop(name))
        for label, value in WRONG_VALUES.items():

            def with_value(body: Json, path: Any = path, value: Any = value) -> Json:
                return changed(body, path, lambda where, name: where.__setitem__(name, value))

            yield f"{named} = {label}", with_value


OPTIONS: dict[str, Json] = {
    "/attestation/options": {
        "username": "sam",
        "displayName": "Samwise",
        "attestation": "direct",
        "authenticatorSelection": {
            "requireResidentKey": False,
            "residentKey": "preferred",
            "userVerification": "preferred",
            "authenticatorAttachment": "platform",
        },
        "extensions": {"example.extension": "x", "credentialProtectionPolicy": "userVerificationOptional"},
    },
    "/assertion/options": {
        "username": "sam",
        "userVerification": "preferred",
        "extensions": {"example.extension": "x", "prf": {"eval": {"first": "AA"}}},
    },
}


@pytest.mark.parametrize("route", OPTIONS)
def test_odd_requests_for_options(browser: Browser, route: str) -> None:
    """One thing wrong at a time: options or a 4xx, both in the envelope."""
    complaints = {}
    for label, change in wrongs(OPTIONS[route]):
        answer = browser.post(route, change(OPTIONS[route]))
        if not enveloped(answer):
            complaints[label] = answer
    assert complaints == {}


@pytest.mark.parametrize("kind", ["attestation", "assertion"])
def test_odd_results(browser: Browser, kind: str) -> None:
    """One thing wrong at a time: `ok` only where what is wrong is nobody's business, else `failed` and a 4xx."""
    name = somebody()
    made = make(browser.attestation_options(name), origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"

    def honest() -> Json:
        if kind == "assertion":
            return assertion(browser.assertion_options(name), made.credential, origin=browser.url)
        fresh = make(browser.attestation_options(somebody()), origin=browser.url)
        return fresh.says(self_statement(fresh))

    body, complaints = honest(), {}
    for label, change in wrongs(body):
        answer = browser.post(f"/{kind}/result", change(body))
        if not enveloped(answer):
            complaints[label] = answer
        if f"/{kind}" not in browser.cookies:  # the answer was taken, and its ceremony is over
            body = honest()
    assert complaints == {}


def enveloped(answer: ceremonies.Answer) -> bool:
    """200 and ok, or 4xx and failed, with a sentence."""
    if not isinstance(answer.body, dict):
        return False
    said, sentence = answer.body.get("status"), answer.body.get("errorMessage")
    if answer.status == 200:
        return (said, sentence) == ("ok", "")
    return 400 <= answer.status < 500 and said == "failed" and bool(sentence)
