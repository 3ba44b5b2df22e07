"""Tokens by the app's managed identity: Azure's own library, asking an endpoint of this machine in App Service's form."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from passkeys import managed_identity
from passkeys.managed_identity import IdentityUnavailable, credential_of, tokens_of


@dataclass
class Endpoint:
    """https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference"""

    url: str = ""
    status: int = 200
    asked: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append({**request.query, "header": request.headers.get("X-IDENTITY-HEADER", "")})
        if self.status != 200:
            return web.json_response(
                {"statusCode": self.status, "message": "no such identity"}, status=self.status
            )
        given = {
            "access_token": f"t-{len(self.asked)}",
            "expires_on": str(int(time.time()) + 86_400),
            "resource": "r",
            "token_type": "Bearer",
        }
        return web.json_response(given)


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_get("/msi/token", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/msi/token"
    monkeypatch.setenv("IDENTITY_ENDPOINT", made.url)
    monkeypatch.setenv("IDENTITY_HEADER", "header-of-the-platform")
    yield made
    await runner.cleanup()


@pytest.mark.parametrize("client_id", [None, "11111111-1111-4111-8111-111111111111"])
async def test_the_platform_gives_a_token_once_for_many(endpoint: Endpoint, client_id: str | None) -> None:
    """For the resource of the scope, by the identity that is named; kept by the library until it ends."""
    credential = credential_of(client_id)
    async with credential:
        token = tokens_of(credential)
        assert [await token("https://graph.microsoft.com/.default") for _ in range(3)] == ["t-1"] * 3
    (asked,) = endpoint.asked
    assert (asked["resource"], asked["header"]) == ("https://graph.microsoft.com", "header-of-the-platform")
    assert asked.get("client_id") == client_id


async def test_an_identity_may_be_named_as_azure_names_it(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AZURE_CLIENT_ID, where the configuration names none."""
    monkeypatch.setenv("AZURE_CLIENT_ID", "22222222-2222-4222-8222-222222222222")
    for named, expected in (("1", "1"), (None, "22222222-2222-4222-8222-222222222222")):
        credential = credential_of(named)
        async with credential:
            await tokens_of(credential)("https://graph.microsoft.com/.default")
        assert endpoint.asked[-1]["client_id"] == expected


async def test_a_token_that_is_refused_is_asked_for_anew(endpoint: Endpoint) -> None:
    """Once for everybody who had it refused; what another claims challenge names does no harm to a managed identity."""
    credential = credential_of(None)
    async with credential:
        token = tokens_of(credential)
        scope = "https://graph.microsoft.com/.default"
        first = await token(scope)
        assert [await token(scope, refused=first, claims='{"access_token":{}}') for _ in range(3)] == [
            "t-2"
        ] * 3
        assert await token(scope) == "t-2"
    assert len(endpoint.asked) == 2


async def test_an_app_without_an_identity_is_told(endpoint: Endpoint) -> None:
    """What to see to, and nothing of what the platform answered."""
    endpoint.status = 400
    credential = credential_of(None)
    async with credential:
        with pytest.raises(IdentityUnavailable, match="See that the app has a managed identity") as told:
            await tokens_of(credential)("https://graph.microsoft.com/.default")
    assert "no such identity" not in str(told.value)


def test_outside_azure_it_is_who_is_signed_in_to_the_command_line() -> None:
    """And in Azure never: a machine of the company's has no developer on it."""
    assert type(credential_of(None, {})).__name__ == "AzureCliCredential"
    for environ in ({"IDENTITY_ENDPOINT": "x"}, {"WEBSITE_INSTANCE_ID": "x"}):
        assert type(credential_of(None, environ)).__name__ == "ManagedIdentityCredential"


async def test_who_gives_up_waiting_ends_it_for_nobody() -> None:
    """A platform that takes longer than a directory's try has: the token comes all the same, once, and the next has it."""
    given, asked = asyncio.Event(), []

    class Slow:
        async def get_token(self, scope: str) -> Any:
            asked.append(scope)
            await given.wait()
            return SimpleNamespace(token="t-1", expires_on=10_000)

    token = tokens_of(Slow(), now=lambda: 0)

    async def impatient() -> str:
        async with asyncio.timeout(0):
            return await token("scope")

    for _ in range(3):
        with pytest.raises(TimeoutError):
            await impatient()
    given.set()
    assert await asyncio.gather(token("scope"), token("scope")) == ["t-1", "t-1"]
    assert asked == ["scope"]


async def test_a_platform_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """And asked again by the next."""

    class Never:
        async def get_token(self, scope: str) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr(managed_identity, "LONGEST_SECONDS", 0.01)
    for _ in range(2):
        with pytest.raises(IdentityUnavailable, match="TimeoutError"):
            await tokens_of(Never())("scope")
