"""Every flow over HTTP, in every mode of the host: status reads settled or immediate, the SDK helped along or left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Lie
from demo.ceremonies import call, expect
from tests.faults.evidence import Told, faults_of, gather, wait_until_settled
from tests.faults.tickets import issue_tickets
from tests.hosts import FUNCTION_KEY, RunningHost, running_host

ENV = {
    "PASSKEYS_CEREMONY_SECONDS": "2",
    "PASSKEYS_LIMIT_PERSON": "1000/60",
    "PASSKEYS_LIMIT_NETWORK": "1000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}


MODES = {
    "as it starts": (),
    "status reads answered at once": ("--status-reads", "immediate"),
    "the SDK's client without HTTP": ("--sdk-calls", "direct"),
    "the SDK's own timestamps": ("--sdk-timestamps", "dateutil"),
}


@pytest.fixture(scope="module", params=MODES.values(), ids=MODES)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    state: Path = tmp_path_factory.mktemp("flows") / "state"
    with running_host(state=state, env=ENV, arguments=request.param) as running:
        yield running


@pytest.mark.parametrize("algorithm", [-7, -8, -257])
def test_register_then_sign_in_twice(host: RunningHost, algorithm: int) -> None:
    """With each algorithm: a ticket becomes a passkey, and the passkey signs its owner in, again and again."""
    (ticket,) = issue_tickets(host.state, "ada")
    passkey, registered = ceremonies.register(host.url, ticket, algorithm=algorithm)
    assert registered.outcome == "completed"
    assert registered.body["output"]["credential_id"] == passkey.id
    for _ in range(2):
        signed_in = ceremonies.sign_in(host.url, passkey)
        assert signed_in.outcome == "completed"
        assert signed_in.body["output"]["person"] == {"id": "ada", "display_name": "Ada Lovelace"}


def test_the_start_carries_the_options_at_once(host: RunningHost) -> None:
    """One round trip gives the usual client its options, its deadline and its three URLs."""
    started = expect(ceremonies.start(host.url, "authentication", {}), 202)
    assert {"id", "kind", "publicKey", "expiresAt", "statusQueryGetUri"} <= started.body.keys()
    assert started.headers["location"] == started.body["statusQueryGetUri"]
    assert call(host.url, "DELETE", started.body["cancelDeleteUri"]).outcome == "canceled"


def test_a_ticket_works_once(host: RunningHost) -> None:
    """The second registration with one ticket is refused as an unknown ticket is."""
    (ticket,) = issue_tickets(host.state, "grace")
    assert ceremonies.register(host.url, ticket)[1].outcome == "completed"
    again = ceremonies.start(host.url, "registration", {"ticket": ticket})
    unknown = ceremonies.start(host.url, "registration", {"ticket": "x" * 43})
    assert (again.status, again.body) == (unknown.status, unknown.body)
    assert (again.status, again.body["code"]) == (403, "ticket_invalid")


def test_two_ceremonies_with_one_ticket_make_one_credential(host: RunningHost) -> None:
    """Two registrations opened before either is answered: the first recorded wins, the other is refused."""
    (ticket,) = issue_tickets(host.state, "grace")
    opened = [ceremonies.start(host.url, "registration", {"ticket": ticket}) for _ in range(2)]
    outcomes = []
    for started in opened:
        _, response = authenticator.create(started.body["publicKey"], origin=host.url)
        answer = ceremonies.respond(host.url, started.body["id"], response)
        outcomes.append(ceremonies.finished(host.url, answer).outcome)
    assert outcomes == ["completed", "refused"]


def test_a_disabled_person_is_refused(host: RunningHost) -> None:
    """Mallory's proof is good; the directory says no; outside it looks like any refusal, and nothing is stored."""
    (ticket,) = issue_tickets(host.state, "mallory")
    _, answer = ceremonies.register(host.url, ticket)
    output = answer.body["output"]
    assert (output["outcome"], output["reason"], output["person"]) == ("refused", "not_allowed", None)


LIES = {
    "challenge": Lie(challenge=b"x" * 32),
    "origin": Lie(origin="http://localhost:1"),
    "rp": Lie(rp_id="evil.example"),
    "type": Lie(client_data_type="webauthn.create"),
    "signature": Lie(broken_signature=True),
    "user handle": Lie(user_handle=b"x" * 32),
    "credential": Lie(credential_id=b"x" * 32),
    "not verified": Lie(flags=authenticator.Flags.USER_PRESENT),
    "backed up, not eligible": Lie(flags=authenticator.HONEST_FLAGS | authenticator.Flags.BACKUP_STATE),
    "cross origin": Lie(cross_origin=True),
}


