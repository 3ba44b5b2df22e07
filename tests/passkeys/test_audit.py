"""The audit chain: canonical, and no way to change it that is not found and named."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from passkeys.audit import EMPTY, GENESIS, Head, canonical, sealed, shard_name, split_lines, verify
from passkeys.errors import AuditBroken, AuditFault

SHARD = "02"


def content(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "ceremony_id": f"authentication-{number:032x}",
        "kind": "authentication",
        "outcome": "completed",
        "reason": None,
        "person": "ada",
        "credential_id": "AQID",
        "network": "203.0.113.0-24",
        "started_at": "2026-01-01T00:00:00.000Z",
        "stages": [["admitting", "2026-01-01T00:00:00.000Z"]],
        "at": "2026-01-01T00:00:01.000Z",
        **changed,
    }


def chain(length: int, *, shard: str = SHARD, head: Head = EMPTY) -> list[bytes]:
    lines = []
    for number in range(length):
        line, head = sealed(content(number), shard=shard, head=head)
        lines.append(line.encode() + b"\n")
    return lines


def fault_of(lines: list[bytes], known_head: Head | None = None) -> tuple[str, int] | None:
    try:
        verify(lines, shard=SHARD, known_head=known_head)
    except AuditBroken as broken:
        assert broken.code == f"audit_{broken.fault.value}"
        assert f"entry {broken.seq}" in str(broken)
        return broken.fault.value, broken.seq
    return None


LINES = chain(12)
HEAD = verify(LINES, shard=SHARD)


def reseal(line: bytes, **changed: Any) -> bytes:
    """An entry with something changed and its hash made right again, as a forger would."""
    entry = {**json.loads(line), **changed}
    entry.pop("hash")
    entry["hash"] = hashlib.sha256(canonical(entry)).hexdigest()
    return canonical(entry) + b"\n"


def test_a_chain_verifies_to_its_head() -> None:
    """Every entry is numbered, names its predecessor, and the last one is the head."""
    last = json.loads(LINES[-1])
    assert Head(11, last["hash"]) == HEAD
    assert json.loads(LINES[0])["prev"] == GENESIS
    assert verify(LINES, shard=SHARD, known_head=HEAD) == HEAD
    assert verify([], shard=SHARD) == EMPTY


def test_the_hash_can_be_recomputed_by_anybody() -> None:
    """SHA-256 over the RFC 8785 form of the entry without its hash: by another implementation."""
    for line in LINES:
        entry = json.loads(line)
        claimed = entry.pop("hash")
        assert hashlib.sha256(rfc8785.dumps(entry)).hexdigest() == claimed


PLACES = range(len(LINES))


@pytest.mark.parametrize("place", PLACES)
def test_an_altered_entry_is_found(place: int) -> None:
    """Any changed text, at any place, is `altered` at that place."""
    for old, new in (
        (b'"ada"', b'"eve"'),
        (b'"completed"', b'"rejected"'),
        (b'{"at"', b'{ "at"'),
        (b'"seq":', b'"seq": '),
    ):
        lines = [*LINES]
        lines[place] = lines[place].replace(old, new)
        assert fault_of(lines) == ("altered", place)


@pytest.mark.parametrize("place", PLACES)
def test_an_entry_altered_with_its_hash_made_right_is_found(place: int) -> None:
    """Whoever recomputes the hash breaks the successor's link; for the last entry, it takes the known head."""
    lines = [*LINES]
    lines[place] = reseal(lines[place], person="eve")
    assert fault_of(lines, HEAD) == ("altered", place)


@pytest.mark.parametrize("place", PLACES)
def test_a_removed_entry_is_found(place: int) -> None:
    """A missing entry is `removed` where it stood; the last one is `truncated`, by the known head."""
    lines = [*LINES[:place], *LINES[place + 1 :]]
    assert fault_of(lines, HEAD) == ("truncated" if place == len(LINES) - 1 else "removed", place)


@pytest.mark.parametrize("place", PLACES)
def test_a_truncated_chain_is_found(place: int) -> None:
    """Cut off anywhere, it ends before the known head; without one, the rest still verifies: that is what heads are for."""
    assert fault_of(LINES[:place], HEAD) == ("truncated", place)
    assert fault_of(LINES[:place]) is None


@pytest.mark.parametrize("place", PLACES)
def test_a_line_cut_short_is_found(place: int) -> None:
    """Half a line at the end is `truncated`."""
    assert fault_of([*LINES[:place], LINES[place][:50]]) == ("truncated", place)


@pytest.mark.parametrize("place", PLACES[:-1])
def test_reordered_entries_are_found(place: int) -> None:
    """Two neighbours swapped, or one moved to the end, are `reordered` where the order breaks."""
    swapped = [*LINES]
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    assert fault_of(swapped) == ("reordered", place)
    moved = [*LINES[:place], *LINES[place + 1 :], LINES[place]]
    assert fault_of(moved) == ("reordered", place)


@pytest.mark.parametrize("place", PLACES)
def test_an_inserted_entry_is_found(place: int) -> None:
    """A copy of an earlier entry, a forged one with a taken number, another shard's: all are `inserted`."""
    assert fault_of([*LINES[: place + 1], LINES[place], *LINES[place + 1 :]]) == ("inserted", place)
    forged = (
        sealed(content(99), shard=SHARD, head=Head(place, json.loads(LINES[place])["hash"]))[0].encode()
        + b"\n"
    )
    found = fault_of([*LINES[: place + 1], forged, *LINES[place + 1 :]], HEAD)
    # Where it takes the known head's number, that tells; at the very end, nothing follows that would betray it.
    expected = {len(LINES) - 2: ("altered", place + 1), len(LINES) - 1: None}
    assert found == expected.get(place, ("inserted", place + 1))
    foreign = chain(place + 1, shard="03")[place]
    assert fault_of([*LINES[:place], foreign, *LINES[place:]]) == ("inserted", place)


