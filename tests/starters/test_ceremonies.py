"""The ceremonies over HTTP: starting, following, answering, cancelling; and every way to be refused."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpResponse

from activities.issue_registration_challenge import issue_registration_challenge
from passkeys.embedded import EmbeddedStore
from passkeys.tickets import issue_ticket
from passkeys.world import World
from starters.ceremonies import authentications, ceremony, ceremony_response, registrations
from starters.problems import PROBLEMS
from starters.service import healthz
from tests.orchestrators.scenarios import request as scenario_request
from tests.starters import fakes
from tests.starters.fakes import (
    AUTHENTICATION,
    NOW,
    OPTIONS,
    REGISTRATION,
    WAITING,
    FakeClient,
    body_of,
    ended,
    instance,
    request,
)
from tests.starters.people import ADAS, CHALLENGE, VERIFIER, has_ended, has_passkey

BY_ADA = f"Ceremony {AUTHENTICATION}:{VERIFIER}"
B64 = "AAAAAAAAAAAAAAAAAAAAAA"
ASSERTION = {
    "id": B64,
    "rawId": B64,
    "type": "public-key",
    "response": {"clientDataJSON": B64, "authenticatorData": B64, "signature": B64, "userHandle": B64},
    "clientExtensionResults": {"prf": {"results": {"first": "c2VjcmV0"}}},
}
ATTESTATION = {
    "id": B64,
    "rawId": B64,
    "type": "public-key",
    "response": {"clientDataJSON": B64, "attestationObject": B64, "transports": ["internal"]},
    "clientExtensionResults": {},
}


async def ticket(world: World) -> str:
    return await issue_ticket(world.store, "ada", seconds=60, now=NOW, random_bytes=world.random_bytes)


def test_the_fake_client_is_spelt_as_the_real_one() -> None:
    """Every method and parameter of the fake exists in the SDK's client: a misspelt call cannot pass the tests."""
    for name, method in inspect.getmembers(FakeClient, inspect.iscoroutinefunction):
        real = inspect.signature(getattr(DurableOrchestrationClient, name)).parameters
        for parameter in inspect.signature(method).parameters:
            assert parameter in real, (name, parameter)


async def test_a_sign_in_starts_with_its_options(world: World, client: FakeClient) -> None:
    """202, the options, when they die, and three URLs for this one ceremony; nothing of the engine's own."""
    response = await authentications(world, request("POST", "/authentications", {}), client)
    body = body_of(response)
    started = body["id"]
    assert response.status_code == 202
    assert response.headers["Location"] == f"/ceremonies/{started}"
    assert response.headers["Retry-After"] == "1"
    assert response.headers["Cache-Control"] == "no-store"
    assert body == {
        "id": started,
        "kind": "authentication",
        "status": {"v": 1, "stage": "awaiting_authenticator"},
        "publicKey": OPTIONS,
        "expiresAt": WAITING["expiresAt"],
        "statusQueryGetUri": f"/ceremonies/{started}",
        "sendResponsePostUri": f"/ceremonies/{started}/response",
        "cancelDeleteUri": f"/ceremonies/{started}",
    }
    assert re.fullmatch(r"authentication-[0-9a-f]{32}", started)


async def test_the_orchestrator_gets_its_limits_and_no_secret(world: World, client: FakeClient) -> None:
    """A registration's input: person, limits per person, network and shard; the ticket's digest, never the ticket."""
    secret = await ticket(world)
    response = await registrations(world, request("POST", "/registrations", {"ticket": secret}), client)
    assert response.status_code == 202
    ((_, name, started, given),) = client.calls
    assert (name, given["ceremony_id"], given["kind"]) == ("register_passkey", started, "registration")
    assert set(given) == set(scenario_request("registration"))
    assert given["person"] == "ada"
    assert [limit["policy"] for limit in given["limits"]] == ["person", "network", "global"]
    assert given["limits"][0] | {"key": ""} == {
        "policy": "person",
        "key": "",
        "capacity": 10,
        "refill_seconds": 600,
    }
    assert given["limits"][1]["key"] == given["network"] == "203.0.113.0-24"
    assert secret not in json.dumps(given)
    assert "ada" not in json.dumps(given["limits"])


