"""The keys that sign checkpoints of the audit trail: which signs now, and all by which an auditor verifies.

    sealing/keys.json   {"v", "origin", "keys": [JWK, …]}   the public halves, by compare-and-swap; the last one signs

The private halves are in the home of keys, apart from those that sign tokens: what an auditor keeps is to be good for
years. A key that is followed by another stays listed, for the checkpoints that it has signed. The origin is the log's name
(c2sp.org/tlog-checkpoint), given once and never changed: it is what auditors know the log by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passkeys import documents
from passkeys.errors import AlreadyExists, Changed, StoreUnavailable
from passkeys.key_home import Jwk, KeyHome
from passkeys.notes import VerifierKey, verifier_key
from passkeys.sealing import SealingKey
from passkeys.store import Document, Store

KEYS = "sealing/keys.json"


@dataclass(frozen=True, slots=True)
class SealingKeys:
    """The log's origin, and its keys in the order in which they came."""

    origin: str
    jwks: tuple[Jwk, ...]

    @property
    def verifiers(self) -> tuple[VerifierKey, ...]:
        """What an auditor is given, a line each."""
        return tuple(verifier_key(self.origin, jwk) for jwk in self.jwks)

    @property
    def signs(self) -> SealingKey:
        """The one that signs."""
        return SealingKey(self.jwks[-1]["kid"], self.verifiers[-1])


def origin_of(issuer: str) -> str:
    """What a log is called whose service has this issuer: a URL without its scheme, as C2SP recommends."""
    return f"{issuer.partition('://')[2].rstrip('/')}/audit"


async def known_keys(store: Store) -> SealingKeys | None:
    """The keys, or None while there is none. Raises StoreUnavailable, StoreDamaged."""
    document = await store.get(KEYS)
    return None if document is None else _load(document)


async def sealing_keys(store: Store, keys: KeyHome, *, origin: str) -> SealingKeys:
    """The keys; the first is made if there is none, for a log of this origin. Raises StoreUnavailable, StoreDamaged, KeysUnavailable."""
    found = await known_keys(store)
    return found or await _add(store, keys, None, origin)


async def add_key(store: Store, keys: KeyHome, *, origin: str) -> SealingKeys:
    """Make another key, which signs from now on. Raises StoreUnavailable, StoreDamaged, KeysUnavailable."""
    return await _add(store, keys, await store.get(KEYS), origin)


async def _add(store: Store, keys: KeyHome, document: Document | None, origin: str) -> SealingKeys:
    """One more key than in `document`; if another was faster, theirs, and the key that was made for nothing goes."""
    before = None if document is None else _load(document)
    jwk = await keys.create()
    after = SealingKeys(origin, (jwk,)) if before is None else SealingKeys(before.origin, (*before.jwks, jwk))
    try:
        if document is None:
            await store.create(KEYS, _dump(after))
        else:
            await store.replace(KEYS, _dump(after), etag=document.etag)
    except (AlreadyExists, Changed):
        await keys.delete(jwk["kid"])
        found = await known_keys(store)
        if found is None:
            raise StoreUnavailable(KEYS, "was removed meanwhile. Try again.") from None
        return found
    return after


def _dump(found: SealingKeys) -> bytes:
    return documents.dump({"origin": found.origin, "keys": [dict(jwk) for jwk in found.jwks]})


def _load(document: Document) -> SealingKeys:
    return documents.load(KEYS, document.data, _keys)


def _keys(members: Mapping[str, Any]) -> SealingKeys:
    jwks: Sequence[Jwk] = members["keys"]
    found = SealingKeys(str(members["origin"]), tuple(jwks))
    if not found.verifiers:
        raise ValueError("no key")
    return found
