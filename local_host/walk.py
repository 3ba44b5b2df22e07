"""The walk: what the Durable extension does with the actions an orchestrator function returned. Pure.

Two rules live here. First, the function answers each time with all actions since the start, and the walk goes through
them in order: invoke one, wait for its task, invoke the next. Second, the history is replayed event by event through
that walk: a scheduling event must find the decision it records, a completion resolves the task that waits for it, and
whatever decisions are left at the end are new. (Durable extension: out-of-process orchestration shim; Durable Task
Framework: TaskOrchestrationExecutor and TaskOrchestrationContext.)

Ids: one counter for each execution, from 0. Activities, sub-orchestrations, timers, entity calls and signals take one
each; waits, compounds and continue-as-new none; a retried call takes one for each attempt and each pause.

Where the real engine would hang for ever without a word, this one fails the instance and says why (`Loud`).
"""

from __future__ import annotations

import json
import uuid
from collections import deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from local_host import history
from local_host.history import Event, storable, to_json
from local_host.sdk import Response

Action = dict[str, Any]

NON_DETERMINISTIC = "Non-Deterministic workflow detected: "
MAX_ACTIONS = 100_000  # the extension's maxOrchestrationActions
HTTP_ACTIVITY = "BuiltIn::HttpActivity"
_MAX_RETRY_PAUSE_MS = 6 * 24 * 3600 * 1000  # the extension's longest pause
_CUSTOM_STATUS_KB = 16
_WHEN_ALL = 12
_ANSWERED = frozenset({0, 2, 7})  # actions that take one id and get one answer
_LATE_TIMER_US = 60 * 1_000_000
_REQUEST_IDS = uuid.UUID("7d4b6a5e-2f0c-5b5e-9f35-1a6f7d1a2c10")


class Known(NamedTuple):
    """The names that are registered, in lower case."""

    activities: Container[str]
    orchestrators: Container[str]
    entities: Container[str]


class Identity(NamedTuple):
    """Which execution is walked."""

    name: str
    instance_id: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class Activity:
    """Decision: execute an activity. `input` is the JSON text the function gave."""

    event_type: ClassVar[int] = history.TASK_SCHEDULED
    task_id: int
    name: str
    input: str | None


@dataclass(frozen=True, slots=True)
class Child:
    """Decision: start a sub-orchestration. `input` is the JSON text the function gave."""

    event_type: ClassVar[int] = history.SUB_ORCHESTRATION_CREATED
    task_id: int
    name: str
    instance_id: str
    input: str | None


