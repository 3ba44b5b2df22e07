"""Sample apps in real hosts, one host for each module of tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts import running_host
from tests.protocol.driver import Driver

APPS = Path(__file__).parent / "apps"


def serve(app: str, folder: Path, env: dict[str, str] | None = None) -> Iterator[Driver]:
    """A driver of the named sample app on a fresh state; the host ends with the generator."""
    with running_host(app=APPS / app, state=folder / "state", env=env) as host:
        yield Driver(host)


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The app with every pattern, activity, entity and client operation."""
    yield from serve("flows", tmp_path_factory.mktemp("flows"))