async def test_what_a_start_says_is_remembered(world: World, client: FakeClient) -> None:
    """Mediation and the proof key's challenge, as they were said then; what was not said is null."""
    body = {"mediation": "conditional", "code_challenge": CHALLENGE, "session": "x", "details": {"a": 1}}
    await authentications(world, request("POST", "/authentications", body), client)
    ticketed = {"ticket": await ticket(world), "code_challenge": None, "mediation": "modal"}
    await registrations(world, request("POST", "/registrations", ticketed), client)
    (_, _, _, sign_in), (_, _, _, registration) = client.calls
    assert set(sign_in) == set(registration) == set(scenario_request("registration"))
    assert (sign_in["mediation"], sign_in["code_challenge"]) == ("conditional", CHALLENGE)
    assert (registration["mediation"], registration["code_challenge"]) == ("modal", None)
    for given in (sign_in, registration):
        assert [given[name] for name in ("session", "session_credential", "details")] == [None] * 3


async def test_a_user_name_goes_no_further_than_the_request(world: World, client: FakeClient) -> None:
    """The ceremony has its token, one for every spelling; known or not, it is counted by it and costs no read."""
    await issue_registration_challenge(world, {"ceremony_id": "x", "person": "ada", "deadline_seconds": 60})
    typed = ("ada", " Ada", "correct-horse-battery-staple", "x" * 128, "\u00e9\U0001f511")
    await world.decoy_key()
    assert isinstance(world.store, EmbeddedStore)
    world.store.close()  # whoever asked it now would be told
    for name in typed:
        response = await authentications(
            world, request("POST", "/authentications", {"username": name}), client
        )
        assert response.status_code == 202
    inputs = [given for _, _, _, given in client.calls]
    for name, given in zip(typed, inputs, strict=True):
        assert re.fullmatch("[0-9a-f]{32}", given["username"])
        assert name.strip().lower() not in json.dumps(given, ensure_ascii=False).lower()
        assert given["person"] is None
        limit = {"policy": "username", "key": given["username"], "capacity": 30, "refill_seconds": 600}
        assert given["limits"][0] == limit
        assert [other["policy"] for other in given["limits"][1:]] == ["network", "global"]
    tokens = [given["username"] for given in inputs]
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == len(typed) - 1


async def test_without_a_user_name_there_is_none(world: World, client: FakeClient) -> None:
    """Null is as good as nothing, and neither is counted."""
    for body in ({}, {"username": None}):
        await authentications(world, request("POST", "/authentications", body), client)
    for _, _, _, given in client.calls:
        assert given["username"] is None
        assert [limit["policy"] for limit in given["limits"]] == ["network", "global"]


async def test_whether_a_sign_in_is_to_be_stepped_up_is_told(world: World, client: FakeClient) -> None:
    """Of a completed one, also one that ended before there was such a thing; never what only its starter may ask for."""
    told = []
    inner = {
        "code_challenge": CHALLENGE,
        "unknown_credential_id": "AQ",
        "mediation": "modal",
        "user_verified": True,
    }
    for members in ({"step_up": True, **inner}, {}):
        client.instances[AUTHENTICATION] = ended(AUTHENTICATION, "completed", **members)
        out = body_of(await ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client))[
            "output"
        ]
        assert not inner.keys() & out.keys()
        told.append(out["step_up"])
    client.instances[AUTHENTICATION] = ended(AUTHENTICATION, "rejected", "credential_unknown", step_up=True)
    out = body_of(await ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client))["output"]
    assert [*told, out["step_up"]] == [True, False, None]


async def test_what_is_being_approved_is_shown(world: World, client: FakeClient) -> None:
    """The details are for whoever is to answer: in the custom status, as long as it waits."""
    shown = {**WAITING, "details": {"person": "ada"}}
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=shown)
    response = await ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client)
    assert body_of(response)["customStatus"] == shown


