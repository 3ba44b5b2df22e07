"""Make the next checkpoint of the audit trail, signed."""

import logging
from datetime import datetime

from activities.retries import Json, retried
from passkeys.alerts import alert
from passkeys.errors import AuditBroken, StoreDamaged
from passkeys.sealing import seal
from passkeys.sealing_keys import origin_of, sealing_keys
from passkeys.world import World

log = logging.getLogger("activities.seal_audit")


@retried
async def seal_audit(world: World, request: Json) -> Json:
    """Seal what the trail has gained since the last checkpoint.

    request: {"at": RFC 3339}; result: {"sealed": {"number", "size", "root", in hex} | null: nothing is new, "failed": null |
    why the trail is not what was sealed}: a value and an alert, since running again does not mend it. Run again after a
    death anywhere it ends with the same checkpoint.
    """
    keys = await sealing_keys(world.store, world.keys, origin=origin_of(world.settings.issuer))
    try:
        made = await seal(world.store, world.keys, keys.signs, now=datetime.fromisoformat(request["at"]))
    except (AuditBroken, StoreDamaged) as broken:
        alert("audit_broken", fault=broken.code)
        log.error("The audit trail is not sealed: %s", broken)  # noqa: TRY400 -- where it was raised says nothing
        return {"sealed": None, "failed": str(broken)}
    sealed = None if made is None else {"number": made.number, "size": made.size, "root": made.root.hex()}
    return {"sealed": sealed, "failed": None}
