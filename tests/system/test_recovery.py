"""Recovery on the real host: two operators let somebody in again; and everybody who should not, does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Flags, Lie, Passkey
from demo.ceremonies import call, expect
from passkeys.recoveries import PREFIX
from passkeys.tickets import digest_of
from tests import homes
from tests.faults.evidence import documents, read_audit, wait_until_settled
from tests.faults.tickets import issue_tickets
from tests.hosts import FUNCTION_KEY, ROOT, RunningHost, running_host
from tests.recoveries import REASON, Started, ask, confirm, start, take
from tests.system.test_secrets import findings
from tests.visits import Visit, add, enrol, sign_in

ENV = {
    "PASSKEYS_LIMIT_PERSON": "1000/60",
    "PASSKEYS_LIMIT_NETWORK": "1000/60",
    "PASSKEYS_LIMIT_ACTS": "1000/60",
    "PASSKEYS_LIMIT_RECOVERIES": "1000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}
MODES = {"as it starts": (), "status reads answered at once": ("--status-reads", "immediate")}
NOT_ALLOWED = ("refused", "not_allowed", None)


@pytest.fixture(scope="module", params=MODES.values(), ids=MODES)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    state: Path = tmp_path_factory.mktemp("recovery") / "state"
    with running_host(state=state, env=ENV, arguments=request.param) as running:
        yield running


def new(host: RunningHost, person: str) -> tuple[Passkey, Visit]:
    """Somebody's passkey, registered by ticket; the registration itself is their session."""
    (ticket,) = issue_tickets(host.state, person)
    passkey, visit = enrol(host.url, ticket)
    assert visit.answer.outcome == "completed"
    return passkey, visit


def told(answer: Any) -> tuple[str, str | None, Any]:
    output = answer.body["output"]
    return output["outcome"], output["reason"], output["person"]


def seen_by_operators(host: RunningHost, ceremony_id: str) -> dict[str, Any]:
    headers = {"x-functions-key": FUNCTION_KEY}
    return dict(
        expect(call(host.url, "GET", f"/operations/ceremonies/{ceremony_id}", headers=headers), 200).body
    )


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def entries_of(host: RunningHost) -> list[dict[str, Any]]:
    """The audit entries, once everything that was accepted is among them."""
    wait_until_settled(host.url, host.state, seconds=15)
    entries, broken = read_audit(host.state)
    assert broken == []
    return entries


def test_two_operators_let_somebody_in_again(host: RunningHost) -> None:
    """Start, look, confirm, take the ticket, enrol, sign in: and the record tells it as one story, and proves it."""
    _, by_grace = new(host, "grace")
    katherines, _ = new(host, "katherine")
    started = start(by_grace)

    shown = expect(ceremonies.status(host.url, started.ceremony_id), 202).body["customStatus"]
    assert shown["details"] == {
        "person": "ada",
        "display_name": "Ada Lovelace",
        "reason": REASON,
        "started_by": "grace",
    }
    options = shown["publicKey"]
    assert (options, options["userVerification"], options["allowCredentials"]) == (
        started.options,
        "required",
        [],
    )
    assert code_of(take(by_grace, started)) == (409, "recovery_not_confirmed")
    confirmed = confirm(host.url, started, katherines)
    assert told(confirmed) == ("completed", None, {"id": "katherine", "display_name": "Katherine Johnson"})

    taken = expect(take(by_grace, started), 200).body
    assert taken["link"] == f"http://localhost:{host.url.rpartition(':')[2]}/#ticket={taken['ticket']}"
    passkey, enrolled = enrol(host.url, taken["ticket"])
    assert told(enrolled.answer) == ("completed", None, {"id": "ada", "display_name": "Ada Lovelace"})
    assert sign_in(host.url, passkey).answer.outcome == "completed"
    assert code_of(take(by_grace, started)) == (409, "ticket_shown")

    entries = entries_of(host)
    (recovery,) = [one for one in entries if one.get("ceremony_id") == started.ceremony_id]
    (act,) = [one for one in entries if one.get("recovery") == started.ceremony_id and "act_id" in one]
    (registration,) = [
        one for one in entries if one.get("recovery") == started.ceremony_id and "act_id" not in one
    ]
    assert (recovery["outcome"], recovery["person"], recovery["details"]) == (
        "completed",
        "katherine",
        shown["details"],
    )
    assert (act["act"], act["by"], act["person"], act["outcome"]) == (
        "recovery_ticket_issued",
        "grace",
        "ada",
        "completed",
    )
    assert (registration["ceremony_id"], registration["person"]) == (enrolled.ceremony_id, "ada")
    assert recovery["at"] < act["at"] < registration["started_at"]

    command = [sys.executable, "-m", "passkeys", "recovery", "verify"]
    environment = {**os.environ, "LOCAL_HOST_STATE": str(host.state), **homes.environment(host.state)}
    checked = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert f"proven  recoveries/{started.ceremony_id}.json" in checked.stdout


