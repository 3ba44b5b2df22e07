"""For operators: which metadata counts now, how old it is, and what the last refresh made of it.

The host checks the function key before any of this runs.
"""

from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.models import current_pointer
from passkeys.world import World
from starters.answers import by_method, json_response
from starters.timers import METADATA_INSTANCE
from starters.views import instant
from starters.waiting import is_finished

# What is shown of the refresh's output: its members are spelt as everywhere in the task hub, these as everywhere in HTTP.
_SHOWN = {
    "at": "startedAt",
    "ended_at": "endedAt",
    "outcome": "outcome",
    "reason": "reason",
    "detail": "detail",
    "judged": "judged",
    "changed": "changed",
    "damaged": "damaged",
    "complete": "complete",
}


async def operations_metadata(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /operations/metadata: the serial number, the next update, whether it is overdue, the last refresh."""

    async def get() -> HttpResponse:
        status = await client.get_status(METADATA_INSTANCE)
        return json_response(
            {
                "configured": world.settings.metadata is not None,
                "metadata": await _metadata(world),
                "refresh": _refresh(status) if status else None,
            }
        )

    return await by_method(req, {"GET": get})


async def _metadata(world: World) -> dict[str, Any] | None:
    known, pointer = await world.models.current(), await current_pointer(world.store)
    if known is None or pointer is None:
        return None
    return {
        "no": known.no,
        "nextUpdate": known.next_update.isoformat(),
        "stale": known.is_stale(world.clock()),
        "models": len(set(known.models.values())),
        "keptAt": pointer.kept_at,
    }


def _refresh(status: Any) -> dict[str, Any]:
    """The one that runs, or the last that did. What the engine itself made of one that failed is not for showing."""
    output = status.output if is_finished(status) and isinstance(status.output, dict) else {}
    shown = {there: output.get(here) for here, there in _SHOWN.items()}
    return {
        "runtimeStatus": status.runtime_status.value,
        "lastUpdatedTime": instant(status.last_updated_time),
        **shown,
    }
