"""Enrolment tickets: the one-time right of one person to register a passkey.

The secret is 32 random bytes, shown once. The store keeps its SHA-256 alone, as the document's name: who
reads the store can enrol nobody. A ticket is looked at when the ceremony starts and used up when the
credential is recorded, by compare-and-swap, for one ceremony and one credential: recording that one again
succeeds again, and a second credential is refused, also when the ceremony itself is started over. A ticket
that expires while its ceremony runs still counts, for the ceremony's few minutes.

    tickets/{sha256 of the secret, hex}.json   {"v", "person", "issued_at", "expires_at", "used_by", "used_for", "recovery"}
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from passkeys import documents
from passkeys.errors import Changed
from passkeys.response import encode_base64url
from passkeys.store import Store

SECRET_BYTES = 32
# Past its end a ticket still counts for the ceremony that it has started: minutes.
KEPT = timedelta(days=1)
DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class Redemption(StrEnum):
    """What became of using a ticket."""

    REDEEMED = "redeemed"
    UNKNOWN = "ticket_unknown"
    USED = "ticket_used"
    NOT_THEIRS = "ticket_not_theirs"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is kept of a ticket. Times are RFC 3339 in UTC.

    `used_by` is the id of the ceremony that used it, `used_for` that of the credential it was used for. `recovery` is the
    id of the recovery that it was issued for, if any.
    """

    person: str
    issued_at: str
    expires_at: str
    used_by: str | None
    # Absent from tickets that were issued before they were kept.
    used_for: str | None = None
    recovery: str | None = None


def digest_of(secret: str) -> str:
    """How a ticket is named everywhere but in its holder's hand. Any text will do: a wrong one names no ticket."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


async def issue_ticket(
    store: Store, person: str, *, seconds: int, now: datetime, random_bytes: Callable[[int], bytes]
) -> str:
    """Make a ticket for `person`, good for `seconds`; return its secret, which is kept nowhere."""
    secret = new_secret(random_bytes)
    ticket = Ticket(
        person=person,
        issued_at=now.isoformat(),
        expires_at=(now + timedelta(seconds=seconds)).isoformat(),
        used_by=None,
        used_for=None,
    )
    await keep_ticket(store, digest_of(secret), ticket)
    return secret


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """A secret that nobody has yet."""
    return encode_base64url(random_bytes(SECRET_BYTES))


async def keep_ticket(store: Store, digest: str, ticket: Ticket) -> None:
    """Keep a ticket whose secret is in somebody's hand already. Raises AlreadyExists, StoreUnavailable."""
    await store.create(_name(digest), documents.dump(asdict(ticket)))


def link_of(secret: str, *, origin: str) -> str:
    """The link that a person opens to use the ticket. Behind the "#", because that part is sent to no server."""
    return f"{origin}/#ticket={secret}"


async def find_ticket(store: Store, digest: str, *, now: datetime) -> Ticket | None:
    """The ticket, if it may start a ceremony now. Unknown, expired and used look alike: None."""
    found = await _read(store, digest)
    if found is None:
        return None
    ticket, _ = found
    return ticket if ticket.used_by is None and now < datetime.fromisoformat(ticket.expires_at) else None


async def redeem_ticket(
    store: Store, digest: str, *, person: str, ceremony_id: str, credential_id: str
) -> Redemption:
    """Use the ticket up for this credential of this ceremony. Again for the same two: REDEEMED again."""
    while True:
        found = await _read(store, digest)
        if found is None:
            return Redemption.UNKNOWN
        ticket, etag = found
        if ticket.used_by is not None:
            again = (ticket.used_by, ticket.used_for) == (ceremony_id, credential_id)
            return Redemption.REDEEMED if again else Redemption.USED
        if ticket.person != person:
            return Redemption.NOT_THEIRS
        used = replace(ticket, used_by=ceremony_id, used_for=credential_id)
        try:
            await store.replace(_name(digest), documents.dump(asdict(used)), etag=etag)
        except Changed:
            continue  # used meanwhile: the next look says by whom. It is written but once, so this ends.
        return Redemption.REDEEMED


async def forget_tickets(store: Store, *, now: datetime) -> int:
    """Forget the tickets that expired more than KEPT ago, used or not; how many. Raises StoreUnavailable, StoreDamaged."""
    gone = 0
    async for name in store.list("tickets/"):
        found = await _read(store, name.removeprefix("tickets/").removesuffix(".json"))
        if found is not None and datetime.fromisoformat(found[0].expires_at) < now - KEPT:
            await store.delete(name)
            gone += 1
    return gone


async def _read(store: Store, digest: str) -> tuple[Ticket, str] | None:
    if not DIGEST.match(digest):
        return None
    document = await store.get(_name(digest))
    if document is None:
        return None
    return documents.load(_name(digest), document.data, lambda members: Ticket(**members)), document.etag


def _name(digest: str) -> str:
    return f"tickets/{digest}.json"
