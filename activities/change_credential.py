"""Make one administrative change to one credential: rename, remove, disable or enable it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from activities.retries import Json, retried
from passkeys.acts import BY_METADATA, Act
from passkeys.credentials import (
    Standing,
    StandingState,
    credential_name,
    dump_marker,
    dump_standing,
    holder_of,
    load_marker,
    load_standing,
    marker_name,
    standing_name,
    usage_name,
)
from passkeys.errors import AlreadyExists, Changed
from passkeys.families import revoke_made_with
from passkeys.holdings import USABLE, holdings_of, marker_of, record_of
from passkeys.response import decode_base64url
from passkeys.store import Document
from passkeys.world import World

UNKNOWN = "credential_unknown"
LAST = "last_credential"
MAX_TOLD = 64


@retried
async def change_credential(world: World, request: Json) -> Json:
    """Make the change, once.

    Sessions with applications that were made with a credential which can no longer sign in are ended, too.

    request: {"act_id", "act", "credential_id", "person": whose it must be | null for an operator's act, "by", "reason",
    "name", "last"}; result: {"changed": true, "person": whose it is, "reason": null}, with "sessions" that were ended if there were such, or {"changed": false, "person",
    "reason": credential_unknown | last_credential}.

    Every write is one that may be made again: run again after a crash between any two, the act goes on where it was.
    """
    return await _CHANGES[Act(request["act"])](world, request)


async def _rename(world: World, request: Json) -> Json:
    """The name stands in the person's own marker, so that another's is not even found."""
    person, name = request["person"], marker_name(request["person"], request["credential_id"])
    while True:
        document = await world.store.get(name)
        removed = (await _standing(world, request))[0].state is StandingState.REMOVED
        if document is None or removed or await record_of(world.store, request["credential_id"]) is None:
            return _refused(request, UNKNOWN)
        marker = replace(load_marker(name, document.data), name=request["name"])
        try:
            await world.store.replace(name, dump_marker(marker), etag=document.etag)
        except Changed:
            continue  # renamed or removed meanwhile: look again
        return _changed(person)


async def _remove(world: World, request: Json) -> Json:
    """Announce, look whether another is left, put up the tombstone, and clear away behind it.

    The tombstone comes before the first deletion: from then on the credential is refused and its id is nobody's to
    register, whatever is still there. What is there is cleared by whoever comes next: this act, run again, or another.
    The marker goes last, because by it the person finds what is not cleared yet.

    The announcement is for two removals at once, of a person's last two: from its announcement to its tombstone each
    is seen by the other, so that they cannot both go for the sake of the other. One that a failed act has left behind
    makes the others careful, and no more.
    """
    credential_id, person = request["credential_id"], request["person"]
    while True:
        standing, document = await _standing(world, request)
        if standing.state is StandingState.REMOVED:
            if (
                standing.removal != request["act_id"]
                and await marker_of(world.store, person, credential_id) is None
            ):
                return _refused(request, UNKNOWN)
            break
        record = await record_of(world.store, credential_id)
        if record is None or record.person != person:
            return _refused(request, UNKNOWN)
        if not request["last"]:
            if standing.removal is None:
                await _decide(world, request, replace(standing, removal=request["act_id"]), document)
                continue
            if not await _others_left(world, person, credential_id):
                if not await _decide(world, request, replace(standing, removal=None), document):
                    continue
                return _refused(request, LAST)
        # No reason and no name: the tombstone stays, the person may ask to be forgotten.
        holder = holder_of(credential_id, decode_base64url(record.user_handle))
        tombstone = Standing(StandingState.REMOVED, None, None, _now(world), request["act_id"], holder=holder)
        if await _decide(world, request, tombstone, document):
            break
    sessions = await _end_sessions(world, request, person)
    await world.store.delete(credential_name(credential_id))
    await world.store.delete(usage_name(credential_id))
    await world.store.delete(marker_name(person, credential_id))
    return _changed(person, sessions)


async def _stand(world: World, request: Json, state: StandingState) -> Json:
    """Disable or enable: an operator's word, whosever it is, with the reason."""
    while True:
        standing, document = await _standing(world, request)
        record = await record_of(world.store, request["credential_id"])
        if record is None or standing.state is StandingState.REMOVED:
            return _refused(request, UNKNOWN)
        decided = Standing(
            state,
            request["reason"],
            request["by"],
            _now(world),
            standing.removal,
            _overruled(standing, state),
        )
        if await _decide(world, request, decided, document):
            usable = state is not StandingState.DISABLED
            return _changed(
                record.person, [] if usable else await _end_sessions(world, request, record.person)
            )


def _overruled(before: Standing, state: StandingState) -> str | None:
    """What the metadata had against the credential that is enabled in spite of it: it must not say so every night."""
    if (
        state is StandingState.ACTIVE
        and before.by == BY_METADATA
        and before.state is not StandingState.ACTIVE
    ):
        return before.reason
    return before.overruled


async def _disable(world: World, request: Json) -> Json:
    return await _stand(world, request, StandingState.DISABLED)


async def _enable(world: World, request: Json) -> Json:
    return await _stand(world, request, StandingState.ACTIVE)


async def _standing(world: World, request: Json) -> tuple[Standing, Document | None]:
    """How the credential stands, and what to replace. What was never decided about is active."""
    name = standing_name(request["credential_id"])
    document = await world.store.get(name)
    if document is None:
        return Standing(StandingState.ACTIVE, None, None, _now(world)), None
    return load_standing(name, document.data), document


async def _decide(world: World, request: Json, standing: Standing, before: Document | None) -> bool:
    """Store the standing, unless it is no longer as it was read: then read again, and decide again."""
    name, data = standing_name(request["credential_id"]), dump_standing(standing)
    try:
        if before is None:
            await world.store.create(name, data)
        else:
            await world.store.replace(name, data, etag=before.etag)
    except (AlreadyExists, Changed):
        return False
    return True


async def _others_left(world: World, person: str, credential_id: str) -> bool:
    """Whether the person can sign in with another one, which nobody is about to remove."""
    return any(
        holding.state in USABLE and (holding.standing is None or holding.standing.removal is None)
        for holding in await holdings_of(world.store, person)
        if holding.record.credential_id != credential_id
    )


async def _end_sessions(world: World, request: Json, person: str) -> list[str]:
    """End what the person has signed in to with it; as far as they fit an entry of the audit, which those are."""
    ended = await revoke_made_with(world, person, request["credential_id"], f"credential_{request['act']}")
    return [family.sid for family in ended][:MAX_TOLD]


def _changed(person: str, sessions: Sequence[str] = ()) -> Json:
    told = {"sessions": list(sessions)} if sessions else {}
    return {"changed": True, "person": person, "reason": None, **told}


def _refused(request: Json, reason: str) -> Json:
    return {"changed": False, "person": request["person"], "reason": reason}


def _now(world: World) -> str:
    return world.clock().isoformat()


_CHANGES: Mapping[Act, Callable[[World, Json], Awaitable[Json]]] = {
    Act.RENAME: _rename,
    Act.REMOVE: _remove,
    Act.DISABLE: _disable,
    Act.ENABLE: _enable,
}
