"""The test vectors of WebAuthn Level 3, row by row, through the real calls."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from passkeys.algorithms import ALGORITHMS
from passkeys.errors import Rejection
from passkeys.offer import AuthenticationOffer, RegistrationOffer
from passkeys.policy import policy_of
from passkeys.response import decode_base64url, parse_authentication_response, parse_registration_response
from passkeys.settings import load
from passkeys.verification import (
    KnownCredential,
    VerifiedRegistration,
    verify_authentication,
    verify_registration,
)

SOURCE = json.loads((Path(__file__).parent.parent / "vectors" / "webauthn-l3.json").read_text())
VECTORS: dict[str, Any] = {vector["name"]: vector for vector in SOURCE["vectors"]}
ROOT = SOURCE["attestation_trust_root"]["certificate_pem"].encode()
# Anchors for every format that carries certificates: the one root that issued them all.
ANCHORS = {name: [ROOT] for name in ("packed", "tpm", "android-key", "apple", "fido-u2f")}
STRICT = policy_of(load({}))
POLICY = dataclasses.replace(STRICT, user_verification_required=False)
USER_HANDLE = b"the specification gives none"

# name: (registration, authentication); "accept", or the code of the rejection. A row that the specification accepts and we
# refuse says why.
EXPECTED = {
    "none.ES256": ("accept", "accept"),
    "packed-self.ES256": ("accept", "accept"),
    # Framed by another site: ours never is.
    "none.ES256.crossOrigin": ("cross_origin_denied", "cross_origin_denied"),
    "none.ES256.topOrigin": ("cross_origin_denied", "cross_origin_denied"),
    "none.ES256.long-credential-id": ("accept", "accept"),
    "packed.ES256": ("accept", "accept"),
    "packed.ES384": ("accept", "accept"),
    "packed.ES512": ("accept", "accept"),
    "packed.RS256": ("accept", "accept"),
    "packed.EdDSA": ("accept", "accept"),
    "packed.Ed448": ("accept", "accept"),
    # The package knows no TPM vendor "id:00000000".
    "tpm.ES256": ("attestation_invalid", "accept"),
    # The package takes the last certificate for the root; and both authorization lists are empty.
    "android-key.ES256": ("attestation_invalid", "accept"),
    "apple.ES256": ("accept", "accept"),
    # The package demands AAGUID 0 of U2F, a rule of CTAP.
    "fido-u2f.ES256": ("attestation_invalid", "accept"),
}

# What each accepted registration proves: (type, chain_verified) with the root configured, and without it.
PROVEN = {
    "none.ES256": (("none", False), ("none", False)),
    "none.ES256.long-credential-id": (("none", False), ("none", False)),
    "packed-self.ES256": (("self", False), ("self", False)),
    "packed.ES256": (("certificate", True), ("certificate", False)),
    "packed.ES384": (("certificate", True), ("certificate", False)),
    "packed.ES512": (("certificate", True), ("certificate", False)),
    "packed.RS256": (("certificate", True), ("certificate", False)),
    "packed.Ed448": (("certificate", True), ("certificate", False)),
    "packed.EdDSA": (("certificate", True), ("certificate", False)),
    # The package holds Apple's own root and demands it.
    "apple.ES256": (("certificate", True), "attestation_invalid"),
}


def register(vector: Mapping[str, Any], **expected: Any) -> VerifiedRegistration:
    registration = vector["registration"]
    arguments: dict[str, Any] = {
        "challenge": decode_base64url(registration["challenge"]["b64url"]),
        "origins": [vector["origin"]],
        "rp_id": vector["rp_id"],
        "policy": POLICY,
        "offered": RegistrationOffer(
            tuple(ALGORITHMS),
            None,
            resident_key_required=True,
            user_verification_required=vector["expected"]["user_verified_registration"],
            extensions={},
        ),
        "mediation": "modal",
        "at": datetime(2026, 11, 25, tzinfo=UTC),
        "trust_anchors": ANCHORS,
    }
    response = parse_registration_response(registration["credential_json"])
    return verify_registration(response, **{**arguments, **expected})


def authenticate(vector: Mapping[str, Any], **expected: Any) -> None:
    authentication = vector["authentication"]
    # The vectors come without a user handle; ours are discoverable and always have one.
    response = json.loads(json.dumps(authentication["credential_json"]))
    response["response"]["userHandle"] = "dGhlIHNwZWNpZmljYXRpb24gZ2l2ZXMgbm9uZQ"
    flags = decode_base64url(vector["registration"]["authenticatorData"]["b64url"])[32]
    arguments: dict[str, Any] = {
        "challenge": decode_base64url(authentication["challenge"]["b64url"]),
        "origins": [vector["origin"]],
        "rp_id": vector["rp_id"],
        "policy": POLICY,
        "offered": AuthenticationOffer(
            (),
            user_verification_required=vector["expected"]["user_verified_authentication"],
            extensions={},
            person=None,
        ),
        "credential": KnownCredential(
            credential_id=decode_base64url(authentication["credential_id"]["b64url"]),
            person="ada",
            user_handle=USER_HANDLE,
            public_key=decode_base64url(authentication["credential_public_key_cose"]["b64url"]),
            sign_count=0,
            backup_eligible=bool(flags & 0x08),
        ),
    }
    verify_authentication(parse_authentication_response(response), **{**arguments, **expected})


def test_every_vector_has_its_row() -> None:
    """No vector is left out, and no row is of a vector that is not there."""
    assert set(EXPECTED) == set(VECTORS)


@pytest.mark.parametrize("name", EXPECTED)
def test_registration_vector(name: str) -> None:
    """WebAuthn L3 test vectors, registration: each gets the verdict of its row."""
    expected = EXPECTED[name][0]
    if expected == "accept":
        verified = register(VECTORS[name])
        assert verified.credential_id.hex() == VECTORS[name]["registration"]["credential_id"]["hex"]
        assert verified.aaguid.replace("-", "") == VECTORS[name]["registration"]["aaguid"]["hex"]
        assert verified.algorithm == VECTORS[name]["alg"]
    else:
        with pytest.raises(Rejection) as rejection:
            register(VECTORS[name])
        assert rejection.value.code == expected


@pytest.mark.parametrize("name", EXPECTED)
def test_authentication_vector(name: str) -> None:
    """WebAuthn L3 test vectors, authentication: each gets the verdict of its row."""
    expected = EXPECTED[name][1]
    if expected == "accept":
        authenticate(VECTORS[name])
    else:
        with pytest.raises(Rejection) as rejection:
            authenticate(VECTORS[name])
        assert rejection.value.code == expected


@pytest.mark.parametrize("name", PROVEN)
def test_the_verdict_says_what_was_proven(name: str) -> None:
    """A chain is called verified only when an anchor was there to verify it against; no model is ever called proven."""
    for anchors, expected in zip((ANCHORS, {}), PROVEN[name], strict=True):
        if isinstance(expected, str):
            with pytest.raises(Rejection) as rejection:
                register(VECTORS[name], trust_anchors=anchors)
            assert rejection.value.code == expected
            continue
        attestation = register(VECTORS[name], trust_anchors=anchors).attestation
        assert (attestation.type, attestation.chain_verified) == expected
        assert attestation.format == VECTORS[name]["attestation_fmt"]
        assert not attestation.model_proven


def test_an_anchor_that_issued_nothing_vouches_for_nothing() -> None:
    """A packed certificate under another anchor is refused, not taken as unanchored."""
    der = bytes.fromhex(VECTORS["packed.ES256"]["registration"]["att_stmt"]["x5c_der_hex"][0])
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    with pytest.raises(Rejection) as rejection:
        register(VECTORS["packed.RS256"], trust_anchors={"packed": [pem]})
    assert rejection.value.code == "attestation_invalid"


@pytest.mark.parametrize(
    "name", [name for name, (registration, _) in EXPECTED.items() if registration == "accept"]
)
def test_user_verification_is_checked_where_it_is_required(name: str) -> None:
    """With user verification required, exactly the vectors without the UV flag are refused."""
    for ceremony, has_flag in (
        (register, VECTORS[name]["expected"]["user_verified_registration"]),
        (authenticate, VECTORS[name]["expected"]["user_verified_authentication"]),
    ):
        if has_flag:
            ceremony(VECTORS[name], policy=STRICT)
        else:
            with pytest.raises(Rejection) as rejection:
                ceremony(VECTORS[name], policy=STRICT)
            assert rejection.value.code == "user_not_verified"


@pytest.mark.parametrize(
    "name", [name for name, (registration, _) in EXPECTED.items() if registration == "accept"]
)
def test_only_what_was_offered_is_accepted(name: str) -> None:
    """A good credential of an algorithm that this ceremony did not offer is refused."""
    others = tuple(alg for alg in ALGORITHMS if alg != VECTORS[name]["alg"])
    offered = RegistrationOffer(
        others, None, resident_key_required=True, user_verification_required=False, extensions={}
    )
    with pytest.raises(Rejection) as rejection:
        register(VECTORS[name], offered=offered)
    assert rejection.value.code == "algorithm_not_offered"
