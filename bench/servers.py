"""The two servers that are compared, each a process of its own on a fresh port, and what they cost while they are asked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60.0
STOP_SECONDS = 40.0
# Nobody is refused: what is timed is the work, the limiters' included.
SETTINGS = {
    "PASSKEYS_LIMIT_NETWORK": "1000000/60",
    "PASSKEYS_LIMIT_PERSON": "1000000/60",
    "PASSKEYS_LIMIT_GLOBAL": "1000000/60",
}
COMMANDS: Mapping[str, Sequence[str]] = {
    "durable": ("local_host",),
    "direct": ("local_host", "--sdk-calls", "direct"),
    "bare": ("bench.bare_server",),
}


class ServerFailedError(Exception):
    """A server did not start, or its load did not end well; the message carries what it said."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that serves."""

    name: str
    url: str
    process: psutil.Process
    state: Path


@dataclass(frozen=True, slots=True)
class Measured:
    """One timed run: milliseconds of every sign-in and step, CPU seconds and memory of the server."""

    seconds: float
    sign_in: Sequence[float]
    start: Sequence[float]
    answer: Sequence[float]
    polls: int
    cpu_seconds: float
    rss_before: int
    rss_after: int
    others: float  # share of all cores that neither the server nor the load used, and that was not idle

    @property
    def a_second(self) -> float:
        """Complete sign-ins a second."""
        return len(self.sign_in) / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of the server, user and system, for each sign-in."""
        return 1000 * self.cpu_seconds / len(self.sign_in)


def environment(state: Path, people: Path) -> dict[str, str]:
    """What both servers, and the making of tickets, are started with."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PASSKEYS_", "LOCAL_HOST_", "WEBSITE_"))
    }
    return {**inherited, **SETTINGS, "PASSKEYS_DIRECTORY": str(people), "LOCAL_HOST_STATE": str(state)}


def write_people(path: Path, count: int) -> list[str]:
    """A directory file of `count` people; their ids."""
    ids = [f"person-{number}" for number in range(count)]
    path.write_text(json.dumps({one: {"display_name": f"Person {one}"} for one in ids}))
    return ids


@contextlib.contextmanager
def serving(
    name: str,
    state: Path,
    people: Path,
    *,
    module: Sequence[str] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """A server until the block ends. `module` replaces the usual module and its first arguments; `settings` are added."""
    state.mkdir(parents=True, exist_ok=True)
    arguments = [*(module or COMMANDS[name]), "--port", "0", "--state", str(state)]
    log = state.parent / f"{state.name}-{name}.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**environment(state, people), **settings},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("READY "):
            raise ServerFailedError(f"{name} did not start: {line}{log.read_text()[-2000:]}")
        yield Server(name, line.split()[1], psutil.Process(process.pid), state)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def sign_ins(server: Server, tickets: Sequence[str], seconds: float) -> Measured:
    """Let as many people as there are tickets sign in for `seconds`. Raises ServerFailedError."""
    command = [sys.executable, "-m", "bench.load", server.url, str(seconds), *tickets]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as load:
        assert load.stdout is not None
        assert load.stderr is not None
        asked = psutil.Process(load.pid)
        lines = [load.stdout.readline()]
        began, cpu, rest = (
            time.monotonic(),
            cpu_seconds(server.process),
            busy_elsewhere(server.process, asked),
        )
        memory = server.process.memory_info().rss
        lines.append(load.stdout.readline())
        cpu, rest = cpu_seconds(server.process) - cpu, busy_elsewhere(server.process, asked) - rest
        took, memory_after = time.monotonic() - began, server.process.memory_info().rss
        result = load.stdout.read()
        if load.wait() or lines != ["begin\n", "end\n"]:
            raise ServerFailedError(f"the load on {server.name} failed: {load.stderr.read()[-2000:]}")
    told = json.loads(result)
    return Measured(
        seconds=told["seconds"],
        sign_in=told["sign_in"],
        start=told["start"],
        answer=told["answer"],
        polls=told["polls"],
        cpu_seconds=cpu,
        rss_before=memory,
        rss_after=memory_after,
        others=max(0.0, rest) / took / (psutil.cpu_count() or 1),
    )


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def busy_elsewhere(*ours: psutil.Process) -> float:
    """CPU seconds that the machine has spent so far on everything but these processes."""
    times = psutil.cpu_times()
    # Waiting for the disk is idle time; a guest's time is in user time already.
    busy = times.user + times.system + times.nice + times.irq + times.softirq + times.steal
    return float(busy) - sum(cpu_seconds(process) for process in ours)
