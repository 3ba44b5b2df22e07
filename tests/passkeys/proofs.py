"""DPoP proofs for tests, put together from bytes: right in everything, or wrong in one point."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.passkeys.tokens import EC, SECONDS, b64, jwk, signature

URL = "https://passkey.example.com/token"
# Of an honest proof for a request to URL, made at NOW.
CLAIMS: dict[str, Any] = {"jti": "proof-1-0123456789", "htm": "POST", "htu": URL, "iat": SECONDS}


def proof(
    claims: Mapping[str, Any] | bytes | None = None,
    header: Mapping[str, Any] | bytes | None = None,
    *,
    key: Any = EC,
    algorithm: str | None = None,
    **changed: Any,
) -> str:
    """A proof by `key`. `header` is over an honest one, or its bytes; `algorithm` is what is really signed with.

    `changed` are claims over the honest ones; None leaves one out, in claims and header alike.
    """
    named = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "Ed25519"
    if isinstance(header, bytes):
        raw = header
    else:
        members = {"typ": "dpop+jwt", "alg": named, "jwk": jwk(key, None), **(header or {})}
        raw = json.dumps({name: value for name, value in members.items() if value is not None}).encode()
    if isinstance(claims, bytes):
        payload = claims
    else:
        listed = {**(CLAIMS if claims is None else claims), **changed}
        payload = json.dumps({name: value for name, value in listed.items() if value is not None}).encode()
    signed = f"{b64(raw)}.{b64(payload)}"
    return f"{signed}.{b64(signature(algorithm or named, key, signed.encode()))}"
