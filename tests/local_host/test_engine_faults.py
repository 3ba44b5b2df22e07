"""Kill the engine at every commit, deliver in every order: the outcome is the same, and nothing happens that must not."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest

from local_host.database import Database
from local_host.model import StorageFailed
from local_host.queries import statements
from tests.local_host.engine_app import Bench, Clock, bench, functions

COUNTER = df.EntityId("counter", "k")


def counter(context):
    """Counts, and keeps the order of what it was told."""
    told = context.get_state(list)
    told.append(context.get_input())
    context.set_state(told)
    context.set_result(len(told))


def ceremony(context):
    """Every feature that leaves something in the file: calls, signals, activities, timers, events, a child, a retry."""
    name = context.instance_id
    place, issued = yield context.task_all(
        [context.call_entity(COUNTER, "add", name + "-1"), context.call_activity("issue", name)]
    )
    context.set_custom_status({"issued": issued})
    event = context.wait_for_external_event("go")
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=60))
    winner = yield context.task_any([event, timer])
    if winner == event:
        timer.cancel()
    checked = yield context.call_activity_with_retry("flaky", df.RetryOptions(1000, 3), name)
    below = yield context.call_sub_orchestrator("below", name, name + "-child")
    context.signal_entity(COUNTER, "add", name + "-2")
    return {
        "place": place,
        "answer": event.result if winner == event else None,
        "checked": checked,
        "below": below,
    }


def below(context):
    return (yield context.task_all([context.call_activity("issue", n) for n in (1, 2)]))


def issue(value):
    return {"issued": value}


def flaky_once() -> Any:
    seen: Counter[str] = Counter()

    def flaky(value):
        seen[value] += 1
        if seen[value] == 1:
            raise ValueError("first time")
        return "checked"

    return flaky


def app(flaky: Any) -> Any:
    return functions((ceremony, below), (issue, flaky), (counter,))


def expected(name: str) -> dict[str, Any]:
    return {
        "place": 1,
        "answer": {"a": 1},
        "checked": "checked",
        "below": [{"issued": 1}, {"issued": 2}],
    }


async def play(b: Bench, *, raise_go: bool = True) -> None:
    """Drive the ceremony to its end from wherever it is: start it if it is not there, answer if it waits, let time pass."""
    await b.quiet()
    if b.engine.get_instance("i1") is None:
        await b.engine.start_instance("ceremony", "i1", None)
    await b.quiet()
    if raise_go and not any(event.get("Name") == "go" for event in b.engine.get_history("i1")):
        if b.instance("i1").status == "Running":
            await b.engine.raise_event("i1", "go", '{"a":1}')
    for _ in range(4):
        await b.advance(1)


def check(b: Bench) -> None:
    """The outcome, the entity's order, and that nothing is left over."""
    assert b.output("i1") == expected("i1")
    assert json.loads(b.engine.read_entity("counter", "k") or "[]") == ["i1-1", "i1-2"]
    for table in ("inbox", "activity", "timer", "operation"):
        assert b.database.rows(f"SELECT * FROM {table}") == [], table
    assert b.database.rows("PRAGMA integrity_check") == [("ok",)]
    sequences = [
        row[0] for row in b.database.rows("SELECT sequence FROM history WHERE instance = 1 ORDER BY 1")
    ]
    assert sequences[0] == 0


@pytest.mark.parametrize("slice_s", [0.02, 0.0], ids=["fused turns", "one item a turn"])
@pytest.mark.parametrize("side", ["before", "after"])
async def test_recovery_from_every_commit_point(tmp_path: Path, side: str, slice_s: float):
    """Copy the state file at each side of every commit, as a kill would leave it, and carry on from each copy."""
    copies: list[Path] = []

    def copy(moment: str) -> None:
        if moment == side:
            target = tmp_path / f"copy{len(copies)}.db"
            for suffix in ("", "-wal"):
                source = Path(f"{path}{suffix}")
                if source.exists():
                    shutil.copy(source, f"{target}{suffix}")
            copies.append(target)

    path = tmp_path / "s.db"
    clock = Clock()
    times: list[Any] = []
    b = await bench(
        app(flaky_once()),
        path,
        clock=clock,
        on_commit=lambda m: (copy(m), times.append(clock.now)),
        turn_slice_s=slice_s,
    )
    await play(b)
    check(b)
    await b.close()
    assert len(copies) >= 8
    for number, target in enumerate(copies):
        later = Clock(times[2 * number])
        again = await bench(app(flaky_once()), target, clock=later, ids=f"again{number}-")
        await play(again)
        check(again)
        await again.close()


