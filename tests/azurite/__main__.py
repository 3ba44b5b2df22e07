"""`python -m tests.azurite --folder DIR -- COMMAND…`: a command beside Azurite, which is stopped when the command has ended.

The command's environment has PASSKEYS_STORE_CONNECTION, and the containers are made. What `make run STORAGE=azurite` runs.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.azurite.server import azurite


def main(argv: Sequence[str]) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.azurite", description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--folder", type=Path, required=True, help="where Azurite keeps what it is told to keep"
    )
    parser.add_argument(
        "--port", type=int, default=10000, help="its port; 0 takes any free one (default: 10000)"
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    given = parser.parse_args(argv)
    given.folder.mkdir(parents=True, exist_ok=True)
    # Ctrl-C is sent to the command too: it ends, and then this does. A handler, since what is ignored stays so in a command.
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        with azurite(folder=given.folder, port=given.port) as account:
            print(f"Azurite keeps the store, in {given.folder}. In another terminal:")
            print(f"  export PASSKEYS_STORE_CONNECTION='{account.connection}'", flush=True)
            environ = {**os.environ, "PASSKEYS_STORE_CONNECTION": account.connection}
            made = subprocess.run(
                [sys.executable, "-m", "passkeys", "storage", "create"],
                env=environ,
                check=False,
                stdout=subprocess.DEVNULL,
            )
            return made.returncode or _run(given.command, environ)
    except AssertionError as missing:
        print(missing, file=sys.stderr)
        return 1


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    # Set before the command is there, so that no signal can fall between the two.
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    process = subprocess.Popen(command, env=environ)
    signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    for number in asked:
        process.send_signal(number)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
