"""People, tickets and passkeys as the activities see them, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from activities.issue_authentication_challenge import issue_authentication_challenge
from activities.issue_registration_challenge import issue_registration_challenge
from activities.record_credential import record_credential
from activities.verify_authentication import verify_authentication
from activities.verify_registration import verify_registration
from demo.authenticator import TRUTH, Flags, Lie, Passkey, create, get
from passkeys.credentials import Standing, StandingState, dump_standing, standing_name
from passkeys.tickets import digest_of, issue_ticket
from passkeys.usernames import token_of
from passkeys.world import World
from tests.passkeys.worlds import ORIGIN, CountedBytes

Json = dict[str, Any]
SESSION = f"authentication-{9:032x}"
HONEST = Flags.USER_PRESENT | Flags.USER_VERIFIED


@dataclass
class Enrolment:
    """A registration ceremony whose answer is verified, and not recorded yet."""

    passkey: Passkey
    ticket: str
    verdict: Json
    ceremony_id: str

    @property
    def recording(self) -> Json:
        return {
            "ceremony_id": self.ceremony_id,
            "person": self.verdict["person"],
            "ticket": self.ticket,
            "credential": self.verdict["credential"],
        }


def by_session(enrolment: Enrolment, session_credential: str | None, *, session: str = SESSION) -> Json:
    """What record_credential is asked for a registration that a session allows."""
    return {
        **enrolment.recording,
        "ticket": None,
        "session": session,
        "session_credential": session_credential,
    }


async def ticket_for(world: World, person: str, number: int = 0) -> str:
    """The digest of a fresh ticket."""
    secret = await issue_ticket(
        world.store, person, seconds=600, now=world.clock(), random_bytes=CountedBytes(drawn=1000 + number)
    )
    return digest_of(secret)


async def enrolment(
    world: World, person: str = "ada", number: int = 0, *, flags: Flags = HONEST, counts: bool = True
) -> Enrolment:
    """Everything up to the record."""
    ceremony_id = f"registration-{number:032x}"
    ticket = await ticket_for(world, person, number)
    issued = await issue_registration_challenge(
        world, {"ceremony_id": ceremony_id, "person": person, "deadline_seconds": 300}
    )
    passkey, response = create(issued["publicKey"], origin=ORIGIN, algorithm=-7, flags=flags, counts=counts)
    verdict = await verify_registration(
        world,
        {
            "ceremony_id": ceremony_id,
            "person": person,
            "publicKey": issued["publicKey"],
            "response": response,
        },
    )
    assert verdict["verified"], verdict
    return Enrolment(passkey, ticket, verdict, ceremony_id)


async def enrolled(
    world: World, person: str = "ada", number: int = 0, *, flags: Flags = HONEST, counts: bool = True
) -> Passkey:
    """A passkey that is registered."""
    done = await enrolment(world, person, number, flags=flags, counts=counts)
    assert await record_credential(world, done.recording) == {"recorded": True}
    return done.passkey


async def sign_in_request(
    world: World, passkey: Passkey, number: int = 0, *, lie: Lie = TRUTH, username: str | None = None
) -> Json:
    """What verify_authentication is asked at the end of one ceremony, begun with a user name or without."""
    ceremony_id = f"authentication-{number:032x}"
    begun: Json = {"ceremony_id": ceremony_id}
    if username is not None:
        begun["username"] = token_of(await world.decoy_key(), username)
    issued = await issue_authentication_challenge(world, {**begun, "deadline_seconds": 300})
    response = get(passkey, issued["publicKey"], origin=ORIGIN, lie=lie)
    return {**begun, "publicKey": issued["publicKey"], "response": response}


async def sign_in(
    world: World, passkey: Passkey, number: int = 0, *, lie: Lie = TRUTH, username: str | None = None
) -> Json:
    """One sign-in up to its verdict."""
    request = await sign_in_request(world, passkey, number, lie=lie, username=username)
    return await verify_authentication(world, request)


async def decide(
    world: World,
    credential_id: str,
    state: StandingState,
    *,
    removal: str | None = None,
    holder: str | None = None,
) -> None:
    """It has been decided that the credential stands so."""
    name = standing_name(credential_id)
    data = dump_standing(Standing(state, "lost", "grace", world.clock().isoformat(), removal, holder=holder))
    known = await world.store.get(name)
    if known is None:
        await world.store.create(name, data)
    else:
        await world.store.replace(name, data, etag=known.etag)
