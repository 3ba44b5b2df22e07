"""What waits in the audit logs: seen by operators, an alert where it waits too long, and no surprise to who comes to sign in."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from passkeys.audit_backlog import BEHIND_AFTER, Standing, Waiting, backlog_of, waiting_of
from passkeys.world import World
from starters import service
from starters.backlog import operations_audit
from starters.ceremonies import authentications
from starters.looking import KEPT_SECONDS
from starters.service import healthz
from starters.timers import watch_audit
from starters.token import token
from tests.passkeys.worlds import Clock, world_of
from tests.starters.fakes import NOW, FakeClient, body_of, request
from tests.starters.test_openapi import fits

TIMER: Any = None
LIMIT = 100


def line(seconds_ago: float) -> list[str]:
    at = (NOW - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")
    return ["2026-01-01", json.dumps({"at": at})]


def holding(count: int, *, oldest: float = 0, seq: int = 5000) -> dict[str, Any]:
    return {"seq": seq, "segment": "2026-01-01", "pending": [line(oldest)] * count}


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def world(clock: Clock) -> World:
    return world_of(clock=clock, PASSKEYS_AUDIT_BACKLOG=str(LIMIT))


WAITS: list[tuple[int, float, Standing]] = [
    (0, 0, Standing.KEPT_UP),
    (1, 0, Standing.KEPT_UP),
    (1, BEHIND_AFTER.total_seconds(), Standing.KEPT_UP),
    (1, BEHIND_AFTER.total_seconds() + 1, Standing.BEHIND),
    (LIMIT - 1, 0, Standing.KEPT_UP),
    (LIMIT, 0, Standing.FULL),
    (LIMIT + 1, 9999, Standing.FULL),
]


@pytest.mark.parametrize(("count", "oldest", "standing"), WAITS)
def test_how_long_and_how_many_decide(count: int, oldest: float, standing: Standing) -> None:
    """Of the log that has it worst, however well the others do."""
    fine, one = waiting_of("00", {}), waiting_of("01", holding(count, oldest=oldest))
    found = backlog_of([fine, one], limit=LIMIT, now=NOW)
    assert (found.standing, found.pending) == (standing, count)
    assert found.oldest_at == (NOW - timedelta(seconds=oldest) if count else None)


def test_a_log_that_never_recorded_holds_nothing() -> None:
    """Its state is empty."""
    assert waiting_of("03", {}) == Waiting("03", recorded=0, pending=0, oldest_at=None, segment="")


async def test_operators_see_what_waits(world: World, client: FakeClient) -> None:
    """Log by log, and what to make of it."""
    client.entities["audit_log/02"] = holding(3, oldest=300)
    response = await operations_audit(world, request("GET", "/operations/audit"), client)
    fits(response, "/operations/audit", "get")
    body = body_of(response)
    assert (body["standing"], body["pending"], body["limit"]) == ("behind", 3, LIMIT)
    assert [log["pending"] for log in body["logs"]] == [0, 0, 3, 0]
    assert body["logs"][2] == {
        "shard": "02",
        "recorded": 5001,
        "pending": 3,
        "oldestAt": body["oldestAt"],
        "segment": "2026-01-01",
    }


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (holding(1), None),
        (holding(2, oldest=300), "alert audit_behind pending=2 since="),
        (holding(LIMIT), "alert audit_full pending=100 since="),
    ],
    ids=["kept up", "behind", "full"],
)
async def test_who_is_on_call_is_told(
    world: World,
    client: FakeClient,
    state: dict[str, Any],
    told: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line at each look, for as long as it lasts."""
    client.entities["audit_log/01"] = state
    with caplog.at_level(logging.ERROR):
        await watch_audit(world, TIMER, client)
    assert [record.message.startswith(told or "") for record in caplog.records] == ([True] if told else [])


async def start(world: World, client: FakeClient) -> Any:
    response = await authentications(world, request("POST", "/authentications", {}), client)
    fits(response, "/authentications", "post")
    return response


async def test_while_a_log_is_full_nothing_begins(world: World, client: FakeClient, clock: Clock) -> None:
    """Said in so many words, with when to come back; and it goes on by itself once there is room."""
    client.entities["audit_log/01"] = holding(LIMIT)
    response = await start(world, client)
    assert (response.status_code, body_of(response)["code"]) == (503, "audit_full")
    assert response.headers["Retry-After"] == "60"
    assert not [call for call in client.calls if call[0] == "start_new"]
    client.entities["audit_log/01"] = holding(LIMIT - 1)
    clock.advance(KEPT_SECONDS)
    assert (await start(world, client)).status_code == 202


async def test_a_log_that_is_only_behind_turns_nobody_away(world: World, client: FakeClient) -> None:
    """Somebody is to look at it; people sign in."""
    client.entities["audit_log/01"] = holding(LIMIT - 1, oldest=9999)
    assert (await start(world, client)).status_code == 202


async def test_the_logs_are_looked_at_once_in_a_while(
    world: World, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many come at once: a start costs no look of its own."""
    looked_at, read = [], client.read_entity_state

    async def counted(entity: Any) -> Any:
        looked_at.append(entity.key)
        return await read(entity)

    monkeypatch.setattr(client, "read_entity_state", counted)
    await asyncio.gather(*(start(world, client) for _ in range(5)))
    assert sorted(looked_at) == ["00", "01", "02", "03"]


async def test_what_cannot_be_looked_at_turns_nobody_away(
    world: World, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether anything can begin, the task hub itself will say."""

    async def broken(*_: Any) -> None:
        raise OSError("the task hub is away")

    monkeypatch.setattr(client, "read_entity_state", broken)
    assert (await start(world, client)).status_code == 202


async def test_while_a_log_is_full_no_token_is_given(world: World, client: FakeClient) -> None:
    """Asked before anything of the request is used up: it is good again later."""
    client.entities["audit_log/01"] = holding(LIMIT)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    form = b"grant_type=refresh_token&refresh_token=x&client_id=sample"
    response = await token(world, request("POST", "/token", form, headers=headers), client)
    assert (response.status_code, body_of(response)["error"]) == (503, "temporarily_unavailable")
    assert response.headers["Retry-After"] == "60"


async def test_a_full_log_makes_the_service_unready(
    world: World, client: FakeClient, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And names it."""
    (tmp_path / "index.html").write_text("")
    monkeypatch.setattr(service, "WEB", tmp_path)
    client.entities["audit_log/01"] = holding(LIMIT)
    response = await healthz(world, request("GET", "/healthz"), client)
    assert (response.status_code, body_of(response)["missing"]) == (503, ["audit"])