@pytest.mark.parametrize("mediation", ["modal", "conditional"])
async def test_a_fresh_session_adds_a_passkey(tmp_path: Path, client: FakeClient, mediation: str) -> None:
    """The person and the right are the session's; the mediation is the start's; the verifier is nowhere."""
    world = fakes.world(tmp_path, PASSKEYS_CONDITIONAL_CREATE="on")
    await has_passkey(world, "ada", ADAS)
    header = has_ended(client, AUTHENTICATION)
    body = {"mediation": mediation, "code_challenge": CHALLENGE, "person": "grace"}
    req = request("POST", "/registrations", body, headers={"authorization": header})
    assert (await registrations(world, req, client)).status_code == 202
    ((_, name, started, given),) = client.calls
    assert (name, given["kind"]) == ("register_passkey", "registration")
    assert started != AUTHENTICATION
    assert (given["person"], given["ticket"]) == ("ada", None)
    assert (given["session"], given["session_credential"]) == (AUTHENTICATION, ADAS)
    assert (given["mediation"], given["code_challenge"]) == (mediation, CHALLENGE)
    assert given["limits"][0]["policy"] == "person"
    assert VERIFIER not in json.dumps(given)
    world.store.close()  # type: ignore[attr-defined]


async def test_a_ticket_makes_no_passkey_without_a_prompt(tmp_path: Path, client: FakeClient) -> None:
    """Switched on, conditional creation is still for who has just signed in."""
    world = fakes.world(tmp_path, PASSKEYS_CONDITIONAL_CREATE="on")
    body = {"ticket": await ticket(world), "mediation": "conditional"}
    answer = await registrations(world, request("POST", "/", body), client)
    assert body_of(answer)["code"] == "conditional_create_off"
    assert client.calls == []
    world.store.close()  # type: ignore[attr-defined]


async def test_a_slow_start_answers_without_options(world: World, client: FakeClient) -> None:
    """When the options take too long the caller gets the URLs, and finds the options in the status."""
    client.on_start = lambda found: instance(found, "Pending")
    body = body_of(await authentications(world, request("POST", "/authentications", {}), client))
    assert "publicKey" not in body
    assert "status" not in body
    assert body["statusQueryGetUri"] == f"/ceremonies/{body['id']}"


async def test_following_shows_a_fixed_few_members(world: World, client: FakeClient) -> None:
    """The Durable status contract without input and without the engine's URLs: 202 with where to ask again."""
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom={**WAITING, "internal": "secret"})
    response = await ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client)
    assert response.status_code == 202
    assert response.headers["Location"] == f"/ceremonies/{AUTHENTICATION}"
    assert body_of(response) == {
        "name": "authentication",
        "instanceId": AUTHENTICATION,
        "runtimeStatus": "Running",
        "customStatus": WAITING,
        "output": None,
        "createdTime": "2026-01-01T12:00:00.000Z",
        "lastUpdatedTime": "2026-01-01T12:00:05.000Z",
    }


async def test_a_long_poll_ends_when_the_stage_is_another(world: World, client: FakeClient) -> None:
    """With `after` a poll comes back as soon as the ceremony has moved on, though it still runs."""
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=WAITING)
    response = await ceremony(
        world, request("GET", "/?wait=25&after=admitting", route={"id": AUTHENTICATION}), client
    )
    assert body_of(response)["customStatus"]["stage"] == "awaiting_authenticator"


@pytest.mark.parametrize(
    ("outcome", "exact", "told"),
    [
        ("rejected", "signature_invalid", "not_verified"),
        ("rejected", "credential_unknown", "not_verified"),
        ("refused", "person_disabled", "not_allowed"),
        ("refused", "ticket_used", "not_allowed"),
        ("failed", "dependency_failed", None),
        ("expired", None, None),
        ("canceled", None, None),
        ("rate_limited", None, None),
    ],
)
async def test_the_exact_reason_stays_inside(
    world: World, client: FakeClient, outcome: str, exact: str | None, told: str | None
) -> None:
    """Outside, every rejection is one, and every refusal: nobody learns which check failed, or about whom."""
    person = {"id": "ada", "display_name": "Ada"}
    client.instances[AUTHENTICATION] = ended(AUTHENTICATION, outcome, exact, person=person, credential_id="x")
    response = await ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client)
    out = body_of(response)["output"]
    assert response.status_code == 200
    assert (out["outcome"], out["reason"], out["person"], out["credential_id"]) == (outcome, told, None, None)


