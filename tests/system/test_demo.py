"""`make demo` as a person sees it: the whole story, exit 0, nothing left running; and a reason when it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from demo import __main__ as demo
from demo import ceremonies
from tests.hosts import ROOT


def test_the_demo_tells_the_whole_story(tmp_path: Path) -> None:
    """Every outcome is shown, the chain is verified, exit 0; the host and its state are gone."""
    done = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in (
        "completed, as Ada Lovelace",
        "rejected",
        "expired",
        "429",
        "canceled",
        "Timeline",
        "audit chain",
    ):
        assert word in done.stdout
    assert "\033" not in done.stdout, "a pipe is no terminal"
    url = re.search(r"http://localhost:\d+", done.stdout)
    assert url is not None
    with pytest.raises(OSError, match="refused"):
        ceremonies.call(url.group(), "GET", "/healthz")
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_ends_is_the_reason(tmp_path: Path) -> None:
    """When the host does not come up, the demo says so at once and does not wait."""
    (tmp_path / "host.out").write_text("no readiness line\n")
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(5)"]) as process:
        process.wait()
        with pytest.raises(demo.DemoFailedError, match="exit code 5"):
            demo.ready_url(process, tmp_path / "host.out")


def test_a_missing_audit_entry_is_the_reason(tmp_path: Path) -> None:
    """A ceremony that was told and is not in the audit fails the demo."""
    with pytest.raises(demo.DemoFailedError, match="authentication-x"):
        demo.verify_audit({"LOCAL_HOST_STATE": str(tmp_path)}, {"authentication-x": "completed"})


def test_a_wrong_outcome_is_the_reason() -> None:
    """An outcome that the story does not have fails the demo with what was answered."""
    answer = ceremonies.Answer(200, {}, {"output": {"outcome": "expired"}})
    with pytest.raises(demo.DemoFailedError, match="expected completed"):
        demo.outcome("Ada signs in", answer, "completed")
