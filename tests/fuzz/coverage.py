"""One target under atheris: libFuzzer, guided by the coverage of our code and of the parsers beneath it.

    python -m tests.fuzz.coverage TARGET --runs N --corpus FOLDER --artifacts FOLDER --tally FILE

libFuzzer's own words go to stderr; a crasher, a hang or too much memory ends it with a status that is not 0 and a file
in --artifacts. To run such a file again: the same command with its path behind TARGET.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import zlib
from collections import Counter
from pathlib import Path
from random import Random

import atheris

# What is written in Python, and stands between the bytes and the verdict. cbor2 and cryptography are native.
with atheris.instrument_imports(
    include=["passkeys", "webauthn", "pyasn1", "joserfc"], enable_loader_override=False
):
    from tests.fuzz.targets import TARGETS

# The slowest honest input takes milliseconds; this is a hang.
SECONDS = 10
MEGABYTES = 1024
LONGEST = 20_000
TALLY_EVERY = 5_000
SLOTS = 4096


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.coverage")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("again", nargs="*", help="files to run, once each, instead of fuzzing")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz/corpus"))
    parser.add_argument("--artifacts", type=Path, default=Path(".fuzz/findings"))
    parser.add_argument("--tally", type=Path)
    chosen = parser.parse_args()
    target = TARGETS[chosen.target]
    for folder in (chosen.corpus, chosen.artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (chosen.corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)  # as libFuzzer names its own
    outcomes: Counter[str] = Counter()
    counted = itertools.count(1)

    # What came of which scene counts as coverage too: native code has none, and an input that got through with ML-DSA must
    # not be thrown away for a shorter one that got through with ES256. These are the calls that instrumented code makes.
    reached = [atheris._reserve_counter() for _ in range(SLOTS)]

    def run(data: bytes) -> None:
        outcome = target.run(data)
        outcomes[outcome] += 1
        count = next(counted)
        atheris._trace_branch(reached[zlib.crc32(data[:1] + outcome.encode()) % SLOTS])
        if chosen.tally and (count % TALLY_EVERY == 0 or count == chosen.runs):
            chosen.tally.write_text(json.dumps(outcomes))

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        return target.mutate(Random(seed), data, lambda part: atheris.Mutate(part, len(part) + 64))[:most]

    told = [
        sys.argv[0],
        *(chosen.again or [str(chosen.corpus)]),
        f"-runs={chosen.runs}",
        f"-seed={chosen.seed}",
        f"-timeout={SECONDS}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={LONGEST}",
        "-len_control=0",
        "-mutate_depth=2",
        "-print_final_stats=1",
        f"-artifact_prefix={chosen.artifacts}/{chosen.target}-",
    ]
    atheris.Setup(told, run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
