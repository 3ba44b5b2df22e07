"""One recovery, one ticket: whatever races, crashes or comes again."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from activities import retries
from activities.redeem_recovery import redeem_recovery
from passkeys.errors import StoreUnavailable
from passkeys.recoveries import (
    Confirmation,
    Details,
    Recovery,
    dump_recovery,
    load_recovery,
    recovery_name,
)
from passkeys.store import Document
from passkeys.tickets import Redemption, digest_of, find_ticket, redeem_ticket
from passkeys.world import World
from tests.activities.scenes import Json
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import Clock, world_of

ID = "recovery-" + "1" * 32
ACT, OTHER_ACT = "act-" + "1" * 32, "act-" + "2" * 32
SECRET = "s" * 43
CONFIRMED = Recovery(
    Details("ada", "Ada Lovelace", "lost her phone", "grace"),
    Confirmation("katherine", Clock()().isoformat(), "AQID", "oA", "e30", "AA", "AA"),
)


async def confirmed(store: MemoryStore) -> World:
    await store.create(recovery_name(ID), dump_recovery(CONFIRMED))
    return world_of(store, clock=Clock())


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def world(store: MemoryStore) -> World:
    return await confirmed(store)


def request(act_id: str = ACT, *, secret: str = SECRET, by: str = "grace", recovery: str = ID) -> Json:
    return {
        "act_id": act_id,
        "recovery": recovery,
        "ticket": digest_of(secret),
        "expires_at": (Clock()() + timedelta(seconds=900)).isoformat(),
        "by": by,
    }


def kept(store: MemoryStore) -> Recovery:
    return load_recovery("x", store.documents[recovery_name(ID)].data)


def tickets(store: MemoryStore) -> list[str]:
    return [name for name in store.documents if name.startswith("tickets/")]


def refused(reason: str) -> Json:
    return {"changed": False, "person": "ada", "reason": reason}


async def test_a_recovery_becomes_a_ticket(world: World, store: MemoryStore) -> None:
    """For the person alone, short-lived, naming the recovery; and the recovery names the ticket's digest and the act."""
    assert await redeem_recovery(world, request()) == {"changed": True, "person": "ada", "reason": None}
    now = world.clock()
    ticket = await find_ticket(store, digest_of(SECRET), now=now)
    assert ticket is not None
    assert (ticket.person, ticket.recovery, ticket.used_by) == ("ada", ID, None)
    issued = kept(store).ticket
    assert issued is not None
    assert (issued.digest, issued.act_id) == (digest_of(SECRET), ACT)
    assert issued.expires_at == ticket.expires_at == (now + timedelta(seconds=900)).isoformat()
    assert await find_ticket(store, digest_of(SECRET), now=now + timedelta(seconds=900)) is None
    assert SECRET not in json.dumps([document.data.decode() for document in store.documents.values()])


async def test_it_becomes_one_ticket_only(world: World, store: MemoryStore) -> None:
    """Another act, with another secret or with the same, gets none; what is there stays."""
    await redeem_recovery(world, request())
    before = dict(store.documents)
    for again in (request(OTHER_ACT, secret="t" * 43), request(OTHER_ACT)):
        assert await redeem_recovery(world, again) == refused("ticket_shown")
    assert store.documents == before


async def test_two_at_once_make_one_ticket() -> None:
    """Ten acts that all read before any writes: one is redeemed, one ticket exists, and it is that one's."""

    class Racing(MemoryStore):
        async def get(self, name: str) -> Document | None:
            document = await super().get(name)
            await asyncio.sleep(0)
            return document

    store = Racing()
    world = await confirmed(store)
    asked = [request(f"act-{number:032x}", secret=f"{number:043}") for number in range(10)]
    results = await asyncio.gather(*(redeem_recovery(world, one) for one in asked))
    (winner,) = [one for one, result in zip(asked, results, strict=True) if result["changed"]]
    assert [result for result in results if not result["changed"]] == [refused("ticket_shown")] * 9
    assert tickets(store) == [f"tickets/{winner['ticket']}.json"]


