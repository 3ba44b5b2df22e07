"""The metadata's daily round on the real host: a model is revoked, its passkeys are found, and found again when it is cleared.

"Daily" is every second here. The BLOBs are made and signed for the test; everything else is the app as it is.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import ceremonies
from demo.authenticator import Passkey
from tests.faults.evidence import read_audit
from tests.faults.tickets import issue_tickets
from tests.hosts import FUNCTION_KEY, RunningHost, running_host
from tests.metadata_kit import AAGUID, OTHER, PNG, blob, entry, status, write_root

GOOD = blob(entry(), entry(OTHER, icon=None), no=1, next_update="2999-01-01")
REVOKED = blob(entry(AAGUID, status("REVOKED")), entry(OTHER), no=2, next_update="2999-01-01")
CLEARED = blob(entry(), entry(OTHER), no=3, next_update="2999-01-01")
MODEL_ACTS = {"model_disabled", "model_step_up", "model_cleared"}
SECONDS = 30.0


def eventually(look: Callable[[], Any]) -> Any:
    """What `look` gives once it gives anything."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


class Source:
    """The file that PASSKEYS_METADATA names, replaced as a whole, as a careful job does."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "blob.jwt"
        self.root = write_root(folder / "root.pem")
        self.put(GOOD)

    def put(self, data: bytes) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(data)
        os.replace(fresh, self.path)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PASSKEYS_METADATA": str(self.path),
            "PASSKEYS_METADATA_ROOT": str(self.root),
            "PASSKEYS_METADATA_SCHEDULE": "* * * * * *",
            "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
            "PASSKEYS_LIMIT_NETWORK": "1000/60",
            **more,
        }


def metadata_of(host: RunningHost) -> dict[str, Any]:
    """GET /operations/metadata."""
    answer = ceremonies.call(
        host.url, "GET", "/operations/metadata", headers={"x-functions-key": FUNCTION_KEY}
    )
    return dict(ceremonies.expect(answer, 200).body)


def refreshed(host: RunningHost, no: int) -> dict[str, Any]:
    """The view once a whole round has been made by the BLOB of this number."""

    def look() -> dict[str, Any] | None:
        found = metadata_of(host)
        refresh = found["refresh"] or {}
        done = found["metadata"] and found["metadata"]["no"] == no and refresh.get("complete")
        # A round that was under way when the BLOB came may have judged by the one before: this one began behind it.
        return found if done and (refresh["outcome"] == "unchanged") else None

    return dict(eventually(look))


def enrolled(host: RunningHost, person: str) -> Passkey:
    (ticket,) = issue_tickets(host.state, person)
    passkey, answer = ceremonies.register(host.url, ticket)
    assert answer.outcome == "completed"
    return passkey


def model_acts(host: RunningHost) -> Counter[tuple[str, str]]:
    """(act, credential) of every entry that the re-judging has left, once the audit is on disk and whole."""
    entries, broken = read_audit(host.state)
    assert broken == []
    return Counter(
        (entry["act"], entry["credential_id"]) for entry in entries if entry.get("act") in MODEL_ACTS
    )


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    yield Source(tmp_path)


@pytest.mark.timeout(240)
def test_a_revoked_model_is_found_recorded_refused_and_lifted_again(tmp_path: Path, source: Source) -> None:
    """Its passkey signs in; revoked, it is rejected like an unknown one; cleared, it signs in again. Each once in the audit."""
    with running_host(state=tmp_path / "state", env=source.environment()) as host:
        assert refreshed(host, 1)["metadata"]["models"] == 2
        passkey = enrolled(host, "ada")
        assert ceremonies.sign_in(host.url, passkey).outcome == "completed"
        icon = ceremonies.call(host.url, "GET", f"/authenticators/{AAGUID}/icon")
        assert (icon.status, icon.body) == (200, PNG)

        source.put(REVOKED)
        refreshed(host, 2)
        rejected = ceremonies.sign_in(host.url, passkey)
        assert rejected.outcome == "rejected"
        (ticket,) = issue_tickets(host.state, "ada")
        assert ceremonies.register(host.url, ticket)[1].outcome == "rejected"
        eventually(lambda: model_acts(host) == {("model_disabled", passkey.id): 1})

        # An old BLOB, genuinely signed, does not bring it back; and the operator sees why.
        source.put(GOOD)
        view = eventually(lambda: (found := metadata_of(host))["refresh"]["outcome"] == "refused" and found)
        assert (view["metadata"]["no"], view["refresh"]["reason"]) == (2, "metadata_rolled_back")
        assert ceremonies.sign_in(host.url, passkey).outcome == "rejected"

        source.put(CLEARED)
        refreshed(host, 3)
        assert ceremonies.sign_in(host.url, passkey).outcome == "completed"
        expected = {("model_disabled", passkey.id): 1, ("model_cleared", passkey.id): 1}
        eventually(lambda: model_acts(host) == expected)
    assert model_acts(host) == expected


@pytest.mark.timeout(120)
def test_by_the_other_policy_the_sign_in_is_good_for_managing_passkeys_alone(
    tmp_path: Path, source: Source
) -> None:
    """Stepped up: it completes, says so, and is recorded so."""
    environment = source.environment(PASSKEYS_REVOKED_CREDENTIALS="step-up")
    with running_host(state=tmp_path / "state", env=environment) as host:
        refreshed(host, 1)
        passkey = enrolled(host, "ada")
        assert ceremonies.sign_in(host.url, passkey).body["output"]["step_up"] is False
        source.put(REVOKED)
        refreshed(host, 2)
        signed_in = ceremonies.sign_in(host.url, passkey)
        assert (signed_in.outcome, signed_in.body["output"]["step_up"]) == ("completed", True)
        eventually(lambda: model_acts(host) == {("model_step_up", passkey.id): 1})


@pytest.mark.timeout(120)
def test_until_the_metadata_is_there_the_service_is_not_ready(tmp_path: Path, source: Source) -> None:
    """Configured and unreadable: named by healthz, tried again, and said to the operator."""
    source.put(b"<html>")
    environment = source.environment()
    with running_host(state=tmp_path / "state", env=environment) as host:
        view = eventually(
            lambda: (found := metadata_of(host))["refresh"] and found["refresh"]["outcome"] and found
        )
        assert (view["metadata"], view["refresh"]["reason"]) == (None, "metadata_malformed")
        assert ceremonies.call(host.url, "GET", "/healthz").body["missing"] == ["metadata"]
        source.put(GOOD)
        refreshed(host, 1)
        assert ceremonies.call(host.url, "GET", "/healthz").status == 200
        assert "metadata_malformed" in host.log()
