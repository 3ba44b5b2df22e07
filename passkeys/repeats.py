"""What is told twice among any number of entries, in flat memory.

Of each entry a record of fixed size is kept: 16 bytes of the digest of its subject, and its place. A run of records is
sorted and put into a temporary file when it is full; at the end, all runs are merged, and equal digests meet. So memory is
that of one run and a buffer for each file, and the disk holds 26 bytes an entry. The price: a repeat is known when all has
been read, and not at once.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from types import TracebackType
from typing import BinaryIO, Self

Place = tuple[str, int]
"""A shard and the number of an entry there."""

_DIGEST, _RECORD = 16, 26  # and two bytes of the shard's name, and eight of the number
RUN = 200_000
_BUFFER = 1024  # records


class Repeats:
    """A context manager: `add` each entry, then ask what was `found`. Temporary files go with the end of the context."""

    def __init__(self, *, run: int = RUN) -> None:
        self._run = run
        self._records: list[bytes] = []
        self._files: list[BinaryIO] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._records.clear()
        self._open.close()

    def add(self, subject: str, shard: str, seq: int) -> None:
        """Remember that the entry `seq` of the shard, whose name has two letters, is of this subject."""
        digest = sha256(subject.encode()).digest()[:_DIGEST]
        self._records.append(digest + shard.encode() + seq.to_bytes(8, "big"))
        if len(self._records) == self._run:
            self._spill()

    def found(self) -> Iterator[tuple[Place, Place]]:
        """Each entry whose subject another has too, and the first of these; in no order."""
        self._records.sort()
        last = b""
        for record in heapq.merge(self._records, *map(_records, self._files)):
            if record[:_DIGEST] == last[:_DIGEST]:
                yield _place(record), _place(last)
            else:
                last = record

    def _spill(self) -> None:
        self._records.sort()
        file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the context
        self._open.callback(file.close)
        file.write(b"".join(self._records))
        self._files.append(file)
        self._records.clear()


def _records(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(_BUFFER * _RECORD):
        yield from (block[at : at + _RECORD] for at in range(0, len(block), _RECORD))


def _place(record: bytes) -> Place:
    return record[_DIGEST : _DIGEST + 2].decode(), int.from_bytes(record[_DIGEST + 2 :], "big")
