"""The sample application: registered as it says, and closed to everybody who does not show a good token with a proof."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from examples.protected_app.app import CLIENT_ID, VERIFIER, make_app
from passkeys.applications import DEMO_APPLICATIONS
from passkeys.verify import Verifier
from tests.hosts import ROOT
from tests.passkeys.test_verify import CLAIMS, Service, made, possession
from tests.passkeys.worlds import Clock

ISSUER, ORIGIN = "http://localhost:7071", "http://localhost:7080"


def app() -> web.Application:
    """The application as it is, but for the keys and the clock, which are a test's."""
    made_app = make_app(ISSUER, ORIGIN)
    verifier = Verifier(
        issuer=ISSUER, audience=ORIGIN, read=Service(), clock=Clock(), insecure_localhost=True
    )
    made_app[VERIFIER] = verifier
    return made_app


def headers(path: str, method: str = "GET", **changed: Any) -> dict[str, str]:
    """Of somebody who is signed in."""
    shown = made(CLAIMS, iss=ISSUER, aud=ORIGIN, **changed)
    return {"Authorization": f"DPoP {shown}", "DPoP": possession(shown, htu=ORIGIN + path, htm=method)}


def test_it_is_registered() -> None:
    """Without a file of applications, this is the one that there is; and `make sample` starts it where it is registered."""
    registered = DEMO_APPLICATIONS[CLIENT_ID]
    assert registered.audiences == registered.origins == (ORIGIN,)
    assert registered.redirect_uris == (f"{ORIGIN}/callback",)
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\nsample:")[2].splitlines()[1]
    assert recipe == "\t@exec $(BIN)/python -m examples.protected_app --issuer http://localhost:$(PORT)"


async def test_nothing_of_the_api_is_open() -> None:
    """Every route of it, without a token: 401 with the challenge; and the page is as closed to scripts as the service's."""
    application = app()
    async with TestClient(TestServer(application)) as client:
        guarded = [
            route
            for route in application.router.routes()
            if route.resource and route.resource.canonical.startswith("/api/")
        ]
        assert len(guarded) == 5  # two GET, which have a HEAD each, and a POST
        for route in guarded:
            assert route.resource is not None
            answer = await client.request(route.method, route.resource.canonical)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'DPoP algs="ES256 Ed25519"')
        for path in ("/", "/callback"):
            page = await client.get(path)
            assert page.headers["Referrer-Policy"] == "no-referrer"
            policy = page.headers["Content-Security-Policy"]
            assert "script-src 'self'" in policy
            assert f"connect-src 'self' {ISSUER};" in policy
            assert ISSUER in await page.text()


@pytest.mark.parametrize(
    ("path", "method", "changed", "status"),
    [
        ("/api/me", "GET", {}, 200),
        ("/api/ledger", "GET", {}, 200),
        ("/api/ledger", "GET", {"roles": []}, 403),
        ("/api/transfer", "POST", {}, 401),  # a sign-in of a hundred seconds ago
        ("/api/transfer", "POST", {"auth_time": CLAIMS["iat"]}, 200),
    ],
)
async def test_who_is_served(path: str, method: str, changed: dict[str, Any], status: int) -> None:
    """By token, role and time of the sign-in."""
    async with TestClient(TestServer(app())) as client:
        answer = await client.request(method, path, headers=headers(path, method, **changed))
        assert answer.status == status
        assert ("max_age" in answer.headers.get("WWW-Authenticate", "")) == (status == 401)


async def test_two_proofs_are_none() -> None:
    """Of a header that comes twice, both values are looked at (RFC 9449 §4.3, point 1)."""
    async with TestClient(TestServer(app())) as client:
        once = headers("/api/me")
        twice = [*once.items(), ("DPoP", headers("/api/me")["DPoP"])]
        answer = await client.get("/api/me", headers=twice)  # type: ignore[arg-type]
        assert answer.status == 401
        assert "invalid_dpop_proof" in answer.headers["WWW-Authenticate"]
