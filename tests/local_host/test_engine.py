"""The engine through the real SDK: what section 9.2 of the protocol's checklist asks, and the client's operations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest

from local_host.model import (
    ActivityFunction,
    InstanceExists,
    InstanceFilter,
    InstanceFinished,
    InvalidArgument,
    ShuttingDown,
    StorageFailed,
    UnknownFunction,
    UnknownInstance,
    WrongState,
)
from local_host.walk_events import NON_DETERMINISTIC
from tests.local_host.engine_app import EPOCH, Bench, bench, functions

COUNTER = df.EntityId("Counter", "k")


def counter(context):
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        value += context.get_input()
        context.set_state(value)
    elif context.operation_name == "break_after":
        context.set_state(99)
        raise ValueError("no")
    elif context.operation_name == "forget":
        context.destruct_on_exit()
        return
    elif context.operation_name == "unserialisable":
        context.set_state(object())
    context.set_result(value)


def say(value):
    return {"said": value}


def fail(value):
    raise ValueError(f"cannot {value}")


def sequence(context):
    first = yield context.call_activity("say", 1)
    second = yield context.call_activity("say", first)
    return second


def wait(context):
    event = context.wait_for_external_event("go")
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=60))
    winner = yield context.task_any([event, timer])
    if winner == event:
        if (context.get_input() or {}).get("cancel", True):
            timer.cancel()
        return ["event", event.result]
    return ["time", context.current_utc_datetime.isoformat()]


def ends(context):
    return context.get_input()
    yield


def waits(context):
    value = yield context.wait_for_external_event("go")
    return value


def holds_open(context):
    yield context.call_activity("gate", None)


def gate():
    """An activity that returns when it is told to, and how often it was called."""
    opened = asyncio.Event()
    calls: list[str | None] = []

    async def call(input_text: str | None) -> str | None:
        calls.append(input_text)
        await opened.wait()
        return '"through"'

    return opened, calls, ActivityFunction("gate", call)


# -- orchestrations -------------------------------------------------------------------------------------------------


async def test_a_sequence_and_the_shape_of_its_history():
    """Episode by episode: start, messages, new decisions, end."""
    b = await bench(functions((sequence,), (say,)))
    await b.run("SEQUENCE", instance_id="i1")
    assert b.output("i1") == {"said": {"said": 1}}
    assert b.instance("i1").name == "sequence"
    assert b.shape("i1") == [
        "OrchestratorStarted", "ExecutionStarted", "TaskScheduled(0)", "OrchestratorCompleted",
        "OrchestratorStarted", "TaskCompleted(0)", "TaskScheduled(1)", "OrchestratorCompleted",
        "OrchestratorStarted", "TaskCompleted(1)", "ExecutionCompleted", "OrchestratorCompleted",
    ]  # fmt: skip
    assert b.database.rows("SELECT * FROM activity") == []
    await b.close()


@pytest.mark.parametrize("input_", [{"n": 1}, [1, 2], "text", 7, None, {"é": "\U0001f600"}])
async def test_input_and_output_travel_unchanged(input_: Any):
    """What start_new sends is what get_input gives, and what is returned is the output."""
    b = await bench(functions((ends,)))
    await b.run("ends", input_, "i1")
    assert b.output("i1") == input_
    await b.close()


async def test_event_wins_and_the_timer_is_cancelled():
    """Done at once."""
    b = await bench(functions((wait,)))
    await b.run("wait", None, "i1")
    await b.advance(5)
    await b.raise_event("i1", "go", {"a": 1})
    assert b.output("i1") == ["event", {"a": 1}]
    assert b.database.rows("SELECT * FROM timer") == []
    await b.close()


async def test_event_wins_and_the_timer_is_not_cancelled():
    """Running until the timer is due, with a warning."""
    b = await bench(functions((wait,)))
    await b.run("wait", {"cancel": False}, "i1")
    await b.raise_event("i1", "go", 1)
    assert b.instance("i1").status == "Running"
    await b.advance(60)
    assert b.output("i1") == ["event", 1]
    await b.close()


async def test_timer_wins_on_the_exact_instant():
    """Not a microsecond early."""
    b = await bench(functions((wait,)))
    await b.run("wait", None, "i1")
    await b.advance(59.999999)
    assert b.instance("i1").status == "Running"
    await b.advance(0.000001)
    assert b.output("i1") == ["time", (EPOCH + timedelta(seconds=60)).isoformat()]
    await b.close()


async def test_timers_need_no_poke():
    """The engine wakes by itself when a timer is due."""
    from datetime import UTC, datetime

    def naps(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=30))
        return "up"

    b = await bench(functions((naps,)))
    b.engine._turns._clock = lambda: datetime.now(UTC)
    await b.engine.start_instance("naps", "i1", None)
    await b.engine.wait_finished("i1", 5)
    assert b.output("i1") == "up"
    await b.close()


async def test_an_event_before_the_wait_is_delivered_once():
    """Raised while an activity runs, taken by the wait that follows."""
    opened, _calls, held = gate()

    def late(context):
        yield context.call_activity("gate", None)
        value = yield context.wait_for_external_event("go")
        return value

    b = await bench(functions((late,), (held,)))
    await b.engine.start_instance("late", "i1", None)
    await b.engine.raise_event("i1", "go", '{"a":1}')
    opened.set()
    await b.quiet()
    assert b.output("i1") == {"a": 1}
    await b.close()


async def test_a_second_wait_after_an_early_event_is_loud():
    """Azure would stay Running: the instance fails and says why."""
    opened, _calls, held = gate()

    def twice(context):
        yield context.call_activity("gate", None)
        yield context.wait_for_external_event("go")
        yield context.wait_for_external_event("go")

    b = await bench(functions((twice,), (held,)))
    await b.engine.start_instance("twice", "i1", None)
    await b.engine.raise_event("i1", "go", "1")
    opened.set()
    await b.quiet()
    assert b.instance("i1").status == "Failed"
    assert "'go'" in b.instance("i1").output
    assert "instance_failed" in b.log.events()
    await b.close()


async def test_reuse_of_a_pending_timer_is_loud():
    """A pending task in a second task_any: the SDK ends, the engine would wait for the event for ever."""

    def loops(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=60))
        first = context.wait_for_external_event("e1")
        yield context.task_any([timer, first])
        second = context.wait_for_external_event("e2")
        winner = yield context.task_any([timer, second])
        return winner == timer

    b = await bench(functions((loops,)))
    await b.run("loops", None, "i1")
    await b.raise_event("i1", "e1", 1)
    assert b.instance("i1").status == "Running"
    await b.advance(60)
    assert b.instance("i1").status == "Failed"
    assert "task_any" in b.instance("i1").output
    await b.close()


async def test_task_all_starts_the_compensation_after_the_slowest_sibling():
    """The code's except block is asked for at once, and started when all are done."""
    opened, _calls, held = gate()
    compensated: list[int] = []

    def undo(_value):
        compensated.append(1)

    def saga(context):
        try:
            yield context.task_all([context.call_activity("fail", 1), context.call_activity("gate", None)])
        except Exception as error:
            yield context.call_activity("undo", None)
            return str(error)

    b = await bench(functions((saga,), (fail, held, undo)))
    await b.engine.start_instance("saga", "i1", None)
    await asyncio.sleep(0.05)
    assert compensated == []
    opened.set()
    await b.quiet()
    assert compensated == [1]
    assert b.output("i1").startswith("Activity function 'fail' failed:  ValueError: cannot 1")
    await b.close()


