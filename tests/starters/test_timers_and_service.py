"""The timers look whether there is work and set it going; the service says whether it is ready."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from passkeys import once
from passkeys.world import World
from starters import service
from starters.looking import KEPT_SECONDS
from starters.service import healthz
from starters.sweeps import sweep_rate_limiters, sweep_shown_once, sweep_used_tokens
from starters.timers import (
    FLUSH_INSTANCE,
    start_audit_flush,
)
from tests.passkeys.tokens import PROFILES
from tests.passkeys.worlds import Clock, FlakyDirectory, world_of
from tests.starters.fakes import NOW, FakeClient, body_of, instance, request

TIMER: Any = None
WAITING_LOGS = {"audit_log/01": {"pending": [["2026-01-01", "{}"]]}, "audit_log/02": {"pending": []}}


def starts(client: FakeClient) -> list[Any]:
    return [call[1:] for call in client.calls if call[0] == "start_new"]


async def test_a_flush_starts_only_if_something_waits(world: World, client: FakeClient) -> None:
    """With the shards that have entries, under the one id; with nothing to do, nothing is started."""
    await start_audit_flush(world, TIMER, client)
    assert starts(client) == []
    client.entities = WAITING_LOGS
    await start_audit_flush(world, TIMER, client)
    assert starts(client) == [("flush_audit", FLUSH_INSTANCE, {"v": 1, "shards": ["01"]})]


@pytest.mark.parametrize("runtime", ["Running", "Pending"])
async def test_there_is_one_flush_at_a_time(world: World, client: FakeClient, runtime: str) -> None:
    """A second writer would break the chain's file: a running flush is left alone."""
    client.entities = WAITING_LOGS
    client.instances[FLUSH_INSTANCE] = instance(FLUSH_INSTANCE, runtime)
    await start_audit_flush(world, TIMER, client)
    assert starts(client) == []


@pytest.mark.parametrize("runtime", ["Completed", "Failed", "Terminated"])
async def test_an_ended_flush_is_followed_by_the_next(world: World, client: FakeClient, runtime: str) -> None:
    """However the last one ended."""
    client.entities = WAITING_LOGS
    client.instances[FLUSH_INSTANCE] = instance(FLUSH_INSTANCE, runtime)
    await start_audit_flush(world, TIMER, client)
    assert len(starts(client)) == 1


async def test_losing_the_race_for_the_flush_is_fine(world: World, client: FakeClient) -> None:
    """Another host started it between the look and the start; any other failure surfaces."""
    client.entities = WAITING_LOGS

    async def lose(*_: object) -> str:
        client.instances[FLUSH_INSTANCE] = instance(FLUSH_INSTANCE)
        raise RuntimeError("exists")

    client.start_new = lose  # type: ignore[method-assign]
    await start_audit_flush(world, TIMER, client)

    async def fail(*_: object) -> str:
        raise RuntimeError("no task hub")

    client.instances.clear()
    client.start_new = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="no task hub"):
        await start_audit_flush(world, TIMER, client)


async def test_limiters_are_asked_to_settle(world: World, client: FakeClient) -> None:
    """Each by its key, with the time; other entities are left alone."""
    for name in ("@rate_limiter@network|203.0.113.0-24", "@rate_limiter@global|0", "@audit_log@00"):
        client.instances[name] = instance(name)
    await sweep_rate_limiters(world, TIMER, client)
    at_ms = int(NOW.timestamp() * 1000)
    assert [call[1:] for call in client.calls if call[0] == "signal_entity"] == [
        ("rate_limiter/network|203.0.113.0-24", "settle", {"at_ms": at_ms}),
        ("rate_limiter/global|0", "settle", {"at_ms": at_ms}),
    ]


async def test_readiness_names_what_is_missing(
    world: World, client: FakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """200 when every part can be reached; else 503 with the parts, and why only in the log."""
    (tmp_path / "index.html").write_text("")
    monkeypatch.setattr(service, "WEB", tmp_path)
    response = await healthz(world, request("GET", "/healthz"), client)
    assert (response.status_code, body_of(response)) == (200, {"status": "ready", "missing": []})
    client.broken = True
    monkeypatch.setattr(service, "WEB", tmp_path / "nowhere")
    response = await healthz(world, request("GET", "/healthz"), client)
    assert response.status_code == 503
    assert body_of(response)["missing"] == ["pages", "task_hub"]
    assert b"gone" not in response.get_body()


async def test_what_was_shown_once_is_swept(world: World, client: FakeClient) -> None:
    """Proofs and assertions that are too old to be shown again, and no others."""
    for at in (NOW - timedelta(hours=1), NOW):
        await once.first_time(world.store, once.PROOFS, whose="a", called="b", at=at)
    await sweep_shown_once(world, TIMER, client)
    assert len([name async for name in world.store.list("proofs/")]) == 1


@pytest.mark.parametrize(
    ("ages", "swept"),
    [((600,), True), ((600, 3600), True), ((600, None), False), ((100_000,), False), ((), False)],
)
async def test_used_tokens_are_swept_when_no_ceremony_by_them_can_be_left(
    world: World, client: FakeClient, ages: tuple[int | None, ...], swept: bool
) -> None:
    """A day at least; as long as the oldest token that any issuer's may be; never, if that is for ever."""
    profile = PROFILES["oidc"]
    issuers = {
        str(number): SimpleNamespace(issuer=SimpleNamespace(profile=replace(profile, max_age_seconds=age)))
        for number, age in enumerate(ages)
    }
    there: Any = replace(world, issuers=issuers)
    name = f"tokens/{'a' * 64}.json"
    at = (NOW - timedelta(hours=25)).isoformat()
    use = {"v": 1, "person": "ada", "ceremony_id": "r", "credential_id": "c", "at": at}
    await world.store.create(name, json.dumps(use).encode())
    await sweep_used_tokens(there, TIMER, client)
    assert (await world.store.get(name) is None) is swept


async def test_the_directory_is_asked_once_however_often_we_are(client: FakeClient) -> None:
    """Readiness is for anybody to ask; what it costs others is bounded, and what it says is not old."""
    clock, directory = Clock(), FlakyDirectory(failures=0)
    world = world_of(directory=directory, clock=clock)
    await asyncio.gather(*(healthz(world, request("GET", "/healthz"), client) for _ in range(20)))
    assert directory.asked == 1
    clock.advance(KEPT_SECONDS)
    directory.failures = directory.asked + 1
    response = await healthz(world, request("GET", "/healthz"), client)
    assert body_of(response)["missing"] == ["directory"]
    clock.advance(KEPT_SECONDS)
    assert (await healthz(world, request("GET", "/healthz"), client)).status_code == 200
