"""Read, verify and keep the metadata that the settings name."""

import asyncio
import logging
from enum import StrEnum

from activities.retries import Json, retried
from passkeys.errors import MetadataInvalid, MetadataUnreachable
from passkeys.metadata_blob import verify_blob
from passkeys.metadata_source import read_blob
from passkeys.models import keep
from passkeys.world import World

# Nobody waits for this: a source that is being restarted gets the time for it.
PAUSES_S = (2.0, 10.0)
MAX_DETAIL = 300

log = logging.getLogger("activities.load_metadata")


class Loaded(StrEnum):
    """What became of it."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"  # it was read, and must not be relied on
    FAILED = "failed"  # it could not be read
    OFF = "off"  # none is configured


@retried
async def load_metadata(world: World, request: Json) -> Json:
    """Let the BLOB at PASSKEYS_METADATA count from now on, if it is FIDO's own and not older than the one that does.

    request: {"at": when this refresh began}; result: {"outcome": a `Loaded`, "reason": code | null, "detail", and of the
    metadata that counts now: "no" | null, "next_update", "stale", "models"}. Refused or failed, what was known stays in
    use. Run again for the same refresh it says the same: `keep` remembers by whom it was called.
    """
    if world.settings.metadata is None:
        return await _result(world, Loaded.OFF)
    try:
        data = await _read(world.settings.metadata)
        # Off the loop: ten megabytes take a fifth of a second, and the whole local host runs on that loop.
        blob = await asyncio.to_thread(
            verify_blob,
            data,
            roots=world.settings.metadata_root,
            signer=world.settings.metadata_signer,
            at=world.clock(),
        )
        is_new = await keep(world.store, blob, at=request["at"])
    except MetadataInvalid as invalid:
        log.error("Metadata refused: %s", invalid)  # noqa: TRY400 -- alerts look for the code, not for a stack
        return await _result(world, Loaded.REFUSED, str(invalid.code), invalid.detail)
    except MetadataUnreachable as unreachable:
        log.error("Metadata not read: %s", unreachable)  # noqa: TRY400
        return await _result(world, Loaded.FAILED, unreachable.code, str(unreachable))
    return await _result(world, Loaded.UPDATED if is_new else Loaded.UNCHANGED)


async def _read(source: str) -> bytes:
    for pause_s in PAUSES_S:
        try:
            return await read_blob(source)
        except MetadataUnreachable:
            await asyncio.sleep(pause_s)
    return await read_blob(source)


async def _result(world: World, outcome: Loaded, reason: str | None = None, detail: str = "") -> Json:
    known = await world.models.current()
    stale = known is not None and known.is_stale(world.clock())
    if known is not None and stale:
        log.error("Metadata is stale: number %d should have been replaced by %s", known.no, known.next_update)
    return {
        "outcome": outcome.value,
        "reason": reason,
        "detail": detail[:MAX_DETAIL],
        "no": known.no if known else None,
        "next_update": known.next_update.isoformat() if known else None,
        "stale": stale,
        "models": len(set(known.models.values())) if known else 0,
    }
