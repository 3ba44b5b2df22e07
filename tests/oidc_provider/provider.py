"""Start the provider of this folder, tell who is in its company, and log in at it by HTTP.

Its three issuers have the addresses and the token shapes of Entra ID, Okta and PingOne: what configures the real ones configures
it. It serves over TLS under the tests' own root.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts import free_port
from tests.node import node
from tests.passkeys.test_metadata_source import ROOT_PEM, SERVER_PEM

FOLDER = Path(__file__).parent
READY_SECONDS = 20
AUDIENCE, OTHER_AUDIENCE = "https://passkeys.example.com", "https://passkeys.example.com/other"
CLIENT, SCOPE = "portal", "enrol"
TENANT, ENVIRONMENT = "6f9619ff-8b86-4011-b42d-00cf4fc964ff", "5f8a2c1e-1111-4222-8333-444455556666"
PATHS = {"entra": f"/{TENANT}/v2.0", "okta": "/oauth2/default", "ping": f"/{ENVIRONMENT}/as"}
ADA, GRACE = "ada@example.com", "grace@example.com"
# By login: their immutable ids at each.
IDS = {
    ADA: {
        "entra": "00000000-0000-4000-8000-0000000000ad",
        "okta": "00u" + "1" * 17,
        "ping": "00000000-0000-4000-8000-0000000000ad",
    },
    GRACE: {
        "entra": "00000000-0000-4000-8000-0000000000ae",
        "okta": "00u" + "2" * 17,
        "ping": "00000000-0000-4000-8000-0000000000ae",
    },
}


@dataclass(frozen=True, slots=True)
class Provider:
    """Where it is, and the root of its certificate."""

    origin: str
    root: Path

    def issuer(self, shape: str) -> str:
        """The issuer of a shape, as its tokens say it."""
        return self.origin + PATHS[shape]

    def issuers(self) -> dict[str, Any]:
        """The file of PASSKEYS_ISSUERS: one entry a shape, named like it."""
        common = {
            "audiences": [AUDIENCE],
            "clients": [CLIENT],
            "scopes": [SCOPE],
            "tls_roots": str(self.root),
        }
        return {
            "entra": {"provider": "entra", "authority": self.origin, "tenant": TENANT, **common},
            "okta": {"provider": "okta", "issuer": self.issuer("okta"), **common},
            "ping": {"provider": "pingone", "issuer": self.issuer("ping"), **common},
        }


def _claims(login: str) -> Mapping[str, Any]:
    ids = IDS[login]
    return {
        "entra": {"tid": TENANT, "oid": ids["entra"], "sub": f"pairwise-{ids['entra'][-2:]}"},
        "okta": {"uid": ids["okta"], "sub": login},
        "ping": {"sub": ids["ping"], "env": ENVIRONMENT},
    }


@contextmanager
def provider(folder: Path, *, redirect_uris: tuple[str, ...] = ("http://localhost/",)) -> Iterator[Provider]:
    """The provider, for as long as the block runs. Redirects to localhost are for any port."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "server.pem").write_bytes(SERVER_PEM)
    (folder / "root.pem").write_bytes(ROOT_PEM)
    port = free_port()
    settings = {
        "port": port,
        "tls": str(folder / "server.pem"),
        "audience": AUDIENCE,
        "scope": SCOPE,
        "client_id": CLIENT,
        "redirect_uris": redirect_uris,
        "issuers": PATHS,
        "people": {login: _claims(login) for login in IDS},
    }
    with (folder / "provider.log").open("w") as log:
        process = subprocess.Popen(
            [
                node(FOLDER / "node_modules" / "oidc-provider", target="identity-provider"),
                "op.mjs",
                json.dumps(settings),
            ],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "NODE_NO_WARNINGS": "1"},
        )
    try:
        _wait_until_ready(process, folder / "provider.log")
        yield Provider(f"https://localhost:{port}", folder / "root.pem")
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait(5)
        if process.stdout is not None:
            process.stdout.close()


def _wait_until_ready(process: subprocess.Popen[str], log: Path) -> None:
    said: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed meanwhile
            for line in process.stdout:
                said.put(line.strip())
        said.put("")

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            line = said.get(timeout=READY_SECONDS)
        except queue.Empty:
            line = ""
        if line == "READY":
            return
        if not line:
            raise AssertionError(f"The OpenID provider did not start:\n{log.read_text()[-2000:]}")
