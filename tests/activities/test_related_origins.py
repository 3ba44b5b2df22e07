"""An answer from a related origin is one of ours: what browsers are told at /.well-known/webauthn, verification believes."""

from __future__ import annotations

from activities.issue_authentication_challenge import issue_authentication_challenge
from activities.verify_authentication import verify_authentication
from demo.authenticator import Lie, get
from passkeys.world import World
from tests.activities.scenes import enrolled
from tests.passkeys.worlds import world_of

RELATED = "https://shop.example.com"


async def signed_in_from(world: World, origin: str) -> str:
    """The verdict on an answer from a page there."""
    passkey = await enrolled(world)
    issued = await issue_authentication_challenge(world, {"ceremony_id": "x", "deadline_seconds": 60})
    response = get(passkey, issued["publicKey"], origin=origin, lie=Lie(origin=origin))
    request = {
        "ceremony_id": f"authentication-{1:032x}",
        "publicKey": issued["publicKey"],
        "response": response,
    }
    verdict = await verify_authentication(world, request)
    return "verified" if verdict["verified"] else str(verdict["reason"])


async def test_only_a_related_origin_that_is_listed_counts() -> None:
    """Whole origins are compared: neither a neighbour's nor one that is listed nowhere."""
    listed = {"PASSKEYS_RELATED_ORIGINS": f"{RELATED},https://example.net"}
    assert await signed_in_from(world_of(**listed), RELATED) == "verified"
    for origin in ("https://example.com", f"{RELATED}:8443", "https://other.shop.example.com"):
        assert await signed_in_from(world_of(**listed), origin) == "origin_unexpected"
    assert await signed_in_from(world_of(), RELATED) == "origin_unexpected"
