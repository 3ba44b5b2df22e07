"""A sign-in for an application: what its start carries into the ceremony, and what it is not good for."""

from __future__ import annotations

from typing import Any

import pytest

from passkeys.proof import challenge_of
from passkeys.world import World
from starters.ceremonies import authentications, ceremony
from starters.problems import RefusedError
from starters.sessions import session_of
from tests.starters.applications import ORIGIN, SHOP_API, with_applications
from tests.starters.fakes import AUTHENTICATION, FakeClient, body_of, request
from tests.starters.people import ADAS, CHALLENGE, has_ended, has_passkey

OWN = challenge_of("o" * 43)
SHOP: dict[str, Any] = {
    "client_id": "shop",
    "redirect_uri": f"{ORIGIN}/callback",
    "code_challenge": CHALLENGE,
}


def started_with(client: FakeClient) -> dict[str, Any]:
    return dict(next(call for call in client.calls if call[0] == "start_new")[3])


async def test_the_ceremony_knows_what_may_be_redeemed(world: World, client: FakeClient) -> None:
    """Client and authorization are in its input; neither is in the answer."""
    world = with_applications(world)
    response = await authentications(
        world, request("POST", "/authentications", {**SHOP, "application_challenge": OWN}), client
    )
    assert response.status_code == 202
    given = started_with(client)
    assert given["client_id"] == "shop"
    assert given["code_challenge"] == CHALLENGE
    assert given["authorization"] == {
        "client_id": "shop",
        "redirect_uri": f"{ORIGIN}/callback",
        "audience": SHOP_API,
        "code_challenge": OWN,
        "dpop_jkt": None,
        "acr_values": [],
    }
    assert body_of(response).keys().isdisjoint({"authorization", "client_id"})


async def test_a_sign_in_of_our_own_has_neither(world: World, client: FakeClient) -> None:
    """As before there were applications."""
    await authentications(world, request("POST", "/authentications", {}), client)
    assert (started_with(client)["client_id"], started_with(client)["authorization"]) == (None, None)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client_id": "nobody"}, "client_unknown"),
        ({"redirect_uri": f"{ORIGIN}/elsewhere"}, "redirect_uri_unregistered"),
        ({"resource": "https://api.ledger.example.com"}, "resource_unregistered"),
        ({"code_challenge": None}, "request_malformed"),
    ],
)
async def test_what_is_not_registered_starts_nothing(
    world: World, client: FakeClient, change: dict[str, Any], code: str
) -> None:
    """400 with a code of its own, and no ceremony."""
    world = with_applications(world)
    response = await authentications(world, request("POST", "/authentications", {**SHOP, **change}), client)
    assert (response.status_code, body_of(response)["code"]) == (400, code)
    assert not [call for call in client.calls if call[0] == "start_new"]


def authorization(code_challenge: str) -> dict[str, Any]:
    return {
        "client_id": "shop",
        "redirect_uri": f"{ORIGIN}/callback",
        "audience": SHOP_API,
        "code_challenge": code_challenge,
        "dpop_jkt": None,
        "acr_values": [],
    }


async def test_the_code_tells_nobody_who_has_signed_in(world: World, client: FakeClient) -> None:
    """It goes through addresses and logs: the ceremony's holder sees how it ended, and neither person nor passkey. Others' do."""
    for members, shown in (({}, "ada"), ({"authorization": authorization(OWN)}, None)):
        has_ended(client, AUTHENTICATION, **members)
        asked = request("GET", f"/ceremonies/{AUTHENTICATION}", route={"id": AUTHENTICATION})
        output = body_of(await ceremony(world, asked, client))["output"]
        assert output["outcome"] == "completed"
        assert (output["person"] or {}).get("id") == shown
        assert (output["credential_id"] is None) == (shown is None)
        assert output.keys().isdisjoint({"authorization", "code_challenge", "user_verified"})


@pytest.mark.parametrize("challenge", [CHALLENGE, OWN], ids=["its own proof key", "the page's"])
async def test_a_sign_in_for_an_application_is_no_session(
    world: World, client: FakeClient, challenge: str
) -> None:
    """It is redeemed; with neither proof key can passkeys be added or removed."""
    await has_passkey(world, "ada", ADAS)
    header = has_ended(client, AUTHENTICATION, authorization=authorization(challenge))
    asked = request("GET", "/credentials", headers={"authorization": header})
    with pytest.raises(RefusedError, match="session_invalid"):
        await session_of(world, asked, client, fresh=False)