@dataclass(frozen=True, slots=True)
class Timer:
    """Decision: create a timer; a cancelled one is written too, and fires into nothing."""

    event_type: ClassVar[int] = history.TIMER_CREATED
    name: ClassVar[str | None] = None
    task_id: int
    fire_at: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Decision: call or signal an entity. `request_id` is None for a signal."""

    event_type: ClassVar[int] = history.EVENT_SENT
    name: ClassVar[str] = "op"  # the event's name; neither the entity nor its operation is compared on replay
    task_id: int
    entity_id: str
    operation: str
    input: str | None
    request_id: str | None


Decision = Activity | Child | Timer | Operation


class Outcome(NamedTuple):
    """What an episode comes to.

    `status` is Running, Suspended, Completed, Failed, Terminated or ContinuedAsNew; `output` the result's JSON text or a
    plain sentence; `open_calls` how many answers of activities, children and entities are owed. `needs` names the answers
    (by task id, or by request id) without all of which another episode cannot get further: the function stands at a
    task_all of them.
    """

    status: str
    decisions: tuple[Decision, ...] = ()
    output: str | None = None
    custom_status: str | None = None
    next_input: str | None = None
    carried: tuple[Event, ...] = ()
    open_calls: int = 0
    needs: frozenset[int | str] = frozenset()
    warnings: tuple[str, ...] = ()


class Loud(Exception):
    """The instance must fail now; the message is its output."""


class Task:
    """A one-shot future: done once, perhaps failed; then everybody who waits is called, in order."""

    __slots__ = ("done", "failed", "result", "waiting")

    def __init__(self) -> None:
        self.done = False
        self.failed = False
        self.result: str | None = None
        self.waiting: list[Callable[[Task], None]] = []

    def resolve(self, *, failed: bool = False, result: str | None = None) -> None:
        """Done, and everybody may go on."""
        if self.done:
            return
        self.done, self.failed, self.result = True, failed, result
        waiting, self.waiting = self.waiting, []
        for call in waiting:
            call(self)

    def when_done(self, call: Callable[[Task], None]) -> None:
        """Call back when done; at once if it is."""
        if self.done:
            call(self)
        else:
            self.waiting.append(call)


class Walk:
    """One walk of one response through one history. Use `walk` below; the class is its working memory."""

    def __init__(self, identity: Identity, response: Response, known: Known) -> None:
        self.identity = identity
        self.response = response
        self.known = known
        self.decisions: dict[int, Decision] = {}
        self.open: dict[int, Task] = {}
        self.open_timers: dict[int, str] = {}  # task id to fire-at of the timers among the open tasks
        self.calls: dict[str, Task] = {}  # entity calls by request id
        self.call_ids: dict[str, int] = {}  # their task ids
        self.waits: dict[str, list[Task]] = {}  # external events by name in lower case, newest wait last
        self.wait_spelling: dict[str, str] = {}
        self.buffered: dict[str, deque[Event]] = {}
        self.taken_early: set[str] = set()  # names of which a buffered event has been taken
        self.position = 0  # the action that is invoked next, or waited for
        self.walked = False
        self.next_id = 0
        self.first_id = 0  # the first id that the action at `position` took
        self.clock = ""
        self.terminated: str | None = None
        self.suspended = False
        self.held: list[Event] = []  # events kept while suspended
        self.next_input: str | None = None
        self.continues = False
        self.carried: list[Event] = []
        self.warnings: list[str] = []

    # -- going through the actions ---------------------------------------------------------------------------------

    def advance(self, _task: Task | None = None) -> None:
        """Invoke and await actions in order, as far as it goes. An awaited task's failure does not matter here."""
        actions = self.response.actions
        while self.position < len(actions):
            self.first_id = self.next_id
            task = self.invoke(actions[self.position])
            if not task.done:
                task.when_done(self._next)
                return
            self.position += 1
        self.walked = True

    def _next(self, _task: Task) -> None:
        self.position += 1
        self.advance()

    def invoke(self, action: Action) -> Task:
        """Begin one action; its task. Raises Loud where the real engine fails, or hangs."""
        kind = action["actionType"]
        try:
            begin = _INVOKE[kind]
        except KeyError:
            raise Loud(f"The SDK sent an action of type {kind}, which this host does not know.") from None
        return begin(self, action)

    def take_id(self) -> int:
        """The next task id."""
        task_id = self.next_id
        if task_id >= MAX_ACTIONS:
            raise Loud(f"Maximum amount of orchestration actions ({MAX_ACTIONS:,}) has been reached.")
        self.next_id = task_id + 1
        return task_id

    def schedule(self, decision: Decision) -> Task:
        """Record a decision whose answer comes as an event with its id."""
        task = Task()
        self.decisions[decision.task_id] = decision
        self.open[decision.task_id] = task
        return task

    # -- replaying the history ---------------------------------------------------------------------------------------

    def replay(self, event: Event) -> None:
        """Process one event, or keep it while suspended."""
        kind = event["EventType"]
        if self.terminated is not None:
            return
        if self.suspended and kind not in _PASSES_SUSPENSION:
            self.held.append(event)
            return
        process = _REPLAY.get(kind)
        if process is not None:
            process(self, event)


# -- actions: what invoking each does -------------------------------------------------------------------------------


def _call_activity(walk: Walk, action: Action) -> Task:
    name = action["functionName"]
    if name.lower() not in walk.known.activities:
        raise Loud(_unknown("activity", name))
    return walk.schedule(Activity(walk.take_id(), name, action.get("input")))


