"""The statements of the WebAuthn Level 3 vectors, as published, with their root for an anchor and without any."""

from __future__ import annotations

import pytest

from passkeys.attestation import STRICT
from passkeys.errors import Rejection
from tests.passkeys.attestation.statements import NOBODY, ROOTED, VECTORS, W3C, ceremony, judge

# name: (type, or the code of a strict reading's refusal). All are accepted with the exemptions that W3C needs.
STRICTLY = {
    "none.ES256": "none",
    "packed-self.ES256": "self",
    "none.ES256.crossOrigin": "none",
    "none.ES256.topOrigin": "none",
    "none.ES256.long-credential-id": "none",
    "packed.ES256": "basic",
    "packed.ES384": "basic",
    "packed.ES512": "basic",
    "packed.RS256": "basic",
    "packed.EdDSA": "basic",
    "packed.Ed448": "basic",
    # objectAttributes say that the key may leave the TPM; its vendor, besides, is no vendor: id:00000000.
    "tpm.ES256": "attestation_tpm_key_not_bound",
    # Both authorization lists are empty.
    "android-key.ES256": "attestation_android_key_origin_unexpected",
    "apple.ES256": "anonca",
    # An AAGUID that nothing signs.
    "fido-u2f.ES256": "attestation_fido_u2f_aaguid_not_zero",
}
TYPES = {"None": "none", "Self": "self", "Basic": "basic", "AttCA": "attca", "AnonCA": "anonca"}


def test_every_vector_has_its_row() -> None:
    """No vector is left out, and no row is of a vector that is not there."""
    assert set(STRICTLY) == set(VECTORS)


@pytest.mark.parametrize("name", STRICTLY)
def test_a_strict_reading(name: str) -> None:
    """Read strictly, each statement gets the verdict of its row, and trust only where an anchor vouches for it."""
    vector = ceremony(name)
    for anchors in (ROOTED, NOBODY):
        if STRICTLY[name] not in TYPES.values():
            with pytest.raises(Rejection) as rejection:
                judge(vector, vector.att_stmt, anchors=anchors, lenience=STRICT)
            assert rejection.value.code == STRICTLY[name]
            continue
        verdict = judge(vector, vector.att_stmt, anchors=anchors, lenience=STRICT)
        certified = STRICTLY[name] not in ("none", "self")
        assert (verdict.format, verdict.type) == (vector.fmt, STRICTLY[name])
        assert verdict.chain_verified is (certified and anchors is ROOTED)
        assert not verdict.model_proven


@pytest.mark.parametrize("name", STRICTLY)
def test_the_specifications_own_verdict(name: str) -> None:
    """With the exemptions that the vectors need, every statement is correct, and of the type that W3C states."""
    vector = ceremony(name)
    verdict = judge(vector, vector.att_stmt, lenience=W3C)
    assert verdict.type == TYPES[VECTORS[name]["expected"]["attestation_type"]]
    assert verdict.chain_verified is (VECTORS[name]["expected"]["trust_anchor"] is not None)
