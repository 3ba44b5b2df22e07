"""Nonces for DPoP proofs (RFC 9449 §8): the time, and our mark on it. Nothing is kept, and every host knows every other's.

A nonce is one of a slot of LIFE_SECONDS, the same for everybody, and good in that slot and in the one after: it says when a
proof was made at the earliest, so that whoever borrows a key for a moment takes no proofs for later away. It need not be
secret, and is not (§11.3). What is shown once is for passkeys/once.py.

    base64url(slot, 4 bytes | first 16 bytes of HMAC-SHA256(key, "dpop-nonce" | slot))     27 characters
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

from passkeys.response import decode_base64url, encode_base64url

# A client refreshes every five minutes at most; with less, its nonce would always be gone by then.
LIFE_SECONDS = 300


def nonce(key: bytes, at: datetime) -> str:
    """The nonce of now."""
    return _made(key, _slot(at))


def time_of(key: bytes, shown: str, *, at: datetime) -> datetime | None:
    """When the slot of the nonce began, if it is one of ours and still good; else None.

    One of the slot to come is good too: another host's clock may be a little before ours.
    """
    try:
        slot = int.from_bytes(decode_base64url(shown)[:4], "big")
    except ValueError:
        return None
    if slot - _slot(at) not in (-1, 0, 1) or not hmac.compare_digest(
        shown.encode(), _made(key, slot).encode()
    ):
        return None
    return datetime.fromtimestamp(slot * LIFE_SECONDS, UTC)


def _made(key: bytes, slot: int) -> str:
    written = slot.to_bytes(4, "big")
    return encode_base64url(written + hmac.digest(key, b"dpop-nonce" + written, hashlib.sha256)[:16])


def _slot(at: datetime) -> int:
    return int(at.timestamp()) // LIFE_SECONDS
