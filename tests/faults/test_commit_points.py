"""Death at every commit, one by one, before it and after it: the registration and the sign-in end as if nothing had been."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from demo import authenticator, ceremonies
from demo.ceremonies import Answer
from tests.faults.dying_host import Death, MortalHost, die_everywhere
from tests.faults.evidence import TERMINAL, Told, faults_of, gather, instances_of, wait_until_settled
from tests.faults.tickets import issue_tickets

T = TypeVar("T")
ENV = {"PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *", "PASSKEYS_AUDIT_SHARDS": "1"}
SETTLE_SECONDS = 20.0


def surviving(host: MortalHost, step: Callable[[], T]) -> T:
    """The step's result, tried again on the next life of the host when it died meanwhile."""
    while True:
        try:
            return step()
        except (OSError, http.client.HTTPException):
            host.ensure_alive()


def follow(host: MortalHost, started: Answer, response: Any) -> Answer:
    """Hand the response over, until its ceremony has ended: what a patient client does."""
    ceremony_id = started.body["id"]
    answer = surviving(host, lambda: ceremonies.respond(host.url, ceremony_id, response))
    while answer.status != 200:
        # 409: the first attempt was accepted before the host died, and has decided.
        ceremonies.expect(answer, 202, 409)
        answer = surviving(host, lambda: ceremonies.status(host.url, ceremony_id, wait_s=5))
    return answer


def live_through(host: MortalHost) -> Iterator[Told]:
    """One registration and one sign-in, over however many lives of the host it takes."""
    (ticket,) = issue_tickets(host.state, "ada")
    started = surviving(host, lambda: ceremonies.start(host.url, "registration", {"ticket": ticket}))
    options = surviving(host, lambda: ceremonies.options_of(host.url, started))
    passkey, response = authenticator.create(options, origin=host.url)
    answer = follow(host, started, response)
    yield Told(started.body["id"], "completed", "", seen=answer.outcome)

    started = surviving(host, lambda: ceremonies.start(host.url, "authentication", {}))
    options = surviving(host, lambda: ceremonies.options_of(host.url, started))
    answer = follow(host, started, authenticator.get(passkey, options, origin=host.url))
    yield Told(started.body["id"], "completed", "", seen=answer.outcome, sign_count=1)


def run(scratch: Path, death: Death | None) -> tuple[list[str], MortalHost]:
    """Live through it all, dying once; every fault that is found at the end."""
    host = MortalHost(scratch / "state", ENV, death)
    try:
        host.ensure_alive()
        told = list(live_through(host))
        surviving(host, lambda: cancel_strangers(host.url, {one.ceremony_id for one in told}))
        found = surviving(host, lambda: wait_until_settled(host.url, host.state, seconds=SETTLE_SECONDS))
        host.ensure_alive()
    finally:
        host.stop()
    faults = faults_of(gather(host.state, found), told, strangers=("canceled",))
    # The outcome must be the planned one: no deadline was near.
    faults += [f"{one.ceremony_id} was seen to end {one.seen}" for one in told if one.seen != "completed"]
    return faults, host


def cancel_strangers(url: str, known: set[str]) -> None:
    """A start whose answer was lost with the host is still a ceremony: nobody will answer it, so cancel it."""
    for ceremony_id, row in instances_of(url).items():
        if ceremony_id not in known and row["runtimeStatus"] not in TERMINAL:
            ceremonies.expect(ceremonies.cancel(url, ceremony_id), 200, 202)


def test_without_a_death_nothing_is_wrong(tmp_path: Path) -> None:
    """The same run with nobody killed has no fault, so that the faults of the others are those of dying."""
    faults, host = run(tmp_path, None)
    assert (faults, host.deaths) == ([], 0)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("place", ["host", "store"])
def test_death_at_every_commit_loses_and_doubles_nothing(tmp_path: Path, place: str, moment: str) -> None:
    """For every N: die at commit N, start again, finish; every ceremony completed, one audit entry each, nothing lost."""
    die_everywhere(tmp_path, run, places=(place,), moments=(moment,))