def test_nobody_confirms_who_should_not(host: RunningHost) -> None:
    """The starter with a second passkey, the person to be recovered, anybody without the role: genuine, and refused alike.

    Outside there is one answer; the exact reason is for operators; there is no ticket, and no record of a recovery.
    """
    graces, by_grace = new(host, "grace")
    second, _ = add(by_grace)
    katherines, _ = new(host, "katherine")
    adas, _ = new(host, "ada")
    attempts = {
        "confirmed_by_starter": ("ada", (graces, second)),
        "confirmed_by_recovered": ("katherine", (katherines,)),
        "confirmed_by_no_operator": ("katherine", (adas,)),
    }
    before = documents(host.state, PREFIX)
    for reason, (person, passkeys) in attempts.items():
        for passkey in passkeys:
            started = start(by_grace, person)
            assert told(confirm(host.url, started, passkey)) == NOT_ALLOWED
            assert seen_by_operators(host, started.ceremony_id)["reason"] == reason
            assert code_of(take(by_grace, started)) == (409, "recovery_not_confirmed")
    assert documents(host.state, PREFIX) == before


LIES = {
    "signature": Lie(broken_signature=True),
    "challenge": Lie(challenge=b"x" * 64),
    "origin": Lie(origin="http://localhost:1"),
    "type": Lie(client_data_type="webauthn.create"),
    "not verified": Lie(flags=Flags.USER_PRESENT),
    "unknown": Lie(credential_id=b"x" * 32),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_confirmation_is_verified_as_a_sign_in_is(host: RunningHost, lie: Lie) -> None:
    """Each lie is a rejection, burns the recovery, and leads to no ticket."""
    _, by_grace = new(host, "grace")
    katherines, _ = new(host, "katherine")
    started = start(by_grace)
    assert told(confirm(host.url, started, katherines, lie=lie)) == ("rejected", "not_verified", None)
    response = authenticator.get(katherines, started.options, origin=host.url)
    late = ceremonies.respond(host.url, started.ceremony_id, response)
    assert code_of(late) == (409, "ceremony_finished")
    assert code_of(take(by_grace, started)) == (409, "recovery_not_confirmed")


def test_an_answer_counts_for_the_recovery_that_it_was_given_to(host: RunningHost) -> None:
    """The confirmation for Ada, given to a recovery of another person, or of Ada once more: rejected."""
    _, by_grace = new(host, "grace")
    katherines, _ = new(host, "katherine")
    for_ada, again, for_other = start(by_grace), start(by_grace), start(by_grace, "katherine")
    response = authenticator.get(katherines, for_ada.options, origin=host.url)
    for other in (again, for_other):
        answer = ceremonies.respond(host.url, other.ceremony_id, response)
        assert told(ceremonies.finished(host.url, answer))[0] == "rejected"
    answer = ceremonies.respond(host.url, for_ada.ceremony_id, response)
    assert told(ceremonies.finished(host.url, answer))[0] == "completed"
    for other in (again, for_other):
        crossed = replace(other, verifier=for_ada.verifier)
        assert code_of(take(by_grace, crossed)) == (409, "recovery_not_confirmed")


def confirmed_recovery(host: RunningHost) -> tuple[Visit, Passkey, Started]:
    _, by_grace = new(host, "grace")
    katherines, _ = new(host, "katherine")
    started = start(by_grace)
    assert confirm(host.url, started, katherines).outcome == "completed"
    return by_grace, katherines, started


def test_the_ticket_is_the_starters_in_the_starters_browser(host: RunningHost) -> None:
    """Another operator with the very verifier, the starter without it, the recovery as a session: no. Then the starter."""
    by_grace, katherines, started = confirmed_recovery(host)
    by_katherine = sign_in(host.url, katherines)
    assert code_of(take(by_katherine, started)) == (403, "recovery_not_yours")
    assert code_of(take(by_grace, started, verifier=by_grace.verifier)) == (403, "recovery_not_yours")
    as_session = Visit(host.url, started.ceremony_id, started.verifier, by_grace.answer)
    assert code_of(take(as_session, started)) == (401, "session_invalid")
    assert code_of(ask(as_session)) == (401, "session_invalid")
    assert as_session.ask("GET", "/credentials").status == 401
    _, by_ada = new(host, "ada")
    assert code_of(take(by_ada, started)) == (403, "operator_required")
    assert code_of(ask(by_ada, "grace")) == (403, "operator_required")
    path = f"/operations/recoveries/{started.ceremony_id}/ticket"
    without_key = by_grace.ask("POST", path, {"code_verifier": started.verifier})
    assert (without_key.status, without_key.body) == (401, b"")
    # From another sign-in of theirs: it is the same operator, and the same browser has the verifier.
    assert take(by_grace, started).status == 200


def test_many_calls_at_once_show_one_ticket(host: RunningHost) -> None:
    """Eight at once: one answer has a ticket, it is the one that is stored, and one act has completed."""
    by_grace, _, started = confirmed_recovery(host)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: take(by_grace, started), range(8)))
    assert Counter(answer.status for answer in answers) == {200: 1, 409: 7}
    (shown,) = [answer.body["ticket"] for answer in answers if answer.status == 200]
    tickets = documents(host.state, "tickets/")
    of_this = [
        name for name, data in tickets.items() if json.loads(data).get("recovery") == started.ceremony_id
    ]
    assert of_this == [f"tickets/{digest_of(shown)}.json"]
    acts = [one for one in entries_of(host) if "act_id" in one and one.get("recovery") == started.ceremony_id]
    outcomes = Counter((one["outcome"], one["code"]) for one in acts)
    assert outcomes.pop(("completed", None)) == 1
    assert set(outcomes) <= {("refused", "ticket_shown")}


