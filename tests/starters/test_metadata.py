"""The metadata from outside: its timers, what operators see of it, and what readiness says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from passkeys.metadata_blob import verify_blob
from passkeys.models import CURRENT, keep
from passkeys.world import World
from starters import service
from starters.metadata import operations_metadata
from starters.service import healthz
from starters.timers import METADATA_INSTANCE, start_first_metadata_refresh, start_metadata_refresh
from tests.metadata_kit import NOW as MADE
from tests.metadata_kit import OTHER, ROOT, SIGNER, blob, entry, write_root
from tests.starters import fakes
from tests.starters.fakes import FakeClient, body_of, instance, request
from tests.starters.test_openapi import fits

TIMER: Any = None
AT = "2026-01-01T03:00:00.000Z"
OUTPUT = {
    "v": 1,
    "at": AT,
    "ended_at": "2026-01-01T03:00:09.000Z",
    "outcome": "refused",
    "reason": "metadata_chain_untrusted",
    "detail": "certificate has expired",
    "no": 42,
    "next_update": "2026-12-01",
    "stale": False,
    "models": 2,
    "judged": 1000,
    "changed": 1,
    "damaged": 0,
    "complete": True,
}


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[World]:
    """A world whose settings name metadata."""
    root = write_root(tmp_path / "root.pem")
    made = fakes.world(tmp_path, PASSKEYS_METADATA="https://mds.example/", PASSKEYS_METADATA_ROOT=str(root))
    yield made
    made.store.close()


async def load(world: World, next_update: str = "2026-12-01") -> None:
    data = blob(entry(), entry(OTHER), next_update=next_update)
    await keep(world.store, verify_blob(data, roots=[ROOT.der], signer=SIGNER, at=MADE), at=AT)


def starts(client: FakeClient) -> list[Any]:
    return [call[1:] for call in client.calls if call[0] == "start_new"]


async def test_the_timer_starts_the_one_refresh(configured: World, client: FakeClient) -> None:
    """Under its one id, and not beside itself."""
    await start_metadata_refresh(configured, TIMER, client)
    told = {"policy_version": configured.policy_version}
    expected = (
        "refresh_metadata",
        METADATA_INSTANCE,
        {"v": 1, "audit_shards": 4, "audit": told, "first": False},
    )
    assert starts(client) == [expected]
    client.instances[METADATA_INSTANCE] = instance(METADATA_INSTANCE)
    await start_metadata_refresh(configured, TIMER, client)
    assert starts(client) == [expected]


async def test_while_nothing_is_known_it_does_not_wait_for_the_night(
    configured: World, client: FakeClient
) -> None:
    """The other timer starts it, until there is something; then it is the night's affair."""
    await start_first_metadata_refresh(configured, TIMER, client)
    told = {"policy_version": configured.policy_version}
    asked = {"v": 1, "audit_shards": 4, "audit": told, "first": True}
    assert starts(client) == [("refresh_metadata", METADATA_INSTANCE, asked)]
    client.instances[METADATA_INSTANCE] = instance(METADATA_INSTANCE, "Completed")
    await load(configured)
    await start_first_metadata_refresh(configured, TIMER, client)
    assert len(starts(client)) == 1


async def test_readiness_names_metadata_that_is_missing(
    configured: World, world: World, client: FakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only where it is configured, and only until it is there; an old one will do."""
    (tmp_path / "index.html").write_text("")
    monkeypatch.setattr(service, "WEB", tmp_path)
    response = await healthz(configured, request("GET", "/healthz"), client)
    assert (response.status_code, body_of(response)["missing"]) == (503, ["metadata"])
    await load(configured, "2020-01-01")
    assert (await healthz(configured, request("GET", "/healthz"), client)).status_code == 200
    assert (await healthz(world, request("GET", "/healthz"), client)).status_code == 200


async def view(world: World, client: FakeClient) -> Any:
    response = await operations_metadata(world, request("GET", "/operations/metadata"), client)
    fits(response, "/operations/metadata", "get")
    return body_of(response)


async def test_without_metadata_the_view_says_so(world: World, client: FakeClient) -> None:
    """Not configured, nothing known, never refreshed."""
    assert await view(world, client) == {"configured": False, "metadata": None, "refresh": None}


@pytest.mark.parametrize(("next_update", "stale"), [("2026-12-01", False), ("2025-12-31", True)])
async def test_what_counts_now_is_shown(
    configured: World, client: FakeClient, next_update: str, stale: bool
) -> None:
    """Its number, when the next is due, whether that is past by this moment's clock, and how much it knows."""
    await load(configured, next_update)
    assert (await view(configured, client))["metadata"] == {
        "no": 42,
        "nextUpdate": next_update,
        "stale": stale,
        "models": 2,
        "keptAt": AT,
    }


async def test_the_last_refresh_is_shown(configured: World, client: FakeClient) -> None:
    """With the reason, for whoever has to mend it."""
    client.instances[METADATA_INSTANCE] = instance(METADATA_INSTANCE, "Completed", out=OUTPUT)
    assert (await view(configured, client))["refresh"] == {
        "runtimeStatus": "Completed",
        "lastUpdatedTime": "2026-01-01T12:00:05.000Z",
        "startedAt": AT,
        "endedAt": "2026-01-01T03:00:09.000Z",
        "outcome": "refused",
        "reason": "metadata_chain_untrusted",
        "detail": "certificate has expired",
        "judged": 1000,
        "changed": 1,
        "damaged": 0,
        "complete": True,
    }


@pytest.mark.parametrize(
    ("runtime", "out"),
    [("Running", None), ("Failed", "a stack, and what was in it"), ("Terminated", "because")],
)
async def test_a_refresh_without_a_result_is_shown_without_one(
    configured: World, client: FakeClient, runtime: str, out: str | None
) -> None:
    """Under way, or ended by the engine: its state, and none of the engine's text."""
    client.instances[METADATA_INSTANCE] = instance(METADATA_INSTANCE, runtime, out=out)
    shown = (await view(configured, client))["refresh"]
    assert (shown["runtimeStatus"], shown["outcome"]) == (runtime, None)
    assert "stack" not in json.dumps(shown)


async def test_a_wrong_method_is_told_the_right_one(configured: World, client: FakeClient) -> None:
    """As everywhere."""
    response = await operations_metadata(configured, request("POST", "/operations/metadata", {}), client)
    assert response.status_code == 405
    fits(response, "/operations/metadata", "get")


async def test_damaged_metadata_is_no_missing_one(configured: World, client: FakeClient) -> None:
    """Readiness names it all the same: nobody can register while it cannot be read."""
    await configured.store.create(CURRENT, b"{")
    response = await healthz(configured, request("GET", "/healthz"), client)
    assert "metadata" in body_of(response)["missing"]
