"""A sign-in that begins with a user name: who is listed, who may answer, and that it costs the same whoever it is."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from types import FrameType

import pytest

from activities.change_credential import change_credential
from activities.issue_authentication_challenge import issue_authentication_challenge
from activities.issue_registration_challenge import issue_registration_challenge
from activities.own_credentials import MAX_LISTED
from activities.resolve_claims import resolve_claims
from activities.verify_authentication import verify_authentication
from demo.authenticator import Lie, from_base64url
from passkeys.algorithms import load_public_key, verify_signature
from passkeys.credentials import CredentialDescriptor, credential_name, dump_marker, marker_name
from passkeys.decoys import EDDSA, ES256, RS256, is_decoy
from passkeys.errors import SignatureInvalid
from passkeys.response import encode_base64url
from passkeys.stand_ins import PUBLIC_KEYS
from passkeys.store import Document
from passkeys.usernames import token_of
from passkeys.world import World
from tests.activities.scenes import Json, enrolled, sign_in, sign_in_request
from tests.activities.test_authentication import functions_called, stranger
from tests.passkeys.stores import MemoryStore
from tests.passkeys.worlds import FlakyDirectory, world_of


class Counting(MemoryStore):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    async def get(self, name: str) -> Document | None:
        self.asked["get"] += 1
        return await super().get(name)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        self.asked["list"] += 1
        async for name in super().list(prefix):
            yield name


@pytest.fixture
def store() -> Counting:
    return Counting()


@pytest.fixture
def world(store: Counting) -> World:
    return world_of(store)


async def listed(world: World, username: str) -> list[Json]:
    """The allowCredentials that a sign-in with this name is answered with."""
    token = token_of(await world.decoy_key(), username)
    request = {"ceremony_id": "x", "deadline_seconds": 60, "username": token}
    issued = await issue_authentication_challenge(world, request)
    assert json.loads(json.dumps(issued)) == issued
    allowed: list[Json] = issued["publicKey"]["allowCredentials"]
    return allowed


async def mark(store: Counting, person: str, number: int, length: int = 32) -> None:
    descriptor = CredentialDescriptor(number.to_bytes(length, "big"), ("usb", "nfc", "usb"))
    await store.create(marker_name(person, encode_base64url(descriptor.id)), dump_marker(descriptor))


async def test_who_has_passkeys_is_listed_with_them(world: World) -> None:
    """All of the person's, nobody else's, however the name is typed."""
    passkeys = [await enrolled(world, "ada", number) for number in range(3)]
    await enrolled(world, "grace", 9)
    for typed in ("ada", "Ada ", "ＡＤＡ"):
        allowed = await listed(world, typed)
        assert {entry["id"] for entry in allowed} == {passkey.id for passkey in passkeys}
        assert {entry["type"] for entry in allowed} == {"public-key"}


async def test_the_list_says_nothing_of_when_and_by_what(world: World, store: Counting) -> None:
    """In order of the ids, not of their registrations; transports as any browser sorts them, each once."""
    await enrolled(world, "ada")
    for number in (200, 3, 77, 150):
        await mark(store, "ada", number)
    allowed = await listed(world, "ada")
    ids = [from_base64url(entry["id"]) for entry in allowed]
    assert ids == sorted(ids)
    assert [entry["transports"] for entry in allowed].count(["nfc", "usb"]) == 4
    for number in range(30):
        decoys = [from_base64url(entry["id"]) for entry in await listed(world, f"nobody{number}")]
        assert decoys == sorted(decoys)


@pytest.mark.parametrize("name", ["eve", "mallory", "ada", "", "no such person's name: a\u0301\0'\"<"])
async def test_who_has_none_is_listed_with_decoys(world: World, name: str) -> None:
    """Unknown, known without a passkey, disabled, or no name at all: descriptors like anybody's, ours to recognise."""
    before = await listed(world, name)
    await issue_registration_challenge(world, {"ceremony_id": "x", "person": "ada", "deadline_seconds": 9})
    assert await listed(world, name) == before  # who begins to register is still as unknown as before
    assert before
    for entry in before:
        assert entry.keys() == {"id", "type", "transports"}
        assert is_decoy(await world.decoy_key(), from_base64url(entry["id"]))


async def test_every_instance_and_every_start_tells_the_same(world: World, store: Counting) -> None:
    """A restart, or another instance on the same store, gives a name the decoys that it had."""
    first = await listed(world, "eve")
    other_instance = replace(world, random_bytes=lambda count: b"x" * count)
    assert await listed(other_instance, "EVE") == first
    assert await listed(other_instance, "eva") != first


async def test_who_loses_the_last_passkey_gets_the_names_decoys(world: World, store: Counting) -> None:
    """A removed credential is never listed, and its person is then as one who never had any."""
    before = await listed(world, "ada")
    passkey = await enrolled(world, "ada")
    await store.delete(marker_name("ada", passkey.id))
    assert await listed(world, "ada") == before


