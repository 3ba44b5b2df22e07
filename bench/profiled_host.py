"""The local host with its CPU time sampled: `python -m bench.profiled_host SAMPLES [arguments of local_host]`.

Every millisecond of CPU time that the process uses, the stack is noted. A tracing profiler (cProfile) more than doubles the
cost of a call and so makes the replay of many small functions look dearer than it is; sampling changes nothing. What a
C function takes (SQLite, a signature) is counted to the Python function that called it.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

from local_host import cli

INTERVAL_SECONDS = 0.001


def sample_into(stacks: Counter[str]) -> None:
    """Count stacks from now on, as "file:function;file:function;…", the outermost first."""

    def note(_: int, frame: FrameType | None) -> None:
        names: list[str] = []
        while frame is not None:
            names.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
            frame = frame.f_back
        stacks[";".join(reversed(names))] += 1

    signal.signal(signal.SIGPROF, note)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)


if __name__ == "__main__":
    found: Counter[str] = Counter()
    sample_into(found)
    try:
        code = cli.main(sys.argv[2:])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(sys.argv[1]).write_text(json.dumps(found))
    sys.exit(code)
