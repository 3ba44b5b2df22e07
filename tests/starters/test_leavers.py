"""Who is refused by the directory's word after their own passkey has spoken for them: their access is ended, once."""

from __future__ import annotations

from typing import Any

import pytest

from passkeys.world import World
from starters.ceremonies import ceremony, ceremony_response
from starters.leavers import leave
from tests.starters.fakes import (
    AUTHENTICATION,
    REGISTRATION,
    WAITING,
    FakeClient,
    body_of,
    ended,
    instance,
    request,
)
from tests.starters.test_ceremonies import ASSERTION

GONE = {"refused_person": "ada"}


def started(client: FakeClient) -> list[tuple[str, Any]]:
    return [(call[1], call[3]) for call in client.calls if call[0] == "start_new"]


async def test_a_refused_leaver_loses_their_access(world: World, client: FakeClient) -> None:
    """At the answer, or when the status is asked for later; the answer says no more than any refusal."""
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=WAITING)
    client.on_event = lambda found: ended(found, "refused", "person_disabled", **GONE)
    told = await ceremony_response(
        world, request("POST", "/", ASSERTION, route={"id": AUTHENTICATION}), client
    )
    assert body_of(told)["output"]["reason"] == "not_allowed"
    assert b"ada" not in told.get_body()
    ((name, asked),) = started(client)
    assert name == "end_access"
    assert asked == {
        "v": 1,
        "person": "ada",
        "cause": AUTHENTICATION,
        "seen_at": "2026-01-01T12:00:00.000Z",
        "audit_shards": world.settings.audit_shards,
        "audit": {"policy_version": world.policy_version},
    }
    await ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client)
    assert len(started(client)) == 1


@pytest.mark.parametrize(
    ("found", "outcome", "reason", "members"),
    [
        (AUTHENTICATION, "refused", "person_unknown", GONE),
        (AUTHENTICATION, "refused", "person_unknown", {}),
        (AUTHENTICATION, "refused", "person_unreachable", GONE),
        (AUTHENTICATION, "refused", "person_mismatch", GONE),
        (AUTHENTICATION, "rejected", "signature_invalid", GONE),
        (AUTHENTICATION, "rejected", "person_disabled", GONE),
        (AUTHENTICATION, "completed", None, GONE),
        (REGISTRATION, "refused", "person_disabled", GONE),
    ],
)
async def test_nobody_else_does(
    world: World, client: FakeClient, found: str, outcome: str, reason: str | None, members: dict[str, Any]
) -> None:
    """Only of a sign-in that proved itself, and only by the directory's clear word."""
    client.instances[found] = ended(found, outcome, reason, **members)
    await ceremony(world, request("GET", "/", route={"id": found}), client)
    leavers = reason == "person_unknown" and bool(members)
    assert bool(started(client)) is leavers


async def test_an_end_that_failed_is_started_again(world: World, client: FakeClient) -> None:
    """By the next attempt; one that is under way or done is not."""
    await leave(world, client, "ada", cause="session-1")
    ((_, _, instance_id, _),) = [call for call in client.calls if call[0] == "start_new"]
    for status, again in (
        (instance(instance_id, "Running"), False),
        (instance(instance_id, "Completed", out={"outcome": "completed"}), False),
        (instance(instance_id, "Completed", out={"outcome": None}), False),
        (instance(instance_id, "Completed", out={"outcome": "refused"}), False),
        (
            instance(
                instance_id,
                "Completed",
                out={"outcome": "refused"},
                lastUpdatedTime="2026-01-01T11:49:59Z",
            ),
            True,
        ),
        (
            instance(instance_id, "Completed", out={"outcome": None}, lastUpdatedTime="2026-01-01T11:49:59Z"),
            True,
        ),
        (
            instance(
                instance_id,
                "Completed",
                out={"outcome": "completed"},
                lastUpdatedTime="2026-01-01T11:49:59Z",
            ),
            False,
        ),
        (instance(instance_id, "Completed", out={"outcome": "failed"}), True),
        (instance(instance_id, "Failed", out="text"), True),
    ):
        client.calls.clear()
        client.instances[instance_id] = status
        await leave(world, client, "ada", cause="session-1")
        assert bool(started(client)) is again, status


async def test_a_task_hub_that_is_gone_is_an_alert(
    world: World, client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever is refused stays refused; somebody hears that no more came of it."""
    client.broken = True
    await leave(world, client, "ada", cause="session-1")
    assert "alert access_not_ended cause=session-1" in caplog.messages
