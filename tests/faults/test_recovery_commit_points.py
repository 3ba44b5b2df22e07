"""Death at every commit of a confirmation and of taking the ticket: one record, one ticket at most, one entry for each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Passkey
from demo.ceremonies import Answer
from passkeys.recoveries import is_proven, load_recovery, recovery_name
from passkeys.tickets import digest_of
from tests import recoveries
from tests.faults.dying_host import Death, MortalHost, die_everywhere
from tests.faults.evidence import documents, faults_of, gather, wait_until_settled
from tests.faults.test_commit_points import SETTLE_SECONDS, follow, surviving
from tests.faults.tickets import issue_tickets
from tests.hosts import running_host, start_host
from tests.recoveries import Started
from tests.visits import Visit, enrol

# While it dies, nothing else commits: the flush comes with the last host. Nothing gets too old while it is tried out.
QUIET = {
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "0 0 0 1 1 *",
    "PASSKEYS_AUDIT_SHARDS": "1",
    "PASSKEYS_SESSION_SECONDS": "3600",
    "PASSKEYS_FRESH_SECONDS": "3600",
    "PASSKEYS_RECOVERY_SECONDS": "3600",
}
FLUSHING = {**QUIET, "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *"}
ENDED = {"completed"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A state directory with Grace's session, Katherine's passkey, and a recovery of Ada that Grace has started."""

    state: Path
    by_grace: Visit
    katherines: Passkey
    started: Started


def scene(state: Path, *, confirmed: bool) -> Scene:
    """Up to the start, or to the confirmation; the host has stopped."""
    host = MortalHost(state, QUIET, None)
    try:
        host.ensure_alive()
        graces, katherines = issue_tickets(state, "grace", "katherine")
        _, by_grace = enrol(host.url, graces)
        passkey, _ = enrol(host.url, katherines)
        started = recoveries.start(by_grace)
        if confirmed:
            assert recoveries.confirm(host.url, started, passkey).outcome == "completed"
    finally:
        host.stop()
    return Scene(state, by_grace, passkey, started)


def confirm(host: MortalHost, scene: Scene) -> None:
    """Answer until the recovery has ended; the same answer again if the host died before it had one."""
    response = authenticator.get(scene.katherines, scene.started.options, origin=host.url)
    answer = follow(host, Answer(202, {}, {"id": scene.started.ceremony_id}), response)
    assert answer.outcome == "completed", answer


def take(host: MortalHost, scene: Scene) -> str | None:
    """Ask, and ask again if the host died; the ticket, or None if it was issued and the answer is lost."""
    by_grace = replace(scene.by_grace, url=host.url)
    answer = surviving(host, lambda: recoveries.take(by_grace, scene.started))
    if answer.status == 200:
        return str(answer.body["ticket"])
    assert (answer.status, answer.body["code"]) == (409, "ticket_shown"), answer
    return None


PLACES = ("host", "store")
Part = Callable[[MortalHost, Scene], str | None]


def run(scratch: Path, before: Scene, part: Part, death: Death | None) -> tuple[list[str], MortalHost]:
    """Play the part, dying once; then take what is to be had with a host that lives, and look at everything."""
    state = scratch / "state"
    shutil.copytree(before.state, state)
    host = MortalHost(state, QUIET, death)
    try:
        host.ensure_alive()
        shown = part(host, before)
    finally:
        host.stop()
    last = MortalHost(state, FLUSHING, None)
    try:
        last.ensure_alive()
        again = take(last, before)
        found = wait_until_settled(last.url, state, seconds=SETTLE_SECONDS)
    finally:
        last.stop()
    faults = faults_of(gather(state, found), [], strangers=ENDED)
    return faults + faults_of_recovery(state, before, [one for one in (shown, again) if one]), host


def faults_of_recovery(state: Path, before: Scene, shown: list[str]) -> list[str]:
    """One proven record, one ticket that it names, shown to nobody or once, issued once on the record."""
    faults = []
    name = recovery_name(before.started.ceremony_id)
    kept = documents(state, "")
    recovery = load_recovery(name, kept[name])
    if not is_proven(recovery):
        faults.append("the confirmation does not prove itself")
    tickets = {
        ticket: json.loads(data)
        for ticket, data in kept.items()
        if ticket.startswith("tickets/") and json.loads(data).get("recovery")
    }
    named = None if recovery.ticket is None else f"tickets/{recovery.ticket.digest}.json"
    if list(tickets) != [named]:
        faults.append(f"the recovery names {named}, there are {list(tickets)}")
    if len(shown) > 1 or any(f"tickets/{digest_of(secret)}.json" != named for secret in shown):
        faults.append(f"{len(shown)} tickets were shown, {named} is stored")
    acts = [act for act in gather(state, {}).acts if act["act"] == "recovery_ticket_issued"]
    issued = [act for act in acts if act["outcome"] == "completed"]
    if len(issued) != 1 or recovery.ticket is None or issued[0]["act_id"] != recovery.ticket.act_id:
        faults.append(f"the audit says {acts}, the recovery {recovery.ticket}")
    faults += [f"an act ended {act}" for act in acts if act not in issued and act["code"] != "ticket_shown"]
    return faults


@pytest.mark.timeout(400)
def test_death_while_the_ticket_is_taken_issues_one(tmp_path: Path) -> None:
    """For every commit of the host and of the store: die there, start again; one ticket, shown once or lost, never two."""
    before = scene(tmp_path / "before" / "state", confirmed=True)
    die_everywhere(
        tmp_path, lambda scratch, death: run(scratch, before, take, death), places=PLACES, at_least=1
    )


@pytest.mark.timeout(400)
def test_death_while_it_is_confirmed_loses_no_confirmation(tmp_path: Path) -> None:
    """For every commit from the answer to the outcome: the recovery completes, with one record, and has its one ticket."""
    before = scene(tmp_path / "before" / "state", confirmed=False)
    die_everywhere(
        tmp_path, lambda scratch, death: run(scratch, before, confirm, death), places=PLACES, at_least=1
    )


def test_death_between_the_confirmation_and_the_ticket_costs_nothing(tmp_path: Path) -> None:
    """Killed after the one and before the other: the ticket is there for who started it, and for nobody twice."""
    before = scene(tmp_path / "state", confirmed=False)
    host = start_host(state=before.state, env=FLUSHING)
    response = authenticator.get(before.katherines, before.started.options, origin=host.url)
    answer = ceremonies.respond(host.url, before.started.ceremony_id, response)
    host.kill()  # as soon as it has said so
    assert answer.outcome == "completed"
    with running_host(state=before.state, env=FLUSHING) as host:
        by_grace = replace(before.by_grace, url=host.url)
        answer = recoveries.take(by_grace, before.started)
        assert answer.status == 200
        found = wait_until_settled(host.url, before.state, seconds=SETTLE_SECONDS)
    assert faults_of(gather(before.state, found), [], strangers=ENDED) == []
    assert faults_of_recovery(before.state, before, [answer.body["ticket"]]) == []
