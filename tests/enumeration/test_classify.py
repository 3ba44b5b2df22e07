"""The judges are judged: they find what is there, and chance where nothing is."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from tests.enumeration.classify import LEARNERS, Sample, accuracy, beyond_shape, chance_bound, ranked


def samples(chance: random.Random, count: int, tell: float) -> list[Sample]:
    """As many of each kind; with probability `tell` a sample's second feature gives its kind away."""
    made = []
    for number in range(count):
        positive = number % 2 == 0
        given_away = positive if chance.random() < tell else chance.random() < 0.5
        features = {"noise": chance.gauss(0, 1), "tell": float(given_away)}
        made.append(Sample(positive, features, (given_away, chance.randrange(5))))
    chance.shuffle(made)
    return made


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_a_leak_is_learnt(learner) -> None:
    """Where half of the samples give themselves away, each is right on three of four; where none does, on half."""
    chance = random.Random(1)
    told = accuracy(learner, samples(chance, 400, tell=0.5), samples(chance, 400, tell=0.5))
    assert told > chance_bound(400)
    assert told == pytest.approx(0.75, abs=0.07)
    nothing = accuracy(learner, samples(chance, 400, tell=0), samples(chance, 400, tell=0))
    assert nothing == pytest.approx(0.5, abs=0.1)
    assert nothing < chance_bound(400)


def test_the_bound_is_the_binomials() -> None:
    """A coin exceeds it once in ten thousand; with more samples it is closer to a half."""
    assert [round(chance_bound(count), 3) for count in (16, 100, 400, 10_000)] == [1.0, 0.69, 0.595, 0.519]
    assert chance_bound(100, tries=5) > chance_bound(100)
    chance = random.Random(2)
    heads = [fmean(chance.random() < 0.5 for _ in range(100)) for _ in range(5000)]
    assert sum(share >= chance_bound(100) for share in heads) <= 3


def times(chance: random.Random, count: int, later: float) -> list[tuple[bool, int, float]]:
    """Heavy-tailed times of two strata; the kinds are mixed differently in each, and the positive ones come later."""
    made = []
    for _ in range(count):
        stratum = chance.randrange(2)
        positive = chance.random() < (0.3, 0.6)[stratum]
        time = 5 + 10 * stratum + chance.lognormvariate(0, 1) + later * positive
        made.append((positive, stratum, time))
    return made


def test_a_delay_is_found_through_noise() -> None:
    """A seventh of the spread is enough when there are enough samples; the strata hide and add nothing."""
    assert not ranked(times(random.Random(3), 1500, later=0.3)).is_chance()
    assert not ranked(times(random.Random(3), 1500, later=-0.3)).is_chance()


def test_without_a_delay_the_rank_test_keeps_its_word() -> None:
    """Over many runs its deviations are those of a standard normal: it cries wolf as often as it says, and no oftener."""
    runs = [ranked(times(random.Random(seed), 120, later=0)).deviations for seed in range(500)]
    assert abs(fmean(runs)) < 0.12
    assert fmean(run**2 for run in runs) == pytest.approx(1, abs=0.15)
    assert sum(abs(run) > 1.96 for run in runs) / 500 == pytest.approx(0.05, abs=0.025)


def test_a_drift_of_the_machine_is_no_leak() -> None:
    """Kinds in random order: a machine that slows down tenfold in between makes no difference between them."""
    for seed in range(200):
        chance = random.Random(seed)
        drifting = [
            (chance.random() < 0.5, 0, (1 + 9 * (n > 100)) * chance.lognormvariate(0, 1)) for n in range(200)
        ]
        assert ranked(drifting).is_chance(tries=200)


def test_only_what_the_answer_does_not_show_is_left() -> None:
    """The median of equal answers is taken away from each."""
    assert beyond_shape([("a", 1.0), ("b", 10.0), ("a", 3.0), ("a", 2.0)]) == [-1.0, 0.0, 1.0, 0.0]


def test_nothing_compared_is_not_nothing_found() -> None:
    """Kinds that never meet in a stratum are a mistake of the test, and told."""
    with pytest.raises(ValueError, match="nothing was compared"):
        ranked([(True, 0, 1.0), (False, 1, 1.0)])
