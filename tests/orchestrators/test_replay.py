"""Recorded histories, replayed: a change that would break a running instance is caught here."""

from __future__ import annotations

import copy
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from local_host import history
from local_host.walk_events import NON_DETERMINISTIC
from orchestrators import ceremony as shape
from orchestrators.authenticate_passkey import AUTHENTICATION
from passkeys.ceremony import Outcome
from tests.orchestrators.episodes import Divergence, Execution, replay
from tests.orchestrators.record import HISTORIES
from tests.orchestrators.scenarios import admit, answer, request, start

# Recorded before ceremonies carried a proof key and the rest: instances like these are running when the app is replaced.
BEFORE = sorted(HISTORIES.glob("before/*.json"))
FILES = sorted(set(HISTORIES.glob("**/*.json")) - set(BEFORE))


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_history_replays_without_divergence(path: Path) -> None:
    """Each episode decides what was recorded, in kind, id, name and input; the end is the recorded one."""
    assert replay(load(path)) >= 2


@pytest.mark.parametrize("path", BEFORE, ids=lambda path: path.stem)
def test_an_instance_that_began_before_carries_on(path: Path) -> None:
    """Without the members that a start says today, each episode decides what it did; only the end says more than then."""
    assert replay(load(path), before=True) >= 2


def test_an_older_history_is_still_compared() -> None:
    """A reordered ceremony, another input and another outcome are found in an older history too."""
    fixture = load(HISTORIES / "before" / "authentication_completed.json")
    for changed in (verification_first, without_limits):
        with pytest.raises(Divergence):
            replay(fixture, changed, before=True)
    for member, value in (("outcome", "rejected"), ("person", None)):
        with pytest.raises(Divergence):
            replay({**fixture, "output": {**fixture["output"], member: value}}, before=True)
    altered = json.loads(json.dumps(fixture).replace("203.0.113.0-24", "203.0.114.0-24", 1))
    with pytest.raises(Divergence):
        replay({**fixture, "events": altered["events"]}, before=True)


def test_every_outcome_is_recorded() -> None:
    """There is at least one history for each outcome that a ceremony can have."""
    recorded = {(load(path)["output"] or {}).get("outcome") for path in FILES}
    assert set(Outcome) <= recorded


def verification_first(context: Any) -> Generator[Any, Any, Any]:
    """The ceremony with one thing reordered: claims are asked for before verification."""
    asked = context.call_activity

    def swapped(name: str, data: Any = None) -> Any:
        others = {"verify_authentication": "resolve_claims", "resolve_claims": "verify_authentication"}
        return asked(others.get(name, name), data)

    context.call_activity = swapped
    return (yield from shape.ceremony(context, AUTHENTICATION))


def without_limits(context: Any) -> Generator[Any, Any, Any]:
    """The ceremony with one thing removed: the limiters."""
    given = context.get_input()
    context.get_input = lambda: {**given, "limits": []}
    return (yield from shape.ceremony(context, AUTHENTICATION))


@pytest.mark.parametrize(
    "changed", [verification_first, without_limits], ids=lambda function: function.__name__
)
def test_a_reordered_orchestrator_is_caught(changed: Any) -> None:
    """A changed ceremony diverges from what was recorded with the real one."""
    with pytest.raises(Divergence):
        replay(load(HISTORIES / "authentication_completed.json"), changed)


@pytest.mark.parametrize(
    "changed", [verification_first, without_limits], ids=lambda function: function.__name__
)
def test_a_reordered_orchestrator_fails_a_running_instance(changed: Any) -> None:
    """The engine itself says so: the instance that was running ends with the message of non-determinism."""
    run = answer(admit(start("authentication")))
    run.function = changed
    run.later(milliseconds=30)
    outcome = run.deliver(run.done("verify_authentication", {"verified": False, "reason": "x"}))
    assert outcome.status == "Failed"
    assert (outcome.output or "").startswith(NON_DETERMINISTIC)


def test_a_changed_input_is_caught_too() -> None:
    """The engine would silently keep the old result; the fixture says what was asked."""
    fixture = load(HISTORIES / "authentication_completed.json")
    changed = copy.deepcopy(fixture)
    for event in changed["events"]:
        if event["EventType"] == history.EVENT_SENT and event["InstanceId"].startswith("@rate_limiter"):
            event["Input"] = event["Input"].replace("30", "31")
    with pytest.raises(Divergence):
        replay(changed)