async def test_no_list_outgrows_its_room(world: World, store: Counting) -> None:
    """However many passkeys somebody has, the options fit the custom status."""
    await enrolled(world, "ada")
    for number in range(200):
        await mark(store, "ada", number)
    assert MAX_LISTED // 2 < len(json.dumps(await listed(world, "ada"))) <= MAX_LISTED


async def test_known_and_unknown_cost_the_same_reads(world: World, store: Counting) -> None:
    """One name looked up, one list, and a document for each passkey that is listed, whoever's it is; no write."""
    for number in range(3):
        await enrolled(world, "ada", number)
    await listed(world, "ada")  # the key is read once
    for name in ("ada", *(f"nobody{number}" for number in range(30))):
        store.asked.clear()
        writes = store.faults.writes
        allowed = await listed(world, name)
        assert store.asked == {"list": 1, "get": 1 + len(allowed)}
        assert store.faults.writes == writes


async def test_a_named_sign_in_completes(world: World) -> None:
    """Also without a user handle: an authenticator that was told the credential need not give one (L3 §7.2 step 6)."""
    passkey = await enrolled(world)
    assert (await sign_in(world, passkey, 1, username="Ada"))["verified"]
    verdict = await sign_in(world, passkey, 2, username="ada", lie=Lie(no_user_handle=True))
    assert (verdict["verified"], verdict["person"]) == (True, "ada")


async def test_without_a_name_the_user_handle_must_be_there(world: World) -> None:
    """Nobody was identified before: only the authenticator can say whose it is."""
    passkey = await enrolled(world)
    verdict = await sign_in(world, passkey, 1, lie=Lie(no_user_handle=True))
    assert verdict == {"verified": False, "reason": "user_handle_missing"}


@pytest.mark.parametrize("name", ["grace", "eve"])
@pytest.mark.parametrize("lie", [Lie(), Lie(no_user_handle=True)], ids=["user handle", "none"])
async def test_who_is_somebody_else_is_refused(world: World, name: str, lie: Lie) -> None:
    """Ada's good answer does not end a sign-in that began for another name, known or not; and leaves no trace."""
    passkey = await enrolled(world, "ada", 1)
    await enrolled(world, "grace", 2)
    verdict = await sign_in(world, passkey, 1, username=name, lie=lie)
    assert verdict == {"verified": False, "reason": "credential_owner_mismatch"}
    assert (await sign_in(world, passkey, 2))["sign_count"] == 2


async def test_owner_and_user_handle_must_agree_too(world: World) -> None:
    """Name and credential are Ada's, the user handle is Grace's."""
    ada, grace = await enrolled(world, "ada", 1), await enrolled(world, "grace", 2)
    verdict = await sign_in(world, ada, 1, username="ada", lie=Lie(user_handle=grace.user_handle))
    assert verdict == {"verified": False, "reason": "user_handle_mismatch"}


async def test_one_of_theirs_that_was_not_listed_is_refused(world: World, store: Counting) -> None:
    """WebAuthn L3 §7.2 step 5: what was not asked for is not an answer, even if it is the person's."""
    passkey, other = await enrolled(world, "ada", 1), await enrolled(world, "ada", 2)
    await store.delete(marker_name("ada", passkey.id))
    assert await sign_in(world, passkey, 1, username="ada") == {
        "verified": False,
        "reason": "credential_not_allowed",
    }
    assert (await sign_in(world, other, 2, username="ada"))["verified"]


async def absent(world: World, store: Counting) -> dict[str, Json]:
    """Answers with credentials that are not there, by why they are not."""
    gone = await enrolled(world, "ada")
    await store.delete(credential_name(gone.id))
    decoy = from_base64url((await listed(world, "eve"))[0]["id"])
    return {
        "credential_unknown": await sign_in_request(world, stranger(), username="eve"),
        "credential_decoy": await sign_in_request(
            world, stranger(), username="eve", lie=Lie(credential_id=decoy)
        ),
        "credential_gone": await sign_in_request(world, gone, username="ada"),
    }


async def test_unknown_is_only_what_we_never_named(world: World, store: Counting) -> None:
    """The code that may be told outside is not said of a decoy, nor of what the ceremony itself has listed."""
    for reason, request in (await absent(world, store)).items():
        assert await verify_authentication(world, request) == {"verified": False, "reason": reason}
    decoy = from_base64url((await listed(world, "eve"))[0]["id"])
    verdict = await sign_in(world, stranger(), lie=Lie(credential_id=decoy))
    assert verdict["reason"] == "credential_decoy"  # also where no name was given


