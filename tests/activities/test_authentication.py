"""Authentication: the verdict, the use that it leaves, and the verdict again."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import replace
from types import FrameType

import pytest

from activities.issue_authentication_challenge import issue_authentication_challenge
from activities.verify_authentication import verify_authentication
from demo.authenticator import Flags, Lie, Passkey, create, from_base64url, get
from passkeys import usernames
from passkeys.credentials import load_usage, usage_name
from passkeys.errors import StoreDamaged
from passkeys.store import Document
from passkeys.world import World
from tests.activities.scenes import HONEST, Json, enrolled, sign_in, sign_in_request
from tests.passkeys.stores import MemoryStore
from tests.passkeys.worlds import ORIGIN, Clock, world_of

SYNCED = HONEST | Flags.BACKUP_ELIGIBLE


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def world(store: MemoryStore) -> World:
    return world_of(store)


def usage_of(store: MemoryStore, credential_id: str):
    name = usage_name(credential_id)
    return load_usage(name, store.documents[name].data)


async def test_the_challenge_names_nobody_and_costs_no_write(world: World, store: MemoryStore) -> None:
    """Issuing asks the store for nothing and leaves nothing in it."""
    issued = await issue_authentication_challenge(world, {"ceremony_id": "x", "deadline_seconds": 60})
    assert json.loads(json.dumps(issued)) == issued
    assert issued["expires_at"] == "2026-01-01T12:01:00+00:00"
    assert issued["publicKey"]["allowCredentials"] == []
    assert len(from_base64url(issued["publicKey"]["challenge"])) == 32
    assert (store.documents, store.faults.writes) == ({}, 0)


async def test_a_sign_in_says_who_and_notes_the_use(world: World, store: MemoryStore) -> None:
    """The verdict is the credential's owner; sign count, backup state and time are stored."""
    passkey = await enrolled(world)
    verdict = await sign_in(world, passkey, 1)
    assert verdict == {
        "verified": True,
        "person": "ada",
        "credential_id": passkey.id,
        "sign_count": 1,
        "backup_state": False,
        "user_verified": True,
        "clone_suspected": False,
        "step_up": False,
        "facts": {
            "aaguid": "d0a6dd1e-5ab7-470a-9c3f-deb3ab1e0001",
            "algorithm": -7,
            "attestation": {
                "format": "none",
                "type": "none",
                "chain_verified": False,
                "model_proven": False,
                "model": None,
            },
            "backup_state": False,
            "user_verified": True,
            "extensions": {},
        },
    }
    usage = usage_of(store, passkey.id)
    assert (usage.sign_count, usage.backup_state) == (1, False)
    assert usage.last_used_at == Clock()().isoformat()


async def test_run_again_it_says_the_same(world: World, store: MemoryStore) -> None:
    """After a crash behind the write, the same ceremony gets the same verdict, not a clone alarm, and writes nothing."""
    passkey = await enrolled(world)
    request = await sign_in_request(world, passkey, 1)
    first = await verify_authentication(world, request)
    before = dict(store.documents)
    assert await verify_authentication(world, request) == first
    assert store.documents == before


async def test_run_again_it_says_the_same_after_the_next_sign_in(world: World) -> None:
    """Also when other ceremonies with the same passkey came between the crash and the second run."""
    passkey = await enrolled(world)
    request = await sign_in_request(world, passkey, 1)
    first = await verify_authentication(world, request)
    for number in (2, 3):
        assert (await sign_in(world, passkey, number))["verified"]
    assert await verify_authentication(world, request) == first


async def test_another_ceremony_with_an_old_count_is_a_clone_alarm(world: World, store: MemoryStore) -> None:
    """A device-bound passkey whose count has not grown is refused, and what is stored stays."""
    passkey = await enrolled(world)
    for number in (1, 2, 3):
        await sign_in(world, passkey, number)
    before = dict(store.documents)
    assert await sign_in(world, passkey, 4, lie=Lie(sign_count=3)) == {
        "verified": False,
        "reason": "sign_count_not_increased",
    }
    assert store.documents == before


