"""Registration by an issuer's token over HTTP: who comes in, how each refusal is told, and what goes no further."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.functions import HttpResponse

from passkeys.directory import DEMO_PEOPLE, IdentityKey, StaticDirectory
from passkeys.errors import IssuerUnreachable
from passkeys.identities import use_token
from passkeys.issuer_keys import IssuerKeys
from passkeys.world import World
from starters.ceremonies import registrations
from tests.orchestrators.scenarios import request as scenario_request
from tests.passkeys.tokens import (
    ADA,
    API,
    CLIENT,
    EC,
    ENTRA,
    ENTRA_ISSUER,
    ENTRIES,
    GITHUB,
    NOW,
    OIDC,
    OTHER_RSA,
    RSA,
    SECONDS,
    TENANT,
    configured,
    jwk,
    jwks,
    malleated,
    token,
    without,
)
from tests.passkeys.worlds import FlakyDirectory
from tests.starters import fakes
from tests.starters.fakes import FakeClient, body_of, request
from tests.starters.test_openapi import fits

ENTRIES_HERE: dict[str, dict[str, Any]] = {
    "company": {**ENTRIES["entra"], "contexts": ["c1", "c2"]},
    "partner": {
        **ENTRIES["oidc"],
        "algorithms": ["RS256", "ES256"],
        "max_authentication_seconds": 300,
        "contexts": ["mfa"],
    },
    "pipelines": ENTRIES["github_actions"],
}
PARTNER = {**OIDC, "acr": "mfa"}
COMPANY = {**ENTRA, "acrs": ["c1"]}
PEOPLE = StaticDirectory(
    DEMO_PEOPLE,
    {
        IdentityKey(ENTRA_ISSUER, TENANT, ADA): "ada",
        IdentityKey(OIDC["iss"], None, "ada"): "ada",
        IdentityKey(OIDC["iss"], None, "grace"): "grace",
        # As careless a directory as can be: the address is somebody's id elsewhere.
        IdentityKey(OIDC["iss"], None, "ada@example.com"): "mallory",
    },
)


async def give_keys(address: str) -> tuple[bytes, str]:
    """Every issuer's server: its metadata, and one set of keys, the same for all."""
    if address.endswith("openid-configuration"):
        issuer = address.removesuffix("/.well-known/openid-configuration")
        return json.dumps({"issuer": issuer, "jwks_uri": issuer + "/keys"}).encode(), ""
    return jwks(jwk(RSA, "rsa-1"), jwk(EC, "ec-1")), ""


def knowing(world: World, *names: str, read: Any = give_keys) -> World:
    issuers = configured({name: ENTRIES_HERE[name] for name in names})
    sources = {name: IssuerKeys(issuer, clock=world.clock, read=read) for name, issuer in issuers.items()}
    return replace(world, issuers=sources, directory=PEOPLE)


@pytest.fixture
def knows(tmp_path: Path) -> Iterator[World]:
    world = knowing(fakes.world(tmp_path), *ENTRIES_HERE)
    yield world
    world.store.close()


async def register(
    world: World, client: FakeClient, made: str, body: dict[str, Any] | None = None, *, scheme: str = "Bearer"
) -> HttpResponse:
    headers = {"authorization": f"{scheme} {made}"}
    response = await registrations(
        world,
        request("POST", "/registrations", {"issuer": "partner"} if body is None else body, headers=headers),
        client,
    )
    fits(response, "/registrations", "post")
    return response


def partner(**claims: Any) -> str:
    return token({**PARTNER, **claims})


def company(*names: str, **claims: Any) -> str:
    return token(without({**COMPANY, **claims}, *names), {"typ": "JWT"})


async def test_a_token_starts_a_registration_of_its_person(knows: World, client: FakeClient) -> None:
    """The directory says who it is; the ceremony has the token's digest, and whose it was, and of the token nothing."""
    made = company()
    response = await register(knows, client, made, {"issuer": "company", "code_challenge": None})
    assert response.status_code == 202
    ((_, name, _, given),) = client.calls
    assert name == "register_passkey"
    assert set(given) == set(scenario_request("registration"))
    assert (given["person"], given["ticket"], given["session"]) == ("ada", None, None)
    assert given["identity"] == {"issuer": ENTRA_ISSUER, "tenant": TENANT, "subject": ADA, "client": CLIENT}
    assert len(given["token"]) == 64
    assert [limit["policy"] for limit in given["limits"]] == ["person", "network", "global"]
    text = json.dumps(given)
    assert not any(part in text for part in made.split("."))
    assert not any(word in text for word in ("ada@example.com", "Lovelace"))


async def test_with_one_issuer_its_name_may_be_left_out(tmp_path: Path, client: FakeClient) -> None:
    """A pipeline's issuer beside it does not count: it enrols nobody. The scheme is read in any case."""
    world = knowing(fakes.world(tmp_path), "partner", "pipelines")
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert (await register(world, client, partner(), {}, scheme=scheme)).status_code == 202
    world.store.close()


