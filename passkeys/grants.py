"""The right of a session to add a passkey: used up once for each registration ceremony, as a ticket is.

One session may allow several registrations; each of them records one credential, also when the ceremony itself is
started over. The session's own credential must still be good when the new one is recorded: who has lost their passkey
and had it removed has not left behind a registration that somebody else may finish.

    grants/{registration ceremony}.json   {"v", "session", "person", "credential_id", "at"}   write-once
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from passkeys import documents
from passkeys.errors import AlreadyExists
from passkeys.holdings import USABLE, record_of, standing_of, state_of
from passkeys.store import Store


class Granted(StrEnum):
    """What became of using a session."""

    GRANTED = "granted"
    ENDED = "session_ended"  # its person has signed out, or its credential was removed or disabled, or was never theirs
    USED = "session_used"  # this ceremony has recorded another credential


@dataclass(frozen=True, slots=True)
class Grant:
    """Which session allowed a registration ceremony to record which credential. `at` is RFC 3339 in UTC."""

    session: str
    person: str
    credential_id: str
    at: str


async def use_session(
    store: Store,
    *,
    session: str,
    session_credential: str | None,
    session_over: bool,
    person: str,
    ceremony_id: str,
    credential_id: str,
    now: datetime,
) -> Granted:
    """Use the session for this credential of this ceremony. Again for the same: GRANTED again, whatever came since.

    `session_over`: its person has signed out everywhere since it began.
    """
    name = f"grants/{ceremony_id}.json"
    document = await store.get(name)
    if document is None:
        if session_over or not await _still_good(store, session_credential, person):
            return Granted.ENDED
        grant = Grant(session, person, credential_id, now.isoformat())
        with suppress(
            AlreadyExists
        ):  # our own, of a try that was kept and reported failed; or another's: look
            await store.create(name, documents.dump(asdict(grant)))
        document = await store.get(name)
    if document is None:
        raise KeyError(f"{name} vanished while a ceremony was using it")
    grant = documents.load(name, document.data, lambda members: Grant(**members))
    same = (grant.session, grant.person, grant.credential_id) == (session, person, credential_id)
    return Granted.GRANTED if same else Granted.USED


async def _still_good(store: Store, credential_id: str | None, person: str) -> bool:
    """Whether the credential that the session was made with is there, theirs, and may be used."""
    if credential_id is None:
        return False
    record = await record_of(store, credential_id)
    standing = await standing_of(store, credential_id)
    return record is not None and record.person == person and state_of(standing) in USABLE
