"""The bench of verification times what it says: every algorithm and format, accepted by every side that is timed."""

from __future__ import annotations

import json

import pytest

from bench import tokens, verification
from bench.verification import OURS, OURS_JSON, SIGNATURE, SIGNERS, THEIRS, THEIRS_JSON, Row
from passkeys.algorithms import ALGORITHMS
from passkeys.attestation import ALL_FORMATS

# RFC 9864: the same as others, under another number.
TWINS = {"Ed25519", "ESP256", "ESP384", "ESP512"}
with verification.tpm_of_the_vectors():
    TABLES: dict[str, list[Row]] = dict(
        verification.rows(json.loads(verification.VECTORS.read_text("utf-8")))
    )
ROWS = [(heading, row) for heading, rows in TABLES.items() for row in rows]


def test_every_algorithm_and_every_format_has_its_row() -> None:
    """A new row of the algorithm table, or a new format, is timed too."""
    algorithms = {algorithm.name for algorithm in ALGORITHMS.values()} - TWINS
    sign_ins, formats, registrations = ([row.name for row in rows] for rows in TABLES.values())
    assert algorithms == set(SIGNERS) == set(sign_ins) == set(registrations)
    assert {name.partition(",")[0] for name in formats} == set(ALL_FORMATS)


@pytest.mark.parametrize(("heading", "row"), ROWS, ids=[f"{heading}: {row.name}" for heading, row in ROWS])
def test_every_side_accepts(heading: str, row: Row) -> None:
    """None of them raises; the package is left out only where it refuses, and says nothing of it."""
    with verification.tpm_of_the_vectors():
        for run in row.sides.values():
            run()
    refused = {OURS, OURS_JSON, SIGNATURE, THEIRS, THEIRS_JSON} - set(row.sides)
    if row.name in ("ES384", "Ed448") or row.name.startswith("compound"):
        assert refused == {THEIRS, THEIRS_JSON}
    elif row.name == "none":
        assert refused == {SIGNATURE}
    else:
        assert refused == set()


def test_the_report_has_a_line_for_each_row() -> None:
    """Rates of each side, and what ours costs more."""
    lines, cost = verification.report(rounds=1, batch_ns=1)
    assert cost == cost
    for _, row in ROWS:
        assert any(line.startswith(f"| {row.name} |") for line in lines)


def test_every_side_of_the_tokens_bench_accepts() -> None:
    """What is timed is a good token and a good proof."""
    for side in tokens.sides().values():
        side()
