"""The walk, action by action and event by event, without SDK, clock or storage."""

from __future__ import annotations

from typing import Any

import pytest

from local_host import history
from local_host.sdk import Response
from local_host.walk import Outcome, walk
from local_host.walk_events import NON_DETERMINISTIC
from local_host.walk_state import Activity, Child, Identity, Known, Operation, Timer

AT = "2026-01-01T00:00:00.000000Z"
LATER = "2026-01-01T00:01:00.000000Z"
FAR = "2026-01-01T05:00:00.000000Z"
KNOWN = Known({"a", "b"}, {"child"}, {"counter"})
IDENTITY = Identity("Main", "i1", "e1")
STARTED = [
    history.orchestrator_started(AT),
    history.execution_started(
        AT, name="Main", version="", input_text=None, instance_id="i1", execution_id="e1", parent=None
    ),
]


def call(name: str = "a") -> dict[str, Any]:
    return {"actionType": 0, "functionName": name, "input": '"x"'}


def retry(attempts: int, pause_ms: int = 5000, name: str = "a") -> dict[str, Any]:
    options = {"firstRetryIntervalInMilliseconds": pause_ms, "maxNumberOfAttempts": attempts}
    return every({"actionType": 1, "functionName": name, "input": '"x"', "retryOptions": options})


def child(instance_id: str | None = None, name: str = "child") -> dict[str, Any]:
    return {"actionType": 2, "functionName": name, "input": '"x"', "instanceId": instance_id}


def timer(fire_at: str = LATER, *, cancelled: bool = False) -> dict[str, Any]:
    return {"actionType": 5, "fireAt": fire_at, "isCanceled": cancelled}


def event(name: str = "go") -> dict[str, Any]:
    return {"actionType": 6, "externalEventName": name, "reason": "ExternalEvent"}


def entity(*, signal: bool = False, name: str = "counter") -> dict[str, Any]:
    return {"actionType": 9 if signal else 7, "instanceId": f"@{name}@k", "operation": "add", "input": "1"}


def first(*children: dict[str, Any]) -> dict[str, Any]:
    return {"actionType": 11, "compoundActions": list(children)}


def every(*children: dict[str, Any]) -> dict[str, Any]:
    return {"actionType": 12, "compoundActions": list(children)}


NEW_GENERATION = {"actionType": 4, "input": '"next"'}


def scheduled(task_id: int, name: str = "a") -> history.Event:
    return marked(history.TASK_SCHEDULED, task_id, Name=name)


def created(task_id: int) -> history.Event:
    return marked(history.TIMER_CREATED, task_id, FireAt=LATER)


def marked(kind: int, task_id: int, **members: Any) -> history.Event:
    return {"EventType": kind, "EventId": task_id, "IsPlayed": False, "Timestamp": AT} | members


def done(task_id: int, result: str | None = '"r"') -> history.Event:
    return history.task_completed(AT, task_id, result)


def failed(task_id: int) -> history.Event:
    return history.task_failed(AT, task_id, "because", None)


def fired(task_id: int) -> history.Event:
    return history.timer_fired(LATER, task_id, LATER)


def raised(name: str = "go", value: str = "1") -> history.Event:
    return history.event_raised(AT, name, value)


def walked(
    actions: list[dict[str, Any]],
    *events: history.Event,
    is_done: bool = False,
    error: str | None = None,
    output: str | None = None,
    custom_status: str | None = None,
    more: bool = False,
    has_actions: bool = True,
) -> Outcome:
    response = Response(actions, is_done, error, output, custom_status, has_actions)
    return walk(IDENTITY, response, [*STARTED, *events], KNOWN, more_messages=more)


# -- ids and decisions ----------------------------------------------------------------------------------------------

REQUEST = walked([entity()]).decisions[0].request_id  # type: ignore[union-attr]

