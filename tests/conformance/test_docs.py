"""docs/conformance.md keeps its word: its program runs, and its table names what is there."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from passkeys.attestation import read_anchors
from passkeys.attestation.anchors import CERTIFIED_FORMATS
from tests.hosts import ROOT as REPOSITORY
from tests.passkeys.attestation.statements import ROOT

PAGE = (REPOSITORY / "docs" / "conformance.md").read_text("utf-8")


def test_the_program_makes_trust_anchors_of_metadata_statements(tmp_path: Path) -> None:
    """Of folders in folders, and of statements without certificates: every format has every root, once."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    statement = {"attestationRootCertificates": [base64.b64encode(ROOT.der).decode()]}
    folder = tmp_path / "metadata" / "statements"
    folder.mkdir(parents=True)
    for name, content in (("a", statement), ("b", statement), ("c", {"description": "none"})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, check=True)
    files = {path.name: path.read_bytes() for path in (tmp_path / "roots").iterdir()}
    assert read_anchors(files).by_format == dict.fromkeys(CERTIFIED_FORMATS, (ROOT.der,))


def test_the_table_names_the_files_that_have_the_groups() -> None:
    """No file of tests that is not there, and none left out but those of the door itself and of this page."""
    named = set(re.findall(r"test_\w+\.py", PAGE))
    there = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    assert there - named == {"test_door.py", "test_docs.py"}
    assert named <= there
