"""Operators and other people's passkeys: seen with the reason, disabled and enabled, never without a fresh session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.functions import HttpResponse

from passkeys.credentials import StandingState
from passkeys.world import World
from starters.operations_credentials import (
    operations_credential_disable,
    operations_credential_enable,
    operations_credentials,
)
from tests.starters.administering import Administering
from tests.starters.fakes import AUTHENTICATION, body_of, request
from tests.starters.people import ADAS, GRACES, VERIFIER, has_ended, has_passkey, stands
from tests.starters.test_openapi import fits

BY_GRACE = f"Ceremony {AUTHENTICATION}:{VERIFIER}"


@pytest.fixture
async def client(world: World) -> Administering:
    """Grace, an operator, has signed in; Ada has a passkey."""
    made = Administering(world=world)
    await has_passkey(world, "ada", ADAS)
    await has_passkey(world, "grace", GRACES)
    has_ended(made, AUTHENTICATION, person="grace", credential_id=GRACES)
    return made


async def looked(
    world: World, client: Administering, query: str, header: str | None = BY_GRACE
) -> HttpResponse:
    headers = {} if header is None else {"authorization": header}
    req = request("GET", f"/operations/credentials{query}", headers=headers)
    response = await operations_credentials(world, req, client)
    fits(response, "/operations/credentials", "get")
    return response


async def decided(
    world: World,
    client: Administering,
    verb: str,
    found: str,
    body: object = {"reason": "reported lost"},
    header: str | None = BY_GRACE,
) -> HttpResponse:
    headers = {} if header is None else {"authorization": header}
    function = {"disable": operations_credential_disable, "enable": operations_credential_enable}[verb]
    response = await function(world, request("POST", "/", body, headers=headers, route={"id": found}), client)
    fits(response, f"/operations/credentials/{{id}}/{verb}", "post")
    return response


async def test_operators_see_whose_they_are_and_why_they_stand_so(
    world: World, client: Administering
) -> None:
    """Anybody's, with the decision; of a person who has none, none."""
    await stands(world.store, ADAS, StandingState.STEP_UP)
    body = body_of(await looked(world, client, "?person=ada"))
    (one,) = body["credentials"]
    assert (body["person"], one["person"], one["id"], one["standing"]) == ("ada", "ada", ADAS, "step_up")
    assert one["decision"] == {"reason": "lost", "by": "grace", "at": "2026-01-01T11:30:00.000Z"}
    assert one["current"] is False
    assert body_of(await looked(world, client, "?person=nobody"))["credentials"] == []


async def test_a_passkey_is_disabled_and_enabled_with_a_reason(world: World, client: Administering) -> None:
    """Each is one act, in the operator's name, on whosever it is; the answer is how it stands now."""
    for verb, standing in (("disable", "disabled"), ("enable", "active"), ("disable", "disabled")):
        body = body_of(await decided(world, client, verb, ADAS, {"reason": f" to {verb} it "}))
        assert (body["id"], body["standing"], body["person"]) == (ADAS, standing, "ada")
        assert (body["decision"]["by"], body["decision"]["reason"]) == ("grace", f"to {verb} it")
    assert [(entry["act"], entry["by"], entry["person"], entry["reason"]) for entry in client.entries] == [
        (verb, "grace", "ada", f"to {verb} it") for verb in ("disable", "enable", "disable")
    ]
    (_, _, _, given), *_ = client.calls
    assert (given["person"], given["by"], given["limits"][0]["policy"]) == (None, "grace", "acts")


async def test_what_is_not_there_cannot_be_decided_about(world: World, client: Administering) -> None:
    """Unknown, misspelt and removed ones are 404; no act is recorded for what never was."""
    for found in ("AQID", "", "a b", "../x"):
        assert (await decided(world, client, "disable", found)).status_code == 404
    assert client.calls == []
    await stands(world.store, ADAS, StandingState.REMOVED)
    for verb in ("disable", "enable"):
        assert (await decided(world, client, verb, ADAS)).status_code == 404


NO_OPERATORS: dict[str, tuple[Callable[[Administering], str | None], str]] = {
    "nobody": (lambda _: None, "session_invalid"),
    "a wrong verifier": (lambda _: BY_GRACE[:-1] + "l", "session_invalid"),
    "no operator": (lambda client: has_ended(client, AUTHENTICATION), "operator_required"),
    "a doubtful passkey": (
        lambda client: has_ended(client, AUTHENTICATION, person="grace", credential_id=GRACES, step_up=True),
        "step_up_required",
    ),
    "somebody's passkey": (
        lambda client: has_ended(client, AUTHENTICATION, person="grace", credential_id=ADAS),
        "session_invalid",
    ),
}


@pytest.mark.parametrize(("session", "code"), NO_OPERATORS.values(), ids=NO_OPERATORS)
async def test_only_operators_may(
    world: World, client: Administering, session: Callable[[Administering], str | None], code: str
) -> None:
    """The key alone is not enough: it is the host's, and says nothing of who is asking. No id tells whether it is known."""
    header = session(client)
    answers = [
        await looked(world, client, "?person=ada", header),
        *[await decided(world, client, "disable", found, header=header) for found in (ADAS, GRACES, "AQID")],
    ]
    assert {body_of(answer)["code"] for answer in answers} == {code}
    assert client.calls == []


async def test_looking_needs_a_session_and_deciding_a_fresh_one(world: World, client: Administering) -> None:
    """As for one's own."""
    has_ended(client, AUTHENTICATION, person="grace", credential_id=GRACES, age=301)
    assert (await looked(world, client, "?person=ada")).status_code == 200
    assert body_of(await decided(world, client, "disable", ADAS))["code"] == "session_stale"


REASONS: list[Any] = [
    {},
    {"reason": ""},
    {"reason": " "},
    {"reason": 7},
    {"reason": "x" * 501},
    {"reason": "\U0001f4f1" * 251},
    {"reason": "\u0416" * 490 + "\U0001f4f1" * 6},
    {"reason": "a\nb"},
    {"reason": ["x"]},
]


@pytest.mark.parametrize("body", REASONS, ids=range(len(REASONS)))
async def test_a_reason_is_needed(world: World, client: Administering, body: object) -> None:
    """A text that whoever reads the audit can read."""
    for verb in ("disable", "enable"):
        answer = await decided(world, client, verb, ADAS, body)
        assert (answer.status_code, body_of(answer)["code"]) == (400, "request_malformed")
    assert client.calls == []


@pytest.mark.parametrize("query", ["", "?person=", "?person=a%20b", "?person=../x", "?person=" + "x" * 65])
async def test_a_person_must_be_named(world: World, client: Administering, query: str) -> None:
    """By an id that a directory could have."""
    answer = await looked(world, client, query)
    assert (answer.status_code, body_of(answer)["code"]) == (400, "parameter_invalid")


async def test_a_disabled_operator_is_out_at_once(world: World, client: Administering) -> None:
    """Also by their own hand: the session that disabled its passkey is over."""
    assert (await decided(world, client, "disable", GRACES)).status_code == 200
    assert body_of(await decided(world, client, "enable", GRACES))["code"] == "session_invalid"
