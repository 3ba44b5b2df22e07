"""The first command of the README, as a stranger runs it: a copy of the project, no environment, no settings."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.hosts import ROOT, free_port

INSTALL_SECONDS = 240.0


def copy_of_the_project(target: Path) -> None:
    """What a clone would hold: the tracked files as they are in the work tree."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


@pytest.mark.timeout(INSTALL_SECONDS + 60)
def test_make_run_on_a_fresh_clone_answers_healthz_and_prints_an_enrolment_link(tmp_path: Path) -> None:
    """`make run` in a copy without environment installs what it needs, says so, serves, and offers a link to enrol."""
    clone = tmp_path / "clone"
    copy_of_the_project(clone)
    port = free_port()
    printed = tmp_path / "printed"
    with printed.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            ["make", "run", f"PORT={port}", f"PYTHON={sys.base_prefix}/bin/python3"],
            cwd=clone,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                k: v
                for k, v in os.environ.items()
                if not k.startswith(("PASSKEYS_", "LOCAL_HOST_", "MAKE", "MFLAGS"))
            },
            start_new_session=True,
        )
    try:
        health = _wait_for_health(f"http://localhost:{port}/healthz", process)
        _wait_for_text(printed, "#ticket=")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    said = printed.read_text("utf-8")
    assert health["status"] == "ready"
    assert "Installing" in said
    assert f"READY http://localhost:{port}" in said


def _wait_for_health(url: str, process: subprocess.Popen[bytes]) -> dict[str, object]:
    deadline = time.monotonic() + INSTALL_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "make run ended before it served"
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(url, timeout=5) as answer,
        ):
            body: dict[str, object] = json.load(answer)
            return body
        time.sleep(0.2)
    raise AssertionError(f"{url} did not answer within {INSTALL_SECONDS} s")


def _wait_for_text(printed: Path, text: str) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if text in printed.read_text("utf-8"):
            return
        time.sleep(0.1)
    raise AssertionError(f"make run never printed {text!r}")
