"""Turns of the signing keys as scripts: what the task hub delivers, episode by episode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.orchestrators.episodes import Execution

REQUEST: dict[str, Any] = {"v": 1, "audit_shards": 4}
AT = "2026-01-01T11:59:59+00:00"


def change(key_id: str, what: str, by: str = "service:rotation") -> dict[str, Any]:
    """One change as turn_keys tells it."""
    return {"key_id": key_id, "change": what, "at": AT, "by": by}


CHANGES = [change("old", "key_retired"), change("new", "key_signing")]


def nothing_due() -> Execution:
    run = Execution("rotate_keys", REQUEST)
    run.later(seconds=1)
    run.deliver(run.done("turn_keys", {"changes": []}))
    return run


def next_key_signs() -> Execution:
    run = Execution("rotate_keys", REQUEST)
    run.later(seconds=1)
    run.deliver(run.done("turn_keys", {"changes": CHANGES}))
    run.later(seconds=1)
    run.deliver(run.done("turn_keys", {"changes": []}))
    return run


ROTATIONS: dict[str, Callable[[], Execution]] = {
    "nothing_due": nothing_due,
    "next_key_signs": next_key_signs,
}