async def test_a_removed_one_is_unknown_to_its_holder_alone(world: World, store: Counting) -> None:
    """Whoever has once seen its id in a list must not learn from the signal that it was somebody's: no decoy ever says so."""
    passkey = await enrolled(world, "ada")
    seen = from_base64url((await listed(world, "ada"))[0]["id"])
    removal = {"act_id": "act-" + "1" * 32, "act": "remove", "credential_id": passkey.id, "person": "ada"}
    await change_credential(world, {**removal, "by": "ada", "reason": None, "name": None, "last": True})
    by_id = await sign_in(world, stranger(), lie=Lie(credential_id=seen))
    without_handle = await sign_in(world, passkey, lie=Lie(no_user_handle=True))
    assert by_id["reason"] == without_handle["reason"] == "credential_gone"
    assert (await sign_in(world, passkey))["reason"] == "credential_unknown"


async def test_every_refusal_costs_what_a_wrong_signature_costs(world: World, store: Counting) -> None:
    """The same functions, the signature's among them, and the same reads, whatever is wrong."""
    requests = await absent(world, store)
    ada, grace = await enrolled(world, "ada", 1), await enrolled(world, "grace", 2)
    broken = Lie(broken_signature=True)
    requests["signature_invalid"] = await sign_in_request(world, ada, username="ada", lie=broken)
    requests["credential_owner_mismatch"] = await sign_in_request(world, ada, username="grace", lie=broken)
    other = Lie(user_handle=grace.user_handle, broken_signature=True)
    requests["user_handle_mismatch"] = await sign_in_request(world, ada, username="ada", lie=other)
    await store.delete(marker_name("grace", grace.id))
    await mark(store, "grace", 1)
    requests["credential_not_allowed"] = await sign_in_request(world, grace, username="grace", lie=broken)
    costs = {}
    for reason, request in requests.items():
        store.asked.clear()
        told, called = await functions_called(world, request)
        assert told == {"verified": False, "reason": reason}
        costs[reason] = (called["webauthn.helpers.verify_signature.verify_signature"], dict(store.asked))
    assert set(map(str, costs.values())) == {str((1, {"get": 4}))}, (
        costs
    )  # the name, the record, the standing, the use


async def test_a_listed_decoy_costs_what_a_listed_passkey_costs(store: Counting) -> None:
    """Answered by who holds neither, with a user handle made up or with none: every function as often."""
    world = world_of(store, PASSKEYS_ALGORITHMS="ES256")
    ada = await enrolled(world)
    lists = {f"nobody{number}": await listed(world, f"nobody{number}") for number in range(100)}
    # Of a model that is not synced, as Ada's passkey is not.
    name, decoy = next(
        (name, from_base64url(entry["id"]))
        for name, decoys in lists.items()
        for entry in decoys
        if entry["transports"] == ["usb"]
    )
    for lie in (Lie(no_user_handle=True), Lie(user_handle=b"made up"), Lie(origin="https://evil.example")):
        costs = []
        for username, credential_id in (("ada", ada.credential_id), (name, decoy)):
            claim = replace(lie, credential_id=credential_id)
            request = await sign_in_request(world, stranger(), username=username, lie=claim)
            store.asked.clear()
            _, called = await functions_called(world, request)
            costs.append((called, dict(store.asked)))
        assert costs[0] == costs[1]


@pytest.mark.parametrize("algorithm", PUBLIC_KEYS)
def test_a_stand_in_is_a_key_like_any(algorithm: int) -> None:
    """A wrong signature under it fails as a wrong one, after the work, and not for what the key is."""
    row, key = load_public_key(PUBLIC_KEYS[algorithm])
    assert row.cose == algorithm
    lengths = {ES256: 70, EDDSA: 64, RS256: 256}
    with pytest.raises(SignatureInvalid, match=r"InvalidSignature"):
        verify_signature(row.cose, key, bytes(lengths[algorithm]), b"signed")


async def test_what_is_not_there_is_verified_by_the_algorithm_that_it_would_have(world: World) -> None:
    """48 bytes are a YubiKey's, which takes Ed25519 where that is offered; 20 an iPhone's, which takes P-256."""
    verified_by: list[int] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is verify_signature.__code__:
            verified_by.append(frame.f_locals["cose_alg"])

    for length in (48, 20):
        request = await sign_in_request(world, stranger(), lie=Lie(credential_id=b"x" * length))
        sys.setprofile(note)
        try:
            await verify_authentication(world, request)
        finally:
            sys.setprofile(None)
    assert verified_by == [EDDSA, ES256]


async def test_the_directory_is_asked_about_nobody_too(store: Counting) -> None:
    """A credential that is nobody's costs a question to the directory, as one that is somebody's does."""
    directory = FlakyDirectory(failures=0)
    world = world_of(store, directory=directory)
    passkey = await enrolled(world)
    for credential_id in (passkey.id, stranger().id):
        before = directory.asked
        await resolve_claims(world, {"person": None, "credential_id": credential_id})
        assert directory.asked == before + 1
