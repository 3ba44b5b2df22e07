"""The conformance door's people and wishes: nobody else's, and never more than an offer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from activities.issue_authentication_challenge import issue_authentication_challenge
from activities.issue_registration_challenge import issue_registration_challenge
from activities.own_credentials import MAX_LISTED
from orchestrators.ceremony import MAX_OPTIONS
from passkeys.algorithms import ALGORITHMS
from passkeys.attestation import ALL_FORMATS
from passkeys.conformance import ConformanceDirectory, as_wished, person_of, policy_for
from passkeys.credentials import CredentialDescriptor, dump_marker, marker_name
from passkeys.directory import DEMO_PEOPLE, PERSON_ID, PersonStatus, StaticDirectory
from passkeys.errors import DirectoryUnavailable
from passkeys.policy import policy_of
from passkeys.response import encode_base64url
from passkeys.settings import load
from passkeys.world import World, open_world
from starters.conformance import MAX_EXTENSIONS, MAX_NAME
from tests.passkeys.worlds import Clock, CountedBytes, FlakyDirectory, world_of

Json = dict[str, Any]
OPENED = load({"PASSKEYS_CONFORMANCE": "on"})
OPEN = ConformanceDirectory(StaticDirectory(DEMO_PEOPLE))
WISHES: Json = {
    "user": {"name": "alice", "displayName": "Alice Wonder"},
    "attestation": "direct",
    "authenticatorSelection": {
        "residentKey": "discouraged",
        "requireResidentKey": False,
        "userVerification": "discouraged",
        "authenticatorAttachment": "cross-platform",
    },
    "extensions": {"example.extension": "said back"},
}


@pytest.mark.parametrize("name", ["ada", "conformance.ada", "ADA", "a" * 64, "田中", "x@example.org"])
async def test_a_name_that_the_tool_makes_up_is_nobody_of_the_directory(name: str) -> None:
    """Whatever the name, its person has an id of their own, which every store and limiter can take."""
    person = person_of(name)
    assert PERSON_ID.match(person)
    assert person not in DEMO_PEOPLE
    assert await StaticDirectory(DEMO_PEOPLE).find(person) is None
    found = await OPEN.find(person)
    assert found is not None
    assert (found.id, found.status, dict(found.claims)) == (person, PersonStatus.ACTIVE, {})


def test_two_names_are_two_people() -> None:
    """To the letter: the tool may well send two that differ in case alone."""
    assert len({person_of(name) for name in ("alice", "Alice", "alice ", "álice")}) == 4


@pytest.mark.parametrize("stranger", ["nobody", "conformance.", "conformance.x", "conformance." + "A" * 32])
async def test_everybody_else_is_for_the_company_to_tell(stranger: str) -> None:
    """Real people are who they were, and an id of a form that the door never makes is nobody."""
    assert await OPEN.find("ada") is DEMO_PEOPLE["ada"]
    assert (await OPEN.find("mallory") or DEMO_PEOPLE["ada"]).status is PersonStatus.DISABLED
    assert await OPEN.find(stranger) is None


async def test_a_directory_that_cannot_be_asked_still_says_so() -> None:
    """The wrapper hides no fault; for its own people it asks nobody."""
    wrapped = ConformanceDirectory(FlakyDirectory(failures=1))
    assert await wrapped.find(person_of("alice")) is not None
    with pytest.raises(DirectoryUnavailable):
        await wrapped.find("ada")


@pytest.mark.parametrize(("door", "known"), [("off", False), ("on", True)])
async def test_its_people_are_there_only_while_the_door_is_open(
    tmp_path: Any, door: str, known: bool
) -> None:
    """Closed again, whoever enrolled through it is unknown, and can sign in no more."""
    settings = load({"PASSKEYS_STORE": str(tmp_path / "store"), "PASSKEYS_CONFORMANCE": door})
    world = open_world(settings, clock=Clock(), random_bytes=CountedBytes())
    assert (await world.directory.find(person_of("alice")) is not None) is known
    world.store.close()


async def registration(world: World, **more: Any) -> Json:
    request = {"ceremony_id": "registration-" + "1" * 32, "person": "ada", "deadline_seconds": 300, **more}
    return (await issue_registration_challenge(world, request))["publicKey"]


async def authentication(world: World, **more: Any) -> Json:
    request = {"ceremony_id": "authentication-" + "1" * 32, "deadline_seconds": 300, **more}
    return (await issue_authentication_challenge(world, request))["publicKey"]


async def test_wishes_go_into_the_options() -> None:
    """As they are; and every algorithm that we verify is offered. What is not wished for is as the settings say."""
    plain = await registration(world_of())
    wished = await registration(world_of(PASSKEYS_CONFORMANCE="on"), wishes=WISHES)
    assert wished["user"] == {**plain["user"], "name": "alice", "displayName": "Alice Wonder"}
    assert wished["attestation"] == "direct"
    assert wished["authenticatorSelection"] == WISHES["authenticatorSelection"]
    assert wished["extensions"] == {"example.extension": "said back"}
    assert [offered["alg"] for offered in wished["pubKeyCredParams"]] == list(ALGORITHMS)
    for name in ("rp", "challenge", "timeout", "excludeCredentials", "hints"):
        assert wished[name] == plain[name]
    asked = {"userVerification": "discouraged", "extensions": {"example.extension": "x"}}
    wished = await authentication(world_of(PASSKEYS_CONFORMANCE="on"), wishes=asked)
    assert (wished["userVerification"], wished["extensions"]) == ("discouraged", {"example.extension": "x"})
    assert "pubKeyCredParams" not in wished


async def test_a_closed_door_grants_no_wish() -> None:
    """A ceremony that began before it was closed gets what everybody gets."""
    assert await registration(world_of(), wishes=WISHES) == await registration(world_of())
    asked = {"userVerification": "discouraged"}
    assert (await authentication(world_of(), wishes=asked))["userVerification"] == "required"


async def test_without_wishes_an_open_door_changes_nothing() -> None:
    """Other people's ceremonies beside the run are as they always are."""
    assert await registration(world_of(PASSKEYS_CONFORMANCE="on")) == await registration(world_of())
    assert await authentication(world_of(PASSKEYS_CONFORMANCE="on")) == await authentication(world_of())