async def test_retry_three_of_three():
    """Ids 0 to 5, the last timer due at once, then the exception."""

    def tries(context):
        yield context.call_activity_with_retry("fail", df.RetryOptions(5000, 3), "it")

    b = await bench(functions((tries,), (fail,)))
    await b.run("tries", None, "i1")
    await b.advance(5)
    await b.advance(5)
    ids = [name for name in b.shape("i1") if name.startswith(("Task", "Timer"))]
    assert ids == [
        "TaskScheduled(0)", "TaskFailed(0)", "TimerCreated(1)", "TimerFired(1)",
        "TaskScheduled(2)", "TaskFailed(2)", "TimerCreated(3)", "TimerFired(3)",
        "TaskScheduled(4)", "TaskFailed(4)", "TimerCreated(5)", "TimerFired(5)",
    ]  # fmt: skip
    assert b.instance("i1").status == "Failed"
    assert "cannot it" in b.instance("i1").output
    await b.close()


async def test_continue_as_new_starts_over_and_drops_the_buffer():
    """A new execution with the new input and an empty history; the buffered event is gone."""
    opened, _calls, held = gate()

    def rounds(context):
        number = context.get_input()
        if number < 3:
            yield context.call_activity("gate", None)
            context.continue_as_new(number + 1)
            return
        value = yield context.wait_for_external_event("go")
        return value

    b = await bench(functions((rounds,), (held,)))
    b.clock.advance(1)
    await b.engine.start_instance("rounds", "i1", json.dumps("1"))
    await b.engine.raise_event("i1", "go", '"dropped"')
    opened.set()
    await b.quiet()
    assert b.instance("i1").status == "Running"
    assert b.instance("i1").input == '"3"'
    assert b.shape("i1") == ["OrchestratorStarted", "ExecutionStarted", "OrchestratorCompleted"]
    await b.raise_event("i1", "go", "kept")
    assert b.output("i1") == "kept"
    await b.close()