async def test_a_completed_ceremony_says_who(world: World, client: FakeClient) -> None:
    """Person and credential, for the holder of the id of a completed ceremony."""
    person = {"id": "ada", "display_name": "Ada"}
    client.instances[AUTHENTICATION] = ended(AUTHENTICATION, "completed", person=person, credential_id="x")
    out = body_of(await ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client))["output"]
    assert (out["person"], out["credential_id"]) == (person, "x")


@pytest.mark.parametrize(
    ("runtime", "outcome"), [("Failed", "failed"), ("Terminated", "canceled"), ("Canceled", "canceled")]
)
async def test_what_the_engine_says_of_an_ended_instance_stays_inside(
    world: World, client: FakeClient, runtime: str, outcome: str
) -> None:
    """A failure's text quotes code and data, a termination's an operator: the holder gets an outcome."""
    client.instances[AUTHENTICATION] = instance(
        AUTHENTICATION, runtime, out="Orchestrator function failed: secret"
    )
    response = await ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client)
    assert response.status_code == 200
    assert body_of(response)["output"]["outcome"] == outcome
    assert b"secret" not in response.get_body()


async def test_an_answer_is_handed_over_without_what_nobody_reads(world: World, client: FakeClient) -> None:
    """The event has the members that verification uses; client extension results, which may be keys, go nowhere."""
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=WAITING)
    response = await ceremony_response(
        world, request("POST", "/", ASSERTION, route={"id": AUTHENTICATION}), client
    )
    assert response.status_code == 200
    assert body_of(response)["output"]["outcome"] == "completed"
    ((_, found, name, data),) = client.calls
    assert (found, name, data["id"]) == (AUTHENTICATION, "authenticator_response", B64)
    assert "c2VjcmV0" not in json.dumps(data)


async def test_an_answer_that_takes_long_is_202(world: World, client: FakeClient) -> None:
    """Accepted, and where to ask for the outcome."""
    client.instances[REGISTRATION] = instance(REGISTRATION, custom=WAITING)
    client.on_event = lambda found: instance(found, custom={"v": 1, "stage": "verifying"})
    response = await ceremony_response(
        world, request("POST", "/", ATTESTATION, route={"id": REGISTRATION}), client
    )
    assert response.status_code == 202
    assert response.headers["Location"] == f"/ceremonies/{REGISTRATION}"


async def test_cancelling_twice_does_no_harm(world: World, client: FakeClient) -> None:
    """The second cancellation says the same as the first."""
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=WAITING)
    client.on_event = lambda found: ended(found, "canceled")
    for _ in range(2):
        response = await ceremony(world, request("DELETE", "/", route={"id": AUTHENTICATION}), client)
        assert response.status_code == 200
        assert body_of(response)["output"]["outcome"] == "canceled"


Call = Callable[[World, FakeClient], Awaitable[HttpResponse]]


def _start(body: object, **headers: str) -> Call:
    return lambda world, client: authentications(
        world, request("POST", "/", body, headers=headers or None), client
    )


def _register(body: object) -> Call:
    return lambda world, client: registrations(world, request("POST", "/", body), client)


def _ceremony(method: str, found: str, query: str = "") -> Call:
    return lambda world, client: ceremony(world, request(method, f"/{query}", route={"id": found}), client)


def _answer(found: str, body: object, header: str | None = None) -> Call:
    headers = None if header is None else {"authorization": header}
    return lambda world, client: ceremony_response(
        world, request("POST", "/", body, route={"id": found}, headers=headers), client
    )


def _register_by(header: str, body: object, *, age: float = 5) -> Call:
    """Register by a session of Ada's, which ended `age` seconds ago."""

    async def call(world: World, client: FakeClient) -> HttpResponse:
        await has_passkey(world, "ada", ADAS)
        has_ended(client, AUTHENTICATION, age=age)
        client.on_start = lambda found: instance(found, custom=WAITING)
        return await registrations(
            world, request("POST", "/", body, headers={"authorization": header}), client
        )

    return call


def _starts_as(found: dict[str, Any]) -> Callable[[FakeClient], None]:
    def arrange(client: FakeClient) -> None:
        client.on_start = lambda instance_id: {**found, "instanceId": instance_id}

    return arrange


