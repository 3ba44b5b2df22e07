"""The signing keys' turn: publish, sign, retire or remove what is due, and record each change once.

One orchestration at a time, started by a timer, also when nothing is due. What changed is kept beside the keys until this
sequence has told the audit; so a change that was made by a command, or by an instance that died behind it, is recorded by the
next turn. The acts' ids follow from the change, so that whatever is told again is the same act.
"""

from azure.durable_functions import DurableOrchestrationContext, EntityId

from orchestrators.steps import Json, Step, all_of, instant
from passkeys.acts import ActOutcome, derived_act_id
from passkeys.audit import shard_name


def rotate_keys(context: DurableOrchestrationContext) -> Step:
    """Run one turn. Input: {"v": 1, "audit_shards": how many}. Returns {"v": 1, "at", "changes": how many}.

    An activity that fails fails the turn: the timer starts the next.
    """
    request: Json = context.get_input()
    (turned,) = yield from all_of(context, [context.call_activity("turn_keys", {"told": []})])
    for change in turned["changes"]:
        _record(context, request, change)
    if turned["changes"]:
        yield from all_of(context, [context.call_activity("turn_keys", {"told": turned["changes"]})])
    return {"v": 1, "at": instant(context.current_utc_datetime), "changes": len(turned["changes"])}


def _record(context: DurableOrchestrationContext, request: Json, change: Json) -> None:
    act_id = derived_act_id(change["change"], change["key_id"], change["at"])
    entry = {
        **request.get("audit", {}),
        "v": 1,
        "act": change["change"],
        "act_id": act_id,
        "by": change["by"],
        "person": None,
        "credential_id": None,
        "reason": None,
        "outcome": ActOutcome.COMPLETED,
        "code": None,
        "facts": {"key_id": change["key_id"]},
        "at": change["at"],
    }
    shard = shard_name(act_id, request["audit_shards"])
    context.signal_entity(EntityId("audit_log", shard), "record", entry)
