"""The end of sessions with applications: one, all, those made with a passkey; once, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from activities.change_credential import change_credential
from activities.change_session import change_session
from passkeys import families
from passkeys.families import Opened
from passkeys.family_rows import Family
from passkeys.world import World
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.test_families import opening
from tests.passkeys.worlds import Clock, world_of
from tests.starters.people import has_passkey

ACT = f"act-{'1' * 32}"
OTHER_ACT = f"act-{'2' * 32}"


async def signed_in(world: World, number: int, **members: Any) -> Family:
    opened = await families.open_family(
        world, opening(world, ceremony_id=f"authentication-{number:032x}", **members)
    )
    assert isinstance(opened, Opened)
    return opened.family


async def left(world: World, person: str = "ada") -> set[str]:
    return {family.sid for family in await families.list_families(world, person)}


def ends(session: str | None, *, person: str | None = "ada", act_id: str = ACT) -> dict[str, Any]:
    act = "signed_out_everywhere" if session is None else "session_revoked"
    return {"act_id": act_id, "act": act, "session": session, "person": person}


async def test_one_session_ends_and_the_others_stay() -> None:
    """The same act, run again after a crash, says the same; another finds nothing any more."""
    world = world_of()
    first, second = await signed_in(world, 1), await signed_in(world, 2)
    done = {"changed": True, "person": "ada", "reason": None, "sessions": [first.sid]}
    assert await change_session(world, ends(first.sid)) == done
    assert await change_session(world, ends(first.sid)) == done
    assert await left(world) == {second.sid}
    refused = {"changed": False, "person": "ada", "reason": "session_unknown"}
    assert await change_session(world, ends(first.sid, act_id=OTHER_ACT)) == refused


@pytest.mark.parametrize("sid", ["", "x", "A" * 22, "..", "c2Vzc2lvbi1vZi1hZGFzLg"])
async def test_what_is_no_session_is_unknown(sid: str) -> None:
    """Whatever stands in the path."""
    assert (await change_session(world_of(), ends(sid)))["reason"] == "session_unknown"


async def test_another_persons_session_is_unknown_but_for_an_operator() -> None:
    """A person ends their own; an operator, for whom it is nobody's in particular, any."""
    world = world_of()
    graces = await signed_in(world, 1, person="grace")
    assert (await change_session(world, ends(graces.sid)))["reason"] == "session_unknown"
    assert await left(world, "grace") == {graces.sid}
    ended = await change_session(world, ends(graces.sid, person=None, act_id=OTHER_ACT))
    assert (ended["person"], await left(world, "grace")) == ("grace", set())


async def test_all_sessions_end_and_none_is_opened_by_an_earlier_sign_in() -> None:
    """Signed out everywhere: a sign-in from before is no way back; one from after is."""
    clock = Clock()
    world = world_of(clock=clock)
    before = opening(world, ceremony_id=f"authentication-{3:032x}")
    ended = {(await signed_in(world, number)).sid for number in (1, 2)}
    graces = await signed_in(world, 4, person="grace")
    clock.advance(5)
    told = await change_session(world, ends(None))
    assert (told["changed"], set(told["sessions"])) == (True, ended)
    assert not isinstance(await families.open_family(world, before), Opened)
    assert await change_session(world, ends(None)) == {"changed": True, "person": "ada", "reason": None}
    clock.advance(1)
    again = await signed_in(world, 5)
    assert (await left(world), await left(world, "grace")) == ({again.sid}, {graces.sid})


@pytest.mark.parametrize("act", ["remove", "disable"])
async def test_a_passkey_takes_its_sessions_with_it(act: str) -> None:
    """Those that were made with it, and no others; told, so that they are recorded with the act."""
    world = world_of()
    await has_passkey(world, "ada", "AQID")
    await has_passkey(world, "ada", "BAUG")
    gone = await signed_in(world, 1)
    stays = await signed_in(world, 2, credential_id="BAUG")
    asked = {"credential_id": "AQID", "name": None, "last": False, "reason": "lost", "by": "grace"}
    person = "ada" if act == "remove" else None
    done = await change_credential(world, {"act_id": ACT, "act": act, "person": person, **asked})
    assert done == {"changed": True, "person": "ada", "reason": None, "sessions": [gone.sid]}
    assert await left(world) == {stays.sid}
    enabled = {"act_id": OTHER_ACT, "act": "enable", "person": None, **asked}
    if act == "disable":
        assert "sessions" not in await change_credential(world, enabled)


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("write", [1, 2, 3])
async def test_a_fault_at_a_write_ends_the_same(write: int, kept: bool) -> None:
    """The store fails at any write, which it has kept or has not: afterwards all is over, and nothing twice."""
    faults = Faults()
    clock = Clock()
    world = world_of(MemoryStore(faults), clock=clock)
    await signed_in(world, 1)
    await signed_in(world, 2)
    clock.advance(1)
    faults.at, faults.kept, faults.writes = write, kept, 0
    assert (await change_session(world, ends(None)))["changed"]
    assert await left(world) == set()
