"""Acts on a credential: each made once, whatever crashes between, and never a removed one that still works."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import Any

import pytest

from activities.change_credential import change_credential
from activities.issue_registration_challenge import issue_registration_challenge
from passkeys.credentials import StandingState, credential_name, marker_name, standing_name, usage_name
from passkeys.errors import StoreUnavailable
from passkeys.holdings import holding_of, holdings_of, standing_of
from passkeys.store import Document
from passkeys.world import World
from tests.activities.scenes import Json, decide, enrolled, sign_in
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import world_of

NUMBERS = itertools.count(1)
UNKNOWN = {"changed": False, "reason": "credential_unknown"}


def act(act: str, credential_id: str, person: str | None = "ada", **said: Any) -> Json:
    return {
        "act_id": f"act-{next(NUMBERS):032x}",
        "act": act,
        "credential_id": credential_id,
        "person": person,
        "by": person or "grace",
        "reason": None if person else "reported lost",
        "name": None,
        "last": False,
        **said,
    }


async def change(world: World, request: Json) -> Json:
    return await change_credential(world, request)


async def done(world: World, request: Json) -> bool:
    return bool((await change(world, request))["changed"])


@pytest.fixture
def world() -> World:
    return world_of()


async def two(world: World) -> tuple[str, str]:
    return (await enrolled(world, "ada", 1)).id, (await enrolled(world, "ada", 2)).id


# -- rename -------------------------------------------------------------------------------------------------------------


async def test_a_passkey_gets_the_name_that_its_person_gives_it(world: World) -> None:
    """In the person's own marker; excludeCredentials goes on working."""
    first, _ = await two(world)
    for name in ("blue key", "Schlüssel ☂"):
        assert await change(world, act("rename", first, name=name)) == {
            "changed": True,
            "person": "ada",
            "reason": None,
        }
        held = await holding_of(world.store, "ada", first)
        assert held is not None
        assert held.marker.name == name
    request = {"ceremony_id": "x", "person": "ada", "deadline_seconds": 60}
    issued = await issue_registration_challenge(world, request)
    assert len(issued["publicKey"]["excludeCredentials"]) == 2


async def test_anothers_unknown_and_removed_ones_have_no_name_to_give(world: World) -> None:
    """All alike, and nothing is written for it."""
    first, _ = await two(world)
    graces = await enrolled(world, "grace", 3)
    await change(world, act("remove", first))
    store: Any = world.store
    before = dict(store.documents)
    for credential_id in (graces.id, "AQID", first):
        answer = await change(world, act("rename", credential_id, name="mine"))
        assert answer == {**UNKNOWN, "person": "ada"}
    assert store.documents == before


# -- remove -------------------------------------------------------------------------------------------------------------


async def test_a_removed_passkey_is_gone_but_for_its_tombstone(world: World) -> None:
    """Record, use and marker are deleted; what stays says that it was removed, and of nobody."""
    first, second = await two(world)
    await change(world, act("rename", first, name="Ada's own"))
    passkey = await enrolled(world, "ada", 4)
    assert (await sign_in(world, passkey, 5))["verified"]
    assert await done(world, act("remove", passkey.id))
    store: Any = world.store
    left = [name for name in store.documents if passkey.id in name]
    assert left == [standing_name(passkey.id)]
    tombstone = await standing_of(world.store, passkey.id)
    assert tombstone is not None
    assert (tombstone.state, tombstone.by, tombstone.reason) == (StandingState.REMOVED, None, None)
    assert b"ada" not in store.documents[standing_name(passkey.id)].data.lower()
    assert {one.record.credential_id for one in await holdings_of(world.store, "ada")} == {first, second}


async def test_a_removal_again_is_the_same_removal(world: World) -> None:
    """Of the same act; another act finds nothing to remove."""
    first, _ = await two(world)
    request = act("remove", first)
    assert await change(world, request) == await change(world, request)
    assert await change(world, act("remove", first)) == {**UNKNOWN, "person": "ada"}


async def test_nobody_removes_anothers(world: World) -> None:
    """By id, there or not, used or not: unknown; and it goes on working."""
    passkey = await enrolled(world, "grace", 9)
    await two(world)
    for credential_id in (passkey.id, "AQID"):
        assert await change(world, act("remove", credential_id, last=True)) == {**UNKNOWN, "person": "ada"}
    assert (await sign_in(world, passkey, 2))["verified"]


async def test_the_last_one_goes_only_when_its_person_says_so(world: World) -> None:
    """Refused, and as usable as before; with the word, removed."""
    passkey = await enrolled(world)
    assert await change(world, act("remove", passkey.id)) == {
        "changed": False,
        "person": "ada",
        "reason": "last_credential",
    }
    assert (await sign_in(world, passkey, 2))["verified"]
    assert await done(world, act("remove", passkey.id, last=True))
    assert not (await sign_in(world, passkey, 3))["verified"]


@pytest.mark.parametrize(
    ("state", "goes"),
    [(StandingState.ACTIVE, True), (StandingState.STEP_UP, True), (StandingState.DISABLED, False), (StandingState.REMOVED, False)],
)  # fmt: skip
async def test_another_one_counts_only_if_it_can_sign_in(
    world: World, state: StandingState, goes: bool
) -> None:
    """A disabled one is no way back in; one that is to be stepped up is."""
    first, second = await two(world)
    await decide(world, second, state)
    assert await done(world, act("remove", first)) == goes


