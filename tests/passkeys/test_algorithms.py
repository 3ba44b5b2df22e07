"""The table of algorithms: every row proven by published signatures, and bound to its own form of key."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import cbor2
import cryptography
import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from webauthn.helpers import decode_credential_public_key
from webauthn.helpers import verify_signature as verify_with_webauthn

from passkeys.algorithms import (
    ALGORITHMS,
    DEFAULT_ALGORITHMS,
    ED25519,
    Algorithm,
    load_public_key,
    verify_signature,
)
from passkeys.errors import Rejection, RejectionCode, SignatureInvalid
from passkeys.response import decode_base64url
from tests.fuzz.mutation import LAUGHTER
from tests.passkeys.published import ECDSA, ML_DSA, NAMES, Published, altered, points, signatures

VECTORS = Path(__file__).parent.parent / "vectors"
W3C: list[dict[str, Any]] = json.loads((VECTORS / "webauthn-l3.json").read_text())["vectors"]
ROWS = {algorithm.name: algorithm for algorithm in ALGORITHMS.values()}
# RFC 9864: the same signatures under a number that says everything. Proven by those of the other.
TWINS = {"Ed25519": "EdDSA", "ESP256": "ES256", "ESP384": "ES384", "ESP512": "ES512"}
DATA = b"authenticator data and the hash of the client data"


def cose_key(algorithm: Algorithm, parts: dict[int, Any]) -> dict[int, Any]:
    curve = {} if algorithm.form.curve is None else {-1: algorithm.form.curve}
    return {1: algorithm.form.key_type, 3: algorithm.cose, **curve, **parts}


def judge(name: str, vector: Published, signature: bytes) -> None:
    """Load the vector's key under that row, and verify with it. Raises Rejection or SignatureInvalid."""
    algorithm, key = load_public_key(cbor2.dumps(cose_key(ROWS[name], vector.parts)))
    assert algorithm is ROWS[name]
    verify_signature(algorithm.cose, key, signature, vector.data)


@pytest.mark.parametrize("name", ROWS)
def test_published_signatures(name: str) -> None:
    """Every row accepts the published good signatures and refuses the bad ones; its twin does the same."""
    accepted, refused = 0, 0
    for vector in signatures(TWINS.get(name, name)):
        try:
            judge(name, vector, vector.signature)
        except SignatureInvalid:
            assert not vector.valid, vector.name
            refused += 1
        except Rejection as rejection:
            # A key that is never loaded at all: with a changed point, or RSA of 1024 and 1536 bits, be it ever so good.
            small = ", mod = 1" in vector.name and rejection.code is RejectionCode.PUBLIC_KEY_WEAK
            assert not vector.valid or small, (vector.name, rejection)
        else:
            assert vector.valid, vector.name
            accepted += 1
    assert accepted > 1
    # Ed25519's authors published no bad ones: those of the test below count.
    assert refused or ROWS[name].form is ED25519


@pytest.mark.parametrize("name", ROWS)
def test_published_signatures_altered(name: str) -> None:
    """A good signature in another encoding, out of its range, cut or changed anywhere is refused; so is other data."""
    published = TWINS.get(name, name)
    good = [vector for vector in signatures(published) if vector.valid and "mod = 1" not in vector.name][:2]
    for vector in good:
        judge(name, vector, vector.signature)
        for what, signature in altered(published, vector):
            assert signature != vector.signature, what
            with pytest.raises(SignatureInvalid):
                judge(name, vector, signature)
                pytest.fail(f"{vector.name}: {what}")
        with pytest.raises(SignatureInvalid):
            judge(name, dataclasses.replace(vector, data=vector.data + b"\x00"), vector.signature)


@pytest.mark.parametrize("name", ["Ed448", *ML_DSA])
def test_a_signature_made_for_another_purpose(name: str) -> None:
    """Published signatures with a context are good ones, of that context; WebAuthn sets none, so they are refused."""
    with_context = [vector for vector in signatures(name) if vector.context]
    assert with_context
    for vector in with_context:
        if name != "Ed448":  # whose contexts `cryptography` does not know
            _, key = load_public_key(cbor2.dumps(cose_key(ROWS[name], vector.parts)))
            key.verify(vector.signature, vector.data, vector.context)  # type: ignore[call-arg,union-attr]
        with pytest.raises(SignatureInvalid):
            judge(name, vector, vector.signature)


