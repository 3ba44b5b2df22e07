"""An input of the fuzzer: bytes that choose a scene, a policy and what is signed again, and the parts of what arrives.

Any bytes are an input: what is missing is empty. So the fuzzer's own blind mutations are inputs too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHOICES = 3


@dataclass(frozen=True, slots=True)
class Input:
    """`scene` and `policy` are taken modulo what there is; `again` is a set of bits, each a thing to do anew."""

    scene: int
    policy: int
    again: int
    parts: tuple[bytes, ...]


def read(data: bytes, count: int) -> Input:
    """`count` parts, each behind two bytes of length."""
    scene, policy, again = data[:CHOICES].ljust(CHOICES, b"\x00")
    parts, at = [], CHOICES
    for _ in range(count):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        parts.append(data[at + 2 : end])
        at = end
    return Input(scene, policy, again, tuple(parts))


def write(scene: int, policy: int, again: int, parts: Sequence[bytes]) -> bytes:
    """The bytes of an input; a part that is too long is cut."""
    cut = [part[:0xFFFF] for part in parts]
    return bytes([scene, policy, again]) + b"".join(len(part).to_bytes(2, "big") + part for part in cut)
