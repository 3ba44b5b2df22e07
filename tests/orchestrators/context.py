"""A context that an orchestrator can be driven with by hand: it records what is asked for, and refuses what it does not know.

Not a mock: it has the methods that a ceremony may use, spelt as the SDK spells them (a test compares the signatures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from azure.durable_functions import EntityId

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@dataclass(eq=False)
class Task:
    """One thing asked for: what kind, of whom, with what; and its result, once the test gives one."""

    kind: str
    name: str
    input: Any = None
    children: Sequence[Task] = ()
    result: Any = None
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class RecordingContext:
    """What DurableOrchestrationContext offers to a ceremony."""

    request: dict[str, Any]
    current_utc_datetime: datetime = START
    statuses: list[Any] = field(default_factory=list)
    signals: list[tuple[str, str, Any]] = field(default_factory=list)

    def get_input(self) -> dict[str, Any]:
        return self.request

    def call_activity(self, name: str, input_: Any = None) -> Task:
        return Task("activity", name, input_)

    def call_entity(self, entityId: EntityId, operationName: str, operationInput: Any = None) -> Task:
        return Task("entity", f"{entityId.name}/{entityId.key}/{operationName}", operationInput)

    def signal_entity(self, entityId: EntityId, operationName: str, operationInput: Any = None) -> None:
        self.signals.append((f"{entityId.name}/{entityId.key}", operationName, operationInput))

    def wait_for_external_event(self, name: str) -> Task:
        return Task("event", name)

    def create_timer(self, fire_at: datetime) -> Task:
        return Task("timer", fire_at.isoformat(), fire_at)

    def task_all(self, activities: list[Task]) -> Task:
        return Task("all", "all", children=activities)

    def task_any(self, activities: list[Task]) -> Task:
        return Task("any", "any", children=activities)

    def set_custom_status(self, status: Any) -> None:
        self.statuses.append(status)