async def test_continue_as_new_without_end_lets_others_live():
    """A loop that never waits is cut into turns: others are served, and it can be terminated."""

    def spins(context):
        context.continue_as_new(None)
        return
        yield

    b = await bench(functions((spins, ends)), turn_slice_s=0.0)
    await b.engine.start_instance("spins", "loop", None)
    await b.engine.start_instance("ends", "i1", None)
    await b.engine.wait_finished("i1", 5)
    assert b.output("i1") is None
    await b.engine.terminate("loop", "enough")
    await b.engine.wait_finished("loop", 5)
    assert b.instance("loop").status == "Terminated"
    await b.close()


@pytest.mark.parametrize(("length", "status"), [(8701, "Completed"), (8702, "Failed")])
async def test_custom_status_limit(length: int, status: str):
    """8 703 UTF-16 units of JSON pass, 8 704 fail the instance."""

    def tells(context):
        context.set_custom_status("€" * length)
        return 1
        yield

    b = await bench(functions((tells,)))
    assert (await b.run("tells", None, "i1")).status == status
    await b.close()


async def test_custom_status_is_replaced_and_cleared():
    """The last call before the current yield wins; a falsy one clears."""

    def tells(context):
        context.set_custom_status({"stage": "one"})
        yield context.wait_for_external_event("a")
        context.set_custom_status("")
        yield context.wait_for_external_event("b")

    b = await bench(functions((tells,)))
    assert json.loads((await b.run("tells", None, "i1")).custom_status) == {"stage": "one"}
    assert (await b.raise_event("i1", "a", 1)).custom_status is None
    await b.close()


async def test_a_renamed_activity_under_a_running_instance():
    """Failed with the real prefix."""
    opened, _calls, held = gate()
    b = await bench(functions((holds_open,), (held, say)))
    await b.engine.start_instance("holds_open", "i1", None)

    def renamed(context):
        yield context.call_activity("say", None)

    b.engine._turns._functions.orchestrators["holds_open"] = functions((renamed,)).orchestrators["renamed"]
    opened.set()
    await b.quiet()
    assert b.instance("i1").status == "Failed"
    assert b.instance("i1").output.startswith(NON_DETERMINISTIC)
    await b.close()


def bad_yield(context):
    yield 5


def raises(context):
    raise ValueError("bad")
    yield


def raises_nothing(context):
    raise ValueError
    yield


def unserialisable(context):
    return object()
    yield


FAILURES: dict[str, tuple[Callable[..., Any], str]] = {
    "an exception": (raises, "Orchestrator function 'raises' failed: bad"),
    "an exception without text": (raises_nothing, "Orchestrator function 'raises_nothing' failed: <class 'ValueError'>"),
    "not a task": (bad_yield, "Orchestrator function 'bad_yield' failed: "),
    "an output that is not JSON": (unserialisable, "Orchestrator function 'unserialisable' failed: "),
}  # fmt: skip


@pytest.mark.parametrize(("function", "message"), FAILURES.values(), ids=FAILURES.keys())
async def test_failures(function: Callable[..., Any], message: str):
    """However the function fails, the instance is Failed, and its output is the message."""
    b = await bench(functions((function,)))
    instance = await b.run(function.__name__, None, "i1")
    assert (instance.status, instance.output[: len(message)]) == ("Failed", message)
    await b.close()


# -- sub-orchestrations ---------------------------------------------------------------------------------------------


def parent(context):
    ids = context.get_input() or [None]
    return (
        yield context.task_all(
            [context.call_sub_orchestrator("child", {"n": i}, given) for i, given in enumerate(ids)]
        )
    )


def child(context):
    answer = yield context.call_activity("say", context.get_input())
    return [context.parent_instance_id, answer]


async def test_children_run_under_their_parent():
    """A child without an id is named after the parent's execution and the task; results come in order."""
    b = await bench(functions((parent, child), (say,)))
    await b.run("parent", [None, "c1"], "p")
    assert b.output("p") == [["p", {"said": {"n": 0}}], ["p", {"said": {"n": 1}}]]
    ids = {instance.instance_id for instance in b.engine.list_instances(InstanceFilter())[0]}
    assert ids == {"p", "c1", next(i for i in ids if i.endswith(":0"))}
    await b.close()


