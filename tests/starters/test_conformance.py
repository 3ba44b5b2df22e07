"""The conformance door by hand: its envelope, its cookie, and that it starts and answers the same ceremonies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from azure.functions import HttpResponse
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from passkeys.conformance import person_of
from passkeys.errors import StoreUnavailable
from passkeys.response import encode_base64url
from passkeys.tickets import find_ticket
from passkeys.world import World
from starters.conformance import (
    COOKIE,
    MAX_EXTENSIONS,
    assertion_options,
    assertion_result,
    attestation_options,
    attestation_result,
)
from starters.openapi import document
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
from tests.starters.people import CHALLENGE
from tests.starters.test_ceremonies import ASSERTION, ATTESTATION

Json = dict[str, Any]
ALICE: Json = {"username": "alice", "displayName": "Alice"}
COOKIES = {"cookie": f"other=1; {COOKIE}={REGISTRATION}"}
SERVER_CREDENTIAL: Json = {
    "id": ATTESTATION["id"],
    "type": "public-key",
    "response": ATTESTATION["response"],
    "getClientExtensionResults": {},
}


def enveloped(response: HttpResponse) -> Json:
    """The body: in the profile's envelope, and of the shape that the document promises for this status."""
    body: Json = body_of(response)
    said = document(conformance=True)
    schema = {
        "$ref": f"#/components/schemas/Server{'Ok' if response.status_code == 200 else 'Failed'}",
        "components": said["components"],
    }
    Draft202012Validator(schema).validate(body)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    if response.status_code != 200:
        sentence = body["errorMessage"]
        assert sentence.endswith(".")
        assert ". " not in sentence
    return body


def cookie_of(response: HttpResponse) -> tuple[str, set[str]]:
    """The cookie's value, and its attributes."""
    named, *attributes = response.headers["Set-Cookie"].split("; ")
    name, value = named.split("=")
    assert name == COOKIE
    return value, set(attributes)