def pending(shard: str, entries: list[str], position: int) -> dict[str, Any]:
    """An audit log's answer to `pending`."""
    seq = position + len(entries) - 1
    return {
        "shard": shard,
        "segment": "2026-01-01",
        "position": position,
        "through_seq": seq,
        "entries": entries,
    }


def appended(position: int) -> dict[str, Any]:
    """What append_audit returns."""
    return {"segment": "2026-01-01", "position": position, "through_seq": position - 1}


def flush(appends: int) -> Execution:
    """A flush of two shards: shard 00 has an entry in each of `appends` rounds, shard 03 never has one."""
    run = Execution("flush_audit", {"v": 1, "shards": ["00", "03"]})
    run.deliver(
        run.answered("@audit_log@03", pending("03", [], 9)),
        run.answered("@audit_log@00", pending("00", ["{}"], 0)),
    )
    for turn in range(1, appends + 1):
        run.deliver(run.done("append_audit", appended(turn)))
        if turn < appends:
            run.deliver(run.answered("@audit_log@00", pending("00", ["{}"], turn)))
    return run


def test_a_flush_appends_and_then_acknowledges() -> None:
    """Only what the file has is acknowledged, shard by shard; an empty shard is not asked again."""
    run = flush(1)
    assert run.signals() == [("@audit_log@00", "flushed", appended(1))]
    outcome = run.deliver(run.answered("@audit_log@00", pending("00", [], 1)))
    assert outcome.status == "Completed"
    assert run.output == {"v": 1, "flushed": 1, "failed": []}
    assert replay(run.fixture()) == 4


def test_a_flush_ends_after_a_bounded_number_of_rounds() -> None:
    """Entries that keep coming are for the next flush: this one's history must stay short."""
    run = flush(5)
    assert run.output == {"v": 1, "flushed": 5, "failed": []}


def test_a_damaged_shard_does_not_stop_the_others() -> None:
    """The healthy shard is acknowledged and asked again; the damaged one is named, and not tried twice in one flush."""
    run = Execution("flush_audit", {"v": 1, "shards": ["00", "03"]})
    run.deliver(
        run.answered("@audit_log@00", pending("00", ["{}"], 0)),
        run.answered("@audit_log@03", pending("03", ["{}"], 0)),
    )
    damaged = {"shard": "00", "failed": "has 0 bytes where 9 were written"}
    tasks = [event["EventId"] for event in run.events if event["EventType"] == history.TASK_SCHEDULED]
    results = (run.done("append_audit", damaged), run.done("append_audit", appended(1)))
    run.deliver(*({**done, "TaskScheduledId": task} for task, done in zip(tasks, results, strict=True)))
    assert run.signals() == [("@audit_log@03", "flushed", appended(1))]
    outcome = run.deliver(run.answered("@audit_log@03", pending("03", [], 1)))
    assert outcome.status == "Completed"
    assert run.output == {"v": 1, "flushed": 1, "failed": [damaged]}


def test_a_flush_of_damaged_shards_alone_ends() -> None:
    """Nothing is left to ask: the flush ends, and says what is wrong."""
    run = Execution("flush_audit", {"v": 1, "shards": ["00"]})
    run.deliver(run.answered("@audit_log@00", pending("00", ["{}"], 0)))
    outcome = run.deliver(run.done("append_audit", {"shard": "00", "failed": "gone"}))
    assert outcome.status == "Completed"
    assert run.output == {"v": 1, "flushed": 0, "failed": [{"shard": "00", "failed": "gone"}]}


def test_a_flush_whose_append_fails_acknowledges_nothing() -> None:
    """The shard keeps its entries, and the next flush begins where this one stopped."""
    run = Execution("flush_audit", {"v": 1, "shards": ["00"]})
    run.deliver(run.answered("@audit_log@00", pending("00", ["{}"], 0)))
    outcome = run.deliver(run.failed("append_audit"))
    assert outcome.status == "Failed"
    assert run.signals() == []


def test_the_request_of_the_scenarios_is_the_starters() -> None:
    """The scenarios' input has the members that a starter writes (tests/starters compare the other side)."""
    assert set(request("authentication")) == {
        "v", "kind", "ceremony_id", "person", "ticket", "network", "deadline_seconds", "limits", "audit_shard", "audit",
        "mediation", "code_challenge", "username", "session", "session_credential", "session_at", "recovery", "token", "identity",
        "details", "wishes", "client_id", "authorization",
    }  # fmt: skip