def _has(found: dict[str, Any]) -> Callable[[FakeClient], None]:
    def arrange(client: FakeClient) -> None:
        client.instances[found["instanceId"]] = found

    return arrange


def _breaks(client: FakeClient) -> None:
    client.broken = True


nothing: Callable[[FakeClient], None] = lambda _: None
running = _has(instance(AUTHENTICATION, custom=WAITING))
proven = _has(instance(AUTHENTICATION, custom=WAITING, input=json.dumps({"code_challenge": CHALLENGE})))
gone = _has(ended(AUTHENTICATION, "completed"))
limited = ended(AUTHENTICATION, "rate_limited", retry_after_seconds=7)

# Whatever does not prove that who asks is who started AUTHENTICATION with CHALLENGE.
NO_PROOFS = [
    None,
    "",
    f"Ceremony {AUTHENTICATION}",
    BY_ADA[:-1] + "l",
    f"{BY_ADA} ",
    f"Ceremony {AUTHENTICATION}:{CHALLENGE}",
    f"Ceremony authentication-{'3' * 32}:{VERIFIER}",
    f"Ceremony {REGISTRATION}:{VERIFIER}",
    f"Bearer {AUTHENTICATION}:{VERIFIER}",
]

# (code, how the task hub is, the call, headers that come with it)
REFUSALS: list[tuple[str, Callable[[FakeClient], None], Call, dict[str, str]]] = [
    ("body_malformed", nothing, _start(b"{"), {}),
    ("body_too_large", nothing, _start(b'{"x":"' + b"x" * 65536 + b'"}'), {}),
    ("media_type_unsupported", nothing, _start(b"{}", **{"content-type": "text/plain"}), {}),
    ("request_malformed", nothing, _start({"mediation": "silent"}), {}),
    ("request_malformed", nothing, _start({"mediation": ["modal"]}), {}),
    ("request_malformed", nothing, _start({"mediation": {"modal": 1}}), {}),
    ("request_malformed", nothing, _start({"mediation": None}), {}),
    *[
        ("request_malformed", nothing, call({"ticket": "x", "code_challenge": wrong}), {})
        for wrong in ("", 7, [], {}, True, "x" * 43, CHALLENGE + "=", "plain", CHALLENGE + CHALLENGE)
        for call in (_start, _register)
    ],
    *(
        ("request_malformed", nothing, _start({"username": wrong}), {})
        for wrong in ("", "x" * 129, 7, ["ada"], {"ada": 1}, True)
    ),
    ("body_malformed", nothing, _start({"username": "ada\ud800"}), {}),  # half of a surrogate pair
    ("request_malformed", nothing, _register({}), {}),
    ("request_malformed", nothing, _register({"ticket": ""}), {}),
    ("request_malformed", nothing, _register({"ticket": 7}), {}),
    ("request_malformed", nothing, _register({"ticket": "x" * 257}), {}),
    ("request_malformed", nothing, _register({"ticket": None}), {}),
    ("request_malformed", nothing, _register({"ticket": "x", "mediation": "silent"}), {}),
    ("request_malformed", nothing, _register_by(BY_ADA, {"ticket": "x"}), {}),
    ("request_malformed", nothing, _register_by(BY_ADA, {"code_challenge": "x"}), {}),
    ("session_invalid", nothing, _register_by("", {}), {"WWW-Authenticate": "Ceremony"}),
    ("session_invalid", nothing, _register_by("Bearer x", {}), {"WWW-Authenticate": "Ceremony"}),
    ("session_invalid", nothing, _register_by(BY_ADA[:-1] + "l", {}), {"WWW-Authenticate": "Ceremony"}),
    (
        "session_stale",
        nothing,
        _register_by(BY_ADA, {}, age=301),
        {"WWW-Authenticate": 'Ceremony error="insufficient_user_authentication", max_age=300'},
    ),
    ("conditional_create_off", nothing, _register({"ticket": "x", "mediation": "conditional"}), {}),
    ("conditional_create_off", nothing, _register({"mediation": "conditional"}), {}),
    ("conditional_create_off", nothing, _register_by(BY_ADA, {"mediation": "conditional"}), {}),
    ("ticket_invalid", nothing, _register({"ticket": "nobody's"}), {}),
    ("ticket_invalid", nothing, _register({"ticket": "../../credentials/x"}), {}),
    ("rate_limited", _starts_as(limited), _start({}), {"Retry-After": "7"}),
    (
        "unavailable",
        _starts_as(ended(AUTHENTICATION, "failed", "dependency_failed")),
        _start({}),
        {"Retry-After": "1"},
    ),
    ("ceremony_unknown", nothing, _ceremony("GET", AUTHENTICATION), {}),
    ("ceremony_unknown", nothing, _ceremony("GET", "@audit_log@00"), {}),
    ("ceremony_unknown", nothing, _ceremony("DELETE", AUTHENTICATION), {}),
    ("ceremony_unknown", nothing, _answer(AUTHENTICATION, ASSERTION), {}),
    ("parameter_invalid", running, _ceremony("GET", AUTHENTICATION, "?wait=26"), {}),
    ("parameter_invalid", running, _ceremony("GET", AUTHENTICATION, "?after=nowhere"), {}),
    ("ceremony_finished", gone, _ceremony("DELETE", AUTHENTICATION), {}),
    (
        "ceremony_finished",
        running,
        _ceremony("DELETE", AUTHENTICATION),
        {},
    ),  # the fake completes at any event
    ("ceremony_finished", gone, _answer(AUTHENTICATION, ASSERTION), {}),
    ("response_malformed", running, _answer(AUTHENTICATION, {}), {}),
    ("response_malformed", proven, _answer(AUTHENTICATION, {}), {}),
    *(
        (
            "proof_required",
            proven,
            _answer(AUTHENTICATION, ASSERTION, header),
            {"WWW-Authenticate": "Ceremony"},
        )
        for header in NO_PROOFS
    ),
    ("response_malformed", running, _answer(AUTHENTICATION, ATTESTATION), {}),
    ("response_malformed", running, _answer(AUTHENTICATION, {**ASSERTION, "rawId": "+/="}), {}),
    ("body_malformed", running, _answer(AUTHENTICATION, [ASSERTION]), {}),
    ("method_not_allowed", nothing, _ceremony("PUT", AUTHENTICATION), {"Allow": "DELETE, GET, HEAD"}),
    ("not_ready", _breaks, lambda world, client: healthz(world, request("GET", "/healthz"), client), {}),
]


