"""Which browser drives the pages: any Chromium-family browser of the machine, without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

# The same names as in find_or_install.sh, which `make test` runs first.
COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
    "brave-browser",
)
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
ARGUMENTS = (
    "--headless=new",  # the whole browser, with its autofill; the old headless shell has none
    "--disable-gpu",
    "--disable-background-networking",  # with the next two: the tests' traffic stays on this machine
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)


class NoBrowserError(Exception):
    """No browser of the machine can run these tests; the message says how to get one."""


def find_browser(
    which: Callable[[str], str | None] = shutil.which, applications: Sequence[str] = APPLICATIONS
) -> str:
    """The browser's program. Raises NoBrowserError: a test of the pages that does not run proves nothing."""
    found = next(filter(None, map(which, COMMANDS)), None)
    found = found or next((path for path in applications if Path(path).exists()), None)
    if found is None:
        raise NoBrowserError(
            "The browser tests need a Chromium-family browser, and none was found. Install one "
            "(Debian, Ubuntu: `apt-get install chromium`; macOS: Google Chrome), then run the tests again."
        )
    return found


def arguments() -> list[str]:
    """The flags to start it with. Root has no sandbox to start it in."""
    return [*ARGUMENTS, *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
