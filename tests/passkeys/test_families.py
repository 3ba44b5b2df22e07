"""Families of refresh tokens: the rule as a table, races, faults at every write, and what is in no row."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from passkeys import families, family_rows, family_sweep, refresh_tokens, signouts
from passkeys.errors import StoreDamaged, StoreUnavailable
from passkeys.families import Opened
from passkeys.family_rows import Family, Opening, Status
from passkeys.refresh_rules import MAX_REPLAYS, Verdict, judge, judge_again
from passkeys.refresh_tokens import FamilyId
from passkeys.store import Document
from passkeys.world import World
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import Clock, world_of

KEY = b"k" * 32
CEREMONY = "authentication-" + "1" * 32
GRACE = timedelta(seconds=10)
V = Verdict


def opening(world: World, **changed: Any) -> Opening:
    given: dict[str, Any] = {
        "person": "ada",
        "client_id": "shop",
        "audience": "https://api.example.com",
        "roles": ("operator",),
        "jkt": "thumbprint",
        "auth_time": world.clock(),
        "acr": "phr",
        "amr": ("swk", "user", "mfa"),
        "credential_id": "AQID",
        "ceremony_id": CEREMONY,
        "idle_seconds": 3600,
        "absolute_seconds": 43_200,
        "access_seconds": 300,
    }
    return Opening(**{**given, **changed})


async def opened(world: World, **changed: Any) -> tuple[Family, str]:
    found = await families.open_family(world, opening(world, **changed))
    assert isinstance(found, Opened)
    assert found.token is not None
    return found.family, found.token


async def shown(world: World, token: str, **changed: Any) -> families.Presented:
    return await families.present(world, token, **{"client_id": "shop", "jkt": "thumbprint", **changed})


async def refreshed(world: World, token: str) -> str | Verdict:
    """As the token endpoint does: present, succeed, and again if another was faster."""
    for _ in range(200):
        found = await shown(world, token)
        if found.verdict not in (V.ROTATE, V.REPLAY):
            return found.verdict
        successor = await families.succeed(
            world, found, idle_seconds=3600, roles=("operator",), claims_at=world.clock()
        )
        if successor is not None:
            return str(successor.token)
    raise AssertionError("nobody wins")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    return world_of(clock=clock)


async def row(world: World, family: Family) -> Family:
    name = family_rows.name_of(family.id)
    document = await world.store.get(name)
    assert document is not None
    return family_rows.load(name, document.data)


async def test_a_token_is_bytes_that_only_we_can_make() -> None:
    """Whatever is changed in it, it is none or not ours; another salt, key or family makes another."""
    family = refresh_tokens.family_of(KEY, person="ada", ceremony_id=CEREMONY)
    made = refresh_tokens.token(KEY, family, 7, salt=b"salt")
    found = refresh_tokens.read(made)
    assert found is not None
    assert (found.family, found.generation, len(made)) == (family, 7, 92)
    assert refresh_tokens.is_ours(KEY, found, salt=b"salt")
    assert not refresh_tokens.is_ours(KEY, found, salt=b"other")
    assert not refresh_tokens.is_ours(b"x" * 32, found, salt=b"salt")
    for changed in (
        replace(found, generation=8),
        replace(found, family=FamilyId(family.session, family.holder)),
    ):
        assert not refresh_tokens.is_ours(KEY, changed, salt=b"salt")
    for wrong in ("", "x", made[:-1], made + "A", "B" + made[1:], made[:-1] + "=", "é" * 92, "\ud800" * 92):
        assert refresh_tokens.read(wrong) is None
    assert refresh_tokens.family_of(KEY, person="ad", ceremony_id="a" + CEREMONY) != family
    assert refresh_tokens.session_of_sid(family.sid) == family.session
    for wrong_sid in (None, 7, "", "x", family.sid + "A", "=" * 22):
        assert refresh_tokens.session_of_sid(wrong_sid) is None


# generation shown (of 5), seconds since the rotation, and what else is different: what becomes of it
RULES: dict[str, tuple[int, float, dict[str, Any], Verdict]] = {
    "the newest": (5, 0, {}, V.ROTATE),
    "the newest, much later": (5, 3000, {}, V.ROTATE),
    "the one before, at once": (4, 0, {}, V.REPLAY),
    "the one before, at the end of its grace": (4, 10, {}, V.REPLAY),
    "the one before, by a clock that is behind": (4, -5, {}, V.REPLAY),
    "the one before, after its grace": (4, 10.5, {}, V.REUSED),
    "the one before, the third time": (4, 1, {"replays": 2}, V.REPLAY),
    "the one before, the fourth time": (4, 1, {"replays": 3}, V.REPLAYED_TOO_OFTEN),
    "the one before that, at once": (3, 0, {}, V.REUSED),
    "the very first": (1, 0, {}, V.REUSED),
    "one that is not made yet": (6, 0, {}, V.REUSED),
    "forged": (5, 0, {"key": b"x" * 32}, V.FORGED),
    "an old one, forged": (1, 0, {"key": b"x" * 32}, V.FORGED),
    "another application's": (5, 0, {"client_id": "ledger"}, V.CLIENT_MISMATCH),
    "an old one, by another application": (1, 0, {"client_id": "ledger"}, V.CLIENT_MISMATCH),
    "with another key": (5, 0, {"jkt": "another"}, V.KEY_MISMATCH),
    "without its key": (5, 0, {"jkt": None}, V.KEY_MISMATCH),
    "an old one, without its key": (1, 0, {"jkt": None}, V.KEY_MISMATCH),
    "bound to none, with a key": (5, 0, {"bound": None}, V.ROTATE),
    "revoked": (5, 0, {"status": Status.REVOKED}, V.OVER),
    "an old one, revoked": (1, 0, {"status": Status.REVOKED}, V.OVER),
    "idle for too long": (5, 3600, {}, V.OVER),
    "over": (5, 0, {"expires_in": 0}, V.OVER),
    "signed out since": (5, 0, {"signed_out": 1}, V.OVER),
    "signed out at that moment": (5, 0, {"signed_out": 0}, V.OVER),
    "signed out before": (5, 0, {"signed_out": -1}, V.ROTATE),
}


@pytest.mark.parametrize("name", RULES)
async def test_the_rule(world: World, name: str) -> None:
    """Each row of it: what a token becomes, and that nothing but a copy kills a family."""
    generation, seconds, changed, expected = RULES[name]
    family, _ = await opened(world)
    now = world.clock() + timedelta(seconds=seconds)
    family = replace(
        family,
        generation=5,
        replays=changed.get("replays", 0),
        status=changed.get("status", Status.ACTIVE),
        jkt=changed.get("bound", "thumbprint"),
        expires_at=now + timedelta(seconds=changed.get("expires_in", 60)),
    )
    made = refresh_tokens.read(
        refresh_tokens.token(changed.get("key", KEY), family.id, generation, salt=family.salt)
    )
    assert made is not None
    signed_out = changed.get("signed_out")
    verdict = judge(
        family,
        made,
        key=KEY,
        client_id=changed.get("client_id", "shop"),
        jkt=changed.get("jkt", "thumbprint"),
        signed_out_at=None if signed_out is None else family.auth_time + timedelta(seconds=signed_out),
        now=now,
        grace=GRACE,
    )
    assert verdict is expected


def test_every_verdict_is_met() -> None:
    """The table has each; UNKNOWN is what there is no row of."""
    assert {row[3] for row in RULES.values()} == set(Verdict) - {V.UNKNOWN}


AGAIN: dict[str, tuple[float, dict[str, Any], Verdict]] = {
    "at once": (0, {}, V.REPLAY),
    "at the end of the grace": (10, {}, V.REPLAY),
    "after the grace": (10.5, {}, V.REUSED),
    "the fourth time": (0, {"replays": 3}, V.REPLAYED_TOO_OFTEN),
    "after its token was used": (0, {"generation": 2}, V.REUSED),
    "by another application": (0, {"client_id": "ledger"}, V.REUSED),
    "with another key": (0, {"jkt": "another"}, V.REUSED),
    "of a dead family": (0, {"status": Status.REVOKED}, V.OVER),
    "of one that has run out": (3600, {}, V.OVER),
}


@pytest.mark.parametrize("name", AGAIN)
async def test_a_ceremony_that_is_redeemed_again(world: World, name: str) -> None:
    """The same answer if it can have been lost; else somebody else has the code."""
    seconds, changed, expected = AGAIN[name]
    family, _ = await opened(world)
    now = family.created_at + timedelta(seconds=seconds)
    found = judge_again(replace(family, **changed), client_id="shop", jkt="thumbprint", now=now, grace=GRACE)
    assert found is expected


async def test_a_family_lives_by_its_newest_token(world: World, clock: Clock) -> None:
    """Each is good once; the row says when it was used, idles from then on, and ends when the sign-in is too old."""
    family, token = await opened(world)
    assert family.ends_at == clock.now + timedelta(hours=1)
    seen = {token}
    for generation in range(2, 30):
        clock.advance(1800)
        token = await refreshed(world, token)
        if isinstance(token, Verdict):
            break
        seen.add(token)
        found = await row(world, family)
        assert (found.generation, found.rotated_at, found.last_used_at) == (generation, clock.now, clock.now)
    assert token is V.OVER
    assert len(seen) == generation - 1
    # Twelve hours from the sign-in, whatever was used meanwhile.
    assert clock.now - family.auth_time == timedelta(hours=12)


async def test_the_predecessor_gives_the_same_successor_in_its_grace(world: World, clock: Clock) -> None:
    """An answer that was lost is had again; three times, and then refused; and after the grace it kills."""
    family, first = await opened(world)
    second = await refreshed(world, first)
    for _ in range(MAX_REPLAYS):
        clock.advance(1)
        assert await refreshed(world, first) == second
    assert await refreshed(world, first) is V.REPLAYED_TOO_OFTEN
    assert (await row(world, family)).status is Status.ACTIVE
    third = await refreshed(world, str(second))
    assert isinstance(third, str)
    clock.advance(11)
    assert await refreshed(world, str(second)) is V.REUSED
    found = await row(world, family)
    assert (found.status, found.status_reason, found.status_at) == (Status.REVOKED, V.REUSED, clock.now)
    assert await refreshed(world, str(third)) is V.OVER


async def test_what_is_forged_or_anothers_kills_nothing(world: World) -> None:
    """Whoever has heard of a family cannot end it."""
    family, token = await opened(world)
    forged = refresh_tokens.token(b"x" * 32, family.id, 1, salt=family.salt)
    assert (await shown(world, forged)).verdict is V.FORGED
    assert (await shown(world, token, client_id="ledger")).verdict is V.CLIENT_MISMATCH
    assert (await shown(world, token, jkt=None)).verdict is V.KEY_MISMATCH
    for none in ("", "x" * 92, refresh_tokens.token(KEY, FamilyId(b"h" * 16, b"s" * 16), 1, salt=b"")):
        assert (await shown(world, none)).verdict is V.UNKNOWN
    assert await row(world, family) == family
    assert isinstance(await refreshed(world, token), str)


class SlowStore(MemoryStore):
    """Lets others in before each operation, as a store on a network does."""

    async def get(self, name: str) -> Document | None:
        await asyncio.sleep(0)
        return await super().get(name)

    async def create(self, name: str, data: bytes) -> str:
        await asyncio.sleep(0)
        return await super().create(name, data)

    async def replace(self, name: str, data: bytes, *, etag: str) -> str:
        await asyncio.sleep(0)
        return await super().replace(name, data, etag=etag)


async def test_a_hundred_refreshes_at_once_give_one_successor() -> None:
    """One generation further, nobody is logged out, and no family is dead."""
    world = world_of(SlowStore(), clock=Clock())
    family, token = await opened(world)
    found = await asyncio.gather(*(refreshed(world, token) for _ in range(100)))
    successors = [one for one in found if not isinstance(one, Verdict)]
    assert len(set(successors)) == 1
    assert {one for one in found if isinstance(one, Verdict)} <= {V.REPLAYED_TOO_OFTEN}
    after = await row(world, family)
    assert (after.generation, after.status) == (2, Status.ACTIVE)
    assert isinstance(await refreshed(world, successors[0]), str)


async def test_a_ceremony_has_one_family() -> None:
    """Redeemed by many at once it is opened once; later it is somebody else, and the family dies."""
    clock = Clock()
    world = world_of(SlowStore(), clock=clock)
    found = await asyncio.gather(*(families.open_family(world, opening(world)) for _ in range(20)))
    tokens = {one.token for one in found if isinstance(one, Opened)}
    assert len(tokens) == 1
    assert {one for one in found if isinstance(one, Verdict)} <= {V.REPLAYED_TOO_OFTEN}
    assert sum(not one.again for one in found if isinstance(one, Opened)) == 1
    clock.advance(60)
    assert await families.open_family(world, opening(world)) is V.REUSED
    assert await families.open_family(world, opening(world)) is V.OVER
    assert await refreshed(world, str(tokens.pop())) is V.OVER


async def test_without_a_refresh_token_it_ends_with_the_access_token(world: World, clock: Clock) -> None:
    """It can be found by its sid and ended, and nothing else."""
    found = await families.open_family(world, opening(world, absolute_seconds=0, idle_seconds=0))
    assert isinstance(found, Opened)
    assert found.token is None
    assert await families.by_sid(world, found.family.sid) == found.family
    would_be = refresh_tokens.token(
        await world.keys.secret("refresh"), found.family.id, 1, salt=found.family.salt
    )
    assert (await shown(world, would_be)).verdict is V.UNKNOWN
    assert await families.find(world, would_be) is None
    clock.advance(300)
    assert await families.by_sid(world, found.family.sid) is None


async def test_a_family_is_found_by_its_tokens(world: World) -> None:
    """By any generation, or the newest alone; by the sid of its access tokens; never by what is not ours."""
    family, first = await opened(world)
    second = str(await refreshed(world, first))
    now = await row(world, family)
    assert await families.find(world, first) == now
    assert await families.find(world, first, newest=True) is None
    assert await families.find(world, second, newest=True) == now
    assert await families.by_sid(world, family.sid) == now
    for nothing in ("x", refresh_tokens.token(KEY, family.id, 2, salt=family.salt)):
        assert await families.find(world, nothing) is None
    for nothing_sid in (None, "x", "A" * 22):
        assert await families.by_sid(world, nothing_sid) is None


async def test_ending_a_family_ends_it_once(world: World) -> None:
    """The first call says that it did; everything that finds one finds it no more."""
    family, token = await opened(world)
    ended = await families.revoke(world, family, "revoked")
    assert ended == await row(world, family)
    assert await families.revoke(world, family, "another reason") is None
    assert (await row(world, family)).status_reason == "revoked"
    assert await families.find(world, token) is None
    assert await families.by_sid(world, family.sid) is None
    assert await families.list_families(world, "ada") == []
    assert (await shown(world, token)).verdict is V.OVER


async def test_signing_out_everywhere_ends_what_was_signed_in_before(world: World, clock: Clock) -> None:
    """Of that person; also what is opened by an earlier sign-in while it is under way; not what comes afterwards."""
    early = clock.now
    _, token = await opened(world)
    clock.advance(1)
    other, _ = await opened(world, ceremony_id="authentication-" + "2" * 32)
    grace, _ = await opened(world, ceremony_id="authentication-" + "3" * 32, person="grace")
    assert (await families.list_families(world, "ada"))[0].id == other.id
    clock.advance(1)
    ended = await families.revoke_all(world, "ada", "signed_out")
    assert len(ended) == 2
    assert (await shown(world, token)).verdict is V.OVER
    late = opening(world, ceremony_id="authentication-" + "4" * 32, auth_time=early)
    assert await families.open_family(world, late) is V.OVER
    assert await families.signed_out_everywhere_at(world, "ada") == clock.now
    assert await families.signed_out_everywhere_at(world, "grace") is None
    assert await families.list_families(world, "grace") == [grace]
    clock.advance(1)
    again, _ = await opened(world, ceremony_id="authentication-" + "5" * 32)
    assert await families.list_families(world, "ada") == [again]
    # Only ever later.
    await signouts.sign_out(world.store, again.id.holder, early)
    assert await families.list_families(world, "ada") == [again]
    assert await families.revoke_all(world, "ada", "signed_out") == [again]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("write", range(1, 6))
async def test_a_fault_at_any_write_loses_and_doubles_nothing(write: int, kept: bool) -> None:
    """Open, refresh and revoke, each tried again as a client does: one family, its successor, one end."""
    clock = Clock()
    store = MemoryStore(faults=Faults(at=write, kept=kept))
    world = world_of(store, clock=clock)

    async def twice(call: Any) -> Any:
        try:
            return await call()
        except StoreUnavailable:
            return await call()

    found = await twice(lambda: families.open_family(world, opening(world)))
    assert isinstance(found, Opened)
    second = await twice(lambda: refreshed(world, str(found.token)))
    third = await twice(lambda: refreshed(world, second))
    assert len({found.token, second, third}) == 3
    assert (await row(world, found.family)).generation == 3
    assert (await row(world, found.family)).status is Status.ACTIVE
    await twice(lambda: families.revoke(world, found.family, "revoked"))
    assert (await row(world, found.family)).status is Status.REVOKED
    assert len([name async for name in store.list("sessions/")]) == 1


async def test_a_family_is_forgotten_a_day_after_its_end(world: World, clock: Clock) -> None:
    """Run out, revoked, or never opened to the end; what lives, and what ended lately, stays. Each that was ended is shown first."""
    seen: list[FamilyId] = []

    async def looked(family: Family) -> None:
        seen.append(family.id)

    await opened(world)
    revoked, _ = await opened(world, ceremony_id="authentication-" + "2" * 32)
    await families.revoke(world, revoked, "revoked")
    unopened, _ = await opened(world, ceremony_id="authentication-" + "3" * 32)
    await world.store.delete(family_rows.name_of(unopened.id))
    clock.advance(600)
    await family_sweep.sweep(world.store, now=clock.now, look=looked)
    assert seen == []  # whoever ended it may be about to tell
    clock.advance(24 * 3600 + 1 - 600)
    living, _ = await opened(world, ceremony_id="authentication-" + "4" * 32)
    assert (
        await family_sweep.sweep(world.store, now=clock.now, look=looked) == 2
    )  # the first has run out for 23 hours
    assert seen == [revoked.id]
    clock.advance(3600)
    assert await family_sweep.sweep(world.store, now=clock.now, look=looked) == 1
    assert [name async for name in world.store.list("sessions/")] == [family_rows.name_of(living.id)]
    assert len([name async for name in world.store.list("sids/")]) == 1


async def test_no_token_and_no_hash_of_one_is_stored(world: World) -> None:
    """Nor the key: whoever has the store alone makes no token."""
    family, first = await opened(world)
    second = str(await refreshed(world, first))
    await families.revoke_all(world, "ada", "signed_out")
    names = [name async for name in world.store.list("")]
    documents = [await world.store.get(name) for name in names]
    kept = "".join(names) + "".join(found.data.decode() for found in documents if found)
    for token in (first, second):
        mac = refresh_tokens.read(token)
        assert mac is not None
        for secret in (token, token[-43:], mac.mac.hex(), hashlib.sha256(token.encode()).hexdigest()):
            assert secret not in kept
    key = await world.keys.secret("refresh")
    assert key.hex() not in kept
    assert "ada" not in "".join(names)


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"gen": "x"}, {"family": "00"}, {"status": "x"}, {"expires_at": None}, {"salt": 7}]
)
async def test_a_damaged_row_is_said_to_be_one(world: World, change: dict[str, Any]) -> None:
    """And is no session."""
    family, token = await opened(world)
    name = family_rows.name_of(family.id)
    document = await world.store.get(name)
    assert document is not None
    members = {**json.loads(document.data), **change}
    await world.store.replace(name, json.dumps(members).encode(), etag=document.etag)
    with pytest.raises(StoreDamaged):
        await shown(world, token)
