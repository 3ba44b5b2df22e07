"""Families of refresh tokens: one for each ceremony that was redeemed, and one row for each; what becomes of a token shown.

    sessions/{holder, hex}/{session, hex}.json   Family   by compare-and-swap; written first by create-if-absent: a ceremony is
                                                          redeemed once
    sids/{session, hex}.json                     {"v", "holder", "at"}   write-once, before the row: finds it by an access token's `sid`

A token is known by its family and generation, and derived (passkeys/refresh_tokens.py): no token and no hash of one is in a row.
What becomes of one is passkeys/refresh_rules.py's to say.
A family lives while its row is active, in time, and its sign-in was later than the last time its holder signed out
everywhere (passkeys/signouts.py); each use looks at all three, so that no family can be opened past a sign-out that is under way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from passkeys import documents, family_rows, refresh_tokens, signouts
from passkeys.errors import AlreadyExists, Changed, StoreUnavailable
from passkeys.family_rows import Family, Opening, Status
from passkeys.refresh_rules import Verdict, is_alive, judge, judge_again
from passkeys.refresh_tokens import FamilyId, Shown
from passkeys.store import Document, Store
from passkeys.world import World

# Whoever loses a race reads again, and mostly finds that there is nothing left to write.
_TRIES = 20
# Why a family ended whose ceremony was redeemed by somebody else too.
CODE_REUSED = "code_reused"


@dataclass(frozen=True, slots=True)
class Opened:
    """A family with its newest token, None where it has none; `again`: the same answer as before, which was lost."""

    family: Family
    token: str | None
    again: bool


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that was shown, what becomes of it, and the row as it was read for that; or as it ended, if it ended by that."""

    verdict: Verdict
    family: Family | None = None
    etag: str = ""


async def open_family(world: World, opening: Opening) -> Opened | Verdict:
    """The family of the ceremony, opened now; or as it was opened, if the answer can have been lost; or why neither.

    On REUSED, which is somebody else who has the code too, the family is dead. Raises StoreUnavailable, StoreDamaged,
    KeysUnavailable.
    """
    key, now = await _key(world), world.clock()
    made = family_rows.opened(opening, key=key, salt=world.random_bytes(16), now=now)
    signed_out_at = await signouts.last_of(world.store, made.id.holder)
    if not is_alive(made, signed_out_at=signed_out_at, now=now):
        return Verdict.OVER
    with suppress(AlreadyExists):
        await world.store.create(_sid_name(made.id.session), _sid_document(made))
    try:
        await world.store.create(family_rows.name_of(made.id), family_rows.dump(made))
    except AlreadyExists:
        return await _again(world, opening, made.id, key)
    return Opened(made, _token(key, made), again=False)


async def _again(world: World, opening: Opening, family_id: FamilyId, key: bytes) -> Opened | Verdict:
    verdict = Verdict.OVER

    def change(family: Family, now: datetime) -> Family:
        nonlocal verdict
        grace = timedelta(seconds=world.settings.refresh_grace_seconds)
        verdict = judge_again(family, client_id=opening.client_id, jkt=opening.jkt, now=now, grace=grace)
        if verdict is Verdict.REUSED:
            return _ended(family, CODE_REUSED, now)
        return replace(family, replays=family.replays + 1) if verdict is Verdict.REPLAY else family

    family = await _changed(world, family_id, change)
    if family is None or verdict is not Verdict.REPLAY:
        return verdict
    return Opened(family, _token(key, family), again=True)


async def present(world: World, text: str, *, client_id: str, jkt: str | None) -> Presented:
    """Look the token's family up, and judge. Of a token that was used up before, the family is dead afterwards.

    Raises StoreUnavailable, StoreDamaged, KeysUnavailable.
    """
    shown = refresh_tokens.read(text)
    found = None if shown is None else await _load(world.store, shown.family)
    if shown is None or found is None or not found[0].refreshable:
        return Presented(Verdict.UNKNOWN)
    family, document = found
    verdict = judge(
        family,
        shown,
        key=await _key(world),
        client_id=client_id,
        jkt=jkt,
        signed_out_at=await signouts.last_of(world.store, shown.family.holder),
        now=world.clock(),
        grace=timedelta(seconds=world.settings.refresh_grace_seconds),
    )
    if verdict is Verdict.REUSED:
        family = await revoke(world, family, Verdict.REUSED) or family
    return Presented(verdict, family, document.etag)