DECISIONS = {
    "nothing asked": ([], []),
    "an activity": ([call()], [Activity(0, "a", '"x"')]),
    "the next action only once the first is done": ([call(), call("b")], [Activity(0, "a", '"x"')]),
    "a compound asks for all at once": ([every(call(), call("b"))], [Activity(0, "a", '"x"'), Activity(1, "b", '"x"')]),
    "compounds nest, depth first": (
        [first(every(call(), timer()), call("b"))],
        [Activity(0, "a", '"x"'), Timer(1, LATER), Activity(2, "b", '"x"')],
    ),
    "a wait takes no id": ([every(event(), call())], [Activity(0, "a", '"x"')]),
    "a signal is done at once": ([entity(signal=True), call()], [Operation(0, "@counter@k", "add", "1", None), Activity(1, "a", '"x"')]),
    "a cancelled timer is written, and done at once": ([timer(cancelled=True), call()], [Timer(0, LATER), Activity(1, "a", '"x"')]),
    "a child without an id is named for its parent": ([child()], [Child(0, "child", "e1:0", '"x"')]),
    "a child with an id": ([child("c7")], [Child(0, "child", "c7", '"x"')]),
    "an entity call": ([entity()], [Operation(0, "@counter@k", "add", "1", REQUEST)]),
    "a retried activity begins as one": ([retry(3)], [Activity(0, "a", '"x"')]),
    "names ignore case": ([call("A")], [Activity(0, "A", '"x"')]),
}  # fmt: skip


@pytest.mark.parametrize(("actions", "expected"), DECISIONS.values(), ids=DECISIONS.keys())
def test_first_episode_decisions(actions: list[dict[str, Any]], expected: list[Any]):
    """What a first response asks for, with the ids that the framework gives."""
    outcome = walked(actions)
    assert list(outcome.decisions) == expected
    assert outcome.status == "Running"


def test_what_is_in_the_history_is_not_asked_for_again():
    """A response lists all actions since the start; only what has no event is new."""
    outcome = walked([call(), call("b")], scheduled(0), done(0))
    assert list(outcome.decisions) == [Activity(1, "b", '"x"')]


def test_a_failed_task_lets_the_walk_go_on():
    """The extension ignores the exception of an awaited task: the function has dealt with it already."""
    assert list(walked([call(), call("b")], scheduled(0), failed(0)).decisions) == [Activity(1, "b", '"x"')]


def test_request_ids_are_the_same_at_every_replay_and_differ_between_calls():
    """An entity's answer finds its call after any number of replays."""
    twice = walked([every(entity(), entity())]).decisions
    assert twice == walked([every(entity(), entity())]).decisions
    assert twice[0].request_id != twice[1].request_id  # type: ignore[union-attr]
    other = walk(Identity("Main", "i1", "e2"), Response([entity()], False, None, None, None), STARTED, KNOWN)
    assert other.decisions[0].request_id != REQUEST  # type: ignore[union-attr]


# -- task_any, task_all, timers -------------------------------------------------------------------------------------


def test_any_goes_on_with_the_first_and_leaves_the_loser_open():
    """The loser stays open: nothing completes before it is done too."""
    history_ = [scheduled(0), scheduled(1, "b"), done(1)]
    actions = [first(call(), call("b"))]
    assert walked(actions, *history_, is_done=True, output="1").status == "Running"
    assert walked(actions, *history_, done(0), is_done=True, output="1").status == "Completed"


def test_all_waits_for_every_child_even_after_a_failure():
    """What the code does in its except block is started only after the slowest sibling."""
    actions = [every(call(), call("b")), call("a")]
    both = [scheduled(0), scheduled(1, "b")]
    assert walked(actions, *both, failed(0)).decisions == ()
    assert list(walked(actions, *both, failed(0), done(1)).decisions) == [Activity(2, "a", '"x"')]


def test_an_uncancelled_timer_delays_completion_and_is_warned_of():
    """Approval won, timer not cancelled: Running until the timer is due."""
    actions = [first(event(), timer(FAR))]
    outcome = walked(actions, created(0), raised(), is_done=True, output="1")
    assert outcome.status == "Running"
    assert "timer" in outcome.warnings[0]
    assert walked(actions, created(0), raised(), fired(0), is_done=True, output="1").status == "Completed"


def test_a_cancelled_timer_does_not_delay_completion():
    """Approval won, timer cancelled: done at once; the late firing is ignored."""
    actions = [first(event(), timer(FAR, cancelled=True))]
    outcome = walked(actions, created(0), raised(), is_done=True, output="1")
    assert (outcome.status, outcome.output, outcome.warnings) == ("Completed", "1", ())
    assert walked([*actions, call()], created(0), raised(), fired(0)).decisions == (Activity(1, "a", '"x"'),)