@pytest.mark.parametrize(
    ("code", "arrange", "call", "headers"), REFUSALS, ids=[f"{n}-{row[0]}" for n, row in enumerate(REFUSALS)]
)
async def test_every_refusal_is_a_problem_with_its_code(
    world: World,
    client: FakeClient,
    code: str,
    arrange: Callable[[FakeClient], None],
    call: Call,
    headers: dict[str, str],
) -> None:
    """RFC 9457: media type, a type that ends in the code, the status in both places, and a next step for the caller."""
    arrange(client)
    response = await call(world, client)
    problem = body_of(response)
    assert (problem["code"], response.status_code) == (code, PROBLEMS[code].status)
    assert problem["type"] == f"urn:durable-passkeys:problem:{code}"
    assert problem["status"] == response.status_code
    assert problem["detail"]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert {name: response.headers[name] for name in headers} == headers


async def test_a_malformed_answer_burns_no_challenge(world: World, client: FakeClient) -> None:
    """What is refused for its shape never reaches the ceremony."""
    running(client)
    await ceremony_response(world, request("POST", "/", {"id": 1}, route={"id": AUTHENTICATION}), client)
    assert client.calls == []


@pytest.mark.parametrize("found", [AUTHENTICATION, REGISTRATION])
@pytest.mark.parametrize("told", [json.dumps, lambda start: start], ids=["as the SDK sends it", "parsed"])
async def test_who_started_with_a_proof_key_alone_may_answer(
    world: World, client: FakeClient, found: str, told: Callable[[Any], Any]
) -> None:
    """Nobody else's answer reaches the ceremony, so it burns nothing; the starter's own still counts afterwards."""
    answer = ASSERTION if found == AUTHENTICATION else ATTESTATION
    client.instances[found] = instance(found, custom=WAITING, input=told({"code_challenge": CHALLENGE}))
    for header in (None, f"Ceremony {found}:{VERIFIER[:-1]}l", f"Ceremony {found[:-1]}f:{VERIFIER}"):
        headers = {"authorization": header} if header else {}
        refused = await ceremony_response(
            world, request("POST", "/", answer, route={"id": found}, headers=headers), client
        )
        assert (refused.status_code, body_of(refused)["code"]) == (401, "proof_required")
    assert client.calls == []
    own = {"authorization": f"Ceremony {found}:{VERIFIER}"}
    response = await ceremony_response(
        world, request("POST", "/", answer, route={"id": found}, headers=own), client
    )
    assert body_of(response)["output"]["outcome"] == "completed"
    assert [call[0] for call in client.calls] == ["raise_event"]
    assert VERIFIER not in json.dumps(client.calls)


