"""Compound attestation: several statements about one credential. WebAuthn L3 §8.9.

Our policy: every one of them must verify, and together they have proven what any one of them has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from passkeys.credentials import Attestation
from passkeys.errors import Rejection, RejectionCode

# §8.9 sets no upper bound. Each statement costs a chain, and we know six formats.
MAX_STATEMENTS = 6


def parts(att_stmt: Any) -> Iterator[tuple[Any, Any]]:
    """The format and statement of each part. §8.9, syntax: two at least, and none compound itself."""
    if type(att_stmt) is not list or not 2 <= len(att_stmt) <= MAX_STATEMENTS:
        raise Rejection(RejectionCode.ATTESTATION_COMPOUND_MALFORMED)
    for part in att_stmt:
        if not isinstance(part, dict) or part.keys() != {"fmt", "attStmt"}:
            raise Rejection(RejectionCode.ATTESTATION_COMPOUND_MALFORMED)
        if part["fmt"] == "compound":
            raise Rejection(RejectionCode.ATTESTATION_COMPOUND_NESTED)
        yield part["fmt"], part["attStmt"]


def together(verdicts: Sequence[Attestation]) -> Attestation:
    """What statements about one credential have proven between them: as much as the strongest."""
    strongest = max(verdicts, key=lambda verdict: (verdict.model_proven, verdict.chain_verified))
    return replace(strongest, format="compound")
