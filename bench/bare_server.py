"""What is compared with: aiohttp, the `webauthn` package and the same embedded store, and nothing else.

No orchestration, no limiter, no claims, no audit, no cancel, no operator: a challenge is stored, an answer verified, the
use of the credential noted by compare-and-swap, all with the durability of the embedded store. It speaks as much of the
app's HTTP as the load needs. Not for use: it is the floor, not an example.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import socket
from pathlib import Path
from typing import Any

import webauthn
from aiohttp import web
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from passkeys.embedded import EmbeddedStore

STORE = web.AppKey("store", EmbeddedStore)
ORIGIN = web.AppKey("origin", str)
RP_ID = "localhost"


async def start_registration(request: web.Request) -> web.Response:
    """POST /registrations: anybody may."""
    challenge = secrets.token_bytes(32)
    options = webauthn.generate_registration_options(
        rp_id=RP_ID,
        rp_name="Bare",
        user_name="somebody",
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return await started(request, "registration", challenge, json.loads(webauthn.options_to_json(options)))


async def start_authentication(request: web.Request) -> web.Response:
    """POST /authentications."""
    challenge = secrets.token_bytes(32)
    options = webauthn.generate_authentication_options(
        rp_id=RP_ID, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
    )
    return await started(request, "authentication", challenge, json.loads(webauthn.options_to_json(options)))


async def started(request: web.Request, kind: str, challenge: bytes, options: Any) -> web.Response:
    """Store the challenge under a new id and answer with both."""
    ceremony_id = f"{kind}-{secrets.token_hex(16)}"
    await request.app[STORE].create(f"challenges/{ceremony_id}.json", challenge)
    return web.json_response({"id": ceremony_id, "publicKey": options}, status=202)


async def respond(request: web.Request) -> web.Response:
    """POST /ceremonies/{id}/response: verify against the stored challenge, which is good once."""
    store, ceremony_id = request.app[STORE], request.match_info["id"]
    name = f"challenges/{ceremony_id}.json"
    found = await store.get(name)
    if found is None:
        raise web.HTTPNotFound
    finish = registered if ceremony_id.startswith("registration") else signed_in
    await asyncio.gather(
        store.delete(name), finish(store, request.app[ORIGIN], found.data, await request.json())
    )
    return web.json_response({"output": {"outcome": "completed"}})


async def registered(store: EmbeddedStore, origin: str, challenge: bytes, response: Any) -> None:
    """Verify a registration and keep the credential."""
    verified = webauthn.verify_registration_response(
        credential=response,
        expected_challenge=challenge,
        expected_rp_id=RP_ID,
        expected_origin=origin,
        require_user_verification=True,
    )
    kept = {"public_key": verified.credential_public_key.hex(), "sign_count": verified.sign_count}
    await store.create(f"credentials/{response['id']}.json", json.dumps(kept).encode())


async def signed_in(store: EmbeddedStore, origin: str, challenge: bytes, response: Any) -> None:
    """Verify an assertion and keep the new sign count."""
    name = f"credentials/{response['id']}.json"
    found = await store.get(name)
    if found is None:
        raise web.HTTPForbidden
    kept = json.loads(found.data)
    verified = webauthn.verify_authentication_response(
        credential=response,
        expected_challenge=challenge,
        expected_rp_id=RP_ID,
        expected_origin=origin,
        credential_public_key=bytes.fromhex(kept["public_key"]),
        credential_current_sign_count=kept["sign_count"],
        require_user_verification=True,
    )
    kept["sign_count"] = verified.new_sign_count
    await store.replace(name, json.dumps(kept).encode(), etag=found.etag)


async def serve(port: int, state: Path) -> None:
    """Serve until SIGTERM."""
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://localhost:{listener.getsockname()[1]}"
    app = web.Application()
    app[STORE], app[ORIGIN] = EmbeddedStore(state / "store"), url
    app.router.add_post("/registrations", start_registration)
    app.router.add_post("/authentications", start_authentication)
    app.router.add_post("/ceremonies/{id}/response", respond)
    runner = web.AppRunner(app, access_log=None)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    print(f"READY {url}", flush=True)
    await stopped.wait()
    await runner.cleanup()
    app[STORE].close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, default=Path(os.environ.get("LOCAL_HOST_STATE", ".local")))
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.port, chosen.state))
