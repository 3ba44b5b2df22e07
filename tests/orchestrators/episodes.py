"""Run an orchestrator, episode by episode, through the SDK's own handle and the extension's walk, in memory.

`Execution` keeps a history as the task hub would; a test delivers messages to it and looks at what was decided. What it has
kept can be written down as a fixture, and `replay` goes through a fixture again, episode by episode.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.durable_functions.orchestrator import Orchestrator

from local_host import history
from local_host.episode import scheduling_event
from local_host.sdk import Response, run_orchestrator
from local_host.walk import Outcome, walk
from local_host.walk_state import Decision, Identity, Known
from orchestrators.administer_credential import administer_credential
from orchestrators.administer_session import administer_session
from orchestrators.authenticate_passkey import authenticate_passkey
from orchestrators.end_access import end_access
from orchestrators.flush_audit import flush_audit
from orchestrators.issue_recovery_ticket import issue_recovery_ticket
from orchestrators.recover_account import recover_account
from orchestrators.refresh_metadata import refresh_metadata
from orchestrators.register_passkey import register_passkey
from orchestrators.rotate_keys import rotate_keys

Event = dict[str, Any]
Function = Callable[[Any], Generator[Any, Any, Any]]

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
ORCHESTRATORS: dict[str, Function] = {
    "register_passkey": register_passkey,
    "authenticate_passkey": authenticate_passkey,
    "recover_account": recover_account,
    "administer_credential": administer_credential,
    "administer_session": administer_session,
    "end_access": end_access,
    "issue_recovery_ticket": issue_recovery_ticket,
    "flush_audit": flush_audit,
    "refresh_metadata": refresh_metadata,
    "rotate_keys": rotate_keys,
}
SINGLETONS = {
    "end_access": "leaver-" + "1" * 32,
    "flush_audit": "audit-flush",
    "refresh_metadata": "metadata-refresh",
    "rotate_keys": "key-rotation",
}
PENDING = Outcome("Pending")
KNOWN = Known(
    activities=frozenset(
        {
            "issue_registration_challenge",
            "issue_authentication_challenge",
            "issue_recovery_challenge",
            "verify_registration",
            "verify_authentication",
            "resolve_claims",
            "record_credential",
            "find_leaver",
            "end_sessions",
            "record_recovery",
            "change_credential",
            "change_session",
            "redeem_recovery",
            "append_audit",
            "load_metadata",
            "judge_credentials",
            "turn_keys",
        }
    ),
    orchestrators=frozenset(ORCHESTRATORS),
    entities=frozenset({"rate_limiter", "audit_log"}),
)


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def run(
    function: Function, identity: Identity, input_text: str, events: list[Event]
) -> tuple[Response, Outcome]:
    """One episode: the function over the whole history, and what the extension makes of its answer."""
    body = {
        "history": events,
        "input": json.loads(input_text),
        "instanceId": identity.instance_id,
        "isReplaying": False,
        "parentInstanceId": None,
        "upperSchemaVersion": 1,
        "upperSchemaVersionNew": 2,
        "longRunningTimerIntervalDuration": "3.00:00:00",
        "maximumShortTimerDuration": "6.00:00:00",
        "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
    }
    response = run_orchestrator(Orchestrator.create(function), json.dumps(body))
    return response, walk(identity, response, events, KNOWN)


def scheduled(decision: Decision, identity: Identity, at: str) -> Event:
    """The scheduling event that records a decision, as the host writes it."""
    return dict(scheduling_event(decision, identity, at))


@dataclass
class Execution:
    """One execution of one orchestrator: its history, and what the last episode came to."""

    name: str
    request: dict[str, Any]
    function: Function | None = None
    now: datetime = START
    events: list[Event] = field(default_factory=list)
    episodes: int = 0
    outcome: Outcome = field(default=PENDING)
    response: Response | None = None

    def __post_init__(self) -> None:
        self.input_text = json.dumps(json.dumps(self.request))
        self.instance_id = (
            self.request.get("ceremony_id") or self.request.get("act_id") or SINGLETONS[self.name]
        )
        self.identity = Identity(self.name, self.instance_id, "e1")
        self.function = self.function or ORCHESTRATORS[self.name]
        self.deliver(
            history.execution_started(
                stamp(self.now),
                name=self.name,
                version="",
                input_text=self.input_text,
                instance_id=self.instance_id,
                execution_id="e1",
                parent=None,
            )
        )

    def deliver(self, *messages: Event) -> Outcome:
        """Run one episode with these messages, and keep what it decided."""
        assert self.function is not None
        at = stamp(self.now)
        self.episodes += 1
        self.events += [history.orchestrator_started(at), *messages]
        self.response, self.outcome = run(self.function, self.identity, self.input_text, self.events)
        self.events += [scheduled(decision, self.identity, at) for decision in self.outcome.decisions]
        if self.outcome.status in {"Completed", "Failed"}:
            self.events.append(history.execution_completed(at, self.outcome.status, self.outcome.output))
        self.events.append(history.orchestrator_completed(at))
        return self.outcome

    def later(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    # -- messages for what is open ----------------------------------------------------------------------------------

    def done(self, name: str, result: Any) -> Event:
        return history.task_completed(stamp(self.now), self._task(name), json.dumps(result))

    def failed(self, name: str) -> Event:
        reason = f"Activity function '{name}' failed:  OSError: out of order"
        return history.task_failed(stamp(self.now), self._task(name), reason, "{}")

    def answered(self, entity_id: str, result: Any, *, error: bool = False) -> Event:
        message = {"result": json.dumps(result)} | ({"exceptionType": "Error"} if error else {})
        return history.event_raised(stamp(self.now), self._request(entity_id), json.dumps(message))

    def raised(self, name: str, data: Any) -> Event:
        """As the SDK's client sends it: the JSON text of the data, as a JSON string."""
        return history.event_raised(stamp(self.now), name, json.dumps(json.dumps(data)))

    def fired(self) -> Event:
        timer = self._last(history.TIMER_CREATED)
        return history.timer_fired(stamp(self.now), timer["EventId"], timer["FireAt"])

    def _task(self, name: str) -> int:
        return int(self._last(history.TASK_SCHEDULED, Name=name)["EventId"])

    def _request(self, entity_id: str) -> str:
        return str(json.loads(self._last(history.EVENT_SENT, InstanceId=entity_id)["Input"])["id"])

    def _last(self, event_type: int, **members: str) -> Event:
        return [
            event
            for event in self.events
            if event["EventType"] == event_type and members.items() <= event.items()
        ][-1]

    # -- what came of it --------------------------------------------------------------------------------------------

    @property
    def output(self) -> dict[str, Any]:
        assert self.outcome.status == "Completed", (self.outcome, self.response)
        return dict(json.loads(self.outcome.output or "null"))

    @property
    def custom_status(self) -> dict[str, Any]:
        return dict(json.loads(self.outcome.custom_status or "null"))

    def signals(self) -> list[tuple[str, str, Any]]:
        """(entity, operation, input) of each signal in the history."""
        messages = [
            (event["InstanceId"], json.loads(event["Input"]))
            for event in self.events
            if event["EventType"] == history.EVENT_SENT
        ]
        return [
            (entity, message["op"], json.loads(json.loads(message["input"])))
            for entity, message in messages
            if message.get("signal")
        ]

    def calls(self) -> list[str]:
        """The names of activities and entities that were asked, in order of their ids."""
        named = {history.TASK_SCHEDULED: "Name", history.EVENT_SENT: "InstanceId"}
        return [event[named[event["EventType"]]] for event in self.events if event["EventType"] in named]

    def fixture(self) -> dict[str, Any]:
        """The execution as a recorded history."""
        return {
            "orchestrator": self.name,
            "instance_id": self.instance_id,
            "status": self.outcome.status,
            "output": json.loads(self.outcome.output) if self.outcome.output else None,
            "events": self.events,
        }