@pytest.mark.parametrize("events", [[done(7)], [fired(7)], [failed(7)], [scheduled(0), done(0), done(0)]])
def test_unknown_and_second_completions_are_ignored(events: list[history.Event]):
    """A duplicate or a late answer changes nothing."""
    assert walked([call()], *events).status == "Running"


# -- retries --------------------------------------------------------------------------------------------------------


def test_retry_takes_an_id_for_each_attempt_and_each_pause():
    """Two attempts: 0 activity, 1 pause, 2 activity, 3 one more timer, due at once; only then it is over."""
    steps = [
        ([], [Activity(0, "a", '"x"')]),
        ([scheduled(0), failed(0)], [Timer(1, "2026-01-01T00:00:05.000000Z")]),
        ([created(1), fired(1)], [Activity(2, "a", '"x"')]),
        ([scheduled(2), failed(2)], [Timer(3, AT)]),
        ([created(3), fired(3)], [Activity(4, "b", '"x"')]),
    ]
    events: list[history.Event] = []
    for new, expected in steps:
        events += new
        assert list(walked([retry(2), call("b")], *events).decisions) == expected


def test_a_retry_that_succeeds_ends_at_once():
    """A success on any attempt needs no further timer."""
    events = [scheduled(0), failed(0), created(1), fired(1), scheduled(2), done(2)]
    assert list(walked([retry(5), call("b")], *events).decisions) == [Activity(3, "b", '"x"')]


# -- events ---------------------------------------------------------------------------------------------------------


def test_an_early_event_is_kept_for_the_first_wait():
    """Raised while an activity runs, taken by the wait that follows."""
    events = [scheduled(0), raised("go"), done(0)]
    assert list(walked([call(), event(), call("b")], *events).decisions) == [Activity(1, "b", '"x"')]


def test_a_second_wait_on_a_name_that_came_early_is_loud():
    """The SDK would answer it with the old event, the engine wait for a new one."""
    outcome = walked([call(), event(), event()], scheduled(0), raised(), done(0))
    assert outcome.status == "Failed"
    assert "'go'" in (outcome.output or "")


def test_two_waits_each_get_an_event_that_comes_while_they_wait():
    """Without early events one name may be waited for twice."""
    assert walked([event(), event(), call()], raised(), raised()).status == "Running"
    assert walked([event(), call(), event()], raised(), scheduled(0), done(0)).status == "Running"


def test_event_names_ignore_case_and_say_so():
    """The engine delivers, the SDK does not: a warning."""
    outcome = walked([event("Go"), call()], raised("GO"))
    assert list(outcome.decisions) == [Activity(0, "a", '"x"')]
    assert "'GO'" in outcome.warnings[0]


def test_an_entity_answer_goes_to_its_call_only():
    """The answer is an event named with the request's id."""
    sent = marked(history.EVENT_SENT, 0, Name="op", InstanceId="@counter@k")
    assert walked([entity(), call()], sent, raised("something")).decisions == ()
    assert list(walked([entity(), call()], sent, raised(REQUEST)).decisions) == [Activity(1, "a", '"x"')]


# -- suspended, terminated, continued -------------------------------------------------------------------------------


def test_while_suspended_events_are_kept_and_then_processed_in_order():
    """The walk stands still until ExecutionResumed."""
    suspended, resumed = history.execution_suspended(AT, "why"), history.execution_resumed(AT, "on")
    events = [scheduled(0), suspended, done(0)]
    outcome = walked([call(), call("b")], *events)
    assert (outcome.status, outcome.decisions) == ("Suspended", ())
    outcome = walked([call(), call("b")], *events, resumed)
    assert (outcome.status, outcome.decisions) == ("Running", (Activity(1, "b", '"x"'),))


def test_termination_ends_it_even_while_suspended_and_with_open_tasks():
    """Output is the reason, as it was given."""
    events = [scheduled(0), history.execution_suspended(AT, ""), history.execution_terminated(AT, "enough")]
    outcome = walked([call()], *events)
    assert (outcome.status, outcome.output) == ("Terminated", "enough")


def test_continue_as_new_carries_the_events_that_follow_it():
    """What was buffered before is dropped; what is processed afterwards goes with the new generation."""
    events = [scheduled(0), raised("early"), done(0), raised("late")]
    outcome = walked([call(), NEW_GENERATION], *events, is_done=True)
    assert (outcome.status, outcome.next_input) == ("ContinuedAsNew", '"next"')
    assert [carried["Name"] for carried in outcome.carried] == ["late"]


