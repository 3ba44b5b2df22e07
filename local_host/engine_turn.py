"""One turn of the engine: everything that is ready, worked off in memory, then one commit.

Executions and entities take turns, each kind until none is ready: so an entity gets the operations of all executions in
one batch, and an execution the answers of all its entities in one episode. What the turn's time does not suffice for is
stored with the rest and is ready in the next turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from local_host import entities, history
from local_host.engine_state import SQL, ActivityWork, Entity, Execution, OperationMessage, State
from local_host.engine_watchdog import Watchdog
from local_host.episode import Episode, identity_of, run_episode, scheduling_event
from local_host.history import entity_id, timestamp, to_json
from local_host.log import Log
from local_host.model import Functions
from local_host.walk import Outcome
from local_host.walk_state import Activity, Child, Known, Operation, Timer

_TIMERS_AT_ONCE = 1000
# What has been delivered is marked in the text: the member stands before any that holds the app's own text.
_NEW, _PLAYED = '"IsPlayed":false', '"IsPlayed":true'


class Turn:
    """The working memory of one turn. `now_us` is the instant of everything that happens in it."""

    def __init__(
        self,
        state: State,
        functions: Functions,
        known: Known,
        log: Log,
        watchdog: Watchdog,
        *,
        now_us: int,
        new_id: Callable[[], str],
    ) -> None:
        self.state = state
        self.functions = functions
        self.known = known
        self.log = log
        self.watchdog = watchdog
        self.now_us = now_us
        self.at = timestamp(now_us)
        self.new_id = new_id
        self.last: int | str | None = None  # the execution or entity that ran last

    # -- what comes in -----------------------------------------------------------------------------------------------

    def start(
        self,
        name: str,
        instance_id: str,
        input_text: str | None,
        version: str,
        parent: tuple[str, str, int] | None = None,
    ) -> Execution:
        """Make a new instance, Pending, with its first message. The id must be free, or its instance removed before."""
        execution = Execution(
            row=next(self.state.instance_ids),
            instance_id=instance_id,
            execution_id=self.new_id(),
            name=self.functions.orchestrators[name.lower()].name,
            version=version,
            status="Pending",
            input=input_text,
            custom_status=None,
            output=None,
            created_us=self.now_us,
            updated_us=self.now_us,
            parent=parent,
        )
        self.state.add(execution)
        self._deliver_start(execution)
        self._warn_if_large(execution.instance_id, "input", input_text)
        return execution

    def _deliver_start(self, execution: Execution) -> None:
        event = history.execution_started(
            self.at,
            name=execution.name,
            version=execution.version,
            input_text=execution.input,
            instance_id=execution.instance_id,
            execution_id=execution.execution_id,
            parent=execution.parent,
        )
        self.state.deliver(execution, event)

    def fire_timers(self) -> None:
        """Deliver every timer that is due."""
        due_us = self.state.next_timer_us
        if due_us is None or due_us > self.now_us:
            return
        rows = self.state.database.rows(SQL["due_timers"], (self.now_us, _TIMERS_AT_ONCE))
        for row, task_id, fire_us in rows:
            execution = self.state.by_row(row)
            if execution is None or not execution.is_active:
                continue  # purged in this very turn
            execution.fired_timers.append(task_id)
            event = history.timer_fired(self.at, task_id, timestamp(fire_us))
            self.state.deliver(execution, event, execution.execution_id)

    def finish_activity(self, work: ActivityWork, event: history.Event) -> None:
        """Deliver an activity's result, unless its instance no longer waits for it."""
        execution = self.state.by_row(work.instance)
        if execution is None or execution.activities.get(work.task_id) != work.id:
            return
        if execution.row in self.state.set_aside:
            return  # still owed in the file
        del execution.activities[work.task_id]
        execution.answered_activities.append(work.id)
        event["Timestamp"] = self.at
        self.state.deliver(execution, event, work.execution_id)
        self._warn_if_large(execution.instance_id, f"result of {work.name}", event.get("Result"))

    def rewind(self, execution: Execution, reason: str) -> None:
        """Let a failed execution, and its failed children, run again as if their failures had not happened."""
        if not execution.parts:
            self.state.load_history(execution)
        events, children = history.rewound(execution.events)
        execution.restart_history()
        for event in events:
            execution.record(event)
        execution.renewed, execution.status, execution.output = True, "Pending", None
        execution.updated_us = max(execution.updated_us, self.now_us)
        self.state.keep(execution)
        self.state.deliver(execution, history.generic_event(self.at, reason))
        for instance_id in children:
            child = self.state.find(instance_id)
            if child is not None and child.status == "Failed":
                self.rewind(child, reason)

    # -- working it off ----------------------------------------------------------------------------------------------

    def work(self, deadline: float) -> None:
        """Run ready entities and executions until none is left, or `time.monotonic` passes the deadline."""
        state = self.state
        while state.ready or state.ready_entities:
            while state.ready:
                self._run_execution(state.ready.pop(next(iter(state.ready))))
                if time.monotonic() > deadline:
                    return
            while state.ready_entities:
                self._run_entity(state.ready_entities.pop(next(iter(state.ready_entities))))
                if time.monotonic() > deadline:
                    return

    def _run_entity(self, entity: Entity) -> None:
        function = self.functions.entities.get(entity.entity_id[1:].partition("@")[0])
        batch = [
            entity.queue.popleft() for _ in range(min(len(entity.queue), self.state.options.entity_batch))
        ]
        if not batch:
            return
        self.last = entity.entity_id
        self.state.dirty_entities[entity.entity_id] = entity
        if entity.queue:
            self.state.ready_entities[entity.entity_id] = entity
        entity.executed_rows += [operation.row for operation in batch if operation.row is not None]
        if function is None:
            self._refuse_operations(entity, batch)
            return
        self.watchdog.begin(entity.entity_id)
        result = entities.run_batch(
            function, entity.entity_id, exists=entity.exists, state=entity.state, operations=batch
        )
        self.watchdog.end()
        if result.exists and not entity.exists:
            entity.created_us = self.now_us
        entity.exists, entity.state, entity.changed = result.exists, result.state, True
        entity.updated_us = max(entity.updated_us, self.now_us)
        for operation, message in result.broken:
            self.log.error(
                "entity_operation_failed", entity=entity.entity_id, operation=operation.name, message=message
            )
        for operation, text in result.answers:
            self._answer(operation, text)

    def _refuse_operations(self, entity: Entity, batch: list[OperationMessage]) -> None:
        # The function was registered when the operation was accepted; the app has changed since.
        message = (
            f"The function '{entity.entity_id}' doesn't exist, is disabled, or is not an entity function."
        )
        self.log.error("entity_function_missing", entity=entity.entity_id, operations=len(batch))
        for operation in batch:
            if operation.request_id is not None:
                self._answer(operation, to_json({"result": to_json(message), "exceptionType": "Error"}))

    def _answer(self, operation: OperationMessage, text: str) -> None:
        assert operation.caller_instance_id is not None
        assert operation.request_id is not None
        caller = self.state.find(operation.caller_instance_id)
        if caller is not None and caller.is_active:
            event = history.event_raised(self.at, operation.request_id, text)
            self.state.deliver(caller, event, operation.caller_execution_id)

    def _run_execution(self, execution: Execution) -> None:
        messages = self._take_messages(execution)
        if not messages:
            return
        self.last = execution.row
        self.state.dirty[execution.row] = execution
        self.watchdog.begin(execution.name)
        try:
            episode = run_episode(
                execution, messages, self.functions, self.known, at=self.at, more=bool(execution.messages)
            )
        except Exception as error:  # noqa: BLE001 - one instance's trouble must not stop the others
            self.log.error("episode_broke", error=error, instance_id=execution.instance_id)  # noqa: TRY400 - not `logging`
            broken = Outcome(
                "Failed", output=f"The local host could not run an episode: {type(error).__name__}: {error}"
            )
            events = (history.orchestrator_started(self.at), *messages)
            episode = Episode(events, tuple(to_json(event) for event in events), broken)
        self.watchdog.end()
        self._apply(execution, episode)

    def _take_messages(self, execution: Execution) -> list[history.Event]:
        taken = []
        for message in execution.messages:
            if message.row is not None:
                execution.delivered_rows.append(message.row)
                self.state.dirty[execution.row] = execution
            # Answers for an execution that has continued as new since are dropped.
            if message.execution_id is None or message.execution_id == execution.execution_id:
                taken.append(message.event)
        execution.messages.clear()
        return taken

    # -- applying an episode -----------------------------------------------------------------------------------------

    def _apply(self, execution: Execution, episode: Episode) -> None:
        outcome = self._checked(episode.outcome)
        for event, part in zip(episode.events, episode.parts, strict=True):
            event["IsPlayed"] = True
            execution.events.append(event)
            execution.parts.append(part.replace(_NEW, _PLAYED, 1))
        execution.updated_us = max(execution.updated_us, self.now_us)
        execution.status, execution.custom_status = outcome.status, outcome.custom_status
        execution.open_calls, execution.needs = outcome.open_calls, outcome.needs
        for warning in outcome.warnings:
            self.log.warning("orchestration_warning", instance_id=execution.instance_id, message=warning)
        identity = identity_of(execution)
        for decision in outcome.decisions:
            execution.record(scheduling_event(decision, identity, self.at))
            _DECIDE[type(decision)](self, execution, decision)
        if outcome.status == "ContinuedAsNew":
            self._continue_as_new(execution, outcome)
        elif not execution.is_active:
            self._finish(execution, outcome)
        else:
            execution.record(history.orchestrator_completed(self.at))

    def _checked(self, outcome: Outcome) -> Outcome:
        """Refuse a child whose id is taken by a running instance: on Azure its parent would wait for ever."""
        children: set[str] = set()
        for decision in outcome.decisions:
            if isinstance(decision, Child):
                other = self.state.find(decision.instance_id)
                taken = other is not None and other.is_active
                if taken or decision.instance_id in children:
                    return Outcome(
                        "Failed",
                        output=f"The sub-orchestration id {decision.instance_id!r} belongs to an instance that is "
                        "not over. On Azure the parent would wait for ever. Use another id.",
                        custom_status=outcome.custom_status,
                    )
                children.add(decision.instance_id)
        return outcome

    def _continue_as_new(self, execution: Execution, outcome: Outcome) -> None:
        execution.renewed = True
        execution.restart_history()
        execution.new_activities, execution.new_timers, execution.fired_timers = [], [], []
        execution.execution_id = self.new_id()
        execution.input = None if outcome.next_input is None else to_json(outcome.next_input)
        execution.created_us = execution.updated_us = max(execution.updated_us, self.now_us)
        self._deliver_start(execution)
        for event in outcome.carried:
            self.state.deliver(execution, event)

    def _finish(self, execution: Execution, outcome: Outcome) -> None:
        execution.output = None if outcome.output is None else history.cleaned(outcome.output)
        execution.record(history.execution_completed(self.at, execution.status, outcome.output))
        execution.record(history.orchestrator_completed(self.at))
        execution.open_calls = 0
        self._warn_if_large(execution.instance_id, "output", outcome.output)
        if execution.status == "Failed":
            self.log.warning(
                "instance_failed",
                instance_id=execution.instance_id,
                name=execution.name,
                message=outcome.output,
            )
        execution.messages.clear()
        self.state.ready.pop(execution.row, None)
        self.state.gathering.pop(execution.row, None)
        self._tell_parent(execution)

    def _tell_parent(self, execution: Execution) -> None:
        if execution.parent is None:
            return
        instance_id, execution_id, task_id = execution.parent
        parent = self.state.find(instance_id)
        if parent is None or not parent.is_active:
            return
        output = execution.output
        if execution.status == "Completed":
            event = history.sub_orchestration_completed(self.at, task_id, output)
        elif execution.status == "Terminated":
            event = history.sub_orchestration_failed(self.at, task_id, output or "", None)
        else:
            own = (output or "").removeprefix(f"Orchestrator function '{execution.name}' failed: ")
            event = history.sub_orchestration_failed(
                self.at, task_id, output or "", f"Message: {own}, StackTrace: "
            )
        self.state.deliver(parent, event, execution_id)

    def _warn_if_large(self, instance_id: str, what: str, text: str | None) -> None:
        if text is not None and len(text) > self.state.options.large_payload_bytes:
            self.log.warning("large_payload", instance_id=instance_id, what=what, characters=len(text))


