"""Access tokens: what is in them, what is not, and that what verifies everybody's tokens verifies ours."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from passkeys.access_tokens import own_profile, validate_claims
from passkeys.applications import Application
from passkeys.errors import TokenRefusal, TokenRefused
from passkeys.response import decode_base64url
from passkeys.tokens import Claims, mint, subject_for
from passkeys.world import World
from tests.passkeys.worlds import world_of

API = "https://api.example.com"
AUTH_TIME = datetime(2026, 1, 1, 11, 59, tzinfo=UTC)
CLAIMS = Claims(
    client_id="portal",
    audience=API,
    subject="ada",
    session="c2Vzc2lvbg",
    auth_time=AUTH_TIME,
    acr="phrh",
    amr=("hwk", "user", "mfa"),
    roles=("operator",),
    jkt="0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return json.loads(decode_base64url(header)), json.loads(decode_base64url(claims))


async def judged(world: World, token: str, *, audience: str = API, at: datetime | None = None) -> Any:
    profile = own_profile(issuer=world.settings.issuer, audiences=frozenset({audience}))
    keys = await world.signing.key_set()
    return validate_claims(token, profile=profile, keys=keys, at=at or world.clock())


async def test_a_token_says_what_an_application_needs_and_no_more() -> None:
    """RFC 9068 §2.2, with whose session it is and the key that it is bound to; under a kilobyte."""
    world = world_of()
    token = await mint(world, CLAIMS, seconds=300)
    header, claims = parts(token)
    now = int(world.clock().timestamp())
    (key,) = await world.signing.published()
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": key["kid"]}
    assert len(decode_base64url(claims.pop("jti"))) == 16
    assert claims == {
        "iss": "http://localhost:7071",
        "aud": API,
        "sub": "ada",
        "client_id": "portal",
        "iat": now,
        "exp": now + 300,
        "auth_time": int(AUTH_TIME.timestamp()),
        "acr": "phrh",
        "amr": ["hwk", "user", "mfa"],
        "sid": "c2Vzc2lvbg",
        "roles": ["operator"],
        "cnf": {"jkt": CLAIMS.jkt},
    }
    assert len(token) < 1024


async def test_what_cannot_be_claimed_is_left_out() -> None:
    """No acr without user verification, no roles where there are none, no key of a bearer token's."""
    bare = replace(CLAIMS, acr=None, roles=(), jkt=None)
    _, claims = parts(await mint(world_of(), bare, seconds=60))
    assert claims.keys().isdisjoint({"acr", "roles", "cnf", "scope"})


async def test_what_verifies_everybodys_tokens_verifies_ours() -> None:
    """The validator of this service, and another library's, each by the published key."""
    world = world_of()
    token = await mint(world, CLAIMS, seconds=300)
    identity, claims = await judged(world, token)
    assert (identity.subject, claims["client_id"]) == ("ada", "portal")
    (key,) = await world.signing.published()
    options: Any = {"verify_exp": False, "verify_iat": False}
    decoded = jwt.decode(token, jwt.PyJWK(dict(key)), ["ES256"], audience=API, options=options)
    assert decoded["sub"] == "ada"


async def test_a_token_is_over_and_is_for_one_audience() -> None:
    """After its minutes it is refused, and so is it by another API from the start."""
    world = world_of()
    token = await mint(world, CLAIMS, seconds=300)
    with pytest.raises(TokenRefused) as refused:
        await judged(world, token, at=world.clock() + timedelta(seconds=361))
    assert refused.value.code is TokenRefusal.EXPIRED
    with pytest.raises(TokenRefused) as refused:
        await judged(world, token, audience="https://other.example.com")
    assert refused.value.code is TokenRefusal.AUDIENCE_MISMATCH


async def test_each_token_is_another() -> None:
    """Two of the same moment have ids of their own."""
    world = world_of()
    one, other = [parts(await mint(world, CLAIMS, seconds=300))[1]["jti"] for _ in range(2)]
    assert one != other


async def test_a_pairwise_subject_is_the_same_in_a_sector_and_nowhere_else() -> None:
    """By person and sector; without it, the person's id. Nothing of the id can be read from it."""
    world = world_of()
    public = Application("portal", "Portal", (API,))
    ours = replace(public, pairwise=True, sector="example.com")
    theirs = replace(ours, sector="example.org")
    assert await subject_for(world, public, "ada") == "ada"
    found = {await subject_for(world, where, who) for where in (ours, theirs) for who in ("ada", "grace")}
    assert len(found) == 4
    assert await subject_for(world, replace(ours, client_id="other"), "ada") in found
    assert all(len(subject) == 43 for subject in found)
