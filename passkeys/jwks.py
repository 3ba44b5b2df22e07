"""An issuer's key set (JWKS, RFC 7517): read strictly, kept as keys by id, and asked for one signature at a time.

A key that cannot be used here is passed over, and the rest stay good (RFC 7517 §5). Only public members of asymmetric
keys are looked at: what is symmetric, private, or a certificate in a JWK never becomes a key. Everything of the JOSE
library's ends in this module.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry, deserialize_compact
from joserfc.registry import HeaderRegistryDict

from passkeys.errors import PasskeysError, SignatureInvalid, raised_as

MAX_JWKS = 256 * 1024
MAX_KEYS = 50
MAX_KEY_ID = 256
# NIST SP 800-131A: less has not been good for signatures since 2013.
MIN_RSA_BITS = 2048
# What a big enough number costs: one verification under 16,384 bits takes milliseconds, and anybody may ask for one.
MAX_RSA_BITS = 8192

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES: Mapping[str, str] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
# RFC 8725 §3.1: asymmetric ones alone, so that no public key is ever a shared secret. `Ed25519` is RFC 9864's name.
ALGORITHMS = frozenset({*_RSA, *_CURVES.values(), "Ed25519"})
# The members that make a public key, by kind of key (RFC 7518 §6, RFC 8037 §2).
_PUBLIC: Mapping[str, tuple[str, ...]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


class KeySetMalformed(PasskeysError):
    """What was read is no key set, or holds no key that can be used."""

    code = "key_set_malformed"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One public key: its id, the algorithms that it may verify, and whose it says it is (Entra's member `issuer`)."""

    key_id: str
    algorithms: frozenset[str]
    issuer: str | None
    jwk: RSAKey | ECKey | OKPKey


KeySet = Mapping[str, tuple[SigningKey, ...]]
"""The keys by their ids. RFC 7517 §4.5 lets keys of different kinds share one."""


def read_key_set(data: bytes) -> KeySet:
    """The usable keys of a JWK set. Raises KeySetMalformed: no set, too large a one, or none usable in it."""
    if len(data) > MAX_JWKS:
        raise KeySetMalformed(f"It has more than {MAX_JWKS} bytes.")
    with raised_as(lambda error: KeySetMalformed(f"It is no JSON: {error!r:.100}."), but=KeySetMalformed):
        members = json.loads(data.decode())
    listed = members.get("keys") if isinstance(members, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise KeySetMalformed(f"It has no list `keys` of at most {MAX_KEYS}.")
    return read_key_set_of(listed)


def read_key_set_of(listed: Sequence[object]) -> KeySet:
    """The usable keys among JWKs. Raises KeySetMalformed: none is."""
    found = [key for key in map(_usable, listed) if key is not None]
    # Two keys of one kind under one id: whichever were taken, the set would not have said so. So neither.
    count = Counter((key.key_id, key.jwk.key_type) for key in found)
    keys: dict[str, tuple[SigningKey, ...]] = {}
    for key in found:
        if count[key.key_id, key.jwk.key_type] == 1:
            keys[key.key_id] = (*keys.get(key.key_id, ()), key)
    if not keys:
        raise KeySetMalformed("None of its keys can be used.")
    return MappingProxyType(keys)


def verified_payload(token: bytes, *, key: SigningKey, algorithm: str) -> bytes:
    """The payload of a compact JWS that `key` has signed (RFC 7515 §5.2). Raises SignatureInvalid, whatever is wrong."""
    registry = _Registry(algorithms=[algorithm], strict_check_header=False)
    with raised_as(lambda error: SignatureInvalid(type(error).__name__), but=SignatureInvalid):
        try:
            return deserialize_compact(token, key.jwk, registry=registry).payload
        except BadSignatureError:
            raise SignatureInvalid from None


class _Registry(JWSRegistry):
    """joserfc's own header bound is for its own tokens; identity providers send certificates along. See MAX_HEADER."""

    max_header_length = 8192
    max_payload_length = 16 * 1024
    max_signature_length = 2048
    # Who calls has judged the header, and nothing of it but `alg` counts here: `jku`, `jwk`, `x5u` and `x5c` least.
    default_header_registry: HeaderRegistryDict = {}  # noqa: RUF012 -- it is an instance variable of the base


def _usable(listed: object) -> SigningKey | None:
    """The key of a JWK, or None for what is none for signatures here. Never an exception: the others still count."""
    if not isinstance(listed, dict):
        return None
    key_id, kind, issuer = (listed.get(name) for name in ("kid", "kty", "issuer"))
    if not isinstance(key_id, str) or not 1 <= len(key_id) <= MAX_KEY_ID:
        return None
    if not isinstance(kind, str) or kind not in _PUBLIC or not _for_verifying(listed):
        return None
    if issuer is not None and not isinstance(issuer, str):
        return None
    try:
        with raised_as(KeySetMalformed, but=KeySetMalformed):
            jwk = _imported(kind, {"kty": kind, **{name: listed[name] for name in _PUBLIC[kind]}})
    except KeySetMalformed:
        return None
    algorithms = _algorithms_of(jwk)
    if (named := listed.get("alg")) is not None:  # RFC 7517 §4.4: then it is for that one alone
        algorithms &= {"Ed25519" if named == "EdDSA" else named} if isinstance(named, str) else set()
    return SigningKey(key_id, frozenset(algorithms), issuer, jwk) if algorithms else None


def _for_verifying(listed: Mapping[str, Any]) -> bool:
    """RFC 7517 §4.2, §4.3: not said to be for anything else."""
    operations = listed.get("key_ops", ["verify"])
    return listed.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _imported(kind: str, members: dict[str, Any]) -> RSAKey | ECKey | OKPKey:
    if kind == "EC":
        return ECKey.import_key(members)
    if kind == "OKP":
        return OKPKey.import_key(members)
    # Before the number is made of it: joserfc warns of short ones, and OpenSSL takes its time for long ones.
    bits = len(members["n"]) * 6
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS + 6:
        raise KeySetMalformed(f"A modulus of about {bits} bits.")
    return RSAKey.import_key(members)


def _algorithms_of(jwk: RSAKey | ECKey | OKPKey) -> set[str]:
    if isinstance(jwk, RSAKey):
        return set(_RSA) if jwk.raw_value.key_size >= MIN_RSA_BITS else set()
    if isinstance(jwk, ECKey):
        return {_CURVES[jwk.curve_name]} if jwk.curve_name in _CURVES else set()
    return {"Ed25519"} if jwk.curve_name == "Ed25519" else set()
