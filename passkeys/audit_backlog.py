"""How far the trail's segments are behind what the audit logs have recorded: what waits, since when, and what to do about it.

An entry is durable as soon as its log has it. It waits there while the store is away, and a log that holds too many gets
slow, and in the end too large for the task hub. So who comes to start something new is turned away before, and told so;
whatever has begun is still recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

# A flush comes every few seconds. What waits longer has a reason, and somebody should look.
BEHIND_AFTER = timedelta(minutes=2)


class Standing(StrEnum):
    """What to make of it."""

    KEPT_UP = "kept_up"
    BEHIND = "behind"  # an alert
    FULL = "full"  # an alert, and nothing new begins


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one audit log holds: how many entries it has recorded, how many of them wait, and since when the first does."""

    shard: str
    recorded: int
    pending: int
    oldest_at: datetime | None
    segment: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What all of them hold."""

    standing: Standing
    logs: tuple[Waiting, ...]

    @property
    def pending(self) -> int:
        """How many entries wait."""
        return sum(log.pending for log in self.logs)

    @property
    def oldest_at(self) -> datetime | None:
        """Since when the first of them does."""
        return min((log.oldest_at for log in self.logs if log.oldest_at is not None), default=None)


def backlog_of(logs: Sequence[Waiting], *, limit: int, now: datetime) -> Backlog:
    """The backlog, where a log that holds `limit` entries is full."""
    if any(log.pending >= limit for log in logs):
        standing = Standing.FULL
    elif any(log.oldest_at is not None and now - log.oldest_at > BEHIND_AFTER for log in logs):
        standing = Standing.BEHIND
    else:
        standing = Standing.KEPT_UP
    return Backlog(standing, tuple(logs))


def waiting_of(shard: str, state: Mapping[str, Any]) -> Waiting:
    """What a log's state says (entities/audit_log.py); of one that has never recorded, the state is empty."""
    pending: Sequence[Sequence[str]] = state.get("pending", ())
    return Waiting(
        shard=shard,
        recorded=int(state.get("seq", -1)) + 1,
        pending=len(pending),
        oldest_at=datetime.fromisoformat(json.loads(pending[0][1])["at"]) if pending else None,
        segment=str(state.get("segment", "")),
    )
