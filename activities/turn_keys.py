"""Let the ring of signing keys take its next steps, if any are due."""

import logging
from dataclasses import asdict
from datetime import datetime

from activities.retries import Json, retried
from passkeys.acts import derived_act_id
from passkeys.audit import shard_name
from passkeys.audit_search import find_flushed
from passkeys.signing_keys import BY_ROTATION, Change, Told
from passkeys.world import World

log = logging.getLogger("activities.turn_keys")


@retried
async def turn_keys(world: World, request: Json) -> Json:
    """Publish, sign, retire and remove what is due.

    request: {"told": the changes that the audit has by now, as an earlier result named them}; result: {"changes": [{"key_id",
    "change", "at", "by"}, …] that it does not have yet}. Run again it finds nothing more due, and names the same changes;
    but for those that are in the trail, since who was to say so has died: the audit's own memory is short.
    """
    told = [Told(**{**change, "change": Change(change["change"])}) for change in request["told"]]
    ring = await world.signing.advance(by=BY_ROTATION, told=told)
    recorded = [change for change in ring.untold if await _is_recorded(world, change)]
    if recorded:
        ring = await world.signing.advance(by=BY_ROTATION, told=recorded)
    for change in ring.untold:
        log.warning("%s %s by %s", change.change, change.key_id, change.by)
    return {"changes": [asdict(change) for change in ring.untold]}


async def _is_recorded(world: World, change: Told) -> bool:
    act_id = derived_act_id(change.change, change.key_id, change.at)
    shard = shard_name(act_id, world.settings.audit_shards)
    return bool(await find_flushed(world.store, shard, act_id, on=datetime.fromisoformat(change.at).date()))