async def test_an_acknowledged_request_survives_the_very_next_instant(tmp_path: Path):
    """What start and raise answered is in the file when they answer."""
    path, copy = tmp_path / "s.db", tmp_path / "copy.db"

    def waits(context):
        return (yield context.wait_for_external_event("go"))

    b = await bench(functions((waits,)), path)
    await b.engine.start_instance("waits", "i1", None)
    await b.engine.raise_event("i1", "go", '"heard"')
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    again = await bench(functions((waits,)), copy)
    await again.quiet()
    assert again.output("i1") == "heard"
    await again.close()
    await b.close()


async def test_no_activity_starts_before_its_schedule_is_committed(tmp_path: Path):
    """A commit that fails launches nothing: the outside never sees what the file does not know."""
    failing = [True]
    ran: list[int] = []

    def disk(moment: str) -> None:
        if moment == "before" and failing:
            raise OSError("disk full")

    def works(_value):
        ran.append(1)

    def one(context):
        yield context.call_activity("works", None)

    failing.clear()
    b = await bench(functions((one,), (works,)), on_commit=disk)
    failing.append(True)
    starting = asyncio.ensure_future(b.engine.start_instance("one", "i1", None))
    await asyncio.sleep(0.02)
    assert ran == []
    with pytest.raises(Exception, match="could not be written"):
        await starting
    failing.clear()
    await b.close()


async def test_an_overdue_timer_fires_at_start(tmp_path: Path):
    """The host was down when it was due."""

    def naps(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=60))
        return context.current_utc_datetime.isoformat()

    path = tmp_path / "s.db"
    b = await bench(functions((naps,)), path)
    await b.run("naps", None, "i1")
    await b.close()
    again = await bench(functions((naps,)), path, clock=Clock(b.clock.now + timedelta(hours=1)))
    await again.quiet()
    assert again.output("i1") == "2026-01-01T01:00:00+00:00"
    await again.close()


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_of_completions_gives_the_same_result(seed: int):
    """Random delays, turns of any size, answers gathered or not: what the orchestration computes is the same."""
    chance = random.Random(seed)

    async def work(value):
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        if chance.random() < 0.3:
            await asyncio.sleep(0.001)
        return value * 10

    def sums(context):
        n = context.get_input()
        first = yield context.task_all(
            [context.call_activity("work", i) for i in range(n)] + [context.call_entity(COUNTER, "add", "x")]
        )
        second = yield context.task_all(
            [context.call_sub_orchestrator("part", i) for i in range(3)]
            + [context.call_activity("work", sum(first[:n]))]
        )
        return [first[:n], second]

    def part(context):
        return (yield context.call_activity("work", context.get_input()))

    b = await bench(
        functions((sums, part), (work,), (counter,)),
        turn_slice_s=chance.choice([0.0, 0.02]),
        gather_s=chance.choice([0.0, 0.001, 0.02]),
        max_activities=chance.choice([1, 2, 50]),
        cached_instances=chance.choice([0, 1, 100]),
        cached_entities=chance.choice([0, 100]),
    )
    names = [f"i{n}" for n in range(6)]
    await asyncio.gather(
        *(b.engine.start_instance("sums", name, json.dumps(str(n + 1))) for n, name in enumerate(names))
    )
    await asyncio.gather(*(b.engine.wait_finished(name, 10) for name in names))
    for n, name in enumerate(names):
        numbers = [i * 10 for i in range(n + 1)]
        assert b.output(name) == [numbers, [0, 10, 20, sum(numbers) * 10]]
    assert len(json.loads(b.engine.read_entity("counter", "k") or "")) == 6
    await b.close()


