"""Let the ring of signing keys take its next steps, if any are due."""

import logging
from dataclasses import asdict

from activities.retries import Json, retried
from passkeys.signing_keys import BY_ROTATION, Change, Told
from passkeys.world import World

log = logging.getLogger("activities.turn_keys")


@retried
async def turn_keys(world: World, request: Json) -> Json:
    """Publish, sign, retire and remove what is due.

    request: {"told": the changes that the audit has by now, as an earlier result named them}; result: {"changes": [{"key_id",
    "change", "at", "by"}, …] that it does not have yet}. Run again it finds nothing more due, and names the same changes.
    """
    told = [Told(**{**change, "change": Change(change["change"])}) for change in request["told"]]
    ring = await world.signing.advance(by=BY_ROTATION, told=told)
    for change in ring.untold:
        log.warning("%s %s by %s", change.change, change.key_id, change.by)
    return {"changes": [asdict(change) for change in ring.untold]}
