"""The port to storage: six operations on named documents.

A *document* is bytes under a name, replaced as a whole under compare-and-swap. An *append document* only
grows, at a position that the writer must know. A name is one or the other for life. Every operation that
returns has made its work durable; one that raises `StoreUnavailable` may or may not have.

Names are `/`-separated, of the characters `A-Z a-z 0-9 . _ - =`, no part empty, `.` or `..`, and at most
MAX_NAME long, so that every home can keep them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

# Azure Blob Storage allows 1,024 characters; a file system allows 255 bytes a part. Both must hold them.
MAX_NAME = 512
_PART = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._=-]{1,200}"
NAME = re.compile(rf"{_PART}(?:/{_PART})*\Z")


@dataclass(frozen=True, slots=True)
class Document:
    """What `get` found: the bytes, and the `etag` to hand to `replace`."""

    data: bytes
    etag: str


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

        All of `data` or none of it. Raises WrongPosition, StoreDamaged, StoreUnavailable.
        """

    def list(self, prefix: str) -> AsyncIterator[str]:
        """The names that begin with `prefix`, in order of their bytes. What changes meanwhile may be missed."""

    async def delete(self, name: str) -> None:
        """Remove a document. It is no error if there is none. Append documents cannot be removed: ValueError."""


def checked_name(name: str) -> str:
    """Return `name` if a store can keep it. Raises ValueError: a bug of ours, since names are built from checked parts."""
    if len(name) > MAX_NAME or not NAME.match(name):
        msg = f"{name[:80]!r} cannot name a document. Build names by the functions of passkeys.credentials, tickets and audit."
        raise ValueError(msg)
    return name
