"""The life of sessions in the audit: one entry a fact, few for what is refused, and alerts that can be counted."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from entities.audit_log import audit_log
from passkeys import once
from passkeys.acts import BY_SERVICE, Act
from passkeys.audit import verify
from passkeys.directory import PERSON_ID
from passkeys.errors import AuditUnavailable
from passkeys.world import World
from starters.session_acts import alert, record_refusal, record_session
from tests.entities.driver import DrivenEntity
from tests.starters.fakes import NOW, FakeClient

SESSION = "c2Vzc2lvbi1vZi1hZGFzLg"
ADAS: dict[str, Any] = {
    "person": "ada",
    "client_id": "sample",
    "session": SESSION,
    "credential_id": "YWRhcw",
}


def entries_of(client: FakeClient) -> list[dict[str, Any]]:
    """What the audit was told, and where."""
    return [call[3] for call in client.calls if call[0] == "signal_entity"]


async def test_the_same_fact_is_the_same_act_and_is_recorded_once(world: World, client: FakeClient) -> None:
    """A request that is made again has the same id, whenever that is; the audit's own shard drops it, and takes the next."""
    later = replace(world, clock=lambda: NOW + timedelta(seconds=3))
    await record_session(world, client, Act.TOKENS_REFRESHED, facts=(SESSION, "2"), by="ada", **ADAS)
    await record_session(later, client, Act.TOKENS_REFRESHED, facts=(SESSION, "2"), by="ada", **ADAS)
    await record_session(later, client, Act.TOKENS_REFRESHED, facts=(SESSION, "3"), by="ada", **ADAS)
    first, again, other = entries_of(client)
    assert first["act_id"] == again["act_id"] != other["act_id"]
    shard = DrivenEntity(audit_log, "00")
    for entry in (first, again, other):
        shard.ask("record", entry)
    lines = [line.encode() + b"\n" for _, line in shard.kept["pending"]]
    assert verify(lines, shard="00").seq == 1


async def test_an_entry_says_who_where_and_by_which_passkey(world: World, client: FakeClient) -> None:
    """Its members are those of every act, with the application and the session; more are told beside them, and shadow none."""
    await record_session(
        world, client, Act.TOKENS_REFRESHED, facts=("1",), by="ada", claims_stale=True, v=7, **ADAS
    )
    (entry,) = entries_of(client)
    assert entry.pop("act_id").startswith("act-")
    assert entry == {
        **ADAS,
        "policy_version": world.policy_version,
        "v": 1,
        "act": "tokens_refreshed",
        "by": "ada",
        "claims_stale": True,
        "reason": None,
        "outcome": "completed",
        "code": None,
        "at": "2026-01-01T12:00:00.000Z",
    }


async def test_what_is_refused_is_recorded_once_an_hour(world: World, client: FakeClient) -> None:
    """A thousand forged tokens of one session are one entry; another code, session or hour has its own; all of it is swept."""
    named = {name: ADAS[name] for name in ("person", "client_id", "credential_id")}
    for minutes, session, code in [
        (0, "a", "x"),
        (59, "a", "x"),
        (0, "a", "y"),
        (0, "b", "x"),
        (60, "a", "x"),
    ]:
        at = replace(world, clock=lambda minutes=minutes: NOW + timedelta(minutes=minutes))
        await record_refusal(at, client, code, session=session, **named)
    told = entries_of(client)
    assert [(entry["session"], entry["code"]) for entry in told] == [
        ("a", "x"),
        ("a", "y"),
        ("b", "x"),
        ("a", "x"),
    ]
    assert {(entry["act"], entry["outcome"], entry["by"]) for entry in told} == {
        ("tokens_refused", "refused", BY_SERVICE)
    }
    assert await once.sweep(world.store, now=NOW + timedelta(minutes=59)) == 0
    assert await once.sweep(world.store, now=NOW + timedelta(minutes=200)) == 4


async def test_an_audit_that_cannot_be_told_is_no_success(world: World, client: FakeClient) -> None:
    """The caller hears of it, answers 503, and is asked again."""

    async def broken(*_: Any) -> None:
        raise OSError("the task hub is gone")

    client.signal_entity = broken  # type: ignore[method-assign]
    with pytest.raises(AuditUnavailable):
        await record_session(world, client, Act.TOKENS_ISSUED, facts=(SESSION,), by="ada", **ADAS)


def test_an_alert_is_one_line_that_can_be_counted(caplog: pytest.LogCaptureFixture) -> None:
    """At ERROR, with the code right behind the word."""
    with caplog.at_level(logging.INFO):
        alert("refresh_reused", session=SESSION, client_id="sample")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", f"alert refresh_reused session={SESSION} client_id=sample")
    ]


def test_nobody_can_be_called_as_the_service_is() -> None:
    """Who acts when nobody does is no possible person."""
    assert not PERSON_ID.match(BY_SERVICE)