# -- decisions: the message each sends ------------------------------------------------------------------------------


def _decide_activity(turn: Turn, execution: Execution, decision: Activity) -> None:
    if not execution.is_over:
        number = next(turn.state.activity_ids)
        execution.activities[decision.task_id] = number
        execution.new_activities.append(
            ActivityWork(
                number,
                execution.row,
                execution.instance_id,
                execution.execution_id,
                decision.task_id,
                decision.name,
                decision.input,
            )
        )


def _decide_child(turn: Turn, execution: Execution, decision: Child) -> None:
    replaced = turn.state.find(decision.instance_id)
    if replaced is not None:
        turn.state.remove(replaced)
    input_text = None if decision.input is None else to_json(decision.input)
    parent = (execution.instance_id, execution.execution_id, decision.task_id)
    turn.start(decision.name, decision.instance_id, input_text, "", parent)


def _decide_timer(turn: Turn, execution: Execution, decision: Timer) -> None:
    if not execution.is_over:
        fire_us = history.parse_timestamp(decision.fire_at)
        execution.new_timers.append((decision.task_id, fire_us))
        due_us = turn.state.next_timer_us
        turn.state.next_timer_us = fire_us if due_us is None else min(due_us, fire_us)


def _decide_operation(turn: Turn, execution: Execution, decision: Operation) -> None:
    input_text = None if decision.input is None else to_json(decision.input)
    operation = OperationMessage(decision.operation, input_text)
    if decision.request_id is not None:
        operation = OperationMessage(
            decision.operation, input_text, decision.request_id, execution.instance_id, execution.execution_id
        )
    turn.state.enqueue(turn.state.entity(entity_id(decision.entity_id), turn.now_us), operation)


_DECIDE: dict[type, Callable[..., None]] = {
    Activity: _decide_activity,
    Child: _decide_child,
    Timer: _decide_timer,
    Operation: _decide_operation,
}
