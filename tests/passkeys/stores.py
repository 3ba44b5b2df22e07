"""A store in memory for tests, and faults for every home of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from passkeys.errors import AlreadyExists, Changed, StoreUnavailable, WrongPosition
from passkeys.store import Document, checked_append, checked_name


@dataclass
class Faults:
    """Fails the write number `at` (from 1), or every one from there on: not kept, or kept but reported failed."""

    at: int | None = None
    kept: bool = False
    for_ever: bool = False
    writes: int = 0

    def on_commit(self, moment: str) -> None:
        """Be told of a commit, and raise in it if its turn has come."""
        if moment == "before":
            self.writes += 1
        is_due = self.at is not None and (self.writes == self.at or (self.for_ever and self.writes > self.at))
        if is_due and moment == ("after" if self.kept else "before"):
            raise OSError("a fault made by the test")


@dataclass
class MemoryStore:
    """A `Store` that keeps nothing. Refusals commit too, as in the embedded store, so faults meet them alike."""

    faults: Faults = field(default_factory=Faults)
    documents: dict[str, Document] = field(default_factory=dict)
    appended: dict[str, bytes] = field(default_factory=dict)
    etag: int = 0

    async def get(self, name: str) -> Document | None:
        checked_name(name)
        if name in self.appended:
            return Document(self.appended[name], str(len(self.appended[name])), appended=True)
        return self.documents.get(name)

    async def create(self, name: str, data: bytes) -> str:
        refusal = AlreadyExists(name) if name in self.documents or name in self.appended else None
        return self._write(name, data, refusal)

    async def replace(self, name: str, data: bytes, *, etag: str) -> str:
        known = self.documents.get(name)
        return self._write(name, data, None if known and known.etag == etag else Changed(name))

    async def append(self, name: str, data: bytes, *, position: int) -> int:
        checked_name(name)
        checked_append(data)
        actual = -1 if name in self.documents else len(self.appended.get(name, b""))
        try:
            self.faults.on_commit("before")
            if position == actual:
                self.appended[name] = self.appended.get(name, b"") + data
            self.faults.on_commit("after")
        except OSError as error:
            raise StoreUnavailable(name, str(error)) from error
        if position != actual:
            raise WrongPosition(name, position=position, actual=actual)
        return actual + len(data)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        for name in sorted([*self.documents, *self.appended]):
            if name.startswith(prefix):
                yield name

    async def delete(self, name: str) -> None:
        if name in self.appended:
            raise ValueError(f"{name} is an append document")
        try:
            self.faults.on_commit("before")
            self.documents.pop(checked_name(name), None)
            self.faults.on_commit("after")
        except OSError as error:
            raise StoreUnavailable(name, str(error)) from error

    def _write(self, name: str, data: bytes, refusal: Exception | None) -> str:
        checked_name(name)
        self.etag += 1
        try:
            self.faults.on_commit("before")
            if refusal is None:
                self.documents[name] = Document(data, str(self.etag))
            self.faults.on_commit("after")
        except OSError as error:
            raise StoreUnavailable(name, str(error)) from error
        if refusal is not None:
            raise refusal
        return str(self.etag)