@pytest.mark.parametrize("place", PLACES)
def test_a_chain_rewritten_from_some_place_on_is_found(place: int) -> None:
    """A forger who recomputes everything after makes a whole chain: it does not have the known head's hash."""
    head = EMPTY if place == 0 else verify(LINES[:place], shard=SHARD)
    rewritten = [*LINES[:place]]
    for number in range(place, len(LINES)):
        line, head = sealed(content(number, person="eve"), shard=SHARD, head=head)
        rewritten.append(line.encode() + b"\n")
    assert fault_of(rewritten) is None
    assert fault_of(rewritten, HEAD) == ("altered", HEAD.seq)


@pytest.mark.parametrize(
    "line", [b"\n", b"null\n", b"[]\n", b"{}\n", b"\xff\n", b"{\n", b'"x"\n', b"[" * 100_000 + b"\n", b'{"hash":1,"seq":0,"prev":"","shard":"02"}\n', b'{"a":NaN,"hash":"","prev":"","seq":0,"shard":"02"}\n']
)  # fmt: skip
def test_a_line_that_is_no_entry_is_found(line: bytes) -> None:
    """Whatever stands there instead of an entry is `altered`, and never an exception of another kind."""
    assert fault_of([LINES[0], line, *LINES[2:]]) == ("altered", 1)


@given(st.binary(max_size=400), st.integers(0, 11))
def test_no_bytes_raise_anything_else(junk: bytes, place: int) -> None:
    """Junk anywhere is found, whatever it is."""
    broken = list(split_lines([b"".join(LINES[:place]), junk, b"".join(LINES[place + 1 :])]))
    assert fault_of(broken, HEAD) is not None


# Exponents, signs and digits of floats are where canonical forms differ: entries have none.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), VALUES, max_size=5))
def test_the_canonical_form_is_rfc_8785s(value: dict[str, Any]) -> None:
    """For all that an entry may hold, byte for byte what the `rfc8785` package gives."""
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value", [1.5, 0.0, float("nan"), 2**53, -(2**53), b"bytes", {"é": 1}, {1: 1}, {"a": [1.5]}, {"a": {"b": object()}}, "\ud800", {"a": ["\ud800"]}]
)  # fmt: skip
def test_what_has_no_exact_form_is_refused(value: object) -> None:
    """Floats, large integers, names beyond ASCII, half characters: refused before they are hashed."""
    with pytest.raises(ValueError):
        canonical({"value": value})


def test_sealing_trusts_nothing_that_it_is_told() -> None:
    """Shard, number, predecessor and hash are the log's own, whatever the content says."""
    line, head = sealed(content(0, shard="99", seq=7, prev="x", hash="y"), shard=SHARD, head=EMPTY)
    assert verify([line.encode() + b"\n"], shard=SHARD) == head


def test_shards_are_two_digits_and_stay() -> None:
    """A ceremony's shard is a matter of its id."""
    names = {shard_name(f"registration-{number:032x}", 4) for number in range(200)}
    assert names == {"00", "01", "02", "03"}
    assert shard_name("registration-" + "a" * 32, 4) == shard_name("registration-" + "a" * 32, 4)


def test_a_ceremony_recorded_twice_is_found() -> None:
    """The chain is whole, and yet a ceremony does not end twice."""
    head, lines = EMPTY, []
    for number in (0, 1, 2, 1, 3):
        line, head = sealed(content(number), shard=SHARD, head=head)
        lines.append(line.encode() + b"\n")
    assert fault_of(lines) == ("duplicated", 3)


def act(number: int) -> dict[str, Any]:
    return {
        "v": 1,
        "act_id": f"act-{number:032x}",
        "act": "disable",
        "outcome": "completed",
        "at": "2026-01-01T00:00:02Z",
    }


def sealed_chain(contents: list[dict[str, Any]]) -> list[bytes]:
    head, lines = EMPTY, []
    for one in contents:
        line, head = sealed(one, shard=SHARD, head=head)
        lines.append(line.encode() + b"\n")
    return lines


def test_acts_and_ceremonies_stand_in_one_chain() -> None:
    """Both are entries; an act that is recorded twice is found, as a ceremony is."""
    assert fault_of(sealed_chain([content(0), act(1), content(1), act(2)])) is None
    assert fault_of(sealed_chain([content(0), act(1), content(1), act(1)])) == ("duplicated", 3)


@pytest.mark.parametrize(
    "odd",
    [
        {"v": 1, "at": "x"},
        {**content(7), "act_id": "act-7"},
        {"v": 1, "act_id": None},
        {"v": 1, "ceremony_id": 7},
        {"v": 1, "act_id": ["act-7"]},
    ],
)
def test_an_entry_of_nothing_or_of_two_things_is_found(odd: dict[str, Any]) -> None:
    """Whatever its hash: an entry is of one ceremony or of one act."""
    assert fault_of(sealed_chain([content(0), odd, act(1)])) == ("altered", 1)


def test_every_fault_is_found_by_a_test() -> None:
    """The kinds of attack above are all there are, but for a fork, which takes a checkpoint to see (test_trail.py)."""
    assert {fault.value for fault in AuditFault} == {
        "forked",
        "altered",
        "removed",
        "reordered",
        "inserted",
        "truncated",
        "duplicated",
    }
