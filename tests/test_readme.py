"""What the README promises exists: commands, links, and the options that the programs' own help names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.hosts import ROOT

README = (ROOT / "README.md").read_text("utf-8")
MAKE_TARGETS = dict(
    re.findall(r"^([a-z-]+):.*?## (.+)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
)
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
)


def test_every_make_command_in_the_pages_is_a_described_target() -> None:
    """A `make` command that a page names is a target of the Makefile, with a sentence in `make help`."""
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), flags=re.MULTILINE))
        assert named <= set(MAKE_TARGETS), page.name


def test_every_described_target_is_in_the_readme() -> None:
    """A target that `make help` lists is explained in the README, `help` itself apart."""
    assert {t for t in MAKE_TARGETS if t != "help" and f"make {t}" not in README} == set()


def test_make_alone_lists_the_commands() -> None:
    """`make` without a target prints every described target and its sentence."""
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target, sentence in MAKE_TARGETS.items():
        assert f"make {target}" in printed
        assert sentence in printed


def test_the_readmes_python_commands_run(tmp_path: Path) -> None:
    """The `.venv/bin/python -m …` lines of the README, run in their order on a fresh state, exit 0 and say something."""
    lines = [line for line in README.splitlines() if line.startswith(".venv/bin/python -m")]
    assert lines
    for line in lines:
        done = subprocess.run(
            [sys.executable, *line.split()[1:]],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "LOCAL_HOST_STATE": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout.strip(), line


def test_every_relative_link_leads_somewhere() -> None:
    """A relative link in a page names a file or folder that exists."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
