"""Start the local host as a real process, wait until it serves, and stop it: what every test above unit level uses."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import homes

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 30.0
STOP_SECONDS = 15.0
FUNCTION_KEY = "test-function-key"
MASTER_KEY = "test-master-key"
SYSTEM_KEY = "test-system-key"
# Else a test that happens to run over the full hour finds two acts more in the audit than it has made.
NEW_YEAR = {"PASSKEYS_KEY_SCHEDULE": "0 0 0 1 1 *"}
BELOW_EPHEMERAL = 15_000, 32_000  # Linux hands out 32768 and up, others 49152 and up


def free_port() -> int:
    """A port that is free now and that no client is given by chance: who is started there must find it, and come back there.

    Port 0 would give one of the ephemeral ports, and while nobody listens any connection may be given the same.
    """
    while True:
        port = secrets.choice(range(*BELOW_EPHEMERAL))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class HostDidNotStart(Exception):
    """The host ended, or said nothing, before its readiness line; the message carries what it logged."""


@dataclass(frozen=True, slots=True)
class RunningHost:
    """A host that serves: where it is, and how to end it."""

    url: str
    process: subprocess.Popen[str]
    state: Path
    log_path: Path
    output_path: Path

    def log(self) -> str:
        """Everything the host has logged (stderr), as text."""
        return self.log_path.read_text("utf-8", errors="replace")

    def output(self) -> str:
        """Everything the host has printed for people (stdout), as text."""
        return self.output_path.read_text("utf-8", errors="replace")

    def stop(self) -> int:
        """SIGTERM, then wait for the drain; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; returns once the process is gone."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_SECONDS)


def start_host(
    *,
    app: Path = ROOT,
    state: Path,
    env: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    module: str = "local_host",
    log_name: str = "host",
) -> RunningHost:
    """Start `python -m {module}` on a free port and return once it prints its readiness line.

    Keys are fixed (FUNCTION_KEY, MASTER_KEY, SYSTEM_KEY) unless `env` says otherwise. Raises HostDidNotStart.
    Logs are appended to `<state>/../<log_name>.log`, so a restarted host continues the same file.
    """
    state.mkdir(parents=True, exist_ok=True)
    log_path = state.parent / f"{log_name}.log"
    output_path = state.parent / f"{log_name}.out"
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PASSKEYS_", "LOCAL_HOST_", "WEBSITE_"))},
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "LOCAL_HOST_FUNCTION_KEY": FUNCTION_KEY,
        "LOCAL_HOST_MASTER_KEY": MASTER_KEY,
        "LOCAL_HOST_SYSTEM_KEY": SYSTEM_KEY,
        **NEW_YEAR,
        **homes.environment(state),
        **(env or {}),
    }
    command = [
        sys.executable,
        "-m",
        module,
        "--port",
        "0",
        "--state",
        str(state),
        "--app",
        str(app),
        *arguments,
    ]
    with log_path.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )
    ready: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_copy_output, args=(process, output_path, ready), daemon=True).start()
    deadline = time.monotonic() + READY_SECONDS
    try:
        url = ready.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        url = None
    if url is None:
        process.kill()
        process.wait(STOP_SECONDS)
        tail = log_path.read_text("utf-8", errors="replace")[-4000:]
        raise HostDidNotStart(
            f"{' '.join(command)} did not become ready (exit code {process.returncode}):\n{tail}"
        )
    return RunningHost(url=url, process=process, state=state, log_path=log_path, output_path=output_path)


def _copy_output(process: subprocess.Popen[str], output_path: Path, ready: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    with process.stdout, output_path.open("a", encoding="utf-8") as output:
        for line in process.stdout:
            output.write(line)
            output.flush()
            if line.startswith("READY "):
                ready.put(line.split()[1].rstrip("/"))
    ready.put(None)


@contextlib.contextmanager
def running_host(
    *,
    app: Path = ROOT,
    state: Path,
    env: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    module: str = "local_host",
) -> Iterator[RunningHost]:
    """`start_host`, ended with the block: SIGTERM, and SIGKILL when the drain takes too long."""
    host = start_host(app=app, state=state, env=env, arguments=arguments, module=module)
    try:
        yield host
    finally:
        try:
            host.stop()
        except subprocess.TimeoutExpired:
            host.kill()
