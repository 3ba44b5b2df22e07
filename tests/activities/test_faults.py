"""Every write of every activity, failing both ways: the result is the one without the fault, and so is the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from activities.change_credential import change_credential
from activities.issue_authentication_challenge import issue_authentication_challenge
from activities.issue_registration_challenge import issue_registration_challenge
from activities.record_credential import record_credential
from activities.retries import PAUSES_S
from activities.verify_authentication import verify_authentication
from passkeys.credentials import StandingState
from passkeys.embedded import EmbeddedStore
from passkeys.errors import StoreUnavailable
from passkeys.store import Store
from passkeys.world import World
from tests.activities.scenes import Json, by_session, decide, enrolled, enrolment, sign_in_request
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import world_of

Step = Callable[[World, Json], Awaitable[Json]]


async def registration_challenge(world: World) -> tuple[Step, Json]:
    return issue_registration_challenge, {"ceremony_id": "x", "person": "ada", "deadline_seconds": 60}


async def authentication_challenge(world: World) -> tuple[Step, Json]:
    return issue_authentication_challenge, {"ceremony_id": "x", "username": "0" * 32, "deadline_seconds": 60}


async def recording(world: World) -> tuple[Step, Json]:
    return record_credential, (await enrolment(world)).recording


async def recording_by_session(world: World) -> tuple[Step, Json]:
    passkey = await enrolled(world, "ada", 1)
    return record_credential, by_session(await enrolment(world, "ada", 2), passkey.id)


def act(act: str, credential_id: str, **said: Any) -> tuple[Step, Json]:
    request = {
        "act_id": f"act-{7:032x}",
        "act": act,
        "credential_id": credential_id,
        "person": "ada",
        "by": "ada",
    }
    return change_credential, {**request, "reason": None, "name": None, "last": False, **said}


async def renaming(world: World) -> tuple[Step, Json]:
    return act("rename", (await enrolled(world)).id, name="blue key")


async def removing(world: World) -> tuple[Step, Json]:
    """One of two, that has been used."""
    passkey, _ = await enrolled(world, "ada", 1), await enrolled(world, "ada", 2)
    await verify_authentication(world, await sign_in_request(world, passkey, 3))
    return act("remove", passkey.id)


async def removing_the_last(world: World) -> tuple[Step, Json]:
    return act("remove", (await enrolled(world)).id, last=True)


async def refused_the_last(world: World) -> tuple[Step, Json]:
    return act("remove", (await enrolled(world)).id)


async def disabling(world: World) -> tuple[Step, Json]:
    return act("disable", (await enrolled(world)).id, person=None, by="grace", reason="lost")


async def enabling(world: World) -> tuple[Step, Json]:
    passkey = await enrolled(world)
    await decide(world, passkey.id, StandingState.DISABLED)
    return act("enable", passkey.id, person=None, by="grace", reason="found")


async def first_sign_in(world: World) -> tuple[Step, Json]:
    return verify_authentication, await sign_in_request(world, await enrolled(world), 1)


async def second_sign_in(world: World) -> tuple[Step, Json]:
    passkey = await enrolled(world)
    await verify_authentication(world, await sign_in_request(world, passkey, 1))
    return verify_authentication, await sign_in_request(world, passkey, 2)


SCENES: dict[str, tuple[Callable[[World], Awaitable[tuple[Step, Json]]], int]] = {
    # scene: (what leads up to the step, how many writes the step makes)
    "issue_registration_challenge": (registration_challenge, 3),  # the decoys' key, the name, the user handle
    "issue_authentication_challenge": (authentication_challenge, 1),
    "record_credential": (recording, 3),
    "record_credential by session": (recording_by_session, 3),
    "rename": (renaming, 1),
    "remove": (removing, 5),
    "remove the last": (removing_the_last, 4),
    "do not remove the last": (refused_the_last, 2),
    "disable": (disabling, 1),
    "enable": (enabling, 1),
    "first sign-in": (first_sign_in, 1),
    "second sign-in": (second_sign_in, 1),
}
CASES = [
    (scene, write, kept)
    for scene, (_, writes) in SCENES.items()
    for write in range(1, writes + 1)
    for kept in (False, True)
]


def opened(home: str, directory: Path, faults: Faults) -> Store:
    return MemoryStore(faults) if home == "memory" else EmbeddedStore(directory, on_commit=faults.on_commit)


async def names_in(store: Store) -> list[str]:
    return [name.split("/")[0] async for name in store.list("")]


def comparable(result: Json) -> Any:
    """The result less what is random in it."""
    return sorted(result) if "publicKey" in result else {**result, "credential_id": ...}


@pytest.mark.parametrize("home", ["memory", "embedded"])
@pytest.mark.parametrize(("scene", "write", "kept"), CASES)
async def test_a_fault_changes_nothing(home: str, scene: str, write: int, kept: bool, tmp_path: Path) -> None:
    """Not kept, or kept but reported failed: the activity comes to the same result and leaves the same documents."""
    lead_up, writes = SCENES[scene]
    outcomes = []
    for name, at in (("clean", None), ("faulty", write)):
        faults = Faults()
        store = opened(home, tmp_path / name, faults)
        world = world_of(store)
        step, request = await lead_up(world)
        before = faults.writes
        faults.at, faults.kept = (None if at is None else before + at), kept
        outcomes.append((comparable(await step(world, request)), await names_in(store)))
        if at is None:
            assert faults.writes - before == writes, "SCENES must count every write"
        # And once more, as at-least-once execution may: nothing changes.
        again = comparable(await step(world, request))
        assert (again, await names_in(store)) == outcomes[-1]
        if isinstance(store, EmbeddedStore):
            store.close()
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("scene", SCENES)
async def test_a_store_that_stays_away_is_an_exception_after_bounded_tries(scene: str) -> None:
    """No verdict is made up: the ceremony fails, by policy, and the tries are counted."""
    faults = Faults()
    world = world_of(MemoryStore(faults))
    step, request = await SCENES[scene][0](world)
    before = faults.writes
    faults.at, faults.for_ever = before + 1, True
    with pytest.raises(StoreUnavailable):
        await step(world, request)
    assert faults.writes - before == len(PAUSES_S) + 1


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("write", [1, 2, 3])
async def test_a_crash_within_recording_is_made_good_by_running_again(write: int, kept: bool) -> None:
    """The host dies at each write; run again, the credential is there once, marked, and its ticket used."""
    faults = Faults()
    store = MemoryStore(faults)
    world = world_of(store)
    done = await enrolment(world)
    faults.at, faults.kept = faults.writes + write, kept
    with suppress(StoreUnavailable):  # not raised where the last write is seen to have been kept
        await record_credential.__wrapped__(world, done.recording)  # type: ignore[attr-defined]
    assert await record_credential(world, done.recording) == {"recorded": True}
    assert sorted(await names_in(store)) == ["credentials", "decoys", "names", "people", "people", "tickets"]


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("write", [1, 2, 3])
async def test_a_recording_that_fails_leaves_no_usable_credential(write: int, kept: bool) -> None:
    """The store fails from some write on, for good: either the record is there and said to be, or it is not there."""
    faults = Faults()
    store = MemoryStore(faults)
    world = world_of(store)
    done = await enrolment(world)
    faults.at, faults.kept, faults.for_ever = faults.writes + write, kept, True
    try:
        recorded = (await record_credential(world, done.recording))["recorded"]
    except StoreUnavailable:
        recorded = False
    found = {name.split("/")[0] + str(name.count("/")) for name in store.documents}
    assert ("credentials1" in found) == recorded
    assert "people2" in found or not recorded, "a record has a marker"