async def test_registration_options(world: World, client: FakeClient) -> None:
    """The options themselves in the envelope; and the ordinary ceremony behind them, with a ticket and its wishes."""
    response = await attestation_options(world, request("POST", "/", ALICE), client)
    assert enveloped(response) == {**OPTIONS, "status": "ok", "errorMessage": ""}
    ((_, name, started, given),) = client.calls
    assert (name, given["kind"], given["person"]) == (
        "register_passkey",
        "registration",
        person_of("alice"),
    )
    assert set(given) == set(scenario_request("registration"))
    assert [limit["policy"] for limit in given["limits"]] == ["person", "network", "global"]
    assert cookie_of(response)[0] == started
    ticket = await find_ticket(world.store, given["ticket"], now=NOW)
    assert ticket is not None
    assert ticket.person == given["person"]
    assert given["wishes"] == {
        "user": {"name": "alice", "displayName": "Alice"},
        "attestation": "none",
        "authenticatorSelection": {
            "residentKey": "discouraged",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "extensions": {},
    }


async def test_the_ticket_stays_inside(world: World, client: FakeClient) -> None:
    """Its secret is in no answer and in no input: only its digest starts the ceremony."""
    drawn: list[bytes] = []

    def kept(count: int) -> bytes:
        drawn.append(world.random_bytes(count))
        return drawn[-1]

    watched = replace(world, random_bytes=kept)
    response = await attestation_options(watched, request("POST", "/", ALICE), client)
    secrets = [encode_base64url(data) for data in drawn if len(data) == 32]
    told = json.dumps([client.calls, body_of(response), dict(response.headers)], default=str)
    assert secrets
    assert not [secret for secret in secrets if secret in told]


async def test_authentication_options(world: World, client: FakeClient) -> None:
    """A sign-in that begins with the name's token; the name itself goes no further."""
    body = {
        "username": "alice",
        "userVerification": "required",
        "extensions": {"example.extension": "hobbit"},
    }
    response = await assertion_options(world, request("POST", "/", body), client)
    assert enveloped(response) == {**OPTIONS, "status": "ok", "errorMessage": ""}
    ((_, name, started, given),) = client.calls
    assert (name, given["person"], given["ticket"]) == ("authenticate_passkey", None, None)
    assert given["wishes"] == {
        "userVerification": "required",
        "extensions": {"example.extension": "hobbit"},
    }
    assert given["username"] not in (None, "alice")
    assert "alice" not in json.dumps(given)
    assert cookie_of(response)[0] == started


SELECTIONS: list[tuple[Json | None, Json]] = [
    (None, {"residentKey": "discouraged", "requireResidentKey": False, "userVerification": "preferred"}),
    (
        {"requireResidentKey": True},
        {"residentKey": "required", "requireResidentKey": True, "userVerification": "preferred"},
    ),
    (
        {"requireResidentKey": True, "residentKey": "preferred"},
        {"residentKey": "preferred", "requireResidentKey": False, "userVerification": "preferred"},
    ),
    (
        {
            "requireResidentKey": False,
            "authenticatorAttachment": "cross-platform",
            "userVerification": "discouraged",
        },
        {
            "residentKey": "discouraged",
            "requireResidentKey": False,
            "userVerification": "discouraged",
            "authenticatorAttachment": "cross-platform",
        },
    ),
]


@pytest.mark.parametrize(("asked", "wished"), SELECTIONS)
async def test_what_is_not_said_has_the_defaults_of_webauthn(
    world: World, client: FakeClient, asked: Json | None, wished: Json
) -> None:
    """L3 §5.4.4: `residentKey` wins, `requireResidentKey` follows it; user verification is preferred."""
    body = {**ALICE, "authenticatorSelection": asked}
    await attestation_options(world, request("POST", "/", body), client)
    assert client.calls[0][3]["wishes"]["authenticatorSelection"] == wished


async def test_credential_protection_has_its_default(world: World, client: FakeClient) -> None:
    """CTAP 2.1 §12.1: it is not enforced unless that is said; other extensions are as they were sent."""
    asked = {"credentialProtectionPolicy": "userVerificationRequired", "example.extension": [1, {"a": None}]}
    await attestation_options(world, request("POST", "/", {**ALICE, "extensions": asked}), client)
    expected = {**asked, "enforceCredentialProtectionPolicy": False}
    assert client.calls[0][3]["wishes"]["extensions"] == expected


async def test_the_cookie_is_for_this_browser_and_these_routes_alone(tmp_path: Any) -> None:
    """HttpOnly, SameSite=Strict, as long as the ceremony, to the routes of its kind; Secure wherever pages are."""
    origins = {
        False: {"PASSKEYS_ORIGINS": "http://localhost:7071"},
        True: {"PASSKEYS_ORIGINS": "https://example.org", "PASSKEYS_RP_ID": "example.org"},
    }
    for secure, environ in origins.items():
        world = fakes.world(tmp_path / str(secure), PASSKEYS_CEREMONY_SECONDS="90", **environ)
        for options, path in ((attestation_options, "/attestation"), (assertion_options, "/assertion")):
            response = await options(world, request("POST", "/", ALICE), FakeClient())
            expected = {"Max-Age=90", f"Path={path}", "HttpOnly", "SameSite=Strict"}
            assert cookie_of(response)[1] == expected | ({"Secure"} if secure else set())
        world.store.close()


async def test_a_result_answers_the_ceremony_of_the_cookie(world: World, client: FakeClient) -> None:
    """The same event with the same answer as anybody's; its completion is `ok`, and the cookie is taken back."""
    client.instances[REGISTRATION] = instance(REGISTRATION, custom=WAITING)
    response = await attestation_result(
        world, request("POST", "/", SERVER_CREDENTIAL, headers=COOKIES), client
    )
    assert enveloped(response) == {"status": "ok", "errorMessage": ""}
    ((_, found, event, data),) = client.calls
    assert (found, event) == (REGISTRATION, "authenticator_response")
    assert data["rawId"] == data["id"] == ATTESTATION["id"]
    assert data["clientExtensionResults"] == {}
    value, attributes = cookie_of(response)
    assert value == ""
    assert "Max-Age=0" in attributes


async def test_an_empty_user_handle_is_none(world: World, client: FakeClient) -> None:
    """The profile's own example has an empty text where there is no user handle."""
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=WAITING)
    body = {**ASSERTION, "response": {**ASSERTION["response"], "userHandle": ""}}
    headers = {"cookie": f"{COOKIE}={AUTHENTICATION}"}
    response = await assertion_result(world, request("POST", "/", body, headers=headers), client)
    assert response.status_code == 200
    assert client.calls[0][3]["response"]["userHandle"] is None


