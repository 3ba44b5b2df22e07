"""Azure Key Vault as far as its REST reference says, over TLS: EC keys that sign, secrets with versions, the challenge first.

https://learn.microsoft.com/rest/api/keyvault/
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from passkeys.response import decode_base64url, encode_base64url
from tests.passkeys.test_metadata_source import ROOT_PEM, server_context

TOKEN = "vault-token-of-the-test"


class Credential:
    """What azure-identity's credentials are to a client."""

    async def get_token(self, *_: str, **__: Any) -> Any:
        return SimpleNamespace(token=TOKEN, expires_on=4_102_444_800)

    async def close(self) -> None:
        pass


@dataclass
class Vault:
    """`trouble`: statuses and headers that befall the next requests with a token."""

    url: str = ""
    keys: dict[str, EllipticCurvePrivateKey] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    secrets: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)
    trouble: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    asked: Counter[str] = field(default_factory=Counter)
    clock: Callable[[], int] = lambda: 1_700_000_000
    slow: bool = False

    async def handle(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            tenant = "https://login.microsoftonline.com/6f9619ff-8b86-4011-b42d-00cf4fc964ff"
            challenge = f'Bearer authorization="{tenant}", resource="https://vault.azure.net"'
            return web.json_response({"error": {}}, status=401, headers={"WWW-Authenticate": challenge})
        if self.trouble:
            status, headers = self.trouble.popleft()
            return web.json_response({"error": {"code": "x", "message": "m"}}, status=status, headers=headers)
        body = json.loads(await request.text() or "{}")
        for method, pattern, handler in self._routes():
            match = re.fullmatch(pattern, request.path)
            if request.method == method and match:
                self.asked[handler.__name__] += 1
                return handler(*match.groups(), **({"body": body} if body else {}))
        return self._missing()

    def _routes(self) -> list[tuple[str, str, Any]]:
        return [
            ("POST", r"/keys/([0-9a-zA-Z-]+)/create", self.create_key),
            ("GET", r"/keys", self.list_keys),
            ("GET", r"/keys/([0-9a-zA-Z-]+)/?(?:v1)?", self.get_key),
            ("POST", r"/keys/([0-9a-zA-Z-]+)/v1/sign", self.sign),
            ("DELETE", r"/keys/([0-9a-zA-Z-]+)", self.delete_key),
            ("GET", r"/deletedkeys/([0-9a-zA-Z-]+)", self.get_deleted),
            ("GET", r"/secrets/([0-9a-zA-Z-]+)/versions", self.list_versions),
            ("PUT", r"/secrets/([0-9a-zA-Z-]+)", self.set_secret),
            ("GET", r"/secrets/([0-9a-zA-Z-]+)/([0-9a-f]+)", self.get_secret),
        ]

    def create_key(self, name: str, body: Any) -> web.Response:
        assert (body["kty"], body["crv"]) == ("EC", "P-256")
        assert body["key_ops"] == ["sign", "verify"]
        assert body["attributes"]["exportable"] is False
        self.keys[name] = generate_private_key(SECP256R1())
        return self.get_key(name)

    def list_keys(self) -> web.Response:
        listed = [{"kid": f"{self.url}/keys/{name}", "attributes": {"enabled": True}} for name in self.keys]
        return web.json_response({"value": listed, "nextLink": None})

    def get_key(self, name: str) -> web.Response:
        return web.json_response(self._bundle(name)) if name in self.keys else self._missing()

    def sign(self, name: str, body: Any) -> web.Response:
        if name not in self.keys:
            return self._missing()
        assert body["alg"] == "ES256"
        digest = decode_base64url(body["value"])
        r, s = decode_dss_signature(self.keys[name].sign(digest, ECDSA(Prehashed(SHA256()))))
        value = encode_base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        return web.json_response({"kid": f"{self.url}/keys/{name}/v1", "value": value})

    def delete_key(self, name: str) -> web.Response:
        if name not in self.keys:
            return self._missing()
        bundle = {**self._bundle(name), "recoveryId": f"{self.url}/deletedkeys/{name}"}
        del self.keys[name]
        self.deleted.add(name)
        return web.json_response(
            {**bundle, "deletedDate": self.clock(), "scheduledPurgeDate": self.clock() + 7_776_000}
        )

    def get_deleted(self, name: str) -> web.Response:
        if self.slow:  # as a vault is that takes its time to file a deleted key
            return self._missing()
        return web.json_response({"key": {"kid": f"{self.url}/keys/{name}/v1"}, "attributes": {}})

    def list_versions(self, name: str) -> web.Response:
        listed = [
            {
                "id": f"{self.url}/secrets/{name}/{version}",
                "attributes": {"enabled": True, "created": created},
            }
            for version, created, _ in self.secrets.get(name, [])
        ]
        return web.json_response({"value": listed, "nextLink": None})

    def set_secret(self, name: str, body: Any, version: str | None = None) -> web.Response:
        version = version or secrets.token_hex(16)
        self.secrets.setdefault(name, []).append((version, self.clock(), body["value"]))
        return self.get_secret(name, version)

    def get_secret(self, name: str, version: str) -> web.Response:
        for known, created, value in self.secrets.get(name, []):
            if known == version:
                shown = {"id": f"{self.url}/secrets/{name}/{version}", "value": value}
                return web.json_response({**shown, "attributes": {"enabled": True, "created": created}})
        return self._missing()

    def _bundle(self, name: str) -> dict[str, Any]:
        numbers = self.keys[name].public_key().public_numbers()
        x, y = (encode_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        key = {"kid": f"{self.url}/keys/{name}/v1", "kty": "EC", "crv": "P-256", "x": x, "y": y}
        return {"key": {**key, "key_ops": ["sign", "verify"]}, "attributes": {"enabled": True}}

    def _missing(self) -> web.Response:
        return web.json_response({"error": {"code": "KeyNotFound", "message": "not there"}}, status=404)


@asynccontextmanager
async def vault(folder: Path) -> AsyncIterator[tuple[Vault, dict[str, Any]]]:
    """The vault, for as long as the block runs, and what Azure's clients are to be told to reach it."""
    made = Vault()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0, ssl_context=server_context(folder)).start()
    made.url = f"https://localhost:{runner.addresses[0][1]}"
    (folder / "root.pem").write_bytes(ROOT_PEM)
    try:
        yield made, {"connection_verify": str(folder / "root.pem"), "verify_challenge_resource": False}
    finally:
        await runner.cleanup()