async def test_a_failed_child_raises_in_its_parent():
    """Reason and details are those of the extension."""

    def cautious(context):
        try:
            yield context.call_sub_orchestrator("raises")
        except Exception as error:
            return str(error)

    b = await bench(functions((cautious, raises)))
    await b.run("cautious", None, "p")
    message = "Orchestrator function 'raises' failed: bad"
    assert b.output("p") == f"{message} \n Message: bad, StackTrace: "
    await b.close()


async def test_a_terminated_child_raises_in_its_parent_and_not_the_other_way():
    """A terminated child fails with the reason; a terminated parent leaves its children alone."""

    def pair(context):
        try:
            yield context.call_sub_orchestrator("waits", None, context.instance_id + "-child")
        except Exception as error:
            return str(error)

    b = await bench(functions((pair, waits)))
    await b.run("pair", None, "p")
    await b.engine.terminate("p-child", "enough")
    await b.quiet()
    assert b.output("p").startswith("enough")
    await b.run("pair", None, "q")
    await b.engine.terminate("q", "enough")
    await b.quiet()
    assert (b.instance("q").status, b.instance("q").output) == ("Terminated", "enough")
    assert b.instance("q-child").status == "Running"
    await b.raise_event("q-child", "go", 1)  # its answer finds nobody, and hurts nobody
    assert b.instance("q-child").status == "Completed"
    await b.close()


async def test_a_child_id_that_is_taken_is_loud():
    """Azure would drop the start and let the parent wait for ever."""

    def rash(context):
        yield context.call_sub_orchestrator("waits", None, "taken")

    def twins(context):
        yield context.task_all([context.call_sub_orchestrator("waits", None, "twin") for _ in range(2)])

    b = await bench(functions((rash, twins, waits)))
    await b.run("waits", None, "taken")
    assert (await b.run("rash", None, "p")).status == "Failed"
    assert (await b.run("twins", None, "t")).status == "Failed"
    assert b.engine.get_instance("twin") is None
    assert b.instance("taken").status == "Running"
    await b.close()


async def test_a_finished_instance_is_replaced_by_a_child_of_its_id():
    """Retrying a child under one id works: each attempt is a new execution."""
    attempts: list[int] = []

    def flaky(_value):
        attempts.append(1)
        if len(attempts) < 2:
            raise ValueError("not yet")
        return "now"

    def delegate(context):
        return (yield context.call_activity("flaky", None))

    def retries(context):
        return (
            yield context.call_sub_orchestrator_with_retry(
                "delegate", df.RetryOptions(1000, 3), None, "one-id"
            )
        )

    b = await bench(functions((delegate, retries), (flaky,)))
    await b.run("retries", None, "p")
    await b.advance(1)
    assert b.output("p") == "now"
    await b.close()


# -- entities -------------------------------------------------------------------------------------------------------


def calls_entity(context):
    first = yield context.call_entity(COUNTER, "add", 5)
    context.signal_entity(COUNTER, "add", 1)
    second = yield context.call_entity(COUNTER, "get")
    return [first, second]


async def test_calls_and_signals_in_order():
    """Two calls with a signal between them: each sees what the earlier ones did."""
    b = await bench(functions((calls_entity,), (), (counter,)))
    await b.run("calls_entity", None, "i1")
    assert b.output("i1") == [5, 6]
    assert b.engine.read_entity("Counter", "k") == "6"
    assert b.database.rows("SELECT * FROM operation") == []
    await b.close()


async def test_client_signals():
    """The client's input is decoded twice by the entity; an unknown entity is refused."""
    b = await bench(functions((), (), (counter,)))
    for _ in range(3):
        await b.engine.signal_entity("counter", "k@1", "add", json.dumps("2"))
    assert b.engine.read_entity("counter", "k@1") == "6"
    with pytest.raises(UnknownFunction):
        await b.engine.signal_entity("nobody", "k", "add", None)
    entities, token = b.engine.list_entities("COUNTER")
    assert [(entity.name, entity.key, entity.state) for entity in entities] == [("counter", "k@1", "6")]
    assert token is None
    await b.close()


async def test_entity_errors_and_what_they_leave():
    """A raising operation keeps the state it has set, and raises in the caller."""

    def provokes(context):
        try:
            yield context.call_entity(COUNTER, "break_after")
        except Exception as error:
            return str(error)

    b = await bench(functions((provokes,), (), (counter,)))
    await b.run("provokes", None, "i1")
    assert b.output("i1") == "no"
    assert b.engine.read_entity("counter", "k") == "99"
    await b.close()