@pytest.mark.parametrize(
    ("outcome", "reason", "told"),
    [
        ("rejected", "signature_invalid", "not_verified"),
        ("refused", "credential_exists", "not_allowed"),
        ("expired", None, None),
        ("canceled", None, None),
    ],
)
async def test_whatever_is_not_completed_has_failed(
    world: World, client: FakeClient, outcome: str, reason: str | None, told: str | None
) -> None:
    """400, and no more of why than anybody outside is told."""
    client.instances[REGISTRATION] = instance(REGISTRATION, custom=WAITING)
    client.on_event = lambda found: ended(found, outcome, reason)
    response = await attestation_result(
        world, request("POST", "/", SERVER_CREDENTIAL, headers=COOKIES), client
    )
    assert response.status_code == 400
    error = enveloped(response)["errorMessage"]
    assert outcome in error
    assert error.endswith(f": {told}." if told else f"{outcome}.")
    assert reason is None or reason not in error
    assert "Max-Age=0" in cookie_of(response)[1]


def proving(client: FakeClient) -> None:
    start = json.dumps({"code_challenge": CHALLENGE})
    client.instances[REGISTRATION] = instance(REGISTRATION, custom=WAITING, input=start)


def finished(client: FakeClient) -> None:
    client.instances[REGISTRATION] = ended(REGISTRATION, "completed")


def waiting(client: FakeClient) -> None:
    client.instances[REGISTRATION] = instance(REGISTRATION, custom=WAITING)


def stuck(client: FakeClient) -> None:
    waiting(client)
    client.on_event = lambda found: instance(found, custom={"v": 1, "stage": "verifying"})


def limited(client: FakeClient) -> None:
    client.on_start = lambda found: ended(found, "rate_limited", retry_after_seconds=7)


def broken(client: FakeClient) -> None:
    client.on_start = lambda found: ended(found, "failed", "dependency_failed")


def slow(client: FakeClient) -> None:
    client.on_start = lambda found: instance(found, "Pending")


def nothing(client: FakeClient) -> None:
    pass


def asking(**changed: Any) -> Json:
    return {**ALICE, **changed}


MALFORMED_OPTIONS: list[Any] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"username":"a","username":"b","displayName":"c"}',
    b'{"username":"\\ud800","displayName":"c"}',
    {},
    asking(username=""),
    asking(username=7),
    asking(username=None),
    asking(username="x" * 65),
    asking(username="é" * 33),
    {"username": "alice"},
    asking(displayName=[]),
    asking(displayName=""),
    asking(displayName="🔑" * 17),
    asking(attestation="enterprise"),
    asking(attestation=True),
    asking(authenticatorSelection=[]),
    asking(authenticatorSelection="any"),
    asking(authenticatorSelection={"requireResidentKey": "yes"}),
    asking(authenticatorSelection={"residentKey": "maybe"}),
    asking(authenticatorSelection={"userVerification": 1}),
    asking(authenticatorSelection={"authenticatorAttachment": "both"}),
    asking(extensions="x"),
    asking(extensions={"e": "x" * MAX_EXTENSIONS}),
    asking(extensions={"credentialProtectionPolicy": "always"}),
    asking(extensions={"credentialProtectionPolicy": None}),
    asking(
        extensions={
            "credentialProtectionPolicy": "userVerificationRequired",
            "enforceCredentialProtectionPolicy": 1,
        }
    ),
]


@pytest.mark.parametrize("body", MALFORMED_OPTIONS, ids=lambda body: str(body)[:40])
async def test_a_malformed_request_for_options_fails(world: World, client: FakeClient, body: Any) -> None:
    """400, one sentence, no cookie, and no ceremony."""
    response = await attestation_options(world, request("POST", "/", body), client)
    assert response.status_code == 400
    enveloped(response)
    assert "Set-Cookie" not in response.headers
    assert client.calls == []


@pytest.mark.parametrize(
    "body",
    [b"", {}, {"username": []}, {"username": "alice", "userVerification": "always"}],
    ids=str,
)
async def test_a_malformed_request_to_sign_in_fails(world: World, client: FakeClient, body: Any) -> None:
    """The same for the other kind."""
    response = await assertion_options(world, request("POST", "/", body), client)
    assert response.status_code == 400
    enveloped(response)
    assert client.calls == []


