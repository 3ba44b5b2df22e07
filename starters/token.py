"""POST /token: a completed sign-in, or a refresh token, becomes tokens (RFC 6749 §4.1.3 and §6, RFC 7636, RFC 8707, RFC 9449).

The code is the id of a ceremony that was started for the application; it is good once, for PASSKEYS_CODE_SECONDS after the
ceremony's end, with the verifier of the application's challenge. What is refused is `invalid_grant`, whatever it was; the log
and the audit know. A token that was used up before is an alert.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys import exchange, families
from passkeys.acts import Act
from passkeys.applications import Application
from passkeys.authorization import Authorization
from passkeys.ceremony import Kind, Outcome, kind_of
from passkeys.exchange import GrantRefusal, GrantRefused, Issued, SignIn
from passkeys.family_rows import Family
from passkeys.refresh_rules import Verdict
from passkeys.tokens import key_id_of
from passkeys.world import World
from starters.backlog import is_full
from starters.leavers import leave
from starters.oauth import (
    Form,
    OAuthError,
    answered,
    client_of,
    form_of,
    full,
    oauth_response,
    required,
)
from starters.possession import Possession, next_nonce, possession_of, take
from starters.session_acts import record_end, record_refusal, record_session
from starters.views import output_of
from starters.waiting import is_finished

# A token of a family that there is, in hands where it does not belong: worth knowing, once an hour.
_RECORDED = frozenset({Verdict.FORGED, Verdict.CLIENT_MISMATCH, Verdict.KEY_MISMATCH})
_REUSED = frozenset({Verdict.REUSED, GrantRefusal.CODE_REUSED})
_BAD_CODE = "The code is not good, or not for this application, redirect_uri, code_verifier or key; it is good once, and not for long."
_BAD_REFRESH_TOKEN = "The refresh token is not good any more. Sign in again."  # noqa: S105 -- a sentence, and no secret
_WEAK = "The sign-in was not of a kind that `acr_values` asked for. Start another one, with another passkey."
log = logging.getLogger("starters.token")


@dataclass(frozen=True, slots=True)
class _Request:
    """A request whose application has shown who it is, and which key it holds (None: none)."""

    world: World
    client: Any
    application: Application
    form: Form
    jkt: str | None
    # Not yet taken: what asks for nothing that there is, is not written down.
    possession: Possession | None = None


async def token(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /token, by `grant_type`."""

    async def post() -> HttpResponse:
        form = form_of(req)
        application = await client_of(world, req, form)
        grant = _GRANTS.get(required(form, "grant_type"))
        if grant is None:
            raise OAuthError("unsupported_grant_type", f"`grant_type` is one of: {', '.join(_GRANTS)}.")
        if await is_full(world, client):
            raise full()
        shown = await possession_of(world, req, application)
        asked = _Request(world, client, application, form, None if shown is None else shown.jkt, shown)
        return oauth_response(await grant(asked), headers=await next_nonce(world))

    return await answered(world, req, {"POST": post})


async def _by_code(asked: _Request) -> Mapping[str, Any]:
    world, form = asked.world, asked.form
    code, verifier = required(form, "code"), required(form, "code_verifier")
    try:
        sign_in = await _sign_in(asked.client, code)
        exchange.check_code(
            sign_in,
            client_id=asked.application.client_id,
            redirect_uri=form.get("redirect_uri"),
            resource=form.get("resource"),
            code_verifier=verifier,
            jkt=asked.jkt,
        )
        await take(world, asked.possession)
        issued = await exchange.redeem(world, asked.application, sign_in, jkt=asked.jkt)
    except GrantRefused as why:
        raise await _refused(asked, why, _BAD_CODE, cause=code) from None
    await _tell_issued(asked, issued)
    return _answer(issued, asked.jkt)


async def tokens_for(
    world: World, client: Any, application: Application, form: Form, shown: Possession | None
) -> Mapping[str, Any]:
    """What the application has for a code, with its parameters in `form`; the caller has seen who asks.

    Raises OAuthError, and DirectoryUnavailable, StoreUnavailable, KeysUnavailable, AuditUnavailable.
    """
    jkt = None if shown is None else shown.jkt
    return await _by_code(_Request(world, client, application, form, jkt, shown))