def test_a_recovery_can_be_cancelled_and_followed_by_its_id(host: RunningHost) -> None:
    """As every ceremony: the id is the right; a cancelled one leads nowhere, and is on the record with its details."""
    _, by_grace = new(host, "grace")
    started = start(by_grace)
    assert ceremonies.cancel(host.url, started.ceremony_id).outcome == "canceled"
    assert code_of(take(by_grace, started)) == (409, "recovery_not_confirmed")
    (entry,) = [one for one in entries_of(host) if one.get("ceremony_id") == started.ceremony_id]
    assert (entry["outcome"], entry["details"]["person"], entry["person"]) == ("canceled", "ada", None)


PEOPLE: dict[str, Any] = {
    "ada": {"display_name": "Ada Lovelace"},
    "grace": {"display_name": "Grace Hopper", "claims": {"roles": ["operator"]}},
    "katherine": {"display_name": "Katherine Johnson", "claims": {"roles": ["operator"]}},
}


def restarted(tmp_path: Path, people: dict[str, Any], **env: str) -> Any:
    """The same state under a host that knows these people."""
    directory = tmp_path / "people.json"
    directory.write_text(json.dumps(people))
    env = {**ENV, "PASSKEYS_DIRECTORY": str(directory), **env}
    return running_host(state=tmp_path / "state", env=env)


@pytest.mark.parametrize(
    ("who", "reason"), [("katherine", "confirmed_by_no_operator"), ("grace", "started_by_no_operator")]
)
def test_who_loses_the_role_in_between_has_no_part_in_it(tmp_path: Path, who: str, reason: str) -> None:
    """Started while both were operators, confirmed when one of them no longer is: refused, by the word of now."""
    with restarted(tmp_path, PEOPLE) as host:
        _, by_grace = new(host, "grace")
        katherines, _ = new(host, "katherine")
        started = start(by_grace)
    with restarted(tmp_path, {**PEOPLE, who: {"display_name": who}}) as host:
        assert told(confirm(host.url, started, katherines)) == NOT_ALLOWED
        assert seen_by_operators(host, started.ceremony_id)["reason"] == reason


