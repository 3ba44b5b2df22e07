"""The keys' turn as an activity: what is due is done, and what changed is told until it is confirmed."""

from __future__ import annotations

from datetime import timedelta

from activities.turn_keys import turn_keys
from passkeys.signing_keys import KeyState
from tests.passkeys.worlds import Clock, world_of


async def test_a_turn_tells_its_changes_until_they_are_confirmed() -> None:
    """Run again, after a crash for instance, it changes nothing more and tells the same."""
    world = world_of()
    first = await turn_keys(world, {"told": []})
    assert [change["change"] for change in first["changes"]] == ["key_published", "key_signing"]
    assert await turn_keys(world, {"told": []}) == first
    assert await turn_keys(world, {"told": first["changes"]}) == {"changes": []}


async def test_keys_follow_each_other_by_the_settings() -> None:
    """One day of signing and a minute of publishing: after a day and a bit another key signs."""
    clock = Clock()
    world = world_of(clock=clock, PASSKEYS_KEY_DAYS="1", PASSKEYS_KEY_PUBLISH_SECONDS="60")
    told = (await turn_keys(world, {"told": []}))["changes"]
    (old,) = (await world.signing.ring()).keys
    for _ in range(25):
        clock.now += timedelta(hours=1)
        told += (await turn_keys(world, {"told": told}))["changes"]
    ring = await world.signing.ring()
    assert [key.key_id for key in ring.of(KeyState.RETIRED)] == [old.key_id]
    assert [change["change"] for change in told[2:]] == ["key_published", "key_retired", "key_signing"]
