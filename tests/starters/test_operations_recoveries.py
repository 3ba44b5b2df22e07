"""Recoveries over HTTP: who may start one, for whom, and what the orchestrator gets; who takes its ticket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from passkeys.credentials import StandingState
from passkeys.directory import DEMO_PEOPLE, StaticDirectory
from passkeys.errors import DirectoryUnavailable, StoreUnavailable
from passkeys.proof import challenge_of
from passkeys.recoveries import Confirmation, Details, Recovery, dump_recovery, find, recovery_name
from passkeys.tickets import digest_of, find_ticket
from passkeys.world import World
from starters.ceremonies import registrations
from starters.operations_recoveries import operations_recoveries, operations_recovery_ticket
from tests.orchestrators.scenarios import request as scenario_request
from tests.starters import fakes
from tests.starters.administering import Administering
from tests.starters.fakes import AUTHENTICATION, WAITING, FakeClient, body_of, ended, instance, request
from tests.starters.people import ADAS, CHALLENGE, GRACES, VERIFIER, has_ended, has_passkey, stands
from tests.starters.test_openapi import fits

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
    answer = await operations_recoveries(
        world, request("POST", "/operations/recoveries", body, headers=headers), client
    )
    fits(answer, "/operations/recoveries", "post")
    return answer


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
    for reason in ("\U0001f4f1" * 250, "\u0416" * 500, '"' * 500):
        answer = await start(world, client, by_grace(client), {**ASKED, "reason": reason})
        assert answer.status_code == 202
        *_, (*_, given) = client.calls
        details = given["details"]
        assert (len(details["display_name"]), details["reason"]) == (64, reason)
        assert len(canonical({"details": details})) < MAX_FACTS
        assert len(json.dumps(details)) < MAX_OPTIONS - 3_000
    started = len(client.calls)
    answer = await start(world, client, by_grace(client), {**ASKED, "reason": "\U0001f4f1" * 251})
    assert (answer.status_code, body_of(answer)["code"]) == (400, "request_malformed")
    assert "emoji" in body_of(answer)["detail"]
    assert len(client.calls) == started
    world.store.close()  # type: ignore[attr-defined]


# -- the ticket ------------------------------------------------------------------------------------------------------

CONFIRMED = Recovery(
    Details("ada", "Ada Lovelace", REASON, "grace"),
    Confirmation("katherine", fakes.NOW.isoformat(), KATHERINES, "oA", "e30", "AA", "AA"),
)
# The recovery was started with a proof key of its own, not with that of the session.
RECOVERY_VERIFIER = "recovery-verifier-" + "x" * 30
RIGHT = {"code_verifier": RECOVERY_VERIFIER}


@pytest.fixture
def acting(world: World) -> Administering:
    """A task hub in which Grace has a session, and her recovery of Ada was confirmed a moment ago."""
    client = Administering(world=world)
    is_confirmed(client)
    return client


@pytest.fixture
async def recorded(world: World) -> None:
    await world.store.create(recovery_name(RECOVERY), dump_recovery(CONFIRMED))


def is_confirmed(client: FakeClient, outcome: str = "completed", **members: Any) -> None:
    challenge = {"code_challenge": challenge_of(RECOVERY_VERIFIER), **members}
    has_ended(client, RECOVERY, outcome, person="katherine", credential_id=KATHERINES, **challenge)


async def take(
    world: World, client: FakeClient, header: str | None, body: Any = RIGHT, found: str = RECOVERY
) -> Any:
    headers = {} if header is None else {"authorization": header}
    path, route = f"/operations/recoveries/{found}/ticket", {"id": found}
    answer = await operations_recovery_ticket(
        world, request("POST", path, body, headers=headers, route=route), client
    )
    fits(answer, "/operations/recoveries/{id}/ticket", "post")
    return answer


async def refusal_of(*args: Any) -> str:
    return str(body_of(await take(*args)).get("code"))


async def tickets(world: World) -> list[str]:
    return [name async for name in world.store.list("tickets/")]


async def test_who_started_it_takes_the_ticket(world: World, acting: Administering, recorded: None) -> None:
    """The secret, the link and its end, in this one answer; a ticket for the person that names the recovery; one entry."""
    answer = await take(world, acting, by_grace(acting))
    body = body_of(answer)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert body["link"] == f"http://localhost:7071/#ticket={body['ticket']}"
    assert body["expiresAt"] == "2026-01-01T12:15:00+00:00"
    ticket = await find_ticket(world.store, digest_of(body["ticket"]), now=fakes.NOW)
    assert ticket is not None
    assert (ticket.person, ticket.recovery) == ("ada", RECOVERY)
    (entry,) = acting.entries
    assert {name: entry[name] for name in ("act", "by", "person", "recovery", "outcome")} == {
        "act": "recovery_ticket_issued",
        "by": "grace",
        "person": "ada",
        "recovery": RECOVERY,
        "outcome": "completed",
    }
    for secret in (body["ticket"], RECOVERY_VERIFIER):
        assert secret not in json.dumps([acting.calls, acting.entries, acting.instances])


async def test_the_ticket_is_shown_once(world: World, acting: Administering, recorded: None) -> None:
    """Taken again, by the same operator with the same verifier: 409, no other ticket, nothing more on the record."""
    header = by_grace(acting)
    assert (await take(world, acting, header)).status_code == 200
    for _ in range(3):
        assert await refusal_of(world, acting, header) == "ticket_shown"
    assert len(await tickets(world)) == len(acting.entries) == 1


async def test_two_calls_at_once_get_one_ticket(world: World, recorded: None) -> None:
    """Both have looked before either took it: one is shown a ticket, the other is refused, and both are on the record."""

    class Slow(Administering):
        async def start_new(self, *args: Any, **kwargs: Any) -> str:
            for _ in range(20):  # both calls have come this far before either act begins
                await asyncio.sleep(0)
            return await super().start_new(*args, **kwargs)

    client = Slow(world=world)
    is_confirmed(client)
    header = by_grace(client)
    answers = await asyncio.gather(*(take(world, client, header) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await tickets(world)) == 1
    assert sorted(entry["outcome"] for entry in client.entries) == ["completed", "refused"]


async def test_nobody_else_takes_it(world: World, acting: Administering, recorded: None) -> None:
    """Not who confirmed it, though they know the id and have the verifier; not the person; not without a session."""
    katherine = has_ended(acting, OTHER, person="katherine", credential_id=KATHERINES)
    assert await refusal_of(world, acting, katherine) == "recovery_not_yours"
    ada = has_ended(acting, OTHER)
    assert await refusal_of(world, acting, ada) == "operator_required"
    assert await refusal_of(world, acting, None) == "session_invalid"
    mixed = f"Ceremony {RECOVERY}:{RECOVERY_VERIFIER}"
    assert await refusal_of(world, acting, mixed) == "session_invalid"
    assert (await tickets(world), acting.entries) == ([], [])


OTHER = "authentication-" + "5" * 32


@pytest.mark.parametrize("wrong", [VERIFIER, "y" * 43, challenge_of(RECOVERY_VERIFIER)])
async def test_the_session_alone_is_not_enough(
    world: World, acting: Administering, recorded: None, wrong: str
) -> None:
    """Nor that of the session: whoever sits down at the operator's other machine has no part in it."""
    header = by_grace(acting)
    assert await refusal_of(world, acting, header, {"code_verifier": wrong}) == "recovery_not_yours"
    assert await tickets(world) == []


