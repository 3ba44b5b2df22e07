"""The audit flush: one orchestration at a time moves what the audit log's shards hold into their files.

Read, append, acknowledge, in this order, and each step may be repeated: the append recognises its own earlier attempt, and
the shard keeps an entry until it is told that the entry is in the file.
"""

from azure.durable_functions import DurableOrchestrationContext, EntityId

from orchestrators.ceremony import Step

# Rounds make histories; a history is replayed from its start at each episode. The timer starts the next flush soon.
MAX_ROUNDS = 5


def flush_audit(context: DurableOrchestrationContext) -> Step:
    """Flush the shards in the input, {"v": 1, "shards": ["00", …]}, until nothing is pending or MAX_ROUNDS are done.

    Returns {"v": 1, "flushed": entries}. An append that fails fails the flush: nothing was acknowledged, the next one
    begins where this one stopped.
    """
    shards: list[str] = context.get_input()["shards"]
    flushed = 0
    for _ in range(MAX_ROUNDS):
        pendings = yield context.task_all(
            [context.call_entity(_log(shard), "pending", {"v": 1}) for shard in shards]
        )
        batches = [pending for pending in pendings if pending["entries"]]
        if not batches:
            break
        appended = yield context.task_all([context.call_activity("append_audit", batch) for batch in batches])
        shards = [batch["shard"] for batch in batches]
        for shard, position in zip(shards, appended, strict=True):
            context.signal_entity(_log(shard), "flushed", position)
        flushed += sum(len(batch["entries"]) for batch in batches)
    return {"v": 1, "flushed": flushed}


def _log(shard: str) -> EntityId:
    return EntityId("audit_log", shard)
