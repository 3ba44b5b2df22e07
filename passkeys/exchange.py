"""What an application gets for a completed sign-in, or for a refresh token: an access token, and the next refresh token.

Each time the directory is asked who the person is now, and the store whether the passkey is still good. A sign-in is redeemed
only by the directory's fresh word. A refresh may go by what it said within PASSKEYS_CLAIMS_SECONDS; and while it cannot be asked, within STALE.

The access token is signed before the family's row is written: whatever dies in between, no family is lost, and no token was
given out that a row does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from passkeys import families, refresh_tokens
from passkeys.applications import Application
from passkeys.assurance import Assurance, assurance_of, meets
from passkeys.authorization import Authorization
from passkeys.credentials import CredentialRecord, StandingState
from passkeys.directory import Person, PersonStatus
from passkeys.errors import (
    DirectoryMisconfigured,
    DirectoryUnavailable,
    PasskeysError,
    StoreUnavailable,
)
from passkeys.family_rows import Family, Opening, Status, name_of
from passkeys.holdings import record_of, standing_of, state_of
from passkeys.proof import proves
from passkeys.refresh_rules import Verdict
from passkeys.tokens import Claims, mint, subject_for
from passkeys.world import World

STALE = timedelta(minutes=15)
# A ceremony that ended in the future: the clocks of two hosts differ a little.
SKEW = timedelta(seconds=60)
_TRIES = 20


class GrantRefusal(StrEnum):
    """Why nothing was given, beside a refresh token's Verdict. Stable: logs and audit use them."""

    CODE_UNKNOWN = "code_unknown"  # no completed sign-in for an application
    CODE_EXPIRED = "code_expired"
    CODE_CLIENT_MISMATCH = "code_client_mismatch"
    CODE_REDIRECT_MISMATCH = "code_redirect_mismatch"
    CODE_UNPROVEN = "code_unproven"  # the verifier is not the one of its challenge
    CODE_KEY_MISMATCH = "code_key_mismatch"
    CODE_REUSED = families.CODE_REUSED  # redeemed before: somebody has a copy
    RESOURCE_MISMATCH = "resource_mismatch"  # another audience than the one asked for at the start
    AUDIENCE_GONE = "audience_gone"  # the application has it no more
    PERSON_GONE = "person_gone"  # unknown to the directory, or disabled there
    SIGNED_OUT_THERE = "signed_out_there"  # the directory wants a new sign-in
    CREDENTIAL_UNUSABLE = "credential_unusable"
    ACR_UNMET = "acr_unmet"


# What ends the session, besides: its passkey or its person's sign-in is good no more. Of somebody who is gone, more is to end
# than this (passkeys/leavers.py), if the directory can be believed.
ENDING = frozenset({GrantRefusal.SIGNED_OUT_THERE, GrantRefusal.CREDENTIAL_UNUSABLE})