@pytest.mark.parametrize("letter", ["x", "\x01", "é", "田", "🔑"], ids=ascii)
async def test_the_largest_wishes_fit_the_custom_status(letter: str) -> None:
    """Longest names and extensions, beside as many passkeys as options list: never a ceremony that fails of its size."""
    world = world_of(PASSKEYS_CONFORMANCE="on")
    for number in range(40):
        descriptor = CredentialDescriptor(number.to_bytes(64, "big"), ("internal", "hybrid", "usb"))
        name = marker_name("ada", encode_base64url(descriptor.id))
        await world.store.create(name, dump_marker(descriptor))
    longest = letter * (MAX_NAME // len(letter.encode()))
    extensions = {"e": "x" * (MAX_EXTENSIONS - len('{"e": ""}'))}
    wishes = {**WISHES, "user": {"name": longest, "displayName": longest}, "extensions": extensions}
    options = await registration(world, wishes=wishes)
    assert len(json.dumps(options["excludeCredentials"])) > MAX_LISTED * 0.9
    assert len(json.dumps(options)) < MAX_OPTIONS


def test_the_door_judges_by_a_policy_of_its_own() -> None:
    """User verification as asked, every format, FIDO's own TPM vendor, and two rules more; all else as in the settings."""
    narrow = {"PASSKEYS_ATTESTATION_FORMATS": "packed", "PASSKEYS_ATTESTATION_TPM_VENDORS": "id:00000000"}
    for environ in ({}, {**narrow, "PASSKEYS_SIGN_COUNT": "flag"}):
        ordinary = policy_of(load(environ))
        assert ordinary.user_verification_required
        assert (ordinary.token_binding_checked, ordinary.chains_exact) == (False, False)
        opened = load({**environ, "PASSKEYS_CONFORMANCE": "on"})
        vendors = ordinary.lenience.tpm_vendors | {"id:FFFFF1D0"}
        assert policy_for({"wishes": WISHES}, opened) == replace(
            ordinary,
            user_verification_required=False,
            attestation_formats=frozenset(ALL_FORMATS),
            lenience=replace(ordinary.lenience, tpm_vendors=vendors),
            token_binding_checked=True,
            chains_exact=True,
        )


def test_everybody_elses_policy_is_that_of_the_settings() -> None:
    """Beside an open door, and of a ceremony that began before it was closed."""
    assert policy_for({}, OPENED) == policy_for({"wishes": None}, OPENED) == policy_of(OPENED)
    assert policy_for({"wishes": WISHES}, load({})) == policy_of(load({}))


def test_no_wishes_leave_the_options_themselves() -> None:
    """Not even a copy: there is nothing to lay over."""
    options: Json = {"challenge": "x"}
    assert as_wished(options, None) is options
