"""The port to storage: seven operations on named documents.

A *document* is bytes under a name, replaced as a whole under compare-and-swap. An *append document* only
grows, at a position that the writer must know, until it is sealed. A name is one or the other for life. Every operation
that returns has made its work durable; one that raises `StoreUnavailable` may or may not have.

Names are `/`-separated, of the characters `A-Z a-z 0-9 . _ - =`, no part empty or ending in a dot, and at most
MAX_NAME long, so that every home can keep them. The first part is one of CONTAINERS: it says who may write there.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

# Azure Blob Storage allows 1,024 characters; a file system allows 255 bytes a part. Both must hold them.
MAX_NAME = 512
# Its parts end in no dot there, and are 254 at most.
_PART = r"[A-Za-z0-9._=-]{0,199}[A-Za-z0-9_=-]"
NAME = re.compile(rf"({_PART})(?:/{_PART}){{1,200}}\Z")
# What one append holds at most: one block of an append blob, in every version of Azure's service, is all or nothing.
MAX_APPEND = 4 * 1024 * 1024

# By the first part of a name, the container that keeps such documents in Azure Blob Storage: one for each right to write.
CONTAINERS: Mapping[str, str] = {
    # Written by registration, and where people remove what is theirs; read at each sign-in.
    "credentials": "credentials",
    "people": "people",
    "names": "people",
    "identities": "people",
    # Written by authentication.
    "usage": "usage",
    # The right to enrol: used up by registration, given by operators.
    "tickets": "tickets",
    "tokens": "tickets",
    "recoveries": "recoveries",
    # Disabled and stepped-up passkeys: written by operators and by the re-judging of models.
    "standing": "standing",
    "metadata": "metadata",
    # Written where tokens are given.
    "sessions": "sessions",
    "sids": "sessions",
    "grants": "sessions",
    "signouts": "sessions",
    "proofs": "sessions",
    "assertions": "sessions",
    "refusals": "sessions",
    # The service's own.
    "signing-keys": "service",
    "decoys": "service",
    "leavers": "service",
    "sealing": "service",
    "housekeeping": "service",
    # Append documents alone, so that the container can be made immutable.
    "audit": "audit",
}


@dataclass(frozen=True, slots=True)
class Document:
    """What `get` found: the bytes, and the `etag` to hand to `replace`; `appended`: of an append document, which has no use for it.

    `sealed`: of an append document that grows no more.
    """

    data: bytes
    etag: str
    appended: bool = False
    sealed: bool = False


class Store(Protocol):
    """Where documents live. One contract suite (tests/passkeys/test_store_contract.py) holds for every home."""

    async def get(self, name: str) -> Document | None:
        """The newest version, or None if there is none. Raises StoreDamaged, StoreUnavailable."""

    async def create(self, name: str, data: bytes) -> str:
        """Write `data` if the name is free; return its etag. Raises AlreadyExists, StoreUnavailable."""

    async def replace(self, name: str, data: bytes, *, etag: str) -> str:
        """Write `data` over the version `etag`; return the new etag. Raises Changed, StoreUnavailable."""

    async def append(self, name: str, data: bytes, *, position: int) -> int:
        """Add `data` at byte `position`, which must be the end (0: a new one); return the new end.

        All of `data` or none of it; where none was kept of the first, an empty document may be there. More than
        MAX_APPEND bytes are ValueError. Raises WrongPosition, Sealed, StoreDamaged, StoreUnavailable.
        """

    async def seal(self, name: str, *, position: int) -> None:
        """Let an append document grow no more, if it ends at `position`. It is no error if it is sealed already.

        Raises WrongPosition, also if there is none; StoreDamaged, StoreUnavailable.
        """

    def list(self, prefix: str) -> AsyncIterator[str]:
        """The names that begin with `prefix`, in order of their bytes. What changes meanwhile may be missed."""

    async def delete(self, name: str) -> None:
        """Remove a document. It is no error if there is none. Append documents cannot be removed: ValueError."""


def checked_name(name: str) -> str:
    """Return `name` if a store can keep it. Raises ValueError: a bug of ours, since names are built from checked parts."""
    match = NAME.match(name) if len(name) <= MAX_NAME else None
    if match is None or match[1] not in CONTAINERS:
        msg = f"{name[:80]!r} cannot name a document. Build names of checked parts, the first of them in passkeys.store.CONTAINERS."
        raise ValueError(msg)
    return name


def checked_append(data: bytes) -> bytes:
    """Return `data` if one append can hold it. Raises ValueError: whoever appends bounds what it appends."""
    if len(data) > MAX_APPEND:
        msg = f"{len(data)} bytes are more than one append holds ({MAX_APPEND}). Append them in parts that each mean something alone."
        raise ValueError(msg)
    return data
