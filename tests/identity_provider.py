"""An identity provider of this machine: metadata and keys over TLS, in a thread, and tokens in the shapes of real ones.

It plays Entra, whose issuer depends on the tenant and whose set of keys is one for all, and a provider by RFC 9068. Whoever signs in there
is not its concern: it makes the token that a test asks for.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.passkeys.test_metadata_source import ROOT_PEM, SERVER_PEM
from tests.passkeys.tokens import ADA, API, CLIENT, CONSUMERS, EC, RSA, TENANT, jwk, jwks, token

AUDIENCE = "https://passkey.example.com"


@dataclass
class IdentityProvider:
    """Where it is, what its keys are, and how often each path was asked for."""

    url: str
    keys: bytes
    asked: Counter[str] = field(default_factory=Counter)

    def entra(self, *, oid: str = ADA, kid: str = "any", age: float = 5, **claims: Any) -> str:
        """An access token as Entra's, of the tenant that is allowed."""
        issued = int(time.time() - age)
        given = {
            "aud": API,
            "iss": f"{self.url}/{TENANT}/v2.0",
            "iat": issued,
            "nbf": issued,
            "exp": issued + 4500,
            "azp": CLIENT,
            "name": "Ada Lovelace",
            "oid": oid,
            "preferred_username": "ada@example.com",
            "scp": "enrol",
            "sub": secrets.token_urlsafe(24),
            "tid": TENANT,
            "uti": secrets.token_urlsafe(12),
            "ver": "2.0",
        }
        return token({**given, **claims}, {"typ": "JWT", "kid": kid}, key=RSA)

    def oidc(self, *, sub: str = "ada", kid: str = "ec", age: float = 5, **claims: Any) -> str:
        """An access token by RFC 9068, signed with ES256."""
        issued = int(time.time() - age)
        given = {
            "iss": f"{self.url}/op",
            "aud": AUDIENCE,
            "sub": sub,
            "client_id": "portal",
            "scope": "openid enrol",
            "iat": issued,
            "exp": issued + 300,
            "jti": secrets.token_urlsafe(12),
        }
        return token({**given, **claims}, {"alg": "ES256", "kid": kid}, key=EC)

    def documents(self) -> Mapping[str, bytes]:
        def metadata(issuer: str, keys: str) -> bytes:
            return json.dumps({"issuer": issuer, "jwks_uri": self.url + keys}).encode()

        well_known = "/.well-known/openid-configuration"
        return {
            f"/organizations/v2.0{well_known}": metadata(f"{self.url}/{{tenantid}}/v2.0", "/common/keys"),
            f"/op{well_known}": metadata(f"{self.url}/op", "/op/keys"),
            "/common/keys": self.keys,
            "/op/keys": self.keys,
        }

    def settings(self, folder: Path, people: Mapping[str, Any] | None = None) -> dict[str, str]:
        """The environment of a host that takes its tokens: two issuers, and a directory that knows Ada by both."""
        folder.mkdir(parents=True, exist_ok=True)
        root, issuers, directory = (folder / name for name in ("root.pem", "issuers.json", "people.json"))
        root.write_bytes(ROOT_PEM)
        common = {"scopes": ["enrol"], "tls_roots": str(root)}
        issuers.write_text(
            json.dumps(
                {
                    "company": {
                        "provider": "entra_multitenant",
                        "authority": self.url,
                        "tenants": [TENANT],
                        "audiences": [API],
                        "clients": [CLIENT],
                        **common,
                    },
                    "partner": {
                        "provider": "oidc",
                        "issuer": f"{self.url}/op",
                        "audiences": [AUDIENCE],
                        "clients": ["portal"],
                        "algorithms": ["ES256"],
                        **common,
                    },
                }
            )
        )
        directory.write_text(json.dumps(self.people() if people is None else people))
        return {"PASSKEYS_ISSUERS": str(issuers), "PASSKEYS_DIRECTORY": str(directory)}

    def people(self) -> dict[str, Any]:
        """Ada, known by both issuers; Grace, an operator, and Mallory, disabled, by the second."""
        entra = {"issuer": f"{self.url}/{TENANT}/v2.0", "tenant": TENANT, "subject": ADA}

        def by(subject: str) -> dict[str, str]:
            return {"issuer": f"{self.url}/op", "subject": subject}

        return {
            "ada": {"display_name": "Ada Lovelace", "identities": [entra, by("ada")]},
            "grace": {
                "display_name": "Grace Hopper",
                "claims": {"roles": ["operator"]},
                "identities": [by("grace")],
            },
            "mallory": {"display_name": "Mallory", "status": "disabled", "identities": [by("mallory")]},
        }


@contextmanager
def identity_provider(folder: Path) -> Iterator[IdentityProvider]:
    """The provider, for as long as the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "server.pem").write_bytes(SERVER_PEM)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked[self.path] += 1
            body = provider.documents().get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://localhost:{server.server_port}"
    keys = jwks(
        jwk(RSA, "any", issuer=f"{url}/{{tenantid}}/v2.0"),
        jwk(RSA, "consumers", issuer=f"{url}/{CONSUMERS}/v2.0"),
        jwk(EC, "ec"),
    )
    provider = IdentityProvider(url, keys)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
