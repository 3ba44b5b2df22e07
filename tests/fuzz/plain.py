"""One target without a guide: seeds changed by a source of chance that begins the same every time (the serial numbers of
the certificates in them apart, and one key).

What `make test` runs on every platform, and what `make fuzz` runs where atheris has no wheel: the same harness, the same
mutations, the same oracle; what it lacks is that an input which reaches something new is kept and changed further.
"""

from __future__ import annotations

import argparse
import dataclasses
import faulthandler
import hashlib
import json
import resource
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.fuzz import mutation
from tests.fuzz.targets import TARGETS, Target

# The bounds of tests.fuzz.coverage; time is looked at for a hundred inputs together.
SECONDS = 10
REARM_EVERY = 100
MEGABYTES = 1024

# An input that got as far as any is worth another change; so many are held.
HELD = 500


def fuzz(target: Target, runs: int, *, seed: int) -> Iterator[tuple[bytes, str]]:
    """Run every seed as it is, then changed ones; each input, with what came of it. Raises what the target raises."""
    chance = Random(seed)
    held = list(target.seeds())
    seen: Counter[str] = Counter()
    for number in range(runs):
        if number < len(target.seeds()):
            data = target.seeds()[number]
        else:
            data = target.mutate(chance, chance.choice(held), lambda part: mutation.blind(chance, part))
        outcome = target.run(data)
        yield data, outcome
        seen[outcome] += 1
        # What came of it rarely is where not many have been.
        if seen[outcome] <= 5 or (outcome == "accepted" and seen[outcome] % 4 == 0):
            if len(held) >= HELD:
                held[chance.randrange(len(target.seeds()), HELD)] = data
            else:
                held.append(data)


def main() -> int:
    """`python -m tests.fuzz.plain TARGET --runs N`, with the options of tests.fuzz.coverage."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.plain")
    parser.add_argument("target")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="not used: nothing tells which inputs are worth keeping")
    parser.add_argument("--artifacts", type=Path, default=Path(".fuzz/findings"))
    parser.add_argument("--tally", type=Path)
    chosen = parser.parse_args()
    return hunt(
        chosen.target, TARGETS[chosen.target], chosen.runs, chosen.seed, chosen.artifacts, chosen.tally
    )


def hunt(name: str, target: Target, runs: int, seed: int, artifacts: Path, tally: Path | None) -> int:
    """Run to the end or to the first finding, which becomes a file. The status that the process ends with."""
    outcomes: Counter[str] = Counter()
    under_way = b""

    def run(data: bytes) -> str:
        nonlocal under_way
        under_way = data
        # A thread of its own ends the process, where not even a signal is heard.
        if outcomes.total() % REARM_EVERY == 0:
            faulthandler.dump_traceback_later(REARM_EVERY * SECONDS, exit=True)
            print(f"#{outcomes.total()} rss: {_megabytes()}Mb", file=sys.stderr, flush=True)
            if _megabytes() > MEGABYTES:
                raise MemoryError(f"more than {MEGABYTES} MB")
        outcome = target.run(data)
        outcomes[outcome] += 1
        return outcome

    try:
        for _ in fuzz(dataclasses.replace(target, run=run), runs, seed=seed):
            pass
    except BaseException:
        traceback.print_exc()
        artifacts.mkdir(parents=True, exist_ok=True)
        (artifacts / f"{name}-crash-{hashlib.sha1(under_way).hexdigest()}").write_bytes(under_way)
        return 1
    finally:
        faulthandler.cancel_dump_traceback_later()
        print(f"#{outcomes.total()} rss: {_megabytes()}Mb", file=sys.stderr, flush=True)
        if tally:
            tally.write_text(json.dumps(outcomes))
    return 0


def _megabytes() -> int:
    """The most that this process has had resident. Linux tells KiB, macOS bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // (1024 if sys.platform == "linux" else 1024 * 1024)


if __name__ == "__main__":
    sys.exit(main())
