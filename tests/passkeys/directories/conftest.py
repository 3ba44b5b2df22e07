"""Nobody waits in these tests."""

from __future__ import annotations

import pytest

from passkeys.directories import asking


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are noted and not kept."""
    slept: list[float] = []

    async def no_sleep(seconds: float) -> None:
        slept.append(seconds)

    defaults = {**asking.Asking.__init__.__kwdefaults__, "sleep": no_sleep}
    monkeypatch.setattr(asking.Asking.__init__, "__kwdefaults__", defaults)
    return slept
