"""The rules of the house that no single module can keep: what is pinned, what is deployed, what may run in Azure."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import ROOT

PINNED = re.compile(r"^[A-Za-z0-9_.\[\]-]+==[^=<>~]+$")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "constraints.txt"])
def test_every_requirement_is_pinned_to_one_version(name: str) -> None:
    """A line of a requirements file names one exact version, or another pinned file."""
    lines = [
        line.split("#")[0].split(";")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines()
    ]
    unpinned = [
        line for line in lines if line and not line.startswith(("-r ", "-c ")) and not PINNED.match(line)
    ]
    assert unpinned == []


def test_everything_installed_is_pinned() -> None:
    """Nothing in the environment came from outside the pinned files."""
    frozen = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    pinned = "".join(
        (ROOT / n).read_text("utf-8") for n in ("requirements.txt", "requirements-dev.txt", "constraints.txt")
    )
    known = {re.split(r"[=;\s]", line)[0].lower().replace("_", "-") for line in pinned.splitlines()}
    strangers = [
        line for line in frozen if re.split(r"[=@\s]", line)[0].lower().replace("_", "-") not in known
    ]
    assert strangers == []


def test_only_the_app_is_deployed() -> None:
    """.funcignore leaves exactly the app, its pages and what Azure needs to install it."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    patterns = [
        p for p in (ROOT / ".funcignore").read_text("utf-8").split("\n") if p and not p.startswith("#")
    ]

    def ignored(path: str) -> bool:
        return any(
            path.startswith(p)
            if p.endswith("/")
            else fnmatch.fnmatch(path, p) or fnmatch.fnmatch(Path(path).name, p)
            for p in patterns
        )

    deployed = {path.split("/")[0] for path in tracked if not ignored(path)}
    assert deployed == {
        "activities", "entities", "orchestrators", "passkeys", "starters", "web",
        "function_app.py", "host.json", "requirements.txt", "constraints.txt",
    }  # fmt: skip


def test_host_json_keeps_personal_data_out_of_traces_and_history() -> None:
    """Inputs and outputs are neither traced nor stored in history; the hub has a name; routes are at the root."""
    host = json.loads((ROOT / "host.json").read_text("utf-8"))
    durable = host["extensions"]["durableTask"]
    assert host["extensions"]["http"]["routePrefix"] == ""
    assert durable["hubName"]
    assert durable["storeInputsInOrchestrationHistory"] is False
    assert durable["tracing"]["traceInputsAndOutputs"] is False
    assert durable["tracing"]["version"] == "V2"
    assert durable["tracing"]["distributedTracingEnabled"] is True


def test_orchestrators_touch_neither_clock_nor_environment() -> None:
    """No orchestrator names a source of time, chance, input or output: replay would not repeat it."""
    forbidden = re.compile(
        r"\b(datetime\.now|utcnow|time\.|random|secrets|os\.|open\(|print\(|logging|uuid4|sleep)"
    )
    for module in (ROOT / "orchestrators").glob("*.py"):
        code = re.sub(r'""".*?"""|#.*', "", module.read_text("utf-8"))
        found = [line for line in code.splitlines() if forbidden.search(line)]
        assert found == [], module.name
