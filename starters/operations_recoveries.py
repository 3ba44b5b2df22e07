"""For operators: let a person who has lost their passkeys enrol anew, with the word of another operator.

The host checks the function key; who the operator is, their own session says, and it must be fresh.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.acts import Act
from passkeys.ceremony import Kind, Outcome, kind_of
from passkeys.directory import PERSON_ID, Person, PersonStatus
from passkeys.errors import DirectoryUnavailable, StoreUnavailable
from passkeys.proof import CODE_VERIFIER, proves
from passkeys.recoveries import MAX_DISPLAY_NAME, Details, Recovery, find, redeemable
from passkeys.tickets import digest_of, link_of, new_secret
from passkeys.world import World
from starters.acts import act
from starters.answers import RETRY_AFTER_SECONDS, by_method, json_response
from starters.ceremonies import code_challenge_of, start_ceremony
from starters.limits import recovery_limits
from starters.operations_credentials import reason_of
from starters.problems import RefusedError
from starters.requests import ceremony_id, json_object
from starters.sessions import operator_of
from starters.views import output_of
from starters.waiting import is_finished


async def operations_recoveries(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /operations/recoveries: start a recovery, for another operator to confirm."""

    async def post() -> HttpResponse:
        operator = await operator_of(world, req, client, fresh=True)
        body = json_object(req)
        reason, code_challenge = reason_of(body.get("reason")), code_challenge_of(body)
        if code_challenge is None:
            raise RefusedError(
                "request_malformed", "`code_challenge` is needed: the ticket is for who proves it."
            )
        person = await _person(world, body)
        if person.id == operator.person:
            raise RefusedError(
                "request_malformed", "`person` is somebody else. Whoever has a session adds a passkey in it."
            )
        details = Details(
            person=person.id,
            display_name=person.display_name[:MAX_DISPLAY_NAME],
            reason=reason,
            started_by=operator.person,
        )
        return await start_ceremony(
            world,
            req,
            client,
            Kind.RECOVERY,
            code_challenge=code_challenge,
            details=asdict(details),
            limits=recovery_limits(world.settings, by=operator.person, person=person.id),
            deadline_seconds=world.settings.recovery_seconds,
        )

    return await by_method(req, {"POST": post})


async def operations_recovery_ticket(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /operations/recoveries/{id}/ticket: the enrolment ticket of a confirmed recovery, for who started it, once.

    The secret is made here, and leaves in the answer alone. What is kept of it, and what passes through the task hub, is
    its digest; who loses the answer, to a crash or a slow act, starts another recovery.
    """

    async def post() -> HttpResponse:
        operator = await operator_of(world, req, client, fresh=True)
        code_verifier = json_object(req).get("code_verifier")
        if not isinstance(code_verifier, str) or not CODE_VERIFIER.match(code_verifier):
            raise RefusedError(
                "request_malformed", "`code_verifier` is what the start's `code_challenge` was made of."
            )
        found = _recovery_id(req)
        code_challenge = await _challenge_of_confirmed(client, found)
        recovery = await _recorded(world, found)
        # Neither the operator nor their client alone: both as they were at the start.
        if not proves(code_verifier, code_challenge):
            raise RefusedError("recovery_not_yours")
        now, seconds = world.clock(), world.settings.recovery_seconds
        refusal = redeemable(recovery, by=operator.person, now=now, seconds=seconds)
        if refusal is not None:
            raise RefusedError(refusal.value)
        secret, expires_at = new_secret(world.random_bytes), (now + timedelta(seconds=seconds)).isoformat()
        await act(
            world,
            client,
            Act.RECOVERY_TICKET_ISSUED,
            None,
            by=operator.person,
            person=recovery.details.person,
            recovery=found,
            ticket=digest_of(secret),
            expires_at=expires_at,
        )
        # Nothing is asked for any more: from here on the ticket exists, and only this answer has it.
        link = link_of(secret, origin=world.settings.origins[0])
        return json_response({"ticket": secret, "link": link, "expiresAt": expires_at})

    return await by_method(req, {"POST": post})


async def _recorded(world: World, found: str) -> Recovery:
    """What was recorded of a confirmed recovery. Raises RefusedError."""
    try:
        recorded = await find(world.store, found)
    except StoreUnavailable:
        raise RefusedError("unavailable", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}) from None
    if recorded is None:
        raise RefusedError("recovery_not_confirmed")
    recovery, _ = recorded
    return recovery


def _recovery_id(req: HttpRequest) -> str:
    """The id in the path. Raises RefusedError(ceremony_unknown) for anything that is no recovery's."""
    found = ceremony_id(req)
    if kind_of(found) is not Kind.RECOVERY:
        raise RefusedError("ceremony_unknown")
    return found


async def _challenge_of_confirmed(client: Any, found: str) -> str | None:
    """The proof key's challenge of a recovery that was confirmed. Raises RefusedError."""
    status = await client.get_status(found)
    if not status:
        raise RefusedError("ceremony_unknown")
    output = output_of(found, status) if is_finished(status) else {}
    if output.get("outcome") != Outcome.COMPLETED:
        raise RefusedError("recovery_not_confirmed")
    code_challenge: str | None = output.get("code_challenge")
    return code_challenge


async def _person(world: World, body: Mapping[str, Any]) -> Person:
    """Who is to be recovered, as the directory tells them now. Raises RefusedError."""
    person = body.get("person")
    if not isinstance(person, str) or not PERSON_ID.match(person):
        raise RefusedError("request_malformed", "`person` is the id of a person in the directory.")
    try:
        known = await world.directory.find(person)
    except DirectoryUnavailable:
        raise RefusedError("unavailable", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}) from None
    if known is None or known.status is not PersonStatus.ACTIVE:
        raise RefusedError("person_unknown")
    return known
