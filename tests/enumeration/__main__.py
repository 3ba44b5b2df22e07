"""The study at length, with its figures: `make enumeration`, or `python -m tests.enumeration --names 400 --rounds 20`.

A quiet machine makes it sharper. The last part plants delays of known length, so that the figures say what would have been
found. Ends with 1 if a classifier did better than chance, or if ranks of times are farther from a half than BOUND.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median, quantiles

from tests.enumeration.classify import Ranked
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
from tests.enumeration.visits import Seen

# How far the area under the curve may be from a half, beyond what chance explains. At 0.05, whoever always believes the
# faster of two names to be nobody's is right 55 times in a hundred, after as many visits to each as were made here.
BOUND = 0.05
DELAYS_MS = (0.05, 0.1, 0.25, 0.5, 1.0)


def lower_quartile(times: Sequence[float]) -> float:
    """A quarter of the visits were faster."""
    return quantiles(times, n=4)[0]


STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "median": median,
    "lower quartile": lower_quartile,
    "fastest": min,
}
COMPARED = {
    "people with passkeys": KNOWN,
    "disabled people": {Kind.DISABLED},
    "people without one": {Kind.BARE},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; print its figures; 0 if there was nothing to learn."""
    parser = argparse.ArgumentParser(prog="python -m tests.enumeration", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--names", type=int, default=400, help="of people with passkeys, and as many of nobody"
    )
    parser.add_argument("--rounds", type=int, default=20, help="visits to each name")
    parser.add_argument("--answers", type=int, default=100, help="of each kind of wrong answer")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    counts = {
        Kind.SOMEBODY: options.names * 3 // 4,
        Kind.DISABLED: options.names // 4,
        Kind.BARE: options.names // 4,
        Kind.NOBODY: options.names,
    }
    with scene(counts, seed=options.seed) as here:
        good = study_names(here, options.rounds, options.seed)
        good &= study_answers(here, options.answers, options.rounds, options.seed)
    study_delays(options.names, options.rounds, options.seed)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\n{time.monotonic() - began:.0f} s; load of the machine at the end: {load}")
    print("Nothing to learn." if good else "THERE IS SOMETHING TO LEARN.")
    return 0 if good else 1


def study_names(here: Scene, rounds: int, seed: int) -> bool:
    """Whose names are somebody's, by what is seen and by time."""
    seen = visit_names(here, rounds=rounds, seed=seed)
    print(f"Sign-ins begun for {len(seen)} names, {rounds} each; one takes {_typical(seen):.2f} ms.\n")
    good = True
    print("Right on names not seen before, by classifiers (chance is below the bound 9,999 times in 10,000):")
    for compared, positive in COMPARED.items():
        for words, with_time in (("all but time", False), ("time too", True)):
            learnt = learn(samples(here, seen, positive, UNKNOWN, with_time=with_time, seed=seed))
            right = ", ".join(f"{name} {share:.1%}" for name, share in learnt.right.items())
            print(f"  {compared}, {words}: {right}; bound {learnt.bound:.1%} of {learnt.names}")
            good &= learnt.is_chance
    print("\nAre somebody's slower than nobody's? Area under the curve, and standard deviations from a half:")
    for compared, positive in COMPARED.items():
        for name, statistic in STATISTICS.items():
            ranks = rank_names(here, seen, positive, UNKNOWN, statistic)
            print(f"  {compared}, {name} of {rounds}: {_told(ranks)}")
            good &= _within(ranks)
    return good


def study_answers(here: Scene, answers: int, rounds: int, seed: int) -> bool:
    """Which credentials there are, by how long their refusal takes."""
    seen = give_answers(here, wrong_answers(here, answers), rounds=rounds, seed=seed)
    print(
        f"\nWrong answers, {answers} of each kind, {rounds} times each; they look {len(shapes(seen))} way(s):"
    )
    good = len(shapes(seen)) == 1
    for pair in PAIRS:
        for name, statistic in STATISTICS.items():
            ranks = rank_answers(seen, pair, statistic)
            print(f"  {pair[0]} | {pair[1]}, {name} of {rounds}: {_told(ranks)}")
            good &= _within(ranks)
    return good


def study_delays(names: int, rounds: int, seed: int) -> None:
    """What the ranks say of delays that are there."""
    print("\nThe same on a host where nobody's names take longer on purpose:")
    for delay in DELAYS_MS:
        with scene(
            {Kind.SOMEBODY: names // 2, Kind.NOBODY: names // 2}, seed=seed, leak=f"delay={delay}"
        ) as here:
            seen = visit_names(here, rounds=rounds, seed=seed)
            told = "; ".join(
                f"{name} {_told(rank_names(here, seen, KNOWN, UNKNOWN, statistic))}"
                for name, statistic in STATISTICS.items()
            )
        print(f"  by {delay} ms: {told}")


def _told(ranks: Ranked) -> str:
    verdict = "chance" if ranks.is_chance() else "NOT chance"
    return f"{ranks.auc:.3f} ({ranks.deviations:+.1f}, {verdict})"


def _within(ranks: Ranked) -> bool:
    return ranks.is_chance() or abs(ranks.auc - 0.5) < BOUND


def _typical(seen: Mapping[str, Sequence[Seen]]) -> float:
    return median(one.milliseconds for visits in seen.values() for one in visits)


if __name__ == "__main__":
    sys.exit(main())