@pytest.mark.parametrize("name", ECDSA)
def test_published_points(name: str) -> None:
    """NIST's points of a curve are keys, and those off it or out of range are none."""
    verdicts = set()
    for x, y, verdict in points(name):
        encoded = cbor2.dumps(cose_key(ROWS[name], {-2: x, -3: y}))
        if verdict.startswith("P"):
            assert load_public_key(encoded)[0] is ROWS[name]
        else:
            with pytest.raises(Rejection) as rejection:
                load_public_key(encoded)
            assert rejection.value.code is RejectionCode.PUBLIC_KEY_UNREADABLE
        verdicts.add(verdict)
    assert len(verdicts) == 3


def test_every_row_has_its_published_signatures() -> None:
    """No row without its own; and every algorithm of the W3C vectors is a row."""
    assert set(NAMES) == set(ROWS) - set(TWINS)
    assert {vector["alg"] for vector in W3C} <= set(ALGORITHMS)


def test_the_published_signatures_are_of_the_library_in_use() -> None:
    """The package of vectors has the version of `cryptography`, so that an upgrade of one is one of both."""
    assert cryptography_vectors.__version__ == cryptography.__version__


@pytest.mark.parametrize("vector", W3C, ids=lambda vector: vector["name"])
def test_w3c_assertions(vector: dict[str, Any]) -> None:
    """WebAuthn L3 test vectors: the key loads under its row, and the assertion's signature is the key's."""
    signed = vector["authentication"]
    algorithm, key = load_public_key(decode_base64url(signed["credential_public_key_cose"]["b64url"]))
    assert algorithm.cose == vector["alg"]
    data, client_data, signature = (
        decode_base64url(signed[name]["b64url"])
        for name in ("authenticatorData", "clientDataJSON", "signature")
    )
    message = data + hashlib.sha256(client_data).digest()
    verify_signature(algorithm.cose, key, signature, message)
    with pytest.raises(SignatureInvalid):
        verify_signature(algorithm.cose, key, signature, message + b"\x00")


def pss(key: rsa.RSAPrivateKey, salt: int) -> bytes:
    return key.sign(DATA, padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=salt), SHA256())


def test_ps256_has_a_salt_as_long_as_its_hash() -> None:
    """RFC 8230 §2. The webauthn package asks for the longest salt and is given any; so it is not asked."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public, longest = key.public_key(), 2048 // 8 - 32 - 2
    verify_signature(-37, public, pss(key, 32), DATA)
    for salt in (0, 20, 31, 33, longest):
        with pytest.raises(SignatureInvalid):
            verify_signature(-37, public, pss(key, salt), DATA)
        verify_with_webauthn(public_key=public, signature_alg=-37, signature=pss(key, salt), data=DATA)


def ecdsa(curve: ec.EllipticCurve, hash_: SHA256 | SHA384 | SHA512) -> tuple[Any, bytes]:
    key = ec.generate_private_key(curve)
    return key.public_key(), key.sign(DATA, ec.ECDSA(hash_))


def plain(key: Any) -> tuple[Any, bytes]:
    return key.public_key(), key.sign(DATA)


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
# One honest signature for each way to sign: name of the row, its key, the signature.
SIGNED: dict[str, tuple[Any, bytes]] = {
    "ES256": ecdsa(ec.SECP256R1(), SHA256()),
    "ES384": ecdsa(ec.SECP384R1(), SHA384()),
    "ES512": ecdsa(ec.SECP521R1(), SHA512()),
    "EdDSA": plain(ed25519.Ed25519PrivateKey.generate()),
    "Ed448": plain(ed448.Ed448PrivateKey.generate()),
    "RS256": (RSA_KEY.public_key(), RSA_KEY.sign(DATA, padding.PKCS1v15(), SHA256())),
    "PS256": (RSA_KEY.public_key(), pss(RSA_KEY, 32)),
    "ML-DSA-44": plain(mldsa.MLDSA44PrivateKey.generate()),
    "ML-DSA-65": plain(mldsa.MLDSA65PrivateKey.generate()),
    "ML-DSA-87": plain(mldsa.MLDSA87PrivateKey.generate()),
}


@pytest.mark.parametrize("signer", SIGNED)
def test_a_signature_is_of_one_algorithm(signer: str) -> None:
    """A key and its signature verify under their own row and its twin, and under no other."""
    key, signature = SIGNED[signer]
    for name, algorithm in ROWS.items():
        if TWINS.get(name, name) == signer:
            verify_signature(algorithm.cose, key, signature, DATA)
        else:
            with pytest.raises(SignatureInvalid):
                verify_signature(algorithm.cose, key, signature, DATA)


def test_every_way_to_sign_is_tried() -> None:
    """The control of the test above, and that only rows of the table are verified."""
    assert set(SIGNED) == set(ROWS) - set(TWINS)
    assert all(ROWS[twin].form is ROWS[name].form for twin, name in TWINS.items())
    key, signature = SIGNED["RS256"]
    for unknown in (-65535, 0, True, None, "RS256", [-257], -257.0):
        with pytest.raises(SignatureInvalid):
            verify_signature(unknown, key, signature, DATA)


@pytest.mark.parametrize(
    ("name", "curve", "hash_"),
    [
        ("ES256", ec.SECP384R1(), SHA256()),
        ("ES256", ec.SECP256K1(), SHA256()),
        ("ES384", ec.SECP256R1(), SHA384()),
        ("ES512", ec.SECP256R1(), SHA512()),
        ("ESP256", ec.SECP521R1(), SHA256()),
    ],
)
def test_the_curve_is_bound_to_the_algorithm(name: str, curve: ec.EllipticCurve, hash_: SHA256) -> None:
    """WebAuthn L3 §5.8.5: a good ECDSA signature of the right hash on another curve is refused, a certificate's too."""
    key, signature = ecdsa(curve, hash_)
    key.verify(signature, DATA, ec.ECDSA(hash_))
    with pytest.raises(SignatureInvalid):
        verify_signature(ROWS[name].cose, key, signature, DATA)


