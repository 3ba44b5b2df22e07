"""Recoveries: the word of operators that a person who has lost their passkeys may enrol anew, and what it is good for.

One operator starts a recovery, another confirms it with a passkey of their own, the first takes the ticket. What is
confirmed are the `Details`. The challenge commits to them, so that the signature proves what was confirmed, to anybody
and for ever: the record keeps the signed answer with the key that it verifies under.

    challenge = nonce (32 random bytes) ‖ SHA-256(tag ‖ nonce ‖ details in canonical form)

The nonce stands in the challenge itself: who has the signed client data can recompute the rest.

    recoveries/{ceremony}.json   Recovery   create-if-absent, by the confirmation; its ticket by compare-and-swap, once
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from passkeys import documents
from passkeys.algorithms import load_public_key, verify_signature
from passkeys.audit import canonical
from passkeys.directory import Person, PersonStatus, has_role
from passkeys.errors import Rejection, SignatureInvalid
from passkeys.response import decode_base64url
from passkeys.store import Store

# Keeps what is signed here from being what is signed anywhere else, now or later.
TAG = b"durable-passkeys recovery v1\0"
NONCE_BYTES = 32
PREFIX = "recoveries/"
# A directory may hold any name. As much as this leaves room for the reason, in the custom status and in the audit.
MAX_DISPLAY_NAME = 64


@dataclass(frozen=True, slots=True)
class Details:
    """What is confirmed: whom it is for, why, and who asks."""

    person: str
    display_name: str
    reason: str
    started_by: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Who has confirmed, when, and the proof: the signed answer and its key, in base64url."""

    by: str
    at: str
    credential_id: str
    public_key: str
    client_data: str
    authenticator_data: str
    signature: str


@dataclass(frozen=True, slots=True)
class TicketIssued:
    """The ticket that a recovery was good for: its digest, the act that issued it, and its times in RFC 3339."""

    digest: str
    act_id: str
    issued_at: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """A confirmed recovery; `ticket` once it was issued, which is once."""

    details: Details
    confirmation: Confirmation
    ticket: TicketIssued | None = None


class Refusal(StrEnum):
    """Why a genuine answer confirms nothing. Stable: the audit uses them."""

    BY_RECOVERED = "confirmed_by_recovered"
    BY_STARTER = "confirmed_by_starter"
    NOT_ACTIVE = "confirmed_by_inactive"
    NOT_AN_OPERATOR = "confirmed_by_no_operator"
    STEP_UP = "confirmed_with_step_up"
    STARTER_NOT_AN_OPERATOR = "started_by_no_operator"
    OTHER_DETAILS = "confirmed_other_details"
    ALREADY = "already_confirmed"
    CREDENTIAL_GONE = "credential_gone"
    UNREACHABLE = "person_unreachable"


class Unredeemable(StrEnum):
    """Why a recovery yields no ticket. Stable: problems and the audit use them."""

    UNKNOWN = "recovery_unknown"
    NOT_YOURS = "recovery_not_yours"
    SHOWN = "ticket_shown"
    EXPIRED = "recovery_expired"


def challenge_for(details: Details, *, nonce: bytes) -> bytes:
    """The challenge that commits to `details`. `nonce` must be NONCE_BYTES fresh random bytes."""
    return nonce + hashlib.sha256(TAG + nonce + canonical(asdict(details))).digest()


def commits(challenge: bytes, details: Details) -> bool:
    """Whether `challenge` was made for these details and no others."""
    return hmac.compare_digest(challenge, challenge_for(details, nonce=challenge[:NONCE_BYTES]))


def refusal(
    details: Details,
    *,
    confirmed_by: str,
    confirming: Person | None,
    starting: Person | None,
    step_up: bool,
    role: str,
    operators: int,
) -> Refusal | None:
    """Why `confirmed_by` may not confirm this recovery, or None.

    `confirming` and `starting` are what the directory says now of who confirmed and who started. `operators`: how many
    must take part, 1 or 2. `step_up`: the credential that was used is good for managing passkeys alone.
    """
    checks = (
        # First, and with any number of operators: nobody lets themselves in.
        (Refusal.BY_RECOVERED, confirmed_by == details.person),
        (Refusal.BY_STARTER, operators > 1 and confirmed_by == details.started_by),
        (Refusal.NOT_ACTIVE, not _is_active(confirming, confirmed_by)),
        (Refusal.NOT_AN_OPERATOR, not _is_operator(confirming, role)),
        (Refusal.STEP_UP, step_up),
        (
            Refusal.STARTER_NOT_AN_OPERATOR,
            not (_is_active(starting, details.started_by) and _is_operator(starting, role)),
        ),
    )
    return next((reason for reason, found in checks if found), None)


def _is_active(known: Person | None, person: str) -> bool:
    return known is not None and known.id == person and known.status is PersonStatus.ACTIVE


def _is_operator(known: Person | None, role: str) -> bool:
    return known is not None and has_role(known, role)


def is_proven(recovery: Recovery) -> bool:
    """Whether the kept answer is a signature over these details, by the kept key. Needs nothing but the record."""
    kept = recovery.confirmation
    try:
        client_data = decode_base64url(kept.client_data)
        algorithm, key = load_public_key(decode_base64url(kept.public_key))
        # WebAuthn L3 §7.2, the hash and the signature: over both, in this order.
        signed = decode_base64url(kept.authenticator_data) + hashlib.sha256(client_data).digest()
        verify_signature(algorithm.cose, key, decode_base64url(kept.signature), signed)
        return commits(challenge_of(client_data), recovery.details)
    except (
        ValueError,
        TypeError,
        Rejection,
        SignatureInvalid,
    ):  # what is stored may have been written by anybody
        return False


def challenge_of(client_data: bytes) -> bytes:
    """The challenge that is in client data. Raises ValueError if there is none."""
    try:
        told = json.loads(client_data)["challenge"]
        return decode_base64url(told)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("the client data has no challenge") from error


def redeemable(recovery: Recovery, *, by: str, now: datetime, seconds: int) -> Unredeemable | None:
    """Why `by` gets no ticket for this recovery now, or None. It is good for `seconds` after its confirmation, and once."""
    age = now - datetime.fromisoformat(recovery.confirmation.at)
    checks = (
        (Unredeemable.NOT_YOURS, by != recovery.details.started_by),
        (Unredeemable.SHOWN, recovery.ticket is not None),
        (Unredeemable.EXPIRED, age > timedelta(seconds=seconds)),
    )
    return next((reason for reason, found in checks if found), None)


async def find(store: Store, ceremony_id: str) -> tuple[Recovery, str] | None:
    """The recovery that this ceremony has confirmed, with its etag. Raises StoreDamaged."""
    name = recovery_name(ceremony_id)
    document = await store.get(name)
    return None if document is None else (load_recovery(name, document.data), document.etag)


def recovery_name(ceremony_id: str) -> str:
    """Where a recovery is. `ceremony_id` must be one."""
    return f"{PREFIX}{ceremony_id}.json"


def dump_recovery(recovery: Recovery) -> bytes:
    """The recovery's document."""
    return documents.dump(asdict(recovery))


def load_recovery(name: str, data: bytes) -> Recovery:
    """The recovery in a document. Raises StoreDamaged."""
    return documents.load(name, data, _recovery)


def _recovery(members: Mapping[str, Any]) -> Recovery:
    ticket = members["ticket"]
    return Recovery(
        Details(**members["details"]),
        Confirmation(**members["confirmation"]),
        None if ticket is None else TicketIssued(**ticket),
    )