class Divergence(AssertionError):
    """A recorded history and the code do not say the same."""


def replay(fixture: dict[str, Any], function: Function | None = None, *, before: bool = False) -> int:
    """Go through a recorded history episode by episode; raises Divergence at the first difference; how many episodes.

    Compared are the kind, id and name of every decision, its input and time where the history keeps them, and the output.
    Of a history that was recorded `before` outputs and audit entries gained members, these may be more than was recorded.
    """
    name = fixture["orchestrator"]
    function = function or ORCHESTRATORS[name]
    started = next(e for e in fixture["events"] if e["EventType"] == history.EXECUTION_STARTED)
    input_text = started["Input"]
    identity = Identity(name, fixture["instance_id"], started["OrchestrationInstance"]["ExecutionId"])
    seen: list[Event] = []
    count = 0
    outcome = PENDING
    for messages, recorded in _episodes(fixture["events"]):
        seen += messages
        count += 1
        _, outcome = run(function, identity, input_text, seen)
        decided = [_facts(scheduled(decision, identity, "")) for decision in outcome.decisions]
        if outcome.status == "Failed" and fixture["status"] != "Failed":
            raise Divergence(outcome.output)
        if not _same(decided, [_facts(event) for event in recorded], before=before):
            raise Divergence(
                f"episode {count} decided {decided}, recorded was {[_facts(e) for e in recorded]}"
            )
        seen += recorded
    output = json.loads(outcome.output) if outcome.output else None
    if outcome.status != fixture["status"] or not _same(output, fixture["output"], before=before):
        raise Divergence(
            f"ended {outcome.status} with {output}; recorded was {fixture['status']} with {fixture['output']}"
        )
    return count