def good_parts(name: str) -> dict[int, bytes]:
    """Of the first published key that is no weak one."""
    return next(vector.parts for vector in signatures(TWINS.get(name, name)) if "mod = 1" not in vector.name)


GOOD = {name: good_parts(name) for name in ROWS}
ES256_KEY = cose_key(ROWS["ES256"], GOOD["ES256"])
EDDSA_KEY = cose_key(ROWS["EdDSA"], GOOD["EdDSA"])
X, Y = GOOD["ES256"][-2], GOOD["ES256"][-3]
BAD_KEYS: list[tuple[str, str, object]] = [
    ("public_key_unreadable", "no map", [1, 2]),
    ("public_key_unreadable", "no kty", {3: -7}),
    ("public_key_unreadable", "no alg", {1: 2, -1: 1, -2: X, -3: Y}),
    ("public_key_unreadable", "no crv", {1: 2, 3: -7, -2: X, -3: Y}),
    ("public_key_unreadable", "no y", {1: 2, 3: -7, -1: 1, -2: X}),
    ("public_key_unreadable", "kty under true", {True: 2, 3: -7, -1: 1, -2: X, -3: Y}),
    ("public_key_unreadable", "kty under 1.0", {1.0: 2, 3: -7, -1: 1, -2: X, -3: Y}),
    ("public_key_unreadable", "a compressed point", {**ES256_KEY, -3: True}),
    ("public_key_unreadable", "a short x", {**ES256_KEY, -2: X[1:]}),
    ("public_key_unreadable", "a long x", {**ES256_KEY, -2: b"\x00" + X}),
    ("public_key_unreadable", "a text for x", {**ES256_KEY, -2: "x" * 32}),
    ("public_key_unreadable", "off the curve", {**ES256_KEY, -3: X}),
    ("public_key_unreadable", "the point at infinity", {**ES256_KEY, -2: bytes(32), -3: bytes(32)}),
    ("public_key_unreadable", "a private key", {**ES256_KEY, -4: bytes(32)}),
    ("public_key_unreadable", "a key id", {**ES256_KEY, 2: b"id"}),
    ("public_key_unreadable", "a short Ed25519 key", {**EDDSA_KEY, -2: EDDSA_KEY[-2][1:]}),
    ("algorithm_not_offered", "ES256 on P-384", {**ES256_KEY, -1: 2}),
    ("algorithm_not_offered", "EdDSA on Ed448", {**EDDSA_KEY, -1: 7}),
    ("algorithm_not_offered", "ES256 as an OKP key", {**ES256_KEY, 1: 1}),
    ("algorithm_not_offered", "curve true", {**ES256_KEY, -1: True}),
    ("algorithm_not_offered", "kty true", {**EDDSA_KEY, 1: True}),
    ("algorithm_not_offered", "alg a text", {**ES256_KEY, 3: "ES256"}),
    ("algorithm_not_offered", "alg a float", {**ES256_KEY, 3: -7.0}),
    ("algorithm_not_offered", "RS1", {**cose_key(ROWS["RS256"], GOOD["RS256"]), 3: -65535}),
    ("algorithm_not_offered", "ML-DSA as RSA", {**cose_key(ROWS["ML-DSA-44"], GOOD["ML-DSA-44"]), 1: 3}),
    ("public_key_unreadable", "ML-DSA-65's key as 44", {**cose_key(ROWS["ML-DSA-65"], GOOD["ML-DSA-65"]), 3: -48}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "how", "key"), [pytest.param(*row, id=f"{row[0]}: {row[1]}") for row in BAD_KEYS]
)
def test_a_key_that_is_not_of_its_algorithm(code: str, how: str, key: object) -> None:
    """WebAuthn L3 §5.8.5 and §6.5.1: type, curve, length and members are the algorithm's, each exactly."""
    with pytest.raises(Rejection) as rejection:
        load_public_key(cbor2.dumps(key))
    assert rejection.value.code == code


