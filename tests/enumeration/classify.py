"""What an outsider could learn with: a threshold, nearest neighbours, naive Bayes; and a rank test for time.

Everything here is exact or says its bound. A classifier is trained on one half of the names and judged on the other, by
how often it is right; a fair coin is right as a binomial says, and `chance_bound` is what it reaches once in ten thousand
at most.

Time is judged by ranks: `ranked` is the chance that somebody's time is longer than nobody's (the area under the ROC curve),
within strata of equal visible answers, with its distance from a half in standard deviations. The kinds of names were put
into the order of the visits at random. So if the kind makes no difference, every assignment of kinds to visits is as likely
as any other, whatever the machine does meanwhile: busy neighbours, pauses and drift cost the test power, and never make it
cry wolf more often than it says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, median, pstdev

ONE_IN = 10_000

Features = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One name, or one answer: what it really is, what can be seen of it, and the same as one value to compare."""

    positive: bool
    features: Features
    shape: Hashable


Classifier = Callable[[Sample], bool]
Learner = Callable[[Sequence[Sample]], Classifier]


def threshold(train: Sequence[Sample]) -> Classifier:
    """The best single feature with the best threshold and direction: a decision stump."""
    best = (-1, "", 0.0, True)
    for name in train[0].features:
        values = sorted({sample.features[name] for sample in train})
        for cut in values:
            right = sum((sample.features[name] >= cut) == sample.positive for sample in train)
            best = max(best, (right, name, cut, True), (len(train) - right, name, cut, False))
    _, name, cut, upward = best
    return lambda sample: (sample.features[name] >= cut) == upward


def neighbours(train: Sequence[Sample], k: int = 15) -> Classifier:
    """The majority of the k nearest, each feature in its standard deviations."""
    spread = {
        name: pstdev(sample.features[name] for sample in train) or math.inf for name in train[0].features
    }

    def classify(sample: Sample) -> bool:
        def distance(other: Sample) -> float:
            return sum(
                ((sample.features[name] - other.features[name]) / scale) ** 2
                for name, scale in spread.items()
            )

        nearest = sorted(train, key=distance)[:k]
        return 2 * sum(other.positive for other in nearest) > k

    return classify


def bayes(train: Sequence[Sample]) -> Classifier:
    """Naive Bayes over each feature's exact values and over the whole shape, with one seen of everything."""
    kinds = Counter(sample.positive for sample in train)
    seen: Counter[tuple[bool, str, Hashable]] = Counter()
    for sample in train:
        seen.update((sample.positive, name, value) for name, value in _values(sample))

    def classify(sample: Sample) -> bool:
        score = math.log(kinds[True] / kinds[False])
        for name, value in _values(sample):
            score += math.log((seen[True, name, value] + 1) / (kinds[True] + 2))
            score -= math.log((seen[False, name, value] + 1) / (kinds[False] + 2))
        return score > 0

    return classify


LEARNERS: Mapping[str, Learner] = {
    "best threshold": threshold,
    "15 nearest neighbours": neighbours,
    "naive Bayes": bayes,
}


def accuracy(learner: Learner, train: Sequence[Sample], test: Sequence[Sample]) -> float:
    """How often what was learnt on `train` is right on `test`."""
    classify = learner(train)
    return fmean(classify(sample) == sample.positive for sample in test)


def chance_bound(count: int, tries: int = 1) -> float:
    """The accuracy that a coin reaches on `count` samples once in ten thousand at most, or the best of `tries` coins.

    Above 1 where there are too few samples to exclude that coins are always right.
    """
    allowed = 2**count // (ONE_IN * tries)
    ways, tail = (
        1,
        0,
    )  # in whole numbers: of all rows of coins, those with so many heads, and with as many or more
    for right in range(count, -1, -1):
        tail += ways
        if tail > allowed:
            return (right + 1) / count
        ways = ways * right // (count - right + 1)
    return 1.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """`auc`: 0.5 if the time says nothing. `deviations`: how far it is from that, in those of chance."""

    auc: float
    deviations: float
    pairs: int

    def is_chance(self, tries: int = 1) -> bool:
        """Whether chance alone goes as far more often than once in ten thousand, in the farthest of `tries`."""
        return abs(self.deviations) < NormalDist().inv_cdf(1 - 1 / (ONE_IN * 2 * tries))


def ranked(timed: Sequence[tuple[bool, Hashable, float]]) -> Ranked:
    """Wilcoxon's rank sum within each stratum, added up: (positive, stratum, time) each.

    The variance is that of all assignments of kinds to times within the strata (ties, which clocks of nanoseconds hardly
    give, count a half each and leave it slightly too large, which is on the safe side).
    """
    won = expected = variance = 0.0
    pairs = 0
    for stratum in {stratum for _, stratum, _ in timed}:
        yes = [time for positive, here, time in timed if here == stratum and positive]
        no = [time for positive, here, time in timed if here == stratum and not positive]
        won += sum((one > other) + (one == other) / 2 for one in yes for other in no)
        pairs += len(yes) * len(no)
        expected += len(yes) * len(no) / 2
        variance += len(yes) * len(no) * (len(yes) + len(no) + 1) / 12
    if not pairs:
        raise ValueError("no stratum holds both kinds: nothing was compared")
    return Ranked(won / pairs, (won - expected) / math.sqrt(variance), pairs)


def beyond_shape(timed: Sequence[tuple[Hashable, float]]) -> list[float]:
    """Each time less the median of its stratum: what the visible answer does not explain."""
    middle = {
        stratum: median(time for here, time in timed if here == stratum)
        for stratum in {stratum for stratum, _ in timed}
    }
    return [time - middle[stratum] for stratum, time in timed]


def _values(sample: Sample) -> list[tuple[str, Hashable]]:
    return [*sample.features.items(), ("shape", sample.shape)]
