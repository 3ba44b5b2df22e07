"""Where somebody is signed in, over HTTP: what is shown, what may be ended, by whom, and what ends with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.functions import HttpResponse

from passkeys import families
from passkeys.directory import DEMO_PEOPLE, StaticDirectory
from passkeys.families import Opened
from passkeys.family_rows import Family
from passkeys.world import World
from starters.application_sessions import session_of_application, sessions
from starters.ceremonies import registrations
from starters.operations_sessions import (
    operations_session_end,
    operations_sessions,
    operations_sessions_end,
)
from tests.passkeys.test_families import opening
from tests.starters.administering import Administering
from tests.starters.fakes import AUTHENTICATION, NOW, body_of, request
from tests.starters.people import ADAS, GRACES, VERIFIER, has_ended, has_passkey
from tests.starters.test_openapi import fits

GRACES_SIGN_IN = "authentication-" + "7" * 32
BY_ADA = f"Ceremony {AUTHENTICATION}:{VERIFIER}"
BY_GRACE = f"Ceremony {GRACES_SIGN_IN}:{VERIFIER}"
REASON = {"reason": "left their laptop in a train"}


async def signed_in(world: World, number: int, **members: Any) -> Family:
    given = {
        "client_id": "sample",
        "credential_id": ADAS,
        "ceremony_id": f"authentication-{number:032x}",
        "auth_time": NOW - timedelta(minutes=5),
        **members,
    }
    opened = await families.open_family(world, opening(world, **given))
    assert isinstance(opened, Opened)
    return opened.family


@pytest.fixture
async def client(world: World) -> Administering:
    """Ada, and Grace, who is an operator, have each signed in here with their own passkey."""
    made = Administering(world=world)
    await has_passkey(world, "ada", ADAS, name="blue key")
    await has_passkey(world, "grace", GRACES)
    has_ended(made, AUTHENTICATION)
    has_ended(made, GRACES_SIGN_IN, person="grace", credential_id=GRACES)
    return made


def by(header: str, method: str, body: object = None, *, query: str = "", sid: str | None = None) -> Any:
    route = {} if sid is None else {"sid": sid}
    return request(method, f"/{query}", body, headers={"authorization": header}, route=route)


async def listed(world: World, client: Administering, header: str = BY_ADA) -> HttpResponse:
    response = await sessions(world, by(header, "GET"), client)
    fits(response, "/sessions", "get")
    return response


async def ended(world: World, client: Administering, sid: str, header: str = BY_ADA) -> HttpResponse:
    response = await session_of_application(world, by(header, "DELETE", sid=sid), client)
    fits(response, "/sessions/{sid}", "delete")
    return response


async def signed_out(world: World, client: Administering, header: str = BY_ADA) -> HttpResponse:
    response = await sessions(world, by(header, "DELETE"), client)
    fits(response, "/sessions", "delete")
    return response


def ids(response: HttpResponse) -> list[str]:
    return [session["id"] for session in body_of(response)["sessions"]]


async def test_a_person_sees_where_they_are_signed_in(world: World, client: Administering) -> None:
    """By the application's name, when, until when, by which passkey; nobody else's, and nothing that opens anything."""
    family = await signed_in(world, 1)
    await signed_in(world, 2, person="grace", credential_id=GRACES)
    response = await listed(world, client)
    (found,) = body_of(response)["sessions"]
    assert found == {
        "id": family.sid,
        "application": {"id": "sample", "name": world.applications["sample"].name},
        "signedInAt": "2026-01-01T11:55:00.000Z",
        "lastUsedAt": "2026-01-01T12:00:00.000Z",
        "expiresAt": "2026-01-01T13:00:00.000Z",
        "passkey": {"id": ADAS, "name": "blue key"},
        "current": False,
    }
    text = response.get_body().decode()
    assert family.salt.hex() not in text
    assert family.id.holder.hex() not in text


async def test_what_is_not_registered_any_more_is_still_shown(world: World, client: Administering) -> None:
    """An application that has gone from the file, a passkey that has been removed: shown by their ids."""
    await signed_in(world, 1, client_id="old-shop", credential_id="Z29uZQ")
    (found,) = body_of(await listed(world, client))["sessions"]
    assert found["application"] == {"id": "old-shop", "name": "old-shop"}
    assert found["passkey"] == {"id": "Z29uZQ", "name": None}


async def test_one_is_ended_and_recorded(world: World, client: Administering) -> None:
    """What is left is the answer; the audit says which, whose, and by whom; again it is unknown."""
    first, second = await signed_in(world, 1), await signed_in(world, 2)
    assert ids(await ended(world, client, first.sid)) == [second.sid]
    (entry,) = client.entries
    assert (entry["act"], entry["session"], entry["person"], entry["by"]) == (
        "session_revoked",
        first.sid,
        "ada",
        "ada",
    )
    assert (entry["outcome"], entry["sessions"]) == ("completed", [first.sid])
    again = await ended(world, client, first.sid)
    assert (again.status_code, body_of(again)["code"]) == (404, "session_unknown")


async def test_nobody_ends_anothers(world: World, client: Administering) -> None:
    """Somebody else's is as one that does not exist."""
    graces = await signed_in(world, 1, person="grace", credential_id=GRACES)
    answer = await ended(world, client, graces.sid)
    assert (answer.status_code, body_of(answer)["code"]) == (404, "session_unknown")
    assert await families.by_sid(world, graces.sid) is not None


