"""What an entry of the audit says of its cause: the policy, and what the request told of itself, if that can be an id."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from passkeys.policy_version import policy_version
from passkeys.settings import load
from passkeys.tokens import key_id_of
from passkeys.world import World
from starters.ceremonies import authentications
from starters.correlation import answering, audited
from tests.starters.fakes import FakeClient, request

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, {}),
        ({"traceparent": PARENT}, {"trace_id": TRACE}),
        ({"traceparent": f"cc-{TRACE}-b7ad6b7169203331-01-what-comes-later"}, {"trace_id": TRACE}),
        ({"traceparent": PARENT.replace("00-", "ff-", 1)}, {}),
        ({"traceparent": PARENT.upper()}, {}),
        ({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, {}),
        ({"traceparent": f"00-{TRACE}-{'0' * 16}-01"}, {}),
        ({"traceparent": f"{PARENT}\nx"}, {}),
        ({"x-correlation-id": "deploy_7.2-a"}, {"correlation_id": "deploy_7.2-a"}),
        (
            {"x-correlation-id": "x" * 64, "traceparent": PARENT},
            {"correlation_id": "x" * 64, "trace_id": TRACE},
        ),
        ({"x-correlation-id": "x" * 65}, {}),
        ({"x-correlation-id": "ada@example.com"}, {}),
        ({"x-correlation-id": "a b"}, {}),
        ({"x-correlation-id": "a\n"}, {}),
        ({"x-correlation-id": ""}, {}),
    ],
)
async def test_an_entry_has_what_can_be_an_id(
    world: World, client: FakeClient, headers: dict[str, str], told: dict[str, str]
) -> None:
    """And nothing else of what a caller sends, for it is kept for years."""
    await authentications(world, request("POST", "/authentications", {}, headers=headers), client)
    ((_, _, _, asked),) = client.calls
    assert asked["audit"] == {"policy_version": world.policy_version, **told}


async def test_requests_at_once_do_not_mix(world: World) -> None:
    """Each has its own, and none leaves it behind."""

    async def one(name: str) -> Any:
        with answering(request("GET", "/", headers={"x-correlation-id": name})):
            await asyncio.sleep(0)
            return audited(world)["correlation_id"]

    names = [f"call-{number}" for number in range(20)]
    assert await asyncio.gather(*map(one, names)) == names
    assert audited(world) == {"policy_version": world.policy_version}


def test_a_policy_has_another_version_when_what_decides_is_changed(tmp_path: Path) -> None:
    """A setting, or a file that one names; where documents lie decides nothing."""
    file = tmp_path / "issuers.json"
    file.write_text("{}")
    settings = replace(load({}), issuers=file)
    version = policy_version(settings)
    assert len(version) == 16
    assert policy_version(replace(settings, store="elsewhere", store_connection="x", keys="y")) == version
    others = {
        policy_version(replace(settings, user_verification="preferred")),
        policy_version(replace(settings, refresh_grace_seconds=1)),
        policy_version(replace(settings, issuers=None)),
        policy_version(replace(settings, issuers=tmp_path / "gone.json")),
    }
    file.write_text('{"company": {}}')
    assert version not in {*others, policy_version(settings)}


def test_a_token_says_which_key_has_signed_it() -> None:
    """In its header, which is all that is read of it."""
    assert key_id_of("eyJhbGciOiJFUzI1NiIsImtpZCI6InRoZS1rZXkifQ.e30.x") == "the-key"
