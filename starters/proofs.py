"""Proofs from the audit trail over HTTP: of any entry for operators, of one's own for whoever it is about.

A proof is a file for `python -m passkeys audit check` (passkeys/log_proofs.py): who has it and the public key need not believe
this service. The trail is read from end to end for each, so there is one at a time, and of a long trail none.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.acts import ACT_ID
from passkeys.ceremony import kind_of
from passkeys.checkpoints import checkpoint_name, read_checkpoint
from passkeys.errors import CheckpointFault, CheckpointRefused
from passkeys.log_proofs import prove_consistency, prove_entry
from passkeys.notes import split_note
from passkeys.trail import Trail, opened_trail
from passkeys.world import World
from starters.answers import RETRY_AFTER_SECONDS, by_method
from starters.headers import API_HEADERS
from starters.problems import RefusedError
from starters.sessions import session_of

# What is read in a few seconds; a trail of some hundred thousand entries.
MAX_TRAIL = 64 * 1024 * 1024
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,9})\Z")
_reading = asyncio.Lock()
log = logging.getLogger("starters.proofs")


async def operations_proof(world: World, req: HttpRequest, client: Any) -> HttpResponse:  # noqa: ARG001
    """GET /operations/audit/proofs/{id}: that the entry of this ceremony or act is in the sealed trail."""

    async def get() -> HttpResponse:
        return _file(await _entry_proof(world, req))

    return await by_method(req, {"GET": get})


async def proof_of_own(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /proofs/{id}: the same, for the person whom the entry is about. Anybody else's is unknown."""

    async def get() -> HttpResponse:
        session = await session_of(world, req, client, fresh=False)
        proof = await _entry_proof(world, req, is_shown=lambda entry: entry.get("person") == session.person)
        return _file(proof)

    return await by_method(req, {"GET": get})


async def operations_consistency(world: World, req: HttpRequest, client: Any) -> HttpResponse:  # noqa: ARG001
    """GET /operations/audit/consistency/{number}: that the newest checkpoint's trail goes on from this checkpoint's."""

    async def get() -> HttpResponse:
        number = req.route_params.get("number", "")
        note = await world.store.get(checkpoint_name(int(number))) if _NUMBER.match(number) else None
        if note is None:
            raise RefusedError("checkpoint_unknown")
        kept = read_checkpoint(split_note(note.data)[0])
        return _file(await _read(world, lambda trail: prove_consistency(trail, kept)))

    return await by_method(req, {"GET": get})


async def _entry_proof(
    world: World, req: HttpRequest, *, is_shown: Callable[[Mapping[str, Any]], bool] = lambda _: True
) -> bytes:
    """Raises RefusedError: entry_unknown, and as `_read`."""
    subject = req.route_params.get("id", "")
    if kind_of(subject) is None and not ACT_ID.match(subject):
        raise RefusedError("entry_unknown")

    proof = await _read(world, lambda trail: prove_entry(trail, subject, is_shown=is_shown))
    if proof is None:
        raise RefusedError("entry_unknown")
    return proof


async def _read(world: World, read: Callable[[Trail], bytes | None]) -> bytes | None:
    """None: there is nothing to prove. Raises RefusedError: unavailable, also of a trail that is damaged; proof_offline."""
    if _reading.locked():
        raise RefusedError("unavailable", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    async with _reading, opened_trail(world.store) as trail:
        if trail.size > MAX_TRAIL:
            raise RefusedError("proof_offline")
        try:
            return await asyncio.to_thread(read, trail)
        except CheckpointRefused as refused:
            if refused.code is CheckpointFault.MISSING:  # nothing is sealed yet
                return None
            log.error("The audit trail proves nothing: %s", refused)  # noqa: TRY400 -- where it was raised says nothing
            raise RefusedError("unavailable", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}) from refused


def _file(proof: bytes | None) -> HttpResponse:
    headers = {**API_HEADERS, "Content-Type": "text/plain; charset=utf-8"}
    return HttpResponse(proof, status_code=200, headers=headers)
