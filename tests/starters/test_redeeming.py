"""An answer that redeems at once: the tokens with the outcome, for who has started the sign-in; and nobody's challenge is burnt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from passkeys.errors import DirectoryUnavailable
from passkeys.proof import challenge_of
from passkeys.world import World
from starters.ceremonies import ceremony_response
from tests.passkeys.key_homes import MemoryKeys
from tests.starters.applications import ISSUER, SHOP_API, dpop, with_applications
from tests.starters.fakes import AUTHENTICATION, WAITING, FakeClient, body_of, ended, instance, request
from tests.starters.people import ADAS, has_passkey
from tests.starters.test_ceremonies import ASSERTION
from tests.starters.test_openapi import fits

VERIFIER = "v" * 43
PATH = f"/ceremonies/{AUTHENTICATION}/response"
ASKED: dict[str, Any] = {
    "client_id": "shop",
    "redirect_uri": None,
    "audience": SHOP_API,
    "code_challenge": challenge_of(VERIFIER),
    "dpop_jkt": None,
    "acr_values": [],
}


@pytest.fixture
async def shops(world: World, client: FakeClient) -> World:
    """Ada is asked for her passkey by the shop, which waits for her answer."""
    made = with_applications(world)
    await has_passkey(made, "ada", ADAS)
    waits(client)
    return made


def waits(client: FakeClient, **authorization: Any) -> None:
    asked = {**ASKED, **authorization}
    start = {"code_challenge": challenge_of(VERIFIER), "authorization": asked}
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=WAITING) | {"input": start}
    client.on_event = lambda found: ended(
        found,
        "completed",
        person={"id": "ada", "display_name": "Ada"},
        credential_id=ADAS,
        user_verified=True,
        code_challenge=challenge_of(VERIFIER),
        authorization=asked,
    )


async def answer(
    world: World,
    client: FakeClient,
    proof: dict[str, str] | None = None,
    *,
    verifier: str = VERIFIER,
    query: str = "redeem=true",
) -> Any:
    headers = {"authorization": f"Ceremony {AUTHENTICATION}:{verifier}"}
    headers |= await dpop(world, PATH) if proof is None else proof
    asked = request("POST", f"{PATH}?{query}", ASSERTION, headers=headers, route={"id": AUTHENTICATION})
    response = await ceremony_response(world, asked, client)
    fits(response, "/ceremonies/{id}/response", "post")
    return response


def handed_over(client: FakeClient) -> bool:
    return any(call[0] == "raise_event" for call in client.calls)


async def test_the_tokens_come_with_the_outcome(shops: World, client: FakeClient) -> None:
    """One request less, and the same tokens as POST /token has."""
    response = await answer(shops, client)
    body = body_of(response)
    assert (response.status_code, body["output"]["outcome"]) == (200, "completed")
    assert body["tokens"]["token_type"] == "DPoP"
    assert len(body["tokens"]["refresh_token"]) == 92
    assert response.headers["DPoP-Nonce"]


async def test_without_being_asked_nothing_is_redeemed(shops: World, client: FakeClient) -> None:
    """As it was before there were applications."""
    assert "tokens" not in body_of(await answer(shops, client, {}, query=""))
    assert [name async for name in shops.store.list("sessions/")] == []


BAD: dict[str, tuple[dict[str, Any], dict[str, str], int, str]] = {
    "no proof": ({}, {}, 400, "invalid_dpop_proof"),
    "no nonce in it": ({}, {"nonce": ""}, 400, "use_dpop_nonce"),
    "for another address": ({}, {"htu": f"{ISSUER}/token"}, 400, "invalid_dpop_proof"),
    "by a redirect": (
        {"redirect_uri": "https://shop.example.com/callback"},
        {"jti": "x"},
        400,
        "request_malformed",
    ),
    "of the page's own": ({"code_challenge": challenge_of("w" * 43)}, {"jti": "x"}, 400, "request_malformed"),
    "a back end's": ({"client_id": "shop-api"}, {"jti": "x"}, 400, "request_malformed"),
    "unregistered since": ({"client_id": "gone"}, {"jti": "x"}, 400, "request_malformed"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_wrong_is_told_before_the_answer_is_used(
    shops: World, client: FakeClient, name: str
) -> None:
    """The challenge is still good: the same answer with a right request completes the sign-in."""
    authorization, changed, status, code = BAD[name]
    waits(client, **authorization)
    proof = await dpop(shops, PATH, **changed) if changed else {}
    response = await answer(shops, client, proof)
    body = body_of(response)
    assert (response.status_code, body.get("error", body.get("code"))) == (status, code)
    assert not handed_over(client)
    waits(client)
    assert body_of(await answer(shops, client))["tokens"]


async def test_who_has_not_started_it_has_neither(shops: World, client: FakeClient) -> None:
    """Another verifier, or another word than `true`."""
    assert body_of(await answer(shops, client, verifier="w" * 43))["code"] == "proof_required"
    assert body_of(await answer(shops, client, query="redeem=1"))["code"] == "parameter_invalid"
    assert not handed_over(client)


async def test_what_burns_nothing_is_not_written_down(shops: World, client: FakeClient) -> None:
    """Another verifier, or an answer that is none, can be sent without end: no proof of such a request is remembered."""
    await answer(shops, client, verifier="w" * 43)
    headers = {"authorization": f"Ceremony {AUTHENTICATION}:{VERIFIER}", **await dpop(shops, PATH)}
    asked = request("POST", f"{PATH}?redeem=true", {}, headers=headers, route={"id": AUTHENTICATION})
    assert body_of(await ceremony_response(shops, asked, client))["code"] == "response_malformed"
    assert [name async for name in shops.store.list("proofs/")] == []
    assert body_of(await answer(shops, client))["tokens"]
    assert len([name async for name in shops.store.list("proofs/")]) == 1


async def test_an_outcome_without_tokens_is_an_outcome(shops: World, client: FakeClient) -> None:
    """Refused at redemption, or not completed at all: the outcome all the same."""
    waits(client, acr_values=["phrh"])
    body = body_of(await answer(shops, client))
    assert (body["output"]["outcome"], body["tokens"]) == ("completed", None)
    waits(client)
    client.on_event = lambda found: ended(found, "rejected", "signature_invalid")
    body = body_of(await answer(shops, client))
    assert body["output"]["outcome"] == "rejected"
    assert "tokens" not in body


async def test_what_cannot_be_reached_is_503_and_the_code_is_still_good(
    shops: World, client: FakeClient
) -> None:
    """The sign-in has completed: POST /token has the tokens later."""

    class Away:
        async def find(self, person: str) -> None:
            raise DirectoryUnavailable("the test says so")

        async def person_of(self, identity: object) -> None:
            return None

    response = await answer(replace(shops, directory=Away()), client)
    assert (response.status_code, body_of(response)["code"]) == (503, "unavailable")
    assert client.instances[AUTHENTICATION]["runtimeStatus"] == "Completed"
    waits(client)
    response = await answer(replace(shops, keys=MemoryKeys(away=True)), client, await dpop(shops, PATH))
    assert (response.status_code, body_of(response)["code"]) == (503, "unavailable")
