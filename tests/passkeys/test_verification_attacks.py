"""The verifier before the software authenticator: what honest ones make is taken, weak keys and changed bits are not.

What each obligation refuses is in test_verification_rejections.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest

from demo.authenticator import ALGORITHMS, Flags, Lie, Passkey, create, from_base64url, get, to_base64url
from passkeys import options
from passkeys.algorithms import ALGORITHMS as KNOWN
from passkeys.attestation import TrustAnchors
from passkeys.errors import Rejection
from passkeys.offer import authentication_offer, registration_offer
from passkeys.policy import policy_of
from passkeys.response import parse_authentication_response, parse_registration_response
from passkeys.settings import load
from passkeys.verification import (
    KnownCredential,
    VerifiedAuthentication,
    VerifiedRegistration,
    verify_authentication,
    verify_registration,
)

Json = dict[str, Any]
ORIGIN = "https://login.example.org"
SETTINGS = load({"PASSKEYS_RP_ID": "example.org", "PASSKEYS_ORIGINS": ORIGIN})
CHALLENGE = b"\x01" * 32
CREATION: Json = options.creation_options(
    SETTINGS,
    challenge=CHALLENGE,
    deadline_seconds=300,
    user_handle=b"handle",
    name="ada",
    display_name="Ada",
    exclude=[],
)
REQUEST: Json = options.request_options(SETTINGS, challenge=CHALLENGE, deadline_seconds=300)
POLICY = policy_of(SETTINGS)
LAX = dataclasses.replace(POLICY, user_verification_required=False)
OFFERED = authentication_offer(REQUEST, person=None)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
UP, UV, BE, BS = Flags.USER_PRESENT, Flags.USER_VERIFIED, Flags.BACKUP_ELIGIBLE, Flags.BACKUP_STATE


def register(response: object, **expected: Any) -> VerifiedRegistration:
    arguments: Json = {
        "challenge": CHALLENGE,
        "origins": [ORIGIN],
        "rp_id": "example.org",
        "policy": POLICY,
        "offered": registration_offer(CREATION),
        "mediation": "modal",
        "trust_anchors": TrustAnchors(),
        "models": {},
        "at": NOW,
    }
    return verify_registration(parse_registration_response(response), **{**arguments, **expected})


def known(passkey: Passkey, **changed: Any) -> KnownCredential:
    public = passkey.private_key.public_key().public_numbers()
    key = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
    credential = KnownCredential(
        credential_id=passkey.credential_id,
        person="ada",
        user_handle=passkey.user_handle,
        public_key=cbor2.dumps(key),
        sign_count=0,
        backup_eligible=bool(passkey.flags & BE),
    )
    return dataclasses.replace(credential, **changed)


def authenticate(response: object, credential: KnownCredential, **expected: Any) -> VerifiedAuthentication:
    arguments: Json = {
        "challenge": CHALLENGE,
        "origins": [ORIGIN],
        "rp_id": "example.org",
        "policy": POLICY,
        "offered": OFFERED,
    }
    return verify_authentication(
        parse_authentication_response(response), credential=credential, **{**arguments, **expected}
    )


def passkey_of(**making: Any) -> tuple[Passkey, Json]:
    return create(CREATION, origin=ORIGIN, algorithm=-7, **making)


def attestation(response: Json, change: Callable[[Json], object]) -> Json:
    """The response with its attestation object decoded, changed and encoded again."""
    parsed = cbor2.loads(from_base64url(response["response"]["attestationObject"]))
    changed = change(parsed)
    data = changed if isinstance(changed, bytes) else cbor2.dumps(parsed)
    return {**response, "response": {**response["response"], "attestationObject": to_base64url(data)}}


def with_cose_key(response: Json, key: object) -> Json:
    """The response with another COSE key in its attested credential data."""

    def change(parsed: Json) -> None:
        data = parsed["authData"]
        end_of_id = 55 + int.from_bytes(data[53:55], "big")
        parsed["authData"] = data[:end_of_id] + cbor2.dumps(key)

    return attestation(response, change)


def test_an_honest_registration_is_accepted() -> None:
    """What an honest authenticator makes is verified, with every fact that is stored of it."""
    passkey, response = passkey_of(flags=UP | UV | BE | BS)
    verified = register(response)
    assert verified.credential_id == passkey.credential_id
    assert (verified.algorithm, verified.sign_count, verified.transports) == (-7, 0, ("internal",))
    assert (verified.backup_eligible, verified.backup_state, verified.user_verified) == (True, True, True)
    assert dataclasses.astuple(verified.attestation) == ("none", "none", False, False, None)


def test_an_honest_authentication_is_accepted() -> None:
    """What an honest authenticator signs is verified."""
    passkey, _ = passkey_of(flags=UP | UV | BE)
    response = get(passkey, REQUEST, origin=ORIGIN, lie=Lie(flags=UP | UV | BE | BS))
    assert authenticate(response, known(passkey)) == VerifiedAuthentication(
        sign_count=1, backup_state=True, user_verified=True, clone_suspected=False, extensions={}
    )


@pytest.mark.parametrize("member", ["authenticatorData", "clientDataJSON"])
def test_every_bit_that_is_signed_counts(member: str) -> None:
    """One bit changed anywhere in what was signed is refused, whatever the code."""
    passkey, _ = passkey_of()
    response = get(passkey, REQUEST, origin=ORIGIN)
    data = from_base64url(response["response"][member])
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        attacked = {**response, "response": {**response["response"], member: to_base64url(bytes(changed))}}
        with pytest.raises(Rejection):
            authenticate(attacked, known(passkey))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_registers_and_signs_in(algorithm: int) -> None:
    """Of every algorithm that can be offered: the key that registration returns is the one that sign-in verifies with."""
    name = {row.cose: row.name for row in KNOWN.values()}[algorithm]
    settings = load(
        {"PASSKEYS_RP_ID": "example.org", "PASSKEYS_ORIGINS": ORIGIN, "PASSKEYS_ALGORITHMS": name}
    )
    creation = options.creation_options(
        settings,
        challenge=CHALLENGE,
        deadline_seconds=300,
        user_handle=b"handle",
        name="ada",
        display_name="Ada",
        exclude=[],
    )
    passkey, response = create(creation, origin=ORIGIN)
    registered = register(response, offered=registration_offer(creation))
    assert registered.algorithm == passkey.algorithm == algorithm
    credential = KnownCredential(
        passkey.credential_id, "ada", passkey.user_handle, registered.public_key, 0, backup_eligible=False
    )
    authenticate(get(passkey, REQUEST, origin=ORIGIN), credential)


P, D = 2**255 - 19, -121665 * pow(121666, -1, 2**255 - 19) % (2**255 - 19)
# The seven ways to write a y of small order in 255 bits: those that add up to the identity by eights, by RFC 8032 §5.1.
SMALL_ORDER = [
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
]


def doubled(point: tuple[int, int]) -> tuple[int, int]:
    """RFC 8032 §5.1.4: a point of the curve -x² + y² = 1 + d·x²·y², added to itself."""
    x, y = point
    product = D * x * x * y * y % P
    return 2 * x * y * pow(1 + product, -1, P) % P, (y * y + x * x) * pow(1 - product, -1, P) % P


@pytest.mark.parametrize("encoded", SMALL_ORDER, ids=lambda encoded: encoded.hex()[:4])
def test_a_point_of_small_order_is_refused(encoded: bytes) -> None:
    """Eight times the point is the identity; with either sign of x, it is no key."""
    y = int.from_bytes(encoded, "little") % P
    x_squared = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(x_squared, (P + 3) // 8, P)
    x = root if (root * root - x_squared) % P == 0 else root * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == x_squared
    assert doubled(doubled(doubled((x, y)))) == (0, 1)
    for sign in (0, 0x80):
        key = {1: 1, 3: -8, -1: 6, -2: encoded[:31] + bytes([encoded[31] | sign])}
        with pytest.raises(Rejection) as refused:
            register(with_cose_key(passkey_of()[1], key))
        assert refused.value.code == "public_key_weak"


@pytest.mark.parametrize(
    ("modulus", "exponent", "accepted"),
    [
        (2**2047 + 1, 65537, True),
        (2**4096 - 1, 3, True),
        (2**4096 - 1, 2**32 - 1, True),
        (2**2047 - 1, 65537, False),
        (2**4096 + 1, 65537, False),
        (2**2047 + 1, 65536, False),
        (2**2047 + 1, 1, False),
        (2**2047 + 1, 2**32 + 1, False),
    ],
)
def test_rsa_keys_have_a_usual_size(modulus: int, exponent: int, accepted: bool) -> None:
    """2048 to 4096 bits, and an odd exponent of at most 32."""
    parts = {
        -1: modulus.to_bytes((modulus.bit_length() + 7) // 8, "big"),
        -2: exponent.to_bytes((exponent.bit_length() + 7) // 8, "big"),
    }
    response = with_cose_key(passkey_of()[1], {1: 3, 3: -257, **parts})
    if accepted:
        assert register(response).algorithm == -257
    else:
        with pytest.raises(Rejection) as refused:
            register(response)
        assert refused.value.code == "public_key_weak"