async def _sign_in(client: Any, code: str) -> SignIn:
    """The completed sign-in for an application whose id the code is. Raises GrantRefused."""
    status = await client.get_status(code) if kind_of(code) is Kind.AUTHENTICATION else None
    output = output_of(code, status) if status and is_finished(status) else {}
    members = output.get("authorization")
    if output.get("outcome") != Outcome.COMPLETED or members is None or output.get("step_up"):
        raise GrantRefused(GrantRefusal.CODE_UNKNOWN)
    return SignIn(
        ceremony_id=code,
        person=output["person"]["id"],
        credential_id=output["credential_id"],
        user_verified=output.get("user_verified") is True,
        at=datetime.fromisoformat(output["at"]).astimezone(UTC),
        authorization=Authorization.from_members(members),
    )


async def _by_refresh_token(asked: _Request) -> Mapping[str, Any]:
    shown = required(asked.form, "refresh_token")
    if await families.is_of_ours(asked.world, shown):
        await take(asked.world, asked.possession)
    try:
        issued = await exchange.refresh(
            asked.world, asked.application, shown, jkt=asked.jkt, resource=asked.form.get("resource")
        )
    except GrantRefused as why:
        cause = None if why.family is None else why.family.sid
        raise await _refused(asked, why, _BAD_REFRESH_TOKEN, cause=cause) from None
    await _tell_refreshed(asked, issued)
    return _answer(issued, asked.jkt)


_GRANTS: Mapping[str, Callable[[_Request], Awaitable[Mapping[str, Any]]]] = {
    "authorization_code": _by_code,
    "refresh_token": _by_refresh_token,
}


def _answer(issued: Issued, jkt: str | None) -> Mapping[str, Any]:
    return {
        "access_token": issued.access_token,
        "token_type": "Bearer" if jkt is None else "DPoP",
        "expires_in": issued.expires_in,
        **({} if issued.refresh_token is None else {"refresh_token": issued.refresh_token}),
    }


async def _tell_issued(asked: _Request, issued: Issued) -> None:
    await _tell(asked, Act.TOKENS_ISSUED, issued)


async def _tell_refreshed(asked: _Request, issued: Issued) -> None:
    await _tell(asked, Act.TOKENS_REFRESHED, issued)


async def _tell(asked: _Request, act: Act, issued: Issued) -> None:
    """What was given, and each time that it is given again, of which the row knows the number: each is told by the one
    request that has moved the row. If that one dies, the repetition says of which generation it is.
    """
    family = issued.family
    facts = (family.sid, str(family.generation), str(family.replays))
    told = {"claims_stale": True} if issued.stale else {}
    again = {"again": family.replays} if family.replays else {}
    await _record(
        asked,
        act,
        family,
        facts,
        generation=family.generation,
        key_id=key_id_of(issued.access_token),
        **told,
        **again,
    )


async def _record(asked: _Request, act: Act, family: Family, facts: tuple[str, ...], **told: Any) -> None:
    await record_session(
        asked.world,
        asked.client,
        act,
        facts=facts,
        person=family.person,
        by=family.person,
        client_id=family.client_id,
        session=family.sid,
        credential_id=family.credential_id,
        **told,
    )


async def _refused(asked: _Request, why: GrantRefused, description: str, *, cause: str | None) -> OAuthError:
    """What the application is told; and the log, the audit and, of a copy, whoever is on call, what they must know."""
    family = why.family
    log.warning("grant_refused %s %s", why.code, asked.application.client_id)
    if family is not None and why.code in _REUSED:
        await record_end(asked.world, asked.client, family)
    elif family is not None and why.code in _RECORDED:
        await record_refusal(
            asked.world,
            asked.client,
            why.code.value,
            person=family.person,
            client_id=family.client_id,
            session=family.sid,
            credential_id=family.credential_id,
        )
    elif family is not None and why.code in exchange.ENDING:
        ended = await families.revoke(asked.world, family, why.code)
        await record_end(asked.world, asked.client, ended or family)
    if why.code is GrantRefusal.PERSON_GONE and why.person is not None and cause is not None:
        await leave(asked.world, asked.client, why.person, cause=cause)
    if why.code is GrantRefusal.RESOURCE_MISMATCH:
        # RFC 8707 §2.2: what was not asked for at the start is not had later.
        return OAuthError("invalid_target", "The sign-in was started for another `resource`.")
    return OAuthError("invalid_grant", _WEAK if why.code is GrantRefusal.ACR_UNMET else description)