@pytest.mark.parametrize(
    "body",
    [{}, {"code_verifier": None}, {"code_verifier": 7}, {"code_verifier": "x" * 42}, {"code_verifier": "x" * 129},
     {"code_verifier": "ü" * 43}, {"code_verifier": ["x" * 43]}, {"code_verifier": RECOVERY_VERIFIER + "\n"}],
    ids=str,
)  # fmt: skip
async def test_what_is_no_verifier_is_the_callers_mistake(
    world: World, acting: Administering, recorded: None, body: Any
) -> None:
    """400, whatever it is."""
    assert await refusal_of(world, acting, by_grace(acting), body) == "request_malformed"


@pytest.mark.parametrize("outcome", ["rejected", "refused", "rate_limited", "expired", "canceled", "failed"])
async def test_a_recovery_that_ended_otherwise_has_no_ticket(
    world: World, acting: Administering, recorded: None, outcome: str
) -> None:
    """Also where a record was left: by a recording that was kept and reported failed."""
    is_confirmed(acting, outcome)
    assert await refusal_of(world, acting, by_grace(acting)) == "recovery_not_confirmed"
    assert await tickets(world) == []


async def test_a_recovery_that_waits_has_no_ticket(world: World, acting: Administering) -> None:
    """Nobody has confirmed it; or it ended and nothing was recorded; or the engine ended it."""
    assert await refusal_of(world, acting, by_grace(acting)) == "recovery_not_confirmed"
    for found in (
        instance(RECOVERY, custom=WAITING),
        instance(RECOVERY, "Terminated", out="because"),
        instance(RECOVERY, "Failed", out="Orchestrator function failed"),
    ):
        acting.instances[RECOVERY] = found
        assert await refusal_of(world, acting, by_grace(acting)) == "recovery_not_confirmed"


