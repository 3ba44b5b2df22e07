"""Merkle trees over a log (RFC 6962 §2.1, the same as RFC 9162 §2.1): hash, inclusion proof, consistency proof. Pure.

A tree is grown leaf by leaf, and what is kept of it are its *peaks*: the roots of the complete subtrees that its size is
the sum of, one for each bit that is set, the largest first. So a log of any length takes sixty-odd hashes. Proofs are
made in one pass over the leaves too: nothing keeps a tree.

Leaves are handed over as their hashes (`leaf_hash`). A proof is a list of hashes, from the leaf upwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

# RFC 6962 §2.1: a leaf is never taken for a node, nor a node for a leaf.
LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of the leaf that holds `entry`."""
    return sha256(LEAF_PREFIX + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node above two."""
    return sha256(NODE_PREFIX + left + right).digest()


class Tree:
    """A tree that only grows: its size and its peaks, and nothing else."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Go on from `size` leaves whose peaks are known. Raises ValueError if that many leaves have others."""
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in peaks):
            raise ValueError(f"a tree of {size} leaves has one peak of 32 bytes for each bit of its size")
        self.size = size
        self.peaks = list(peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf, by its hash."""
        peaks, size = self.peaks, self.size
        while size & 1:  # a complete subtree as large as the new one: they become one
            leaf = sha256(NODE_PREFIX + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The Merkle tree hash (RFC 6962 §2.1) of the leaves so far."""
        if not self.peaks:
            return EMPTY_ROOT
        *others, root = self.peaks
        for peak in reversed(others):
            root = node_hash(peak, root)
        return root


def inclusion_proof(leaves: Iterable[bytes], index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 §2.1.1, of the first `size` of `leaves`. Raises ValueError if they are fewer."""
    if not 0 <= index < size:
        raise ValueError(f"a log of {size} entries has no entry {index}")
    return _path(leaves, index + 1, size, whole_subtree=False)[1]


def consistency_proof(leaves: Iterable[bytes], first: int, second: int) -> list[bytes]:
    """PROOF(first, D[second]) of RFC 6962 §2.1.2, of the first `second` of `leaves`. Raises ValueError if they are fewer."""
    if not 0 < first <= second:
        raise ValueError(f"a log of {second} entries does not go on from one of {first}")
    if first == second:
        return []
    # Of the smaller tree, the verifier knows the root. Its last peak and what stands beside that, up to the larger root,
    # is the proof; a tree that is one complete subtree is its own last peak, and needs no telling.
    peak, path = _path(leaves, first, second, whole_subtree=True)
    return path if first.bit_count() == 1 else [peak, *path]


def _path(
    leaves: Iterable[bytes], marked: int, size: int, *, whole_subtree: bool
) -> tuple[bytes, list[bytes]]:
    """A node, and what stands beside it and each node above it.

    The node is the last leaf of the first `marked`, or the last complete subtree that ends there.
    """
    peaks: list[tuple[bytes, bool]] = []  # with: is the marked node, or is above it
    path: list[bytes] = []
    node = b""
    done = 0
    for leaf in leaves:
        if done == size:
            break
        peak = (leaf, done + 1 == marked and not whole_subtree)
        carry = done
        while carry & 1:
            peak = _join(peaks.pop(), peak, path)
            carry >>= 1
        done += 1
        if done == marked and whole_subtree:
            peak = (peak[0], True)
        peaks.append(peak)
        if done == marked:
            node = peak[0]
    if done < size:
        raise ValueError(f"the log has {done} entries, and not {size}")
    while len(peaks) > 1:
        right = peaks.pop()
        peaks.append(_join(peaks.pop(), right, path))
    return node, path


def _join(left: tuple[bytes, bool], right: tuple[bytes, bool], path: list[bytes]) -> tuple[bytes, bool]:
    if left[1]:
        path.append(right[0])
    elif right[1]:
        path.append(left[0])
    return node_hash(left[0], right[0]), left[1] or right[1]


def root_of_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that the proof leads to, from this leaf at this place (RFC 9162 §2.1.3.2), or None if it is none at all."""
    if not 0 <= index < size:
        return None
    here, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0 or len(sibling) != HASH_BYTES:
            return None
        if here & 1 or here == last:
            root = node_hash(sibling, root)
            while here and not here & 1:  # no node stands on our right: the same one, levels up
                here, last = here >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        here, last = here >> 1, last >> 1
    return root if last == 0 else None


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf is at this place of the log of this size and root (RFC 9162 §2.1.3.2)."""
    return root_of_inclusion(leaf, index, size, proof) == root


def is_consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the log of the second size and root goes on from that of the first (RFC 9162 §2.1.4.2).

    A log of no entries is the beginning of every one, and has but one root.
    """
    if not 0 <= first <= second or any(len(step) != HASH_BYTES for step in proof):
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    steps = [first_root, *proof] if first.bit_count() == 1 else list(proof)
    if not steps:
        return False
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    of_first = of_second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            of_first, of_second = node_hash(step, of_first), node_hash(step, of_second)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            of_second = node_hash(of_second, step)
        here, last = here >> 1, last >> 1
    return last == 0 and of_first == first_root and of_second == second_root
