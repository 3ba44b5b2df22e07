"""A home of private keys in memory: for worlds whose keys are not what a test is about."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from passkeys.errors import KeysUnavailable
from passkeys.key_home import SECRETS, Jwk, public_jwk


@dataclass
class MemoryKeys:
    """Keeps its promises, and what it has made; `away`: nothing of it can be had."""

    keys: dict[str, EllipticCurvePrivateKey] = field(default_factory=dict)
    away: bool = False

    async def create(self) -> Jwk:
        self._see()
        key = generate_private_key(SECP256R1())
        jwk = public_jwk(key.public_key())
        self.keys[jwk["kid"]] = key
        return jwk

    async def sign(self, key_id: str, data: bytes) -> bytes:
        self._see()
        if key_id not in self.keys:
            raise KeysUnavailable("There is no such key.")
        r, s = decode_dss_signature(self.keys[key_id].sign(data, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    async def delete(self, key_id: str) -> None:
        self._see()
        self.keys.pop(key_id, None)

    async def secret(self, name: str) -> bytes:
        self._see()
        if name not in SECRETS:
            raise ValueError(name)
        return hashlib.sha256(f"a test's {name}".encode()).digest()

    def _see(self) -> None:
        if self.away:
            raise KeysUnavailable("The test says so.")