@pytest.mark.parametrize("kept_writes", [False, True])
@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.parametrize("hours", [0, 24])
async def test_a_crash_between_the_writes_is_made_good(
    store: MemoryStore, write: int, kept_writes: bool, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write lost, or kept and reported failed, for longer than is retried: the same act, run again, makes one ticket.

    Also a day later, if the recovery was redeemed before: the engine may be slow, the ticket's time is what it was.
    """
    monkeypatch.setattr(retries, "PAUSES_S", (0, 0, 0))
    clock = Clock()
    await store.create(recovery_name(ID), dump_recovery(CONFIRMED))
    world = world_of(store, clock=clock)
    store.faults = Faults(at=write, kept=kept_writes, for_ever=True)
    with pytest.raises(StoreUnavailable):
        await redeem_recovery(world, request())
    store.faults = Faults()
    clock.advance(hours * 3600)
    again = await redeem_recovery(world, request())
    if kept(store).ticket is None:
        assert (write, kept_writes, hours) == (1, False, 24)
        assert (again, tickets(store)) == (refused("recovery_expired"), [])
    else:
        assert again["changed"]
        assert tickets(store) == [f"tickets/{digest_of(SECRET)}.json"]
    assert await redeem_recovery(world, request(OTHER_ACT)) in (
        refused("ticket_shown"),
        refused("recovery_expired"),
    )


async def test_run_again_it_does_not_bring_a_used_ticket_back(world: World, store: MemoryStore) -> None:
    """The activity may run once more after the ticket was used: used it stays."""
    await redeem_recovery(world, request())
    one = "registration-" + "1" * 32
    used = {"person": "ada", "ceremony_id": one, "credential_id": "AQID"}
    assert await redeem_ticket(store, digest_of(SECRET), **used) is Redemption.REDEEMED
    before = dict(store.documents)
    assert (await redeem_recovery(world, request()))["changed"]
    assert store.documents == before


async def test_it_is_the_starters_alone(world: World, store: MemoryStore) -> None:
    """Neither who confirmed it, nor the person, nor another operator."""
    for by in ("katherine", "ada", "mallory", ""):
        assert await redeem_recovery(world, request(by=by)) == refused("recovery_not_yours")
    assert tickets(store) == []


async def test_a_confirmation_is_not_good_for_ever(store: MemoryStore) -> None:
    """To the last second of PASSKEYS_RECOVERY_SECONDS, and no longer."""
    clock = Clock()
    await store.create(recovery_name(ID), dump_recovery(CONFIRMED))
    world = world_of(store, clock=clock, PASSKEYS_RECOVERY_SECONDS="60")
    clock.advance(60.001)
    assert await redeem_recovery(world, request()) == refused("recovery_expired")
    clock.advance(-0.001)
    assert (await redeem_recovery(world, request()))["changed"]


async def test_what_was_never_confirmed_is_no_recovery(world: World) -> None:
    """Nothing is stored under that id."""
    unknown = request(recovery="recovery-" + "9" * 32)
    assert await redeem_recovery(world, unknown) == {
        "changed": False,
        "person": None,
        "reason": "recovery_unknown",
    }


async def test_a_ticket_from_before_still_counts(store: MemoryStore) -> None:
    """One that was issued before tickets named a recovery, or what they were used for."""
    old = {"v": 1, "person": "ada", "issued_at": "2026-01-01T11:00:00+00:00"}
    old |= {"expires_at": "2026-01-02T11:00:00+00:00", "used_by": None}
    store.documents[f"tickets/{digest_of(SECRET)}.json"] = Document(json.dumps(old).encode(), "1")
    found = await find_ticket(store, digest_of(SECRET), now=Clock()())
    assert found is not None
    assert (found.person, found.recovery, found.used_for) == ("ada", None, None)
