"""Leavers: what they still have, and a directory that has lost everybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from passkeys import families
from passkeys.acts import Leaving
from passkeys.credentials import StandingState
from passkeys.directory import DEMO_PEOPLE, PersonStatus, StaticDirectory
from passkeys.families import Opened
from passkeys.leavers import DOUBTED_AT, DOUBTED_WITHIN, find_leaver, leaving_of
from passkeys.world import World
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.test_families import opening
from tests.passkeys.worlds import Clock, world_of
from tests.starters.people import has_passkey, stands

NOBODY = StaticDirectory({})
DISABLED = StaticDirectory({"ada": replace(DEMO_PEOPLE["ada"], status=PersonStatus.DISABLED)})


async def has_everything(world: World, person: str = "ada") -> None:
    """Two passkeys, one of which is disabled already, and a session."""
    await has_passkey(world, person, "AQID")
    await has_passkey(world, person, "BAUG")
    await stands(world.store, "BAUG", StandingState.DISABLED)
    assert isinstance(await families.open_family(world, opening(world, person=person)), Opened)


def test_who_may_not_come_in_is_disabled_or_unknown() -> None:
    """Whoever the directory has and has not disabled, may."""
    assert leaving_of(DEMO_PEOPLE["ada"]) is None
    assert leaving_of(DEMO_PEOPLE["mallory"]) is Leaving.DISABLED
    assert leaving_of(None) is Leaving.UNKNOWN


async def test_a_leaver_has_what_can_still_be_used() -> None:
    """Living sessions and passkeys that can sign in; another's, and who may come in, are left alone."""
    world = world_of()
    await has_everything(world)
    await has_passkey(world, "grace", "R3JhY2U")
    assert await find_leaver(world, "ada") is None
    for directory, leaving in ((DISABLED, Leaving.DISABLED), (NOBODY, Leaving.UNKNOWN)):
        found = await find_leaver(replace(world, directory=directory), "ada")
        assert found is not None
        assert (found.leaving, found.doubtful) == (leaving, False)
        assert [held.record.credential_id for held in found.credentials] == ["AQID"]
        assert [family.client_id for family in found.sessions] == ["shop"]


async def doubts(world: World, people: list[str]) -> list[bool]:
    found = [await find_leaver(world, person) for person in people]
    return [one is not None and one.doubtful for one in found]


async def test_a_directory_that_has_lost_many_is_doubted() -> None:
    """The same one again counts once; the fifth within the hour is too many, and so is every other while that lasts."""
    clock = Clock()
    world = world_of(directory=NOBODY, clock=clock)
    few = [f"p{number}" for number in range(DOUBTED_AT - 1)]
    assert await doubts(world, few + few + few) == [False] * 3 * len(few)
    assert await doubts(world, ["one-more", "p0"]) == [True, True]
    clock.advance((DOUBTED_WITHIN - timedelta(seconds=1)).total_seconds())
    assert await doubts(world, ["late"]) == [True]
    clock.advance(2)
    assert await doubts(world, ["later"]) == [False]


async def test_no_directory_disables_everybody_by_mistake() -> None:
    """Somebody whom it names as disabled is its clear word, however many others it has lost."""
    world = world_of(directory=NOBODY)
    await doubts(world, [f"p{number}" for number in range(40)])
    found = await find_leaver(replace(world, directory=DISABLED), "ada")
    assert found is not None
    assert not found.doubtful


async def test_what_is_counted_names_nobody_and_stays_small() -> None:
    """No person's id is in the document, and a thousand of them are not kept."""
    store = MemoryStore(Faults())
    world = world_of(store, directory=NOBODY)
    await doubts(world, [f"person-{number}" for number in range(100)])
    data = store.documents["leavers/unknown.json"].data
    assert b"person-" not in data
    assert len(data) < 4096
