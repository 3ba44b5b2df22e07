"""Measure complete sign-ins and write what came out: `python -m bench` (minutes), `--write` puts it into docs/performance.md."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.breakdown import by_heading, load
from bench.breakdown import serving as while_serving
from bench.finished import add_finished
from bench.servers import ROOT, Measured, Server, serving, sign_ins, write_people
from bench.tickets import issue_tickets

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
PEOPLE = (1, 8, 32)
FINISHED = (0, 10_000, 100_000)
MEMORY_SIGN_INS = 12_000
MEMORY_STEP = 4  # times the seconds of a timed run
NAMES = {
    "durable": "this app on its local host",
    "direct": "the same with `--sdk-calls direct`",
    "bare": "bare `webauthn` on aiohttp, same store",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often; where the state is put; who may sign in."""

    seconds: float
    rounds: int
    scratch: Path
    people_file: Path
    people: list[str]


def main() -> int:
    """Run everything, print it as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each timed run (5)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind; medians are told (5)")
    parser.add_argument("--write", action="store_true", help=f"put the result into {PAGE.relative_to(ROOT)}")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passkeys-bench-") as directory:
        scratch = Path(directory)
        people_file = scratch / "people.json"
        plan = Plan(chosen.seconds, chosen.rounds, scratch, people_file, write_people(people_file, 200))
        text = "\n".join(report(plan))
    print(text)
    if chosen.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")
    return 0


def report(plan: Plan) -> Iterator[str]:
    """Everything, a line at a time."""
    runs = compare(plan)
    yield from machine([one.others for measured in runs.values() for one in measured])
    yield from ("", "### Complete sign-ins, side by side", "", *comparison_table(runs))
    yield from ("", "### With finished ceremonies in the state file, 8 people", "", *finished_table(plan))
    yield from ("", "### Where the CPU time goes, 8 people", "", *breakdown_table(plan, runs))
    yield from ("", "### Memory of one host, 32 people, run after run", "", *memory_table(plan))


def machine(others: Sequence[float]) -> Iterator[str]:
    """What it ran on; other work on the machine is told, because it spoils the figures."""
    yield f"Measured {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {platform.system()} {platform.machine()},"
    yield f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, synchronous=FULL."
    yield f"While the runs were timed, other work took {statistics.median(others):.0%} of the machine (median), {max(others):.0%} at most."
    yield "The load is a process of its own on the same cores."


def compare(plan: Plan) -> Mapping[tuple[str, int], list[Measured]]:
    """Both servers, in turns, for each number of people."""
    runs: dict[tuple[str, int], list[Measured]] = {(name, count): [] for count in PEOPLE for name in NAMES}
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(serving(name, plan.scratch / name, plan.people_file)) for name in NAMES
        ]
        for turn in range(plan.rounds):
            for count in PEOPLE:
                for server in servers:
                    tell(f"round {turn + 1}: {server.name}, {count} people")
                    runs[server.name, count].append(run(plan, server, count))
    return runs


def run(plan: Plan, server: Server, count: int) -> Measured:
    """One timed run of `count` people with fresh passkeys, drawn in turn from everybody who may."""
    people = [plan.people.pop(0) for _ in range(count)]
    plan.people.extend(people)
    return sign_ins(server, issue_tickets(server.state, people), plan.seconds)


def comparison_table(runs: Mapping[tuple[str, int], list[Measured]]) -> Iterator[str]:
    """Rates are medians of runs; percentiles are over the sign-ins of all runs."""
    yield "| server | people | sign-ins/s | whole sign-in p50 / p95 / p99 ms | start p50 / p95 / p99 | answer p50 / p95 / p99 | CPU ms each |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for (name, count), measured in runs.items():
        steps = (
            percentiles([ms for one in measured for ms in one.sign_in]),
            percentiles([ms for one in measured for ms in one.start]),
            percentiles([ms for one in measured for ms in one.answer]),
        )
        rate, cpu = middle(measured)
        yield f"| {NAMES[name]} | {count} | {rate:.0f} | {' | '.join(steps)} | {cpu:.1f} |"


def finished_table(plan: Plan) -> Iterator[str]:
    """The same sign-ins beside nothing, ten thousand and a hundred thousand finished ones; all hosts up, runs in turns."""
    states = {count: plan.scratch / f"finished-{count}" for count in FINISHED}
    for count, state in states.items():
        tell(f"making a state file with {count} finished ceremonies")
        with serving("durable", state, plan.people_file) as server:
            sign_ins(server, issue_tickets(state, plan.people[:1]), 0.2)
        if count:
            add_finished(state, count)
    runs: dict[int, list[Measured]] = {count: [] for count in FINISHED}
    with contextlib.ExitStack() as stack:
        servers = {
            count: stack.enter_context(serving("durable", state, plan.people_file))
            for count, state in states.items()
        }
        for turn in range(plan.rounds):
            # There and back again, so that a drift of the machine does not count against the last.
            for count in FINISHED if turn % 2 else reversed(FINISHED):
                tell(f"round {turn + 1}: {count} finished")
                runs[count].append(run(plan, servers[count], 8))
    yield "| finished | state file MB | sign-ins/s | p50 / p95 / p99 ms | CPU ms each | against none |"
    yield "|--:|--:|--:|--:|--:|--:|"
    base = middle(runs[0])[0]
    for count, measured in runs.items():
        rate, cpu = middle(measured)
        size = sum(path.stat().st_size for path in states[count].glob("host.db*")) / 1e6
        times = percentiles([ms for one in measured for ms in one.sign_in])
        yield f"| {count:,} | {size:.0f} | {rate:.0f} | {times} | {cpu:.1f} | {rate / base - 1:+.0%} |"


def breakdown_table(plan: Plan, runs: Mapping[tuple[str, int], list[Measured]]) -> Iterator[str]:
    """Shares of a sampled run apart from the timed ones, applied to the CPU time that was measured without sampling."""
    tell("sampling where the CPU time goes")
    samples = plan.scratch / "samples.json"
    module = ("bench.profiled_host", str(samples))
    with serving("durable", plan.scratch / "sampled", plan.people_file, module=module) as server:
        run(plan, server, 8)
    parts = by_heading(while_serving(load(samples)))
    total = sum(count for _, count in parts)
    cpu = middle(runs["durable", 8])[1]
    yield "| part | share | ms a sign-in |"
    yield "|---|--:|--:|"
    for heading, count in parts:
        yield f"| {heading} | {count / total:.0%} | {cpu * count / total:.2f} |"


def memory_table(plan: Plan) -> Iterator[str]:
    """Resident memory over a long time; it rises until SQLite's page cache (32 MiB) is full, and must not rise after."""
    yield "| sign-ins so far | resident MB |"
    yield "|--:|--:|"
    so_far = 0
    with serving("durable", plan.scratch / "memory", plan.people_file) as server:
        while so_far < MEMORY_SIGN_INS:
            tell(f"memory: {so_far} of {MEMORY_SIGN_INS} sign-ins")
            measured = sign_ins(
                server, issue_tickets(server.state, plan.people[:32]), MEMORY_STEP * plan.seconds
            )
            so_far += len(measured.sign_in)
            yield f"| {so_far:,} | {measured.rss_after / 1e6:.0f} |"


def middle(measured: Sequence[Measured]) -> tuple[float, float]:
    """The medians of sign-ins a second and of CPU milliseconds each."""
    return (
        statistics.median(one.a_second for one in measured),
        statistics.median(one.cpu_ms for one in measured),
    )


def percentiles(times: Sequence[float]) -> str:
    """p50 / p95 / p99."""
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return f"{cuts[49]:.1f} / {cuts[94]:.1f} / {cuts[98]:.1f}"


def tell(what: str) -> None:
    """Say what is going on, beside the result."""
    print(f"  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
