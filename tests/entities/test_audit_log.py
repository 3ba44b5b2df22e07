"""The entity `audit_log`, through the SDK's handle, with the activity that empties it."""

from __future__ import annotations

import json
from typing import Any

import pytest

import entities.audit_log as rules
from activities.append_audit import append_audit
from entities.audit_log import BATCH_LINES, REMEMBERED, audit_log
from passkeys.audit import EMPTY, split_lines, verify
from passkeys.errors import StoreUnavailable
from tests.entities.driver import DrivenEntity
from tests.passkeys.stores import MemoryStore
from tests.passkeys.worlds import world_of


@pytest.fixture
def log() -> DrivenEntity:
    return DrivenEntity(audit_log, "02")


def entry(number: int, *, at: str = "2026-01-01T00:00:01.000Z", **changed: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "ceremony_id": f"authentication-{number:032x}",
        "kind": "authentication",
        "outcome": "completed",
        "reason": None,
        "person": "ada",
        "credential_id": "AQID",
        "network": "203.0.113.0-24",
        "started_at": "2026-01-01T00:00:00.000Z",
        "stages": [["admitting", "2026-01-01T00:00:00.000Z"]],
        "at": at,
        **changed,
    }


def act(number: int, **changed: Any) -> dict[str, Any]:
    at = "2026-01-01T00:00:01.000Z"
    return {
        "v": 1,
        "act_id": f"act-{number:032x}",
        "act": "remove",
        "outcome": "completed",
        "at": at,
        **changed,
    }


async def flush(log: DrivenEntity, store: MemoryStore) -> int:
    """One round of the flush: what is pending, appended, told; returns how many are left."""
    pending = log.ask("pending")
    if not pending["entries"]:
        return 0
    result = await append_audit(world_of(store), pending)
    left: int = log.ask("flushed", result)["pending"]
    return left


def lines_of(store: MemoryStore) -> list[bytes]:
    return list(split_lines([store.appended[name] for name in sorted(store.appended)]))


async def test_what_is_recorded_becomes_a_chain_in_the_store(log: DrivenEntity) -> None:
    """Entries are numbered and chained in the order in which they came, and verify."""
    store = MemoryStore()
    assert [log.ask("record", entry(number)) for number in range(5)] == [
        {"seq": number} for number in range(5)
    ]
    assert await flush(log, store) == 0
    log.ask("record", entry(5))
    assert await flush(log, store) == 0
    assert list(store.appended) == ["audit/02/2026-01-01.jsonl"]
    head = verify(lines_of(store), shard="02")
    assert (head.seq, head.hash) == (5, log.kept["hash"])
    assert [json.loads(line)["ceremony_id"][-1] for line in lines_of(store)] == list("012345")


def test_a_ceremony_is_recorded_once(log: DrivenEntity) -> None:
    """The same signal again, in the same batch or later, adds nothing."""
    log.run(("record", entry(1)), ("record", entry(1)), ("record", entry(2)))
    log.ask("record", entry(1, outcome="failed"))
    assert len(log.ask("pending")["entries"]) == 2


async def test_a_ceremony_is_recorded_once_also_after_the_flush(log: DrivenEntity) -> None:
    """A signal that comes again when its entry is in the store already adds nothing."""
    log.ask("record", entry(1))
    await flush(log, MemoryStore())
    log.ask("record", entry(1))
    assert log.ask("pending")["entries"] == []


async def test_an_act_is_recorded_once_too(log: DrivenEntity) -> None:
    """The same signal again, before the flush and after it, adds nothing; a ceremony of the same number is another thing."""
    store = MemoryStore()
    log.run(("record", act(1)), ("record", act(1)), ("record", entry(2)))
    await flush(log, store)
    log.ask("record", act(1, outcome="failed"))
    assert log.ask("pending")["entries"] == []
    assert verify(lines_of(store), shard="02").seq == 1


