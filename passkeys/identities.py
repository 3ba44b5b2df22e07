"""Whom an issuer's subject is here, for good; and that a token enrols once.

An identity is bound to a person when they first record a credential by a token of it, write-once: should the directory,
or whoever can change it, say later that the same identity is somebody else, nobody comes in by it. Its key is issuer, tenant and
subject; names and addresses, which are given to the next person, are nowhere in it.

A token is known by the SHA-256 of what was signed. It is used up when the credential is recorded, by create-if-absent,
for one ceremony and one credential: recording that one again succeeds again, and a second credential is refused, whichever
ceremony brings it. How long a token may start ceremonies is for its age to say (passkeys/access_tokens.py).

    identities/{sha256 of the key, hex}.json   {"v", "issuer", "tenant", "subject", "person", "ceremony_id", "at"}   write-once
    tokens/{sha256 of what was signed, hex}.json   {"v", "person", "ceremony_id", "credential_id", "at"}   write-once
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from passkeys import documents
from passkeys.directory import IdentityKey
from passkeys.errors import AlreadyExists
from passkeys.store import Store

T = TypeVar("T")


class Enrolled(StrEnum):
    """What became of using a token."""

    ENROLLED = "enrolled"
    USED = "token_used"  # it has recorded another credential
    TAKEN = "identity_taken"  # its identity is another person's


@dataclass(frozen=True, slots=True)
class Binding:
    """Whose an identity is, since which ceremony. `at` is RFC 3339 in UTC."""

    issuer: str
    tenant: str | None
    subject: str
    person: str
    ceremony_id: str
    at: str


@dataclass(frozen=True, slots=True)
class Use:
    """What a token was used for. `at` is RFC 3339 in UTC."""

    person: str
    ceremony_id: str
    credential_id: str
    at: str


async def person_bound_to(store: Store, identity: IdentityKey) -> str | None:
    """The person whose this identity is for good, if it is anybody's yet."""
    found = await _read(store, _identity_name(identity), lambda members: Binding(**members))
    return None if found is None else found.person


async def is_used(store: Store, token: str) -> bool:
    """Whether the token has recorded a credential already."""
    return await store.get(_token_name(token)) is not None


async def use_token(
    store: Store,
    *,
    token: str,
    identity: IdentityKey,
    person: str,
    ceremony_id: str,
    credential_id: str,
    now: datetime,
) -> Enrolled:
    """Bind the identity to the person, and use the token up for this credential of this ceremony. Again for all the same:
    ENROLLED again.

    In this order: an identity that is another's costs nobody their token, and a crash between the two leaves a binding
    that the same ceremony, run again, finds its own.
    """
    at = now.isoformat()
    binding = Binding(**asdict(identity), person=person, ceremony_id=ceremony_id, at=at)
    bound = await _first(store, _identity_name(identity), asdict(binding), lambda found: Binding(**found))
    if bound.person != person:
        return Enrolled.TAKEN
    use = Use(person, ceremony_id, credential_id, at)
    kept = await _first(store, _token_name(token), asdict(use), lambda found: Use(**found))
    same = (kept.person, kept.ceremony_id, kept.credential_id) == (person, ceremony_id, credential_id)
    return Enrolled.ENROLLED if same else Enrolled.USED


async def forget_tokens(store: Store, *, now: datetime, after: timedelta) -> int:
    """Forget the tokens that were used longer than `after` ago; how many that were. What they enrolled, and whose their
    identities are, stays. Raises StoreUnavailable and StoreDamaged: the next time goes on.
    """
    gone = 0
    async for name in store.list("tokens/"):
        use = await _read(store, name, lambda found: Use(**found))
        if use is not None and datetime.fromisoformat(use.at) < now - after:
            await store.delete(name)
            gone += 1
    return gone


async def _first(
    store: Store, name: str, members: Mapping[str, Any], record: Callable[[dict[str, Any]], T]
) -> T:
    """What the document says: of whoever wrote it first, which may be us, now or in a try before."""
    found = await _read(store, name, record)
    if found is None:
        with suppress(AlreadyExists):
            await store.create(name, documents.dump(members))
        found = await _read(store, name, record)
    if found is None:
        raise KeyError(f"{name} vanished while a ceremony was using it")
    return found


async def _read(store: Store, name: str, record: Callable[[dict[str, Any]], T]) -> T | None:
    document = await store.get(name)
    return None if document is None else documents.load(name, document.data, record)


def _identity_name(identity: IdentityKey) -> str:
    # A list, so that no part can run into the next.
    key = json.dumps([identity.issuer, identity.tenant, identity.subject]).encode()
    return f"identities/{hashlib.sha256(key).hexdigest()}.json"


def _token_name(token: str) -> str:
    return f"tokens/{token}.json"
