"""For operators: let a person who has lost their passkeys enrol anew, with the word of another operator.

The host checks the function key; who the operator is, their own session says, and it must be fresh.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.ceremony import Kind
from passkeys.directory import PERSON_ID, Person, PersonStatus
from passkeys.errors import DirectoryUnavailable
from passkeys.recoveries import MAX_DISPLAY_NAME, Details
from passkeys.world import World
from starters.answers import by_method
from starters.ceremonies import code_challenge_of, start_ceremony
from starters.limits import recovery_limits
from starters.operations_credentials import reason_of
from starters.problems import RefusedError
from starters.requests import json_object
from starters.sessions import operator_of
from starters.views import RETRY_AFTER_SECONDS


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
