"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.azurite.server import Account, azurite
from tests.hosts import RunningHost, running_host


@pytest.fixture(scope="module")
def passkeys_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """The app itself on a fresh state, shared by the tests of one module."""
    state: Path = tmp_path_factory.mktemp("host") / "state"
    with running_host(state=state) as host:
        yield host


@pytest.fixture(scope="session")
def storage_account() -> Iterator[Account]:
    """A storage account in memory, shared by all tests of a process: each has containers of its own, by their prefix."""
    with azurite() as account:
        yield account
