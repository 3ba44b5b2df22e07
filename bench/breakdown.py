"""Where the CPU time of a sampled run went: each sample under one of a few headings, and under every function of its stack."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

ELSEWHERE = "the rest"

# The innermost frame that fits one decides. Python's own json, asyncio and the like are counted to who called them.
HEADINGS: Sequence[tuple[str, Sequence[str]]] = (
    ("SQLite: statements and commits", ("local_host/database.py", "local_host/engine_store.py", "passkeys/embedded.py")),
    ("verification (webauthn, cryptography)", ("/webauthn/", "/cryptography/", "/cbor2/", "/OpenSSL/", "passkeys/verification.py", "passkeys/algorithms.py")),
    ("the SDK: replay, contexts, payloads", ("azure/durable_functions/", "azure/functions/", "/dateutil/")),
    ("the app", ("/passkeys/", "/starters/", "/activities/", "/entities/", "/orchestrators/", "/function_app.py")),
    ("the local host: engine and walk", ("/local_host/",)),
    ("HTTP server and client (aiohttp)", ("/aiohttp/", "/yarl/", "/multidict/")),
    ("the event loop", ("/asyncio/",)),
)  # fmt: skip


def load(path: Path) -> dict[str, int]:
    """The samples that bench.profiled_host wrote: stack, count."""
    found: dict[str, int] = json.loads(path.read_text())
    return found


def heading_of(stack: str) -> str:
    """The heading of a stack."""
    for frame in reversed(stack.split(";")):
        for heading, marks in HEADINGS:
            if any(mark in frame for mark in marks):
                return heading
    return ELSEWHERE


def serving(samples: Mapping[str, int]) -> dict[str, int]:
    """The samples taken inside the event loop: not those of starting up."""
    return {stack: count for stack, count in samples.items() if ":_run_once" in stack}


def by_heading(samples: Mapping[str, int]) -> list[tuple[str, int]]:
    """Samples under each heading, the largest first."""
    total: Counter[str] = Counter()
    for stack, count in samples.items():
        total[heading_of(stack)] += count
    return total.most_common()


def by_function(samples: Mapping[str, int]) -> tuple[Counter[str], Counter[str]]:
    """Samples with each function innermost, and with it anywhere in the stack."""
    own: Counter[str] = Counter()
    cumulative: Counter[str] = Counter()
    for stack, count in samples.items():
        frames = stack.split(";")
        own[frames[-1]] += count
        for frame in set(frames):
            cumulative[frame] += count
    return own, cumulative
