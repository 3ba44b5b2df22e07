"""The local host with a death wish: it kills itself with SIGKILL at the n-th commit.

`KILL_AT_COMMIT=<phase>:<n>` names the phase (`before` or `after` the COMMIT) and counts from 1; `COMMITS_FILE` gets one
byte for each commit, so that a run without a killing tells how many there are. Everything else is the host as it is.
"""

from __future__ import annotations

import os
import signal
import sys

from local_host.cli import main


def killer(environ: dict[str, str]) -> object:
    """A function for the host to call around every COMMIT."""
    phase, _, number = environ.get("KILL_AT_COMMIT", "never:0").partition(":")
    seen = {"before": 0, "after": 0}

    def on_commit(now: str) -> None:
        seen[now] += 1
        if now == "after" and "COMMITS_FILE" in environ:
            with open(environ["COMMITS_FILE"], "ab") as file:
                file.write(b".")
        if now == phase and seen[now] == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    return on_commit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], on_commit=killer(dict(os.environ))))
