"""Access tokens: RFC 9068, one audience, minutes long, and nothing in them but what one application needs.

No e-mail address, no name, no group of the directory's: `roles` are names of ours that the application may see. The header
and the claims are in the order in which they are read by people who look at one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from passkeys.applications import Application
from passkeys.key_home import ALGORITHM, signing_input
from passkeys.response import decode_base64url, encode_base64url
from passkeys.world import World

TYPE = "at+jwt"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. `session` is the family's `sid`; `jkt` the thumbprint of the key that it is bound to, None: bearer.

    `acr` None: none can be claimed.
    """

    client_id: str
    audience: str
    subject: str
    session: str
    auth_time: datetime
    acr: str | None
    amr: tuple[str, ...]
    roles: tuple[str, ...]
    jkt: str | None


async def mint(world: World, claims: Claims, *, seconds: int) -> str:
    """A signed token, good from now for `seconds`. Raises KeysUnavailable, StoreUnavailable."""
    now = int(world.clock().timestamp())
    members: dict[str, Any] = {
        "iss": world.settings.issuer,
        "aud": claims.audience,
        "sub": claims.subject,
        "client_id": claims.client_id,
        "iat": now,
        "exp": now + seconds,
        "jti": encode_base64url(world.random_bytes(16)),
        "auth_time": int(claims.auth_time.timestamp()),
        **({"acr": claims.acr} if claims.acr else {}),
        "amr": list(claims.amr),
        "sid": claims.session,
        **({"roles": list(claims.roles)} if claims.roles else {}),
        **({"cnf": {"jkt": claims.jkt}} if claims.jkt else {}),
    }
    signed, signature = await world.signing.signature(
        lambda key_id: signing_input({"alg": ALGORITHM, "typ": TYPE, "kid": key_id}, members)
    )
    return f"{signed.decode()}.{encode_base64url(signature)}"


def key_id_of(token: str) -> str:
    """The `kid` of a token that `mint` has made: which key has signed it."""
    header: Any = json.loads(decode_base64url(token.partition(".")[0]))
    key_id: str = header["kid"]
    return key_id


async def subject_for(world: World, application: Application, person: str) -> str:
    """What the application knows the person by: their id; or, pairwise, what no other sector can compare (OIDC Core §8.1)."""
    if not application.pairwise:
        return person
    key = await world.keys.secret("pairwise")
    told = json.dumps([application.sector, person]).encode()
    return encode_base64url(hmac.digest(key, told, hashlib.sha256))
