"""Invoking actions: what each asks of the engine, and when its task is done.

The walk goes through the actions in order: invoke one, wait for its task, invoke the next. (Durable extension:
out-of-process orchestration shim.)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import lru_cache

from local_host import history
from local_host.history import Event, storable, to_json
from local_host.walk_state import Action, Activity, Child, Loud, Operation, Task, Timer, Walk

HTTP_ACTIVITY = "BuiltIn::HttpActivity"
_MAX_RETRY_PAUSE_MS = 6 * 24 * 3600 * 1000  # the extension's longest pause
_REQUEST_IDS = uuid.UUID("7d4b6a5e-2f0c-5b5e-9f35-1a6f7d1a2c10")


def advance(walk: Walk) -> None:
    """Invoke and await actions in order, as far as it goes. An awaited task's failure does not matter here."""
    actions = walk.response.actions
    while walk.position < len(actions):
        walk.first_id = walk.next_id
        task = invoke(walk, actions[walk.position])
        if not task.done:
            task.when_done(lambda _task: _next(walk))
            return
        walk.position += 1
    walk.walked = True


def _next(walk: Walk) -> None:
    walk.position += 1
    advance(walk)


def invoke(walk: Walk, action: Action) -> Task:
    """Begin one action; its task. Raises Loud where the real engine fails, or hangs."""
    kind = action["actionType"]
    try:
        begin = _INVOKE[kind]
    except KeyError:
        raise Loud(f"The SDK sent an action of type {kind}, which this host does not know.") from None
    return begin(walk, action)


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
        walk.close(walk.next_id - 1)
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
        note_spelling(walk, spelling, queue.popleft())
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
    request_id = None if signal else _request_id(walk.identity.execution_id, task_id)
    return Operation(task_id, entity_id, action["operation"], action.get("input"), request_id)


@lru_cache(4096)  # asked again at every replay
def _request_id(execution_id: str, task_id: int) -> str:
    return str(uuid.uuid5(_REQUEST_IDS, f"{execution_id}:{task_id}"))


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
    children = [invoke(walk, child) for child in action["compoundActions"]]
    for child in children:
        child.when_done(lambda _child: compound.resolve())
    return compound


def _when_all(walk: Walk, action: Action) -> Task:
    compound = Task()
    children = [invoke(walk, child) for child in action["compoundActions"]]
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


def note_spelling(walk: Walk, spelling: str, event: Event) -> None:
    """Warn when an event is taken whose name is spelled otherwise than the wait's."""
    if event["Name"] != spelling:
        walk.warnings.append(
            f"The event {event['Name']!r} was raised while the orchestrator waits for {spelling!r}: the engine ignores "
            "case, the SDK does not, so the orchestrator will not see it. Spell event names identically."
        )