def _call_child(walk: Walk, action: Action) -> Task:
    name = action["functionName"]
    if name.lower() not in walk.known.orchestrators:
        raise Loud(_unknown("orchestrator", name))
    task_id = walk.take_id()
    instance_id = action.get("instanceId") or f"{walk.identity.execution_id}:{task_id}"
    if instance_id == walk.identity.instance_id:
        raise Loud("A sub-orchestration must not have its parent's instance id.")
    if instance_id.startswith("@") or not storable(instance_id):
        raise Loud(f"A sub-orchestration cannot have the instance id {instance_id!r}.")
    return walk.schedule(Child(task_id, name, instance_id, action.get("input")))


def _retried(begin: Callable[[Walk, Action], Task]) -> Callable[[Walk, Action], Task]:
    """Attempts with pauses between them, and one more timer, due at once, after the last failure.

    That timer is really there in the framework's history, and the SDK counts on it.
    """

    def invoke(walk: Walk, action: Action) -> Task:
        options = action["retryOptions"]
        pause_ms = min(int(options["firstRetryIntervalInMilliseconds"]), _MAX_RETRY_PAUSE_MS)
        outcome = Task()
        left = int(options["maxNumberOfAttempts"])

        def attempt() -> None:
            nonlocal left
            left -= 1
            begin(walk, action).when_done(judge)

        def judge(task: Task) -> None:
            if not task.failed:
                outcome.resolve()
                return
            fire_at = history.later(walk.clock, pause_ms) if left > 0 else walk.clock
            _new_timer(walk, fire_at).when_done(after_pause)

        def after_pause(_task: Task) -> None:
            if left > 0:
                attempt()
            else:
                outcome.resolve(failed=True)

        attempt()
        return outcome

    return invoke


def _new_timer(walk: Walk, fire_at: str) -> Task:
    task_id = walk.take_id()
    walk.open_timers[task_id] = fire_at
    return walk.schedule(Timer(task_id, fire_at))


def _create_timer(walk: Walk, action: Action) -> Task:
    fire_at = action["fireAt"]
    try:
        history.parse_timestamp(fire_at)
    except ValueError:
        raise Loud(f"A timer cannot be due at {fire_at!r}.") from None
    task = _new_timer(walk, fire_at)
    if action.get("isCanceled"):
        _close(walk, walk.next_id - 1)
        task.resolve()
    return task


def _wait_for_event(walk: Walk, action: Action) -> Task:
    spelling = action["externalEventName"]
    name = spelling.lower()
    if name in walk.taken_early:
        raise Loud(
            f"The orchestrator waits again for the event {spelling!r}, of which one had arrived before the first wait. "
            "From here on the SDK would answer with the old event while Azure waits for a new one, so the instance "
            "would be stuck. Use one event name once for each execution (add a counter to it)."
        )
    task = Task()
    queue = walk.buffered.get(name)
    if queue:
        walk.taken_early.add(name)
        _note_spelling(walk, spelling, queue.popleft())
        task.resolve()
        return task
    walk.waits.setdefault(name, []).append(task)
    walk.wait_spelling[name] = spelling
    return task


def _operation(walk: Walk, action: Action, *, signal: bool) -> Operation:
    entity_id = action["instanceId"]
    name = entity_id[1:].partition("@")[0]
    if name.lower() not in walk.known.entities:
        raise Loud(_unknown("entity", name))
    if not storable(entity_id) or not storable(action["operation"]):
        raise Loud(f"The entity id or operation {entity_id!r} cannot be stored: it holds half a character.")
    task_id = walk.take_id()
    # The same at every replay, and not to be guessed by who might raise an event of that name.
    request_id = None if signal else str(uuid.uuid5(_REQUEST_IDS, f"{walk.identity.execution_id}:{task_id}"))
    return Operation(task_id, entity_id, action["operation"], action.get("input"), request_id)


