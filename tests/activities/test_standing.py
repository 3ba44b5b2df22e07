"""Sign-in with a credential about which something has been decided: refused as an unknown one is, or let in with a word."""

from __future__ import annotations

from collections import Counter

import pytest

from activities.change_credential import change_credential
from activities.verify_authentication import verify_authentication
from demo.authenticator import Lie
from passkeys.credentials import StandingState, credential_name, holder_of
from passkeys.store import Document
from tests.activities.scenes import Json, decide, enrolled, sign_in, sign_in_request
from tests.activities.test_authentication import functions_called, stranger
from tests.passkeys.stores import MemoryStore
from tests.passkeys.worlds import world_of

DISABLED = {"verified": False, "reason": "credential_disabled"}
UNKNOWN = {"verified": False, "reason": "credential_unknown"}


class Counting(MemoryStore):
    """Notes which kinds of documents are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    async def get(self, name: str) -> Document | None:
        self.read.append(name.split("/", maxsplit=1)[0])
        return await super().get(name)


@pytest.fixture
def store() -> Counting:
    return Counting()


async def test_a_disabled_one_is_refused_and_enabled_it_works(store: Counting) -> None:
    """Whether its answer is right or wrong; and a refused sign-in leaves no use behind."""
    world = world_of(store)
    passkey = await enrolled(world)
    await decide(world, passkey.id, StandingState.DISABLED)
    before = dict(store.documents)
    assert await sign_in(world, passkey, 1) == DISABLED
    assert await sign_in(world, passkey, 2, lie=Lie(broken_signature=True)) == DISABLED
    assert store.documents == before
    await decide(world, passkey.id, StandingState.ACTIVE)
    assert (await sign_in(world, passkey, 3))["verified"]


async def test_one_that_is_to_be_stepped_up_signs_in_and_says_so(store: Counting) -> None:
    """Verified as ever; the verdict says what the session is good for."""
    world = world_of(store)
    passkey = await enrolled(world)
    await decide(world, passkey.id, StandingState.STEP_UP)
    verdict = await sign_in(world, passkey, 1)
    assert (verdict["verified"], verdict["step_up"]) == (True, True)
    wrong = await sign_in(world, passkey, 2, lie=Lie(broken_signature=True))
    assert wrong == {"verified": False, "reason": "signature_invalid"}


async def test_a_removed_one_is_unknown_whatever_is_left_of_it(store: Counting) -> None:
    """Also while its record is still to be cleared away: the tombstone alone counts."""
    world = world_of(store)
    passkey = await enrolled(world)
    holder = holder_of(passkey.id, passkey.user_handle)
    await decide(world, passkey.id, StandingState.REMOVED, removal=f"act-{1:032x}", holder=holder)
    assert await sign_in(world, passkey, 1) == UNKNOWN
    await store.delete(credential_name(passkey.id))
    assert await sign_in(world, passkey, 2) == UNKNOWN


async def test_a_ceremony_that_is_run_again_after_the_word_is_refused(store: Counting) -> None:
    """The verdict was written and its result lost; in between the credential was disabled: the newer word counts."""
    world = world_of(store)
    passkey = await enrolled(world)
    request = await sign_in_request(world, passkey, 1)
    assert (await verify_authentication(world, request))["verified"]
    act = {
        "act_id": f"act-{1:032x}",
        "act": "disable",
        "credential_id": passkey.id,
        "person": None,
        "by": "grace",
    }
    await change_credential(world, {**act, "reason": "lost", "name": None, "last": False})
    assert await verify_authentication(world, request) == DISABLED


async def test_disabled_and_removed_ones_cost_what_an_unknown_one_costs(store: Counting) -> None:
    """The same functions and the same reads, as of one that may be used: time tells neither what is known nor how it stands."""
    world = world_of(store, PASSKEYS_ALGORITHMS="ES256")  # else what is not there may stand for an RSA key
    disabled, removed, cleared = [await enrolled(world, "ada", number) for number in (1, 2, 3)]
    active = await enrolled(world, "ada", 4)
    await decide(world, disabled.id, StandingState.DISABLED)
    for passkey in (removed, cleared):
        await decide(world, passkey.id, StandingState.REMOVED)
    await store.delete(credential_name(cleared.id))

    async def cost(request: Json) -> tuple[str, Counter[str], list[str]]:
        store.read.clear()
        told, called = await functions_called(world, request)
        return told["reason"], called, list(store.read)

    outsider = Lie(user_handle=b"who knows no user handle of ours", broken_signature=True)
    reason, usual, reads = await cost(await sign_in_request(world, active, lie=outsider))
    assert reason == "user_handle_mismatch"
    assert {"credentials", "standing", "usage"} <= set(reads)
    for number, (passkey, expected) in enumerate(
        {
            "disabled": (disabled, "credential_disabled"),
            "removed": (removed, "credential_gone"),
            "cleared": (cleared, "credential_gone"),
            "stranger": (stranger(), "credential_unknown"),
        }.values()
    ):
        request = await sign_in_request(world, passkey, 10 + number, lie=outsider)
        assert await cost(request) == (expected, usual, reads)
