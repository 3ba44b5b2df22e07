"""Two questions about a token: end it (RFC 7009), and is it good (RFC 7662). Neither tells a stranger anything.

An access token of ours is judged as strictly as any, and is as alive as the family that it came from: who signs out ends
both. A refresh token is its own family's. What is wrong with a token is in no answer.
"""

from collections.abc import Mapping
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys import families
from passkeys.access_tokens import own_profile, validate_claims
from passkeys.applications import Application
from passkeys.errors import TokenRefused
from passkeys.family_rows import Family
from passkeys.tokens import subject_for
from passkeys.world import World
from starters.oauth import Form, OAuthError, answered, client_of, form_of, oauth_response, required
from starters.session_acts import REVOKED, record_end

_INACTIVE = {"active": False}


async def revoke(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /revoke: the token's family ends, if it is the asking client's own; the answer is the same if not (§2.2)."""

    async def post() -> HttpResponse:
        form = form_of(req)
        application = await client_of(world, req, form)
        family = await _own_family(world, application, required(form, "token"))
        if family is not None:
            ended = await families.revoke(world, family, REVOKED)
            await record_end(world, client, ended or family)
        return oauth_response({})

    return await answered(world, req, {"POST": post})


async def introspect(world: World, req: HttpRequest) -> HttpResponse:
    """POST /introspect: an application that may ask learns what a token for its audiences says, and else that it is none."""

    async def post() -> HttpResponse:
        form = form_of(req)
        caller = await client_of(world, req, form)
        if not caller.introspection:
            raise OAuthError(
                "unauthorized_client", "This application may not ask about tokens: `introspection`."
            )
        return oauth_response(await _told(world, caller, form))

    return await answered(world, req, {"POST": post})


async def _told(world: World, caller: Application, form: Form) -> Mapping[str, Any]:
    token = required(form, "token")
    claims = await claims_of(world, token, audiences=frozenset(caller.audiences))
    if claims is not None and claims["exp"] <= world.clock().timestamp():
        return _INACTIVE  # RFC 7662 §4: our own clock has made it, and there is no leeway
    if claims is not None:
        alive = await _family_of_claims(world, claims)
        kind = "DPoP" if "cnf" in claims else "Bearer"
        return _INACTIVE if alive is None else {"active": True, **claims, "token_type": kind}
    family = await families.find(world, token, newest=True)
    if family is None or family.client_id != caller.client_id:
        return _INACTIVE
    return {
        "active": True,
        "iss": world.settings.issuer,
        "sub": await subject_for(world, caller, family.person),
        "client_id": family.client_id,
        "exp": int(family.ends_at.timestamp()),
        **({"cnf": {"jkt": family.jkt}} if family.jkt else {}),
    }


async def _own_family(world: World, application: Application, token: str) -> Family | None:
    """The family of the token, of either kind, if it is the application's and lives."""
    family = await families.find(world, token)
    if family is None:
        claims = await claims_of(world, token, audiences=frozenset(application.audiences))
        family = None if claims is None else await _family_of_claims(world, claims)
    return family if family is not None and family.client_id == application.client_id else None


async def claims_of(world: World, token: str, *, audiences: frozenset[str]) -> Mapping[str, Any] | None:
    """What an access token of ours for one of the audiences says; None for whatever is none, or over.

    Raises StoreUnavailable and KeysUnavailable: without the ring nothing can be said of it.
    """
    profile = own_profile(issuer=world.settings.issuer, audiences=audiences)
    keys = await world.signing.key_set()
    try:
        _, claims = validate_claims(token, profile=profile, keys=keys, at=world.clock())
    except TokenRefused:
        return None
    client_id = claims.get("client_id")
    application = world.applications.get(client_id) if isinstance(client_id, str) else None
    # Its registration may have changed since: what it may have no longer, is no longer good.
    return claims if application is not None and claims["aud"] in application.audiences else None


async def _family_of_claims(world: World, claims: Mapping[str, Any]) -> Family | None:
    family = await families.by_sid(world, claims.get("sid"))
    return family if family is not None and family.client_id == claims["client_id"] else None
