"""The metadata's refresh: load the BLOB, then judge every stored credential by what is known of its model now.

One orchestration at a time, started by a timer. Loading that fails leaves what was known, and stored credentials are
judged by that: reports come into effect on their day, and settings change.

Each change of a credential is recorded once, and so is the refresh: their acts' ids follow from the refresh's own time, so
that whatever is told again is the same act. A page whose activity fails has perhaps made changes that nobody was told of; so
it is asked again, with longer and longer pauses, and never passed over.
"""

from datetime import UTC, timedelta

from azure.durable_functions import DurableOrchestrationContext, EntityId

from orchestrators.steps import DependencyError, Json, Step, all_of, instant
from passkeys.acts import BY_METADATA, Act, ActOutcome, derived_act_id
from passkeys.audit import shard_name

# A history is replayed from its start at each episode: after so many pages, a new one begins.
MAX_PAGES = 20
# When a page's activity fails. In all about a day: then the next refresh is due, and this one gives up.
PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    *(timedelta(hours=1) for _ in range(22)),
)

_ACTS = {"disabled": Act.MODEL_DISABLED, "step_up": Act.MODEL_STEP_UP, "active": Act.MODEL_CLEARED}
_OUTCOMES = {
    "updated": ActOutcome.COMPLETED,
    "unchanged": ActOutcome.COMPLETED,
    "refused": ActOutcome.REFUSED,
}
_LOADING_FAILED = {
    "outcome": "failed",
    "reason": "dependency_failed",
    "detail": "",
    "no": None,
    "next_update": None,
    "stale": False,
    "models": 0,
}


def refresh_metadata(context: DurableOrchestrationContext) -> Step:
    """Run one refresh. Input: {"v": 1, "audit_shards": how many, "first": nothing was known before}; of a later generation
    "run" too, where it is.

    Returns {"v": 1, "at", "ended_at", the members of load_metadata's result, "judged", "changed", "damaged", "complete":
    whether every credential was judged}.
    """
    request: Json = context.get_input()
    run: Json | None = request.get("run")
    if run is None:
        run = yield from _load(context, request)
    if run["loaded"]["no"] is None:
        return _output(context, run, complete=False)
    for _ in range(MAX_PAGES):
        context.set_custom_status({"v": 1, "stage": "judging", "judged": run["judged"]})
        page = yield from _page(context, run)
        if page is None:
            if run["failures"] == len(PAUSES):
                return _output(context, run, complete=False)
            pause = PAUSES[run["failures"]]
            run = {**run, "failures": run["failures"] + 1}
            yield context.create_timer(context.current_utc_datetime.astimezone(UTC) + pause)
            continue
        for change in page["changes"]:
            _record_change(context, request, run, change)
        run = {
            **run,
            "cursor": page["cursor"],
            "judged": run["judged"] + page["judged"],
            "changed": run["changed"] + len(page["changes"]),
            "damaged": run["damaged"] + page["damaged"],
            "failures": 0,
        }
        if page["cursor"] is None:
            return _output(context, run, complete=True)
    context.continue_as_new({**request, "run": run})
    return None


def _page(context: DurableOrchestrationContext, run: Json) -> Step:
    """What became of the next page, or None: its activity failed, after its own bounded retries."""
    asked = {"at": run["at"], "cursor": run["cursor"]}
    try:
        (page,) = yield from all_of(context, [context.call_activity("judge_credentials", asked)])
    except DependencyError:
        return None
    return page


def _load(context: DurableOrchestrationContext, request: Json) -> Step:
    """Load the BLOB and record that; where the judging begins."""
    at = instant(context.current_utc_datetime)
    context.set_custom_status({"v": 1, "stage": "loading"})
    try:
        (loaded,) = yield from all_of(context, [context.call_activity("load_metadata", {"at": at})])
    except DependencyError:
        loaded = _LOADING_FAILED
    outcome = _OUTCOMES.get(loaded["outcome"], ActOutcome.FAILED)
    # While nothing is known yet it is tried again and again: the log has the failures, the audit what came of them.
    if outcome is ActOutcome.COMPLETED or not request.get("first"):
        entry = {
            "act": Act.METADATA_REFRESHED,
            "act_id": derived_act_id(Act.METADATA_REFRESHED, at),
            "person": None,
            "credential_id": None,
            "reason": None,
            "outcome": outcome,
            "code": loaded["reason"],
            "facts": {name: loaded[name] for name in ("no", "next_update", "stale", "models")},
        }
        _record(context, request, at, entry)
    return {
        "at": at,
        "loaded": loaded,
        "cursor": "",
        "judged": 0,
        "changed": 0,
        "damaged": 0,
        "failures": 0,
    }


def _record_change(context: DurableOrchestrationContext, request: Json, run: Json, change: Json) -> None:
    no = run["loaded"]["no"]
    entry = {
        "act": _ACTS[change["state"]],
        "act_id": derived_act_id(str(no), change["credential_id"], change["state"], run["at"]),
        "person": change["person"],
        "credential_id": change["credential_id"],
        "reason": change["reason"],
        "outcome": ActOutcome.COMPLETED,
        "code": None,
        "facts": {"no": no},
    }
    _record(context, request, run["at"], entry)


def _record(context: DurableOrchestrationContext, request: Json, at: str, entry: Json) -> None:
    shard = shard_name(entry["act_id"], request["audit_shards"])
    context.signal_entity(
        EntityId("audit_log", shard),
        "record",
        {**request.get("audit", {}), "v": 1, "by": BY_METADATA, "at": at, **entry},
    )


def _output(context: DurableOrchestrationContext, run: Json, *, complete: bool) -> Json:
    return {
        "v": 1,
        "at": run["at"],
        "ended_at": instant(context.current_utc_datetime),
        **run["loaded"],
        **{name: run[name] for name in ("judged", "changed", "damaged")},
        "complete": complete,
    }
