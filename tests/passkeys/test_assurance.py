"""What a sign-in may claim of itself, by what was proven; and that nothing is claimed beyond that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from passkeys.assurance import ACR_VALUES, Assurance, assurance_of, meets
from passkeys.credentials import Attestation, CredentialRecord

NONE = Attestation("none", "none", chain_verified=False, model_proven=False)
PROVEN = Attestation("packed", "basic", chain_verified=True, model_proven=True)
HINTED = Attestation("packed", "basic", chain_verified=True, model_proven=False)
CLAIMED = Attestation("packed", "basic", chain_verified=False, model_proven=True)
RECORD = CredentialRecord(
    "id", "ada", "handle", "key", -7, 0, "aaguid", (), False, False, True, NONE, "registration-1", "2026"
)
DEVICE, SYNCED = (900, 28_800), (3_600, 43_200)


@pytest.mark.parametrize(
    ("verified", "eligible", "attestation", "acr", "amr", "lifetimes"),
    [
        (True, False, PROVEN, "phrh", ("hwk", "user", "mfa"), DEVICE),
        (True, False, NONE, "phr", ("swk", "user", "mfa"), DEVICE),
        (True, False, HINTED, "phr", ("swk", "user", "mfa"), DEVICE),
        (True, False, CLAIMED, "phr", ("swk", "user", "mfa"), DEVICE),
        (True, True, NONE, "phr", ("swk", "user", "mfa"), SYNCED),
        (True, True, PROVEN, "phr", ("swk", "user", "mfa"), SYNCED),
        (False, False, PROVEN, None, ("hwk", "user"), (0, 0)),
        (False, False, NONE, None, ("swk", "user"), (0, 0)),
        (False, True, PROVEN, None, ("swk", "user"), (0, 0)),
    ],
)
def test_what_a_sign_in_may_claim(
    verified: bool,
    eligible: bool,
    attestation: Attestation,
    acr: str | None,
    amr: tuple[str, ...],
    lifetimes: tuple[int, int],
) -> None:
    """Hardware only where an attestation has proven it of a key that stays; a synced key lasts longer; presence is no acr."""
    record = replace(RECORD, backup_eligible=eligible, attestation=attestation)
    assert assurance_of(record, user_verified=verified) == Assurance(acr, amr, *lifetimes)


@pytest.mark.parametrize(
    ("acr", "wanted", "met"),
    [
        ("phr", (), True),
        (None, (), True),
        (None, ("phr",), False),
        ("phr", ("phr",), True),
        ("phr", ("phrh",), False),
        ("phrh", ("phr",), True),
        ("phrh", ("phrh", "phr"), True),
        ("phr", ("phrh", "phr"), True),
        ("phrh", ("urn:other",), False),
    ],
)
def test_what_was_asked_for_is_met_or_not(acr: str | None, wanted: tuple[str, ...], met: bool) -> None:
    """Stronger is good for weaker, and nothing else is good for anything."""
    assert meets(acr, wanted) is met
    assert {"phr", "phrh"} == set(ACR_VALUES)