def test_every_lie_is_rejected_and_looks_alike(host: RunningHost) -> None:
    """Each lie ends the ceremony as rejected, with the one public reason; the passkey still works afterwards."""
    (ticket,) = issue_tickets(host.state, "ada")
    passkey, _ = ceremonies.register(host.url, ticket)
    ended = {
        name: ceremonies.sign_in(host.url, passkey, lie=lie).body["output"] for name, lie in LIES.items()
    }
    told = {name: (output["outcome"], output["reason"], output["person"]) for name, output in ended.items()}
    assert told == dict.fromkeys(LIES, ("rejected", "not_verified", None))
    assert ceremonies.sign_in(host.url, passkey).outcome == "completed"


def test_a_response_is_taken_once(host: RunningHost) -> None:
    """The first answer burns the challenge, even a wrong one: the right one comes too late."""
    (ticket,) = issue_tickets(host.state, "ada")
    passkey, _ = ceremonies.register(host.url, ticket)
    started = ceremonies.start(host.url, "authentication", {})
    wrong = authenticator.get(
        passkey, started.body["publicKey"], origin=host.url, lie=Lie(broken_signature=True)
    )
    right = authenticator.get(passkey, started.body["publicKey"], origin=host.url)
    answer = ceremonies.finished(host.url, ceremonies.respond(host.url, started.body["id"], wrong))
    assert answer.outcome == "rejected"
    late = ceremonies.respond(host.url, started.body["id"], right)
    assert (late.status, late.body["code"]) == (409, "ceremony_finished")


def test_nobody_answers_and_it_expires(host: RunningHost) -> None:
    """At its deadline a ceremony ends as expired, and no answer is taken afterwards."""
    started = expect(ceremonies.start(host.url, "authentication", {}), 202)
    ended = ceremonies.finished(host.url, ceremonies.status(host.url, started.body["id"], wait_s=5))
    assert ended.outcome == "expired"
    assert ceremonies.cancel(host.url, started.body["id"]).status == 409


def test_operators_see_the_exact_reason_and_every_step(host: RunningHost) -> None:
    """With the function key: the list, and a timeline out of history and audit; without it, 401."""
    (ticket,) = issue_tickets(host.state, "ada")
    passkey, _ = ceremonies.register(host.url, ticket)
    ended = ceremonies.sign_in(host.url, passkey, lie=Lie(broken_signature=True))
    path = f"/operations/ceremonies/{ended.body['instanceId']}"
    key = {"x-functions-key": FUNCTION_KEY}
    listed = expect(call(host.url, "GET", "/operations/ceremonies?limit=5", headers=key), 200).body[
        "ceremonies"
    ]
    assert ended.body["instanceId"] in [row["id"] for row in listed]
    one = expect(call(host.url, "GET", path, headers=key), 200).body
    assert len(one["timeline"]) >= 5
    assert all(step["at"] and step["step"] for step in one["timeline"])
    assert one["timeline"] == sorted(one["timeline"], key=lambda step: step["at"])
    for refused in (path, "/operations/ceremonies"):
        assert call(host.url, "GET", refused).status == 401
        assert call(host.url, "GET", refused, headers={"x-functions-key": "wrong"}).status == 401


def test_at_the_end_everything_is_recorded_once(tmp_path: Path) -> None:
    """A fresh host, one of each, stopped: the record, the credentials and the outcomes agree."""
    with running_host(state=tmp_path / "state", env=ENV) as running:
        (ticket,) = issue_tickets(running.state, "ada")
        passkey, registered = ceremonies.register(running.url, ticket)
        signed_in = ceremonies.sign_in(running.url, passkey)
        told = [
            Told(registered.body["instanceId"], "completed", "", seen=registered.outcome),
            Told(signed_in.body["instanceId"], "completed", "", seen=signed_in.outcome, sign_count=1),
        ]
        found = wait_until_settled(running.url, running.state, seconds=10)
        assert running.stop() == 0
    assert faults_of(gather(running.state, found), told) == []
