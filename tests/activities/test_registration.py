"""Registration: challenge, verification and record, each on its own and all together."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from activities.issue_registration_challenge import issue_registration_challenge
from activities.own_credentials import MAX_LISTED
from activities.record_credential import record_credential
from activities.verify_registration import verify_registration
from demo.authenticator import Flags, NothingToOfferError, create, from_base64url
from passkeys.credentials import (
    CredentialDescriptor,
    StandingState,
    credential_name,
    dump_marker,
    load_credential,
    marker_name,
)
from passkeys.decoys import descriptors
from passkeys.families import revoke_all
from passkeys.metadata_blob import verify_blob
from passkeys.models import keep
from passkeys.response import encode_base64url
from passkeys.world import World
from tests import metadata_kit
from tests.activities.scenes import TOKEN, Json, by_session, by_token, decide, enrolled, enrolment, ticket_for
from tests.passkeys.stores import MemoryStore
from tests.passkeys.worlds import ORIGIN, Clock, FlakyDirectory, world_of


def asked(person: str = "ada", number: int = 0) -> Json:
    return {"ceremony_id": f"registration-{number:032x}", "person": person, "deadline_seconds": 300}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def world(store: MemoryStore) -> World:
    return world_of(store)


async def test_the_challenge_is_json_with_its_deadline(world: World) -> None:
    """Options for the browser, and when they end; only what JSON has."""
    issued = await issue_registration_challenge(world, asked())
    assert json.loads(json.dumps(issued)) == issued
    assert issued["expires_at"] == "2026-01-01T12:05:00+00:00"
    assert issued["publicKey"]["timeout"] == 300_000
    assert issued["publicKey"]["user"]["displayName"] == "Ada Lovelace"
    assert len(from_base64url(issued["publicKey"]["challenge"])) == 32


async def test_a_person_has_one_user_handle_for_good(world: World) -> None:
    """The same at every registration, another for another person, and not made of the name."""
    first, again, other = [
        (await issue_registration_challenge(world, asked(person)))["publicKey"]["user"]["id"]
        for person in ("ada", "ada", "grace")
    ]
    assert first == again != other
    assert b"ada" not in from_base64url(first)


async def test_each_ceremony_has_its_own_challenge(world: World) -> None:
    """No two are the same, not even for one ceremony run again."""
    challenges = {
        (await issue_registration_challenge(world, asked()))["publicKey"]["challenge"] for _ in range(20)
    }
    assert len(challenges) == 20


async def test_own_credentials_are_excluded_and_others_are_not(world: World) -> None:
    """An authenticator that holds one of the person's passkeys makes no second; another person's does."""
    passkey = await enrolled(world, "ada")
    options = (await issue_registration_challenge(world, asked("ada", 1)))["publicKey"]
    assert [entry["id"] for entry in options["excludeCredentials"]] == [passkey.id]
    with pytest.raises(NothingToOfferError):
        create(options, origin=ORIGIN, held=(passkey,))
    options = (await issue_registration_challenge(world, asked("grace", 2)))["publicKey"]
    assert options["excludeCredentials"] == []


@pytest.mark.parametrize(("length", "kept"), [(16, None), (1023, 3)])
async def test_what_is_excluded_stays_within_its_room(
    world: World, store: MemoryStore, length: int, kept: int | None
) -> None:
    """However many passkeys a person has, and however long their ids, the list fits the custom status."""
    await issue_registration_challenge(world, asked())
    for number in range(200):
        descriptor = CredentialDescriptor(number.to_bytes(length, "big"), ("internal", "hybrid"))
        name = marker_name("ada", encode_base64url(descriptor.id))
        await store.create(name, dump_marker(descriptor))
    excluded = (await issue_registration_challenge(world, asked()))["publicKey"]["excludeCredentials"]
    assert MAX_LISTED // 2 < len(json.dumps(excluded)) <= MAX_LISTED
    assert kept is None or len(excluded) == kept


async def test_a_directory_that_cannot_be_asked_does_not_stop_the_challenge(store: MemoryStore) -> None:
    """The name is only shown; whether the person may is asked at the end."""
    world = world_of(store, directory=FlakyDirectory(failures=99))
    assert (await issue_registration_challenge(world, asked()))["publicKey"]["user"]["displayName"] == "ada"


async def test_verification_judges_against_what_was_issued(world: World) -> None:
    """Another ceremony's challenge is refused, and so is an algorithm that this one did not offer."""
    issued = [(await issue_registration_challenge(world, asked(number=n)))["publicKey"] for n in range(2)]
    _, response = create(issued[0], origin=ORIGIN, algorithm=-7)
    request = {**asked(), "response": response}
    assert (await verify_registration(world, {**request, "publicKey": issued[0]}))["verified"]
    assert await verify_registration(world, {**request, "publicKey": issued[1]}) == {
        "verified": False,
        "reason": "challenge_mismatch",
    }
    narrowed = {**issued[0], "pubKeyCredParams": [{"type": "public-key", "alg": -8}]}
    refused = await verify_registration(world, {**request, "publicKey": narrowed})
    assert refused == {"verified": False, "reason": "algorithm_not_offered"}


