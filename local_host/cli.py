"""The command line: options, exit codes, and the order in which a host comes up and goes down."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import secrets
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_host.database import Database, DatabaseError, StateInUse, StateTooNew
from local_host.failures import (
    EXIT_OTHER,
    EXIT_PORT_TAKEN,
    EXIT_STATE_NEWER,
    EXIT_STATE_OPEN,
    EXIT_USAGE,
    StartupError,
)
from local_host.log import LEVELS, Log, capture_app_logging
from local_host.server import bind
from local_host.settings import read_local_settings

STATE_FILE = "host.db"

_DESCRIPTION = """\
Serve an Azure Functions app (Python v2 programming model, Durable Functions included) on this machine.

The app's function_app.py is loaded unchanged: HTTP triggers, timer triggers, orchestrations, activities and
entities, with the azure-functions-durable SDK it uses in Azure. All state is one SQLite file in the state
directory; what was accepted survives kill -9 and carries on at the next start. For development, tests,
demonstrations and one-machine use; past one machine, deploy to Azure."""

_EPILOG = """\
When it serves, the first line on stdout is `READY http://localhost:PORT`. Logs go to stderr, one JSON object a
line. Ctrl-C or SIGTERM stops it once running functions are done (requests 5 s, others 30 s at most); a second one stops
it at once.

keys:
  Functions with auth level `function` or `admin` need a key in the header x-functions-key or the query code=.
  Keys are random for each run and never written to disk; to choose them, set LOCAL_HOST_FUNCTION_KEY,
  LOCAL_HOST_MASTER_KEY or LOCAL_HOST_SYSTEM_KEY (for /runtime/webhooks/durabletask).

settings:
  host.json and the Values of local.settings.json in the app directory are read as the Azure tools read them;
  real environment variables win.

exit codes:
  0 stopped on request     3 the port is taken                       5 the app does not import or is not valid
  1 any other failure      4 the state is newer than this program    6 another host has this state open
  2 wrong usage
"""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, parsed. Directories are absolute."""

    app: Path
    state: Path
    host: str
    port: int
    on_ready: str | None
    log_level: str
    settled_reads: bool
    fast_timestamps: bool
    direct_calls: bool
    show_keys: bool


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


