"""Recoveries over HTTP: who may start one, for whom, and what the orchestrator gets; who takes its ticket."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from passkeys.credentials import StandingState
from passkeys.directory import DEMO_PEOPLE, StaticDirectory
from passkeys.errors import DirectoryUnavailable
from passkeys.world import World
from starters.operations_recoveries import operations_recoveries
from tests.orchestrators.scenarios import request as scenario_request
from tests.starters import fakes
from tests.starters.fakes import AUTHENTICATION, FakeClient, body_of, ended, request
from tests.starters.people import ADAS, CHALLENGE, GRACES, VERIFIER, has_ended, has_passkey, stands

KATHERINES = "a2F0aGVyaW5l"
REASON = "lost her phone; I have seen her badge"
ASKED = {"person": "ada", "reason": REASON, "code_challenge": CHALLENGE}


@pytest.fixture(autouse=True)
async def people(world: World) -> None:
    for person, credential_id in (("ada", ADAS), ("grace", GRACES), ("katherine", KATHERINES)):
        await has_passkey(world, person, credential_id)


def by_grace(client: FakeClient, *, age: float = 5) -> str:
    return has_ended(client, AUTHENTICATION, person="grace", credential_id=GRACES, age=age)


async def start(world: World, client: FakeClient, header: str | None, body: Any = ASKED) -> Any:
    headers = {} if header is None else {"authorization": header}
    return await operations_recoveries(
        world, request("POST", "/operations/recoveries", body, headers=headers), client
    )


async def test_an_operator_starts_a_recovery(world: World, client: FakeClient) -> None:
    """202 like any start; the input says what is to be confirmed and who asks, and nobody's secret."""
    answer = await start(world, client, by_grace(client))
    body = body_of(answer)
    assert (answer.status_code, body["kind"]) == (202, "recovery")
    assert body["id"].startswith("recovery-")
    ((_, name, started, given),) = client.calls
    assert (name, started, given["kind"]) == ("recover_account", body["id"], "recovery")
    assert set(given) == set(scenario_request("recovery"))
    assert given["details"] == {
        "person": "ada",
        "display_name": "Ada Lovelace",
        "reason": REASON,
        "started_by": "grace",
    }
    # Of the confirming operator nothing is known yet: their claims are found by the passkey that they answer with.
    assert (given["person"], given["ticket"]) == (None, None)
    assert (given["code_challenge"], given["deadline_seconds"]) == (CHALLENGE, 900)
    assert VERIFIER not in json.dumps(given)


async def test_a_recovery_is_limited_by_who_starts_it_and_by_whom_it_is_for(
    world: World, client: FakeClient
) -> None:
    """Both beside network and all; under keys that name nobody; and apart from the person's own registrations."""
    await start(world, client, by_grace(client))
    ((*_, given),) = client.calls
    assert [limit["policy"] for limit in given["limits"]] == [
        "recovery-by",
        "recovery-of",
        "network",
        "global",
    ]
    by, of, *_ = given["limits"]
    assert by["key"] != of["key"]
    assert (by["capacity"], by["refill_seconds"]) == (of["capacity"], of["refill_seconds"]) == (10, 3600)
    assert "ada" not in json.dumps(given["limits"])


async def code_of(*args: Any) -> str:
    return str(body_of(await start(*args)).get("code"))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**ASKED, "person": None},
        {**ASKED, "person": ""},
        {**ASKED, "person": ["ada"]},
        {**ASKED, "person": "../ada"},
        {**ASKED, "person": "a" * 65},
        {**ASKED, "person": "grace"},  # herself
        {**ASKED, "reason": ""},
        {**ASKED, "reason": "  "},
        {**ASKED, "reason": None},
        {**ASKED, "reason": "x" * 501},
        {**ASKED, "reason": "two\nlines"},
        {**ASKED, "reason": "for \u202egrace"},  # written backwards from here: shown is not what is meant
        {**ASKED, "code_challenge": None},
        {**ASKED, "code_challenge": "x"},
        {**ASKED, "code_challenge": VERIFIER + VERIFIER},
        {name: value for name, value in ASKED.items() if name != "code_challenge"},
    ],
    ids=str,
)
async def test_what_cannot_be_confirmed_is_not_started(world: World, client: FakeClient, body: Any) -> None:
    """A person of another shape, or oneself; no reason, or one that cannot be shown; no proof key."""
    assert await code_of(world, client, by_grace(client), body) == "request_malformed"
    assert client.calls == []