class GrantRefused(PasskeysError):
    """Nothing is given; `code` says why. `family` or `person`: whose it was, where that is proven.

    A family that ended by this is as it ended.
    """

    code: GrantRefusal | Verdict

    def __init__(
        self, code: GrantRefusal | Verdict, *, family: Family | None = None, person: str | None = None
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.family = family
        self.person = person if family is None else family.person


@dataclass(frozen=True, slots=True)
class SignIn:
    """A completed sign-in for an application, as its ceremony's output tells it."""

    ceremony_id: str
    person: str
    credential_id: str
    user_verified: bool
    at: datetime
    authorization: Authorization


@dataclass(frozen=True, slots=True)
class Issued:
    """Tokens. `refresh_token` None: none may be had. `stale`: the directory could not be asked, and its last word counted."""

    access_token: str
    expires_in: int
    refresh_token: str | None
    family: Family
    stale: bool = False


def check_code(
    sign_in: SignIn,
    *,
    client_id: str,
    redirect_uri: str | None,
    resource: str | None,
    code_verifier: str,
    jkt: str | None,
) -> None:
    """See that who redeems is who asked: RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9449 §10. Pure. Raises GrantRefused.

    Not how old it is: an old one, by who has all of this, is a copy.
    """
    asked = sign_in.authorization
    refusals = (
        (client_id != asked.client_id, GrantRefusal.CODE_CLIENT_MISMATCH),
        (redirect_uri != asked.redirect_uri, GrantRefusal.CODE_REDIRECT_MISMATCH),
        (not proves(code_verifier, asked.code_challenge), GrantRefusal.CODE_UNPROVEN),
        (asked.dpop_jkt is not None and jkt != asked.dpop_jkt, GrantRefusal.CODE_KEY_MISMATCH),
        (resource not in (None, asked.audience), GrantRefusal.RESOURCE_MISMATCH),
    )
    for refused, code in refusals:
        if refused:
            raise GrantRefused(code)


async def redeem(world: World, application: Application, sign_in: SignIn, *, jkt: str | None) -> Issued:
    """Tokens for a sign-in whose code has been checked: once, or again if the answer can have been lost.

    Raises GrantRefused. And DirectoryUnavailable, StoreUnavailable, KeysUnavailable: nothing was given.
    """
    asked, now = sign_in.authorization, world.clock()
    key = await world.keys.secret("refresh")
    if not -SKEW <= now - sign_in.at <= timedelta(seconds=world.settings.code_seconds):
        raise await _late(world, key, sign_in)
    if asked.audience not in application.audiences:
        raise GrantRefused(GrantRefusal.AUDIENCE_GONE)
    known = await _known(world, sign_in.person, sign_in.at)
    record = await _usable(world, sign_in.credential_id, sign_in.person)
    assurance = assurance_of(record, user_verified=sign_in.user_verified)
    if not meets(assurance.acr, asked.acr_values):
        raise GrantRefused(GrantRefusal.ACR_UNMET, person=sign_in.person)
    idle, absolute = _limits(assurance, application)
    opening = Opening(
        person=sign_in.person,
        client_id=application.client_id,
        audience=asked.audience,
        roles=_roles(known, application),
        jkt=jkt,
        auth_time=min(sign_in.at, now),
        acr=assurance.acr,
        amr=assurance.amr,
        credential_id=sign_in.credential_id,
        ceremony_id=sign_in.ceremony_id,
        idle_seconds=idle,
        absolute_seconds=absolute,
        access_seconds=application.access_seconds,
    )
    sid = refresh_tokens.family_of(key, person=sign_in.person, ceremony_id=sign_in.ceremony_id).sid
    access = await _minted(world, application, opening, sid, application.access_seconds, jkt=jkt)
    opened = await families.open_family(world, opening)
    if isinstance(opened, Verdict):
        code = GrantRefusal.CODE_REUSED if opened is Verdict.REUSED else opened
        family = await _family(world, key, sign_in)
        raise GrantRefused(code, family=family, person=sign_in.person)
    return Issued(access, application.access_seconds, opened.token, opened.family)


async def _late(world: World, key: bytes, sign_in: SignIn) -> GrantRefused:
    """A code that is too old; of one that was redeemed in time, somebody has a copy, and its session ends (RFC 6749 §4.1.2)."""
    family = await _family(world, key, sign_in)
    if family is not None and family.status is Status.ACTIVE and family.ends_at > world.clock():
        ended = await families.revoke(world, family, GrantRefusal.CODE_REUSED)
        return GrantRefused(GrantRefusal.CODE_REUSED, family=ended or family)
    return GrantRefused(GrantRefusal.CODE_EXPIRED)


async def refresh(
    world: World, application: Application, token: str, *, jkt: str | None, resource: str | None
) -> Issued:
    """Tokens for a refresh token: its successor, or the same once more in its grace.

    Raises GrantRefused; of a token that was used up before, the family is dead, and on ENDING it is to be ended. And DirectoryUnavailable, StoreUnavailable,
    KeysUnavailable: nothing has changed, and the same token may be shown again.
    """
    presented = await _presented(world, application, token, jkt)
    family = presented.family
    assert family is not None
    if resource not in (None, family.audience):
        raise GrantRefused(GrantRefusal.RESOURCE_MISMATCH, family=family)
    if family.audience not in application.audiences:
        raise GrantRefused(GrantRefusal.AUDIENCE_GONE, family=family)
    try:
        roles, claims_at, stale = await _claims(world, application, family)
        record = await _usable(world, family.credential_id, family.person)
    except GrantRefused as refused:
        raise GrantRefused(refused.code, family=family) from None
    idle, _ = _limits(assurance_of(record, user_verified=family.acr is not None), application)
    left = int((family.expires_at - world.clock()).total_seconds())
    seconds = max(1, min(application.access_seconds, left))
    access = await _minted(world, application, family, family.sid, seconds, jkt=jkt, roles=roles)
    for _ in range(_TRIES):
        found = await families.succeed(world, presented, idle_seconds=idle, roles=roles, claims_at=claims_at)
        if found is not None:
            return Issued(access, seconds, found.token, found.family, stale)
        presented = await _presented(world, application, token, jkt)
    raise StoreUnavailable(name_of(family.id), "was changed again and again meanwhile. Try again.")


async def _presented(
    world: World, application: Application, token: str, jkt: str | None
) -> families.Presented:
    presented = await families.present(world, token, client_id=application.client_id, jkt=jkt)
    if presented.verdict not in (Verdict.ROTATE, Verdict.REPLAY):
        raise GrantRefused(presented.verdict, family=presented.family)
    return presented


async def _claims(
    world: World, application: Application, family: Family
) -> tuple[tuple[str, ...], datetime, bool]:
    """The roles, as of when the directory said so, and whether it should have been asked again and could not be."""
    now = world.clock()
    age = now - family.claims_at
    still = tuple(role for role in family.roles if role in application.roles)
    if age <= timedelta(seconds=world.settings.claims_seconds):
        return still, family.claims_at, False
    try:
        known = await _known(world, family.person, family.auth_time)
    except DirectoryUnavailable as away:
        # One that answers, and not to us, will not come back by itself: nothing rides on that.
        if age > STALE or isinstance(away, DirectoryMisconfigured):
            raise
        return still, family.claims_at, True
    return _roles(known, application), now, False


async def _known(world: World, person: str, auth_time: datetime) -> Person:
    """The person as the directory knows them now. Raises GrantRefused, DirectoryUnavailable."""
    known = await world.directory.find(person)
    if known is None or known.status is not PersonStatus.ACTIVE:
        raise GrantRefused(GrantRefusal.PERSON_GONE, person=person)
    valid_from = known.sessions_valid_from
    if valid_from is not None and valid_from > auth_time:
        raise GrantRefused(GrantRefusal.SIGNED_OUT_THERE, person=person)
    return known


async def _usable(world: World, credential_id: str, person: str) -> CredentialRecord:
    """The passkey, if it may still sign in without anything more. Raises GrantRefused."""
    record = await record_of(world.store, credential_id)
    state = state_of(await standing_of(world.store, credential_id))
    if record is None or record.person != person or state is not StandingState.ACTIVE:
        raise GrantRefused(GrantRefusal.CREDENTIAL_UNUSABLE, person=person)
    return record


def _roles(known: Person, application: Application) -> tuple[str, ...]:
    """Those of the person's that the application may see."""
    listed = known.claims.get("roles")
    return tuple(sorted(application.roles.intersection(listed))) if isinstance(listed, list | tuple) else ()


def _limits(assurance: Assurance, application: Application) -> tuple[int, int]:
    """How long it may idle, and last: the application only ever shortens."""
    idle, absolute = assurance.idle_seconds, assurance.absolute_seconds
    if application.refresh_idle_seconds is not None:
        idle = min(idle, application.refresh_idle_seconds)
    if application.refresh_absolute_seconds is not None:
        absolute = min(absolute, application.refresh_absolute_seconds)
    return idle, absolute


async def _minted(
    world: World,
    application: Application,
    of: Opening | Family,
    sid: str,
    seconds: int,
    *,
    jkt: str | None,
    roles: tuple[str, ...] | None = None,
) -> str:
    # Bound to the key that is shown now: of a family that is bound, its own; of a back end's, which is not, any.
    claims = Claims(
        client_id=of.client_id,
        audience=of.audience,
        subject=await subject_for(world, application, of.person),
        session=sid,
        auth_time=of.auth_time,
        acr=of.acr,
        amr=of.amr,
        roles=of.roles if roles is None else roles,
        jkt=jkt,
    )
    return await mint(world, claims, seconds=seconds)


async def _family(world: World, key: bytes, sign_in: SignIn) -> Family | None:
    family_id = refresh_tokens.family_of(key, person=sign_in.person, ceremony_id=sign_in.ceremony_id)
    return await families.row_of(world, family_id)