def _call_entity(walk: Walk, action: Action) -> Task:
    decision = _operation(walk, action, signal=False)
    assert decision.request_id is not None
    walk.decisions[decision.task_id] = decision
    walk.call_ids[decision.request_id] = decision.task_id
    task = walk.calls[decision.request_id] = Task()
    return task


def _signal_entity(walk: Walk, action: Action) -> Task:
    decision = _operation(walk, action, signal=True)
    walk.decisions[decision.task_id] = decision
    return _done()


def _continue_as_new(walk: Walk, action: Action) -> Task:
    walk.continues = True
    walk.next_input = action.get("input")
    return _done()


def _call_http(walk: Walk, action: Action) -> Task:
    task = walk.schedule(Activity(walk.take_id(), HTTP_ACTIVITY, to_json(action["httpRequest"])))
    task.when_done(_refuse_polling)
    return task


def _refuse_polling(task: Task) -> None:
    # The extension polls a 202 with timers and requests whose ids the SDK does not count: results get mixed up.
    if (
        not task.failed
        and task.result
        and '"statusCode":202' in task.result
        and '"location":' in task.result.lower()
    ):
        raise Loud(
            "call_http was answered 202 with a Location. Azure polls it in a way that mixes up the SDK's task ids. "
            "Call the service from an activity instead."
        )


def _when_any(walk: Walk, action: Action) -> Task:
    compound = Task()
    children = [walk.invoke(child) for child in action["compoundActions"]]
    for child in children:
        child.when_done(lambda _child: compound.resolve())
    return compound


def _when_all(walk: Walk, action: Action) -> Task:
    compound = Task()
    children = [walk.invoke(child) for child in action["compoundActions"]]
    left = len(children)

    def count(_child: Task) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            compound.resolve()

    for child in children:
        child.when_done(count)
    if not children:
        compound.resolve()
    return compound


def _done() -> Task:
    task = Task()
    task.resolve()
    return task


def _unknown(kind: str, name: str) -> str:
    return (
        f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function. "
        "On Azure the instance would stay Running for ever. Register the function, or mend the name."
    )


_INVOKE: dict[int, Callable[[Walk, Action], Task]] = {
    0: _call_activity,
    1: _retried(_call_activity),
    2: _call_child,
    3: _retried(_call_child),
    4: _continue_as_new,
    5: _create_timer,
    6: _wait_for_event,
    7: _call_entity,
    8: _call_http,
    9: _signal_entity,
    11: _when_any,
    12: _when_all,
}


# -- events: what replaying each does -------------------------------------------------------------------------------


def _replay_started(walk: Walk, event: Event) -> None:
    walk.clock = event["Timestamp"]


def _replay_execution_started(walk: Walk, _event: Event) -> None:
    walk.advance()


def _replay_scheduled(walk: Walk, event: Event) -> None:
    """Durable Task Framework: id, kind and name are compared; inputs, times and entity ids are not."""
    task_id, kind = event["EventId"], event["EventType"]
    decision = walk.decisions.pop(task_id, None)
    recorded = f"{history.NAMES[kind]} with sequence number {task_id}"
    if event.get("Name"):
        recorded += f" and name '{event['Name']}'"
    if not walk.response.walked:
        return  # the function failed before it gave any action: that error is the story, not this one
    if decision is None:
        raise Loud(
            f"{NON_DETERMINISTIC}the history records {recorded}, but the current run of the orchestrator has not "
            "scheduled it. Was the orchestrator's code changed while this instance was running?"
        )
    same_name = decision.name is None or decision.name.lower() == (event.get("Name") or "").lower()
    if decision.event_type != kind or not same_name:
        scheduled = history.NAMES[decision.event_type] + (
            f" named '{decision.name}'" if decision.name else ""
        )
        raise Loud(
            f"{NON_DETERMINISTIC}the history records {recorded}, but the current run of the orchestrator schedules "
            f"{scheduled} there. Was the orchestrator's code changed while this instance was running?"
        )


def _replay_completed(walk: Walk, event: Event) -> None:
    _resolve(walk, event["TaskScheduledId"], result=event["Result"])