@pytest.mark.parametrize("slice_s", [0.0, 0.02])
async def test_entities_execute_each_operation_once_in_order(slice_s: float):
    """Many senders at once, small batches: every sender's signals in their order, none lost, none doubled."""

    def tells(context):
        for number in range(5):
            context.signal_entity(COUNTER, "add", [context.instance_id, number])
        total = yield context.call_entity(COUNTER, "add", [context.instance_id, 5])
        return total

    b = await bench(functions((tells,), (), (counter,)), turn_slice_s=slice_s, entity_batch=2)
    names = [f"i{n}" for n in range(8)]
    await asyncio.gather(*(b.engine.start_instance("tells", name, None) for name in names))
    await asyncio.gather(*(b.engine.wait_finished(name, 10) for name in names))
    told = json.loads(b.engine.read_entity("counter", "k") or "")
    assert len(told) == 48
    for name in names:
        assert [number for sender, number in told if sender == name] == list(range(6))
    await b.close()


TURN_SCANS_ALLOWED = {
    # Ordered walks along an index that stop at LIMIT, over rows that are still owed.
    "pending_activities": "SCAN a USING INDEX activity_pending",
    "next_timer": "SCAN timer USING COVERING INDEX timer_due",
}


@pytest.mark.parametrize("name", statements("turn.sql"))
def test_no_statement_of_a_turn_reads_more_than_it_needs(name: str):
    """EXPLAIN QUERY PLAN: every step searches an index; what a turn costs does not grow with what is stored."""
    database = Database(":memory:")
    sql = statements("turn.sql")[name]
    plan = [row[3] for row in database.rows("EXPLAIN QUERY PLAN " + sql, (1,) * sql.count("?"))]
    scans = [step for step in plan if step.startswith("SCAN") and step != TURN_SCANS_ALLOWED.get(name)]
    assert scans == []
    assert not any("TEMP B-TREE" in step for step in plan)
    database.close()


async def test_work_that_cannot_be_stored_is_set_aside(monkeypatch):
    """One instance whose commit always fails does not stop the others; the next start tries it again."""
    from local_host import engine_loop, engine_store

    monkeypatch.setattr(engine_loop, "_RETRY_AFTER_FAILURE_S", 0.001)
    whole = engine_store._write_instances

    def refuses(state: Any) -> None:
        if any(e.instance_id == "bad" and e.status == "Completed" for e in state.dirty.values()):
            raise ValueError("cannot be stored")
        whole(state)

    monkeypatch.setattr(engine_store, "_write_instances", refuses)

    def waits(context):
        return (yield context.wait_for_external_event("go"))

    b = await bench(functions((waits,)))
    for name in ("bad", "good"):
        await b.engine.start_instance("waits", name, None)
    with pytest.raises(StorageFailed):
        await b.engine.raise_event("bad", "go", "1")
    await asyncio.sleep(0.02)
    await b.engine.raise_event("good", "go", "1")
    await b.quiet()
    assert b.output("good") == 1
    assert b.instance("bad").status == "Running"
    await b.close()


async def test_an_instance_that_blocks_every_turn_is_named(monkeypatch):
    """A message already in the file that cannot be worked off: set aside, logged, and the rest goes on."""
    from local_host import engine_loop, engine_store

    monkeypatch.setattr(engine_loop, "_RETRY_AFTER_FAILURE_S", 0.001)
    whole = engine_store._write_instances

    def refuses(state: Any) -> None:
        if any(e.instance_id == "bad" and e.stored is not None for e in state.dirty.values()):
            raise ValueError("cannot be stored")
        whole(state)

    monkeypatch.setattr(engine_store, "_write_instances", refuses)

    def one(context):
        return (yield context.call_activity("issue", 1))

    b = await bench(functions((one,), (issue,)))
    await b.engine.start_instance("one", "bad", None)
    await asyncio.sleep(0.1)
    await b.engine.start_instance("one", "good", None)
    await b.engine.wait_finished("good", 5)
    assert b.output("good") == {"issued": 1}
    assert b.instance("bad").status == "Running"
    await b.close()
