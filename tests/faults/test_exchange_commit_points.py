"""Death at every commit of the store while tokens are redeemed, refreshed and revoked: no session is lost, and none doubled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from demo import ceremonies
from demo.ceremonies import Answer
from tests.exchanges import Exchange
from tests.faults.dying_host import Death, MortalHost, die_everywhere
from tests.faults.evidence import documents, wait_until_settled
from tests.faults.test_commit_points import SETTLE_SECONDS, surviving
from tests.faults.tickets import issue_tickets
from tests.hosts import running_host

ENV = {
    "PASSKEYS_AUDIT_SHARDS": "1",
    # A dead host takes a while to come back on a busy machine.
    "PASSKEYS_CODE_SECONDS": "600",
    "PASSKEYS_REFRESH_GRACE_SECONDS": "30",
}


def signed_in(state: Path) -> tuple[Exchange, str]:
    """A state in which Ada has just signed in for the application; what it redeems with."""
    with running_host(state=state, env=ENV) as host:
        (ticket,) = issue_tickets(state, "ada")
        passkey, _ = ceremonies.register(host.url, ticket)
        shop = Exchange(host.url)
        code = shop.sign_in(passkey)
        wait_until_settled(host.url, state, seconds=SETTLE_SECONDS)
    return shop, code


def run(
    prepared: Path, scratch: Path, made: tuple[Exchange, str], death: Death | None
) -> tuple[list[str], MortalHost]:
    """Redeem, refresh twice and revoke, over however many lives of the host it takes; every fault at the end."""
    shutil.copytree(prepared, scratch)
    host = MortalHost(scratch, ENV, death)
    shop, code = Exchange(host.url, key=made[0].key, verifier=made[0].verifier), made[1]
    faults: list[str] = []

    def good(answer: Answer, what: str) -> Answer:
        if answer.status != 200:
            faults.append(f"{what}: {answer}")
        return answer

    try:
        host.ensure_alive()
        first = good(surviving(host, lambda: shop.redeem(code)), "redeem").body.get("refresh_token", "")
        second = good(surviving(host, lambda: shop.refresh(first)), "refresh").body.get("refresh_token", "")
        third = good(surviving(host, lambda: shop.refresh(second)), "refresh").body.get("refresh_token", "")
        rows = [json.loads(data) for data in documents(scratch, "sessions/").values()]
        if [(row["gen"], row["status"]) for row in rows] != [(3, "active")] or len(
            {first, second, third}
        ) != 3:
            faults.append(f"sessions: {rows}")
        good(surviving(host, lambda: shop.revoke(third)), "revoke")
        if surviving(host, lambda: shop.refresh(third)).status != 400:
            faults.append("refreshed after its end")
    finally:
        host.stop()
    return faults, host


@pytest.mark.timeout(300)
def test_death_at_every_commit_of_an_exchange(tmp_path: Path) -> None:
    """Before each and after each: what a patient client gets is one session, one successor a refresh, and its end."""
    prepared = tmp_path / "prepared"
    made = signed_in(prepared)
    die_everywhere(tmp_path, lambda scratch, death: run(prepared, scratch, made, death), at_least=8)
