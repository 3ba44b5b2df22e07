"""A person's own passkeys over HTTP: what is shown, what may be changed, by whom; and every way to be refused."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from azure.functions import HttpResponse

from passkeys.credentials import Attestation, StandingState, credential_name, standing_name
from passkeys.holdings import holding_of, holdings_of
from passkeys.response import MAX_CREDENTIAL_ID, encode_base64url
from passkeys.world import World
from starters.credentials import credential, credentials
from starters.problems import PROBLEMS
from tests.starters.administering import Administering
from tests.starters.fakes import AUTHENTICATION, REGISTRATION, body_of, request
from tests.starters.people import ADAS, GRACES, VERIFIER, has_ended, has_passkey, stands
from tests.starters.test_openapi import fits

SECOND = "c2Vjb25k"
BY_ADA = f"Ceremony {AUTHENTICATION}:{VERIFIER}"


@pytest.fixture
async def client(world: World) -> Administering:
    """Ada has two passkeys and has signed in with the first; Grace has one."""
    made = Administering(world=world)
    await has_passkey(world, "ada", ADAS, name="blue key", used=True)
    newer = {"created_at": "2026-01-01T10:00:00+00:00", "backup_eligible": False}
    attestation = Attestation("packed", "basic", chain_verified=True, model_proven=True)
    await has_passkey(world, "ada", SECOND, attestation=attestation, **newer)
    await has_passkey(world, "grace", GRACES)
    has_ended(made, AUTHENTICATION)
    return made


def by(header: str | None, method: str, url: str, body: object = None, found: str | None = None) -> Any:
    headers = {} if header is None else {"authorization": header}
    return request(method, url, body, headers=headers, route={} if found is None else {"id": found})


async def listed(world: World, client: Administering, header: str | None = BY_ADA) -> HttpResponse:
    response = await credentials(world, by(header, "GET", "/credentials"), client)
    fits(response, "/credentials", "get")
    return response


async def removed(
    world: World, client: Administering, found: str, *, query: str = "", header: str | None = BY_ADA
) -> HttpResponse:
    response = await credential(world, by(header, "DELETE", f"/{query}", found=found), client)
    fits(response, "/credentials/{id}", "delete")
    return response


async def renamed(
    world: World, client: Administering, found: str, body: object, *, header: str | None = BY_ADA
) -> HttpResponse:
    response = await credential(world, by(header, "PATCH", "/", body, found=found), client)
    fits(response, "/credentials/{id}", "patch")
    return response


async def test_a_person_sees_their_own_and_no_others(world: World, client: Administering) -> None:
    """Oldest first, with name, model, times, whether it is synced, and which one they are here with."""
    body = body_of(await listed(world, client))
    first, second = body["credentials"]
    assert first == {
        "id": ADAS,
        "name": "blue key",
        "authenticator": {
            "aaguid": "00000000-0000-0000-0000-000000000000",
            "name": None,
            "icon": None,
            "proven": False,
        },
        "createdAt": "2025-12-01T00:00:00.000Z",
        "lastUsedAt": "2026-01-01T11:00:00.000Z",
        "synced": True,
        "backedUp": True,
        "transports": ["internal", "hybrid"],
        "standing": "active",
        "current": True,
    }
    assert (second["id"], second["name"], second["lastUsedAt"], second["current"]) == (
        SECOND,
        None,
        None,
        False,
    )
    assert (second["synced"], second["backedUp"], second["authenticator"]["proven"]) == (False, False, True)
    assert GRACES not in json.dumps(body)


async def test_what_the_page_signals(world: World, client: Administering) -> None:
    """The options of the Signal API's two calls: all that the person holds, disabled ones too, and what they are called."""
    await stands(world.store, SECOND, StandingState.DISABLED)
    signals = body_of(await listed(world, client))["signals"]
    owner = {"rpId": "localhost", "userId": "YWRh"}
    assert signals == {
        "allAcceptedCredentials": {**owner, "allAcceptedCredentialIds": [ADAS, SECOND]},
        "currentUserDetails": {**owner, "name": "ada", "displayName": "Ada Lovelace"},
    }


