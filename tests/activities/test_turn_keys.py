"""The keys' turn as an activity: what is due is done, and what changed is told until it is confirmed."""

from __future__ import annotations

from datetime import timedelta

from activities.turn_keys import turn_keys
from passkeys.acts import derived_act_id
from passkeys.audit import canonical, segment_name, shard_name
from passkeys.signing_keys import KeyState
from tests.passkeys.worlds import Clock, world_of


async def test_a_turn_tells_its_changes_until_they_are_confirmed() -> None:
    """Run again, after a crash for instance, it changes nothing more and tells the same."""
    world = world_of()
    first = await turn_keys(world, {"told": []})
    assert [change["change"] for change in first["changes"]] == ["key_published", "key_signing"]
    assert await turn_keys(world, {"told": []}) == first
    assert await turn_keys(world, {"told": first["changes"]}) == {"changes": []}


async def test_what_is_in_the_trail_is_not_told_again() -> None:
    """Whoever was to confirm it has died, and the audit's own memory is short: the turn looks into the trail itself."""
    world = world_of()
    published, signing = (await turn_keys(world, {"told": []}))["changes"]
    act_id = derived_act_id(published["change"], published["key_id"], published["at"])
    segment = segment_name(shard_name(act_id, world.settings.audit_shards), published["at"][:10])
    await world.store.append(segment, canonical({"act_id": act_id}) + b"\n", position=0)
    assert await turn_keys(world, {"told": []}) == {"changes": [signing]}
    assert [change.change for change in (await world.signing.ring()).untold] == ["key_signing"]


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