def test_every_pending_act_is_remembered(log: DrivenEntity) -> None:
    """More wait than are remembered by id: none of them is recorded again."""
    count = REMEMBERED * 2
    log.run(*[("record", act(number)) for number in range(count)])
    log.run(*[("record", act(number)) for number in range(count)])
    assert log.kept["seq"] == count - 1


def test_everything_pending_is_remembered(log: DrivenEntity) -> None:
    """While the store is away and more wait than are remembered by id, none of them is recorded again."""
    count = REMEMBERED * 2
    log.run(*[("record", entry(number)) for number in range(count)])
    log.run(*[("record", entry(number)) for number in range(count)])
    assert log.kept["seq"] == count - 1


async def test_a_flush_carries_a_bounded_batch(log: DrivenEntity) -> None:
    """A long queue goes out batch by batch, and nothing of it is lost."""
    log.run(*[("record", entry(number)) for number in range(BATCH_LINES + 7)])
    store = MemoryStore()
    assert len(log.ask("pending")["entries"]) == BATCH_LINES
    assert await flush(log, store) == 7
    assert await flush(log, store) == 0
    assert verify(lines_of(store), shard="02").seq == BATCH_LINES + 6


async def test_each_day_has_its_segment(log: DrivenEntity) -> None:
    """A batch is of one segment; the chain runs on over midnight, and a late entry goes to the newer day."""
    for number, at in enumerate(("2026-01-01T23:59:59Z", "2026-01-02T00:00:01Z", "2026-01-01T23:59:58Z")):
        log.ask("record", entry(number, at=at))
    store = MemoryStore()
    assert await flush(log, store) == 2
    assert await flush(log, store) == 0
    log.ask("record", entry(3, at="2026-01-01T23:00:00Z"))
    await flush(log, store)
    sizes = {name: len(text.splitlines()) for name, text in store.appended.items()}
    assert sizes == {"audit/02/2026-01-01.jsonl": 1, "audit/02/2026-01-02.jsonl": 3}
    assert verify(lines_of(store), shard="02").seq == 3