async def test_a_policy_made_stricter_meanwhile_counts(store: MemoryStore) -> None:
    """Issued when user verification was preferred, answered when it is required: it is required."""
    from demo.authenticator import Flags, Lie

    lax, strict = world_of(store, PASSKEYS_USER_VERIFICATION="preferred"), world_of(store)
    options = (await issue_registration_challenge(lax, asked()))["publicKey"]
    _, response = create(options, origin=ORIGIN, lie=Lie(flags=Flags.USER_PRESENT))
    request = {**asked(), "publicKey": options, "response": response}
    assert (await verify_registration(lax, request))["verified"]
    assert (await verify_registration(strict, request))["reason"] == "user_not_verified"


async def test_a_conditional_ceremony_asks_nobody(world: World) -> None:
    """WebAuthn L3 §7.1 step 15: no touch and no verification, if the ceremony began so; the client cannot choose it now."""
    began = {**asked(), "mediation": "conditional"}
    options = (await issue_registration_challenge(world, began))["publicKey"]
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    _, response = create(options, origin=ORIGIN, flags=Flags(0))
    answer = {"publicKey": options, "response": response}
    verdict = await verify_registration(world, {**began, **answer})
    assert verdict["verified"]
    assert verdict["credential"]["user_verified"] is verdict["facts"]["user_verified"] is False
    for other in ({}, {"mediation": "modal"}):
        refused = await verify_registration(world, {**asked(), **other, **answer})
        assert refused == {"verified": False, "reason": "user_not_present"}


async def test_what_extensions_say_is_recorded(world: World, store: MemoryStore) -> None:
    """What was asked for, checked, and stored with the credential; the audit learns it too."""
    done = await enrolment(world)
    assert done.verdict["credential"]["extensions"] == {"credProps": {"rk": True}}
    assert done.verdict["facts"]["extensions"] == {"credProps": {"rk": True}}
    assert await record_credential(world, done.recording) == {"recorded": True}
    name = credential_name(done.passkey.id)
    assert load_credential(name, store.documents[name].data).extensions == {"credProps": {"rk": True}}


async def test_metadata_is_asked_about_the_model(store: MemoryStore, tmp_path: Path) -> None:
    """A model that is revoked is refused while the settings name metadata; what an earlier time has left does not count."""
    source = tmp_path / "metadata.jwt"
    source.write_bytes(b"read by the refresh")
    root = str(metadata_kit.write_root(tmp_path / "root.pem"))
    named = {"PASSKEYS_METADATA": str(source), "PASSKEYS_METADATA_ROOT": root}
    models = ((metadata_kit.OTHER, None), (metadata_kit.AAGUID, "model_prohibited"))
    for no, (model, reason) in enumerate(models, start=1):
        revoked = metadata_kit.entry(model, metadata_kit.status("REVOKED"))
        blob = verify_blob(
            metadata_kit.blob(revoked, no=no),
            roots=[metadata_kit.ROOT.der],
            signer=metadata_kit.SIGNER,
            at=metadata_kit.NOW,
        )
        assert await keep(store, blob, at=f"2026-11-25T0{no}:00:00Z")
        assert (await answered(world_of(store, **named))).get("reason") == reason
    assert (await answered(world_of(store)))["verified"]


async def answered(world: World) -> Json:
    """The verdict of an honest registration."""
    options = (await issue_registration_challenge(world, asked()))["publicKey"]
    _, response = create(options, origin=ORIGIN)
    return await verify_registration(world, {**asked(), "publicKey": options, "response": response})


@pytest.mark.parametrize("response", [None, {}, [], "x", {"id": 1}, {"response": {}}])
async def test_an_answer_of_no_shape_is_a_verdict_here(world: World, response: object) -> None:
    """The starter refuses these; should one arrive, it is a rejection and not a crash."""
    issued = await issue_registration_challenge(world, asked())
    request = {**asked(), "publicKey": issued["publicKey"], "response": response}
    assert await verify_registration(world, request) == {"verified": False, "reason": "response_malformed"}