async def test_an_operation_that_breaks_the_batch_does_not_take_the_others_with_it():
    """Azure would repeat the batch for ever; here the one operation is dropped, loudly."""
    b = await bench(functions((), (), (counter,)))
    sent = [
        b.engine.signal_entity("counter", "k", operation, json.dumps("1"))
        for operation in ("add", "unserialisable", "add")
    ]
    await asyncio.gather(*sent)
    assert b.engine.read_entity("counter", "k") == "2"
    assert "entity_operation_failed" in b.log.events()
    await b.close()


async def test_a_destroyed_entity_leaves_nothing():
    """No row, and nothing to read; a later operation creates it anew."""
    b = await bench(functions((), (), (counter,)))
    await b.engine.signal_entity("counter", "k", "add", json.dumps("2"))
    await b.engine.signal_entity("counter", "k", "forget", None)
    assert b.engine.read_entity("counter", "k") is None
    assert b.database.rows("SELECT * FROM entity") == []
    await b.engine.signal_entity("counter", "k", "add", json.dumps("3"))
    assert b.engine.read_entity("counter", "k") == "3"
    assert await b.engine.purge("@counter@k") == 1
    assert await b.engine.purge("@counter@k") == 0
    assert b.engine.read_entity("counter", "k") is None
    await b.close()


async def test_entities_are_listed_among_the_instances():
    """Under the id @name@key, with the state in the input, and apart from orchestrations when a prefix says so."""
    b = await bench(functions((waits,), (), (counter,)))
    await b.run("waits", None, "a1")
    await b.run("waits", None, "0")
    await b.engine.signal_entity("Counter", "k", "add", json.dumps("2"))
    listed, _ = b.engine.list_instances(InstanceFilter())
    assert [instance.instance_id for instance in listed] == ["0", "@counter@k", "a1"]
    assert json.loads(listed[1].input) == {"exists": True, "state": "2"}
    assert b.engine.get_instance("@Counter@k") == listed[1]
    assert [i.instance_id for i in b.engine.list_instances(InstanceFilter(prefix="a"))[0]] == ["a1"]
    assert [i.instance_id for i in b.engine.list_instances(InstanceFilter(prefix="@c"))[0]] == ["@counter@k"]
    await b.close()


# -- the client's operations ----------------------------------------------------------------------------------------


async def test_start_refuses_what_the_extension_refuses():
    """Unknown names, impossible ids, and the id of an instance that is not over."""
    b = await bench(functions((waits, ends)))
    with pytest.raises(UnknownFunction, match="nobody"):
        await b.engine.start_instance("nobody", None, None)
    for bad in ("", "@x", "a/b", "a\\b", "a#b", "a?b", "a\nb", "x" * 257, "\ud800"):
        with pytest.raises(InvalidArgument):
            await b.engine.start_instance("waits", bad, None)
    await b.run("waits", None, "x" * 256)
    with pytest.raises(InstanceExists, match="with the status Running already exists"):
        await b.engine.start_instance("waits", "x" * 256, None)
    await b.close()


async def test_a_finished_instance_is_replaced():
    """The same id again: new execution, new history, nothing of the old one."""
    b = await bench(functions((ends,)))
    await b.run("ends", 1, "i1")
    old = b.engine.get_history("i1")[1]["OrchestrationInstance"]["ExecutionId"]
    await b.run("ends", 2, "i1")
    assert b.output("i1") == 2
    assert b.engine.get_history("i1")[1]["OrchestrationInstance"]["ExecutionId"] != old
    assert len(b.database.rows("SELECT * FROM history")) == 1
    await b.close()


async def test_any_state_replaces_running_ones():
    """overridableExistingInstanceStates AnyState; the old execution's activity finds nobody."""
    opened, _calls, held = gate()
    b = await bench(functions((holds_open, ends), (held,)), overridable_states="AnyState")
    await b.engine.start_instance("holds_open", "i1", None)
    await b.engine.start_instance("ends", "i1", json.dumps("7"))
    opened.set()
    await b.quiet()
    assert b.output("i1") == 7
    await b.close()


async def test_two_starts_of_one_id_in_one_turn():
    """The second finds the first."""
    b = await bench(functions((waits,)))
    results = await asyncio.gather(
        *(b.engine.start_instance("waits", "i1", None) for _ in range(2)), return_exceptions=True
    )
    assert results[0] == "i1"
    assert isinstance(results[1], InstanceExists)
    await b.close()


