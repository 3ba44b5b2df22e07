"""Strict JSON, as whatever is signed must be read: one object, in UTF-8, each member once, no NaN.

A name twice is refused since readers disagree about which one counts (RFC 7515 §4, RFC 7519 §4).
"""

from __future__ import annotations

import json
from typing import Any


def object_of(data: bytes) -> dict[str, Any]:
    """The members of the object. Raises ValueError, or what else the parser raises: RecursionError."""
    members = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refuse_constant)
    if not isinstance(members, dict):
        raise ValueError("no object")  # noqa: TRY004 -- bad bytes, and no bug
    return members


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
