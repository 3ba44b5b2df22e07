"""Proof of possession at our own endpoints (DPoP, RFC 9449): the key that a request's tokens are to be bound to.

A proof is judged, and then taken: remembered, so that it is good once. Who asks for nothing that there is has it judged
alone: what anybody can send without end must not be written down each time.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from azure.functions import HttpRequest

from passkeys import nonces, once
from passkeys.applications import Application
from passkeys.dpop import Proof, check_proof
from passkeys.errors import DpopRefusal, DpopRefused
from passkeys.world import World
from starters.oauth import OAuthError

log = logging.getLogger("starters.possession")


@dataclass(frozen=True, slots=True)
class Possession:
    """A good proof: of the key with thumbprint `jkt`, called `jti`, made at `at` by our nonce or its own word."""

    jkt: str
    jti: str
    at: datetime


async def possession_of(world: World, req: HttpRequest, application: Application) -> Possession | None:
    """The request's DPoP proof, judged and not yet taken; None: there is none, and none is needed.

    Raises OAuthError: invalid_dpop_proof, use_dpop_nonce. And StoreUnavailable, KeysUnavailable.
    """
    proof = req.headers.get("dpop")
    if proof is None:
        if application.dpop_required:
            raise OAuthError(
                "invalid_dpop_proof", "Send a proof of possession in the header DPoP (RFC 9449)."
            )
        return None
    key = await world.keys.secret("nonce") if world.settings.dpop_nonces else None
    found, at = _checked(world, req, proof, key)
    return Possession(found.jkt, found.jti, at)


async def take(world: World, possession: Possession | None) -> None:
    """Take the proof: whoever shows it again is refused. Raises OAuthError(invalid_dpop_proof), StoreUnavailable."""
    if possession is None:
        return
    first = await once.first_time(
        world.store, once.PROOFS, whose=possession.jkt, called=possession.jti, at=possession.at
    )
    if not first:
        log.warning("dpop_refused dpop_replayed")
        raise OAuthError("invalid_dpop_proof", "The proof has been used. Make a new one for each request.")


def _checked(world: World, req: HttpRequest, proof: str, key: bytes | None) -> tuple[Proof, datetime]:
    """The good proof, and when it was made: by the nonce in it, or by its own word."""
    now, times = world.clock(), list[datetime]()

    def nonce_ok(nonce: str) -> bool:
        time = None if key is None else nonces.time_of(key, nonce, at=now)
        times.extend([] if time is None else [time])
        return time is not None

    try:
        found = check_proof(
            proof, method=req.method, url=_address(world, req), at=now, nonce_ok=nonce_ok if key else None
        )
    except DpopRefused as refused:
        log.warning("dpop_refused %s", refused)
        if key is not None and refused.code in (DpopRefusal.NONCE_MISSING, DpopRefusal.NONCE_REFUSED):
            raise OAuthError(
                "use_dpop_nonce",
                "Make the proof again, with the nonce of the header DPoP-Nonce in it.",
                headers={"DPoP-Nonce": nonces.nonce(key, now)},
            ) from None
        raise OAuthError(
            "invalid_dpop_proof",
            "The proof is not one of this request, made now, by a key of ES256 or Ed25519.",
        ) from None
    return found, times[-1] if times else found.issued_at


async def next_nonce(world: World) -> dict[str, str]:
    """The header that gives a client the nonce for its next proof (RFC 9449 §8.2). Raises KeysUnavailable."""
    if not world.settings.dpop_nonces:
        return {}
    return {"DPoP-Nonce": nonces.nonce(await world.keys.secret("nonce"), world.clock())}


def _address(world: World, req: HttpRequest) -> str:
    """The request's own, without its query: at that origin of ours which it came to, by what a proxy says, or at the issuer."""
    parts = urlsplit(req.url)
    scheme = req.headers.get("x-forwarded-proto", parts.scheme)
    origin = f"{scheme}://{req.headers.get('x-forwarded-host', parts.netloc)}".lower()
    # Whoever makes it up chooses among our own origins alone.
    return f"{origin if origin in world.settings.origins else world.settings.issuer}{parts.path}"