OPERATIONS: dict[str, Callable[[Bench, str], Any]] = {
    "raise_event": lambda b, i: b.engine.raise_event(i, "go", "1"),
    "terminate": lambda b, i: b.engine.terminate(i, "why"),
    "suspend": lambda b, i: b.engine.suspend(i, "why"),
    "resume": lambda b, i: b.engine.resume(i, "why"),
    "rewind": lambda b, i: b.engine.rewind(i, "why"),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
async def test_unknown_and_finished_instances(operation: Callable[[Bench, str], Any]):
    """404 and 410."""
    b = await bench(functions((ends,)))
    await b.run("ends", None, "over")
    with pytest.raises(UnknownInstance) as unknown:
        await operation(b, "nobody")
    assert unknown.value.http_status == 404
    with pytest.raises(InstanceFinished) as finished:
        await operation(b, "over")
    assert finished.value.http_status == 410
    await b.close()


async def test_suspend_and_resume():
    """A suspended instance takes events and does not move; resumed, it goes on with them."""
    b = await bench(functions((waits,)))
    await b.run("waits", None, "i1")
    with pytest.raises(WrongState):
        await b.engine.resume("i1", "")
    await b.engine.suspend("i1", "pause")
    assert b.instance("i1").status == "Suspended"
    with pytest.raises(WrongState):
        await b.engine.suspend("i1", "")
    await b.raise_event("i1", "go", 1)
    assert b.instance("i1").status == "Suspended"
    await b.engine.resume("i1", "on")
    await b.quiet()
    assert b.output("i1") == 1
    await b.close()


async def test_terminate_with_work_under_way():
    """The reason is the output; the activity's late result is discarded; timers are gone."""
    opened, _calls, held = gate()

    def busy(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=60))
        yield context.task_all([context.call_activity("gate", None), timer])

    b = await bench(functions((busy,), (held,)))
    await b.engine.start_instance("busy", "i1", None)
    await b.engine.terminate("i1", "enough")
    assert (b.instance("i1").status, b.instance("i1").output) == ("Terminated", "enough")
    before = b.shape("i1")
    opened.set()
    await b.quiet()
    assert b.shape("i1") == before
    for table in ("activity", "timer", "inbox"):
        assert b.database.rows(f"SELECT * FROM {table}") == []
    await b.close()


async def test_rewind_runs_the_failed_part_again():
    """What succeeded is kept; what failed, down to a child, is executed again."""
    broken = [True]
    said: list[Any] = []

    def works(value):
        said.append(value)

    def mends(_value):
        if broken:
            raise ValueError("broken")
        return "mended"

    def below(context):
        return (yield context.call_activity("mends", None))

    def above(context):
        yield context.call_activity("works", 1)
        return (yield context.call_sub_orchestrator("below", None, "b1"))

    b = await bench(functions((above, below), (works, mends)))
    assert (await b.run("above", None, "i1")).status == "Failed"
    broken.clear()
    await b.engine.rewind("i1", "mended")
    await b.quiet()
    assert b.output("i1") == "mended"
    assert said == [1]
    await b.close()


async def test_rewind_of_a_running_instance_is_refused():
    """500."""
    b = await bench(functions((waits,)))
    await b.run("waits", None, "i1")
    with pytest.raises(WrongState):
        await b.engine.rewind("i1", "")
    await b.close()


async def test_restart():
    """The same name and input, under a new id or the same; an unknown id is a bad request, a running one exists."""
    b = await bench(functions((ends, waits)))
    await b.run("ends", {"n": 1}, "i1")
    fresh = await b.engine.restart("i1", new_instance_id=True)
    assert fresh != "i1"
    assert await b.engine.restart("i1", new_instance_id=False) == "i1"
    await b.quiet()
    assert b.output(fresh) == b.output("i1") == {"n": 1}
    with pytest.raises(UnknownInstance) as unknown:
        await b.engine.restart("nobody", new_instance_id=True)
    assert unknown.value.http_status == 400
    await b.run("waits", None, "w")
    with pytest.raises(InstanceExists):
        await b.engine.restart("w", new_instance_id=False)
    await b.close()


async def test_purge_takes_everything_of_an_instance():
    """Running ones too; a result that comes later finds nobody."""
    opened, _calls, held = gate()
    b = await bench(functions((holds_open,), (held,)))
    await b.engine.start_instance("holds_open", "i1", None)
    assert await b.engine.purge("i1") == 1
    assert await b.engine.purge("i1") == 0
    opened.set()
    await b.quiet()
    assert b.engine.get_instance("i1") is None
    assert b.engine.get_history("i1") == []
    for table in ("instance", "history", "activity", "timer", "inbox"):
        assert b.database.rows(f"SELECT * FROM {table}") == []
    await b.close()