async def test_only_somebody_who_may_sign_in_is_recovered(world: World, client: FakeClient) -> None:
    """Unknown to the directory, or disabled there: no passkey would help them."""
    for person in ("nobody", "mallory"):
        assert await code_of(world, client, by_grace(client), {**ASKED, "person": person}) == "person_unknown"
    assert client.calls == []


async def test_a_directory_that_cannot_be_asked_stops_it(world: World, client: FakeClient) -> None:
    """503, and when to come back; nothing is started."""
    header = by_grace(client)

    class Partly:
        async def find(self, person: str) -> Any:
            if person == "ada":
                raise DirectoryUnavailable("the test says so")
            return DEMO_PEOPLE[person]

    answer = await start(replace(world, directory=Partly()), client, header)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert client.calls == []


async def test_only_an_operator_in_a_fresh_session_starts_one(world: World, client: FakeClient) -> None:
    """Nobody without a session; not an ordinary person; not a stale session; not by a passkey to be stepped up."""
    assert await code_of(world, client, None) == "session_invalid"
    assert await code_of(world, client, has_ended(client, AUTHENTICATION)) == "operator_required"
    assert await code_of(world, client, by_grace(client, age=301)) == "session_stale"
    assert await code_of(world, client, by_grace(client, age=901)) == "session_invalid"
    fired = {**DEMO_PEOPLE, "grace": replace(DEMO_PEOPLE["grace"], claims={})}
    without = replace(world, directory=StaticDirectory(MappingProxyType(fired)))
    assert await code_of(without, client, by_grace(client)) == "operator_required"
    await stands(world.store, GRACES, StandingState.STEP_UP)
    assert await code_of(world, client, by_grace(client)) == "step_up_required"
    assert client.calls == []


async def test_a_recovery_is_no_session(world: World, client: FakeClient) -> None:
    """Its output names who confirmed, its verifier is the starter's: together they would be the other operator."""
    mixed = has_ended(client, RECOVERY, person="katherine", credential_id=KATHERINES)
    assert await code_of(world, client, mixed) == "session_invalid"


RECOVERY = "recovery-" + "4" * 32


async def test_a_refused_start_is_told(world: World, client: FakeClient) -> None:
    """The limiter's no, with the time to wait."""
    header = by_grace(client)
    client.on_start = lambda found: ended(found, "rate_limited", retry_after_seconds=7)
    answer = await start(world, client, header)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


async def test_a_long_name_does_not_push_the_reason_off_the_record(
    tmp_path: Path, client: FakeClient
) -> None:
    """What is shown and audited is bounded, whatever the directory holds and whatever the reason is written in."""
    from orchestrators.ceremony import MAX_FACTS, MAX_OPTIONS
    from passkeys.audit import canonical

    world = fakes.world(tmp_path / "other")
    await has_passkey(world, "grace", GRACES)
    long = {**DEMO_PEOPLE, "ada": replace(DEMO_PEOPLE["ada"], display_name="\U0001f469" * 5000)}
    world = replace(world, directory=StaticDirectory(MappingProxyType(long)))
    answer = await start(world, client, by_grace(client), {**ASKED, "reason": "\U0001f4f1" * 500})
    assert answer.status_code == 202
    ((*_, given),) = client.calls
    details = given["details"]
    assert len(details["display_name"]) == 64
    assert len(canonical({"details": details})) < MAX_FACTS
    assert len(json.dumps(details)) < MAX_OPTIONS - 500
    world.store.close()  # type: ignore[attr-defined]
