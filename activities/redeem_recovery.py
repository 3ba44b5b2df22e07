"""Redeem a confirmed recovery for its one enrolment ticket."""

from contextlib import suppress
from dataclasses import replace

from activities.retries import Json, retried
from passkeys.errors import AlreadyExists, Changed
from passkeys.recoveries import (
    Recovery,
    TicketIssued,
    Unredeemable,
    dump_recovery,
    find,
    recovery_name,
    redeemable,
)
from passkeys.tickets import Ticket, keep_ticket
from passkeys.world import World


@retried
async def redeem_recovery(world: World, request: Json) -> Json:
    """Write the ticket whose secret has this digest into the recovery, and then among the tickets; once.

    request: {"act_id", "recovery": its ceremony's id, "ticket": digest, "expires_at", "by"}; result: {"changed": true, "person", "reason":
    null} or {"changed": false, "person": id | null, "reason": a code of passkeys.recoveries.Unredeemable}.

    The recovery comes first: of two acts at once it is one's, and what has no place in it never becomes a ticket. Run
    again after a crash between the two, the same act goes on where it was, however late.
    """
    while True:
        found = await find(world.store, request["recovery"])
        if found is None:
            return _refused(None, Unredeemable.UNKNOWN)
        recovery, etag = found
        if recovery.ticket is not None and recovery.ticket.act_id == request["act_id"]:
            break
        refusal = redeemable(
            recovery, by=request["by"], now=world.clock(), seconds=world.settings.recovery_seconds
        )
        if refusal is not None:
            return _refused(recovery, refusal)
        recovery = replace(
            recovery,
            ticket=TicketIssued(
                digest=request["ticket"],
                act_id=request["act_id"],
                issued_at=world.clock().isoformat(),
                expires_at=request["expires_at"],
            ),
        )
        # Taken meanwhile, or kept and reported failed: the next look says by which act. Written but once, so this ends.
        with suppress(Changed):
            await world.store.replace(recovery_name(request["recovery"]), dump_recovery(recovery), etag=etag)
    await _issue(world, request["recovery"], recovery)
    return {"changed": True, "person": recovery.details.person, "reason": None}


async def _issue(world: World, ceremony_id: str, recovery: Recovery) -> None:
    """Keep the ticket that the recovery names; one that is there is our own, of a try before, and perhaps used by now."""
    issued = recovery.ticket
    assert issued is not None  # the caller has seen to it
    ticket = Ticket(
        person=recovery.details.person,
        issued_at=issued.issued_at,
        expires_at=issued.expires_at,
        used_by=None,
        recovery=ceremony_id,
    )
    with suppress(AlreadyExists):
        await keep_ticket(world.store, issued.digest, ticket)


def _refused(recovery: Recovery | None, reason: Unredeemable) -> Json:
    return {
        "changed": False,
        "person": None if recovery is None else recovery.details.person,
        "reason": reason.value,
    }
