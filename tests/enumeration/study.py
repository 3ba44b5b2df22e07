"""The study: a host full of people, every name visited many times in random order, and what can be learnt from it.

What the test and the long run (`python -m tests.enumeration`) share. An outsider knows every rule, every name and the shape
of everything; what is not known is whose names are whose, and the key of the decoys.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from demo.authenticator import TRUTH, Lie, Passkey, from_base64url
from tests.enumeration.classify import (
    LEARNERS,
    Ranked,
    Sample,
    accuracy,
    beyond_shape,
    chance_bound,
    ranked,
)
from tests.enumeration.population import Kind, Named, settle, stranger
from tests.enumeration.visits import Seen, features, shape_of, visiting
from tests.hosts import ROOT, RunningHost, running_host

ENV = {
    "PASSKEYS_CEREMONY_SECONDS": "600",
    "PASSKEYS_LIMIT_NETWORK": "1000000/60",
    "PASSKEYS_LIMIT_GLOBAL": "1000000/60",
    "PASSKEYS_LIMIT_USERNAME": "1000000/60",
}
KNOWN = frozenset({Kind.SOMEBODY, Kind.DISABLED})
UNKNOWN = frozenset({Kind.NOBODY})


@dataclass(frozen=True, slots=True)
class Scene:
    """A host that serves, and everybody whose names are visited."""

    host: RunningHost
    everybody: Sequence[Named]


@contextlib.contextmanager
def scene(counts: Mapping[Kind, int], *, seed: int, leak: str | None = None) -> Iterator[Scene]:
    """A fresh host, with `leak` planted in it (tests/enumeration/leaky_app.py); its state in memory where there is such a place.

    A disk's pauses would hide what is looked for: this makes the outsider's life easier, not ours.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as place:
        base = Path(place)
        everybody = settle(base / "state", base / "people.json", counts, seed=seed)
        env = {**ENV, "PASSKEYS_DIRECTORY": str(base / "people.json")}
        app = ROOT
        if leak is not None:
            env |= {"LEAK": leak}
            app = base / "app"
            app.mkdir()
            shutil.copy(ROOT / "host.json", app / "host.json")
            shutil.copy(Path(__file__).with_name("leaky_app.py"), app / "function_app.py")
        with running_host(app=app, state=base / "state", env=env) as host:
            yield Scene(host, everybody)


def visit_names(here: Scene, *, rounds: int, seed: int) -> dict[str, list[Seen]]:
    """Start `rounds` sign-ins for each name, each round in another random order: what was seen, by name."""
    chance = random.Random(seed)
    seen: dict[str, list[Seen]] = defaultdict(list)
    with visiting(here.host.url) as visitor:
        for number in range(30):  # the first requests of a fresh host take longer
            visitor.start(f"warm-up {number}")
        for _ in range(rounds):
            for named in chance.sample(here.everybody, len(here.everybody)):
                seen[named.name].append(visitor.start(named.name))
    return seen


def samples(
    here: Scene,
    seen: Mapping[str, Sequence[Seen]],
    positive: Collection[Kind],
    negative: Collection[Kind],
    *,
    with_time: bool,
    seed: int,
) -> list[Sample]:
    """One sample a name, as many of one kind as of the other, in random order. Its time is the median of its visits,
    less what the visible answer explains."""
    chance = random.Random(seed)
    chosen = _balanced(here.everybody, positive, negative, chance)
    over = beyond_shape([(_count(seen[named.name][0]), _time(seen[named.name])) for named in chosen])
    made = [
        Sample(
            named.kind in positive,
            features(seen[named.name][0]) | ({"milliseconds": late} if with_time else {}),
            frozenset(map(shape_of, seen[named.name])),  # also if it differs from one visit to the next
        )
        for named, late in zip(chosen, over, strict=True)
    ]
    chance.shuffle(made)
    return made


@dataclass(frozen=True, slots=True)
class Learnt:
    """How often each classifier was right on names that it had not seen, and the bound for all of them together."""

    right: Mapping[str, float]
    bound: float
    names: int

    @property
    def is_chance(self) -> bool:
        """Whether none did better than coins do."""
        return max(self.right.values()) < self.bound


