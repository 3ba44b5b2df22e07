"""The test vectors of WebAuthn Level 3, row by row, through the real calls: 15 registrations, 15 authentications.

Two policies are stated, and docs/verification.md says what each answers. PREFERRED is the default policy but for user
verification, which half of the vectors go without. LAX accepts everything that the specification leaves to policy.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from passkeys.algorithms import ALGORITHMS
from passkeys.attestation import Lenience, TrustAnchors
from passkeys.errors import Rejection
from tests.passkeys.attestation.statements import ROOTED, VECTORS, W3C, octets
from tests.passkeys.resigned import LAX, OFFERED, REQUESTED, STRICT, UV, assertion_of, registration_of

PREFERRED = dataclasses.replace(STRICT, user_verification_required=False)
DOCUMENT = Path(__file__).parents[2] / "docs" / "verification.md"

# name: (registration, authentication) under PREFERRED: what it proves, "accept", or the code of the rejection.
EXPECTED = {
    "none.ES256": ("none", "accept"),
    "packed-self.ES256": ("self", "accept"),
    "none.ES256.crossOrigin": ("cross_origin_denied", "cross_origin_denied"),
    "none.ES256.topOrigin": ("cross_origin_denied", "cross_origin_denied"),
    "none.ES256.long-credential-id": ("none", "accept"),
    "packed.ES256": ("basic", "accept"),
    "packed.ES384": ("basic", "accept"),
    "packed.ES512": ("basic", "accept"),
    "packed.RS256": ("basic", "accept"),
    "packed.EdDSA": ("basic", "accept"),
    "packed.Ed448": ("basic", "accept"),
    # objectAttributes let the key leave the TPM; with that passed over, its vendor is no vendor: id:00000000.
    "tpm.ES256": ("attestation_tpm_key_not_bound", "accept"),
    # Both authorization lists are empty: nobody says where the key was made, or what for.
    "android-key.ES256": ("attestation_android_key_origin_unexpected", "accept"),
    "apple.ES256": ("anonca", "accept"),
    # An AAGUID, which nothing signs in this format.
    "fido-u2f.ES256": ("attestation_fido_u2f_aaguid_not_zero", "accept"),
}
TYPES = {"None": "none", "Self": "self", "Basic": "basic", "AttCA": "attca", "AnonCA": "anonca"}


def outcome(judge: Any, **expected: Any) -> str:
    """What was proven, "accept", or the code of the rejection."""
    try:
        verified = judge(**expected)
    except Rejection as rejection:
        return rejection.code.value
    attestation = getattr(verified, "attestation", None)
    return attestation.type if attestation else "accept"


def test_every_vector_has_its_row() -> None:
    """No vector is left out, and no row is of a vector that is not there."""
    assert set(EXPECTED) == set(VECTORS)
    assert len(EXPECTED) == 15


@pytest.mark.parametrize("name", EXPECTED)
def test_the_ceremonies_are_the_published_ones(name: str) -> None:
    """Taken apart and put together, not one byte differs from what W3C published."""
    registration, assertion = registration_of(name).response(), assertion_of(name).response()
    published = VECTORS[name]
    assert registration.client_data_json == octets(published["registration"]["clientDataJSON"])
    assert registration_of(name).auth_data == octets(published["registration"]["authenticatorData"])
    assert assertion.client_data_json == octets(published["authentication"]["clientDataJSON"])
    assert assertion.authenticator_data == octets(published["authentication"]["authenticatorData"])
    for made, vector in ((registration, "registration"), (assertion, "authentication")):
        assert made.raw_id == octets(published[vector]["credential_id"])


def as_published(name: str) -> tuple[Any, Any]:
    """The two ceremonies with attestation object and signature as published, not signed again."""
    attestation_object = octets(VECTORS[name]["registration"]["attestationObject"])
    signature = octets(VECTORS[name]["authentication"]["signature"])
    return (
        dataclasses.replace(registration_of(name), told={"attestation_object": attestation_object}).verify,
        dataclasses.replace(assertion_of(name), told={"signature": signature}).verify,
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_the_specifications_own_verdict(name: str) -> None:
    """All 30 ceremonies are accepted by a policy that accepts all that is left to it, and prove what W3C states."""
    register, authenticate = as_published(name)
    verified = register(policy=LAX)
    stated = VECTORS[name]["expected"]
    assert verified.attestation.type == TYPES[stated["attestation_type"]]
    assert verified.attestation.format == VECTORS[name]["attestation_fmt"]
    assert verified.attestation.chain_verified is (stated["trust_anchor"] is not None)
    assert verified.algorithm == VECTORS[name]["alg"]
    assert verified.aaguid.replace("-", "") == VECTORS[name]["registration"]["aaguid"]["hex"]
    assert verified.public_key == octets(VECTORS[name]["registration"]["credential_public_key_cose"])
    assert verified.user_verified is stated["user_verified_registration"]
    assert authenticate(policy=LAX).user_verified is stated["user_verified_authentication"]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_default_policys_verdict(name: str) -> None:
    """With user verification preferred, and nothing else set: each of the 30 gets the verdict of its row."""
    register, authenticate = as_published(name)
    assert (outcome(register, policy=PREFERRED), outcome(authenticate, policy=PREFERRED)) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("asked_by", ["policy", "options"])
def test_user_verification_is_checked_where_it_is_required(name: str, asked_by: str) -> None:
    """Required by policy or by the options, exactly the ceremonies without the UV flag are refused."""
    required = {"user_verification_required": True}
    register, authenticate = as_published(name)
    for judge, flags, offered in (
        (register, registration_of(name).flags, OFFERED),
        (authenticate, assertion_of(name).flags, REQUESTED),
    ):
        expected = (
            {"policy": dataclasses.replace(LAX, **required)}
            if asked_by == "policy"
            else {"offered": dataclasses.replace(offered, **required)}
        )
        assert (outcome(judge, **expected) == "user_not_verified") is not bool(flags & UV)


FRAMED = dataclasses.replace(PREFERRED, cross_origin_allowed=True)
BY_EXAMPLE_COM = dataclasses.replace(FRAMED, top_origins=frozenset({"https://example.com"}))
# Both answers of each policy vector: name, what is allowed, what it then gets, for registration and authentication.
BOTH_ANSWERS = [
    ("none.ES256.crossOrigin", PREFERRED, "cross_origin_denied", "cross_origin_denied"),
    ("none.ES256.crossOrigin", FRAMED, "none", "accept"),
    ("none.ES256.topOrigin", PREFERRED, "cross_origin_denied", "cross_origin_denied"),
    ("none.ES256.topOrigin", FRAMED, "top_origin_unexpected", "top_origin_unexpected"),
    ("none.ES256.topOrigin", BY_EXAMPLE_COM, "none", "accept"),
]
LENIENT = [
    ("android-key.ES256", Lenience(), "attestation_android_key_origin_unexpected"),
    ("android-key.ES256", Lenience(android_unspecified=True), "basic"),
    ("fido-u2f.ES256", Lenience(), "attestation_fido_u2f_aaguid_not_zero"),
    ("fido-u2f.ES256", Lenience(u2f_aaguid=True), "basic"),
    ("tpm.ES256", Lenience(tpm_unbound_keys=True), "attestation_tpm_vendor_unknown"),
    ("tpm.ES256", Lenience(tpm_vendors=frozenset({"id:00000000"})), "attestation_tpm_key_not_bound"),
    ("tpm.ES256", Lenience(tpm_vendors=frozenset({"id:00000000"}), tpm_unbound_keys=True), "attca"),
]


@pytest.mark.parametrize(("name", "policy", "registered", "authenticated"), BOTH_ANSWERS)
def test_both_answers_of_a_framed_ceremony(
    name: str, policy: Any, registered: str, authenticated: str
) -> None:
    """WebAuthn L3 §7.1 steps 10 and 11, §7.2 steps 13 and 14: each policy has its own verdict."""
    register, authenticate = as_published(name)
    assert outcome(register, policy=policy) == registered
    assert outcome(authenticate, policy=policy) == authenticated


@pytest.mark.parametrize(("name", "lenience", "registered"), LENIENT)
def test_both_answers_of_a_strict_format(name: str, lenience: Lenience, registered: str) -> None:
    """What a strict reading refuses, one exemption lets pass, and no other does."""
    register, _ = as_published(name)
    assert outcome(register, policy=dataclasses.replace(PREFERRED, lenience=lenience)) == registered


@pytest.mark.parametrize("name", EXPECTED)
def test_only_what_was_offered_is_accepted(name: str) -> None:
    """A good credential of an algorithm that this ceremony did not offer is refused."""
    others = tuple(alg for alg in ALGORITHMS if alg != VECTORS[name]["alg"])
    register, _ = as_published(name)
    assert (
        outcome(register, offered=dataclasses.replace(OFFERED, algorithms=others)) == "algorithm_not_offered"
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_without_anchors_nothing_is_called_trusted(name: str) -> None:
    """The same statements, nobody to trust: correct still, and their chains are said to be unverified."""
    register, _ = as_published(name)
    verified = register(trust_anchors=TrustAnchors())
    assert not verified.attestation.chain_verified
    assert not verified.attestation.model_proven
    trusted = dataclasses.replace(LAX, attestation_trusted_only=True)
    assert outcome(register, policy=trusted, trust_anchors=TrustAnchors()) == "attestation_untrusted"
    certified = VECTORS[name]["expected"]["trust_anchor"] is not None
    assert (
        outcome(register, policy=trusted, trust_anchors=ROOTED) == "attestation_untrusted"
    ) is not certified


def test_the_lax_policy_is_what_it_is_called() -> None:
    """LAX allows what the vectors need beyond the default, and W3C's exemptions are the whole of its lenience."""
    changed = {
        field.name
        for field in dataclasses.fields(STRICT)
        if getattr(STRICT, field.name) != getattr(LAX, field.name)
    }
    assert changed == {"user_verification_required", "cross_origin_allowed", "top_origins", "lenience"}
    assert LAX.lenience == W3C


def row(name: str) -> str:
    vector = VECTORS[name]
    register, authenticate = as_published(name)
    cells = [
        f"`{name}`",
        vector["attestation_fmt"],
        vector["alg_name"],
        *(told(outcome(judge, policy=LAX)) for judge in (register, authenticate)),
        *(told(outcome(judge, policy=PREFERRED)) for judge in (register, authenticate)),
        " ".join(
            "yes" if flags & UV else "no" for flags in (registration_of(name).flags, assertion_of(name).flags)
        ),
    ]
    return f"| {' | '.join(cells)} |"


def told(result: str) -> str:
    if result in TYPES.values():
        return f"accepted: {result}"
    return "accepted" if result == "accept" else f"`{result}`"


def test_the_page_has_these_verdicts() -> None:
    """The table in docs/verification.md is what the verifier answers, row by row."""
    printed = re.findall(
        r"^\| `(?:none|packed|tpm|android|apple|fido)[^`]*` \| .* \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    assert printed == [row(name) for name in EXPECTED]


if __name__ == "__main__":
    print("\n".join(row(name) for name in EXPECTED))
