"""Ending a token and asking about one: who may, what they learn, and every attack on our own tokens refused without a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from passkeys import families
from passkeys.acts import Act
from passkeys.families import Opened
from passkeys.family_rows import Opening
from passkeys.tokens import Claims, mint, subject_for
from passkeys.world import World
from starters.server_metadata import well_known_oauth_authorization_server
from starters.tokens_told import introspect, revoke
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.tokens import EC, ED, RSA, b64, jwk, malleated, token
from tests.starters.applications import (
    APPLICATIONS,
    ISSUER,
    LEDGER_API,
    ORIGIN,
    SHOP_API,
    assertion,
    error_of,
    post,
    with_applications,
)
from tests.starters.fakes import FakeClient, body_of, request
from tests.starters.test_openapi import fits

JKT = "x" * 43


@pytest.fixture
def shops(world: World) -> World:
    return with_applications(world)


async def session(
    world: World,
    client_id: str = "shop",
    audience: str = SHOP_API,
    *,
    ceremony: str = "1",
    jkt: str | None = JKT,
) -> tuple[families.Family, str, str]:
    """A family, its refresh token, and an access token of it."""
    application = APPLICATIONS[client_id]
    now = world.clock()
    opening = Opening(
        person="ada",
        client_id=client_id,
        audience=audience,
        roles=("operator",),
        jkt=jkt,
        auth_time=now,
        acr="phr",
        amr=("swk", "user", "mfa"),
        credential_id="AQID",
        ceremony_id="authentication-" + ceremony * 32,
        idle_seconds=3600,
        absolute_seconds=43_200,
        access_seconds=300,
    )
    found = await families.open_family(world, opening)
    assert isinstance(found, Opened)
    assert found.token is not None
    claims = Claims(
        client_id=client_id,
        audience=audience,
        subject=await subject_for(world, application, "ada"),
        session=found.family.sid,
        auth_time=now,
        acr="phr",
        amr=opening.amr,
        roles=opening.roles,
        jkt=jkt,
    )
    return found.family, found.token, await mint(world, claims, seconds=300)


async def told(world: World, shown: str, *, by: str = "shop-api") -> dict[str, Any]:
    response = await introspect(world, post("/introspect", {"token": shown, **assertion(world, by)}))
    assert response.status_code == 200
    fits(response, "/introspect", "post")
    found: dict[str, Any] = body_of(response)
    return found


async def test_a_good_token_is_told_about(shops: World) -> None:
    """All that it says, and of which kind it is; nobody's name."""
    family, _, access = await session(shops)
    now = int(shops.clock().timestamp())
    found = await told(shops, access)
    assert found.pop("jti")
    assert found == {
        "active": True,
        "iss": ISSUER,
        "aud": SHOP_API,
        "sub": "ada",
        "client_id": "shop",
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "acr": "phr",
        "amr": ["swk", "user", "mfa"],
        "sid": family.sid,
        "roles": ["operator"],
        "cnf": {"jkt": JKT},
        "token_type": "DPoP",
    }
    _, _, bearer = await session(shops, ceremony="2", jkt=None)
    assert (await told(shops, bearer))["token_type"] == "Bearer"


async def test_another_audiences_token_is_none(shops: World) -> None:
    """Who may ask, may ask about what is for them: whosever client it is."""
    _, _, for_ledger = await session(shops, "ledger", LEDGER_API, ceremony="1")
    _, _, for_shop = await session(shops, "ledger", SHOP_API, ceremony="2")
    assert await told(shops, for_ledger) == {"active": False}
    found = await told(shops, for_shop)
    assert (found["client_id"], found["aud"]) == ("ledger", SHOP_API)
    assert found["sub"] not in ("ada", "")


async def test_a_refresh_token_is_told_about_to_its_own_client(shops: World) -> None:
    """The newest alone; to another it is none."""
    family, refresh, _ = await session(shops, "shop-api", ceremony="1", jkt=None)
    found = await told(shops, refresh)
    assert found == {
        "active": True,
        "iss": ISSUER,
        "sub": "ada",
        "client_id": "shop-api",
        "exp": int(family.ends_at.timestamp()),
    }
    presented = await families.present(shops, refresh, client_id="shop-api", jkt=None)
    await families.succeed(shops, presented, idle_seconds=60, roles=(), claims_at=shops.clock())
    assert await told(shops, refresh) == {"active": False}
    _, others, _ = await session(shops, "shop", ceremony="2")
    assert await told(shops, others) == {"active": False}


