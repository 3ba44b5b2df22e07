"""Who comes with a token of an issuer's: `Authorization: Bearer`, judged, and answered as RFC 6750 and RFC 9470 say.

The token is looked at here and goes nowhere: not into the ceremony, the store, an answer or the log. What was wrong with it
is for operators, in the log; its holder learns what they can do about it.
"""

import base64
import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from azure.functions import HttpRequest

from passkeys.access_tokens import MAX_TOKEN, Identity, Profile, key_id_of, validate
from passkeys.directory import IdentityKey
from passkeys.errors import TokenRefusal, TokenRefused
from passkeys.identities import is_used, person_bound_to
from passkeys.issuer_keys import IssuerKeys
from passkeys.issuers import Issuer
from passkeys.world import World
from starters.problems import RefusedError

SCHEME = "Bearer"
# RFC 6750 §2.1, RFC 9110 §11.4. No comma: a header sent twice is none.
_AUTHORIZATION = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
_STALE = frozenset({TokenRefusal.TOO_OLD, TokenRefusal.AUTHENTICATION_TOO_OLD, TokenRefusal.CONTEXT_MISSING})
log = logging.getLogger("starters.bearer")


def has_token(world: World, req: HttpRequest) -> bool:
    """Whether the caller comes with a token, where there is an issuer whose tokens enrol people."""
    scheme = req.headers.get("authorization", "").split(" ")[0]
    return scheme.lower() == SCHEME.lower() and bool(_enrolling(world))


async def right_of_token(world: World, req: HttpRequest, issuer: object) -> dict[str, Any]:
    """Who may register by the request's token, and by what right; `issuer` is what the body says of whose it is.

    Raises RefusedError: request_malformed, token_invalid, token_stale, token_scope_insufficient, identity_unknown. And
    IssuerUnreachable, StoreUnavailable, DirectoryUnavailable.
    """
    source = _chosen(_enrolling(world), issuer)
    identity = await _identity(world, source, req.headers.get("authorization", ""))
    if await is_used(world.store, identity.digest):
        log.warning("token_used %s", source.issuer.name)
        raise _refused("token_invalid", error="invalid_token")
    return {
        "person": await _person(world, source.issuer, identity),
        "token": identity.digest,
        "identity": {
            "issuer": identity.issuer,
            "tenant": identity.tenant,
            "subject": identity.subject,
            "client": identity.client,
        },
    }


def _enrolling(world: World) -> Mapping[str, IssuerKeys]:
    """The issuers that speak of people: a pipeline has no passkey."""
    return {name: source for name, source in world.issuers.items() if source.issuer.profile.people}


def _chosen(sources: Mapping[str, IssuerKeys], name: object) -> IssuerKeys:
    """The issuer that the caller names, or the only one. The token is not asked: it could name whom it likes."""
    if name is None and len(sources) == 1:
        return next(iter(sources.values()))
    if not isinstance(name, str) or name not in sources:
        raise RefusedError("request_malformed", f"`issuer` is one of: {', '.join(sorted(sources))}.")
    return sources[name]


async def _identity(world: World, source: IssuerKeys, authorization: str) -> Identity:
    profile = source.issuer.profile
    try:
        # Before the expression is tried on it.
        if len(authorization) > MAX_TOKEN + len("Bearer "):
            raise TokenRefused(TokenRefusal.TOO_LARGE)  # noqa: TRY301 -- answered as all of them
        match = _AUTHORIZATION.fullmatch(authorization)
        if match is None:
            raise TokenRefused(TokenRefusal.MALFORMED, "no bearer token")  # noqa: TRY301
        keys = await source.with_key(key_id_of(match[1], profile=profile))
        return validate(match[1], profile=profile, keys=keys, at=world.clock())
    except TokenRefused as refused:
        log.warning("token_refused %s: %s", source.issuer.name, refused)
        raise _answer(refused.code, source.issuer) from None


async def _person(world: World, issuer: Issuer, identity: Identity) -> str:
    """Whom the directory says this is, if it has not been anybody else before. Raises RefusedError(identity_unknown)."""
    key = IdentityKey(identity.issuer, identity.tenant, identity.subject)
    person = await world.directory.person_of(key)
    bound = await person_bound_to(world.store, key)
    if person is None or bound not in (None, person):
        log.warning("%s %s", "identity_unknown" if person is None else "identity_taken", issuer.name)
        raise RefusedError("identity_unknown")
    return person


def _answer(code: TokenRefusal, issuer: Issuer) -> RefusedError:
    """What the holder is told: RFC 6750 §3.1, and RFC 9470 §3 where another sign-in would help."""
    profile = issuer.profile
    if code is TokenRefusal.SCOPE_MISSING:
        scope = " ".join(sorted(profile.scopes))
        return _refused("token_scope_insufficient", error="insufficient_scope", scope=scope)
    if code not in _STALE:
        return _refused("token_invalid", error="invalid_token")
    if code is TokenRefusal.CONTEXT_MISSING and issuer.authorization_uri is not None:
        return _refused("token_stale", **_claims_challenge(issuer))
    return _refused("token_stale", error="insufficient_user_authentication", **_wanted(code, profile))


def _wanted(code: TokenRefusal, profile: Profile) -> dict[str, str | int]:
    """RFC 9470 §3: how recent, or of what kind, the sign-in must be."""
    if code is TokenRefusal.CONTEXT_MISSING:
        return {"acr_values": " ".join(sorted(profile.contexts))}
    by_sign_in = code is TokenRefusal.AUTHENTICATION_TOO_OLD
    return {"max_age": (profile.max_authentication_seconds if by_sign_in else profile.max_age_seconds) or 0}


def _claims_challenge(issuer: Issuer) -> dict[str, str]:
    """Entra's own: its clients know what to do with it, and send people through Conditional Access."""
    # One value, as Entra has it; of several that would do, the first.
    context = min(issuer.profile.contexts)
    claims = {"access_token": {"acrs": {"essential": True, "value": context}}}
    return {
        "realm": "",
        "authorization_uri": issuer.authorization_uri or "",
        "error": "insufficient_claims",
        "claims": base64.b64encode(json.dumps(claims, separators=(",", ":")).encode()).decode(),
    }


def _refused(code: str, **parameters: str | int) -> RefusedError:
    # The values are the operator's settings and words of ours: printable, and neither quotes nor backslashes are let in.
    written = ", ".join(
        f"{name}={value}" if isinstance(value, int) else f'{name}="{value}"'
        for name, value in parameters.items()
    )
    return RefusedError(code, headers={"WWW-Authenticate": f"{SCHEME} {written}"})
