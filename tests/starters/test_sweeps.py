"""Housekeeping: what nobody needs any more goes, nothing else does, and operators see when and how much."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from passkeys import housekeeping
from passkeys.housekeeping import Swept
from passkeys.tickets import digest_of, find_ticket, issue_ticket, redeem_ticket
from passkeys.world import World
from starters import sweeps
from starters.sweeps import (
    PURGE_REACH,
    PURGE_WINDOW,
    PURGE_WINDOWS,
    operations_housekeeping,
    purge_ceremonies,
    sweep_shown_once,
    sweep_tickets,
)
from tests.starters.fakes import NOW, FakeClient, body_of, instance, request
from tests.starters.test_openapi import fits

TIMER: Any = None
DAY = timedelta(days=1)
KEPT = 30 * DAY


def begun(client: FakeClient, name: str, ago: timedelta, status: str = "Completed") -> str:
    at = (NOW - ago).isoformat().replace("+00:00", "Z")
    client.instances[name] = {**instance(name, status), "createdTime": at}
    return name


async def noted(world: World, name: str = "ceremonies") -> Swept:
    found = await housekeeping.last(world.store, name)
    assert found is not None
    return found


async def has_come(world: World, ago: timedelta) -> None:
    await housekeeping.note(world.store, "ceremonies", Swept("x", 0, None, (NOW - ago).isoformat()))


async def test_what_ended_long_ago_is_purged(world: World, client: FakeClient) -> None:
    """However it ended; what is younger stays, and so does what runs, however old."""
    for status in ("Completed", "Failed", "Terminated"):
        begun(client, f"old-{status}", KEPT + DAY, status)
    stay = {
        begun(client, "young", KEPT - timedelta(minutes=1)),
        begun(client, "runs", KEPT + DAY, "Running"),
        begun(client, "@rate_limiter@x", KEPT + DAY, "Running"),
    }
    await has_come(world, KEPT + 40 * PURGE_WINDOW)
    await purge_ceremonies(world, TIMER, client)
    assert set(client.instances) == stay
    assert (await noted(world)).count == 3
    await purge_ceremonies(world, TIMER, client)
    assert set(client.instances) == stay
    assert (await noted(world)).count == 0


async def test_it_goes_through_the_past_in_small_windows(world: World, client: FakeClient) -> None:
    """So many in a run, without a gap; from the beginning of what there can be to the day that is kept."""
    for _ in range(3):
        await purge_ceremonies(world, TIMER, client)
    windows = [call[1:] for call in client.calls]
    assert len(windows) == 3 * PURGE_WINDOWS
    assert windows[0][0] == NOW - PURGE_REACH
    assert {end - begin for begin, end in windows} == {PURGE_WINDOW}
    assert all(before[1] == after[0] for before, after in pairwise(windows))
    client.calls.clear()
    await has_come(world, KEPT + timedelta(minutes=90))
    await purge_ceremonies(world, TIMER, client)
    assert [end - begin for _, begin, end in client.calls] == [PURGE_WINDOW, timedelta(minutes=30)]
    assert (await noted(world)).up_to == "2025-12-02T12:00:00.000Z"
    client.calls.clear()
    await purge_ceremonies(world, TIMER, client)
    assert client.calls == []


async def test_a_purge_that_fails_goes_on_where_it_was(
    world: World, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had done is noted, and the failure; the next run finishes it. So it is if the days are raised meanwhile."""
    begun(client, "old", KEPT + timedelta(minutes=5))
    await has_come(world, KEPT + 3 * PURGE_WINDOW)
    purge, asked = client.purge_instance_history_by, []

    async def dies(begin: datetime, end: datetime, statuses: Any) -> Any:
        asked.append(begin)
        if len(asked) == 3:
            raise OSError("the task hub is gone")
        return await purge(begin, end, statuses)

    monkeypatch.setattr(client, "purge_instance_history_by", dies)
    with pytest.raises(OSError, match="gone"):
        await purge_ceremonies(world, TIMER, client)
    failed = await noted(world)
    assert (failed.count, failed.failed) == (None, "OSError")
    assert failed.up_to == (NOW - KEPT - PURGE_WINDOW).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    await purge_ceremonies(world, TIMER, client)
    assert asked[3] == asked[2]
    assert client.instances == {}
    longer = replace(world, settings=replace(world.settings, ceremony_days=60))
    await purge_ceremonies(longer, TIMER, client)
    assert (await noted(world)).up_to == "2025-11-02T12:00:00.000Z"


async def test_expired_tickets_go_a_day_later(world: World, client: FakeClient) -> None:
    """Used or not; one that can still be used stays, also for the ceremony that it has started."""
    made = {
        name: await issue_ticket(
            world.store, name, seconds=3600, now=NOW - ago, random_bytes=world.random_bytes
        )
        for name, ago in {
            "gone": timedelta(hours=25, seconds=1),
            "used": timedelta(hours=30),
            "late": timedelta(hours=24),
            "good": timedelta(minutes=1),
        }.items()
    }
    await redeem_ticket(
        world.store, digest_of(made["used"]), person="used", ceremony_id="r", credential_id="c"
    )
    await sweep_tickets(world, TIMER, client)
    left = {name async for name in world.store.list("tickets/")}
    assert left == {f"tickets/{digest_of(made[name])}.json" for name in ("late", "good")}
    assert await find_ticket(world.store, digest_of(made["good"]), now=NOW)
    assert (await noted(world, "tickets")).count == 2


async def test_operators_see_what_each_sweep_did_last(
    world: World, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When, how much, and the class of what went wrong, which the log has whole; nothing before the first."""

    async def seen() -> Any:
        response = await operations_housekeeping(world, request("GET", "/operations/housekeeping"), client)
        fits(response, "/operations/housekeeping", "get")
        return body_of(response)["sweeps"]

    assert await seen() == []
    await sweep_tickets(world, TIMER, client)
    await sweep_shown_once(world, TIMER, client)
    at = "2026-01-01T12:00:00.000Z"
    well = {"at": at, "count": 0, "failed": None, "upTo": None}
    assert await seen() == [{"name": "shown_once", **well}, {"name": "tickets", **well}]

    async def fails(*_: Any, **__: Any) -> int:
        raise ValueError("a secret, perhaps")

    monkeypatch.setattr(sweeps, "forget_tickets", fails)
    with pytest.raises(ValueError, match="perhaps"):
        await sweep_tickets(world, TIMER, client)
    assert (await seen())[1] == {
        "name": "tickets",
        "at": at,
        "count": None,
        "failed": "ValueError",
        "upTo": None,
    }
