"""Nothing to learn from outside: no classifier, by anything that can be seen or timed, tells whose names are somebody's.

What an answer shows is the same in every run (one seed, one key of the decoys), and compared exactly. Time is judged by
ranks and by classifiers that may use it, each time against what chance does once in ten thousand; and since chance does, a
measurement that exceeds it is taken again, and must do so three times in a row. A leak does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.enumeration.population import Kind
from tests.enumeration.study import (
    KNOWN,
    PAIRS,
    UNKNOWN,
    Scene,
    give_answers,
    learn,
    rank_answers,
    rank_names,
    samples,
    scene,
    shapes,
    visit_names,
    wrong_answers,
)

# Ten times what it takes alone on two cores: others may be busy on them.
pytestmark = pytest.mark.timeout(600)

COUNTS = {Kind.SOMEBODY: 130, Kind.DISABLED: 40, Kind.BARE: 40, Kind.NOBODY: 170}
ROUNDS = 3
ANSWERS = 72
COMPARED = {
    "passkeys": (KNOWN, UNKNOWN),
    "disabled": ({Kind.DISABLED}, UNKNOWN),
    "no passkey yet": ({Kind.BARE}, UNKNOWN),
}


@pytest.fixture(scope="module")
def here() -> Iterator[Scene]:
    with scene(COUNTS, seed=1) as opened:
        yield opened


def three_in_a_row(finding: Callable[[int], str]) -> list[str]:
    """What was found in each of up to three measurements; empty as soon as one of them finds nothing."""
    found: list[str] = []
    for attempt in range(3):
        told = finding(attempt)
        if not told:
            return []
        found.append(told)
    return found


def test_what_is_seen_tells_nothing(here: Scene) -> None:
    """Status, headers, length, members, counts, ids and transports: three classifiers, and chance, on unseen names."""
    seen = visit_names(here, rounds=1, seed=0)
    for compared, (positive, negative) in COMPARED.items():
        learnt = learn(samples(here, seen, positive, negative, with_time=False, seed=0))
        assert learnt.is_chance, f"{compared}: {learnt}"
    assert {one.status for visits in seen.values() for one in visits} == {202}
    without_length = {
        tuple(header for header in visits[0].headers if header[0] != "content-length")
        for visits in seen.values()
    }
    assert len(without_length) == 1
    for named in here.everybody:
        listed = {entry["id"] for entry in seen[named.name][0].body["publicKey"]["allowCredentials"]}
        assert named.kind not in KNOWN or listed == {passkey.id for passkey in named.passkeys}


def test_the_time_tells_nothing(here: Scene) -> None:
    """Ranks of the times, and classifiers that have the time beside all else, do as well as chance."""

    def finding(attempt: int) -> str:
        seen = visit_names(here, rounds=ROUNDS, seed=1 + attempt)
        for compared, (positive, negative) in COMPARED.items():
            ranks = rank_names(here, seen, positive, negative)
            learnt = learn(samples(here, seen, positive, negative, with_time=True, seed=attempt))
            if not (ranks.is_chance(tries=len(COMPARED)) and learnt.is_chance):
                return f"{compared}: {ranks}, {learnt}"
        return ""

    assert three_in_a_row(finding) == []


def test_being_refused_tells_nothing(here: Scene) -> None:
    """Every wrong answer ends alike, and as soon: a real credential's, a decoy's, a strange one's, another person's."""
    answers = wrong_answers(here, ANSWERS)

    def finding(attempt: int) -> str:
        seen = give_answers(here, answers, rounds=1, seed=attempt)
        assert len(shapes(seen)) == 1
        for pair in PAIRS:
            ranks = rank_answers(seen, pair)
            if not ranks.is_chance(tries=len(PAIRS)):
                return f"{pair}: {ranks}"
        return ""

    assert three_in_a_row(finding) == []


SMALL = {Kind.SOMEBODY: 60, Kind.NOBODY: 60}


def test_a_delay_is_found() -> None:
    """The same study on a host where a name that is nobody's takes five milliseconds longer finds it by ranks."""
    with scene(SMALL, seed=2, leak="delay=5") as leaking:
        for attempt in range(3):  # a busy machine hides it better than an idle one
            seen = visit_names(leaking, rounds=ROUNDS, seed=attempt)
            if not rank_names(leaking, seen, KNOWN, UNKNOWN).is_chance(tries=len(COMPARED)):
                return
    raise AssertionError("five milliseconds were not found: the study would find nothing smaller")


def test_an_empty_list_is_found() -> None:
    """On a host that lists nothing for a name that is nobody's, a classifier learns it from what is seen alone."""
    with scene(SMALL, seed=2, leak="no_decoys") as leaking:
        seen = visit_names(leaking, rounds=1, seed=0)
        learnt = learn(samples(leaking, seen, KNOWN, UNKNOWN, with_time=False, seed=0))
        assert learnt.right["best threshold"] == 1.0
