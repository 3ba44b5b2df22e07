"""A batch of operations, as the protocol's table of entity semantics has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_host.engine_state import OperationMessage
from local_host.entities import BatchResult, run_batch
from local_host.model import EntityFunction
from tests.local_host.engine_app import entity_functions


def sample(context):
    operation = context.operation_name
    if operation == "add":
        context.set_state(context.get_state(lambda: 0) + context.get_input())
        context.set_result(context.get_state())
    elif operation == "get":
        context.set_result(context.get_state(lambda: 0))
    elif operation == "raise_after_set":
        context.set_state(50)
        raise ValueError("boom")
    elif operation == "silent":
        pass
    elif operation == "destroy":
        context.destruct_on_exit()
    elif operation == "break":
        context.set_state(object())


FUNCTION = entity_functions(sample)["sample"]


def call(name: str, value: Any = ..., *, signal: bool = False) -> OperationMessage:
    text = None if value is ... else json.dumps(json.dumps(value))
    return OperationMessage(name, text) if signal else OperationMessage(name, text, f"r-{name}", "i1", "e1")


def run(*operations: OperationMessage, state: str | None = None, exists: bool | None = None) -> BatchResult:
    known = state is not None if exists is None else exists
    return run_batch(FUNCTION, "@sample@k", exists=known, state=state, operations=operations)


def texts(result: BatchResult) -> list[Any]:
    return [json.loads(answer.text) for answer in result.answers]


def test_operations_run_in_order_on_one_state():
    """Each sees what the one before it left; calls are answered, signals not."""
    result = run(call("add", 5), call("add", 2, signal=True), call("get"), state="1")
    assert (result.exists, result.state) == (True, "8")
    assert texts(result) == [{"result": "6"}, {"result": "8"}]


def test_an_operation_that_raises_answers_with_the_error_and_keeps_what_it_set():
    """No rollback, and the next operation runs."""
    result = run(call("raise_after_set"), call("get"), state="1")
    assert texts(result) == [{"result": '"boom"', "exceptionType": "Error"}, {"result": "50"}]
    assert result.state == "50"


def test_an_operation_without_a_result_answers_the_previous_one():
    """The SDK's own trap: the result leaks; at first it is null."""
    assert texts(run(call("silent"), call("get"), call("silent"), state="7")) == [
        {"result": "null"},
        {"result": "7"},
        {"result": "7"},
    ]


def test_a_pure_get_creates_the_entity():
    """Setting a result marks it as existing."""
    result = run(call("get"))
    assert (result.exists, result.state) == (True, "null")


def test_destroying_leaves_no_state_and_may_be_followed_by_a_new_life():
    """Exists false at the end; a later operation of the batch creates it again."""
    result = run(call("destroy", signal=True), state="7")
    assert (result.exists, result.state) == (False, None)
    result = run(call("destroy", signal=True), call("add", 3, signal=True), state="7")
    assert (result.exists, result.state) == (True, "3")


@pytest.mark.parametrize("state", ['"a text"', "null", '{"a": [1, "é"]}'])
def test_a_state_that_is_not_touched_is_kept_letter_by_letter(state: str):
    """No re-encoding."""
    assert run(call("silent", signal=True), state=state).state == state


def test_a_broken_batch_is_executed_one_by_one():
    """The operation that cannot be executed answers with an error; its neighbours are executed once each."""
    result = run(call("add", 1), call("break"), call("add", 1), state="0")
    assert (result.exists, result.state) == (True, "2")
    answers = texts(result)
    assert (answers[0], answers[2]) == ({"result": "1"}, {"result": "2"})
    assert answers[1]["exceptionType"] == "Error"
    assert [operation.name for operation, _message in result.broken] == ["break"]


def test_an_answer_that_nobody_can_read_breaks_the_operation_only():
    """Fewer results than operations, or no JSON at all."""
    odd = EntityFunction("odd", lambda _context: '{"entityExists":true,"entityState":"1","results":[]}')
    result = run_batch(odd, "@odd@k", exists=False, state=None, operations=[call("get")])
    assert (result.exists, result.state) == (False, None)
    assert "exceptionType" in texts(result)[0]


def test_keys_may_hold_any_character():
    """The key is everything after the second @."""
    seen: list[str] = []

    def keeps(context):
        seen.append(context.entity_key)

    keeper = entity_functions(keeps)["keeps"]
    run_batch(keeper, "@keeps@a@b|c", exists=False, state=None, operations=[call("x", signal=True)])
    assert seen == ["a@b|c"]
