"""The sample application as a real process, and how it is registered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.hosts import ROOT


def registered_at(origin: str) -> dict[str, Any]:
    """Its entry among the applications."""
    return {
        "name": "Sample application",
        "audiences": [origin],
        "redirect_uris": [f"{origin}/callback"],
        "origins": [origin],
        "roles": ["operator"],
    }


@contextmanager
def sample_application(issuer: str, port: int, log: Path) -> Iterator[str]:
    """Its origin, for as long as the block runs; what it says is in the file `log`."""
    origin = f"http://localhost:{port}"
    command = [sys.executable, "-m", "examples.protected_app", "--issuer", issuer, "--port", str(port)]
    with (
        log.open("w") as written,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=written, text=True) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == f"READY {origin}\n"
        yield origin
        process.terminate()
