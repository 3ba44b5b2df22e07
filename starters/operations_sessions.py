"""For operators: where anybody is signed in, and ending it, with a reason.

The host checks the function key; who the operator is, their own session says, and a change needs a fresh one.
"""

from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.acts import Act
from passkeys.directory import PERSON_ID
from passkeys.families import by_sid
from passkeys.world import World
from starters.acts import act
from starters.answers import by_method, json_response
from starters.application_sessions import session_views, sid_of
from starters.operations_credentials import reason_of
from starters.problems import RefusedError
from starters.requests import json_object
from starters.sessions import operator_of


async def operations_sessions(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /operations/sessions?person=…: where the person is signed in."""

    async def get() -> HttpResponse:
        await operator_of(world, req, client, fresh=False)
        return await _left(world, _person(req.params.get("person")))

    return await by_method(req, {"GET": get})


async def operations_session_end(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /operations/sessions/{sid}/end: sign its person out of one application."""

    async def post() -> HttpResponse:
        operator = await operator_of(world, req, client, fresh=True)
        reason = reason_of(json_object(req).get("reason"))
        family = await by_sid(world, sid_of(req))
        if family is None:
            raise RefusedError("session_unknown")
        await act(
            world, client, Act.SESSION_REVOKED, None, by=operator.person, reason=reason, session=family.sid
        )
        return await _left(world, family.person)

    return await by_method(req, {"POST": post})


async def operations_sessions_end(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /operations/sessions/end: sign a person out everywhere. Who can still sign in may do so again."""

    async def post() -> HttpResponse:
        operator = await operator_of(world, req, client, fresh=True)
        body = json_object(req)
        reason, person = reason_of(body.get("reason")), _person(body.get("person"))
        await act(
            world,
            client,
            Act.SIGNED_OUT_EVERYWHERE,
            None,
            by=operator.person,
            person=person,
            reason=reason,
            session=None,
        )
        return await _left(world, person)

    return await by_method(req, {"POST": post})


async def _left(world: World, person: str) -> HttpResponse:
    return json_response({"person": person, "sessions": await session_views(world, person)})


def _person(person: object) -> str:
    if not isinstance(person, str) or not PERSON_ID.match(person):
        raise RefusedError("parameter_invalid", "`person` is the id of a person in the directory.")
    return person
