"""The judge itself: each kind of damage is found, and an undamaged run has no fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.evidence import Evidence, Told, faults_of, over_capacity

A, B = "registration-" + "a" * 32, "authentication-" + "b" * 32
EXPIRES = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
TOLD = (
    Told(
        A,
        "completed",
        "n",
        expires_at=EXPIRES,
        delivered_at=EXPIRES - timedelta(seconds=30),
        seen="completed",
    ),
    Told(B, "completed", "n", EXPIRES, EXPIRES - timedelta(seconds=30), "completed", sign_count=4),
)


def instance(outcome: str) -> dict[str, Any]:
    return {"runtimeStatus": "Completed", "output": {"outcome": outcome}}


def entry(ceremony_id: str, outcome: str, second: int = 0) -> dict[str, Any]:
    return {
        "ceremony_id": ceremony_id,
        "kind": ceremony_id.partition("-")[0],
        "outcome": outcome,
        "credential_id": "c1" if outcome == "completed" else None,
        "network": "n",
        "started_at": f"2026-01-01T00:00:{second:02d}.000Z",
    }


def undamaged() -> Evidence:
    return Evidence(
        instances={A: instance("completed"), B: instance("completed")},
        entries=[entry(A, "completed"), entry(B, "completed")],
        credentials={"c1": {"ceremony_id": A}},
        usage={"c1": {"sign_count": 4}},
    )


def test_an_undamaged_run_has_no_fault() -> None:
    """Two ceremonies as they should be: nothing to report."""
    assert faults_of(undamaged(), TOLD) == []


DAMAGE: dict[str, Callable[[Evidence], Evidence]] = {
    "accepted and lost": lambda e: replace(e, instances={A: e.instances[A]}, entries=e.entries[:1]),
    "no audit entry": lambda e: replace(e, entries=e.entries[:1]),
    "two audit entries": lambda e: replace(e, entries=[*e.entries, e.entries[0]]),
    "audit of nothing": lambda e: replace(
        e, entries=[*e.entries, entry("registration-" + "f" * 32, "expired")]
    ),
    "still running": lambda e: replace(e, instances={**e.instances, B: {"runtimeStatus": "Running"}}),
    "wrong outcome": lambda e: replace(
        e, instances={**e.instances, B: instance("rejected")}, entries=[e.entries[0], entry(B, "rejected")]
    ),
    "audit says otherwise": lambda e: replace(e, entries=[e.entries[0], entry(B, "expired")]),
    "credential lost": lambda e: replace(e, credentials={}),
    "credential from nowhere": lambda e: replace(e, credentials={**e.credentials, "c2": {"ceremony_id": A}}),
    "credential of another ceremony": lambda e: replace(e, credentials={"c1": {"ceremony_id": B}}),
    "use lost": lambda e: replace(e, usage={"c1": {"sign_count": 3}}),
    "broken chain": lambda e: replace(e, broken=["altered"]),
    "stranger completed": lambda e: replace(
        e,
        instances={**e.instances, "authentication-" + "d" * 32: instance("completed")},
        entries=[*e.entries, entry("authentication-" + "d" * 32, "completed")],
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_each_kind_of_damage_is_found(damage: Callable[[Evidence], Evidence]) -> None:
    """Whatever is wrong, there is at least one fault."""
    assert faults_of(damage(undamaged()), TOLD) != []


def test_expiry_is_forgiven_only_near_the_deadline() -> None:
    """An answer delivered long before the deadline must count; one at its edge may have come too late."""
    early, late = EXPIRES - timedelta(seconds=30), EXPIRES - timedelta(seconds=1)
    expired = Evidence({B: instance("expired")}, [entry(B, "expired")], {}, {})
    assert faults_of(expired, [Told(B, "completed", "n", EXPIRES, early, "expired")]) != []
    assert faults_of(expired, [Told(B, "completed", "n", EXPIRES, late, "expired")]) == []


def test_one_admitted_too_many_is_found() -> None:
    """Capacity 2 a minute: two at once and none refilled in a second; the third is over."""
    ids = ["authentication-" + str(n) * 32 for n in range(3)]
    evidence = Evidence({}, [entry(one, "expired", n // 2) for n, one in enumerate(ids)], {}, {})
    assert over_capacity(evidence, capacity=2, refill_seconds=60) != []
    assert over_capacity(evidence, capacity=3, refill_seconds=60) == []