async def test_a_passkey_is_named(world: World, client: Administering) -> None:
    """The answer is the passkey as it is listed; the name is trimmed; the act is the person's own, on their own."""
    response = await renamed(world, client, SECOND, {"name": "  Büro ☂ ", "person": "grace"})
    assert response.status_code == 200
    assert body_of(response)["name"] == "Büro ☂"
    assert body_of(response) in body_of(await listed(world, client))["credentials"]
    ((_, name, act_id, given),) = client.calls
    assert (name, given["act_id"], given["act"]) == ("administer_credential", act_id, "rename")
    assert (given["person"], given["by"], given["credential_id"]) == ("ada", "ada", SECOND)
    assert [limit["policy"] for limit in given["limits"]] == ["acts"]
    assert "ada" not in json.dumps(given["limits"])
    assert VERIFIER not in json.dumps(given)
    assert [entry["outcome"] for entry in client.entries] == ["completed"]


async def test_a_name_needs_no_fresh_session_and_a_removal_does(world: World, client: Administering) -> None:
    """Names lead nobody in; taking a passkey away is for who has just shown who they are."""
    has_ended(client, AUTHENTICATION, age=400)
    assert (await renamed(world, client, SECOND, {"name": "x"})).status_code == 200
    stale = await removed(world, client, SECOND)
    assert (stale.status_code, body_of(stale)["code"]) == (401, "session_stale")
    assert len(await holdings_of(world.store, "ada")) == 2


async def test_a_passkey_is_removed_with_what_to_signal_then(world: World, client: Administering) -> None:
    """It is gone from the list and from what is signalled; who signed in with it is out."""
    body = body_of(await removed(world, client, ADAS))
    assert body["removed"] == ADAS
    assert body["signals"]["allAcceptedCredentials"]["allAcceptedCredentialIds"] == [SECOND]
    assert (await listed(world, client)).status_code == 401
    has_ended(client, REGISTRATION, credential_id=SECOND)
    header = BY_ADA.replace(AUTHENTICATION, REGISTRATION)
    found = body_of(await listed(world, client, header))["credentials"]
    assert [one["id"] for one in found] == [SECOND]


async def test_the_last_one_goes_only_when_it_is_said(world: World, client: Administering) -> None:
    """409, and it is still there; with confirm=last, nothing is left, and nothing is what is signalled."""
    await removed(world, client, SECOND)
    refused = await removed(world, client, ADAS)
    assert (refused.status_code, body_of(refused)["code"]) == (409, "last_credential")
    assert await holding_of(world.store, "ada", ADAS) is not None
    body = body_of(await removed(world, client, ADAS, query="?confirm=last"))
    assert body["signals"]["allAcceptedCredentials"]["allAcceptedCredentialIds"] == []
    assert await holdings_of(world.store, "ada") == []
    assert [(entry["outcome"], entry["code"]) for entry in client.entries] == [
        ("completed", None),
        ("refused", "last_credential"),
        ("completed", None),
    ]


LONG = encode_base64url(b"x" * (MAX_CREDENTIAL_ID + 1))
NOT_THEIRS = [
    GRACES,
    "AQID",
    "",
    "A",
    "AQ==",
    "a b",
    "../people/x",
    "é",
    LONG,
    "@audit_log@00",
    "AQID\n",
    "%00",
]


@pytest.mark.parametrize("found", NOT_THEIRS, ids=range(len(NOT_THEIRS)))
async def test_anothers_and_unknown_ones_are_alike(world: World, client: Administering, found: str) -> None:
    """One 404, of one body, for PATCH and DELETE; no act is begun, nothing is touched, nothing recorded."""
    answers = [
        await removed(world, client, found),
        await removed(world, client, found, query="?confirm=last"),
        await renamed(world, client, found, {"name": "mine"}),
    ]
    assert {(answer.status_code, answer.get_body()) for answer in answers} == {
        (404, (await removed(world, client, "AQIDBA")).get_body())
    }
    assert client.calls == []
    assert await holding_of(world.store, "grace", GRACES) is not None


async def test_what_a_failed_removal_left_can_be_cleared(world: World, client: Administering) -> None:
    """Tombstone and marker are there, the act that put them is long over: removing it again finishes it."""
    await stands(world.store, SECOND, StandingState.REMOVED)
    assert (await renamed(world, client, SECOND, {"name": "x"})).status_code == 404
    assert (await removed(world, client, SECOND)).status_code == 200
    for name in (credential_name(SECOND), f"people/YWRh/{SECOND}.json"):
        assert await world.store.get(name) is None
    assert await world.store.get(standing_name(SECOND)) is not None
    assert (await removed(world, client, SECOND)).status_code == 404


NAMES = [None, 7, "", " ", "x" * 65, "a\nb", "a\x00", "right\u202eleft", [], {}, True, ["x"]]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_what_is_no_name_is_refused(world: World, client: Administering, name: object) -> None:
    """Text, not too long, and nothing that turns other text around; told before anything is looked up."""
    for body in ({"name": name}, {} if name is None else {"name": name}):
        answer = await renamed(world, client, SECOND, body)
        assert (answer.status_code, body_of(answer)["code"]) == (400, "request_malformed")
    assert client.calls == []


