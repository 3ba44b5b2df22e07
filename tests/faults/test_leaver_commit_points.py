"""Death at every commit of the store while somebody's access ends: it ends, whole, and is on the record once."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Passkey
from tests.exchanges import Exchange
from tests.faults.dying_host import Death, MortalHost, die_everywhere
from tests.faults.evidence import TERMINAL, documents, instances_of, read_audit, wait_until_settled
from tests.faults.test_commit_points import SETTLE_SECONDS, follow, surviving
from tests.faults.tickets import issue_tickets
from tests.hosts import running_host

ENV = {"PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *", "PASSKEYS_AUDIT_SHARDS": "1"}
PEOPLE = {"ada": {"display_name": "Ada Lovelace"}}


def with_everything(folder: Path) -> tuple[Passkey, Exchange, str]:
    """A state in which Ada has a passkey and a session with an application; and what she goes on with."""
    with running_host(state=folder, env=ENV) as host:
        (ticket,) = issue_tickets(folder, "ada")
        passkey, _ = ceremonies.register(host.url, ticket)
        shop = Exchange(host.url)
        token = ceremonies.expect(shop.redeem(shop.sign_in(passkey)), 200).body["refresh_token"]
        wait_until_settled(host.url, folder, seconds=SETTLE_SECONDS)
    return passkey, shop, token


def ended(state: Path) -> list[str]:
    """What is wrong with the end of Ada's access."""
    (row,) = (json.loads(data) for data in documents(state, "sessions/").values())
    standings = [json.loads(data) for data in documents(state, "standing/").values()]
    entries, faults = read_audit(state)
    told = Counter((entry["act"], entry["by"]) for entry in entries if "act" in entry)
    wanted = {(act, "service:directory"): 1 for act in ("access_ended", "disable", "session_revoked")}
    if (row["status"], row["status_reason"]) != ("revoked", "person_disabled"):
        faults.append(f"the session: {row}")
    if [(standing["state"], standing["by"]) for standing in standings] != [("disabled", "service:directory")]:
        faults.append(f"the passkey: {standings}")
    if {what: count for what, count in told.items() if what in wanted} != wanted:
        faults.append(f"the audit: {told}")
    return faults


def run(prepared: Path, scratch: Path, made: Any, death: Death | None) -> tuple[list[str], MortalHost]:
    """Ada is disabled, signs in, and is refused, over however many lives of the host it takes."""
    passkey, shop, token = made
    shutil.copytree(prepared, scratch)
    people = scratch.with_name(f"{scratch.name}.json")
    people.write_text(json.dumps({"ada": {**PEOPLE["ada"], "status": "disabled"}}), "utf-8")
    host = MortalHost(scratch, {**ENV, "PASSKEYS_DIRECTORY": str(people)}, death)
    try:
        host.ensure_alive()
        started = surviving(host, lambda: ceremonies.start(host.url, "authentication", {}))
        options = surviving(host, lambda: ceremonies.options_of(host.url, started))
        answer = follow(host, started, authenticator.get(passkey, options, origin=host.url))
        faults = [] if answer.outcome == "refused" else [f"signed in: {answer}"]
        deadline = time.monotonic() + SETTLE_SECONDS
        wrong = ["nothing yet"]
        while wrong and time.monotonic() < deadline:
            time.sleep(0.2)
            leavers = surviving(host, lambda: instances_of(host.url, ("leaver-",)))
            running = [one for one in leavers.values() if one["runtimeStatus"] not in TERMINAL]
            wrong = [f"running: {running}"] if running else ended(scratch)
        mine = Exchange(host.url, key=shop.key, verifier=shop.verifier)
        if surviving(host, lambda: mine.refresh(token)).status != 400:
            faults.append("refreshed after its end")
    finally:
        host.stop()
    return [*faults, *wrong], host


@pytest.mark.timeout(300)
def test_death_at_every_commit_ends_the_access_all_the_same(tmp_path: Path) -> None:
    """After each: sessions are over, the passkey is out of use, and the audit has each of it once."""
    prepared = tmp_path / "prepared"
    made = with_everything(prepared)
    die_everywhere(
        tmp_path, lambda scratch, death: run(prepared, scratch, made, death), moments=("after",), at_least=4
    )
