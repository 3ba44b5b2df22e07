"""Every obligation of every attestation format: right, it is accepted; wrong in one point, it is refused with its code."""

from __future__ import annotations

import re
from typing import Any

import pytest

from passkeys.errors import Rejection, RejectionCode
from tests.passkeys.attestation.cases import ACCEPTED, CASES, Case
from tests.passkeys.attestation.statements import judge

# What the formats' obligations are called; the verifier has some more that begin like that, and tests of its own.
OURS = re.compile(r"attestation_(none|packed|tpm|android_key|apple|fido_u2f|compound|chain|format)_")


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_right_is_accepted(name: str) -> None:
    """The statements that the wrong ones are made from are right, read strictly, and lead to their anchor."""
    on, make = ACCEPTED[name]
    statement = make()
    verdict = judge(on, statement, fmt=name.partition(",")[0].partition(" ")[0])
    assert verdict.chain_verified is (verdict.type not in ("none", "self"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_wrong_in_one_point_is_refused_with_its_code(case: Case) -> None:
    """Wrong in exactly one point and signed again: exactly that code, and no other exception."""
    with pytest.raises(Rejection) as rejection:
        judge(case.on, case.make(), fmt=format_of(case), lenience=case.lenience)
    assert rejection.value.code is case.code


def test_every_code_has_its_case() -> None:
    """No obligation goes unbroken: the codes of the cases are those of the enumeration."""
    obligations = {code for code in RejectionCode if OURS.match(code.value)}
    assert {case.code for case in CASES if OURS.match(case.code.value)} == obligations


def format_of(case: Case) -> Any:
    """What the case says, or else the format that its code belongs to, or else the vector's."""
    if case.fmt is not None:
        return case.fmt
    group = OURS.match(case.code.value)
    named = group[1].replace("_", "-") if group else ""
    return named if named in ("none", "packed", "tpm", "android-key", "apple", "fido-u2f") else case.on.fmt