SESSIONS: dict[str, Callable[[Administering], str | None]] = {
    "none": lambda _: None,
    "another's verifier": lambda _: BY_ADA[:-1] + "l",
    "rejected": lambda client: has_ended(client, AUTHENTICATION, "rejected"),
    "expired": lambda client: has_ended(client, AUTHENTICATION, "expired"),
    "too old": lambda client: has_ended(client, AUTHENTICATION, age=901),
    "of a passkey that is not there": lambda client: has_ended(client, AUTHENTICATION, credential_id="AQID"),
    "of a disabled person": lambda client: has_ended(client, AUTHENTICATION, person="mallory"),
}


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS)
async def test_without_a_session_nothing_is_seen_or_changed(
    world: World, client: Administering, session: Callable[[Administering], str | None]
) -> None:
    """401, the same for each reason and each passkey, one's own or not."""
    header = session(client)
    answers = [await listed(world, client, header)]
    for found in (ADAS, GRACES, "AQID"):
        answers.append(await removed(world, client, found, header=header))
        answers.append(await renamed(world, client, found, {"name": "x"}, header=header))
    assert {(answer.status_code, answer.get_body()) for answer in answers} == {(401, answers[0].get_body())}
    assert body_of(answers[0])["code"] == "session_invalid"
    assert client.calls == []


async def test_a_session_to_be_stepped_up_lists_and_removes_and_no_more(
    world: World, client: Administering
) -> None:
    """Its passkey's model has fallen: enough to put things right with, and nothing else."""
    await stands(world.store, ADAS, StandingState.STEP_UP)
    assert [one["standing"] for one in body_of(await listed(world, client))["credentials"]] == [
        "step_up",
        "active",
    ]
    refused = await renamed(world, client, SECOND, {"name": "x"})
    assert (refused.status_code, body_of(refused)["code"]) == (403, "step_up_required")
    assert (await removed(world, client, ADAS)).status_code == 200


@pytest.mark.parametrize(
    ("admits", "stalls", "code"), [(False, False, "rate_limited"), (True, True, "unavailable")]
)
async def test_an_act_that_is_not_made_says_when_to_come_back(
    world: World,
    client: Administering,
    admits: bool,
    stalls: bool,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Too many, or nothing heard in time: 429 or 503, with Retry-After; the passkey is as it was."""
    from starters import acts

    monkeypatch.setattr(acts, "ANSWER_WAIT_SECONDS", 0.05)
    client.admits, client.stalls = admits, stalls
    calls: list[Awaitable[HttpResponse]] = [
        removed(world, client, SECOND),
        renamed(world, client, SECOND, {"name": "x"}),
    ]
    for call in calls:
        answer = await call
        assert (body_of(answer)["code"], answer.status_code) == (code, PROBLEMS[code].status)
        assert answer.headers["Retry-After"] == ("7" if code == "rate_limited" else "1")
    holding = await holding_of(world.store, "ada", SECOND)
    assert holding is not None
    assert holding.marker.name is None


async def test_an_act_that_the_engine_ended_is_unavailable(world: World, client: Administering) -> None:
    """Terminated by an operator, or failed: its text goes nowhere."""

    async def end(world: World, client: Administering, out: object) -> HttpResponse:
        async def ended_by_engine(_: object) -> object:
            return out

        client._run = ended_by_engine  # type: ignore[method-assign,assignment]
        return await removed(world, client, SECOND)

    for out in ("Orchestrator function failed: secret", None, [], {}):
        answer = await end(world, client, out)
        assert (answer.status_code, body_of(answer)["code"]) == (503, "unavailable")
        assert b"secret" not in answer.get_body()


async def test_a_confirmation_of_something_else_is_refused(world: World, client: Administering) -> None:
    """`confirm` has one value."""
    answer = await removed(world, client, ADAS, query="?confirm=yes")
    assert (answer.status_code, body_of(answer)["code"]) == (400, "parameter_invalid")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
async def test_wrong_methods_are_told_the_right_ones(
    world: World, client: Administering, method: str
) -> None:
    """405 with Allow, before the session is looked at."""
    answer = await credential(world, by(None, method, "/", found=ADAS), client)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, PATCH")
    if method not in {"GET", "HEAD"}:
        answer = await credentials(world, by(None, method, "/"), client)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