async def test_a_token_is_told_about_until_its_end_and_no_longer(shops: World) -> None:
    """Applications may give it a minute for their clocks; of ours, there is no doubt (RFC 7662 §4)."""
    _, _, access = await session(shops, ceremony="1")
    seconds = (await told(shops, access))["exp"] - int(shops.clock().timestamp())
    for after, active in ((seconds - 1, True), (seconds, False)):
        now = shops.clock() + timedelta(seconds=after)
        found = await told(replace(shops, clock=lambda now=now: now), access)  # type: ignore[misc]
        assert found["active"] is active


async def test_a_dead_familys_tokens_are_dead(shops: World, client: FakeClient) -> None:
    """Revoked, signed out everywhere, or of a registration that has changed."""
    family, _, access = await session(shops, ceremony="1")
    assert (await told(shops, access))["active"]
    await families.revoke(shops, family, "revoked")
    assert await told(shops, access) == {"active": False}
    _, _, second = await session(shops, ceremony="2")
    await families.revoke_all(shops, "ada", "signed_out")
    assert await told(shops, second) == {"active": False}
    later = replace(shops, clock=lambda: world_time + timedelta(seconds=1))
    world_time = shops.clock()
    _, _, third = await session(later, ceremony="3")
    assert (await told(later, third))["active"]
    gone = {name: one for name, one in APPLICATIONS.items() if name != "shop"}
    assert await told(replace(later, applications=gone), third) == {"active": False}
    other = {**APPLICATIONS, "shop": replace(APPLICATIONS["shop"], audiences=(LEDGER_API,))}
    assert await told(replace(later, applications=other), third) == {"active": False}


@pytest.mark.parametrize("by", ["batch", "public"])
async def test_who_may_not_ask_learns_nothing(shops: World, by: str) -> None:
    """Neither a back end without the right to, nor a public application, about its own token."""
    _, _, access = await session(shops)
    proof = {"client_id": "shop"} if by == "public" else assertion(shops, by)
    response = await introspect(shops, post("/introspect", {"token": access, **proof}))
    fits(response, "/introspect", "post")
    assert (response.status_code, error_of(response)) == (400, "unauthorized_client")


async def ours(
    world: World, claims: dict[str, Any], header: dict[str, Any] | None = None, **signing: Any
) -> str:
    """A token by the ring's own key, right but for what is given."""
    ring = await world.signing.ring()
    assert isinstance(world.keys, MemoryKeys)
    key_id = ring.keys[0].key_id
    given = {"key": world.keys.keys[key_id], **signing}
    return token(claims, {"alg": "ES256", "kid": key_id, "typ": "at+jwt", **(header or {})}, **given)