def test_continue_as_new_waits_for_open_tasks():
    """An open loser delays the new generation too."""
    actions = [first(call(), call("b")), NEW_GENERATION]
    events = [scheduled(0), scheduled(1, "b"), done(0)]
    assert walked(actions, *events, is_done=True).status == "Running"
    assert walked(actions, *events, done(1), is_done=True).status == "ContinuedAsNew"


# -- endings --------------------------------------------------------------------------------------------------------


def test_completion_and_failure():
    """isDone completes with the output; an error fails with the extension's sentence, and wins over isDone."""
    assert walked([], is_done=True, output='{"a":1}').output == '{"a":1}'
    for is_done in (False, True):
        outcome = walked([], is_done=is_done, error="bad", custom_status='"s"')
        assert (outcome.status, outcome.output) == ("Failed", "Orchestrator function 'Main' failed: bad")
        assert outcome.custom_status == '"s"'


def test_failure_waits_for_open_tasks():
    """Actions before the error are started, and nothing fails while they are open."""
    assert (
        walked([first(call(), call("b"))], scheduled(0), scheduled(1, "b"), done(0), error="bad").status
        == "Running"
    )


STATUS_UNITS = {"ok": (8703, "Running"), "too long": (8704, "Failed")}


@pytest.mark.parametrize(("units", "status"), STATUS_UNITS.values(), ids=STATUS_UNITS.keys())
@pytest.mark.parametrize("letter", ["x", "\\u20ac"])
def test_custom_status_limit(units: int, status: str, letter: str):
    """16 KB of UTF-16, rounded down: 8 703 units of JSON are allowed, 8 704 are not, whatever the alphabet."""
    outcome = walked([call()], custom_status='"' + letter * (units - 2) + '"')
    assert outcome.status == status
    if status == "Failed":
        assert "16 KB" in (outcome.output or "")
        assert "17 KB" in (outcome.output or "")
        assert outcome.custom_status is None


# -- loud -----------------------------------------------------------------------------------------------------------

UNKNOWN = {
    "activity": call("nobody"),
    "orchestrator": child(name="nobody"),
    "entity": entity(name="nobody"),
    "signalled entity": entity(signal=True, name="nobody"),
    "retried activity": retry(2, name="nobody"),
}


