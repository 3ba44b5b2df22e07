"""Sessions with applications on the real host: seen, ended by their person, by an operator and with their passkey; on the record."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from demo.authenticator import Passkey
from demo.ceremonies import expect
from tests import homes
from tests.exchanges import Exchange, claims_of
from tests.faults.evidence import read_audit
from tests.faults.tickets import issue_tickets
from tests.hosts import ROOT, RunningHost, running_host
from tests.visits import Visit, add, enrol, sign_in

ENV = {
    "PASSKEYS_LIMIT_NETWORK": "1000/60",
    "PASSKEYS_LIMIT_PERSON": "1000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    with running_host(state=tmp_path_factory.mktemp("sessions") / "state", env=ENV) as running:
        yield running


def signed_in_to_a_shop(host: RunningHost, passkey: Passkey) -> tuple[Exchange, str, str]:
    """An application with a session; its refresh token and the session's id."""
    shop = Exchange(host.url)
    tokens = expect(shop.redeem(shop.sign_in(passkey)), 200).body
    return shop, tokens["refresh_token"], claims_of(tokens["access_token"])["sid"]


def enrolled(host: RunningHost, person: str) -> tuple[Passkey, Visit]:
    (ticket,) = issue_tickets(host.state, person)
    passkey, _ = enrol(host.url, ticket)
    return passkey, sign_in(host.url, passkey)


def is_over(shop: Exchange, token: str) -> bool:
    return bool(expect(shop.refresh(token), 200, 400).status == 400)


def test_sessions_end_in_every_way_and_each_end_is_recorded(host: RunningHost) -> None:
    """One by its person, one with its passkey, one by an operator, and all of them; nothing of it is left, but in the audit."""
    passkey, ada = enrolled(host, "ada")
    other, _ = add(ada)
    one, lost, third, fourth = (
        signed_in_to_a_shop(host, which) for which in (passkey, other, passkey, passkey)
    )
    listed = expect(ada.ask("GET", "/sessions"), 200).body["sessions"]
    assert {session["id"] for session in listed} == {sid for _, _, sid in (one, lost, third, fourth)}
    left = expect(ada.ask("DELETE", f"/sessions/{one[2]}"), 200).body["sessions"]
    assert one[2] not in {session["id"] for session in left}
    expect(ada.ask("DELETE", f"/credentials/{other.id}"), 200)
    _, grace = enrolled(host, "grace")
    reason = {"reason": "lost a laptop"}
    expect(grace.operate("POST", f"/operations/sessions/{third[2]}/end", reason), 200)
    (last,) = expect(grace.operate("GET", "/operations/sessions?person=ada"), 200).body["sessions"]
    assert last["id"] == fourth[2]
    assert [is_over(shop, token) for shop, token, _ in (one, lost, third)] == [True] * 3
    token = expect(fourth[0].refresh(fourth[1]), 200).body["refresh_token"]
    assert expect(ada.ask("DELETE", "/sessions"), 200).body == {"sessions": []}
    assert is_over(fourth[0], token)
    assert ada.ask("GET", "/sessions").body["code"] == "session_invalid"
    again = sign_in(host.url, passkey)
    assert expect(again.ask("GET", "/sessions"), 200).body == {"sessions": []}

    wanted = [
        ("session_revoked", "ada", [one[2]]),
        ("remove", "ada", [lost[2]]),
        ("session_revoked", "grace", [third[2]]),
        ("signed_out_everywhere", "ada", [fourth[2]]),
    ]
    deadline = time.monotonic() + 15
    told: list[tuple[str, str, list[str]]] = []
    while len(told) < len(wanted) and time.monotonic() < deadline:
        time.sleep(0.3)
        entries = sorted(read_audit(host.state)[0], key=lambda entry: entry["at"])
        told = [(entry["act"], entry["by"], entry["sessions"]) for entry in entries if "sessions" in entry]
    assert told == wanted
    assert {entry["act"] for entry in entries if entry.get("client_id") and "act" in entry} == {
        "tokens_issued",
        "tokens_refreshed",
    }
    checked = subprocess.run(
        [sys.executable, "-m", "passkeys", "audit", "verify"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "LOCAL_HOST_STATE": str(host.state), **homes.environment(host.state)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