async def test_signed_out_everywhere_is_here_too(world: World, client: Administering) -> None:
    """Applications' sessions, the one that asks, a passkey that somebody is about to add by it; a later sign-in is good."""
    await signed_in(world, 1)
    response = await signed_out(world, client)
    assert (response.status_code, ids(response)) == (200, [])
    ((act, sids),) = [(entry["act"], entry["sessions"]) for entry in client.entries]
    assert (act, len(sids)) == ("signed_out_everywhere", 1)
    assert body_of(await listed(world, client))["code"] == "session_invalid"
    headers = {"authorization": BY_ADA}
    adding = await registrations(world, request("POST", "/", {}, headers=headers), client)
    assert body_of(adding)["code"] == "session_invalid"
    later = replace(world, clock=lambda: NOW + timedelta(seconds=10))
    has_ended(client, AUTHENTICATION, age=-5)
    assert ids(await listed(later, client)) == []


async def test_the_directorys_sign_out_counts_here(world: World, client: Administering) -> None:
    """Sessions that the identity provider has ended since are none here either; a later sign-in is good."""
    for valid_from, code in ((NOW, "session_invalid"), (NOW - timedelta(minutes=1), None)):
        ada = replace(DEMO_PEOPLE["ada"], sessions_valid_from=valid_from)
        told = replace(world, directory=StaticDirectory({"ada": ada}))
        assert body_of(await listed(told, client)).get("code") == code


async def of_ada(world: World, client: Administering, header: str = BY_GRACE) -> HttpResponse:
    response = await operations_sessions(world, by(header, "GET", query="?person=ada"), client)
    fits(response, "/operations/sessions", "get")
    return response


async def test_an_operator_sees_and_ends_with_a_reason(world: World, client: Administering) -> None:
    """One, then all that a person has; the audit has who, whose, and why."""
    first, second = await signed_in(world, 1), await signed_in(world, 2)
    assert set(ids(await of_ada(world, client))) == {first.sid, second.sid}
    one = await operations_session_end(world, by(BY_GRACE, "POST", REASON, sid=first.sid), client)
    fits(one, "/operations/sessions/{sid}/end", "post")
    assert (body_of(one)["person"], ids(one)) == ("ada", [second.sid])
    all_of_them = await operations_sessions_end(
        world, by(BY_GRACE, "POST", {**REASON, "person": "ada"}), client
    )
    fits(all_of_them, "/operations/sessions/end", "post")
    assert ids(all_of_them) == []
    assert [(entry["act"], entry["by"], entry["person"], entry["reason"]) for entry in client.entries] == [
        ("session_revoked", "grace", "ada", REASON["reason"]),
        ("signed_out_everywhere", "grace", "ada", REASON["reason"]),
    ]
    assert body_of(await listed(world, client))["code"] == "session_invalid"


@pytest.mark.parametrize(
    ("header", "body", "sid", "code"),
    [
        (BY_ADA, REASON, "x", "operator_required"),
        (BY_GRACE, {}, "x", "request_malformed"),
        (BY_GRACE, REASON, "x", "session_unknown"),
        (BY_GRACE, REASON, None, "parameter_invalid"),
        (BY_GRACE, {**REASON, "person": "../ada"}, None, "parameter_invalid"),
        (BY_GRACE, {"person": "ada"}, None, "request_malformed"),
    ],
)
async def test_what_an_operator_may_not(
    world: World, client: Administering, header: str, body: object, sid: str | None, code: str
) -> None:
    """Without the role, a reason, a session or a person: refused, and nothing ends."""
    family = await signed_in(world, 1)
    end = operations_sessions_end if sid is None else operations_session_end
    path = "/operations/sessions/end" if sid is None else "/operations/sessions/{sid}/end"
    response = await end(world, by(header, "POST", body, sid=sid), client)
    fits(response, path, "post")
    assert body_of(response)["code"] == code
    assert await families.by_sid(world, family.sid) is not None
    assert client.entries == []