async def test_the_record_says_all_that_was_true(world: World, store: MemoryStore) -> None:
    """What is stored is the specification's credential record, with its owner, its ceremony and its time."""
    done = await enrolment(world)
    assert json.loads(json.dumps(done.verdict)) == done.verdict
    assert await record_credential(world, done.recording) == {"recorded": True}
    name = credential_name(done.passkey.id)
    record = load_credential(name, store.documents[name].data)
    assert (record.person, record.ceremony_id) == ("ada", done.ceremony_id)
    assert record.user_handle == encode_base64url(done.passkey.user_handle)
    assert (record.sign_count, record.backup_eligible, record.user_verified) == (0, False, True)
    assert record.transports == ("internal",)
    assert record.created_at == Clock()().isoformat()
    assert not any(name.startswith("usage/") for name in store.documents), (
        "usage is authentication's to write"
    )


async def test_recording_again_for_the_same_ceremony_is_recording_once(
    world: World, store: MemoryStore
) -> None:
    """At-least-once execution changes nothing."""
    done = await enrolment(world)
    assert await record_credential(world, done.recording) == {"recorded": True}
    before = dict(store.documents)
    assert await record_credential(world, done.recording) == {"recorded": True}
    assert store.documents == before


async def test_a_used_ticket_records_nothing(world: World, store: MemoryStore) -> None:
    """Two ceremonies began with one ticket: the second to finish is refused, and leaves nothing."""
    first, second = await enrolment(world, number=1), await enrolment(world, number=2)
    second.ticket = first.ticket
    assert await record_credential(world, first.recording) == {"recorded": True}
    before = dict(store.documents)
    assert await record_credential(world, second.recording) == {"recorded": False, "reason": "ticket_used"}
    assert store.documents == before


@pytest.mark.parametrize(
    ("ticket", "reason"), [(None, "ticket_missing"), ("0" * 64, "ticket_unknown"), ("x", "ticket_unknown")]
)
async def test_without_a_ticket_nothing_is_recorded(
    world: World, store: MemoryStore, ticket: str | None, reason: str
) -> None:
    """Fail closed: no ticket, no credential."""
    done = await enrolment(world)
    assert await record_credential(world, {**done.recording, "ticket": ticket}) == {
        "recorded": False,
        "reason": reason,
    }
    assert credential_name(done.passkey.id) not in store.documents


async def test_anothers_ticket_records_nothing(world: World) -> None:
    """A ticket is of one person."""
    done = await enrolment(world)
    graces = await ticket_for(world, "grace", 77)
    assert (await record_credential(world, {**done.recording, "ticket": graces}))[
        "reason"
    ] == "ticket_not_theirs"


async def test_a_credential_id_is_registered_once_for_anybody(world: World, store: MemoryStore) -> None:
    """WebAuthn L3 §7.1 step 26: a known credential id is refused, whoever brings it, and no ticket is spent on it."""
    first, second = await enrolment(world, "ada", 1), await enrolment(world, "grace", 2)
    assert await record_credential(world, first.recording) == {"recorded": True}
    stolen = {**second.recording, "credential": first.verdict["credential"]}
    assert await record_credential(world, stolen) == {"recorded": False, "reason": "credential_exists"}
    name = credential_name(first.passkey.id)
    assert load_credential(name, store.documents[name].data).person == "ada"
    assert await record_credential(world, second.recording) == {"recorded": True}, "her ticket is still good"


async def test_a_decoy_is_refused_as_a_known_credential_is(world: World, store: MemoryStore) -> None:
    """Who may register cannot find out by trying which ids are nobody's; no ticket is spent on it, and nothing kept."""
    (decoy, *_) = descriptors(await world.decoy_key(), "eve")
    theirs = await enrolled(world, "grace", 1)
    for number, (credential_id, reason) in enumerate(
        [(theirs.credential_id, "credential_exists"), (decoy.id, "credential_decoy")], start=2
    ):
        done = await enrolment(world, "ada", number)
        recording = done.recording
        recording["credential"] = {
            **recording["credential"],
            "credential_id": encode_base64url(credential_id),
        }
        before = dict(store.documents)
        assert await record_credential(world, recording) == {"recorded": False, "reason": reason}
        assert store.documents == before
        assert await record_credential(world, done.recording) == {"recorded": True}


async def test_a_session_records_several_passkeys_each_ceremony_one(world: World, store: MemoryStore) -> None:
    """No ticket: two registrations by one session; neither records a second credential, and a run again changes nothing."""
    passkey = await enrolled(world, "ada", 1)
    first, second = await enrolment(world, "ada", 2), await enrolment(world, "ada", 3)
    for done in (first, second, first):
        assert await record_credential(world, by_session(done, passkey.id)) == {"recorded": True}
    before = dict(store.documents)
    third = await enrolment(world, "ada", 4)
    third.ceremony_id = first.ceremony_id
    refused = {"recorded": False, "reason": "session_used"}
    assert await record_credential(world, by_session(third, passkey.id)) == refused
    assert {name for name in store.documents if name.startswith("credentials/")} == {
        credential_name(one) for one in (passkey.id, first.passkey.id, second.passkey.id)
    }
    assert {name: before[name] for name in before} == {name: store.documents[name] for name in before}