async def test_purge_where_takes_only_ended_ones_of_the_span():
    """Created in the span, of the statuses asked for, and over."""
    b = await bench(functions((ends, waits, raises)))
    for number in range(3):
        await b.run("ends", None, f"old{number}")
    b.clock.advance(10)
    await b.run("ends", None, "new")
    await b.run("raises", None, "failed")
    await b.run("waits", None, "running")
    assert (
        await b.engine.purge_where(
            InstanceFilter(created_from=EPOCH, created_to=EPOCH + timedelta(seconds=5))
        )
        == 3
    )
    assert await b.engine.purge_where(InstanceFilter(created_from=EPOCH, statuses=("Failed", "Running"))) == 1
    assert await b.engine.purge_where(InstanceFilter(created_from=EPOCH, prefix="n")) == 1
    assert await b.engine.purge_where(InstanceFilter(created_from=EPOCH)) == 0
    assert [i.instance_id for i in b.engine.list_instances(InstanceFilter())[0]] == ["running"]
    await b.close()


async def test_lists_have_filters_and_pages():
    """Every instance is on exactly one page, in the order of ids, whatever the page size."""
    b = await bench(functions((ends, waits), (), (counter,)))
    for number in range(7):
        await b.run("ends" if number % 2 else "waits", None, f"i{number}")
        b.clock.advance(1)
    await b.engine.signal_entity("counter", "k", "add", json.dumps("1"))
    everything = ["@counter@k", *(f"i{number}" for number in range(7))]
    for top in (1, 2, 3, 8, 100):
        for wanted in (InstanceFilter(), InstanceFilter(created_from=EPOCH)):
            seen, token = [], None
            while True:
                page, token = b.engine.list_instances(wanted, top=top, continuation=token)
                seen += [instance.instance_id for instance in page]
                assert len(page) <= top
                if token is None:
                    break
            assert seen == everything
    listed = lambda **wanted: [i.instance_id for i in b.engine.list_instances(InstanceFilter(**wanted))[0]]
    assert listed(statuses=("Completed",)) == ["i1", "i3", "i5"]
    assert listed(created_from=EPOCH + timedelta(seconds=5), prefix="i") == ["i5", "i6"]
    assert listed(created_to=EPOCH + timedelta(seconds=1), prefix="i") == ["i0", "i1"]
    with pytest.raises(InvalidArgument):
        b.engine.list_instances(InstanceFilter(), continuation="!")
    await b.close()


# -- settled reads, draining, limits --------------------------------------------------------------------------------


async def test_settled_waits_for_work_and_not_for_people():
    """Settled while it waits for an event; not while an activity runs."""
    opened, _calls, held = gate()

    def both(context):
        yield context.call_activity("gate", None)
        yield context.wait_for_external_event("go")

    b = await bench(functions((both,), (held,)))
    await b.engine.start_instance("both", "i1", None)
    waiting = asyncio.ensure_future(b.engine.settled("i1", 5))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    opened.set()
    await asyncio.wait_for(waiting, 1)
    await b.engine.settled("i1", 5)
    await b.engine.settled("nobody", 5)
    await b.engine.wait_finished("i1", 0.01)
    assert b.instance("i1").status == "Running"
    finished = asyncio.ensure_future(b.engine.wait_finished("i1", 5))
    await b.raise_event("i1", "go", 1)
    await asyncio.wait_for(finished, 1)
    await b.close()


async def test_drain_finishes_what_runs_and_accepts_nothing_more(tmp_path):
    """A running activity's result is committed; requests are refused; the next run needs nothing repeated."""
    opened, calls, held = gate()
    path = tmp_path / "s.db"
    b = await bench(functions((holds_open,), (held,)), path)
    await b.engine.start_instance("holds_open", "i1", None)
    draining = asyncio.ensure_future(b.engine.drain(5))
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        await b.engine.start_instance("holds_open", "i2", None)
    opened.set()
    await draining
    b.database.close()
    again = await bench(functions((holds_open,), (held,)), path)
    assert again.instance("i1").status == "Completed"
    assert len(calls) == 1
    await again.close()


async def test_an_activity_that_outlives_the_drain_is_executed_again(tmp_path):
    """At least once: abandoned, owed, and run by the next host."""
    opened, calls, held = gate()
    path = tmp_path / "s.db"
    b = await bench(functions((holds_open,), (held,)), path)
    await b.engine.start_instance("holds_open", "i1", None)
    await asyncio.sleep(0)
    await b.engine.drain(0.01)
    b.database.close()
    opened.set()
    again = await bench(functions((holds_open,), (held,)), path)
    await again.quiet()
    assert again.output("i1") is None
    assert again.instance("i1").status == "Completed"
    assert len(calls) == 2
    await again.close()


