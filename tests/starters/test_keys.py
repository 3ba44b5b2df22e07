"""The key set over HTTP: public halves alone, for caches and for pages of any origin."""

from __future__ import annotations

import pytest
from joserfc.jwk import ECKey

from passkeys.world import World
from starters.keys import well_known_jwks
from starters.service import healthz
from starters.timers import KEYS_INSTANCE, start_key_rotation
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.worlds import world_of
from tests.starters.fakes import FakeClient, body_of, request

URL = "/.well-known/jwks.json"


async def test_the_key_set_is_public_and_holds_nothing_private() -> None:
    """RFC 7517: the key that signs, and the next one; anybody may keep it for a while."""
    world = world_of()
    await world.signing.advance(by="a test")
    await world.signing.advance(by="a test", rotate=True)
    response = await well_known_jwks(world, request("GET", URL))
    keys = body_of(response)["keys"]
    assert len(keys) == 2
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"} for key in keys)
    assert all(not ECKey.import_key(key).is_private for key in keys)
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_it_is_kept_no_longer_than_half_of_how_long_a_key_is_published_before_it_signs() -> None:
    """Else an application could meet a token before it meets the key."""
    world = world_of(PASSKEYS_KEY_PUBLISH_SECONDS="60")
    response = await well_known_jwks(world, request("GET", URL))
    assert response.headers["Cache-Control"] == "public, max-age=30"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_it_is_read_alone(method: str) -> None:
    """405 for the rest."""
    assert (await well_known_jwks(world_of(), request(method, URL))).status_code == 405


async def test_keys_that_cannot_be_had_are_told_by_readiness() -> None:
    """503 here and there, and the name of what is missing."""
    world = world_of()
    assert isinstance(world.keys, MemoryKeys)
    world.keys.away = True
    assert (await well_known_jwks(world, request("GET", URL))).status_code == 503
    response = await healthz(world, request("GET", "/healthz"), FakeClient())
    assert body_of(response)["missing"] == ["keys"]


async def test_the_timer_starts_the_one_turn(world: World, client: FakeClient) -> None:
    """Under its own id, with as many shards as the audit has."""
    await start_key_rotation(world, None, client)  # type: ignore[arg-type]
    started = [call[1:] for call in client.calls if call[0] == "start_new"]
    told = {"policy_version": world.policy_version}
    assert started == [("rotate_keys", KEYS_INSTANCE, {"v": 1, "audit_shards": 4, "audit": told})]