def _replay_failed(walk: Walk, event: Event) -> None:
    _resolve(walk, event["TaskScheduledId"], failed=True)


def _replay_timer_fired(walk: Walk, event: Event) -> None:
    _resolve(walk, event["TimerId"])


def _resolve(walk: Walk, task_id: int, *, failed: bool = False, result: str | None = None) -> None:
    task = _close(walk, task_id)
    if task is not None:  # else a duplicate, or the timer was cancelled
        task.resolve(failed=failed, result=result)


def _close(walk: Walk, task_id: int) -> Task | None:
    walk.open_timers.pop(task_id, None)
    return walk.open.pop(task_id, None)


def _replay_event_raised(walk: Walk, event: Event) -> None:
    name = event["Name"]
    call = walk.calls.pop(name, None)
    if call is not None:
        call.resolve()
        return
    if walk.continues:
        walk.carried.append(event)
        return
    waiting = walk.waits.get(name.lower())
    if waiting:
        _note_spelling(walk, walk.wait_spelling[name.lower()], event)
        waiting.pop().resolve()  # the newest wait first, as in the extension and in the SDK
    else:
        walk.buffered.setdefault(name.lower(), deque()).append(event)


def _note_spelling(walk: Walk, spelling: str, event: Event) -> None:
    if event["Name"] != spelling:
        walk.warnings.append(
            f"The event {event['Name']!r} was raised while the orchestrator waits for {spelling!r}: the engine ignores "
            "case, the SDK does not, so the orchestrator will not see it. Spell event names identically."
        )


def _replay_terminated(walk: Walk, event: Event) -> None:
    walk.terminated = event["Input"]


def _replay_suspended(walk: Walk, _event: Event) -> None:
    walk.suspended = True


def _replay_resumed(walk: Walk, _event: Event) -> None:
    walk.suspended = False
    held, walk.held = walk.held, []
    for event in held:
        walk.replay(event)


_REPLAY: dict[int, Callable[[Walk, Event], None]] = {
    history.ORCHESTRATOR_STARTED: _replay_started,
    history.EXECUTION_STARTED: _replay_execution_started,
    history.TASK_SCHEDULED: _replay_scheduled,
    history.SUB_ORCHESTRATION_CREATED: _replay_scheduled,
    history.TIMER_CREATED: _replay_scheduled,
    history.EVENT_SENT: _replay_scheduled,
    history.TASK_COMPLETED: _replay_completed,
    history.SUB_ORCHESTRATION_COMPLETED: _replay_completed,
    history.TASK_FAILED: _replay_failed,
    history.SUB_ORCHESTRATION_FAILED: _replay_failed,
    history.TIMER_FIRED: _replay_timer_fired,
    history.EVENT_RAISED: _replay_event_raised,
    history.EXECUTION_TERMINATED: _replay_terminated,
    history.EXECUTION_SUSPENDED: _replay_suspended,
    history.EXECUTION_RESUMED: _replay_resumed,
}

# The clock is not an event to be kept: the framework sets it before it looks whether the execution is suspended.
_PASSES_SUSPENSION = frozenset(
    {history.ORCHESTRATOR_STARTED, history.EXECUTION_RESUMED, history.EXECUTION_TERMINATED}
)


# -- the outcome ----------------------------------------------------------------------------------------------------


def walk(
    identity: Identity,
    response: Response,
    events: Iterable[Event],
    known: Known,
    *,
    more_messages: bool = False,
) -> Outcome:
    """Replay all events, old and new, against one response; what comes of it.

    `more_messages` says that something else waits to be delivered, so that standing still is not yet being stuck.
    """
    state = Walk(identity, response, known)
    try:
        for event in events:
            state.replay(event)
        _check_custom_status(response)
        if not more_messages:
            _check_stuck(state)
    except Loud as failure:
        return _ended(state, "Failed", str(failure))
    return _outcome(state)


