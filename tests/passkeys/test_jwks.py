"""A key set, read: what can be used counts, the rest is passed over, and nothing secret becomes a key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from passkeys.jwks import MAX_JWKS, MAX_KEYS, KeySetMalformed, read_key_set
from tests.passkeys.tokens import EC, ED, OTHER_RSA, RSA, jwk, jwks

SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)
GOOD = jwk(RSA, "good")


def test_each_kind_of_key_is_for_its_algorithms() -> None:
    """RSA for six, unless it says for which; a curve for one; EdDSA by either of its names."""
    found = read_key_set(
        jwks(
            jwk(RSA, "rsa"),
            jwk(OTHER_RSA, "rs256", alg="RS256", use="sig", key_ops=["verify"], x5c=["AAAA"], x5t="x"),
            jwk(EC, "p256"),
            jwk(ec.generate_private_key(ec.SECP384R1()), "p384"),
            jwk(ED, "ed", alg="EdDSA"),
        )
    )
    algorithms = {key.key_id: set(key.algorithms) for keys in found.values() for key in keys}
    assert algorithms == {
        "rsa": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
        "rs256": {"RS256"},
        "p256": {"ES256"},
        "p384": {"ES384"},
        "ed": {"Ed25519"},
    }


UNUSABLE: dict[str, Any] = {
    "symmetric": {"kty": "oct", "kid": "x", "k": "AAAA"},
    "of no kind": {"kid": "x"},
    "of a kind to come": {"kty": "AKP", "kid": "x", "alg": "ML-DSA-44", "pub": "AAAA"},
    "without an id": jwk(EC, None),
    "with a number for an id": jwk(EC, None, kid=7),
    "with a long id": jwk(EC, "x" * 257),
    "for encryption": jwk(EC, "x", use="enc"),
    "for signing": jwk(EC, "x", key_ops=["sign"]),
    "for an HMAC": jwk(RSA, "x", alg="HS256"),
    "for an algorithm of another kind": jwk(EC, "x", alg="RS256"),
    "for a list of algorithms": jwk(EC, "x", alg=["ES256"]),
    "of 1024 bits": jwk(SMALL, "x"),
    "of very many bits": {**jwk(RSA, "x"), "n": "_" * 200_000},
    "off its curve": {**jwk(EC, "x"), "y": jwk(ec.generate_private_key(ec.SECP256R1()), "x")["y"]},
    "with half a point": {name: value for name, value in jwk(EC, "x").items() if name != "y"},
    "on a curve for Bitcoin": {**jwk(EC, "x"), "crv": "secp256k1"},
    "with numbers for members": {**jwk(RSA, "x"), "n": 7},
    "whose issuer is no text": jwk(EC, "x", issuer=["y"]),
    "no object": "x",
    "nothing": None,
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_key_that_cannot_be_used_is_passed_over(name: str) -> None:
    """RFC 7517 §5: the others of the set stay good; alone, it is no set."""
    assert set(read_key_set(jwks(UNUSABLE[name], GOOD))) == {"good"}
    with pytest.raises(KeySetMalformed):
        read_key_set(jwks(UNUSABLE[name]))


def test_private_members_are_left_where_they_are() -> None:
    """A set that gives its private key away is somebody's accident: the public key counts, and no more is kept."""
    leaking = jwk(RSA, "x", d="AAAA", p="AAAA", oth=[])
    ((key,),) = read_key_set(jwks(leaking)).values()
    assert not key.jwk.is_private


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'"keys"',
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b"\xff",
        b'{"keys": ' + b"[" * 100_000,
        jwks(*[jwk(EC, str(n)) for n in range(MAX_KEYS + 1)]),
        jwks(GOOD) + b" " * MAX_JWKS,
    ],
    ids=lambda data: repr(data[:20]) + str(len(data)),
)
def test_what_is_no_key_set_is_refused(data: bytes) -> None:
    """No JSON, no list, too many, too large."""
    with pytest.raises(KeySetMalformed):
        read_key_set(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from([GOOD, jwk(EC, "ec"), jwk(ED, "ed")]),
    st.dictionaries(
        st.sampled_from(["kty", "kid", "n", "e", "crv", "x", "y", "alg", "use", "key_ops", "issuer"]),
        JSON | st.sampled_from(["AQAB", "RSA", "EC", "OKP", "P-256", "Ed25519", "Ed448"]),
        max_size=3,
    ),
)
@settings(max_examples=300, deadline=None)
def test_no_key_takes_the_set_with_it(honest: dict[str, Any], changed: dict[str, Any]) -> None:
    """Whatever stands in one key: the good one beside it is there, or the two have one id."""
    other = {**honest, **changed}
    found = read_key_set(json.dumps({"keys": [other, jwk(OTHER_RSA, "beside")]}).encode())
    assert "beside" in found or changed.get("kid") == "beside"