# name: (claims over the honest ones, header over the honest one, how it is really signed)
ATTACKS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "alg none": ({}, {"alg": "none"}, {"algorithm": "ES256"}),
    "alg NoNe": ({}, {"alg": "NoNe"}, {"algorithm": "ES256"}),
    "HS256 with the PEM": ({}, {"alg": "HS256"}, {"key": EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "algorithm": "HS256"}),
    "HS256 with the JWK": ({}, {"alg": "HS256"}, {"key": json.dumps(jwk(EC, "x")).encode(), "algorithm": "HS256"}),
    "RS256": ({}, {"alg": "RS256"}, {"key": RSA, "algorithm": "RS256"}),
    "PS256": ({}, {"alg": "PS256"}, {"key": RSA, "algorithm": "PS256"}),
    "Ed25519": ({}, {"alg": "Ed25519"}, {"key": ED, "algorithm": "Ed25519"}),
    "embedded jwk": ({}, {"jwk": jwk(EC, "x")}, {"key": EC}),
    "embedded jwk, its kid": ({}, {"jwk": jwk(EC, "x"), "kid": "x"}, {"key": EC}),
    "jku": ({}, {"jku": "https://evil.example/jwks", "kid": "x"}, {"key": EC}),
    "x5u": ({}, {"x5u": "https://evil.example/x"}, {"key": EC}),
    "x5c": ({}, {"x5c": ["AAAA"]}, {"key": EC}),
    "no kid": ({}, {"kid": None}, {}),
    "unknown kid": ({}, {"kid": "x" * 43}, {}),
    "another's key": ({}, {}, {"key": EC}),
    "unknown crit": ({}, {"crit": ["exp"]}, {}),
    "b64 false": ({}, {"b64": False, "crit": ["b64"]}, {}),
    "typ JWT": ({}, {"typ": "JWT"}, {}),
    "no typ": ({}, {"typ": None}, {}),
    "logout token": ({}, {"typ": "logout+jwt"}, {}),
    "DPoP proof": ({}, {"typ": "dpop+jwt"}, {}),
    "ID token": ({"nonce": "x"}, {}, {}),
    "ID token beside an access token": ({"at_hash": "x"}, {}, {}),
    "event": ({"events": {}}, {}, {}),
    "expired": ({"exp": -60}, {}, {}),
    "no exp": ({"exp": None}, {}, {}),
    "exp a text": ({"exp": "9999999999"}, {}, {}),
    "future nbf": ({"nbf": 61}, {}, {}),
    "future iat": ({"iat": 61}, {}, {}),
    "another audience": ({"aud": LEDGER_API}, {}, {}),
    "aud a list with ours": ({"aud": [SHOP_API, LEDGER_API]}, {}, {}),
    "aud a list of ours alone": ({"aud": [SHOP_API]}, {}, {}),
    "no aud": ({"aud": None}, {}, {}),
    "another issuer": ({"iss": "https://login.microsoftonline.com/x/v2.0"}, {}, {}),
    "issuer with a slash": ({"iss": ISSUER + "/"}, {}, {}),
    "no issuer": ({"iss": None}, {}, {}),
    "sub a list": ({"sub": ["ada"]}, {}, {}),
    "no sub": ({"sub": None}, {}, {}),
    "another client": ({"client_id": "ledger"}, {}, {}),
    "no client": ({"client_id": None}, {}, {}),
    "client a list": ({"client_id": ["shop"]}, {}, {}),
    "no sid": ({"sid": None}, {}, {}),
    "sid a list": ({"sid": ["x"]}, {}, {}),
    "sid of nothing": ({"sid": "A" * 22}, {}, {}),
    "1 MB": ({"x": "x" * 30_000}, {}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_each_attack_on_our_own_tokens_is_inactive(shops: World, name: str) -> None:
    """Whatever is wrong with it, the answer is the same, and as good as no token; beside it, the honest one is good."""
    family, _, _ = await session(shops)
    now = int(shops.clock().timestamp())
    honest: dict[str, Any] = {
        "iss": ISSUER, "aud": SHOP_API, "sub": "ada", "client_id": "shop", "iat": now, "exp": now + 300, "jti": "x",
        "auth_time": now, "amr": ["swk"], "sid": family.sid,
    }  # fmt: skip
    assert (await told(shops, await ours(shops, honest)))["active"]
    changed, header, signing = ATTACKS[name]
    times = {claim: now + value for claim, value in changed.items() if isinstance(value, int)}
    claims = {claim: value for claim, value in {**honest, **changed, **times}.items() if value is not None}
    made = await ours(shops, claims, header, **signing)
    assert await told(shops, made) == {"active": False}
    response = await revoke(shops, post("/revoke", {"token": made, "client_id": "shop"}), FakeClient())
    assert response.status_code == 200
    # Whoever signs with the ring's key is us: these say of a family of theirs what ends it, and nothing else does.
    if name != "another audience":
        assert await families.by_sid(shops, family.sid) is not None


async def test_what_is_no_token_is_inactive(shops: World) -> None:
    """Of any form; and a token without its signature, or with the other signature, which is good."""
    _, _, access = await session(shops)
    header, claims, _ = access.split(".")
    for nothing in (
        "x",
        "..",
        f"{header}.{claims}.",
        f"{header}.{claims}.{b64(bytes(64))}",
        "é",
        "x" * 20_000,
    ):
        assert await told(shops, nothing) == {"active": False}
    assert isinstance(shops.keys, MemoryKeys)
    assert (await told(shops, malleated(access)))["active"]


@pytest.mark.parametrize("kind", ["refresh", "access"])
async def test_a_token_of_ones_own_ends_its_family(shops: World, client: FakeClient, kind: str) -> None:
    """By either kind, recorded once; again it is 200 as well."""
    family, refresh, access = await session(shops)
    shown = refresh if kind == "refresh" else access
    for _ in range(2):
        response = await revoke(shops, post("/revoke", {"token": shown, "client_id": "shop"}), client)
        fits(response, "/revoke", "post")
        assert (response.status_code, response.get_body()) == (200, b"{}")
    assert await families.by_sid(shops, family.sid) is None
    entries = [call[3] for call in client.calls if call[0] == "signal_entity"]
    assert [(one["act"], one["session"], one["by"]) for one in entries] == [
        (Act.SESSION_REVOKED, family.sid, "client:shop")
    ]
    assert not [one for one in entries if refresh in json.dumps(one) or access in json.dumps(one)]


async def test_an_old_refresh_token_ends_its_family_too(shops: World, client: FakeClient) -> None:
    """It is of the same family, and shown by whom it was given to."""
    family, refresh, _ = await session(shops)
    presented = await families.present(shops, refresh, client_id="shop", jkt=JKT)
    await families.succeed(shops, presented, idle_seconds=60, roles=(), claims_at=shops.clock())
    await revoke(shops, post("/revoke", {"token": refresh, "client_id": "shop"}), client)
    assert await families.by_sid(shops, family.sid) is None


async def test_anothers_token_ends_nothing(shops: World, client: FakeClient) -> None:
    """And the answer does not tell: unknown, over, another client's."""
    family, refresh, access = await session(shops)
    for shown in (refresh, access, "x", "x" * 92):
        for by in ({"client_id": "ledger"}, assertion(shops, "shop-api")):
            response = await revoke(shops, post("/revoke", {"token": shown, **by}), client)
            assert (response.status_code, response.get_body()) == (200, b"{}")
    assert await families.by_sid(shops, family.sid) is not None
    assert client.calls == []


@pytest.mark.parametrize("path", ["/revoke", "/introspect"])
async def test_a_bad_question_is_refused(shops: World, client: FakeClient, path: str) -> None:
    """No token, no client, no form, a wrong method: as the document says."""

    async def call(asked: Any) -> Any:
        return await (introspect(shops, asked) if path == "/introspect" else revoke(shops, asked, client))

    for asked, status, code in (
        (post(path, assertion(shops, "shop-api")), 400, "invalid_request"),
        (post(path, {"token": "x"}), 400, "invalid_request"),
        (post(path, {"token": "x", "client_id": "evil"}), 401, "invalid_client"),
        (post(path, b"token=x&token=x"), 400, "invalid_request"),
        (request("POST", path, {"token": "x"}), 400, "invalid_request"),
        (post(path, b"x" * 70_000), 413, "invalid_request"),
        (request("GET", path), 405, "invalid_request"),
    ):
        response = await call(asked)
        fits(response, path, "post")
        assert (response.status_code, error_of(response)) == (status, code)
    shops = replace(shops, keys=MemoryKeys(away=True))
    response = await call(post(path, {"token": "x", **assertion(shops, "shop-api")}))
    fits(response, path, "post")
    assert (response.status_code, error_of(response)) == (503, "temporarily_unavailable")


async def test_the_metadata_says_where_everything_is(shops: World) -> None:
    """RFC 8414 §3.3: the issuer is the one that it was asked at; every address is ours; scripts may read it."""
    response = await well_known_oauth_authorization_server(
        shops, request("GET", "/.well-known/oauth-authorization-server", headers={"origin": ORIGIN})
    )
    fits(response, "/.well-known/oauth-authorization-server", "get")
    found = body_of(response)
    assert found["issuer"] == ISSUER
    assert all(
        value.startswith(f"{ISSUER}/")
        for name, value in found.items()
        if name.endswith(("_endpoint", "_uri"))
    )
    assert found["dpop_signing_alg_values_supported"] == ["ES256", "Ed25519"]
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert response.headers["Access-Control-Allow-Origin"] == "*"
