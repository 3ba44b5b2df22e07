"""A person's own passkeys over HTTP: list them, name one, remove one.

Who is asking is told by a session (starters/sessions.py). Somebody else's passkey and one that does not exist are
alike: a person's marker is looked for under their own name, and what is not there is unknown.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.acts import Act
from passkeys.holdings import Holding, holding_of, holdings_of, is_credential_id, marker_of
from passkeys.world import World
from starters.acts import act
from starters.answers import by_method, json_response
from starters.authenticators import authenticator_view, known_models
from starters.problems import RefusedError
from starters.requests import json_object, one_of
from starters.sessions import full_session_of, session_of
from starters.signals import signals_of
from starters.views import instant

MAX_NAME = 64


async def credentials(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /credentials: the person's passkeys, and what their page should signal."""

    async def get() -> HttpResponse:
        session = await session_of(world, req, client, fresh=False)
        held = await holdings_of(world.store, session.person)
        views = await credential_views(world, held, current=session.credential_id)
        signals = await signals_of(world, session.known, held)
        return json_response({"credentials": views, "signals": signals})

    return await by_method(req, {"GET": get})


async def credential(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """PATCH /credentials/{id}: give it a name. DELETE: remove it, the last one with `?confirm=last`."""

    async def patch() -> HttpResponse:
        session = await full_session_of(world, req, client, fresh=False)
        name = _name(json_object(req).get("name"))
        found = await own_credential_id(world, req, session.person)
        await act(world, client, Act.RENAME, found, by=session.person, person=session.person, name=name)
        holding = await holding_of(world.store, session.person, found)
        if holding is None:  # removed since
            raise RefusedError("credential_unknown")
        (view,) = await credential_views(world, [holding], current=session.credential_id)
        return json_response(view)

    async def delete() -> HttpResponse:
        session = await session_of(world, req, client, fresh=True)
        last = one_of(req, "confirm", ("last",)) is not None
        found = await own_credential_id(world, req, session.person)
        await act(world, client, Act.REMOVE, found, by=session.person, person=session.person, last=last)
        signals = await signals_of(world, session.known, await holdings_of(world.store, session.person))
        return json_response({"removed": found, "signals": signals})

    return await by_method(req, {"PATCH": patch, "DELETE": delete})


async def own_credential_id(world: World, req: HttpRequest, person: str) -> str:
    """The id in the path, if the person has a marker of it. Raises RefusedError(credential_unknown).

    Whether more than the marker is there is for the act to see: also what a removal that failed has left behind.
    """
    found = credential_id(req)
    if await marker_of(world.store, person, found) is None:
        raise RefusedError("credential_unknown")
    return found


def credential_id(req: HttpRequest) -> str:
    """The id in the path, if it can be one. Raises RefusedError(credential_unknown)."""
    found: str = req.route_params.get("id", "")
    if not is_credential_id(found):
        raise RefusedError("credential_unknown")
    return found


async def credential_views(
    world: World, held: Sequence[Holding], *, current: str | None
) -> list[dict[str, Any]]:
    """Each as its person sees it; `current` is the one that they have signed in with."""
    known = await known_models(world, {holding.record.aaguid for holding in held})
    return [
        {
            "id": holding.record.credential_id,
            "name": holding.marker.name,
            "authenticator": authenticator_view(
                holding.record.aaguid,
                known.get(holding.record.aaguid),
                proven=holding.record.attestation.model_proven,
            ),
            "createdAt": stored_instant(holding.record.created_at),
            "lastUsedAt": None if holding.usage is None else stored_instant(holding.usage.last_used_at),
            "synced": holding.record.backup_eligible,
            "backedUp": holding.record.backup_state if holding.usage is None else holding.usage.backup_state,
            "transports": list(holding.record.transports),
            "standing": holding.state,
            "current": holding.record.credential_id == current,
        }
        for holding in held
    ]


def _name(name: object) -> str:
    """What the person calls their passkey. Raises RefusedError.

    Printable alone: a name is shown among others, and must not be able to turn their text around.
    """
    text = name.strip() if isinstance(name, str) else ""
    if not 1 <= len(text) <= MAX_NAME or not text.isprintable():
        raise RefusedError("request_malformed", f"`name` is a text of 1 to {MAX_NAME} printable characters.")
    return text


def stored_instant(text: str) -> str | None:
    """A time as the store has it, as the API tells times."""
    return instant(datetime.fromisoformat(text))
