"""Sessions without a session: a completed ceremony and its proof key show who is asking, for a while.

And before it is completed, they show that who answers it is who started it.

`Authorization: Ceremony <ceremony id>:<code_verifier>` acts for the person of that ceremony. Nothing is kept for it
but the ceremony itself, whose output has the challenge; the verifier is looked at here and goes nowhere.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.functions import HttpRequest

from passkeys.ceremony import Kind, Outcome, kind_of
from passkeys.credentials import StandingState
from passkeys.directory import Person, PersonStatus, has_role
from passkeys.families import signed_out_everywhere_at
from passkeys.holdings import USABLE, record_of, standing_of, state_of
from passkeys.proof import proves
from passkeys.world import World
from starters.problems import RefusedError
from starters.views import output_of
from starters.waiting import is_finished

SCHEME = "Ceremony"
CONDITIONAL = "conditional"
# RFC 9110 §11.4: scheme, blanks, credentials; ours have no comma, so that a header sent twice is none.
_AUTHORIZATION = re.compile(r"(?i:ceremony) +([a-z]{1,32}-[0-9a-f]{32}):([A-Za-z0-9._~-]{43,128})")
# A completed approval says that somebody agreed to something, not who is asking now.
_SESSIONS = frozenset({Kind.REGISTRATION, Kind.AUTHENTICATION})


@dataclass(frozen=True, slots=True)
class Proof:
    """An ended ceremony whose starter is asking: its id, its output, and when it ended."""

    ceremony_id: str
    output: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Who is asking, by which completed ceremony, with which credential; `at` is when that ceremony ended.

    `step_up`: the session is good for listing, adding and removing passkeys, and for nothing else. `user_verified`: the
    authenticator has verified the person, by PIN, fingerprint or face. `known` is the person as the directory tells them
    now.
    """

    person: str
    ceremony_id: str
    credential_id: str
    at: datetime
    step_up: bool
    user_verified: bool
    known: Person


def invalid() -> RefusedError:
    """The one answer to whatever is wrong with a session: nobody learns what."""
    return RefusedError("session_invalid", headers={"WWW-Authenticate": SCHEME})


def demand_proof(authorization: str, ceremony_id: str, code_challenge: str | None) -> None:
    """See that the header is by whoever started this very ceremony. Raises RefusedError(proof_required)."""
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None or match[1] != ceremony_id or not proves(match[2], code_challenge):
        raise RefusedError("proof_required", headers={"WWW-Authenticate": SCHEME})


def verifier_of(authorization: str) -> str:
    """The verifier that the header shows, whatever it proves; "" if it shows none."""
    match = _AUTHORIZATION.fullmatch(authorization)
    return match[2] if match else ""


async def proof_of(world: World, req: HttpRequest, client: Any) -> Proof:
    """The ended ceremony, however it ended, whose proof key the caller shows, for as long as a session lasts.

    Raises RefusedError(session_invalid).
    """
    match = _AUTHORIZATION.fullmatch(req.headers.get("authorization", ""))
    if match is None or kind_of(match[1]) is None:
        raise invalid()
    status = await client.get_status(match[1])
    if not status or not is_finished(status):
        raise invalid()
    output = dict(output_of(match[1], status))
    if not proves(match[2], output.get("code_challenge")):
        raise invalid()
    at = datetime.fromisoformat(output["at"]).astimezone(UTC)
    # A ceremony that ended in the future: the clocks of two hosts differ a little. More is no time to rely on.
    if abs((world.clock() - at).total_seconds()) > world.settings.session_seconds:
        raise invalid()
    return Proof(match[1], output, at)


async def session_of(world: World, req: HttpRequest, client: Any, *, fresh: bool) -> Session:
    """Who is asking. `fresh`: for a change, so a recent ceremony is needed.

    Raises RefusedError: session_invalid; session_stale, for a session that is good but for its age. And StoreUnavailable
    and DirectoryUnavailable.
    """
    proof = await proof_of(world, req, client)
    output = proof.output
    kind = kind_of(proof.ceremony_id)
    if output["outcome"] != Outcome.COMPLETED or kind not in _SESSIONS:
        raise invalid()
    # WebAuthn L3 §5.1.3: nobody need have been there when it was made, so it says of nobody that they are here now.
    if kind is Kind.REGISTRATION and output.get("mediation") == CONDITIONAL:
        raise invalid()
    # What was started for an application is redeemed by it, and opens nothing here: neither by its own proof key, nor by that
    # of the page on which it was answered.
    if output.get("authorization") is not None:
        raise invalid()
    person, credential_id = output["person"]["id"], output["credential_id"]
    # Who cannot be asked about, may not: these raise, and the answer is 503.
    known = await world.directory.find(person)
    record = await record_of(world.store, credential_id)
    state = state_of(await standing_of(world.store, credential_id))
    if known is None or known.status is not PersonStatus.ACTIVE:
        raise invalid()
    if await _is_over(world, known, proof.at):
        raise invalid()
    if record is None or record.person != person or state not in USABLE:
        raise invalid()
    if fresh and (world.clock() - proof.at).total_seconds() > world.settings.fresh_seconds:
        raise _stale(world.settings.fresh_seconds)
    return Session(
        person=person,
        ceremony_id=proof.ceremony_id,
        credential_id=credential_id,
        at=proof.at,
        step_up=bool(output.get("step_up")) or state is StandingState.STEP_UP,
        user_verified=output.get("user_verified") is True,
        known=known,
    )


async def _is_over(world: World, person: Person, at: datetime) -> bool:
    """Whether the person has signed out everywhere since, here or at their identity provider."""
    signed_out_at = await signed_out_everywhere_at(world, person.id)
    ends: tuple[datetime | None, ...] = (signed_out_at, person.sessions_valid_from)
    return any(end is not None and at <= end for end in ends)


async def operator_of(world: World, req: HttpRequest, client: Any, *, fresh: bool) -> Session:
    """Who is asking, an operator by the directory's word. The host has seen the function key already.

    Raises RefusedError as `session_of` does, and: step_up_required, operator_required, user_verification_required.
    """
    session = await full_session_of(world, req, client, fresh=fresh)
    if not has_role(session.known, world.settings.operator_role):
        raise RefusedError("operator_required")
    # Whatever is policy for signing in: who decides about others is a person, and not whoever holds their device.
    if not session.user_verified:
        raise RefusedError("user_verification_required")
    return session


async def full_session_of(world: World, req: HttpRequest, client: Any, *, fresh: bool) -> Session:
    """`session_of`, for what a session that is to be stepped up is not good for. Raises RefusedError(step_up_required)."""
    session = await session_of(world, req, client, fresh=fresh)
    if session.step_up:
        raise RefusedError("step_up_required")
    return session


def _stale(max_age: int) -> RefusedError:
    # RFC 9470 §3: sign in again, no longer ago than this.
    challenge = f'{SCHEME} error="insufficient_user_authentication", max_age={max_age}'
    return RefusedError("session_stale", headers={"WWW-Authenticate": challenge})
