"""A store in memory for tests, and faults for every home of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from passkeys.errors import AlreadyExists, Changed, Sealed, StoreUnavailable, WrongPosition
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
    sealed: set[str] = field(default_factory=set)
    etag: int = 0

    async def get(self, name: str) -> Document | None:
        checked_name(name)
        if name in self.appended:
            data = self.appended[name]
            return Document(data, str(len(data)), appended=True, sealed=name in self.sealed)
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
        refusal = None if position == actual else WrongPosition(name, position=position, actual=actual)
        if refusal is None and name in self.sealed:
            refusal = Sealed(name)
        with self._commit(name, refusal):
            self.appended[name] = self.appended.get(name, b"") + data
        return actual + len(data)

    async def seal(self, name: str, *, position: int) -> None:
        checked_name(name)
        actual = -1 if name in self.documents else len(self.appended.get(name, b""))
        is_there = name in self.appended and position == actual
        with self._commit(name, None if is_there else WrongPosition(name, position=position, actual=actual)):
            self.sealed.add(name)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        for name in sorted([*self.documents, *self.appended]):
            if name.startswith(prefix):
                yield name

    async def delete(self, name: str) -> None:
        if name in self.appended:
            raise ValueError(f"{name} is an append document")
        with self._commit(name, None):
            self.documents.pop(checked_name(name), None)

    def _write(self, name: str, data: bytes, refusal: Exception | None) -> str:
        checked_name(name)
        self.etag += 1
        with self._commit(name, refusal):
            self.documents[name] = Document(data, str(self.etag))
        return str(self.etag)

    @contextmanager
    def _commit(self, name: str, refusal: Exception | None) -> Iterator[None]:
        """Around what changes the store: nothing is changed by a write that is refused, or that a fault befalls."""
        try:
            self.faults.on_commit("before")
            if refusal is None:
                yield
            self.faults.on_commit("after")
        except OSError as error:
            raise StoreUnavailable(name, str(error)) from error
        if refusal is not None:
            raise refusal
