"""Enrolment tickets: kept as a hash, good once, for one person, for a while."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from passkeys.errors import StoreUnavailable
from passkeys.tickets import Redemption, digest_of, find_ticket, issue_ticket, redeem_ticket
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import Clock, CountedBytes

ONE, OTHER = "registration-" + "1" * 32, "registration-" + "2" * 32


async def redeem(
    store: MemoryStore, digest: str, ceremony_id: str, *, person: str = "ada", credential_id: str = "AQID"
) -> Redemption:
    return await redeem_ticket(
        store, digest, person=person, ceremony_id=ceremony_id, credential_id=credential_id
    )


async def issued(store: MemoryStore, clock: Clock, seconds: int = 60) -> str:
    secret = await issue_ticket(store, "ada", seconds=seconds, now=clock(), random_bytes=CountedBytes())
    return secret


async def test_the_secret_is_kept_nowhere() -> None:
    """32 random bytes go out; the store has their hash, and no more."""
    store = MemoryStore()
    secret = await issued(store, Clock())
    assert len(secret) == 43
    (name,) = store.documents
    assert name == f"tickets/{hashlib.sha256(secret.encode()).hexdigest()}.json"
    assert secret not in name + store.documents[name].data.decode()


async def test_a_ticket_is_found_until_it_expires() -> None:
    """Good to the last second, and not a moment longer; unknown ones look the same as expired."""
    store, clock = MemoryStore(), Clock()
    digest = digest_of(await issued(store, clock))
    clock.advance(59.9)
    found = await find_ticket(store, digest, now=clock())
    assert found is not None
    assert found.person == "ada"
    clock.advance(0.1)
    assert await find_ticket(store, digest, now=clock()) is None
    assert await find_ticket(store, digest_of("another"), now=clock()) is None


@pytest.mark.parametrize("digest", ["", "../credentials/x", "A" * 64, "a" * 63, "a" * 64 + "\n"])
async def test_what_is_no_digest_names_nothing(digest: str) -> None:
    """No text from outside becomes a name in the store."""
    assert await find_ticket(MemoryStore(), digest, now=Clock()()) is None
    assert await redeem(MemoryStore(), digest, ONE) is Redemption.UNKNOWN


async def test_a_ticket_is_used_once_but_again_for_its_own_ceremony() -> None:
    """Single use, and idempotent for the credential of the ceremony that used it."""
    store, clock = MemoryStore(), Clock()
    digest = digest_of(await issued(store, clock))
    assert await redeem(store, digest, ONE) is Redemption.REDEEMED
    assert await redeem(store, digest, ONE) is Redemption.REDEEMED
    assert await redeem(store, digest, OTHER) is Redemption.USED
    assert await find_ticket(store, digest, now=clock()) is None


async def test_a_ceremony_started_over_gets_no_second_credential() -> None:
    """An instance that an operator restarts has the same id; the ticket is for the credential that it was used for."""
    store = MemoryStore()
    digest = digest_of(await issued(store, Clock()))
    assert await redeem(store, digest, ONE, credential_id="AQID") is Redemption.REDEEMED
    assert await redeem(store, digest, ONE, credential_id="BAUG") is Redemption.USED
    assert await redeem(store, digest, ONE, credential_id="AQID") is Redemption.REDEEMED


async def test_a_ticket_is_of_one_person() -> None:
    """Another person cannot use it, and does not use it up by trying."""
    store, clock = MemoryStore(), Clock()
    digest = digest_of(await issued(store, clock))
    assert await redeem(store, digest, ONE, person="mallory") is Redemption.NOT_THEIRS
    assert await find_ticket(store, digest, now=clock()) is not None


async def test_a_ceremony_that_began_in_time_may_end_after_expiry() -> None:
    """The right is looked at when the ceremony starts; its few minutes do not take it away."""
    store, clock = MemoryStore(), Clock()
    digest = digest_of(await issued(store, clock))
    clock.advance(120)
    assert await redeem(store, digest, ONE) is Redemption.REDEEMED


async def test_of_many_ceremonies_at_once_one_gets_the_ticket() -> None:
    """A race for one ticket has one winner, also when all have read it unused."""

    class Racing(MemoryStore):
        async def get(self, name):
            document = await super().get(name)
            await asyncio.sleep(0)  # everybody reads before anybody writes
            return document

    store = Racing()
    digest = digest_of(await issued(store, Clock()))
    told = await asyncio.gather(*(redeem(store, digest, f"registration-{n:032x}") for n in range(20)))
    assert sorted(told) == sorted([Redemption.REDEEMED] + [Redemption.USED] * 19)


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
async def test_a_fault_while_redeeming_neither_loses_nor_doubles(kept: bool) -> None:
    """After a failed write, the same ceremony redeems; another one does only if nothing was kept."""
    faults = Faults(at=2, kept=kept)
    store = MemoryStore(faults)
    digest = digest_of(await issued(store, Clock()))
    with pytest.raises(StoreUnavailable):
        await redeem(store, digest, ONE)
    if kept:
        assert await redeem(store, digest, OTHER) is Redemption.USED
    assert await redeem(store, digest, ONE) is Redemption.REDEEMED


def test_any_text_has_a_digest() -> None:
    """What comes from outside may be any text at all."""
    for text in ("", "é", "\ud800", "x" * 100_000):
        assert len(digest_of(text)) == 64
