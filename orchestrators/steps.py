"""What orchestrators do alike: ask side by side, take from limits and give back, tell times."""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any

from azure.durable_functions import DurableOrchestrationContext, EntityId

Json = dict[str, Any]
Step = Generator[Any, Any, Any]


class DependencyError(Exception):
    """An activity or an entity raised, after its own bounded retries."""


def all_of(context: DurableOrchestrationContext, tasks: Sequence[Any]) -> Step:
    """Their results in order, once all are there. Raises DependencyError at the first that failed."""
    try:
        return (yield context.task_all(list(tasks)))
    except Exception as failure:  # the SDK raises no narrower class, and its text is not for reading
        raise DependencyError from failure


def take_from_limits(context: DurableOrchestrationContext, limits: Sequence[Json]) -> list[Any]:
    """A token of each limiter, to be asked for side by side: {"admitted", "retry_after_seconds"} each."""
    at_ms = _milliseconds(context)
    return [
        context.call_entity(
            _limiter(limit),
            "take",
            {"capacity": limit["capacity"], "refill_seconds": limit["refill_seconds"], "at_ms": at_ms},
        )
        for limit in limits
    ]


def give_back(
    context: DurableOrchestrationContext, limits: Sequence[Json], admissions: Sequence[Json]
) -> None:
    """Return what was taken beside a refusal: else one network's refused starts would use up everybody's limit."""
    for limit, admission in zip(limits, admissions, strict=True):
        if admission["admitted"]:
            context.signal_entity(_limiter(limit), "give_back", {"at_ms": _milliseconds(context)})


def instant(at: datetime) -> str:
    """RFC 3339, UTC, milliseconds: the same text for the same instant in whatever zone the SDK tells it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _limiter(limit: Json) -> EntityId:
    return EntityId("rate_limiter", f"{limit['policy']}|{limit['key']}")


def _milliseconds(context: DurableOrchestrationContext) -> int:
    return int(context.current_utc_datetime.timestamp() * 1000)