def test_a_key_that_refers_to_itself_is_not_followed() -> None:
    """References within CBOR (tags 28 and 29), in a map's key, its value and around it: refused, and at once."""
    good = cbor2.dumps(ES256_KEY)
    for hostile in (
        b"\xa1" + LAUGHTER + b"\x00",
        b"\xa1\x01" + LAUGHTER,
        b"\xd8\x1c" + good,
        b"\xa6\xd8\x1d\x00\x00" + good[1:],
        b"\xa6\x04\x9f\xff" + good[1:],
    ):
        with pytest.raises(Rejection) as rejection:
            load_public_key(hostile)
        assert rejection.value.code is RejectionCode.PUBLIC_KEY_UNREADABLE


# Points of small x, so that x and the field's prime together still have the length of a coordinate: name, prime, x, y.
WRAPPED = [
    (
        "ES256",
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        5,
        0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC,
    ),
    (
        "ES384",
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        2,
        0x8CDEADBBD04911A3C1931E26DF3FA6439DCA9C7EB286FBD46FC319F0E2BB780232BAF57825FC0C1912ADA2FEFE84024C,
    ),
]


@pytest.mark.parametrize(("name", "prime", "x", "y"), WRAPPED, ids=[row[0] for row in WRAPPED])
def test_a_point_is_written_in_one_way(name: str, prime: int, x: int, y: int) -> None:
    """SEC 1 §3.2.2.1: a coordinate with the field's prime added is none, though it is the same point to OpenSSL."""
    size = ECDSA[name].size
    for wrapped, accepted in ((x, True), (x + prime, False)):
        key = cose_key(ROWS[name], {-2: wrapped.to_bytes(size, "big"), -3: y.to_bytes(size, "big")})
        if accepted:
            load_public_key(cbor2.dumps(key))
            continue
        with pytest.raises(Rejection) as rejection:
            load_public_key(cbor2.dumps(key))
        assert rejection.value.code is RejectionCode.PUBLIC_KEY_UNREADABLE


@pytest.mark.parametrize("name", ROWS)
def test_every_row_loads_what_the_package_decodes(name: str) -> None:
    """The same COSE key, read by the webauthn package: the same members."""
    encoded = cbor2.dumps(cose_key(ROWS[name], GOOD[name]))
    decoded = decode_credential_public_key(encoded)
    assert (decoded.kty, decoded.alg) == (ROWS[name].form.key_type, ROWS[name].cose)
    assert load_public_key(encoded)[0].name == name


def test_ed448_points_of_small_order_are_weak() -> None:
    """RFC 8032 §5.2: y of 0, 1 and -1, as they are and with p added, with either sign of x."""
    prime = 2**448 - 2**224 - 1
    for y in (0, 1, prime - 1, prime, prime + 1):
        # x² + y² = 1 + d·x²·y²: with y = ±1, x is 0 (order 1 and 2); with y = 0, x is ±1 (order 4).
        x = 1 if y % prime == 0 else 0
        assert (x * x + y * y - 1 + 39081 * x * x * y * y) % prime == 0
        for sign in (0, 0x80):
            encoded = y.to_bytes(56, "little") + bytes([sign])
            with pytest.raises(Rejection) as rejection:
                load_public_key(cbor2.dumps(cose_key(ROWS["Ed448"], {-2: encoded})))
            assert rejection.value.code == "public_key_weak"


def test_what_is_offered_by_default_is_what_the_specification_recommends_and_more() -> None:
    """WebAuthn L3 §5.4: -8, -7 and -257 at least, and none of the fully specified twins."""
    offered = {ROWS[name].cose for name in DEFAULT_ALGORITHMS}
    assert {-8, -7, -257} <= offered
    assert not set(TWINS) & set(DEFAULT_ALGORITHMS)


def test_the_page_has_this_table() -> None:
    """docs/verification.md names every row, with its number, and marks those that are offered by default."""
    page = (VECTORS.parents[1] / "docs" / "verification.md").read_text()
    printed = re.findall(r"^\| ([\w-]+) \| (-\d+) \| .* \| (yes )?\|$", page, re.MULTILINE)
    assert printed == [
        (name, str(row.cose), "yes " if name in DEFAULT_ALGORITHMS else "") for name, row in ROWS.items()
    ]
