"""How records become documents: one JSON object with its version, so that a newer program's is never misread."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from passkeys.errors import StoreDamaged

VERSION = 1
T = TypeVar("T")


def dump(members: Mapping[str, Any]) -> bytes:
    """The document of a record's members."""
    return json.dumps({"v": VERSION, **members}, separators=(",", ":")).encode()


def load(name: str, data: bytes, record: Callable[[dict[str, Any]], T]) -> T:
    """What `record` makes of the members in the document `name`.

    Raises StoreDamaged when they are not there: `record` says so by ValueError, TypeError or KeyError.
    """
    try:
        members: dict[str, Any] = json.loads(data)
        version = members.pop("v")
        if version == VERSION:
            return record(members)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise StoreDamaged(name, f"is not the record that was written ({error!r}).", data=data) from error
    raise StoreDamaged(
        name, f"is of version {version}, not {VERSION}.", next_step="Run the newer program.", data=data
    )
