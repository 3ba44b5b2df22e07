"""A host that dies at one chosen commit, and may be started again on the same state.

Started through a fork server that has the heavy imports done, because one host is needed for each commit point. The seam
is the one that `local_host.cli.main` and `passkeys.embedded.EmbeddedStore` offer: called before and after every COMMIT.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, TypeVar

import azure.durable_functions
import azure.functions  # noqa: F401
import webauthn  # noqa: F401

import passkeys.world
from local_host import cli
from passkeys.embedded import EmbeddedStore
from tests.hosts import FUNCTION_KEY, MASTER_KEY, NEW_YEAR, ROOT, SYSTEM_KEY, free_port

T = TypeVar("T")
READY_SECONDS = 30.0
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Death:
    """Where to die: at the `number`-th commit (from 1) of `place` (host, store), `moment` (before, after) it."""

    place: str
    number: int
    moment: str


def chosen(deaths: Sequence[T]) -> Sequence[T]:
    """All of them in `make deaths`; in `make test`, which is run at each change, every third.

    Each death costs a life of the host. Which third it is does not depend on chance: what fails fails again.
    """
    return deaths if os.environ.get("DEATHS") == "all" else deaths[::3]


Life = Callable[[Path, Death | None], "tuple[list[str], MortalHost]"]
"""Goes through it all in a directory of its own, over however many lives of the host it takes; every fault at the end."""


def die_everywhere(
    scratch: Path,
    run: Life,
    *,
    places: Sequence[str] = ("store",),
    moments: Sequence[str] = ("before", "after"),
    at_least: int = 2,
) -> None:
    """Run it unhurt, and once for each chosen death. Raises AssertionError unless nothing is ever wrong.

    `at_least`: so many commits each place has when nobody dies; with fewer the seam was not called.
    """
    faults, unhurt = run(scratch / "unhurt", None)
    assert (faults, unhurt.deaths) == ([], 0), f"unhurt: {faults}, and {unhurt.deaths} deaths"
    for place in places:
        assert unhurt.commits(place) >= at_least, f"{unhurt.commits(place)} commits of the {place}"
    deaths = chosen(
        [
            Death(place, number, moment)
            for place in places
            for number in range(1, unhurt.commits(place) + 1)
            for moment in moments
        ]
    )

    def die_at(death: Death) -> tuple[list[str], bool, bool]:
        found, host = run(scratch / f"{death.place}-{death.number}-{death.moment}", death)
        return found, host.deaths > 0, host.commits(death.place) >= death.number

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(die_at, deaths))
    wrong = {death: found for death, (found, _, _) in zip(deaths, results, strict=True) if found}
    assert not wrong, str(wrong)
    # A commit of the unhurt run may have been shared or not needed in another, and a slow run has more of them, by its
    # timers. Of those that were reached, nearly all must have been died at: the last ones may need no other life.
    died, reached = sum(one for _, one, _ in results), sum(one for _, _, one in results)
    assert died >= 0.8 * reached, f"died {died} times of {reached}"
    assert reached >= 0.6 * len(deaths), f"reached {reached} of {len(deaths)} deaths"


def context() -> ForkServerContext:
    """The fork server with this module loaded; one for the whole test run."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["tests.faults.dying_host"])
    return found


def serve(
    arguments: list[str], environ: dict[str, str], log: str, death: Death | None, counts: Mapping[str, Any]
) -> None:
    """The child: be the host, count commits, and die at the one that was chosen."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    for name in [name for name in os.environ if name.startswith(("PASSKEYS_", "LOCAL_HOST_", "WEBSITE_"))]:
        del os.environ[name]
    os.environ.update(environ)
    os.chdir(ROOT)

    def on_commit(place: str) -> Callable[[str], None]:
        def tell(moment: str) -> None:
            if moment == "before":
                counts[place].value += 1
            if death and (place, moment, counts[place].value) == (death.place, death.moment, death.number):
                os.kill(os.getpid(), signal.SIGKILL)

        return tell

    # The app opens its store by this name; the app itself stays as it is.
    passkeys.world.EmbeddedStore = functools.partial(EmbeddedStore, on_commit=on_commit("store"))  # type: ignore[misc,assignment]
    sys.exit(cli.main(arguments, on_commit=on_commit("host")))


# What multiprocessing says when its fork server could not tell how a process ended. None of the host's exit codes.
STATUS_LOST = 255


class MortalHost:
    """One state directory and the host on it, which is started again whenever it is found dead."""

    def __init__(self, state: Path, env: Mapping[str, str], death: Death | None) -> None:
        self.state = state
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.deaths = 0
        self._context = context()
        self._counts = {place: self._context.Value("i", 0) for place in ("host", "store")}
        self._death = death
        self._environ = {
            "LOCAL_HOST_FUNCTION_KEY": FUNCTION_KEY,
            "LOCAL_HOST_MASTER_KEY": MASTER_KEY,
            "LOCAL_HOST_SYSTEM_KEY": SYSTEM_KEY,
            **NEW_YEAR,
            **env,
        }
        self._log = state.parent / f"{state.name}.log"
        self._process: Any = None
        state.mkdir(parents=True, exist_ok=True)

    def commits(self, place: str) -> int:
        """How many commits `place` (host, store) has begun, over all lives."""
        return int(self._counts[place].value)

    def log(self) -> str:
        """Everything that all lives have printed and logged."""
        return self._log.read_text("utf-8", errors="replace")

    def ensure_alive(self) -> None:
        """Start the host if it is dead, and return once it serves. It dies as chosen only once."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._serves():
            if self._process is None or not self._process.is_alive():
                self._restart()
            if time.monotonic() > deadline:
                raise AssertionError(f"the host does not come back:\n{self.log()[-3000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """SIGTERM and wait; SIGKILL when it takes too long."""
        if self._process is not None and self._process.is_alive():
            os.kill(self._process.pid, signal.SIGTERM)
            self._process.join(15)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()

    def _restart(self) -> None:
        if self._process is not None:
            self.deaths += 1
            ended = self._process.exitcode
            assert ended in (-signal.SIGKILL, STATUS_LOST), (
                f"the host ended by itself with {ended}: {self.log()[-3000:]}"
            )
        death = None if self.deaths else self._death
        arguments = ["--port", str(self.port), "--state", str(self.state), "--app", str(ROOT)]
        self._process = self._context.Process(
            target=serve, args=(arguments, self._environ, str(self._log), death, self._counts)
        )
        self._process.start()

    def _serves(self) -> bool:
        if self._process is None or not self._process.is_alive():
            return False
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