def test_a_starter_who_loses_the_role_gets_no_ticket(tmp_path: Path) -> None:
    """Confirmed, and then no longer an operator: 403; with the role again, 200."""
    with restarted(tmp_path, PEOPLE) as host:
        by_grace, _, started = confirmed_recovery(host)
    with restarted(tmp_path, {**PEOPLE, "grace": {"display_name": "Grace Hopper"}}) as host:
        assert code_of(take(replace(by_grace, url=host.url), started)) == (403, "operator_required")
    with restarted(tmp_path, PEOPLE) as host:
        assert take(replace(by_grace, url=host.url), started).status == 200


def test_with_one_operator_the_starter_confirms(tmp_path: Path) -> None:
    """PASSKEYS_RECOVERY_OPERATORS=1: by a passkey of their own; never the person themselves."""
    with restarted(tmp_path, PEOPLE, PASSKEYS_RECOVERY_OPERATORS="1") as host:
        graces, by_grace = new(host, "grace")
        started = start(by_grace)
        assert confirm(host.url, started, graces).outcome == "completed"
        assert take(by_grace, started).status == 200
        assert code_of(ask(by_grace, "grace")) == (400, "request_malformed")


def test_too_late_is_too_late(tmp_path: Path) -> None:
    """Nobody confirms in time: expired, on the record, and without a ticket."""
    with restarted(tmp_path, PEOPLE, PASSKEYS_RECOVERY_SECONDS="1") as host:
        _, by_grace = new(host, "grace")
        started = start(by_grace)
        ended = ceremonies.finished(host.url, ceremonies.status(host.url, started.ceremony_id, wait_s=5))
        assert ended.outcome == "expired"
        assert code_of(take(by_grace, started)) == (409, "recovery_not_confirmed")


def test_an_operator_is_slowed_down_and_the_person_is_not(tmp_path: Path) -> None:
    """Two recoveries an hour: the third of the same operator is 429, whoever it is for; Ada registers all the same."""
    with restarted(
        tmp_path, PEOPLE, PASSKEYS_LIMIT_RECOVERIES="2/3600", PASSKEYS_LIMIT_PERSON="2/3600"
    ) as host:
        _, by_grace = new(host, "grace")
        for _ in range(2):
            start(by_grace)
        limited = ask(by_grace, "katherine")
        assert code_of(limited) == (429, "rate_limited")
        assert int(limited.headers["retry-after"]) > 0
        assert new(host, "ada")[1].answer.outcome == "completed"
        _, by_katherine = new(host, "katherine")
        assert code_of(ask(by_katherine, "ada")) == (429, "rate_limited")


def test_no_secret_of_a_recovery_is_at_rest(tmp_path: Path) -> None:
    """Ticket, verifiers and sessions of a whole recovery, used rightly and wrongly: in no byte of state or logs."""
    with restarted(tmp_path, PEOPLE) as host:
        by_grace, katherines, started = confirmed_recovery(host)
        by_katherine = sign_in(host.url, katherines)
        take(by_katherine, started)
        take(by_grace, started, verifier=by_grace.verifier)
        by_grace.operate("POST", f"/operations/recoveries/{started.verifier}/ticket", {})
        by_grace.operate(
            "POST",
            f"/operations/recoveries/{started.ceremony_id}/ticket?code_verifier={started.verifier}",
            {},
        )
        ask(by_grace, code_challenge=started.verifier, code_verifier=started.verifier)
        taken = expect(take(by_grace, started), 200).body
        take(by_grace, started)
        _, enrolled = enrol(host.url, taken["ticket"])
        assert enrolled.answer.outcome == "completed"
        used = {
            "ticket": taken["ticket"].encode(),
            "ticket, decoded": authenticator.from_base64url(taken["ticket"]),
            "verifier of the recovery": started.verifier.encode(),
            "verifier of Grace": by_grace.verifier.encode(),
            "verifier of Katherine": by_katherine.verifier.encode(),
            "verifier of Ada": enrolled.verifier.encode(),
        }
        wait_until_settled(host.url, host.state, seconds=15)
        assert findings(tmp_path, used) == []
        assert host.stop() == 0
    assert findings(tmp_path, used) == []
    # The search looked where it would be: the digest is there, among the tickets and in the task hub.
    digest = digest_of(taken["ticket"]).encode()
    assert {one.rpartition(" ")[2] for one in findings(tmp_path, {"digest": digest})} >= {"state/host.db"}
