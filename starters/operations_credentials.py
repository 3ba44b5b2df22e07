"""For operators: anybody's passkeys, and taking one out of use or back into it, with a reason.

The host checks the function key; who the operator is, their own session says, and a change needs a fresh one.
"""

import json
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.acts import Act
from passkeys.directory import PERSON_ID
from passkeys.holdings import Holding, holding_of, holdings_of, record_of
from passkeys.world import World
from starters.acts import act
from starters.answers import by_method, json_response
from starters.credentials import credential_id, credential_views, stored_instant
from starters.problems import RefusedError
from starters.requests import json_object
from starters.sessions import operator_of

MAX_REASON = 500
# As JSON, in which it travels through the custom status, where the options of its ceremony need their room, too: 500
# letters of any script fit; of what lies beyond the Basic Multilingual Plane, such as emoji, half as many.
MAX_REASON_JSON = 6 * MAX_REASON + 2


async def operations_credentials(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /operations/credentials?person=…: the person's passkeys, and what has been decided about each, by whom."""

    async def get() -> HttpResponse:
        await operator_of(world, req, client, fresh=False)
        person = req.params.get("person", "")
        if not PERSON_ID.match(person):
            raise RefusedError("parameter_invalid", "`person` is the id of a person in the directory.")
        held = await holdings_of(world.store, person)
        return json_response({"person": person, "credentials": await _views(world, held)})

    return await by_method(req, {"GET": get})


async def operations_credential_disable(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /operations/credentials/{id}/disable: from now on it is refused, and its sessions are over."""
    return await by_method(req, {"POST": lambda: _decide(world, req, client, Act.DISABLE)})


async def operations_credential_enable(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /operations/credentials/{id}/enable: it may be used again."""
    return await by_method(req, {"POST": lambda: _decide(world, req, client, Act.ENABLE)})


async def _decide(world: World, req: HttpRequest, client: Any, verb: Act) -> HttpResponse:
    operator = await operator_of(world, req, client, fresh=True)
    reason = reason_of(json_object(req).get("reason"))
    found = credential_id(req)
    record = await record_of(world.store, found)
    if record is None:
        raise RefusedError("credential_unknown")
    await act(world, client, verb, found, by=operator.person, reason=reason)
    holding = await holding_of(world.store, record.person, found)
    if holding is None:  # removed since
        raise RefusedError("credential_unknown")
    (view,) = await _views(world, [holding])
    return json_response(view)


async def _views(world: World, held: list[Holding]) -> list[dict[str, Any]]:
    """As its person sees it, with whose it is, and why it stands as it does."""
    views = await credential_views(world, held, current=None)
    return [{**view, **_decision(holding)} for view, holding in zip(views, held, strict=True)]


def _decision(holding: Holding) -> dict[str, Any]:
    standing = holding.standing
    decided = standing is not None and (standing.by is not None or standing.reason is not None)
    return {
        "person": holding.record.person,
        "decision": {"reason": standing.reason, "by": standing.by, "at": stored_instant(standing.at)}
        if standing is not None and decided
        else None,
    }


def reason_of(reason: object) -> str:
    """Why an operator does something, for those who read the audit. Raises RefusedError."""
    text = reason.strip() if isinstance(reason, str) else ""
    if not 1 <= len(text) <= MAX_REASON or not text.isprintable():
        raise RefusedError(
            "request_malformed", f"`reason` is a text of 1 to {MAX_REASON} printable characters."
        )
    if len(json.dumps(text)) > MAX_REASON_JSON:
        raise RefusedError(
            "request_malformed",
            f"`reason` is too long: as JSON in ASCII it has at most {MAX_REASON_JSON} characters, and an emoji takes 12.",
        )
    return text
