"""Somebody with the store in their hands: every attack on a single entry of a sealed trail, and whether it is found, and where.

`python -m tests.tampering` makes a trail of 100,000 entries and attacks it at a thousand places in each way. An attack is on one
chain, so that one look at the whole trail judges as many as there are chains. The attacker has everything but the key.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from passkeys.audit import EMPTY, Head, sealed
from passkeys.errors import AuditBroken, AuditFault, PasskeysError
from passkeys.trail import check, trail_in
from tests.trails import Sealer

Line = tuple[str, bytes]
"""A segment, and a line of it, with its end."""


@dataclass(frozen=True, slots=True)
class Attack:
    """What is done at an entry, and which faults, from which entry to which, tell of it."""

    make: Callable[[str, list[Line], int], list[Line]]
    fault: AuditFault
    # Which entry must be named: so many behind the one that was attacked.
    named: int = 0
    # How many entries there must be behind the one that is attacked.
    behind: int = 0
    # Which entry is whole, and another than was written: so many behind. If it is the last that a checkpoint has sealed, or all
    # that follows was made anew as well, nobody can say which of the checkpoint's stretch was the first: the stretch is named.
    forged: int | None = None
    anew: bool = False


def _entry(line: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(line)
    return {name: value for name, value in found.items() if name not in ("shard", "seq", "prev", "hash")}


def _head(lines: Sequence[Line], at: int) -> Head:
    if at < 0:
        return EMPTY
    found = json.loads(lines[at][1])
    return Head(found["seq"], found["hash"])


def _made(content: Mapping[str, object], shard: str, head: Head) -> tuple[bytes, Head]:
    text, after = sealed(content, shard=shard, head=head)
    return f"{text}\n".encode(), after


def altered(shard: str, lines: list[Line], at: int) -> list[Line]:
    """Another outcome, by an editor."""
    segment, line = lines[at]
    return [*lines[:at], (segment, line.replace(b'"completed"', b'"rejected"')), *lines[at + 1 :]]


def altered_and_hashed(shard: str, lines: list[Line], at: int) -> list[Line]:
    """The same, with the hash that then is right; what follows stays."""
    segment, line = lines[at]
    again, _ = _made({**_entry(line), "outcome": "rejected"}, shard, _head(lines, at - 1))
    return [*lines[:at], (segment, again), *lines[at + 1 :]]


def removed(shard: str, lines: list[Line], at: int) -> list[Line]:
    """It is gone, and another follows."""
    return [*lines[:at], *lines[at + 1 :]]


def reordered(shard: str, lines: list[Line], at: int) -> list[Line]:
    """It stands behind the next one."""
    (here, one), (there, other) = lines[at], lines[at + 1]
    return [*lines[:at], (here, other), (there, one), *lines[at + 2 :]]


def inserted(shard: str, lines: list[Line], at: int) -> list[Line]:
    """One more stands behind it, whole, with the number that is next."""
    segment, line = lines[at]
    more, _ = _made(
        {**_entry(line), "ceremony_id": f"authentication-{shard:0>16}{at:016x}"}, shard, _head(lines, at)
    )
    return [*lines[: at + 1], (segment, more), *lines[at + 1 :]]


def repeated(shard: str, lines: list[Line], at: int) -> list[Line]:
    """It stands there twice."""
    return [*lines[: at + 1], *lines[at:]]


def truncated(shard: str, lines: list[Line], at: int) -> list[Line]:
    """All that follows is gone."""
    return lines[: at + 1]


def forked(shard: str, lines: list[Line], at: int) -> list[Line]:
    """Another outcome, and all that follows chained to it anew: a whole chain, and not the one that was sealed."""
    head, made = _head(lines, at - 1), []
    for number, (segment, line) in enumerate(lines[at:]):
        changed = {"outcome": "rejected"} if number == 0 else {}
        again, head = _made({**_entry(line), **changed}, shard, head)
        made.append((segment, again))
    return [*lines[:at], *made]


def moved(shard: str, lines: list[Line], at: int) -> list[Line]:
    """It is taken from another chain."""
    segment, line = lines[at]
    other, _ = _made(_entry(line), f"{(int(shard) + 1) % 100:02d}", _head(lines, at - 1))
    return [*lines[:at], (segment, other), *lines[at + 1 :]]


F = AuditFault
ATTACKS: Mapping[str, Attack] = {
    "altered": Attack(altered, F.ALTERED),
    "altered and hashed": Attack(altered_and_hashed, F.ALTERED, behind=1, forged=0),
    "removed": Attack(removed, F.REMOVED, behind=1),
    "reordered": Attack(reordered, F.REORDERED, behind=1),
    "inserted": Attack(inserted, F.INSERTED, named=1, behind=1, forged=1),
    "repeated": Attack(repeated, F.INSERTED),
    "truncated": Attack(truncated, F.TRUNCATED, named=1, behind=1),
    "forked": Attack(forked, F.FORKED, forged=0, anew=True),
    "moved": Attack(moved, F.INSERTED),
}


@dataclass(frozen=True, slots=True)
class Try:
    """One attack on one entry."""

    attack: str
    at: int


class Trail:
    """A trail of `shards` chains and `days` checkpoints, with `each` entries of a chain a day."""

    def __init__(self, folder: Path, *, shards: int, days: int, each: int) -> None:
        self.shards = [f"{shard:02d}" for shard in range(shards)]
        self.length, self.each = days * each, each
        made = Sealer(folder).days(*[dict.fromkeys(self.shards, each)] * days)
        self.folder, self.verifier = made.folder, made.verifier
        made.close()
        self._lines = {shard: list(self._read(shard)) for shard in self.shards}

    def places(self, attack: Attack) -> range:
        """Where it can be made."""
        return range(self.length - attack.behind)

    def judge(self, tries: Mapping[str, Try]) -> Iterator[str]:
        """Make one attack in each of the chains, look at the whole trail, and put it back; what was not found as it is."""
        for shard, one in tries.items():
            self._write(shard, ATTACKS[one.attack].make(shard, list(self._lines[shard]), one.at))
        found = check(trail_in(self.folder), [self.verifier]).faults
        for shard, one in tries.items():
            told = [fault for fault in found if isinstance(fault, AuditBroken) and fault.shard == shard]
            if not told or not self._is_told(one, told[0]):
                yield f"{one.attack} at entry {one.at} of shard {shard}: {told or 'nothing is told'}"
        untouched = set(self.shards) - set(tries)
        yield from (str(fault) for fault in found if getattr(fault, "shard", "") in untouched)
        for shard in tries:
            self._write(shard, self._lines[shard])

    def whole(self) -> Sequence[PasskeysError]:
        """What is wrong with it as it is."""
        return check(trail_in(self.folder), [self.verifier]).faults

    def _is_told(self, one: Try, fault: AuditBroken) -> bool:
        attack = ATTACKS[one.attack]
        forged = None if attack.forged is None else one.at + attack.forged
        if forged is not None and (attack.anew or (forged + 1) % self.each == 0):
            stretch = fault.seq // self.each == forged // self.each
            return stretch and fault.fault in (AuditFault.FORKED, AuditFault.ALTERED)
        return fault.fault is attack.fault and fault.seq == one.at + attack.named

    def _read(self, shard: str) -> Iterator[Line]:
        for path in sorted((self.folder / shard).iterdir()):
            yield from ((path.name, line) for line in path.read_bytes().splitlines(keepends=True))

    def _write(self, shard: str, lines: Sequence[Line]) -> None:
        segments: dict[str, list[bytes]] = {path.name: [] for path in (self.folder / shard).iterdir()}
        for segment, line in lines:
            segments[segment].append(line)
        for segment, texts in segments.items():
            path = self.folder / shard / segment
            path.chmod(0o600)
            path.write_bytes(b"".join(texts))


def judged(trail: Trail, tries: Sequence[Try], told: Callable[[int], None] = lambda _: None) -> list[str]:
    """What of these was not found as it is, as many at once as there are chains; `told` hears how many are done."""
    wrong: list[str] = []
    rest = iter(tries)
    done = 0
    while some := list(islice(rest, len(trail.shards))):
        wrong += trail.judge(dict(zip(trail.shards, some, strict=False)))
        done += len(some)
        told(done)
    return wrong


def main() -> int:
    """Attack a large trail at random places; exit 1 if anything was not found, or at the wrong place."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--places", type=int, default=1000, help="how many places each attack is made at")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        print("Making a trail of 100,000 entries …")
        trail = Trail(Path(folder), shards=50, days=20, each=100)
        began = time.perf_counter()
        if faults := trail.whole():
            print(f"The trail is not whole: {faults[0]}")
            return 1
        seconds = time.perf_counter() - began
        print(f"It is whole: {100_000 / seconds:,.0f} entries a second.")
        tries = [
            Try(name, chance.choice(trail.places(attack)))
            for name, attack in ATTACKS.items()
            for _ in range(arguments.places)
        ]
        chance.shuffle(tries)

        def progress(done: int) -> None:
            sys.stdout.write(f"\r{done:,} of {len(tries):,} attacks")
            sys.stdout.flush()

        wrong = judged(trail, tries, progress)
    print()
    for one in wrong[:20]:
        print(f"NOT FOUND  {one}")
    print(f"{len(tries) - len(wrong):,} of {len(tries):,} attacks found, each at its place.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
