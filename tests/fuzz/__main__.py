"""All targets, to a number of executions: `python -m tests.fuzz --runs 10000000`, which is what `make fuzz` does.

Bounded, and goes on where it stopped: corpus, findings and figures are in --state, which is in no repository. Half and
half over the two verifying functions; every other target gets a fiftieth more. Without a wheel of atheris for this
platform the same harness runs without a guide (tests/fuzz/plain.py), and says so.

Its status is 1 if there were findings: their inputs are files in STATE/findings, and what they raised is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import re
import resource
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "verification.md"
BEGIN, END = "<!-- fuzz: begin -->", "<!-- fuzz: end -->"
# Of --runs. The two functions share it, the faster one getting the larger part; the rest is on top.
SHARES = {
    "authentication": 0.6,
    "registration": 0.4,
    "statement": 0.02,
    "responses": 0.02,
    "chain": 0.02,
    "metadata": 0.02,
}
# Executions of one process: its memory is bounded, and the figures are kept, that often.
CHUNK = 200_000
TELL_SECONDS = 20
STATUS = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/\S+ .*?rss: (\d+)Mb")
PLAIN_STATUS = re.compile(r"#(\d+) rss: (\d+)Mb")
FINAL = re.compile(r"stat::(\w+):\s+(\d+)")


@dataclass(slots=True)
class Figures:
    """What has been run of a target, in all."""

    executions: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    coverage: int = 0
    features: int = 0
    corpus: int = 0
    peak_megabytes: int = 0
    findings: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=10_000_000, help="executions of the two functions, in all (10,000,000)"
    )
    parser.add_argument("--state", type=Path, default=Path(".fuzz"), help="corpus, findings, figures (.fuzz)")
    parser.add_argument(
        "--engine", choices=["coverage", "plain"], help="coverage, where atheris is installed"
    )
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name}")
    parser.add_argument("targets", nargs="*", help=", ".join(SHARES))
    chosen = parser.parse_args()
    # Ended from outside, it ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    engine = chosen.engine or ("coverage" if importlib.util.find_spec("atheris") else "plain")
    if engine == "plain":
        print("Without coverage to guide it: atheris is not installed here.", flush=True)
    chosen.state.mkdir(parents=True, exist_ok=True)
    goals = {name: max(1, int(chosen.runs * SHARES[name])) for name in chosen.targets or SHARES}
    figures = {name: read_figures(chosen.state, name) for name in goals}
    failed: set[str] = set()
    # In turns, so that a run cut short has been everywhere.
    while due := [name for name in goals if figures[name].executions < goals[name] and name not in failed]:
        for name in due:
            left = goals[name] - figures[name].executions
            share = max(1, min(left, int(CHUNK * SHARES[name] / 0.6) if goals[name] > CHUNK else left))
            if not run_chunk(engine, name, share, goals[name], chosen.state, figures[name]):
                failed.add(name)
    text = "\n".join(table(figures))
    print(text)
    if chosen.write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")
    for name in failed:
        print(f"{name}: findings. Their inputs are in {chosen.state / 'findings'}; the same command goes on.")
    return 1 if failed else 0


def run_chunk(engine: str, name: str, runs: int, goal: int, state: Path, figures: Figures) -> bool:
    """One process. False: it found something."""
    tally = state / f"{name}.outcomes.json"
    tally.unlink(missing_ok=True)
    command = [
        sys.executable, "-W", "ignore", "-m", f"tests.fuzz.{engine}", name,
        "--runs", str(runs), "--seed", str(figures.executions + 1),
        "--corpus", str(state / "corpus" / name), "--artifacts", str(state / "findings"), "--tally", str(tally),
    ]  # fmt: skip
    began, cpu = time.monotonic(), _children_cpu()
    before, told = figures.executions, began
    last: deque[str] = deque(maxlen=60)
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, errors="replace"
    ) as child:
        assert child.stderr is not None
        try:
            for line in child.stderr:
                last.append(line)
                read_line(line, before, figures)
                if time.monotonic() - told > TELL_SECONDS:
                    told = time.monotonic()
                    print(progress(name, before, goal, told - began, figures), flush=True)
        except KeyboardInterrupt:
            child.terminate()
            raise
    figures.seconds += time.monotonic() - began
    figures.cpu_seconds += _children_cpu() - cpu
    with contextlib.suppress(FileNotFoundError):
        for outcome, count in json.loads(tally.read_text()).items():
            figures.outcomes[outcome] = figures.outcomes.get(outcome, 0) + count
    tally.unlink(missing_ok=True)
    ended_from_outside = child.returncode in (-signal.SIGKILL, -signal.SIGTERM)
    found = child.returncode != 0 and not ended_from_outside
    if found:
        figures.findings += 1
        print("".join(last), f"It ended with status {child.returncode}.")
    if ended_from_outside and figures.executions == before:
        raise SystemExit(f"{name} is ended from outside before it gets anywhere.")
    write_figures(state, name, figures)
    print(progress(name, figures.executions, goal, 0, figures), flush=True)
    return not found


def read_line(line: str, before: int, figures: Figures) -> None:
    """A line of the engine's status, or of its statistics at the end."""
    if found := STATUS.match(line):
        count, figures.coverage, figures.features, figures.corpus, megabytes = map(int, found.groups())
        figures.executions, figures.peak_megabytes = before + count, max(figures.peak_megabytes, megabytes)
    elif found := PLAIN_STATUS.match(line):
        figures.executions = before + int(found[1])
        figures.peak_megabytes = max(figures.peak_megabytes, int(found[2]))
    elif found := FINAL.match(line):
        if found[1] == "number_of_executed_units":
            figures.executions = before + int(found[2])
        elif found[1] == "peak_rss_mb":
            figures.peak_megabytes = max(figures.peak_megabytes, int(found[2]))


def progress(name: str, before: int, goal: int, seconds: float, figures: Figures) -> str:
    rate = f", {(figures.executions - before) / seconds:,.0f} a second" if seconds else ""
    return (
        f"{name}: {figures.executions:,} of {goal:,} executions{rate}, coverage {figures.coverage:,},"
        f" corpus {figures.corpus:,}, {figures.seconds + seconds:,.0f} s, {figures.peak_megabytes} MB"
    )


def table(figures: dict[str, Figures]) -> Iterator[str]:
    """The figures, as docs/verification.md has them."""
    yield "| target | executions | accepted | different outcomes | coverage | corpus | CPU seconds | peak MB | findings |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, one in figures.items():
        yield (
            f"| {name} | {one.executions:,} | {one.outcomes.get('accepted', 0):,} | {len(one.outcomes)} | {one.coverage:,}"
            f" | {one.corpus:,} | {one.cpu_seconds:,.0f} | {one.peak_megabytes} | {one.findings} |"
        )


def read_figures(state: Path, name: str) -> Figures:
    path = state / f"{name}.json"
    return Figures(**json.loads(path.read_text())) if path.exists() else Figures()


def write_figures(state: Path, name: str, figures: Figures) -> None:
    (state / f"{name}.json").write_text(json.dumps(asdict(figures), indent=1))


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