async def test_two_removals_at_once_do_not_remove_a_persons_last_two() -> None:
    """Whatever the interleaving: at least one of the two is left, and works."""

    class Slow(MemoryStore):
        """Lets the other act go on at each read, as often as the pattern says."""

        def __init__(self, pattern: tuple[int, ...]) -> None:
            super().__init__()
            self.pause = itertools.cycle(pattern)

        async def get(self, name: str) -> Document | None:
            for _ in range(next(self.pause)):
                await asyncio.sleep(0)
            return await super().get(name)

    for pattern in itertools.product((0, 1, 3), repeat=4):
        store = Slow((0,))
        world = world_of(store)
        first, second = await two(world)
        store.pause = itertools.cycle(pattern)
        requests = [act("remove", first), act("remove", second), act("remove", first)]
        answers = await asyncio.gather(*(change(world, request) for request in requests))
        store.pause = itertools.cycle((0,))
        left = await holdings_of(store, "ada")
        assert left, (pattern, answers)
        removed = {standing_name(one) for one in (first, second)} & {
            name for name, one in store.documents.items() if b'"removed"' in one.data
        }
        assert len(left) + len(removed) == 2


async def test_an_announcement_left_behind_makes_others_careful_and_no_more(world: World) -> None:
    """An act that failed for good has announced a removal: the other one is the last then, until it is said."""
    first, second = await two(world)
    await decide(world, second, StandingState.ACTIVE, removal=f"act-{99:032x}")
    assert (await change(world, act("remove", first)))["reason"] == "last_credential"
    assert await done(world, act("remove", second)), "the announced one itself goes"


WRITES = ("announce", "tombstone", "record", "use", "marker")


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("write", range(1, len(WRITES) + 1), ids=WRITES)
async def test_a_crash_within_a_removal_is_made_good_by_running_again(write: int, kept: bool) -> None:
    """The host dies at each write: what works is not removed, what is removed does not work; run again, all is gone."""
    faults = Faults()
    store = MemoryStore(faults)
    world = world_of(store)
    passkey = await enrolled(world, "ada", 1)
    await enrolled(world, "ada", 2)
    assert (await sign_in(world, passkey, 3))["verified"]
    request = act("remove", passkey.id)
    faults.at, faults.kept = faults.writes + write, kept
    with suppress(StoreUnavailable):
        await change_credential.__wrapped__(world, request)  # type: ignore[attr-defined]
    standing = await standing_of(store, passkey.id)
    removed = standing is not None and standing.state is StandingState.REMOVED
    assert removed == (write > 2 or (write == 2 and kept))
    assert (await sign_in(world, passkey, 4))["verified"] != removed
    assert await done(world, request)
    assert [name for name in store.documents if passkey.id in name] == [standing_name(passkey.id)]


@pytest.mark.parametrize("write", range(1, len(WRITES) + 1), ids=WRITES)
async def test_what_a_failed_removal_leaves_the_next_one_clears(write: int) -> None:
    """The store stays away for longer than is retried; a later removal, another act, finishes what was begun."""
    faults = Faults()
    store = MemoryStore(faults)
    world = world_of(store)
    passkey = await enrolled(world, "ada", 1)
    await enrolled(world, "ada", 2)
    assert (await sign_in(world, passkey, 3))["verified"]
    faults.at, faults.for_ever = faults.writes + write, True
    with pytest.raises(StoreUnavailable):
        await change(world, act("remove", passkey.id))
    faults.at = None
    assert await done(world, act("remove", passkey.id))
    for name in (credential_name(passkey.id), usage_name(passkey.id), marker_name("ada", passkey.id)):
        assert name not in store.documents


# -- disable and enable -------------------------------------------------------------------------------------------------


async def test_an_operator_disables_and_enables(world: World) -> None:
    """Whosever it is, with reason and name; nothing else of the credential changes."""
    first, _ = await two(world)
    store: Any = world.store
    others = {name: one for name, one in store.documents.items() if name != standing_name(first)}
    for verb, state in (("disable", StandingState.DISABLED), ("enable", StandingState.ACTIVE)):
        answer = await change(world, act(verb, first, person=None))
        assert answer == {"changed": True, "person": "ada", "reason": None}
        standing = await standing_of(world.store, first)
        assert standing is not None
        assert (standing.state, standing.by, standing.reason) == (state, "grace", "reported lost")
    assert {name: one for name, one in store.documents.items() if name != standing_name(first)} == others


@pytest.mark.parametrize("verb", ["disable", "enable"])
async def test_what_is_not_there_stands_nowhere(world: World, verb: str) -> None:
    """An unknown one, and a removed one: no word of an operator's brings it back."""
    first, _ = await two(world)
    await change(world, act("remove", first))
    for credential_id in (first, "AQID"):
        answer = await change(world, act(verb, credential_id, person=None))
        assert answer == {**UNKNOWN, "person": None}
    assert standing_name("AQID") not in world.store.documents  # type: ignore[attr-defined]
    standing = await standing_of(world.store, first)
    assert standing is not None
    assert standing.state is StandingState.REMOVED


async def test_disabling_while_it_is_removed_loses_nothing(world: World) -> None:
    """The announcement outlives the operator's word, so that two removals still see each other."""
    first, second = await two(world)
    await decide(world, first, StandingState.ACTIVE, removal=f"act-{99:032x}")
    await change(world, act("disable", first, person=None))
    await change(world, act("enable", first, person=None))
    assert (await change(world, act("remove", second)))["reason"] == "last_credential"
