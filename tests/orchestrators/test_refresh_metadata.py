"""The refresh: one load, every page, one entry for each thing that changed; whatever fails is asked again."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from entities.audit_log import audit_log
from orchestrators.refresh_metadata import MAX_PAGES, PAUSES
from passkeys.acts import ACT_ID
from passkeys.audit import shard_name
from tests.entities.driver import DrivenEntity
from tests.orchestrators.episodes import START, Execution
from tests.orchestrators.refreshes import (
    LOADED,
    NOTHING,
    REFUSED,
    change,
    loaded,
    long_run,
    nothing_known,
    page,
    page_that_fails_twice,
    refused_blob,
    two_pages,
)

AT = "2026-01-01T12:00:00.000Z"


def entries(run: Execution) -> list[dict[str, Any]]:
    """The audit entries, each in the shard of its act."""
    for entity, operation, entry in run.signals():
        assert operation == "record"
        assert entity == f"@audit_log@{shard_name(entry['act_id'], 4)}"
        assert ACT_ID.match(entry["act_id"])
    return [entry for _, _, entry in run.signals()]


def test_a_refresh_loads_and_then_judges_page_by_page() -> None:
    """With the refresh's own time all along, and each page behind the one before."""
    run = two_pages()
    assert run.calls()[0] == "load_metadata"
    assert [name for name in run.calls() if name == "judge_credentials"] == ["judge_credentials"] * 2
    assert run.response is not None
    asked = [json.loads(action["input"]) for action in actions(run)]
    assert asked == [
        {"at": AT},
        {"at": AT, "cursor": ""},
        {"at": AT, "cursor": "credentials/m.json"},
    ]


def actions(run: Execution) -> list[dict[str, Any]]:
    """The calls of activities; each is asked for in a group of its own."""
    assert run.response is not None
    return [called for action in run.response.actions for called in action.get("compoundActions", ())]


def test_the_output_tells_what_was_done() -> None:
    """Small, and all numbers: what an operator looks at, and nothing personal."""
    assert two_pages().output == {
        "v": 1,
        "at": AT,
        "ended_at": "2026-01-01T12:00:01.000Z",
        **LOADED,
        "judged": 207,
        "changed": 3,
        "damaged": 0,
        "complete": True,
    }


def test_each_change_and_the_refresh_itself_are_recorded() -> None:
    """By the metadata, with the number of the BLOB, the person and the credential."""
    refreshed, first, second, third = entries(two_pages())
    assert refreshed == {
        "v": 1,
        "by": "metadata",
        "at": AT,
        "act": "metadata_refreshed",
        "act_id": refreshed["act_id"],
        "person": None,
        "credential_id": None,
        "reason": None,
        "outcome": "completed",
        "code": None,
        "facts": {"no": 43, "next_update": "2026-12-01", "stale": False, "models": 300},
    }
    assert first == {
        "v": 1,
        "by": "metadata",
        "at": AT,
        "act": "model_disabled",
        "act_id": first["act_id"],
        "person": "ada",
        "credential_id": "AQ",
        "reason": "model_prohibited:REVOKED",
        "outcome": "completed",
        "code": None,
        "facts": {"no": 43},
    }
    assert [entry["act"] for entry in (second, third)] == ["model_step_up", "model_cleared"]
    assert len({entry["act_id"] for entry in entries(two_pages())}) == 4


def test_told_again_it_is_the_same_act() -> None:
    """A run of the same refresh derives the same ids; another day, state or credential, others."""
    ids = [entry["act_id"] for entry in entries(two_pages())]
    assert [entry["act_id"] for entry in entries(two_pages())] == ids
    run = Execution(
        "refresh_metadata", {"v": 1, "audit_shards": 4, "first": False}, now=START + timedelta(days=1)
    )
    run.deliver(run.done("load_metadata", LOADED))
    run.deliver(run.done("judge_credentials", page(None, change("AQ"), change("AQ", "step_up"))))
    others = [entry["act_id"] for entry in entries(run)]
    assert len({*ids, *others}) == len(ids) + len(others)