async def succeed(
    world: World, presented: Presented, *, idle_seconds: int, roles: tuple[str, ...], claims_at: datetime
) -> Opened | None:
    """The successor of a token whose verdict is ROTATE or REPLAY, and the row says so; None: another was faster, present again.

    A replay moves no limit: only what is newest shows that somebody is there. Raises StoreUnavailable, KeysUnavailable.
    """
    family, now = presented.family, world.clock()
    if family is None or presented.verdict not in (Verdict.ROTATE, Verdict.REPLAY):
        raise ValueError(presented.verdict)
    if presented.verdict is Verdict.REPLAY:
        after = replace(family, replays=family.replays + 1)
    else:
        after = replace(
            family,
            generation=family.generation + 1,
            rotated_at=now,
            last_used_at=now,
            replays=0,
            idle_expires_at=now + timedelta(seconds=idle_seconds),
            roles=roles,
            claims_at=claims_at,
        )
    try:
        await world.store.replace(
            family_rows.name_of(family.id), family_rows.dump(after), etag=presented.etag
        )
    except Changed:
        return None
    return Opened(after, _token(await _key(world), after), again=presented.verdict is Verdict.REPLAY)


async def is_of_ours(world: World, text: str) -> bool:
    """Whether we have made the token, whatever has become of its family. Raises StoreUnavailable, StoreDamaged, KeysUnavailable."""
    return await _family_of(world, text) is not None


async def find(world: World, text: str, *, newest: bool = False) -> Family | None:
    """The living family that the refresh token is of, whichever generation it is; `newest`: if it could still be used.

    Raises StoreUnavailable, StoreDamaged, KeysUnavailable.
    """
    found = await _family_of(world, text)
    if found is None or (newest and found[1].generation != found[0].generation):
        return None
    return await _if_alive(world, found[0])


async def _family_of(world: World, text: str) -> tuple[Family, Shown] | None:
    """The family of a token that we have made, and the token's parts."""
    shown = refresh_tokens.read(text)
    found = None if shown is None else await _load(world.store, shown.family)
    if shown is None or found is None or not found[0].refreshable:
        return None
    ours = refresh_tokens.is_ours(await _key(world), shown, salt=found[0].salt)
    return (found[0], shown) if ours else None


async def by_sid(world: World, sid: object, *, alive: bool = True) -> Family | None:
    """The living family that an access token calls `sid`; without `alive`, also one that is over.

    Raises StoreUnavailable, StoreDamaged.
    """
    session = refresh_tokens.session_of_sid(sid)
    if session is None:
        return None
    name = _sid_name(session)
    document = await world.store.get(name)
    if document is None:
        return None
    holder = documents.load(name, document.data, lambda members: bytes.fromhex(members["holder"]))
    found = await _load(world.store, FamilyId(holder, session))
    if found is None or not alive:
        return None if found is None else found[0]
    return await _if_alive(world, found[0])


async def row_of(world: World, family_id: FamilyId) -> Family | None:
    """The family's row, alive or not. Raises StoreUnavailable, StoreDamaged."""
    found = await _load(world.store, family_id)
    return None if found is None else found[0]


async def list_families(world: World, person: str) -> list[Family]:
    """The person's living families, the last used first. Raises StoreUnavailable, StoreDamaged, KeysUnavailable."""
    holder = refresh_tokens.holder_of(await _key(world), person)
    signed_out_at, now = await signouts.last_of(world.store, holder), world.clock()
    alive = [
        family
        for family in await _all_of(world.store, holder)
        if is_alive(family, signed_out_at=signed_out_at, now=now)
    ]
    return sorted(alive, key=lambda family: family.last_used_at, reverse=True)


