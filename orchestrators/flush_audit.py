"""The audit flush: one orchestration at a time moves what the audit log's shards hold into their files.

Read, append, acknowledge, in this order, and each step may be repeated: the append recognises its own earlier attempt, and
the shard keeps an entry until it is told that the entry is in the file.
"""

from azure.durable_functions import DurableOrchestrationContext, EntityId

from orchestrators.steps import Json, Step

# Rounds make histories; a history is replayed from its start at each episode. The timer starts the next flush soon.
MAX_ROUNDS = 5


def flush_audit(context: DurableOrchestrationContext) -> Step:
    """Flush the shards in the input, {"v": 1, "shards": ["00", …]}, until nothing is pending or MAX_ROUNDS are done.

    Returns {"v": 1, "flushed": entries, "failed": [{"shard", "failed": reason}, …]}. A shard whose file is damaged keeps
    its entries and is left to the next flush; the others go on. An append that raises fails the flush: nothing of its
    round was acknowledged, the next flush begins where this one stopped.
    """
    shards: list[str] = context.get_input()["shards"]
    flushed = 0
    failed: list[Json] = []
    for _ in range(MAX_ROUNDS):
        pendings = yield context.task_all(
            [context.call_entity(_log(shard), "pending", {"v": 1}) for shard in shards]
        )
        batches = [pending for pending in pendings if pending["entries"]]
        if not batches:
            break
        results = yield context.task_all([context.call_activity("append_audit", batch) for batch in batches])
        shards = []
        for batch, result in zip(batches, results, strict=True):
            if "failed" in result:
                failed.append(result)
                continue
            context.signal_entity(_log(batch["shard"]), "flushed", result)
            flushed += len(batch["entries"])
            shards.append(batch["shard"])
        if not shards:
            break
    return {"v": 1, "flushed": flushed, "failed": failed}


def _log(shard: str) -> EntityId:
    return EntityId("audit_log", shard)