@pytest.mark.parametrize("start", [{"code_challenge": None}, {}], ids=["null", "absent"])
async def test_a_start_without_a_proof_key_is_answered_without(
    world: World, client: FakeClient, start: dict[str, Any]
) -> None:
    """As ever, with a header too, and for what began before there were proof keys."""
    for headers in ({}, {"authorization": BY_ADA}, {"authorization": "Bearer x"}):
        client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=WAITING, input=json.dumps(start))
        response = await ceremony_response(
            world, request("POST", "/", ASSERTION, route={"id": AUTHENTICATION}, headers=headers), client
        )
        assert response.status_code == 200


@pytest.mark.parametrize("start", [None, "no JSON", '"text"', 7])
async def test_a_start_that_cannot_be_read_is_answered_by_nobody(
    world: World, client: FakeClient, start: Any
) -> None:
    """Closed, not open: should the task hub not show the input, no answer passes unproven."""
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=WAITING, input=start)
    refused = await ceremony_response(
        world,
        request("POST", "/", ASSERTION, route={"id": AUTHENTICATION}, headers={"authorization": BY_ADA}),
        client,
    )
    assert body_of(refused)["code"] == "proof_required"
    assert client.calls == []


async def test_a_recovery_is_answered_by_another_than_its_starter(world: World, client: FakeClient) -> None:
    """Its challenge of a proof key is for taking the ticket: who confirms it has none, and shows who they are by a passkey."""
    found = "recovery-" + "4" * 32
    client.instances[found] = instance(found, custom=WAITING, input={"code_challenge": CHALLENGE})
    response = await ceremony_response(world, request("POST", "/", ASSERTION, route={"id": found}), client)
    assert response.status_code == 200


async def test_unknown_expired_and_used_tickets_look_alike(world: World, client: FakeClient) -> None:
    """One status, one body: nobody can tell a ticket that was from one that never was."""
    expired = await issue_ticket(world.store, "ada", seconds=-1, now=NOW, random_bytes=world.random_bytes)
    answers = [
        await registrations(world, request("POST", "/", {"ticket": secret}), client)
        for secret in (expired, "x" * 43)
    ]
    assert answers[0].get_body() == answers[1].get_body()
    assert {answer.status_code for answer in answers} == {403}
    assert client.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_a_wrong_method_is_told_the_right_ones(world: World, client: FakeClient, method: str) -> None:
    """405 with Allow, on every route."""
    for call in (registrations, authentications):
        response = await call(world, request(method, "/"), client)
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    response = await ceremony_response(world, request(method, "/", route={"id": AUTHENTICATION}), client)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


async def test_head_is_get(world: World, client: FakeClient) -> None:
    """HEAD has the status and headers of GET; the host drops the content."""
    gone(client)
    head = await ceremony(world, request("HEAD", "/", route={"id": AUTHENTICATION}), client)
    get = await ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client)
    assert (head.status_code, dict(head.headers)) == (get.status_code, dict(get.headers))


async def test_a_broken_task_hub_is_not_blamed_on_the_caller(world: World, client: FakeClient) -> None:
    """When an event can't be raised though the ceremony runs, the failure is ours, and surfaces as one."""
    running(client)

    async def refuse(*_: object) -> None:
        raise OSError("no task hub")

    client.raise_event = refuse  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no task hub"):
        await ceremony_response(world, request("POST", "/", ASSERTION, route={"id": AUTHENTICATION}), client)
