"""What may be shown once, is: proofs of possession (RFC 9449 §11.1) and clients' assertions (RFC 7523 §3, point 7).

Each is remembered by create-if-absent, under its minute and the digest of whose it is and what they call it. Its minute is
what is signed in it and cannot change: of a proof, the nonce's or its own `iat`; of an assertion, `exp`. So the sweep reads
nothing but names.

    proofs/{minute}/{sha256 of (jkt, jti), hex}.json        {"v"}   write-once
    assertions/{minute}/{sha256 of (client, jti), hex}.json {"v"}   write-once
    refusals/{minute}/{sha256 of (session, code), hex}.json {"v"}   write-once, of each hour its first minute: what is
                                                                    recorded once an hour (starters/session_acts.py)
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from passkeys import documents
from passkeys.errors import AlreadyExists
from passkeys.store import Store

PROOFS, ASSERTIONS, REFUSALS = "proofs", "assertions", "refusals"
# Longer than anything here is good for: a proof with a nonce 10 minutes, an assertion 5 and its leeway, a refusal its hour.
KEPT = {PROOFS: timedelta(minutes=20), ASSERTIONS: timedelta(minutes=20), REFUSALS: timedelta(minutes=80)}
_MINUTE = 60


async def first_time(store: Store, folder: str, *, whose: str, called: str, at: datetime) -> bool:
    """Whether it has not been shown before; from now on it has. `at` is the time that is signed in it.

    Raises StoreUnavailable; whether it was remembered is then unknown, and showing it again may fail.
    """
    digest = hashlib.sha256(json.dumps([whose, called]).encode()).hexdigest()
    try:
        await store.create(f"{folder}/{_slot(at):010d}/{digest}.json", documents.dump({}))
    except AlreadyExists:
        return False
    return True


async def sweep(store: Store, *, now: datetime) -> int:
    """Forget what could not be shown again anyhow; how many that were. Raises StoreUnavailable: the next sweep goes on."""
    gone = 0
    for folder, kept in KEPT.items():
        oldest = _slot(now - kept)
        async for name in store.list(f"{folder}/"):
            # In order of their bytes, which is that of the minutes.
            if int(name.split("/")[1]) >= oldest:
                break
            await store.delete(name)
            gone += 1
    return gone


def _slot(at: datetime) -> int:
    return int(at.timestamp()) // _MINUTE
