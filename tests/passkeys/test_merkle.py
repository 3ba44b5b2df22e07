"""Merkle trees: the known answers of RFC 6962's own implementation, and the recursive definition of the RFC beside ours."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passkeys.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    node_hash,
)

# certificate-transparency, cpp/merkletree/merkle_tree_test.cc: eight leaves, and the root after each.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
# The same file: the entry (from 0), the size, the proof.
INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def tree_of(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


def hexes(hashes: list[bytes]) -> list[str]:
    return [one.hex() for one in hashes]


# RFC 6962 §2.1, word for word: what ours is held against.
def mth(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def test_the_roots_are_those_of_the_known_answers() -> None:
    """The root after each of the eight leaves, and that of no leaf."""
    assert Tree().root() == EMPTY_ROOT == sha256(b"").digest()
    tree, roots = Tree(), []
    for leaf in LEAVES:
        tree.append(leaf)
        roots.append(tree.root().hex())
    assert roots == ROOTS


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_known_answers(index: int, size: int, proof: list[str]) -> None:
    """Made and verified."""
    assert hexes(inclusion_proof(LEAVES, index, size)) == proof
    assert is_included(
        LEAVES[index], index, size, [bytes.fromhex(step) for step in proof], bytes.fromhex(ROOTS[size - 1])
    )


@pytest.mark.parametrize(("first", "second", "proof"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_known_answers(first: int, second: int, proof: list[str]) -> None:
    """Made and verified."""
    assert hexes(consistency_proof(LEAVES, first, second)) == proof
    old, new = (bytes.fromhex(ROOTS[size - 1]) for size in (first, second))
    assert is_consistent(first, old, second, new, [bytes.fromhex(step) for step in proof])


def test_all_small_logs_are_those_of_the_definition() -> None:
    """Each proof of each log up to 20 entries is that of the RFC's recursion, and verifies."""
    leaves = [leaf_hash(bytes([number])) for number in range(20)]
    for size in range(1, len(leaves) + 1):
        root = tree_of(leaves[:size]).root()
        assert root == mth(leaves[:size])
        for index in range(size):
            proof = inclusion_proof(leaves, index, size)
            assert proof == path(index, leaves[:size])
            assert is_included(leaves[index], index, size, proof, root)
        for first in range(1, size + 1):
            steps = consistency_proof(leaves, first, size)
            assert steps == subproof(first, leaves[:size], True)
            assert is_consistent(first, mth(leaves[:first]), size, root, steps)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_changed_proof_proves_nothing(data: st.DataObject) -> None:
    """One bit of a step, a step less, a step more, another place or size: refused."""
    size = data.draw(st.integers(2, 70))
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    root = mth(leaves)
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    proof, steps = inclusion_proof(leaves, index, size), consistency_proof(leaves, first, size)
    old = mth(leaves[:first])
    for whole, holds in (
        (proof, lambda changed: is_included(leaves[index], index, size, changed, root)),
        (steps, lambda changed: is_consistent(first, old, size, root, changed)),
    ):
        assert holds(whole)
        at = data.draw(st.integers(0, len(whole) - 1))
        flipped = bytes([whole[at][0] ^ 1]) + whole[at][1:]
        assert not holds([*whole[:at], flipped, *whole[at + 1 :]])
        assert not holds(whole[:at] + whole[at + 1 :])
        assert not holds([*whole, root])
        assert not holds([whole[0][:-1], *whole[1:]])
    other = data.draw(st.integers(-2, size + 2).filter(lambda other: other != index))
    assert not is_included(leaves[index], other, size, proof, root)
    assert not is_included(leaves[index - 1], index, size, proof, root)
    assert not is_consistent(first, leaf_hash(b"another"), size, root, steps)
    assert not is_consistent(first, old, size, leaf_hash(b"another"), steps)
    assert not is_consistent(size, root, first, old, steps)


def test_a_log_of_no_entries_is_the_beginning_of_every_one() -> None:
    """Without a proof, and with its one root; a log is consistent with itself alone."""
    root = bytes.fromhex(ROOTS[7])
    assert is_consistent(0, EMPTY_ROOT, 8, root, [])
    assert not is_consistent(0, root, 8, root, [])
    assert is_consistent(8, root, 8, root, [])
    assert not is_consistent(8, EMPTY_ROOT, 8, root, [])
    assert not is_consistent(4, bytes.fromhex(ROOTS[3]), 8, root, [])


def test_a_tree_goes_on_from_its_peaks() -> None:
    """What is kept of a tree is enough to go on; peaks that do not fit its size are refused."""
    tree = Tree()
    for leaf in LEAVES:
        tree = Tree(tree.size, tree.peaks)
        tree.append(leaf)
    assert tree.root().hex() == ROOTS[7]
    for size, peaks in ((1, []), (3, [LEAVES[0]]), (-1, []), (1, [b"short"])):
        with pytest.raises(ValueError, match="one peak"):
            Tree(size, peaks)


def test_proofs_of_what_is_not_there_are_refused() -> None:
    """An entry beyond the end, a log that is shorter than it is said to be, one that shrinks."""
    for call in (
        lambda: inclusion_proof(LEAVES, 8, 8),
        lambda: inclusion_proof(LEAVES, -1, 8),
        lambda: inclusion_proof(LEAVES, 1, 9),
        lambda: consistency_proof(LEAVES, 0, 8),
        lambda: consistency_proof(LEAVES, 8, 7),
        lambda: consistency_proof(LEAVES, 3, 9),
    ):
        with pytest.raises(ValueError, match="log"):
            call()