def learn(made: Sequence[Sample]) -> Learnt:
    """Train on one half, judge on the other."""
    train, test = made[: len(made) // 2], made[len(made) // 2 :]
    right = {name: accuracy(learner, train, test) for name, learner in LEARNERS.items()}
    return Learnt(right, chance_bound(len(test), tries=len(LEARNERS)), len(test))


def rank_names(
    here: Scene,
    seen: Mapping[str, Sequence[Seen]],
    positive: Collection[Kind],
    negative: Collection[Kind],
    statistic: Callable[[Sequence[float]], float] = median,
) -> Ranked:
    """Whether one kind's names take longer than another's, among answers of as many credentials."""
    return ranked(
        [
            (named.kind in positive, _count(seen[named.name][0]), _time(seen[named.name], statistic))
            for named in here.everybody
            if named.kind in positive or named.kind in negative
        ]
    )


# One wrong answer: the name that the ceremony begins with, and with what it is answered.
Answer = tuple[str | None, Passkey, Lie]


def wrong_answers(here: Scene, count: int) -> dict[str, list[Answer]]:
    """`count` ways of each kind to be refused; who tells two kinds of a pair apart, tells a real credential from none.

    The attacker holds a passkey that is registered nowhere, and has seen every list; the insider holds one that is good, and
    tries it on other people's names; and whoever holds a disabled one would like to know that it is that.
    """
    attacker = stranger()
    insider, *known = [named for named in here.everybody if named.kind is Kind.SOMEBODY]
    disabled = [named for named in here.everybody if named.kind is Kind.DISABLED]
    unknown = [named for named in here.everybody if named.kind is Kind.NOBODY]
    with visiting(here.host.url) as visitor:
        first = {named.name: _first_listed(visitor.start(named.name)) for named in (*known, *unknown)}
    own = {named.name: named.passkeys[0].credential_id for named in disabled}
    chance = random.Random(count)

    def each(named: Sequence[Named], answer: Callable[[Named], Answer]) -> list[Answer]:
        return [answer(named[number % len(named)]) for number in range(count)]

    def strange(like: bytes) -> Lie:
        return Lie(credential_id=chance.randbytes(len(like)))

    def listed(one: Named) -> Lie:
        return Lie(credential_id=first[one.name])

    return {
        "listed, somebody's": each(known, lambda one: (one.name, attacker, listed(one))),
        "listed, nobody's": each(unknown, lambda one: (one.name, attacker, listed(one))),
        "strange, somebody's": each(known, lambda one: (one.name, attacker, strange(first[one.name]))),
        "strange, nobody's": each(unknown, lambda one: (one.name, attacker, strange(first[one.name]))),
        "insider's, somebody's": each(known, lambda one: (one.name, insider.passkeys[0], TRUTH)),
        "insider's, nobody's": each(unknown, lambda one: (one.name, insider.passkeys[0], TRUTH)),
        "somebody's, no name": each(known, lambda one: (None, attacker, listed(one))),
        "nobody's, no name": each(unknown, lambda one: (None, attacker, listed(one))),
        "disabled, its person's": each(
            disabled, lambda one: (one.name, attacker, Lie(credential_id=own[one.name]))
        ),
        "disabled, by its holder": each(disabled, lambda one: (None, one.passkeys[0], TRUTH)),
        "unknown, by its holder": each(disabled, lambda one: (None, one.passkeys[0], strange(own[one.name]))),
    }


PAIRS = (
    ("listed, somebody's", "listed, nobody's"),
    ("strange, somebody's", "strange, nobody's"),
    ("insider's, somebody's", "insider's, nobody's"),
    ("somebody's, no name", "nobody's, no name"),
    ("disabled, its person's", "listed, nobody's"),
    ("disabled, by its holder", "unknown, by its holder"),
)


def give_answers(
    here: Scene, answers: Mapping[str, Sequence[Answer]], *, rounds: int, seed: int
) -> dict[str, list[list[tuple[int, Seen]]]]:
    """Give every wrong answer `rounds` times, in random order: for each, how many were listed and what was seen."""
    chance = random.Random(seed)
    seen: dict[str, list[list[tuple[int, Seen]]]] = {
        kind: [[] for _ in ways] for kind, ways in answers.items()
    }
    plan = [(kind, number) for kind, ways in answers.items() for number in range(len(ways))]
    with visiting(here.host.url) as visitor:
        for _ in range(rounds):
            for kind, number in chance.sample(plan, len(plan)):
                name, passkey, lie = answers[kind][number]
                started = visitor.start(name)
                answered = visitor.answer(started, passkey, lie)
                seen[kind][number].append((_count(started), answered))
    return seen


def rank_answers(
    seen: Mapping[str, Sequence[Sequence[tuple[int, Seen]]]],
    pair: tuple[str, str],
    statistic: Callable[[Sequence[float]], float] = median,
) -> Ranked:
    """Whether one kind of wrong answer takes longer than another."""
    return ranked(
        [
            (kind == pair[0], one[0][0], statistic([answer.milliseconds for _, answer in one]))
            for kind in pair
            for one in seen[kind]
        ]
    )


def shapes(seen: Mapping[str, Sequence[Sequence[tuple[int, Seen]]]]) -> set[Hashable]:
    """All that the answers look like, less what is random in each."""
    return {shape_of(answer) for ways in seen.values() for one in ways for _, answer in one}


def _balanced(
    everybody: Sequence[Named],
    positive: Collection[Kind],
    negative: Collection[Kind],
    chance: random.Random,
) -> list[Named]:
    yes = [named for named in everybody if named.kind in positive]
    no = [named for named in everybody if named.kind in negative]
    count = min(len(yes), len(no))
    return chance.sample(yes, count) + chance.sample(no, count)


def _count(seen: Seen) -> int:
    return len(seen.body["publicKey"]["allowCredentials"])


def _first_listed(seen: Seen) -> bytes:
    return from_base64url(seen.body["publicKey"]["allowCredentials"][0]["id"])


def _time(seen: Sequence[Seen], statistic: Callable[[Sequence[float]], float] = median) -> float:
    return statistic([one.milliseconds for one in seen])
