"""The short kill loop; the long one is `make kill-loop`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kill_loop import kill_loop


@pytest.mark.timeout(180)
def test_killed_at_random_the_host_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Some kills at random instants: every accepted ceremony ends rightly, once in the audit, limits held, nothing lost."""
    report = kill_loop(seconds=12, clients=6, seed=20260101, scratch=tmp_path, say=print)
    assert report.faults == []
    assert report.kills >= 3
    # The run has met what it is about: ceremonies that completed, that were left alone, and a limiter that refused.
    assert all(report.ceremonies[outcome] for outcome in ("completed", "expired", "rate_limited"))