def test_the_audit_log_takes_each_entry_once() -> None:
    """As the entity itself sees them, and however often they are sent: at least once is what a task hub promises."""
    log = DrivenEntity(audit_log, "00")
    for _ in range(2):
        log.run(*(("record", entry) for entry in entries(two_pages())))
    lines = [json.loads(line) for line in log.ask("pending")["entries"]]
    assert [line["act"] for line in lines] == [
        "metadata_refreshed",
        "model_disabled",
        "model_step_up",
        "model_cleared",
    ]


def test_a_blob_that_is_refused_is_recorded_and_judging_goes_on() -> None:
    """By what was known before: its reports come into effect on their day."""
    run = refused_blob()
    (entry,) = entries(run)
    assert (entry["outcome"], entry["code"], entry["facts"]["no"]) == ("refused", "metadata_rolled_back", 43)
    assert run.output["judged"] == 3
    assert run.output["reason"] == REFUSED["reason"]


def test_where_nothing_is_known_nobody_is_judged() -> None:
    """No metadata, no verdicts."""
    run = nothing_known()
    assert run.output["complete"] is False
    assert run.calls()[0] == "load_metadata"
    assert "judge_credentials" not in run.calls()
    assert entries(run)[0]["outcome"] == "failed"


@pytest.mark.parametrize(("result", "recorded"), [(NOTHING, 0), (LOADED, 1)])
def test_the_first_tries_are_recorded_when_one_succeeds(result: dict[str, Any], recorded: int) -> None:
    """A source that is away for a night must not fill the audit, minute by minute."""
    assert len(entries(loaded(result, first=True))) == recorded


def test_a_load_that_raises_is_a_failed_refresh() -> None:
    """The store was away: recorded, and over until the next."""
    run = Execution("refresh_metadata", {"v": 1, "audit_shards": 4, "first": False})
    run.deliver(run.failed("load_metadata"))
    assert (run.output["outcome"], run.output["reason"]) == ("failed", "dependency_failed")
    assert [entry["code"] for entry in entries(run)] == ["dependency_failed"]


def test_a_history_is_bounded_and_the_next_generation_goes_on() -> None:
    """After MAX_PAGES a new one begins where this one stopped, with what was counted, and loads nothing again."""
    run = long_run()
    assert run.outcome.status == "ContinuedAsNew"
    assert run.outcome.next_input is not None
    assert len(run.events) < 250
    assert len(entries(run)) == MAX_PAGES + 1
    request = json.loads(run.outcome.next_input)
    following = Execution("refresh_metadata", request)
    assert [json.loads(action["input"]) for action in actions(following)] == [
        {"at": AT, "cursor": f"credentials/{MAX_PAGES - 1:02}.json"}
    ]
    following.deliver(following.done("judge_credentials", page(None, change("zz"))))
    assert (following.output["judged"], following.output["changed"]) == (200 * (MAX_PAGES + 1), MAX_PAGES + 1)
    assert [entry["credential_id"] for entry in entries(following)] == ["zz"]


def test_a_page_that_fails_is_asked_again_later() -> None:
    """The same page, with the same time: what its first tries changed and could not tell is told now."""
    run = page_that_fails_twice()
    pages = [json.loads(action["input"]) for action in actions(run)][1:]
    assert pages == [{"at": AT, "cursor": ""}] * 3
    assert run.output["complete"] is True
    assert [entry["act"] for entry in entries(run)] == ["metadata_refreshed", "model_disabled"]


def test_a_page_that_fails_for_a_day_ends_the_refresh() -> None:
    """The next one is due, and may bring a program that can."""
    run = loaded()
    for _ in PAUSES:
        run.deliver(run.failed("judge_credentials"))
        run.later(hours=2)
        run.deliver(run.fired())
        if run.outcome.next_input is not None:  # the failures are counted over generations
            run = Execution("refresh_metadata", json.loads(run.outcome.next_input), now=run.now)
    run.deliver(run.failed("judge_credentials"))
    assert run.output["complete"] is False


def test_the_pauses_grow_and_end_within_a_day() -> None:
    """A blip costs a minute; a broken program does not keep the next night's metadata away."""
    assert list(PAUSES) == sorted(PAUSES)
    assert 20 <= sum(pause.total_seconds() for pause in PAUSES) / 3600 <= 24