@pytest.mark.parametrize(
    "found", [AUTHENTICATION, OTHER, "recovery-" + "9" * 32, "recovery-x", "act-" + "1" * 32, "", "../x"]
)
async def test_what_is_no_recovery_has_none_either(world: World, acting: Administering, found: str) -> None:
    """A sign-in of one's own, an unknown one, another form: 404, alike."""
    assert await refusal_of(world, acting, by_grace(acting), RIGHT, found) == "ceremony_unknown"


async def test_a_confirmation_gets_too_old(world: World, acting: Administering) -> None:
    """After PASSKEYS_RECOVERY_SECONDS it is good for nothing."""
    at = (fakes.NOW - timedelta(seconds=901)).isoformat()
    old = replace(CONFIRMED, confirmation=replace(CONFIRMED.confirmation, at=at))
    await world.store.create(recovery_name(RECOVERY), dump_recovery(old))
    assert await refusal_of(world, acting, by_grace(acting)) == "recovery_expired"
    assert await tickets(world) == []


async def test_the_operators_session_must_be_fresh_and_still_an_operators(
    world: World, acting: Administering, recorded: None
) -> None:
    """A change: a recent sign-in; and by the directory's word of now."""
    assert await refusal_of(world, acting, by_grace(acting, age=301)) == "session_stale"
    fired = {**DEMO_PEOPLE, "grace": replace(DEMO_PEOPLE["grace"], claims={})}
    without = replace(world, directory=StaticDirectory(MappingProxyType(fired)))
    assert await refusal_of(without, acting, by_grace(acting)) == "operator_required"
    assert await tickets(world) == []


async def test_an_act_that_stalls_shows_no_ticket(
    world: World, acting: Administering, recorded: None
) -> None:
    """503: whether it was issued is not known, and its secret is gone; the next try finds out."""
    acting.stalls = True
    answer = await take(world, acting, by_grace(acting))
    assert (answer.status_code, body_of(answer)["code"]) == (503, "unavailable")
    assert "ticket" not in body_of(answer)


async def test_a_store_that_cannot_be_asked_shows_no_ticket(world: World, acting: Administering) -> None:
    """503, and nothing is begun."""

    class Partly:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

        async def get(self, name: str) -> Any:
            if name.startswith("recoveries/"):
                raise StoreUnavailable(name, "the test says so")
            return await world.store.get(name)

    answer = await take(replace(world, store=Partly()), acting, by_grace(acting))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert acting.calls == []


async def test_the_limit_of_acts_holds_here_too(world: World, acting: Administering, recorded: None) -> None:
    """429, and the recovery is as it was."""
    acting.admits = False
    answer = await take(world, acting, by_grace(acting))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    found = await find(world.store, RECOVERY)
    assert found is not None
    assert found[0].ticket is None


async def test_a_registration_with_its_ticket_names_the_recovery(
    world: World, acting: Administering, recorded: None
) -> None:
    """The start finds it in the ticket, so that the audit entry of the registration has it."""
    shown = body_of(await take(world, acting, by_grace(acting)))
    await registrations(world, request("POST", "/", {"ticket": shown["ticket"]}), acting)
    (*_, given) = acting.calls[-1]
    assert (given["kind"], given["person"], given["recovery"]) == ("registration", "ada", RECOVERY)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_wrong_method_is_told_the_right_one(world: World, client: FakeClient, method: str) -> None:
    """405 with Allow."""
    for call in (operations_recoveries, operations_recovery_ticket):
        answer = await call(world, request(method, "/", route={"id": RECOVERY}), client)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
