"""End every session of somebody's, also those that are being opened."""

from activities.retries import Json, retried
from passkeys.families import revoke_all
from passkeys.world import World


@retried
async def end_sessions(world: World, request: Json) -> Json:
    """End them, once: what has ended stays as it ended. request: {"person", "reason"}; result: {"ended": how many now}."""
    return {"ended": len(await revoke_all(world, request["person"], request["reason"]))}
