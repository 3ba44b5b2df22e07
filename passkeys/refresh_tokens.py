"""Refresh tokens as bytes: opaque, derived, and kept nowhere.

    token  = base64url(version, 1 byte | family, 32 bytes | generation, 4 bytes | MAC, 32 bytes)      92 characters
    family = holder, 16 bytes | session, 16 bytes
    MAC    = HMAC-SHA256(key, "refresh-token" | version | family | generation | salt)
    holder = HMAC-SHA256(key, "holder" | person), cut; session = HMAC-SHA256(key, "session" | ceremony id), cut

The key is the home of keys' secret "refresh"; the salt is in the family's row. So whoever has the store alone can make no
token, and whoever shows an old one again within its grace gets the same successor that was made before, since there is only one.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from passkeys.response import decode_base64url, encode_base64url

VERSION = b"\x01"
HALF = 16
_GENERATION = 4
_MAC = 32
_LENGTH = len(VERSION) + 2 * HALF + _GENERATION + _MAC
_CHARACTERS = 92
MAX_GENERATION = 2 ** (8 * _GENERATION) - 1


@dataclass(frozen=True, slots=True)
class FamilyId:
    """Which family: its holder's half, by which all of a person's are found, and its own."""

    holder: bytes
    session: bytes

    @property
    def sid(self) -> str:
        """What access tokens call the family: its own half, which says nothing of whose it is. 22 characters."""
        return encode_base64url(self.session)


@dataclass(frozen=True, slots=True)
class Shown:
    """A token as it was shown: well formed, and nothing of it proven."""

    family: FamilyId
    generation: int
    mac: bytes


def family_of(key: bytes, *, person: str, ceremony_id: str) -> FamilyId:
    """The one family that a ceremony can have."""
    return FamilyId(holder_of(key, person), _cut(key, b"session", ceremony_id))


def holder_of(key: bytes, person: str) -> bytes:
    """What all families of the person begin with."""
    return _cut(key, b"holder", person)


def session_of_sid(sid: object) -> bytes | None:
    """The family's own half out of its `sid`; None for what is none."""
    try:
        half = decode_base64url(sid) if isinstance(sid, str) and len(sid) == 22 else b""
    except ValueError:
        return None
    return half if len(half) == HALF else None


def token(key: bytes, family: FamilyId, generation: int, *, salt: bytes) -> str:
    """The token of that generation. There is one."""
    written = _written(family, generation)
    return encode_base64url(written + _mac(key, written, salt))


def read(text: str) -> Shown | None:
    """The parts of a token; None for what is none."""
    try:
        raw = decode_base64url(text) if len(text) == _CHARACTERS else b""
    except ValueError:
        return None
    if len(raw) != _LENGTH or raw[:1] != VERSION:
        return None
    ids, rest = raw[1 : 1 + 2 * HALF], raw[1 + 2 * HALF :]
    family = FamilyId(ids[:HALF], ids[HALF:])
    return Shown(family, int.from_bytes(rest[:_GENERATION], "big"), rest[_GENERATION:])


def is_ours(key: bytes, shown: Shown, *, salt: bytes) -> bool:
    """Whether we have made it."""
    return hmac.compare_digest(shown.mac, _mac(key, _written(shown.family, shown.generation), salt))


def _written(family: FamilyId, generation: int) -> bytes:
    return VERSION + family.holder + family.session + generation.to_bytes(_GENERATION, "big")


def _mac(key: bytes, written: bytes, salt: bytes) -> bytes:
    return hmac.digest(key, b"refresh-token\0" + written + salt, hashlib.sha256)


def _cut(key: bytes, what: bytes, name: str) -> bytes:
    return hmac.digest(key, what + b"\0" + name.encode(), hashlib.sha256)[:HALF]