@pytest.mark.parametrize("action", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown_names_fail_the_instance(action: dict[str, Any]):
    """Azure would leave it Running without a word."""
    outcome = walked([action])
    assert outcome.status == "Failed"
    assert "nobody" in (outcome.output or "")


BAD_CHILDREN = {"its parent's id": "i1", "an entity's id": "@x@y", "half a character": "\ud800"}


@pytest.mark.parametrize("instance_id", BAD_CHILDREN.values(), ids=BAD_CHILDREN.keys())
def test_impossible_child_ids_fail_the_instance(instance_id: str):
    """Refused at the call, as the extension does."""
    assert walked([child(instance_id)]).status == "Failed"


STUCK = {
    "done, and the engine waits for an event": ([event()], [], {"is_done": True}),
    "a partial compound: the old timer fired, the engine waits for the new event": (
        [first(timer(), event("e1")), first(event("e2"))],
        [created(0), raised("e1"), fired(0)],
        {"is_done": True},
    ),
    "task_all failed fast beside an event": (
        [every(call(), event())],
        [scheduled(0), failed(0)],
        {"error": "bad"},
    ),
    "the code went on past a wait": ([every(call(), event()), call("b")], [scheduled(0), failed(0)], {}),
}


@pytest.mark.parametrize(("actions", "events", "members"), STUCK.values(), ids=STUCK.keys())
def test_what_would_hang_fails(
    actions: list[dict[str, Any]], events: list[history.Event], members: dict[str, Any]
):
    """SDK and engine disagree, nothing is under way: on Azure Running for ever; here Failed, with the reason."""
    outcome = walked(actions, *events, **members)
    assert outcome.status == "Failed"
    assert "on Azure" in (outcome.output or "")
    if "error" in members:
        assert members["error"] in (outcome.output or "")
    assert walked(actions, *events, **members, more=True).status == "Running"


def test_waiting_is_not_being_stuck():
    """An orchestration that waits for an event, an answer or a timer is left in peace."""
    sent = marked(history.EVENT_SENT, 0, Name="op", InstanceId="@counter@k")
    for actions, events in (
        ([event()], []),
        ([entity()], [sent]),
        ([timer()], [created(0)]),
        ([first(timer(), event())], [created(0)]),
    ):
        assert walked(actions, *events).status == "Running"


def test_polling_of_call_http_is_refused():
    """202 with a Location would be polled with ids that the SDK does not count."""
    http = {"actionType": 8, "httpRequest": {"method": "GET", "uri": "http://localhost/"}}
    started = marked(history.TASK_SCHEDULED, 0, Name="BuiltIn::HttpActivity")
    assert list(walked([http]).decisions) == [
        Activity(0, "BuiltIn::HttpActivity", '{"method":"GET","uri":"http://localhost/"}')
    ]
    known = Known({"builtin::httpactivity"}, set(), set())
    for answer, status in (
        ('{"statusCode":200,"headers":{},"content":""}', "Running"),
        ('{"statusCode":202,"headers":{"Location":"/x"},"content":""}', "Failed"),
    ):
        response = Response([http, event()], False, None, None, None)
        assert walk(IDENTITY, response, [*STARTED, started, done(0, answer)], known).status == status


def test_an_action_of_an_unknown_type_fails_the_instance():
    """Whatever a later SDK sends is not ignored."""
    assert walked([{"actionType": 99}]).status == "Failed"


# -- non-determinism ------------------------------------------------------------------------------------------------

BREACHES = {
    "not scheduled now": ([], scheduled(0)),
    "another name": ([call("b")], scheduled(0, "a")),
    "another kind": ([timer()], scheduled(0, "a")),
    "another position": ([event(), call()], scheduled(0)),
}


@pytest.mark.parametrize(("actions", "recorded"), BREACHES.values(), ids=BREACHES.keys())
def test_a_breach_fails_with_the_real_prefix(actions: list[dict[str, Any]], recorded: history.Event):
    """The instance fails, and the message names the kind, the number and the recorded name."""
    outcome = walked(actions, recorded)
    assert outcome.status == "Failed"
    assert (outcome.output or "").startswith(NON_DETERMINISTIC)
    assert "TaskScheduled with sequence number 0 and name 'a'" in (outcome.output or "")


ALLOWED = {
    "the name in another case": ([call("A")], scheduled(0, "a")),
    "another input": ([{"actionType": 0, "functionName": "a", "input": '"y"'}], scheduled(0)),
    "another time": ([timer(FAR)], created(0)),
    "another entity": ([entity()], marked(history.EVENT_SENT, 0, Name="op", InstanceId="@other@k")),
    "a function that failed before its first action": ([], scheduled(0)),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_the_framework_does_not_compare(name: str):
    """Inputs, times and entities are not compared; an error without actions is told as itself."""
    actions, recorded = ALLOWED[name]
    if actions:
        assert walked(actions, recorded).status == "Running"
    else:
        outcome = walked(actions, recorded, error="bad", has_actions=False)
        assert outcome.output == "Orchestrator function 'Main' failed: bad"


# -- what another episode needs -------------------------------------------------------------------------------------


def test_needs_names_the_answers_of_the_task_all_where_the_function_stands():
    """All of them are needed before another episode can get further; anything else gives no such promise."""
    assert walked([every(call(), call("b"))]).needs == {0, 1}
    assert walked([every(call(), call("b"))], scheduled(0), scheduled(1, "b"), done(0)).needs == {1}
    assert walked([every(call(), entity())]).needs == {
        0,
        walked([every(call(), entity())]).decisions[1].request_id,
    }  # type: ignore[union-attr]
    for actions in (
        [call()],
        [first(call(), call("b"))],
        [every(call(), event())],
        [every(call(), timer())],
        [retry(2)],
    ):
        assert walked(actions).needs == frozenset()


def test_needs_leaves_out_losers_of_earlier_compounds():
    """An open task that the present task_all does not hold is not waited for."""
    events = [scheduled(0), scheduled(1, "b"), done(0)]
    assert walked([first(call(), call("b")), every(call(), call("b"))], *events).needs == {2, 3}
