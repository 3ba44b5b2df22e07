"""Executing a batch of operations on one entity. Pure but for the call of the function itself.

The function gets the state and the operations, and answers with the new state and one result each (Durable extension:
entity batch of the out-of-process protocol). A failed operation is a result too; state it has changed before it failed
is kept, as in the SDK.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from local_host.engine_state import OperationMessage
from local_host.history import storable, to_json
from local_host.model import EntityFunction
from local_host.sdk import Request


class Answer(NamedTuple):
    """A call's answer: the `Input` of the EventRaised that carries it."""

    operation: OperationMessage
    text: str


class BatchResult(NamedTuple):
    """The entity after the batch, the callers' answers, and the operations that the function could not execute at all."""

    exists: bool
    state: str | None
    answers: list[Answer]
    broken: list[tuple[OperationMessage, str]]


def run_batch(
    function: EntityFunction,
    entity_id: str,
    *,
    exists: bool,
    state: str | None,
    operations: Sequence[OperationMessage],
) -> BatchResult:
    """Execute the operations in order. Never raises for what the function does.

    When the function fails as a whole, Azure would repeat the batch for ever; here each operation is tried alone, and
    the one that cannot be executed is reported: its caller gets an error, a signal is dropped.
    """
    try:
        return _run(function, entity_id, exists=exists, state=state, operations=operations)
    except Exception as error:  # noqa: BLE001 - whatever app code raises is its outcome
        if len(operations) == 1:
            message = f"{type(error).__name__}: {error}"
            answer = Answer(operations[0], _error(to_json(message)))
            answers = [answer] if operations[0].request_id else []
            return BatchResult(exists, state, answers, [(operations[0], message)])
    done = BatchResult(exists, state, [], [])
    for operation in operations:
        one = run_batch(function, entity_id, exists=done.exists, state=done.state, operations=[operation])
        done = BatchResult(one.exists, one.state, done.answers + one.answers, done.broken + one.broken)
    return done


def _run(
    function: EntityFunction,
    entity_id: str,
    *,
    exists: bool,
    state: str | None,
    operations: Sequence[OperationMessage],
) -> BatchResult:
    name, _, key = entity_id[1:].partition("@")
    request = to_json(
        {
            "self": {"name": name, "key": key},
            "exists": exists,
            "state": state,
            "batch": [
                {"name": operation.name, "input": operation.input, "isSignal": operation.request_id is None}
                for operation in operations
            ],
        }
    )
    response = json.loads(function.handle(Request(request)))
    results = response["results"]
    if len(results) != len(operations):
        raise ValueError(f"{len(operations)} operations gave {len(results)} results.")
    answers = [
        Answer(
            operation,
            _error(result["result"]) if result["isError"] else to_json({"result": _text(result["result"])}),
        )
        for operation, result in zip(operations, results, strict=True)
        if operation.request_id is not None
    ]
    now_exists = bool(response["entityExists"])
    if not storable(response["entityState"] or ""):
        raise ValueError("The state holds half a character and cannot be stored.")
    return BatchResult(now_exists, response["entityState"] if now_exists else None, answers, [])


def _text(result: str | None) -> str:
    return "null" if result is None else result  # the SDK cannot read a null here


def _error(result: str | None) -> str:
    return to_json({"result": _text(result), "exceptionType": "Error"})