Arrange = Callable[[FakeClient], None]
PROBLEMS: list[tuple[str, Arrange, Any, Json, int, str]] = [
    ("no cookie", waiting, SERVER_CREDENTIAL, {}, 400, "request_malformed"),
    ("another cookie", waiting, SERVER_CREDENTIAL, {"cookie": "a=b"}, 400, "request_malformed"),
    ("an empty cookie", waiting, SERVER_CREDENTIAL, {"cookie": f"{COOKIE}="}, 400, "request_malformed"),
    (
        "no id in the cookie",
        waiting,
        SERVER_CREDENTIAL,
        {"cookie": f"{COOKIE}=registration-x"},
        400,
        "request_malformed",
    ),
    (
        "the other kind's cookie",
        waiting,
        SERVER_CREDENTIAL,
        {"cookie": f"{COOKIE}={AUTHENTICATION}"},
        400,
        "request_malformed",
    ),
    (
        "an id that nobody gave out",
        nothing,
        SERVER_CREDENTIAL,
        COOKIES,
        404,
        "ceremony_unknown",
    ),
    (
        "a start with a proof key, which is not the door's",
        proving,
        SERVER_CREDENTIAL,
        COOKIES,
        401,
        "proof_required",
    ),
    ("a ceremony that has ended", finished, SERVER_CREDENTIAL, COOKIES, 409, "ceremony_finished"),
    ("no answer at all", waiting, {}, COOKIES, 400, "response_malformed"),
    ("no JSON", waiting, b"{", COOKIES, 400, "body_malformed"),
    ("too large", waiting, b" " * 70_000, COOKIES, 413, "body_too_large"),
    (
        "another type",
        waiting,
        b"x",
        {**COOKIES, "content-type": "text/plain"},
        415,
        "media_type_unsupported",
    ),
    ("an outcome that keeps us waiting", stuck, SERVER_CREDENTIAL, COOKIES, 503, "unavailable"),
]


@pytest.mark.parametrize(
    ("arrange", "body", "headers", "status", "code"),
    [row[1:] for row in PROBLEMS],
    ids=[r[0] for r in PROBLEMS],
)
async def test_a_result_that_cannot_be_taken(
    world: World, client: FakeClient, arrange: Arrange, body: Any, headers: Json, status: int, code: str
) -> None:
    """The problem's status and code in the envelope; what the tool does wrong is always a 4xx."""
    arrange(client)
    response = await attestation_result(world, request("POST", "/", body, headers=headers), client)
    assert response.status_code == status
    assert code in enveloped(response)["errorMessage"]


@pytest.mark.parametrize(
    ("arrange", "status", "code"),
    [(limited, 429, "rate_limited"), (broken, 503, "unavailable"), (slow, 503, "unavailable")],
)
async def test_options_that_cannot_be_had(
    world: World, client: FakeClient, arrange: Arrange, status: int, code: str
) -> None:
    """Limits count here as everywhere; a part of ours that is broken is ours to say."""
    arrange(client)
    for options in (attestation_options, assertion_options):
        response = await options(world, request("POST", "/", ALICE), client)
        assert response.status_code == status
        assert code in enveloped(response)["errorMessage"]
        assert int(response.headers["Retry-After"]) > 0


async def test_a_store_that_is_away(
    world: World, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a ticket nor the decoys' key can be had: ours to say, in the envelope."""

    async def away(*_: object) -> Any:
        raise StoreUnavailable("x", "away")

    for operation in ("get", "create"):
        monkeypatch.setattr(world.store, operation, away)
    for options in (attestation_options, assertion_options):
        response = await options(world, request("POST", "/", ALICE), client)
        assert response.status_code == 503
        assert "unavailable" in enveloped(response)["errorMessage"]
        assert int(response.headers["Retry-After"]) > 0
    assert client.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_another_method_is_405_in_the_envelope(world: World, client: FakeClient, method: str) -> None:
    """With Allow; and preflights get nothing that would let another site's page in."""
    for starter in (attestation_options, attestation_result, assertion_options, assertion_result):
        response = await starter(world, request(method, "/", ALICE), client)
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")
        assert not [name for name in response.headers.keys() if name.lower().startswith("access-control")]
        enveloped(response)


def test_the_document_has_the_door_only_when_it_is_open() -> None:
    """Four routes and their bodies more, and still a valid document."""
    closed, opened = document(), document(conformance=True)
    OpenAPIV31SpecValidator(opened).validate()
    routes = {"/attestation/options", "/attestation/result", "/assertion/options", "/assertion/result"}
    assert set(opened["paths"]) - set(closed["paths"]) == routes
    assert "ServerFailed" not in closed["components"]["schemas"]