async def test_activities_beyond_the_limit_wait_their_turn():
    """No more than the limit run at once, all run in the end, each once."""
    running, most, ran = [0], [0], []

    async def slow(value):
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(0.001)
        running[0] -= 1
        ran.append(value)
        return value

    def fan(context):
        return (yield context.task_all([context.call_activity("slow", n) for n in range(20)]))

    b = await bench(functions((fan,), (slow,)), max_activities=3)
    await b.engine.start_instance("fan", "i1", None)
    await b.engine.wait_finished("i1", 5)
    assert b.output("i1") == list(range(20))
    assert sorted(ran) == list(range(20))
    assert most[0] == 3
    await b.close()


async def test_an_activity_that_takes_too_long_has_failed():
    """functionTimeout gives a TaskFailed."""
    _opened, _calls, held = gate()
    b = await bench(functions((holds_open,), (held,)), function_timeout_s=0.01)
    await b.engine.start_instance("holds_open", "i1", None)
    await b.engine.wait_finished("i1", 5)
    assert b.instance("i1").status == "Failed"
    assert "Timeout value" in b.instance("i1").output
    await b.close()


async def test_a_failed_commit_is_not_answered_and_nothing_is_lost(monkeypatch):
    """The start that was not kept is refused; results in hand are delivered again; the host goes on."""
    from local_host import engine_loop

    monkeypatch.setattr(engine_loop, "_RETRY_AFTER_FAILURE_S", 0.01)
    faults: list[str] = []

    def disk(moment: str) -> None:
        if faults and faults[0] == moment:
            faults.pop()
            raise OSError("disk full")

    opened, calls, held = gate()
    b = await bench(functions((holds_open,), (held,)), on_commit=disk)
    faults.append("before")
    with pytest.raises(StorageFailed):
        await b.engine.start_instance("holds_open", "lost", None)
    await b.engine.start_instance("holds_open", "i1", None)
    assert b.engine.get_instance("lost") is None
    faults.append("before")
    opened.set()
    await asyncio.sleep(0.05)
    await b.quiet()
    assert b.instance("i1").status == "Completed"
    assert len(calls) == 1
    faults.append("after")
    with pytest.raises(StorageFailed):
        await b.engine.start_instance("holds_open", "kept", None)
    await asyncio.sleep(0.05)
    await b.quiet()
    assert b.instance("kept").status == "Completed"
    await b.close()


async def test_one_episodes_trouble_does_not_touch_another():
    """An answer of the SDK that nobody can read fails that instance, not the turn it shares."""
    b = await bench(functions((waits, ends)))
    broken = functions((waits,)).orchestrators["waits"]
    b.engine._turns._functions.orchestrators["waits"] = type(broken)(
        "waits", lambda context: '{"schemaVersion": 9}'
    )
    await asyncio.gather(
        b.engine.start_instance("waits", "bad", None), b.engine.start_instance("ends", "good", None)
    )
    await b.quiet()
    assert b.instance("bad").status == "Failed"
    assert b.instance("good").status == "Completed"
    assert "episode_broke" in b.log.events()
    await b.close()


async def test_a_clock_that_is_set_back_does_not_make_history_run_backwards():
    """Timestamps never decrease, and the status stays valid."""
    b = await bench(functions((waits,)))
    await b.run("waits", None, "i1")
    b.clock.advance(-3600)
    await b.raise_event("i1", "go", 1)
    times = [event["Timestamp"] for event in b.engine.get_history("i1")]
    assert times == sorted(times)
    assert b.instance("i1").updated_at >= b.instance("i1").created_at
    await b.close()


async def test_call_http_is_an_activity_of_the_engine():
    """One request, one answer as status, headers and content; a token source is refused."""
    from aiohttp import web

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {await request.text()}", headers={"X-A": "1"})

    server = web.Application()
    server.router.add_route("*", "/", echo)
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]

    def asks(context):
        answer = yield context.call_http("POST", f"http://127.0.0.1:{port}/", {"a": 1})
        return answer

    b = await bench(functions((asks,)))
    await b.engine.start_instance("asks", "i1", None)
    await b.engine.wait_finished("i1", 5)
    answer = b.output("i1")
    assert (answer["statusCode"], answer["content"], answer["headers"]["X-A"]) == (200, 'POST {"a": 1}', "1")
    await b.close()
    await runner.cleanup()


async def test_a_function_that_blocks_is_reported_with_its_stack():
    """The watchdog names it and shows where it stands."""
    import time

    def blocks(context):
        time.sleep(0.2)
        return 1
        yield

    b = await bench(functions((blocks,)), watchdog_s=0.04)
    await b.run("blocks", None, "i1")
    (line,) = [line for line in b.log.lines if line["event"] == "function_blocks_the_host"]
    assert line["function"] == "blocks"
    assert "time.sleep" in line["stack"]
    await b.close()