@pytest.mark.parametrize("limit", ["MAX_APPENDS", "MAX_SEGMENT"])
async def test_a_long_day_has_several_segments(
    log: DrivenEntity, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a segment takes too many appends or is too long to read, the next one begins; what has ended is sealed."""
    monkeypatch.setattr(rules, limit, {"MAX_APPENDS": 3, "MAX_SEGMENT": 1200}[limit])
    store = MemoryStore()
    for number in range(8):
        log.ask("record", entry(number))
        await flush(log, store)
    log.ask("record", entry(8, at="2026-01-02T00:00:00.000Z"))
    await flush(log, store)
    names = [f"audit/02/{segment}.jsonl" for segment in ("2026-01-01", "2026-01-01_001", "2026-01-01_002")]
    assert sorted(store.appended) == [*names, "audit/02/2026-01-02.jsonl"]
    assert store.sealed == set(names)
    assert [len(store.appended[name].splitlines()) for name in sorted(store.appended)] == [3, 3, 2, 1]
    assert verify(lines_of(store), shard="02").seq == 8


async def test_a_new_segment_begins_once_wherever_it_dies(
    log: DrivenEntity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed and not begun, begun and not told: the next run has the same to do, and does what is missing."""
    monkeypatch.setattr(rules, "MAX_APPENDS", 1)
    for at in (1, 2):
        for kept in (False, True):
            log.state, log.exists = None, False
            store = MemoryStore()
            log.ask("record", entry(1))
            await flush(log, store)
            log.ask("record", entry(2))
            asked = log.ask("pending")
            store.faults.at, store.faults.kept, store.faults.writes = at, kept, 0
            with pytest.raises(StoreUnavailable):
                await append_audit.__wrapped__(world_of(store), asked)  # type: ignore[attr-defined]
            log.ask("record", entry(3))
            assert await flush(log, store) == 0
            assert sorted(store.sealed) == ["audit/02/2026-01-01.jsonl"]
            assert verify(lines_of(store), shard="02").seq == 2


async def test_a_log_of_before_goes_on(log: DrivenEntity) -> None:
    """A state that counts no appends and remembers ids whole: nothing is recorded again, and the count begins."""
    log.ask("record", entry(1))
    store = MemoryStore()
    await flush(log, store)
    kept = {**log.kept, "recent": [f"{1:032x}"]}
    del kept["appends"]
    log.state = json.dumps(kept)
    log.ask("record", entry(1))
    log.ask("record", entry(2))
    assert await flush(log, store) == 0
    assert (log.kept["seq"], log.kept["appends"]) == (1, 1)


async def test_told_twice_is_told_once(log: DrivenEntity) -> None:
    """`flushed` again, for what is gone already, changes nothing."""
    log.run(*[("record", entry(number)) for number in range(3)])
    result = await append_audit(world_of(), log.ask("pending"))
    log.ask("flushed", result)
    log.ask("record", entry(3))
    before = log.kept
    assert log.ask("flushed", result) == {"pending": 1}
    assert log.kept == before


async def test_a_crash_between_append_and_flushed_doubles_nothing(log: DrivenEntity) -> None:
    """Appended but not told, with more recorded since: the next flush finds its own lines and adds the rest."""
    store = MemoryStore()
    log.run(*[("record", entry(number)) for number in range(3)])
    await append_audit(world_of(store), log.ask("pending"))
    log.run(*[("record", entry(number)) for number in range(3, 5)])
    assert await flush(log, store) == 0
    assert verify(lines_of(store), shard="02").seq == 4


WRONG = [
    ("record", {}),
    ("record", None),
    ("record", entry(9, ceremony_id="approval-x")),
    ("record", entry(9, act_id=f"act-{9:032x}")),
    ("record", act(9, act_id="act-9")),
    ("record", act(9, act_id=f"registration-{9:032x}")),
    ("record", act(9, act_id=None)),
    ("record", act(9, at="yesterday")),
    ("record", entry(9, at="yesterday")),
    ("record", entry(9, score=1.5)),
    ("record", entry(9, note="x" * 20_000)),
    ("flushed", {}),
    ("flushed", {"through_seq": 99, "segment": "2026-01-01", "position": 1}),
    ("reset", {}),
]


@pytest.mark.parametrize(("operation", "request_"), WRONG)
def test_what_is_wrong_changes_nothing(log: DrivenEntity, operation: str, request_: Any) -> None:
    """A wrong operation is an error to its sender, and the log is as it was."""
    log.ask("record", entry(1))
    before = log.kept
    results = log.run((operation, request_), ("record", entry(2)))
    assert isinstance(results[0], RuntimeError)
    assert results[1] == {"seq": 1}
    assert log.kept["pending"][0] == before["pending"][0]


def test_pending_of_nothing(log: DrivenEntity) -> None:
    """A log that never recorded has nothing to flush, and says so."""
    assert log.ask("pending") == {
        "shard": "02",
        "segment": "",
        "position": 0,
        "through_seq": EMPTY.seq,
        "entries": [],
        "ended": None,
    }


async def test_the_state_stays_small(log: DrivenEntity) -> None:
    """After a thousand entries that were flushed, the state is what it was after two hundred."""
    store, sizes = MemoryStore(), []
    for number in range(1000):
        log.ask("record", entry(number))
        if number % 50 == 49:
            await flush(log, store)
            sizes.append(len(log.state or ""))
    assert sizes[-1] < sizes[3] + 10
    assert sizes[-1] < 3200
    assert verify(lines_of(store), shard="02").seq == 999


def test_the_store_need_not_be_there_to_record(log: DrivenEntity) -> None:
    """Recording asks nobody: entries wait in the entity, in order, as long as it takes."""
    log.run(*[("record", entry(number)) for number in range(10)])
    assert [json.loads(line)["seq"] for _, line in log.kept["pending"]] == list(range(10))
