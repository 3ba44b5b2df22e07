"""Applications for tests, what they send, and the proofs and assertions that they send with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import urlencode

from azure.functions.http import HttpRequest
from cryptography.hazmat.primitives.asymmetric import ec

from passkeys.applications import Application
from passkeys.client_assertions import TYPE
from passkeys.nonces import nonce
from passkeys.world import World
from tests.passkeys.proofs import proof
from tests.passkeys.tokens import EC, jwk, key_set, token
from tests.starters.fakes import request

ISSUER = "http://localhost:7071"
ORIGIN = "https://shop.example.com"
SHOP_API, LEDGER_API = "https://api.shop.example.com", "https://api.ledger.example.com"
BACK_END = ec.generate_private_key(ec.SECP256R1())
_ids = count()

APPLICATIONS: Mapping[str, Application] = {
    # A browser's: public, bound by DPoP.
    "shop": Application(
        client_id="shop",
        name="Shop",
        audiences=(SHOP_API,),
        redirect_uris=(f"{ORIGIN}/callback",),
        origins=(ORIGIN,),
        roles=frozenset({"operator"}),
    ),
    # Another browser's, on an origin of its own; its tokens are for two.
    "ledger": Application(
        client_id="ledger",
        name="Ledger",
        audiences=(LEDGER_API, SHOP_API),
        origins=("https://ledger.example.com",),
        pairwise=True,
        sector="ledger.example.com",
    ),
    # A back end's: by its key, and it asks about tokens.
    "shop-api": Application(
        client_id="shop-api",
        name="Shop API",
        audiences=(SHOP_API,),
        dpop_required=False,
        keys=key_set(jwk(BACK_END, "back-end")),
        introspection=True,
    ),
    # By its key, and it may not ask.
    "batch": Application(
        client_id="batch",
        name="Batch",
        audiences=(LEDGER_API,),
        dpop_required=False,
        keys=key_set(jwk(BACK_END, "back-end")),
    ),
}


def with_applications(world: World) -> World:
    """The same world, with these applications."""
    return replace(world, applications=APPLICATIONS)


def post(path: str, form: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> HttpRequest:
    """A form, as an application sends it."""
    body = (
        form
        if isinstance(form, bytes)
        else urlencode({k: v for k, v in form.items() if v is not None}).encode()
    )
    given = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
    return request("POST", path, body, headers=given)


def assertion(world: World, client_id: str, *, key: Any = BACK_END, **changed: Any) -> dict[str, str]:
    """The parameters by which a back end shows who it is; each is a new one."""
    now = int(world.clock().timestamp())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "jti": f"a-{next(_ids)}",
        "iat": now,
        "exp": now + 60,
    }
    made = token({**claims, **changed}, {"alg": "ES256", "kid": "back-end", "typ": "JWT"}, key=key)
    return {"client_assertion_type": TYPE, "client_assertion": made}


async def dpop(world: World, path: str, *, key: Any = EC, **changed: Any) -> dict[str, str]:
    """The header with a new proof for a POST, with the nonce of now in it."""
    now = world.clock()
    shown = nonce(await world.keys.secret("nonce"), now)
    members = {"htu": ISSUER + path, "iat": int(now.timestamp()), "jti": f"p-{next(_ids)}", "nonce": shown}
    return {"dpop": proof(key=key, **{**members, **changed})}


def error_of(response: Any) -> str:
    """The code of an OAuth error."""
    return str(json.loads(response.get_body())["error"])
