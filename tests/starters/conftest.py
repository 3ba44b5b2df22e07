"""Fixtures of the starters' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from passkeys.world import World
from starters import waiting
from tests.starters import fakes


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = fakes.world(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def client() -> fakes.FakeClient:
    return fakes.FakeClient()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test waits for is there at once or never comes: no test waits for seconds."""
    from starters import acts, ceremonies

    for name in ("START_WAIT_SECONDS", "ANSWER_WAIT_SECONDS", "CANCEL_WAIT_SECONDS"):
        monkeypatch.setattr(ceremonies, name, 0.05)
    monkeypatch.setattr(acts, "ANSWER_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "FIRST_PAUSE_SECONDS", 0.01)
    yield
