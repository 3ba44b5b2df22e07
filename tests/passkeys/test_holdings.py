"""Holdings: a person's credentials as they stand, and nobody else's."""

from __future__ import annotations

from passkeys.credentials import StandingState, credential_name
from passkeys.holdings import USABLE, holding_of, holdings_of, is_credential_id, marker_of
from passkeys.response import MAX_CREDENTIAL_ID, encode_base64url
from passkeys.world import World
from tests.activities.scenes import decide, enrolled, sign_in
from tests.passkeys.worlds import Clock, world_of


async def two_passkeys(world: World, clock: Clock) -> tuple[str, str]:
    """Ada's, a minute apart."""
    first = await enrolled(world, "ada", 1)
    clock.advance(60)
    second = await enrolled(world, "ada", 2)
    await enrolled(world, "grace", 3)
    assert (await sign_in(world, second, 4))["verified"]
    return first.id, second.id


async def test_a_person_has_what_was_registered_and_not_removed() -> None:
    """Oldest first, with use and standing where there are any; another's is not among them."""
    clock = Clock()
    world = world_of(clock=clock)
    first, second = await two_passkeys(world, clock)
    held = await holdings_of(world.store, "ada")
    assert [one.record.credential_id for one in held] == [first, second]
    assert [one.usage is None for one in held] == [True, False]
    assert {one.state for one in held} == {StandingState.ACTIVE}
    await decide(world, first, StandingState.DISABLED)
    assert [one.state for one in await holdings_of(world.store, "ada")] == [
        StandingState.DISABLED,
        StandingState.ACTIVE,
    ]
    await decide(world, first, StandingState.REMOVED)
    assert [one.record.credential_id for one in await holdings_of(world.store, "ada")] == [second]
    assert await holdings_of(world.store, "nobody") == []


async def test_a_marker_alone_is_no_credential() -> None:
    """What a failed registration leaves behind."""
    world = world_of()
    passkey = await enrolled(world, "ada", 1)
    await world.store.delete(credential_name(passkey.id))
    assert await holdings_of(world.store, "ada") == []
    assert await holding_of(world.store, "ada", passkey.id) is None
    assert await marker_of(world.store, "ada", passkey.id) is not None


async def test_anothers_is_as_one_that_is_not_there() -> None:
    """By its id too; also when a marker of the asker's own should name it."""
    world = world_of()
    graces = await enrolled(world, "grace", 1)
    assert await holding_of(world.store, "ada", graces.id) is None
    assert await holding_of(world.store, "ada", "AQID") is None
    found = await holding_of(world.store, "grace", graces.id)
    assert found is not None
    name = f"people/YWRh/{graces.id}.json"
    await world.store.create(name, (await world.store.get(f"people/Z3JhY2U/{graces.id}.json")).data)  # type: ignore[union-attr]
    assert await holding_of(world.store, "ada", graces.id) is None


def test_what_can_be_a_credentials_id() -> None:
    """Strict base64url, at least a byte, at most as long as WebAuthn allows."""
    longest = encode_base64url(b"x" * MAX_CREDENTIAL_ID)
    assert is_credential_id("AQID")
    assert is_credential_id(longest)
    for wrong in ("", "A", "AQI=", "AQJ", "a b", "../x", "é", longest + "AA", "@audit_log@00", "AQID\n"):
        assert not is_credential_id(wrong), wrong


def test_what_can_sign_in() -> None:
    """Active ones, and those that are good for stepping up."""
    assert {StandingState.ACTIVE, StandingState.STEP_UP} == USABLE