def _outcome(state: Walk) -> Outcome:
    response = state.response
    if state.terminated is not None:
        return _ended(state, "Terminated", state.terminated)
    if not state.open and state.walked:
        # Nothing completes, fails or continues while a task is open.
        if response.error is not None:
            return _ended(
                state, "Failed", f"Orchestrator function '{state.identity.name}' failed: {response.error}"
            )
        if state.continues:
            return _ended(state, "ContinuedAsNew", None)
        if response.is_done:
            return _ended(state, "Completed", response.output)
    _warn_of_late_timers(state)
    return Outcome(
        status="Suspended" if state.suspended else "Running",
        decisions=_new_decisions(state),
        custom_status=response.custom_status,
        open_calls=len(state.open) - len(state.open_timers) + len(state.calls),
        needs=_needs(state),
        warnings=tuple(state.warnings),
    )


def _needs(state: Walk) -> frozenset[int | str]:
    if state.walked or state.suspended or state.response.is_done or state.response.error is not None:
        return frozenset()
    action = state.response.actions[state.position]
    last = state.position == len(state.response.actions) - 1  # else the SDK is ahead
    if not last or action["actionType"] != _WHEN_ALL:
        return frozenset()
    if any(child["actionType"] not in _ANSWERED for child in action["compoundActions"]):
        return frozenset()
    tasks: set[int | str] = {task_id for task_id in state.open if task_id >= state.first_id}
    return frozenset(tasks.union(name for name in state.calls if state.call_ids[name] >= state.first_id))


def _ended(state: Walk, status: str, output: str | None) -> Outcome:
    return Outcome(
        status=status,
        decisions=_new_decisions(state),
        output=output,
        custom_status=state.response.custom_status,
        next_input=state.next_input,
        carried=tuple(state.carried),
        warnings=tuple(state.warnings),
    )


def _new_decisions(state: Walk) -> tuple[Decision, ...]:
    return tuple(decision for _, decision in sorted(state.decisions.items()))


def _check_custom_status(response: Response) -> None:
    """Extension: UTF-16 bytes divided by 1024, rounded down, must not be above 16."""
    status = response.custom_status
    if status is None or len(status) < _CUSTOM_STATUS_KB * 512:
        return  # ASCII text: escapes make it longer than the real one, never shorter
    units = len(_unescaped(status).encode("utf-16-le", "surrogatepass"))
    if units // 1024 > _CUSTOM_STATUS_KB:
        raise Loud(
            f"The size of the JSON-serialized payload must not exceed {_CUSTOM_STATUS_KB} KB of UTF-16 text. "
            f"The current size is {units // 1024} KB."
        )


def _unescaped(text: str) -> str:
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


def _check_stuck(state: Walk) -> None:
    """The SDK has gone past the action at which the engine stands, and nothing that is under way can move the engine."""
    if state.walked or state.open or state.calls or state.suspended or state.terminated is not None:
        return
    response = state.response
    passed = response.is_done or response.error is not None or state.position < len(response.actions) - 1
    if passed:
        action = response.actions[state.position]
        raise Loud(
            f"The orchestrator has gone on, but the engine still waits for {_described(action)}: on Azure the instance "
            "would stay Running. A task that was already used in an earlier task_any or task_all does not count in a "
            "later one, and task_all waits for every task even after one has failed. Create new tasks for each compound."
        )


def _described(action: Action) -> str:
    names = {
        6: "the event {externalEventName!r}",
        11: "any task of a task_any",
        12: "all tasks of a task_all",
    }
    return names.get(action["actionType"], "action {actionType}").format(**action)


def _warn_of_late_timers(state: Walk) -> None:
    if not state.response.is_done or not state.open_timers or not state.clock:
        return
    latest = max(state.open_timers.values())
    if history.parse_timestamp(latest) - history.parse_timestamp(state.clock) > _LATE_TIMER_US:
        state.warnings.append(
            f"The orchestrator is done, but a timer that it did not cancel is open until {latest}: the instance stays "
            "Running until then. Cancel the timer when it lost."
        )