async def revoke(world: World, family: Family, reason: str) -> Family | None:
    """End the family; the row as it ended, if it was this call that did. Raises StoreUnavailable."""
    ended = False

    def change(found: Family, now: datetime) -> Family:
        nonlocal ended
        ended = found.status is Status.ACTIVE
        return _ended(found, reason, now)

    after = await _changed(world, family.id, change)
    return after if ended else None


async def mark_told(world: World, family: Family) -> None:
    """Note that the audit has the end of a family that is over. Raises StoreUnavailable."""
    await _changed(world, family.id, lambda found, _: replace(found, told=found.status is Status.REVOKED))


async def revoke_all(world: World, person: str, reason: str) -> list[Family]:
    """End all of the person's families, also those that are being opened by an earlier sign-in; which were alive.

    The sign-out is written first: from then on none is good, whatever becomes of the rest. Rows that an earlier call has not
    come to are still ended by the next. Raises StoreUnavailable.
    """
    holder, now = refresh_tokens.holder_of(await _key(world), person), world.clock()
    await signouts.sign_out(world.store, holder, now)
    unfinished = [family for family in await _all_of(world.store, holder) if now < family.ends_at]
    return [family for family in unfinished if await revoke(world, family, reason)]


async def revoke_made_with(world: World, person: str, credential_id: str, reason: str) -> list[Family]:
    """End those that the person has opened with this passkey; which were alive. Raises StoreUnavailable.

    One that is being opened meanwhile is found out at its first refresh.
    """
    return [
        family
        for family in await list_families(world, person)
        if family.credential_id == credential_id and await revoke(world, family, reason)
    ]


async def signed_out_everywhere_at(world: World, person: str) -> datetime | None:
    """When the person last signed out everywhere; None: never. Raises StoreUnavailable, StoreDamaged, KeysUnavailable."""
    return await signouts.last_of(world.store, refresh_tokens.holder_of(await _key(world), person))


async def _if_alive(world: World, family: Family) -> Family | None:
    signed_out_at = await signouts.last_of(world.store, family.id.holder)
    return family if is_alive(family, signed_out_at=signed_out_at, now=world.clock()) else None


async def _changed(
    world: World, family_id: FamilyId, change: Callable[[Family, datetime], Family]
) -> Family | None:
    """The row after the change, by compare-and-swap; None if there is none."""
    for _ in range(_TRIES):
        found = await _load(world.store, family_id)
        if found is None:
            return None
        family, document = found
        after = change(family, world.clock())
        if after == family:
            return family
        with suppress(Changed):
            await world.store.replace(
                family_rows.name_of(family_id), family_rows.dump(after), etag=document.etag
            )
            return after
    raise StoreUnavailable(
        family_rows.name_of(family_id), "was changed again and again meanwhile. Try again."
    )


def _ended(family: Family, reason: str, now: datetime) -> Family:
    if family.status is not Status.ACTIVE:
        return family
    return replace(family, status=Status.REVOKED, status_reason=reason, status_at=now)


async def _key(world: World) -> bytes:
    return await world.keys.secret("refresh")


def _token(key: bytes, family: Family) -> str | None:
    if not family.refreshable:
        return None
    return refresh_tokens.token(key, family.id, family.generation, salt=family.salt)


async def _load(store: Store, family_id: FamilyId) -> tuple[Family, Document] | None:
    name = family_rows.name_of(family_id)
    document = await store.get(name)
    return None if document is None else (family_rows.load(name, document.data), document)


async def _all_of(store: Store, holder: bytes) -> list[Family]:
    names = [name async for name in store.list(family_rows.prefix_of(holder))]
    found = [await _load(store, family_rows.id_of(name)) for name in names]
    return [one[0] for one in found if one is not None]


def _sid_document(family: Family) -> bytes:
    return documents.dump({"holder": family.id.holder.hex(), "at": family.created_at.isoformat()})


def _sid_name(session: bytes) -> str:
    return f"sids/{session.hex()}.json"