def parser() -> argparse.ArgumentParser:
    """The options; its help is part of the documentation."""
    made = argparse.ArgumentParser(
        prog="python -m local_host",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = made.add_argument
    add(
        "--port",
        type=_port,
        default=7071,
        metavar="N",
        help="port to serve on; 0 takes any free one (default: 7071)",
    )
    add(
        "--state",
        type=Path,
        default=Path(".local"),
        metavar="DIR",
        help="directory of all state, made when missing (default: .local)",
    )
    add(
        "--app",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="directory that holds function_app.py (default: the current one)",
    )
    add(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to serve on; others than loopback expose the app to the network (default: 127.0.0.1)",
    )
    add(
        "--on-ready",
        metavar="COMMAND",
        help="shell command to run once when serving, with the app's environment",
    )
    add(
        "--log-level", choices=list(LEVELS), default="info", help="least serious level to log (default: info)"
    )
    add(
        "--status-reads",
        choices=["settled", "immediate"],
        default="settled",
        help="settled: the SDK's status reads wait (1 s at most) for work under way; immediate: they never wait, as in Azure (default: settled)",
    )
    add(
        "--sdk-timestamps",
        choices=["fast", "dateutil"],
        default="fast",
        help="how the SDK parses this host's own timestamps: equal values, much faster; or unchanged (default: fast)",
    )
    add(
        "--sdk-calls",
        choices=["direct", "http"],
        default="http",
        help="how the SDK's durable client reaches the host: unchanged, by HTTP; or without a round trip, same answers "
        "(default: http)",
    )
    add(
        "--show-keys",
        action="store_true",
        help="print the function key at the start even when stdout is no terminal",
    )
    return made


def parse(argv: Sequence[str]) -> Options:
    """The options of a command line. Exits with 2 and a usage message when it is wrong."""
    given = parser().parse_args(argv)
    return Options(
        app=given.app.resolve(),
        state=given.state.resolve(),
        host=given.host,
        port=given.port,
        on_ready=given.on_ready,
        log_level=given.log_level,
        settled_reads=given.status_reads == "settled",
        fast_timestamps=given.sdk_timestamps == "fast",
        direct_calls=given.sdk_calls == "direct",
        show_keys=given.show_keys,
    )


def _nothing(_moment: str) -> None:
    """The fault seam when nobody tests faults."""


def main(argv: Sequence[str], *, on_commit: Callable[[str], None] = _nothing) -> int:
    """Run a host until it is told to stop; the exit code. `on_commit` is the database's fault seam."""
    try:
        options = parse(argv)
    except SystemExit as end:
        return int(end.code or 0)
    log = Log(options.log_level)
    capture_app_logging(log)
    try:
        return _run(options, log, on_commit)
    except StartupError as error:
        if error.__cause__ is not None and error.code == "app_does_not_import":
            traceback.print_exception(error.__cause__, file=sys.stderr)
        print(f"{error}\n  Next: {error.next_step}", file=sys.stderr)
        return error.exit_code


def _run(options: Options, log: Log, on_commit: Callable[[str], None]) -> int:
    listener = _bind(options)
    with listener:
        port = int(listener.getsockname()[1])
        database = _open_state(options.state, on_commit)
        try:
            set_environment(options, port)
            # Late: the app's settings must be in the environment before the SDK is imported, as in Azure.
            from local_host.run import serve

            return asyncio.run(
                serve(options, log, listener, database, new_key=lambda: secrets.token_urlsafe(32))
            )
        finally:
            database.close()


def _bind(options: Options) -> socket.socket:
    try:
        return bind(options.host, options.port)
    except OSError as error:
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            reason = "is taken" if error.errno == errno.EADDRINUSE else "may not be used by this user"
            raise StartupError(
                "port_taken",
                f"Port {options.port} of {options.host} {reason}.",
                "Stop the other program, or choose another with --port (0 takes any free one).",
                exit_code=EXIT_PORT_TAKEN,
            ) from error
        raise StartupError(
            "address_unusable",
            f"The address {options.host} cannot be served on: {error.strerror or error}.",
            "Use --host 127.0.0.1.",
            exit_code=EXIT_USAGE if isinstance(error, socket.gaierror) else EXIT_OTHER,
        ) from error


def _open_state(directory: Path, on_commit: Callable[[str], None]) -> Database:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Database(directory / STATE_FILE, on_commit=on_commit)
    except OSError as error:
        raise StartupError(
            "state_unusable",
            f"The state directory {directory} cannot be used: {error.strerror or error}.",
            "Choose a writable one with --state DIR.",
        ) from error
    except DatabaseError as error:
        exit_code = {StateTooNew: EXIT_STATE_NEWER, StateInUse: EXIT_STATE_OPEN}.get(type(error), EXIT_OTHER)
        # The database's messages already end with their next step.
        fact, _, step = str(error).partition(". ")
        raise StartupError(
            error.code, f"{fact.rstrip('.')}.", step or "Use another --state DIR.", exit_code=exit_code
        ) from error


def set_environment(options: Options, port: int) -> None:
    """What the Azure tools put into the environment before an app is imported. Real variables are never overridden."""
    for name, value in read_local_settings(options.app).items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    # These are facts about this very run, so they do override.
    os.environ["WEBSITE_HOSTNAME"] = f"localhost:{port}"
    os.environ["AzureWebJobsScriptRoot"] = str(options.app)  # noqa: SIM112 -- the Azure tools' spelling
    os.environ["LOCAL_HOST_STATE"] = str(options.state)
