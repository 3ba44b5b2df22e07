"""Recovery: a challenge that commits to what it is for, and a confirmation that counts only from the right operator."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from activities.issue_recovery_challenge import issue_recovery_challenge
from activities.record_recovery import record_recovery
from activities.verify_authentication import verify_authentication
from demo.authenticator import TRUTH, Flags, Lie, Passkey, from_base64url, get
from passkeys.credentials import Standing, StandingState, credential_name, dump_standing, standing_name
from passkeys.directory import DEMO_PEOPLE, Person, PersonStatus, StaticDirectory
from passkeys.recoveries import Details, commits, is_proven, load_recovery, recovery_name
from passkeys.world import World
from tests.activities.scenes import Json, enrolled
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import ORIGIN, Clock, FlakyDirectory, world_of

DETAILS = {
    "person": "ada",
    "display_name": "Ada Lovelace",
    "reason": "lost her phone; I have seen her badge",
    "started_by": "grace",
}
ID, OTHER = "recovery-" + "1" * 32, "recovery-" + "2" * 32


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def world(store: MemoryStore) -> World:
    return world_of(store)


async def issue(world: World, details: Json = DETAILS) -> Json:
    request = {"ceremony_id": ID, "deadline_seconds": 900, "details": details}
    return dict((await issue_recovery_challenge(world, request))["publicKey"])


async def confirmation(
    world: World, passkey: Passkey, *, details: Json = DETAILS, ceremony_id: str = ID, lie: Lie = TRUTH
) -> Json:
    """What record_recovery is asked after this passkey's genuine answer."""
    options = await issue(world, details)
    response = get(passkey, options, origin=ORIGIN, lie=lie)
    answer = {"ceremony_id": ceremony_id, "publicKey": options, "response": response}
    verdict = await verify_authentication(world, answer)
    assert verdict["verified"], verdict
    return {
        "ceremony_id": ceremony_id,
        "details": details,
        "response": response,
        "confirmed_by": verdict["person"],
        "credential_id": verdict["credential_id"],
        "step_up": verdict.get("step_up", False),
    }


def people(**changed: Person | None) -> StaticDirectory:
    """The demo people, some of them otherwise."""
    found = {**DEMO_PEOPLE, **changed}
    return StaticDirectory(
        MappingProxyType({name: person for name, person in found.items() if person is not None})
    )


async def test_the_challenge_commits_to_the_details(world: World) -> None:
    """Its random part stands in front; of other details, in any member, it is no challenge."""
    challenge = from_base64url((await issue(world))["challenge"])
    details = Details(**DETAILS)
    assert len(challenge) == 64
    assert commits(challenge, details)
    for member in DETAILS:
        assert not commits(challenge, replace(details, **{member: "another"}))
    assert not commits(challenge[:-1], details)
    assert not commits(b"", details)


async def test_no_two_challenges_are_alike(world: World) -> None:
    """The same details, asked for again: another random part, and so another digest."""
    first, second = [from_base64url((await issue(world))["challenge"]) for _ in range(2)]
    assert first[:32] != second[:32]
    assert first[32:] != second[32:]


async def test_any_operators_passkey_may_answer_and_must_verify_its_person(store: MemoryStore) -> None:
    """Nobody is named; user verification is demanded even where signing in does not."""
    world = world_of(store, PASSKEYS_USER_VERIFICATION="preferred")
    passkey = await enrolled(world, "katherine")
    options = await issue(world)
    assert (options["allowCredentials"], options["timeout"]) == ([], 900_000)
    response = get(passkey, options, origin=ORIGIN, lie=Lie(flags=Flags.USER_PRESENT))
    verdict = await verify_authentication(
        world, {"ceremony_id": ID, "publicKey": options, "response": response}
    )
    assert (verdict["verified"], verdict["reason"]) == (False, "user_not_verified")


