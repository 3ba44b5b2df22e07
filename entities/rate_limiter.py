"""One token bucket: entity `rate_limiter`, key `{policy}|{key}`. The rule is in passkeys/rate_limit.py."""

from typing import Any

from azure.durable_functions import DurableEntityContext

from passkeys.rate_limit import Bucket, Limit, full_bucket, give_back, is_full, take

Json = dict[str, Any]


def rate_limiter(context: DurableEntityContext) -> None:
    """Run one operation.

    `take` {"capacity", "refill_seconds", "at_ms"} → {"admitted", "retry_after_seconds"}: one token, if there is one.
    `give_back` {"at_ms"} → {}: the token of a start that another limit refused, so that refused starts use nothing up.
    `settle` {"at_ms"} → {"settled"}: the state goes if the bucket is full, for then it says nothing.

    `at_ms` is the caller's time; the bucket's own never runs backwards. Raises ValueError for anything else.
    """
    operation = context.operation_name
    if operation == "take":
        _take(context, context.get_input())
    elif operation == "give_back":
        _give_back(context, context.get_input())
    elif operation == "settle":
        _settle(context, context.get_input())
    else:
        raise ValueError(f"A rate limiter has no operation {operation!r}: send take, give_back or settle.")


def _take(context: DurableEntityContext, request: Json) -> None:
    limit = Limit(request["capacity"], request["refill_seconds"])
    at_ms: int = request["at_ms"]
    bucket, decision = take(_bucket(context) or full_bucket(limit, at_ms), limit, at_ms)
    context.set_state(_state(bucket))
    context.set_result({"admitted": decision.admitted, "retry_after_seconds": decision.retry_after_seconds})


def _give_back(context: DurableEntityContext, request: Json) -> None:
    bucket = _bucket(context)
    if bucket is not None:  # a bucket that is gone was full
        context.set_state(_state(give_back(bucket, request["at_ms"])))
    context.set_result({})
    if bucket is None:
        # After the result, which would bring the entity back to life.
        context.destruct_on_exit()


def _settle(context: DurableEntityContext, request: Json) -> None:
    bucket = _bucket(context)
    settled = bucket is None or is_full(bucket, request["at_ms"])
    context.set_result({"settled": settled})
    if settled:
        # After the result, which would bring the entity back to life.
        context.destruct_on_exit()


def _state(bucket: Bucket) -> Json:
    limit = bucket.limit
    return {
        "parts": bucket.parts,
        "at_ms": bucket.at_ms,
        "capacity": limit.capacity,
        "refill_seconds": limit.refill_seconds,
    }


def _bucket(context: DurableEntityContext) -> Bucket | None:
    state: Json | None = context.get_state(lambda: None)
    if state is None:
        return None
    return Bucket(Limit(state["capacity"], state["refill_seconds"]), state["parts"], state["at_ms"])