@pytest.mark.parametrize("state", [StandingState.DISABLED, StandingState.REMOVED])
async def test_a_session_whose_passkey_has_fallen_records_nothing(
    world: World, store: MemoryStore, state: StandingState
) -> None:
    """Between its start and its record: whoever took the session cannot finish what they began."""
    passkey = await enrolled(world, "ada", 1)
    done = await enrolment(world, "ada", 2)
    await decide(world, passkey.id, state)
    assert await record_credential(world, by_session(done, passkey.id)) == {
        "recorded": False,
        "reason": "session_ended",
    }
    assert credential_name(done.passkey.id) not in store.documents


@pytest.mark.parametrize(("began", "recorded"), [(-1, False), (0, False), (1, True)])
async def test_a_session_that_was_signed_out_records_nothing(
    world: World, began: int, recorded: bool
) -> None:
    """Signed out everywhere while somebody was adding a passkey: only who has signed in since goes on."""
    passkey = await enrolled(world, "ada", 1)
    done = await enrolment(world, "ada", 2)
    at = world.clock()
    await revoke_all(world, "ada", "signed_out_everywhere")
    request = by_session(done, passkey.id)
    request["session_at"] = (at + timedelta(seconds=began)).isoformat()
    assert (await record_credential(world, request))["recorded"] is recorded


async def test_a_session_that_is_nobodys_or_anothers_records_nothing(
    world: World, store: MemoryStore
) -> None:
    """The credential that it was made with must be there, and the person's own."""
    graces = await enrolled(world, "grace", 1)
    done = await enrolment(world, "ada", 2)
    before = dict(store.documents)
    for credential_id in (graces.id, "AQID", None):
        answer = await record_credential(world, by_session(done, credential_id))
        assert answer == {"recorded": False, "reason": "session_ended"}
    assert store.documents == before


async def test_what_was_recorded_stays_recorded_when_the_session_ends(world: World) -> None:
    """The record is kept and its result is lost; the session's passkey is removed; run again, it says what it did."""
    passkey = await enrolled(world, "ada", 1)
    done = await enrolment(world, "ada", 2)
    assert await record_credential(world, by_session(done, passkey.id)) == {"recorded": True}
    await decide(world, passkey.id, StandingState.REMOVED)
    assert await record_credential(world, by_session(done, passkey.id)) == {"recorded": True}


async def test_a_token_records_one_passkey(world: World, store: MemoryStore) -> None:
    """By the ceremony that is first, again as often as that runs; a second ceremony by the same token leaves nothing."""
    first, second = await enrolment(world, "ada", 1), await enrolment(world, "ada", 2)
    for _ in range(2):
        assert await record_credential(world, by_token(first)) == {"recorded": True}
    before = dict(store.documents)
    refused = {"recorded": False, "reason": "token_used"}
    assert await record_credential(world, by_token(second)) == refused
    assert store.documents == before
    assert await record_credential(world, by_token(second, token="e" * 64)) == {"recorded": True}


async def test_an_identity_that_is_anothers_records_nothing(world: World, store: MemoryStore) -> None:
    """The directory was told otherwise between two enrolments: what was bound first stays, and no token is used up."""
    adas, graces = await enrolment(world, "ada", 1), await enrolment(world, "grace", 2)
    assert await record_credential(world, by_token(adas)) == {"recorded": True}
    before = dict(store.documents)
    answer = await record_credential(world, by_token(graces, token="e" * 64))
    assert answer == {"recorded": False, "reason": "identity_taken"}
    assert store.documents == before
    assert any(TOKEN in name for name in store.documents)


async def test_a_removed_id_is_never_recorded_again(world: World, store: MemoryStore) -> None:
    """Not by another ceremony, whoever's, nor by its own that runs again; and no ticket is spent on it."""
    done = await enrolment(world, "ada", 1)
    assert await record_credential(world, done.recording) == {"recorded": True}
    await decide(world, done.passkey.id, StandingState.REMOVED)
    await store.delete(credential_name(done.passkey.id))
    other = await enrolment(world, "grace", 2)
    again = {**other.recording, "credential": done.verdict["credential"]}
    for request in (done.recording, again):
        assert await record_credential(world, request) == {"recorded": False, "reason": "credential_exists"}
    assert credential_name(done.passkey.id) not in store.documents
    assert await record_credential(world, other.recording) == {"recorded": True}