async def test_a_confirmation_is_kept_with_its_proof(world: World, store: MemoryStore) -> None:
    """Details, who and when; and the signed answer with its key, which prove it without anything else."""
    passkey = await enrolled(world, "katherine")
    request = await confirmation(world, passkey)
    assert await record_recovery(world, request) == {"recorded": True}
    kept = load_recovery("x", store.documents[recovery_name(ID)].data)
    assert kept.details == Details(**DETAILS)
    assert (kept.confirmation.by, kept.confirmation.at) == ("katherine", Clock()().isoformat())
    assert kept.confirmation.credential_id == passkey.id
    assert kept.ticket is None
    assert is_proven(kept)
    for member in DETAILS:
        assert not is_proven(replace(kept, details=replace(kept.details, **{member: "another"})))
    for member in ("public_key", "client_data", "authenticator_data", "signature"):
        for junk in ("AAAA", "", "*", None, 7, ["AAAA"]):
            assert not is_proven(replace(kept, confirmation=replace(kept.confirmation, **{member: junk})))


def refused(reason: str) -> Json:
    return {"recorded": False, "reason": reason}


async def test_the_starter_cannot_confirm(world: World, store: MemoryStore) -> None:
    """Not with the passkey they have signed in with, nor with a second one of theirs."""
    for number in (1, 2):
        passkey = await enrolled(world, "grace", number)
        request = await confirmation(world, passkey)
        assert await record_recovery(world, request) == refused("confirmed_by_starter")
    assert recovery_name(ID) not in store.documents


async def test_with_one_operator_the_starter_confirms(store: MemoryStore) -> None:
    """Where one is enough, it is still a signature over the details."""
    world = world_of(store, PASSKEYS_RECOVERY_OPERATORS="1")
    request = await confirmation(world, await enrolled(world, "grace"))
    assert await record_recovery(world, request) == {"recorded": True}
    assert is_proven(load_recovery("x", store.documents[recovery_name(ID)].data))


@pytest.mark.parametrize("operators", ["1", "2"])
@pytest.mark.parametrize("person", ["ada", "katherine", "grace"])
async def test_nobody_lets_themselves_in(store: MemoryStore, operators: str, person: str) -> None:
    """The person to be recovered cannot confirm, operator or not, starter or not, however many it takes."""
    world = world_of(store, PASSKEYS_RECOVERY_OPERATORS=operators)
    request = await confirmation(
        world, await enrolled(world, person), details={**DETAILS, "person": person, "started_by": "grace"}
    )
    assert await record_recovery(world, request) == refused("confirmed_by_recovered")


KATHERINE = DEMO_PEOPLE["katherine"]


@pytest.mark.parametrize(
    ("directory", "reason"),
    [
        (people(katherine=replace(KATHERINE, claims={})), "confirmed_by_no_operator"),
        (people(katherine=replace(KATHERINE, claims={"roles": ["operators"]})), "confirmed_by_no_operator"),
        (people(katherine=replace(KATHERINE, claims={"roles": "operator"})), "confirmed_by_no_operator"),
        (people(katherine=replace(KATHERINE, status=PersonStatus.DISABLED)), "confirmed_by_inactive"),
        (people(katherine=None), "confirmed_by_inactive"),
        (people(katherine=replace(KATHERINE, id="somebody")), "confirmed_by_inactive"),
        (people(grace=replace(DEMO_PEOPLE["grace"], claims={})), "started_by_no_operator"),
        (people(grace=replace(DEMO_PEOPLE["grace"], status=PersonStatus.DISABLED)), "started_by_no_operator"),
        (people(grace=None), "started_by_no_operator"),
        (FlakyDirectory(failures=99), "person_unreachable"),
    ],
)
async def test_who_is_no_operator_now_has_no_part_in_it(
    world: World, store: MemoryStore, directory: Any, reason: str
) -> None:
    """By the directory's word when it is confirmed: whoever lost the role, or is gone, neither confirms nor has started."""
    request = await confirmation(world, await enrolled(world, "katherine"))
    changed = world_of(store, directory=directory)
    assert await record_recovery(changed, request) == refused(reason)
    assert recovery_name(ID) not in store.documents


