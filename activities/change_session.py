"""End one session with an application, or all of a person's."""

from collections.abc import Awaitable, Callable, Mapping

from activities.change_credential import MAX_TOLD
from activities.retries import Json, retried
from passkeys.acts import Act
from passkeys.families import by_sid, revoke, revoke_all
from passkeys.world import World

UNKNOWN = "session_unknown"


@retried
async def change_session(world: World, request: Json) -> Json:
    """End it, once.

    request: {"act_id", "act": session_revoked | signed_out_everywhere, "session": which | null: all, "person": whose it must be
    | null for an operator's act on one}; result: {"changed": true, "person": whose it was, "reason": null, "sessions": which},
    or {"changed": false, "person", "reason": session_unknown}.

    What has ended says which act it was, so that this one, run again after a crash, finds its own work.
    """
    return await _CHANGES[Act(request["act"])](world, request)


async def _one(world: World, request: Json) -> Json:
    family = await by_sid(world, request["session"], alive=False)
    reason = f"{request['act']}:{request['act_id']}"
    person = request["person"]
    # Somebody else's is as one that does not exist.
    if family is None or person not in (None, family.person):
        return {"changed": False, "person": person, "reason": UNKNOWN}
    if family.status_reason != reason:
        living = await by_sid(world, request["session"])
        if living is None or not await revoke(world, living, reason):
            return {"changed": False, "person": family.person, "reason": UNKNOWN}
    return {"changed": True, "person": family.person, "reason": None, "sessions": [family.sid]}


async def _all(world: World, request: Json) -> Json:
    ended = await revoke_all(world, request["person"], f"{request['act']}:{request['act_id']}")
    sessions = [family.sid for family in ended][:MAX_TOLD]
    told = {"sessions": sessions} if sessions else {}
    return {"changed": True, "person": request["person"], "reason": None, **told}


_CHANGES: Mapping[Act, Callable[[World, Json], Awaitable[Json]]] = {
    Act.SESSION_REVOKED: _one,
    Act.SIGNED_OUT_EVERYWHERE: _all,
}
