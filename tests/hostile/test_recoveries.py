"""The routes of a recovery under fire: whatever comes, a clear 4xx, no recovery begun, no ticket issued, and the host lives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.authenticator import Passkey, get, to_base64url
from demo.ceremonies import call, cancel
from tests import recoveries
from tests.faults.evidence import acts_of, documents, instances_of
from tests.faults.tickets import issue_tickets
from tests.hostile.test_credentials import BODIES, ODD_IDS, WRONG, is_problem, odd_headers
from tests.hosts import FUNCTION_KEY, RunningHost, running_host
from tests.recoveries import REASON, Started, confirm, start, take
from tests.visits import Visit, enrol

ENV = {
    "PASSKEYS_LIMIT_NETWORK": "100000/60",
    "PASSKEYS_LIMIT_PERSON": "100000/60",
    "PASSKEYS_LIMIT_ACTS": "100000/60",
    "PASSKEYS_LIMIT_RECOVERIES": "100000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}
CHALLENGE = "A" * 43
GOOD = {"person": "ada", "reason": REASON, "code_challenge": CHALLENGE}


@dataclass(frozen=True, slots=True)
class Operators:
    """Two operators, each with a passkey and a session, and a recovery that the first started and the second confirmed."""

    by_grace: Visit
    by_katherine: Visit
    katherines: Passkey
    confirmed: Started


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    state: Path = tmp_path_factory.mktemp("hostile") / "state"
    with running_host(state=state, env=ENV) as running:
        yield running


@pytest.fixture(scope="module")
def operators(host: RunningHost) -> Operators:
    graces, katherines = issue_tickets(host.state, "grace", "katherine")
    _, by_grace = enrol(host.url, graces)
    passkey, by_katherine = enrol(host.url, katherines)
    confirmed = start(by_grace)
    assert confirm(host.url, confirmed, passkey).outcome == "completed"
    return Operators(by_grace, by_katherine, passkey, confirmed)


def paths(operators: Operators) -> tuple[str, str]:
    return "/operations/recoveries", f"/operations/recoveries/{operators.confirmed.ceremony_id}/ticket"


def begun(host: RunningHost) -> tuple[int, int, int]:
    """How many recoveries, acts and tickets of recoveries there are."""
    tickets = documents(host.state, "tickets/").values()
    return (
        len(instances_of(host.url, ("recovery-",))),
        len(acts_of(host.url)),
        sum(b'"recovery":"' in data for data in tickets),
    )


def test_an_odd_header_is_no_operator(host: RunningHost, operators: Operators) -> None:
    """Each of them, on both routes, with the function key and a good body: 401, one body for all."""
    before, told = begun(host), set()
    for header in odd_headers(operators.by_grace, operators.by_katherine).values():
        headers = {"Authorization": header, "x-functions-key": FUNCTION_KEY}
        for path, body in zip(
            paths(operators), (GOOD, {"code_verifier": operators.confirmed.verifier}), strict=True
        ):
            answer = call(host.url, "POST", path, body, headers=headers)
            is_problem(answer, 401)
            told.add(str(answer.body))
    assert len(told) == 1
    assert begun(host) == before


@pytest.mark.parametrize("found", ODD_IDS, ids=range(len(ODD_IDS)))
def test_an_odd_id_is_no_recovery(host: RunningHost, operators: Operators, found: str) -> None:
    """404 in a good session, and no act is begun for it."""
    before = begun(host)
    found = found.replace(" ", "%20").replace("'", "%27")
    path = f"/operations/recoveries/{found}/ticket"
    answer = operators.by_grace.operate("POST", path, {"code_verifier": "x" * 43})
    # The host answers itself what is no path of the app: dots that lead elsewhere, bytes that are not UTF-8.
    assert answer.status in {400, 404, 405, 414}, answer
    assert "x-injected" not in answer.headers
    assert "Traceback" not in str(answer.body)
    assert begun(host) == before


PEOPLE = ["", " ", "nobody", "mallory", "grace", "ADA", "ada ", "../ada", "ada/../grace", "a" * 65, "a" * 60_000, "\x00", "\ud800", "@audit_log@00", "ådå"]  # fmt: skip


def test_wrong_types_and_garbage_are_refused(host: RunningHost, operators: Operators) -> None:
    """Members of every wrong type and size, people who are none, and bodies that are none: 4xx, and nothing is begun."""
    before = begun(host)
    start_path, ticket_path = paths(operators)
    headers = {**operators.by_grace.header, "x-functions-key": FUNCTION_KEY}
    for member in GOOD:
        for value in WRONG:
            if member == "reason" and value == "x" * 65:
                continue  # a reason may be as long
            is_problem(call(host.url, "POST", start_path, {**GOOD, member: value}, headers=headers), 400)
    for person in PEOPLE:
        is_problem(call(host.url, "POST", start_path, {**GOOD, "person": person}, headers=headers), 400, 404)
    for value in WRONG:
        is_problem(call(host.url, "POST", ticket_path, {"code_verifier": value}, headers=headers), 400, 403)
    for path in (start_path, ticket_path):
        for body in BODIES:
            is_problem(call(host.url, "POST", path, body, headers=headers), 400, 413)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            sent = {**headers, "Content-Type": kind}
            is_problem(call(host.url, "POST", path, b'{"person":"ada"}', headers=sent), 415)
    assert begun(host) == before


def test_details_cannot_be_brought_along(host: RunningHost, operators: Operators) -> None:
    """Who asks, whom for and why are said once, in their place: whatever else the body has is nobody's word."""
    odd = {
        "details": {"person": "grace"},
        "started_by": "katherine",
        "display_name": "Somebody",
        "kind": "x",
        "limits": [],
    }
    answer = recoveries.ask(operators.by_grace, **odd)
    shown = call(host.url, "GET", f"/ceremonies/{answer.body['id']}").body["customStatus"]["details"]
    assert shown == {"person": "ada", "display_name": "Ada Lovelace", "reason": REASON, "started_by": "grace"}
    cancel(host.url, answer.body["id"])


def test_a_broken_answer_burns_nothing_and_confirms_nothing(host: RunningHost, operators: Operators) -> None:
    """What has not the shape of an answer is 400, and the recovery still waits for a real one."""
    started = start(operators.by_grace)
    response = get(operators.katherines, started.options, origin=host.url)
    broken = [
        None, {}, [], {**response, "response": {}}, {**response, "rawId": "***"}, {**response, "response": None},
        {**response, "response": {**response["response"], "clientDataJSON": to_base64url(b"x" * 5_000)}},
        {**response, "response": {**response["response"], "signature": 7}},
    ]  # fmt: skip
    path = f"/ceremonies/{started.ceremony_id}/response"
    for one in broken:
        is_problem(call(host.url, "POST", path, one if one is not None else b"null"), 400)
    answer = call(host.url, "POST", path, response)
    assert (answer.status, answer.outcome) == (200, "completed")


def test_after_all_of_it_the_ticket_is_there(host: RunningHost, operators: Operators) -> None:
    """Nobody got it meanwhile; its operator does; and the log has no trace of a failure."""
    assert begun(host)[1:] == (0, 0)
    assert take(operators.by_grace, operators.confirmed).status == 200
    assert begun(host)[1:] == (1, 1)
    assert call(host.url, "GET", "/healthz").status == 200
    assert "Traceback" not in host.log()
