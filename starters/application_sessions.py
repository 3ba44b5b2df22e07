"""Where a person is signed in: their sessions with applications over HTTP, to list and to end, one or all.

A session with an application is a family of refresh tokens (passkeys/families.py), by the `sid` of its access tokens. Who is
asking is told by a session of ours (starters/sessions.py), which an end of all ends, too. To end takes no fresh sign-in:
whoever has lost a device is in a hurry, and an end gives nobody anything.
"""

from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.acts import Act
from passkeys.families import list_families
from passkeys.family_rows import Family
from passkeys.holdings import marker_of
from passkeys.world import World
from starters.acts import act
from starters.answers import by_method, json_response
from starters.sessions import session_of
from starters.views import instant

MAX_SID = 64


async def sessions(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /sessions: the person's living sessions. DELETE: sign out everywhere, here too."""

    async def get() -> HttpResponse:
        session = await session_of(world, req, client, fresh=False)
        return json_response(
            {"sessions": await session_views(world, session.person, current=session.ceremony_id)}
        )

    async def delete() -> HttpResponse:
        session = await session_of(world, req, client, fresh=False)
        person = session.person
        await act(world, client, Act.SIGNED_OUT_EVERYWHERE, None, by=person, person=person, session=None)
        return json_response({"sessions": await session_views(world, person)})

    return await by_method(req, {"GET": get, "DELETE": delete})


async def session_of_application(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """DELETE /sessions/{sid}: sign out of one application."""

    async def delete() -> HttpResponse:
        session = await session_of(world, req, client, fresh=False)
        person = session.person
        await act(world, client, Act.SESSION_REVOKED, None, by=person, person=person, session=sid_of(req))
        return json_response({"sessions": await session_views(world, person, current=session.ceremony_id)})

    return await by_method(req, {"DELETE": delete})


def sid_of(req: HttpRequest) -> str:
    """The id in the path, cut so that no more than an id can have goes on: what is none is unknown."""
    return str(req.route_params.get("sid", ""))[:MAX_SID]


async def session_views(world: World, person: str, *, current: str | None = None) -> list[dict[str, Any]]:
    """Each as its person sees it; `current`: the ceremony that asks. Another passkey than a person's own has no name."""
    living = await list_families(world, person)
    names = {}
    for credential_id in {family.credential_id for family in living}:
        marker = await marker_of(world.store, person, credential_id)
        names[credential_id] = None if marker is None else marker.name
    return [_view(world, family, names[family.credential_id], current) for family in living]


def _view(world: World, family: Family, passkey: str | None, current: str | None) -> dict[str, Any]:
    application = world.applications.get(family.client_id)
    return {
        "id": family.sid,
        "application": {
            "id": family.client_id,
            "name": family.client_id if application is None else application.name,  # no longer registered
        },
        "signedInAt": instant(family.auth_time),
        "lastUsedAt": instant(family.last_used_at),
        "expiresAt": instant(family.ends_at),
        "passkey": {"id": family.credential_id, "name": passkey},
        "current": family.ceremony_id == current,
    }
