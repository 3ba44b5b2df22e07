"""No attestation: the statement says nothing, and must not. WebAuthn L3 §8.7."""

from __future__ import annotations

from passkeys.attestation.statement import Lenience, Proof, Statement
from passkeys.errors import Rejection, RejectionCode


def verify(statement: Statement, _lenience: Lenience) -> Proof:
    """Discharge §8.7."""
    # (1) The statement is the empty map. §8.7, syntax: what is in there would look attested, and is not.
    if statement.members != {}:
        raise Rejection(RejectionCode.ATTESTATION_NONE_NOT_EMPTY)
    return Proof("none")