async def test_a_synced_passkey_is_flagged_and_its_count_not_lowered(
    world: World, store: MemoryStore
) -> None:
    """Copies of a synced passkey count apart: let in, flagged, and the highest count kept."""
    passkey = await enrolled(world, flags=SYNCED)
    await sign_in(world, passkey, 1, lie=Lie(sign_count=9))
    verdict = await sign_in(world, passkey, 2, lie=Lie(sign_count=4))
    assert (verdict["verified"], verdict["clone_suspected"], verdict["sign_count"]) == (True, True, 9)
    assert usage_of(store, passkey.id).sign_count == 9


async def test_a_passkey_that_does_not_count_signs_in_for_ever(world: World) -> None:
    """Zero on both sides is no regression."""
    passkey = await enrolled(world, counts=False)
    for number in range(3):
        verdict = await sign_in(world, passkey, number)
        assert (verdict["verified"], verdict["clone_suspected"]) == (True, False)


async def test_the_count_at_registration_is_the_first_one_stored(store: MemoryStore) -> None:
    """Before the first use is noted, the registration's own count is what must be exceeded."""
    from passkeys.credentials import credential_name, dump_credential, load_credential

    world = world_of(store)
    passkey = await enrolled(world)
    name = credential_name(passkey.id)
    record = replace(load_credential(name, store.documents[name].data), sign_count=10)
    store.documents[name] = Document(dump_credential(record), "9")
    assert (await sign_in(world, passkey, 1, lie=Lie(sign_count=10)))["reason"] == "sign_count_not_increased"
    assert (await sign_in(world, passkey, 2, lie=Lie(sign_count=11)))["verified"]


def stranger() -> Passkey:
    """A passkey that was made elsewhere."""
    options = {
        "rp": {"id": "localhost"},
        "user": {"id": "YQ"},
        "challenge": "YQ",
        "pubKeyCredParams": [{"alg": -7}],
    }
    return create(options, origin="http://localhost:7071")[0]


async def test_an_unknown_credential_is_a_verdict(world: World) -> None:
    """Nothing is stored under the id: rejected, like any other."""
    assert await sign_in(world, stranger()) == {"verified": False, "reason": "credential_unknown"}


JUDGING = (
    "passkeys.algorithms",
    "passkeys.authenticator_data",
    "passkeys.client_data",
    "passkeys.extensions",
    "passkeys.verification",
    "webauthn.",
)


async def functions_called(world: World, request: Json) -> tuple[Json, Counter[str]]:
    """The verdict, and how often each function of ours and of the package was called for it."""
    called: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith(JUDGING):
            called[f"{module}.{frame.f_code.co_name}"] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        return await verify_authentication(world, request), called
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("flags", [HONEST, SYNCED])
async def test_an_unknown_credential_costs_what_a_known_one_costs(store: MemoryStore, flags: Flags) -> None:
    """The same functions, the signature's among them, for who knows no user handle: time does not tell which ids are known.

    And whatever is told before a signature was looked at costs no less than a wrong signature.
    """
    world = world_of(store, PASSKEYS_ALGORITHMS="ES256")  # else what is not there may stand for an RSA key
    passkey = await enrolled(world, flags=flags)
    unknown = await sign_in_request(world, replace(stranger(), flags=flags))
    wrong = await sign_in_request(world, passkey, lie=Lie(broken_signature=True))
    other = await sign_in_request(world, passkey, lie=Lie(user_handle=b"another", broken_signature=True))
    changed = await sign_in_request(world, passkey, lie=Lie(flags=flags ^ Flags.BACKUP_ELIGIBLE))
    (told, least) = await functions_called(world, wrong)
    assert told["reason"] == "signature_invalid"
    assert least["webauthn.helpers.verify_signature.verify_signature"] == 1
    (told, usual) = await functions_called(world, other)
    assert told["reason"] == "user_handle_mismatch"
    told, called = await functions_called(world, unknown)
    assert (told["reason"], called) == ("credential_unknown", usual)
    graces = usernames.token_of(await world.decoy_key(), "grace")
    await usernames.remember(world.store, graces, "grace")
    owned = {**await sign_in_request(world, passkey), "username": graces}
    for request, reason in (
        (other, "user_handle_mismatch"),
        (changed, "backup_eligibility_changed"),
        (owned, "credential_owner_mismatch"),
    ):
        told, called = await functions_called(world, request)
        assert (told["reason"], least - called) == (reason, Counter())


