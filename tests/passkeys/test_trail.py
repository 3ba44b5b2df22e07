"""The whole trail: what an auditor's checkpoint and key find that chains alone cannot, and where it is said to be."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from passkeys.audit import EMPTY, Head, sealed
from passkeys.checkpoints import Checkpoint
from passkeys.errors import AuditBroken, CheckpointRefused
from passkeys.notes import VerifierKey, signed_note
from passkeys.repeats import Repeats
from passkeys.trail import File, Report, check, copy_trail, trail_in, trail_of
from tests.trails import Sealer

DAYS = ({"00": 4, "02": 3}, {"00": 2, "01": 5}, {"00": 3, "01": 1, "02": 2})


@dataclass(frozen=True)
class Kept:
    """A sealed trail of three days and an unsealed rest; its key, and the checkpoints that an auditor keeps."""

    folder: Path
    keys: tuple[VerifierKey, ...]
    checkpoints: tuple[Checkpoint, ...]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("sealed")
    sealer = Sealer(folder).days(*DAYS)
    sealer.record({"00": 2})
    sealer.close()
    return Kept(folder, (sealer.verifier,), tuple(sealer.checkpoint(number) for number in range(3)))


@pytest.fixture
def audit(kept: Kept, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    shutil.copytree(kept.folder / "store" / "audit", tmp_path / "audit")
    return tmp_path / "audit"


def told(report: Report) -> list[tuple[Any, ...]]:
    return [
        (fault.fault.value, fault.shard, fault.seq)
        if isinstance(fault, AuditBroken)
        else (fault.code.value if isinstance(fault, CheckpointRefused) else fault,)
        for fault in report.faults
    ]


def test_an_intact_trail_is_intact(kept: Kept, audit: Path) -> None:
    """By its key; what is sealed and what is not is counted, and every checkpoint that was kept is there."""
    report = check(trail_in(audit), kept.keys, kept=kept.checkpoints)
    assert report.faults == ()
    assert (report.entries, report.unsealed, report.sealed) == (22, 2, kept.checkpoints[-1])
    assert {shard: head.seq for shard, head in report.heads.items()} == {"00": 10, "01": 5, "02": 4}
    assert check(trail_in(audit.parent), kept.keys).faults == ()
    alone = check(trail_in(audit), ())
    assert (alone.faults, alone.sealed, alone.unsealed) == ((), None, 22)


def lines_of(audit: Path, shard: str) -> list[tuple[Path, bytes]]:
    return [
        (path, line)
        for path in sorted((audit / shard).glob("*.jsonl"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]


def put(audit: Path, shard: str, lines: list[tuple[Path, bytes]]) -> None:
    for path in (audit / shard).glob("*.jsonl"):
        path.write_bytes(b"".join(line for where, line in lines if where == path))


def rewrite(audit: Path, shard: str, first: int) -> None:
    """As a forger who knows the format: change one entry, and make each hash after it right again."""
    lines = lines_of(audit, shard)
    head = EMPTY
    for number, (path, line) in enumerate(lines):
        entry = json.loads(line)
        if number >= first:
            changed = {**entry, **({"person": "eve"} if number == first else {})}
            text, head = sealed(changed, shard=shard, head=head)
            lines[number] = (path, text.encode() + b"\n")
        else:
            head = Head(entry["seq"], entry["hash"])
    put(audit, shard, lines)


@pytest.mark.parametrize(
    ("first", "found"),
    [
        (0, ("forked", "00", 0)),
        (3, ("forked", "00", 0)),
        (4, ("forked", "00", 4)),
        (5, ("forked", "00", 4)),
        (8, ("forked", "00", 6)),
    ],
)
def test_a_chain_that_was_rewritten_is_a_fork(
    kept: Kept, audit: Path, first: int, found: tuple[Any, ...]
) -> None:
    """It is whole, and not the one that was sealed: the stretch of the first checkpoint that does not fit is named."""
    rewrite(audit, "00", first)
    assert check(trail_in(audit), ()).faults == ()
    report = check(trail_in(audit), kept.keys, kept=kept.checkpoints)
    assert told(report) == [found]
    assert "from here to" in str(report.faults[0])
    assert report.heads["01"].seq == 5


def test_one_entry_that_is_a_checkpoint_s_only_one_is_named(kept: Kept, audit: Path) -> None:
    """Of a stretch of one, there is no doubt which."""
    rewrite(audit, "01", 5)
    assert told(check(trail_in(audit), kept.keys)) == [("altered", "01", 5)]


def test_what_is_not_sealed_can_be_rewritten(kept: Kept, audit: Path) -> None:
    """That is what sealing is for; the report says how many entries that holds for."""
    rewrite(audit, "00", 9)
    report = check(trail_in(audit), kept.keys)
    assert (report.faults, report.unsealed) == ((), 2)


@pytest.mark.parametrize(
    ("shard", "entries", "found"),
    [("00", 9, []), ("00", 8, [("truncated", "00", 8)]), ("01", 0, [("truncated", "01", 0)])],
)
def test_a_chain_cut_off_below_its_checkpoint_is_found(
    kept: Kept, audit: Path, shard: str, entries: int, found: list[Any]
) -> None:
    """By lines, or by all of its files."""
    put(audit, shard, lines_of(audit, shard)[:entries])
    if not entries:
        shutil.rmtree(audit / shard)
    assert told(check(trail_in(audit), kept.keys)) == found


def forge(audit: Path, sealer: Sealer, checkpoint: Checkpoint, number: int) -> None:
    """As whoever has the key could."""
    signature = asyncio.run(sealer.keys.sign(sealer.key.key_id, checkpoint.text.encode()))
    (audit / f"checkpoints/{number:010d}.note").write_bytes(
        signed_note(checkpoint.text, sealer.verifier, signature)
    )


def note(number: int) -> str:
    return f"checkpoints/{number:010d}.note"


CHECKPOINTS: dict[str, tuple[Callable[[Path], object], list[tuple[str, ...]]]] = {
    "the newest removed": (lambda audit: (audit / note(2)).unlink(), [("checkpoint_missing",)]),
    "one between removed": (
        lambda audit: (audit / note(1)).unlink(),
        [("checkpoint_missing",), ("checkpoint_missing",)],
    ),
    "all removed": (
        lambda audit: shutil.rmtree(audit / "checkpoints"),
        [("checkpoint_missing",)] * 3,
    ),
    "two swapped": (
        lambda audit: (
            (audit / note(0)).rename(audit / "x"),
            (audit / note(1)).rename(audit / note(0)),
            (audit / "x").rename(audit / note(1)),
        ),
        [("checkpoint_missing",)] * 4,
    ),
    "its text changed": (
        lambda audit: (audit / note(1)).write_bytes(
            (audit / note(1)).read_bytes().replace(b"shard 00 5", b"shard 00 6")
        ),
        [("checkpoint_signature_invalid",), ("checkpoint_missing",)],
    ),
    "emptied": (
        lambda audit: (audit / note(1)).write_bytes(b""),
        [("checkpoint_malformed",), ("checkpoint_missing",)],
    ),
}


@pytest.mark.parametrize("tampering", CHECKPOINTS)
def test_a_checkpoint_that_is_gone_or_changed_is_found(kept: Kept, audit: Path, tampering: str) -> None:
    """By those around it, and by those that were kept. The entries are still compared with what is left."""
    tamper, found = CHECKPOINTS[tampering]
    tamper(audit)
    assert told(check(trail_in(audit), kept.keys, kept=kept.checkpoints)) == found
    rewrite(audit, "00", 0)
    assert ("forked", "00") in [
        fault[:2] for fault in told(check(trail_in(audit), kept.keys, kept=kept.checkpoints))
    ]


def test_a_trail_without_a_checkpoint_is_not_sealed(kept: Kept, audit: Path) -> None:
    """Whoever names a key means to see one."""
    shutil.rmtree(audit / "checkpoints")
    assert told(check(trail_in(audit), kept.keys)) == [("checkpoint_missing",)]
    assert check(trail_in(audit), ()).faults == ()


def test_another_key_signs_nothing(kept: Kept, audit: Path, tmp_path: Path) -> None:
    """Each checkpoint is refused, and none is relied on."""
    other = Sealer(tmp_path / "other")
    report = check(trail_in(audit), [other.verifier])
    other.close()
    assert told(report) == [("checkpoint_key_unknown",)] * 3
    assert report.sealed is None


def test_who_has_the_key_cannot_rewrite_what_an_auditor_has_kept(tmp_path: Path) -> None:
    """A whole trail made again and signed again is intact by itself; by a checkpoint that was kept it is a fork."""
    old = Sealer(tmp_path / "old").days(*DAYS)
    new = Sealer(tmp_path / "new")
    new.key = old.key
    new.keys = old.keys
    new.record({"00": 1}, person="eve")
    new.record({"00": 3, "02": 3})
    new.number = old.number
    new.seal()
    new.days(*DAYS[1:])
    audit, keys = trail_in(new.folder), [old.verifier]
    assert check(audit, keys).faults == ()
    report = check(audit, keys, kept=[old.checkpoint(0)])
    assert ("checkpoint_forked",) in told(report)
    assert ("forked", "00", 3) in told(report)
    older = check(trail_in(old.folder), keys, kept=[old.checkpoint(1), old.checkpoint(2)])
    assert older.faults == ()
    old.close()
    new.close()


def test_a_root_that_is_not_the_entries_is_found(tmp_path: Path) -> None:
    """A checkpoint with the right heads and another root: whoever made it had another log."""
    sealer = Sealer(tmp_path).days(*DAYS)
    audit = sealer.folder
    forge(audit, sealer, replace(sealer.checkpoint(2), root=bytes(32)), 2)
    assert told(check(trail_in(audit), [sealer.verifier])) == [("checkpoint_root_mismatch",)]
    forge(audit, sealer, replace(sealer.checkpoint(2), previous=bytes(31) + b"\x01"), 2)
    assert told(check(trail_in(audit), [sealer.verifier])) == [("checkpoint_unchained",)]
    forge(audit, sealer, replace(sealer.checkpoint(1), number=2), 1)
    assert told(check(trail_in(audit), [sealer.verifier]))[0] == ("checkpoint_missing",)
    sealer.close()


def test_what_is_told_twice_is_found_across_shards(tmp_path: Path) -> None:
    """Though both chains are whole and sealed; both places are named."""
    sealer = Sealer(tmp_path)
    sealer.record({"00": 3})
    sealer.number = 1
    sealer.record({"01": 1})
    sealer.seal()
    report = check(trail_in(sealer.folder), [sealer.verifier])
    assert told(report) == [("duplicated", "01", 0)]
    assert "Entry 1 of shard 00" in str(report.faults[0])
    sealer.close()


def test_the_lengths_that_a_store_remembers_count(kept: Kept, audit: Path) -> None:
    """What stands behind them is not read; what is missing of them was cut off."""
    path = max((audit / "00").glob("*.jsonl"))
    size = path.stat().st_size
    others = {f"audit/00/{one.name}": File(one) for one in (audit / "00").glob("*.jsonl")}
    for length, found in ((size, []), (size + 1, [("truncated", "00", 11)])):
        with path.open("ab") as file:
            file.write(b"{}\n" * (length == size))
        files = {**others, f"audit/00/{path.name}": File(path, length)}
        assert told(check(trail_of(files), ())) == found
        path.write_bytes(path.read_bytes()[:size])


def test_a_store_s_trail_is_copied(kept: Kept, tmp_path: Path) -> None:
    """For a store that is no folder: document by document, and what is copied verifies."""
    sealer = Sealer(tmp_path / "made").days(*DAYS)
    copied = asyncio.run(copy_trail(sealer.store, tmp_path / "copy"))
    assert check(copied, [sealer.verifier]).faults == ()
    assert copied.size == trail_in(sealer.folder).size > 0
    sealer.close()


def test_what_is_read_is_told(kept: Kept, audit: Path) -> None:
    """In bytes of the segments, so that a bar comes to its end."""
    read: list[int] = []
    found = trail_in(audit)
    check(found, kept.keys, told=read.append)
    assert sum(read) == found.size


def places(run: int, subjects: list[tuple[str, str, int]]) -> Iterator[Any]:
    with Repeats(run=run) as repeats:
        for subject, shard, seq in subjects:
            repeats.add(subject, shard, seq)
        yield from repeats.found()


@pytest.mark.parametrize("run", [1, 2, 3, 7, 1000])
def test_what_is_told_twice_is_found_whatever_fits_into_memory(run: int) -> None:
    """Within a run, across runs that are on disk, three times; and nothing else."""
    subjects = [(f"id-{number % 40}", f"{number % 3:02d}", number) for number in range(45)]
    found = sorted(places(run, subjects))
    assert found == sorted(
        max(((f"{a % 3:02d}", a), (f"{b % 3:02d}", b)), ((f"{b % 3:02d}", b), (f"{a % 3:02d}", a)))
        for a, b in ((number, number + 40) for number in range(5))
    )
    assert list(places(run, [("x", "00", number) for number in range(3)])) == [
        (("00", 1), ("00", 0)),
        (("00", 2), ("00", 0)),
    ]
    assert not list(places(run, subjects[:40]))
