"""The port to private keys: where they are made and used, and never leave.

Two homes: a folder of this machine (passkeys/local_keys.py) and Azure Key Vault (passkeys/key_vault.py). A signing key is
ES256, named by its thumbprint (RFC 7638), never by where it lies. A *secret* is 32 bytes that several instances share to
recognise what one of them has made: a refresh token, a nonce, a pairwise subject. Nothing of either is ever in the store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from joserfc.jwk import ECKey

from passkeys.response import encode_base64url

ALGORITHM = "ES256"
SECRET_BYTES = 32
# What there is a secret for. A name is part of what is derived from it, so one is never used for two things.
SECRETS = ("refresh", "pairwise", "nonce")

Jwk = Mapping[str, Any]
"""The public half of a key (RFC 7517): kty, crv, x, y, kid, alg, use."""


class KeyHome(Protocol):
    """Where private keys live. All of these raise KeysUnavailable."""

    async def create(self) -> Jwk:
        """A new key; its public half."""

    async def sign(self, key_id: str, data: bytes) -> bytes:
        """ES256 (RFC 7518 §3.4) over `data`: r and s, 32 bytes each."""

    async def delete(self, key_id: str) -> None:
        """Forget a key, for good. It is no error if there is none."""

    async def secret(self, name: str) -> bytes:
        """One of SECRETS: 32 bytes, made when it is first asked for, the same for every instance from then on."""


def public_jwk(key: EllipticCurvePublicKey) -> Jwk:
    """The public half as it is published, named by its thumbprint."""
    jwk = ECKey.import_key(key)
    return {**jwk.as_dict(private=False), "kid": jwk.thumbprint(), "alg": ALGORITHM, "use": "sig"}


def signing_input(header: Mapping[str, Any], claims: Mapping[str, Any]) -> bytes:
    """What the signature of a JWT is over (RFC 7515 §5.1): both parts, in the order of their members."""
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    return ".".join(map(encode_base64url, parts)).encode()
