"""The sealing of the audit trail: one orchestration at a time makes the next checkpoint of all shards.

What is recorded and not flushed yet is in no file, and is for the checkpoint after.
"""

from azure.durable_functions import DurableOrchestrationContext

from orchestrators.steps import Step, all_of, instant


def seal_audit_trail(context: DurableOrchestrationContext) -> Step:
    """Make one checkpoint. Returns {"v": 1, "at", "sealed": {"number", "size", "root"} | null, "failed": null | why}.

    An activity that fails fails the sealing: the timer starts the next.
    """
    at = instant(context.current_utc_datetime)
    (made,) = yield from all_of(context, [context.call_activity("seal_audit", {"at": at})])
    return {"v": 1, "at": at, **made}
