"""One host with the door open, for all the groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.tool import Browser
from tests.hosts import RunningHost, running_host

# The tools start hundreds of ceremonies in a minute, many of them for one name.
LIMITS = {
    "PASSKEYS_LIMIT_NETWORK": "100000/60",
    "PASSKEYS_LIMIT_PERSON": "100000/60",
    "PASSKEYS_LIMIT_GLOBAL": "100000/60",
}


@pytest.fixture(scope="package")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    state: Path = tmp_path_factory.mktemp("conformance") / "state"
    env = {**LIMITS, "PASSKEYS_CONFORMANCE": "on"}
    with running_host(state=state, env=env) as running:
        yield running
        assert "Traceback" not in running.log(), "something unforeseen was raised: see the log"


@pytest.fixture
def browser(host: RunningHost) -> Browser:
    return Browser(host.url)