async def test_somebody_without_the_role_cannot_confirm(world: World) -> None:
    """A genuine answer of an ordinary person."""
    details = {**DETAILS, "person": "katherine"}
    request = await confirmation(world, await enrolled(world, "ada"), details=details)
    assert await record_recovery(world, request) == refused("confirmed_by_no_operator")


async def test_a_passkey_that_is_to_be_stepped_up_confirms_nothing(world: World, store: MemoryStore) -> None:
    """Its model is no longer trusted: it is good for managing passkeys alone."""
    passkey = await enrolled(world, "katherine")
    standing = Standing(StandingState.STEP_UP, "model", "metadata", Clock()().isoformat())
    await store.create(standing_name(passkey.id), dump_standing(standing))
    request = await confirmation(world, passkey)
    assert request["step_up"]
    assert await record_recovery(world, request) == refused("confirmed_with_step_up")


@pytest.mark.parametrize("member", DETAILS)
async def test_details_changed_on_the_way_are_not_what_was_confirmed(world: World, member: str) -> None:
    """What is recorded is what was signed: not for another person, reason or starter, nor under another name."""
    request = await confirmation(world, await enrolled(world, "katherine"))
    changed = {**request, "details": {**DETAILS, member: "mallory"}}
    assert await record_recovery(world, changed) == refused("confirmed_other_details")


async def test_the_answer_to_one_recovery_confirms_no_other(world: World) -> None:
    """Of two recoveries for the same person each has its own challenge; of a sign-in's there are no details."""
    passkey = await enrolled(world, "katherine")
    request = await confirmation(world, passkey)
    for_other = await issue(world)
    answer = {"ceremony_id": OTHER, "publicKey": for_other, "response": request["response"]}
    verdict = await verify_authentication(world, answer)
    assert (verdict["verified"], verdict["reason"]) == (False, "challenge_mismatch")
    sign_in = get(passkey, {**for_other, "challenge": "A" * 43}, origin=ORIGIN)
    assert await record_recovery(world, {**request, "response": sign_in}) == refused(
        "confirmed_other_details"
    )


async def test_a_passkey_removed_a_moment_ago_confirms_nothing(world: World, store: MemoryStore) -> None:
    """Without its record there is no key to keep."""
    passkey = await enrolled(world, "katherine")
    request = await confirmation(world, passkey)
    await store.delete(credential_name(passkey.id))
    assert await record_recovery(world, request) == refused("credential_gone")


@pytest.mark.parametrize("kept", [False, True])
async def test_run_again_it_says_the_same(store: MemoryStore, kept: bool) -> None:
    """After a write that failed, or that was kept and reported failed, and later: one record, unchanged."""
    clock = Clock()
    world = world_of(store, clock=clock)
    request = await confirmation(world, await enrolled(world, "katherine"))
    store.faults = Faults(at=1, kept=kept)
    assert await record_recovery(world, request) == {"recorded": True}
    before = dict(store.documents)
    clock.advance(60)
    assert await record_recovery(world, request) == {"recorded": True}
    assert store.documents == before


async def test_what_was_confirmed_first_stands(world: World, store: MemoryStore) -> None:
    """A ceremony that is started over under its id gets another answer: it is refused, and the record stays."""
    passkey = await enrolled(world, "katherine")
    first, second = [await confirmation(world, passkey) for _ in range(2)]
    assert await record_recovery(world, first) == {"recorded": True}
    before = dict(store.documents)
    assert await record_recovery(world, second) == refused("already_confirmed")
    assert store.documents == before


async def test_everything_in_the_record_is_json(world: World, store: MemoryStore) -> None:
    """The document is plain JSON with its version, and no secret."""
    request = await confirmation(world, await enrolled(world, "katherine"))
    await record_recovery(world, request)
    assert set(json.loads(store.documents[recovery_name(ID)].data)) == {
        "v", "details", "confirmation", "ticket",
    }  # fmt: skip
