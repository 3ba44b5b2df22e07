"""docs/attestation.md says what the code does: every code once, every exemption."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter

from passkeys.attestation import Lenience
from passkeys.attestation.compound import MAX_STATEMENTS
from passkeys.certificates import MAX_CERTIFICATE_BYTES, MAX_CERTIFICATES
from passkeys.errors import RejectionCode
from tests.hosts import ROOT
from tests.passkeys.attestation.test_obligations import OURS

DOCUMENT = (ROOT / "docs" / "attestation.md").read_text("utf-8")


def test_every_code_has_its_row() -> None:
    """Each obligation's code ends exactly one row of the tables, and no row has a code that is not there."""
    told = Counter(re.findall(r"^\|.*\| `(\w+)` \|$", DOCUMENT.partition("## Exemptions")[0], re.MULTILINE))
    codes = {code.value.removeprefix("attestation_") for code in RejectionCode if OURS.match(code.value)}
    assert told == Counter(codes | {"invalid"})


def test_every_exemption_has_its_row() -> None:
    """Each field of `Lenience` is told, and no other."""
    told = re.findall(r"^\| `(\w+)` \|", DOCUMENT.partition("## Exemptions")[2], re.MULTILINE)
    assert told == [field.name for field in dataclasses.fields(Lenience)]


def test_the_bounds_are_those_of_the_code() -> None:
    """The numbers in the text are the numbers in force."""
    assert f"at most {MAX_CERTIFICATES} certificates of {MAX_CERTIFICATE_BYTES // 1024} KiB" in DOCUMENT
    assert MAX_STATEMENTS == 6
    assert "two to six statements" in DOCUMENT
