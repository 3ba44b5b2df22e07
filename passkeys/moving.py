"""Copy a store into another home, name by name, and prove it: what stands there is what stood here, byte by byte, kind by kind.

Nothing that stands in the target is ever written over, and nothing is removed: what differs is told. So it can be broken off
and begun again, and goes on where it was, in the middle of an append document too. Who uses the source stops before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from passkeys.errors import AlreadyExists, Sealed, StoreDamaged, StoreUnavailable, WrongPosition
from passkeys.store import MAX_APPEND, Document, Store

# Documents under way at once. In the embedded store they share a commit.
AT_ONCE = 32
TRIES = 3


class Outcome(StrEnum):
    """What became of one name."""

    COPIED = "copied"
    THERE = "there"
    DIFFERS = "differs"
    DAMAGED = "damaged"
    ONLY_THERE = "only there"


@dataclass(slots=True)
class Copied:
    """The names, by what became of them: in order, those that are copied and those that were there already counted alone."""

    copied: int = 0
    there: int = 0
    wrong: list[tuple[Outcome, str]] = field(default_factory=list)


async def copy(
    source: Store,
    target: Store,
    *,
    progress: Callable[[int, int], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Copied:
    """Copy every document. `progress` is told how many of how many names are done. Raises StoreUnavailable: begin again."""
    names = [name async for name in source.list("")]
    there = {name async for name in target.list("")}
    found = Copied()
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        tries = [partial(_copy, source, target, name, is_there=name in there) for name in some]
        outcomes = await asyncio.gather(*(_patiently(one, sleep) for one in tries))
        _count(found, some, outcomes)
        progress(first + len(some), len(names))
    found.wrong += [(Outcome.ONLY_THERE, name) for name in sorted(there - set(names))]
    return found


def _count(found: Copied, names: Sequence[str], outcomes: Sequence[Outcome]) -> None:
    for name, outcome in zip(names, outcomes, strict=True):
        if outcome is Outcome.COPIED:
            found.copied += 1
        elif outcome is Outcome.THERE:
            found.there += 1
        else:
            found.wrong.append((outcome, name))


async def _patiently(
    one: Callable[[], Awaitable[Outcome]], sleep: Callable[[float], Awaitable[None]]
) -> Outcome:
    """One name, tried again where a home did not answer: a write that was kept all the same is then found, and compared."""
    for again in range(1, TRIES):
        try:
            return await one()
        except StoreUnavailable:
            await sleep(again)
    return await one()


async def _copy(source: Store, target: Store, name: str, *, is_there: bool) -> Outcome:
    try:
        document = await source.get(name)
    except StoreDamaged:
        return Outcome.DAMAGED
    if document is None:  # removed since it was listed
        return Outcome.THERE
    before = await target.get(name) if is_there or document.appended else None
    if document.appended:
        there = before.data if before is not None and before.appended else b""
        if document.data.startswith(there):
            await _append(target, name, document.data, len(there), is_new=before is None)
            await _seal(target, name, document)
    elif before is None:
        with suppress(AlreadyExists):
            await target.create(name, document.data)
    after = await target.get(name) if before is None or document.appended else before
    if after is None or _content(after) != _content(document):
        return Outcome.DIFFERS
    return Outcome.THERE if before == after else Outcome.COPIED


def _content(document: Document) -> tuple[bytes, bool, bool]:
    return document.data, document.appended, document.sealed


async def _seal(target: Store, name: str, document: Document) -> None:
    """As the source is. That somebody else has appended there shows when it is compared."""
    if document.sealed:
        with suppress(WrongPosition):
            await target.seal(name, position=len(document.data))


async def _append(target: Store, name: str, data: bytes, end: int, *, is_new: bool) -> None:
    """What is missing behind `end`. That somebody else appends there shows when it is compared."""
    with suppress(WrongPosition, Sealed):
        for first in range(end, len(data), MAX_APPEND):
            await target.append(name, data[first : first + MAX_APPEND], position=first)
        if is_new and not data:
            await target.append(name, b"", position=0)
