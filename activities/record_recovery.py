"""Record a confirmed recovery, if whoever confirmed it may."""

from contextlib import suppress
from dataclasses import replace

from activities.retries import Json, retried
from passkeys.errors import AlreadyExists, DirectoryUnavailable
from passkeys.holdings import record_of
from passkeys.recoveries import (
    Confirmation,
    Details,
    Recovery,
    Refusal,
    challenge_of,
    commits,
    dump_recovery,
    find,
    recovery_name,
    refusal,
)
from passkeys.response import encode_base64url, parse_authentication_response
from passkeys.world import World


async def record_recovery(world: World, request: Json) -> Json:
    """Judge the confirmation by the directory's word of now, and store it, once.

    request: {"ceremony_id", "details", "response" (verified), "confirmed_by", "credential_id", "step_up"}; result:
    {"recorded": true} or {"recorded": false, "reason": a code of passkeys.recoveries.Refusal}.

    Run again, it finds its own record and says the same. The same ceremony started over by hand has other answers: what
    was confirmed first stands.
    """
    try:
        return await _recorded(world, request)
    except DirectoryUnavailable:  # still, after the retries: fail closed
        return _refused(Refusal.UNREACHABLE)


@retried
async def _recorded(world: World, request: Json) -> Json:
    details, confirmed_by = Details(**request["details"]), request["confirmed_by"]
    response = parse_authentication_response(request["response"])
    if not commits(challenge_of(response.client_data_json), details):
        return _refused(Refusal.OTHER_DETAILS)
    refused = refusal(
        details,
        confirmed_by=confirmed_by,
        confirming=await world.directory.find(confirmed_by),
        starting=await world.directory.find(details.started_by),
        step_up=request["step_up"],
        role=world.settings.operator_role,
        operators=world.settings.recovery_operators,
    )
    if refused is not None:
        return _refused(refused)
    credential = await record_of(world.store, request["credential_id"])
    if credential is None:  # removed since it was verified, a moment ago
        return _refused(Refusal.CREDENTIAL_GONE)
    confirmation = Confirmation(
        by=confirmed_by,
        at=world.clock().isoformat(),
        credential_id=request["credential_id"],
        public_key=credential.public_key,
        client_data=encode_base64url(response.client_data_json),
        authenticator_data=encode_base64url(response.authenticator_data),
        signature=encode_base64url(response.signature),
    )
    return await _kept(world, request["ceremony_id"], Recovery(details, confirmation))


async def _kept(world: World, ceremony_id: str, recovery: Recovery) -> Json:
    """Create the record; what is there already is our own of a try before, or another confirmation's."""
    with suppress(AlreadyExists):
        await world.store.create(recovery_name(ceremony_id), dump_recovery(recovery))
    found = await find(world.store, ceremony_id)
    if found is None:
        raise KeyError(f"{recovery_name(ceremony_id)} vanished while its ceremony was using it")
    there, _ = found
    # But for the time, and for the ticket that may have been taken meanwhile.
    same_time = replace(recovery.confirmation, at=there.confirmation.at)
    same = (there.details, there.confirmation) == (recovery.details, same_time)
    return {"recorded": True} if same else _refused(Refusal.ALREADY)


def _refused(reason: Refusal) -> Json:
    return {"recorded": False, "reason": reason.value}
