"""Death at every commit of a removal, before it and after it: the passkey is removed, once on the record, and works no more."""

from __future__ import annotations

import http.client
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from demo import ceremonies
from demo.authenticator import Passkey
from passkeys.credentials import standing_name
from tests.faults.dying_host import Death, MortalHost, die_everywhere
from tests.faults.evidence import (
    TERMINAL,
    acts_of,
    documents,
    faults_of,
    gather,
    wait_until_settled,
)
from tests.faults.test_commit_points import SETTLE_SECONDS, surviving
from tests.faults.tickets import issue_tickets
from tests.visits import Visit, add, enrol, sign_in

# While it dies, nothing else commits: the flush comes with the last host.
QUIET = {"PASSKEYS_AUDIT_FLUSH_SCHEDULE": "0 0 0 1 1 *", "PASSKEYS_AUDIT_SHARDS": "1"}
FLUSHING = {**QUIET, "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *"}


def two_passkeys(state: Path) -> tuple[Passkey, Visit]:
    """Ada's first passkey, used once, and a session of her second one; the host has stopped."""
    host = MortalHost(state, QUIET, None)
    try:
        host.ensure_alive()
        (ticket,) = issue_tickets(state, "ada")
        first, visit = enrol(host.url, ticket)
        _, by_second = add(visit)
        assert sign_in(host.url, first).answer.outcome == "completed"
    finally:
        host.stop()
    return first, by_second


def remove(host: MortalHost, passkey: Passkey, visit: Visit) -> None:
    """Ask once; ask again only if the host died before it had accepted the act. Return when the act has ended."""
    asking = replace(visit, url=host.url)
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            ceremonies.expect(asking.ask("DELETE", f"/credentials/{passkey.id}"), 200)
        except (OSError, http.client.HTTPException):
            host.ensure_alive()
        acts = surviving(host, lambda: acts_of(host.url))
        while acts and any(row["runtimeStatus"] not in TERMINAL for row in acts.values()):
            assert time.monotonic() < deadline, acts
            time.sleep(0.05)
            acts = surviving(host, lambda: acts_of(host.url))
        if acts:
            return


def run(
    scratch: Path, before: Path, passkey: Passkey, visit: Visit, death: Death | None
) -> tuple[list[str], MortalHost]:
    """Remove it, dying once; then look at everything with a host that lives. Every fault that is found."""
    state = scratch / "state"
    shutil.copytree(before, state)
    host = MortalHost(state, QUIET, death)
    try:
        host.ensure_alive()
        remove(host, passkey, visit)
    finally:
        host.stop()
    last = MortalHost(state, FLUSHING, None)
    try:
        last.ensure_alive()
        rejected = sign_in(last.url, passkey).answer.outcome
        left = [one["id"] for one in replace(visit, url=last.url).listed()]
        found = wait_until_settled(last.url, state, seconds=SETTLE_SECONDS)
    finally:
        last.stop()
    evidence = gather(state, found)
    faults = faults_of(evidence, [], strangers={"completed", "rejected"})
    if [(act["act"], act["outcome"]) for act in evidence.acts] != [("remove", "completed")]:
        faults.append(f"the audit says {evidence.acts}")
    if rejected != "rejected" or passkey.id in left or len(left) != 1:
        faults.append(f"the removed passkey signs in: {rejected}, is listed: {left}")
    traces = [name for name in documents(state, "") if passkey.id in name]
    if traces != [standing_name(passkey.id)]:
        faults.append(f"what is left of it: {traces}")
    return faults, host


@pytest.mark.timeout(400)
def test_death_within_a_removal_leaves_a_removed_passkey_and_one_entry(tmp_path: Path) -> None:
    """For every commit of the host and of the store: die there, start again; it is removed, for good, and recorded once."""
    before = tmp_path / "before" / "state"
    passkey, visit = two_passkeys(before)
    die_everywhere(
        tmp_path,
        lambda scratch, death: run(scratch, before, passkey, visit, death),
        places=("host", "store"),
        at_least=5,  # announced, tombstone, record, use, marker: each of the removal's writes is died at
    )
