"""For operators: lists, timelines, exact reasons, and where an audit entry is found."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from passkeys.audit import EMPTY, sealed, segment_name, shard_name
from passkeys.world import World
from starters.operations import WINDOWS, operations_ceremonies, operations_ceremony
from starters.timeline import timeline
from tests.starters.fakes import (
    AUTHENTICATION,
    NOW,
    REGISTRATION,
    WAITING,
    FakeClient,
    body_of,
    ended,
    instance,
    request,
)

SHARD = shard_name(AUTHENTICATION, 4)
STAGES = [["admitting", "2026-01-01T12:00:00.000Z"], ["rejected", "2026-01-01T12:00:05.000Z"]]
ENTRY = {
    "v": 1,
    "ceremony_id": AUTHENTICATION,
    "outcome": "rejected",
    "reason": "signature_invalid",
    "stages": STAGES,
}
LINE, HEAD = sealed(ENTRY, shard=SHARD, head=EMPTY)
OTHER, _ = sealed({**ENTRY, "ceremony_id": REGISTRATION}, shard=SHARD, head=HEAD)
HISTORY = [
    {
        "EventType": "ExecutionStarted",
        "Timestamp": "2026-01-01T12:00:00.0000001Z",
        "FunctionName": "authenticate_passkey",
    },
    {
        "EventType": "TaskCompleted",
        "Timestamp": "2026-01-01T12:00:00.0500000Z",
        "ScheduledTime": "2026-01-01T12:00:00.0100000Z",
        "FunctionName": "issue_authentication_challenge",
    },
    {"EventType": "EventRaised", "Timestamp": "2026-01-01T12:00:04.9Z", "Name": "authenticator_response"},
    {
        "EventType": "EventRaised",
        "Timestamp": "2026-01-01T12:00:00.02Z",
        "Name": "11111111-1111-5111-8111-111111111111",
    },
    {"EventType": "GenericEvent", "Timestamp": "2026-01-01T12:00:04.9Z"},
    {"EventType": "TaskFailed", "Timestamp": "2026-01-01T12:00:04.95Z", "FunctionName": "resolve_claims"},
    {
        "EventType": "ExecutionCompleted",
        "Timestamp": "2026-01-01T12:00:05.1Z",
        "OrchestrationStatus": "Completed",
    },
]


def rejected() -> dict[str, Any]:
    return ended(AUTHENTICATION, "rejected", "signature_invalid", historyEvents=None) | {
        "historyEvents": HISTORY
    }


async def look(world: World, client: FakeClient) -> Any:
    return body_of(
        await operations_ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client)
    )


@pytest.mark.parametrize("where", ["pending", "file", "file of the next day", "nowhere yet"])
async def test_one_ceremony_is_told_step_by_step(world: World, client: FakeClient, where: str) -> None:
    """Every step with its time, and the exact reason; the entry from the entity's memory or from the shard's file."""
    client.instances[AUTHENTICATION] = rejected()
    day = {"file": "2026-01-01", "file of the next day": "2026-01-02"}.get(where)
    if where == "pending":
        client.entities[f"audit_log/{SHARD}"] = {"pending": [["2026-01-01", OTHER], ["2026-01-01", LINE]]}
    if day:
        await world.store.append(segment_name(SHARD, day), f"{OTHER}\n{LINE}\n".encode(), position=0)
        await world.store.append(segment_name(SHARD, "2025-12-31"), f"{OTHER}\n".encode(), position=0)
    body = await look(world, client)
    assert (body["outcome"], body["reason"]) == ("rejected", "signature_invalid")
    times = [step["at"] for step in body["timeline"]]
    assert times == sorted(times)
    assert body["audit"] == (None if where == "nowhere yet" else json.loads(LINE))
    audited = [step["step"] for step in body["timeline"] if step["source"] == "audit"]
    assert audited == ([] if where == "nowhere yet" else ["admitting", "rejected"])


async def test_an_entry_that_tells_of_another_ceremony_is_not_taken_for_its_own(
    world: World, client: FakeClient
) -> None:
    """An earlier line may quote a ceremony's id under the same name, deeper inside: the entry is the one that is of it."""
    quoting = json.loads(OTHER) | {"details": {"ceremony_id": AUTHENTICATION}}
    lines = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in (quoting, json.loads(LINE)))
    await world.store.append(segment_name(SHARD, "2026-01-01"), lines.encode(), position=0)
    client.instances[AUTHENTICATION] = ended(
        AUTHENTICATION, "rejected", "signature_invalid", historyEvents=HISTORY
    )
    assert (await look(world, client))["audit"] == json.loads(LINE)


async def test_a_running_ceremony_has_a_stage_and_no_entry(world: World, client: FakeClient) -> None:
    """Nobody is asked for the audit entry of a ceremony that has not ended."""
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, custom=WAITING, historyEvents=HISTORY[:1])
    body = await look(world, client)
    assert (body["stage"], body["outcome"], body["audit"]) == ("awaiting_authenticator", None, None)


async def test_an_unknown_ceremony_is_a_problem(world: World, client: FakeClient) -> None:
    """404, for operators too."""
    response = await operations_ceremony(world, request("GET", "/", route={"id": AUTHENTICATION}), client)
    assert (response.status_code, body_of(response)["code"]) == (404, "ceremony_unknown")


def test_a_timeline_names_the_function_and_how_long_it_took() -> None:
    """Steps are those of the engine's history that mean something, in order of time, answers of entities included."""
    assert [(step["step"], step["detail"]) for step in timeline(HISTORY, None)] == [
        ("execution", "started: authenticate_passkey"),
        ("entity", "answered"),
        ("issue_authentication_challenge", "completed after 40 ms"),
        ("authenticator_response", "event received"),
        ("resolve_claims", "failed"),
        ("execution", "ended: Completed"),
    ]


async def test_the_list_is_recent_and_bounded(world: World, client: FakeClient) -> None:
    """Newest first, at most `limit`, ceremonies alone; the window widens only while there is room."""
    for number in range(6):
        found = f"authentication-{number:032x}"
        at = (NOW - timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        client.instances[found] = instance(found, custom=WAITING) | {"createdTime": at}
    client.instances["authentication-x"] = instance("authentication-x")
    client.instances["audit-flush"] = instance("audit-flush")
    response = await operations_ceremonies(world, request("GET", "/?limit=2"), client)
    listed = body_of(response)["ceremonies"]
    assert [one["id"] for one in listed] == [f"authentication-{n:032x}" for n in range(2)]
    windows = {NOW - call[1] for call in client.calls}
    assert windows == {WINDOWS[0]}
    everything = body_of(await operations_ceremonies(world, request("GET", "/"), client))["ceremonies"]
    assert len(everything) == 6
    assert set(everything[0]) == {
        "id", "kind", "runtimeStatus", "stage", "outcome", "reason", "createdTime", "lastUpdatedTime",
    }  # fmt: skip


@pytest.mark.parametrize("limit", ["0", "101", "many"])
async def test_a_limit_out_of_range_is_refused(world: World, client: FakeClient, limit: str) -> None:
    """400 with the range."""
    response = await operations_ceremonies(world, request("GET", f"/?limit={limit}"), client)
    assert body_of(response)["code"] == "parameter_invalid"