async def test_a_rejection_leaves_no_trace_in_the_store(world: World, store: MemoryStore) -> None:
    """A wrong answer changes nothing that is stored of the credential."""
    passkey = await enrolled(world)
    before = dict(store.documents)
    for lie in (Lie(broken_signature=True), Lie(origin="https://evil.example"), Lie(challenge=b"x" * 32)):
        assert not (await sign_in(world, passkey, 1, lie=lie))["verified"]
    assert store.documents == before


async def test_a_sign_in_that_began_with_a_name_is_that_persons(world: World) -> None:
    """WebAuthn L3 §7.2 step 6: start-user, credential owner and user handle are one, whatever the options list."""
    ada, grace = await enrolled(world, "ada", 1), await enrolled(world, "grace", 2)
    token = usernames.token_of(await world.decoy_key(), "Ada")
    request = await sign_in_request(world, ada, 1)
    listed = [{"id": passkey.id, "type": "public-key"} for passkey in (ada, grace)]
    began = {**request, "username": token, "publicKey": {**request["publicKey"], "allowCredentials": listed}}
    assert (await verify_authentication(world, began))["person"] == "ada"
    other = {**began, "ceremony_id": "y", "response": get(grace, began["publicKey"], origin=ORIGIN)}
    refused = {"verified": False, "reason": "credential_owner_mismatch"}
    assert await verify_authentication(world, other) == refused
    assert (await verify_authentication(world, {**other, "username": None}))["person"] == "grace"


async def test_another_persons_user_handle_is_refused(world: World) -> None:
    """Owner and user handle must be one."""
    ada, grace = await enrolled(world, "ada", 1), await enrolled(world, "grace", 2)
    verdict = await sign_in(world, ada, 1, lie=Lie(user_handle=grace.user_handle))
    assert verdict == {"verified": False, "reason": "user_handle_mismatch"}


@pytest.mark.parametrize("response", [None, {}, [], "x", {"id": 1}, {"response": {}}])
async def test_an_answer_of_no_shape_is_a_verdict_here(world: World, response: object) -> None:
    """The starter refuses these; should one arrive, it is a rejection and not a crash."""
    passkey = await enrolled(world)
    request = {**await sign_in_request(world, passkey), "response": response}
    assert await verify_authentication(world, request) == {"verified": False, "reason": "response_malformed"}


async def test_ceremonies_at_once_lose_no_use(store: MemoryStore) -> None:
    """Ten ceremonies with one synced passkey in one instant: all verified, and the highest count is stored."""

    class Racing(MemoryStore):
        async def get(self, name: str) -> Document | None:
            document = await super().get(name)
            await asyncio.sleep(0)  # everybody reads before anybody writes
            return document

    racing = Racing()
    world = world_of(racing)
    passkey = await enrolled(world, flags=SYNCED)
    requests = [await sign_in_request(world, passkey, number) for number in range(10)]
    verdicts = await asyncio.gather(*(verify_authentication(world, request) for request in requests))
    assert all(verdict["verified"] for verdict in verdicts)
    assert usage_of(racing, passkey.id).sign_count == 10


async def test_a_damaged_record_is_no_verdict(world: World, store: MemoryStore) -> None:
    """What is stored and cannot be read is our fault, not the person's: the ceremony fails, it does not reject."""
    passkey = await enrolled(world)
    for name in store.documents:
        if name.startswith("credentials/"):
            store.documents[name] = Document(b"{}", "9")
    with pytest.raises(StoreDamaged):
        await sign_in(world, passkey)