SCHEDULING = {history.TASK_SCHEDULED, history.TIMER_CREATED, history.EVENT_SENT}


def _episodes(events: list[Event]) -> Iterator[tuple[list[Event], list[Event]]]:
    """(what was delivered, what was decided) of each episode."""
    messages: list[Event] = []
    decided: list[Event] = []
    for event in events:
        kind = event["EventType"]
        if kind == history.ORCHESTRATOR_COMPLETED:
            yield messages, decided
            messages, decided = [], []
        elif kind in SCHEDULING:
            decided.append(event)
        elif kind != history.EXECUTION_COMPLETED:
            messages.append(event)


def _same(now: Any, recorded: Any, *, before: bool) -> bool:
    """Whether two say the same; or the one says what the other, from `before`, says and something beside it."""
    if not before:
        return bool(now == recorded)
    if isinstance(now, list):
        pairs = zip(now, recorded, strict=False)
        return len(now) == len(recorded) and all(_same(*pair, before=True) for pair in pairs)
    if isinstance(now, dict) and now.get("op") == "record":
        entries = [json.loads(json.loads(facts["input"])) for facts in (now, recorded)]
        return {**now, "input": ""} == {**recorded, "input": ""} and _same(*entries, before=True)
    if isinstance(now, dict) and now.get("v") == 1:  # an output or an audit entry
        return {**now, **recorded} == now
    return bool(now == recorded)


def _facts(event: Event) -> dict[str, Any]:
    """What two histories of the same execution must agree on. Ids of requests are the engine's own affair."""
    facts = {key: event.get(key) for key in ("EventType", "EventId", "Name", "InstanceId")}
    if event["EventType"] == history.EVENT_SENT:
        message = json.loads(event["Input"])
        facts |= {"op": message["op"], "input": message["input"], "signal": bool(message.get("signal"))}
    if event["EventType"] == history.TIMER_CREATED:
        facts["FireAt"] = event["FireAt"][:23]
    return facts
