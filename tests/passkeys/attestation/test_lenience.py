"""Each exemption lets pass exactly what it says, and a strict reading refuses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from passkeys.attestation import STRICT, Lenience
from passkeys.errors import Rejection
from tests.passkeys.attestation.cases import android_with, packed_with, tpm_with
from tests.passkeys.attestation.statements import (
    ANDROID,
    ORIGIN,
    PACKED,
    PURPOSE,
    TPM,
    W3C,
    Ceremony,
    ceremony,
    judge,
    public_area,
    tpm,
    tpm_names,
    u2f,
    unknown,
)

# field: (its value, the ceremony, a statement that needs it)
EXEMPTIONS: dict[str, tuple[Any, Ceremony, Callable[[], Any]]] = {
    "tpm_vendors": (
        frozenset({"id:fffff1d0"}),
        TPM,
        tpm_with(names=(tpm_names(vendor=["id:FFFFF1D0"]), True)),
    ),
    "tpm_unbound_keys": (True, TPM, lambda: tpm(area=public_area(attributes=0x00040000))),
    "android_software_enforced": (True, ANDROID, android_with(software=PURPOSE + ORIGIN, trusted=b"")),
    "android_unspecified": (True, ANDROID, android_with(trusted=b"")),
    "u2f_aaguid": (True, ceremony("fido-u2f.ES256"), lambda: u2f(ceremony("fido-u2f.ES256"))),
    "packed_enterprise": (
        True,
        PACKED,
        packed_with(extensions=[unknown("1.3.6.1.4.1.45724.1.1.2", b"\x04\x01\x07")]),
    ),
}
FIELDS = [field.name for field in dataclasses.fields(Lenience)]


def test_every_exemption_has_its_row() -> None:
    """No exemption goes untested."""
    assert set(EXEMPTIONS) == set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_an_exemption_lets_pass_what_it_says(name: str) -> None:
    """With the exemption it is accepted; read strictly, or with every exemption but this one, it is refused."""
    value, on, make = EXEMPTIONS[name]
    statement = make()
    assert judge(on, statement, lenience=dataclasses.replace(STRICT, **{name: value})).chain_verified
    everything = {other: EXEMPTIONS[other][0] for other in FIELDS if other != name}
    for lenience in (STRICT, Lenience(**everything)):
        with pytest.raises(Rejection):
            judge(on, statement, lenience=lenience)


def test_the_vectors_need_no_other_exemptions() -> None:
    """What is granted for W3C's vectors grants nothing else."""
    assert not W3C.android_software_enforced
    assert not W3C.packed_enterprise