@pytest.mark.parametrize("name", [None, "", "nobody", "pipelines", 7, ["partner"], {"partner": 1}])
async def test_whose_the_token_is_must_be_said(knows: World, client: FakeClient, name: object) -> None:
    """With several, by a name that is configured, and of one that enrols people: the token itself is never asked."""
    response = await register(knows, client, partner(), {} if name is None else {"issuer": name})
    assert (response.status_code, body_of(response)["code"]) == (400, "request_malformed")
    assert "company, partner" in body_of(response)["detail"]


async def test_a_token_of_the_one_is_none_of_the_others(knows: World, client: FakeClient) -> None:
    """Mix-up: good tokens, each sent as another issuer's."""
    pipeline = token(GITHUB, {"typ": "JWT"})
    for made, name in (
        (partner(), "company"),
        (company(), "partner"),
        (pipeline, "partner"),
        (pipeline, "company"),
    ):
        response = await register(knows, client, made, {"issuer": name})
        assert (response.status_code, body_of(response)["code"]) == (401, "token_invalid")
    assert client.calls == []


INVALID = 'Bearer error="invalid_token"'
CHALLENGE = base64.b64encode(b'{"access_token":{"acrs":{"essential":true,"value":"c1"}}}').decode()
# The token, by issuer; the status, the code and the challenge that are told; the code in the log.
REFUSED: dict[str, tuple[str, str, int, str, str | None, str]] = {
    "expired": (partner(exp=SECONDS - 60), "partner", 401, "token_invalid", INVALID, "token_expired"),
    "another API's": (partner(aud="x"), "partner", 401, "token_invalid", INVALID, "token_audience_mismatch"),
    "another key's": (token(PARTNER, key=OTHER_RSA), "partner", 401, "token_invalid", INVALID, "token_signature_invalid"),
    "an unknown key's": (token(PARTNER, {"kid": "x"}), "partner", 401, "token_invalid", INVALID, "token_key_unknown"),
    "an ID token": (company(nonce="x"), "company", 401, "token_invalid", INVALID, "token_kind_refused"),
    "an application's": (company(idtyp="app"), "company", 401, "token_invalid", INVALID, "token_application"),
    "another tenant's": (company(tid=API), "company", 401, "token_invalid", INVALID, "token_tenant_refused"),
    "another client's": (partner(client_id="x"), "partner", 401, "token_invalid", INVALID, "token_client_refused"),
    "no token": ("", "partner", 401, "token_invalid", INVALID, "token_malformed"),
    "two tokens": (f"{partner()}, Bearer {partner()}", "partner", 401, "token_invalid", INVALID, "token_malformed"),
    "a huge one": (partner(x="x" * 20_000), "partner", 401, "token_invalid", INVALID, "token_too_large"),
    "garbage": ("x.y.z", "partner", 401, "token_invalid", INVALID, "token_malformed"),
    "without the scope": (
        partner(scope="openid"), "partner", 403, "token_scope_insufficient",
        'Bearer error="insufficient_scope", scope="enrol"', "token_scope_missing",
    ),
    "old": (
        partner(iat=SECONDS - 700), "partner", 401, "token_stale",
        'Bearer error="insufficient_user_authentication", max_age=600', "token_too_old",
    ),
    "of an old sign-in": (
        partner(auth_time=SECONDS - 400), "partner", 401, "token_stale",
        'Bearer error="insufficient_user_authentication", max_age=300', "token_authentication_too_old",
    ),
    "of a weak sign-in": (
        partner(acr="pwd"), "partner", 401, "token_stale",
        'Bearer error="insufficient_user_authentication", acr_values="mfa"', "token_context_missing",
    ),
    "of a weak sign-in at Entra": (
        company("acrs"), "company", 401, "token_stale",
        (f'Bearer realm="", authorization_uri="https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize", '
        f'error="insufficient_claims", claims="{CHALLENGE}"'), "token_context_missing",
    ),
    "of somebody the directory does not know": (
        partner(sub="eve"), "partner", 403, "identity_unknown", None, "identity_unknown",
    ),
    "of somebody with Ada's address": (
        partner(sub="eve", email="ada@example.com", preferred_username="ada", upn="ada"),
        "partner", 403, "identity_unknown", None, "identity_unknown",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_each_refusal_is_told_as_the_rfcs_say(
    knows: World, client: FakeClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 6750 and RFC 9470 outward, of the documented shape; the exact code in the log; nothing started or stored."""
    made, issuer, status, code, challenge, logged = REFUSED[name]
    with caplog.at_level(logging.DEBUG):
        response = await register(knows, client, made, {"issuer": issuer})
    body = body_of(response)
    assert (response.status_code, body["code"]) == (status, code)
    assert response.headers.get("WWW-Authenticate") == challenge
    assert f"{logged}" in caplog.text
    assert issuer in caplog.text
    assert client.calls == []
    assert [found async for found in knows.store.list("")] == []
    # What is told has no exact code, but where it is the same word; what is logged, no token.
    assert logged not in json.dumps(body) or logged == code
    assert not any(part in caplog.text for part in made.split(".") if len(part) > 20)


async def spend(world: World, client: FakeClient, *, person: str = "ada") -> None:
    """What recording does with the last start."""
    given = client.calls[-1][3]
    key = IdentityKey(*(given["identity"][name] for name in ("issuer", "tenant", "subject")))
    await use_token(
        world.store,
        token=given["token"],
        identity=key,
        person=person,
        ceremony_id="x",
        credential_id="y",
        now=NOW,
    )


async def test_a_token_that_has_recorded_starts_nothing(
    knows: World, client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Replay, also in the other spelling that an ES256 token has; until then it may start again, after a mishap."""
    made = token({**PARTNER, "sub": "grace"}, {"alg": "ES256", "kid": "ec-1"}, key=EC)
    for _ in range(2):
        assert (await register(knows, client, made)).status_code == 202
    await spend(knows, client, person="grace")
    for replay in (made, malleated(made)):
        response = await register(knows, client, replay)
        assert (response.status_code, body_of(response)["code"]) == (401, "token_invalid")
    assert caplog.text.count("token_used partner") == 2
    assert (await register(knows, client, partner(jti="another"))).status_code == 202


async def test_an_identity_is_whom_it_was_bound_to(
    knows: World, client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The directory says somebody else now: nobody comes in, the one nor the other."""
    assert (await register(knows, client, partner())).status_code == 202
    await spend(knows, client)
    other = replace(
        knows, directory=StaticDirectory(DEMO_PEOPLE, {IdentityKey(OIDC["iss"], None, "ada"): "grace"})
    )
    response = await register(other, client, partner(jti="another"))
    assert (response.status_code, body_of(response)["code"]) == (403, "identity_unknown")
    assert "identity_taken partner" in caplog.text
    forgotten = replace(knows, directory=StaticDirectory(DEMO_PEOPLE))
    response = await register(forgotten, client, partner(jti="another"))
    assert (response.status_code, body_of(response)["code"]) == (403, "identity_unknown")


async def test_an_issuer_without_keys_is_503(tmp_path: Path, client: FakeClient) -> None:
    """Ours to mend, and said with when to come back; a token that is none is refused without asking anybody."""

    async def gone(address: str) -> tuple[bytes, str]:
        raise IssuerUnreachable(f"{address} is gone.")

    world = knowing(fakes.world(tmp_path), "partner", read=gone)
    response = await register(world, client, partner())
    assert (response.status_code, body_of(response)["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"] == "1"
    assert (await register(world, client, "x")).status_code == 401
    world.store.close()


async def test_a_directory_that_cannot_be_asked_is_503(knows: World, client: FakeClient) -> None:
    """Whose the identity is cannot be known, so nobody comes in; then it can, and they do."""
    away = replace(knows, directory=FlakyDirectory(1, people=PEOPLE))
    response = await register(away, client, partner())
    assert (response.status_code, body_of(response)["code"]) == (503, "unavailable")
    assert client.calls == []
    assert (await register(away, client, partner())).status_code == 202


async def test_a_token_makes_no_passkey_without_a_prompt(tmp_path: Path, client: FakeClient) -> None:
    """Its holder has shown nothing here yet: conditional create is for sessions, also where it is on."""
    world = knowing(fakes.world(tmp_path, PASSKEYS_CONDITIONAL_CREATE="on"), "partner")
    response = await register(world, client, partner(), {"mediation": "conditional"})
    assert body_of(response)["code"] == "conditional_create_off"
    world.store.close()


async def test_a_ticket_and_a_token_are_one_too_many(knows: World, client: FakeClient) -> None:
    """Which of the two was meant is not for us to say."""
    response = await register(knows, client, partner(), {"issuer": "partner", "ticket": "x"})
    assert body_of(response)["code"] == "request_malformed"


@pytest.mark.parametrize("names", [(), ("pipelines",)])
async def test_where_no_issuer_enrols_nothing_has_changed(
    tmp_path: Path, client: FakeClient, names: tuple[str, ...]
) -> None:
    """A bearer token is no session, and that is all that is said; pipelines enrol nobody either."""
    world = knowing(fakes.world(tmp_path), *names) if names else fakes.world(tmp_path)
    response = await register(world, client, partner())
    assert (response.status_code, body_of(response)["code"]) == (401, "session_invalid")
    assert response.headers["WWW-Authenticate"] == "Ceremony"
    world.store.close()


async def test_a_session_still_counts_beside_issuers(knows: World, client: FakeClient) -> None:
    """The scheme says which it is."""
    response = await register(knows, client, "x", scheme="Ceremony")
    assert body_of(response)["code"] == "session_invalid"
