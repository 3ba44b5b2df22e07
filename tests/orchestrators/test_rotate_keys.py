"""A turn of the signing keys: every change is recorded once, and then no longer told."""

from __future__ import annotations

import json
from typing import Any

from entities.audit_log import audit_log
from passkeys.acts import ACT_ID
from passkeys.audit import shard_name
from tests.entities.driver import DrivenEntity
from tests.orchestrators.rotations import AT, CHANGES, next_key_signs, nothing_due


def asked(run: Any) -> list[dict[str, Any]]:
    actions = [called for action in run.response.actions for called in action.get("compoundActions", ())]
    return [json.loads(action["input"]) for action in actions]


def test_where_nothing_is_due_nothing_is_recorded() -> None:
    """One activity, no signal, an end."""
    run = nothing_due()
    assert asked(run) == [{"told": []}]
    assert list(run.signals()) == []
    assert run.output == {"v": 1, "at": "2026-01-01T12:00:01.000Z", "changes": 0}


def test_what_changed_is_recorded_and_then_confirmed() -> None:
    """By which key, by whom, when it happened; the changes go back when the audit has been told."""
    run = next_key_signs()
    assert asked(run) == [{"told": []}, {"told": CHANGES}]
    assert run.output["changes"] == 2
    recorded = [entry for _, _, entry in run.signals()]
    for entity, operation, entry in run.signals():
        assert operation == "record"
        assert entity == f"@audit_log@{shard_name(entry['act_id'], 4)}"
    assert [(entry["act"], entry["facts"]["key_id"], entry["by"]) for entry in recorded] == [
        ("key_retired", "old", "service:rotation"),
        ("key_signing", "new", "service:rotation"),
    ]
    assert {entry["at"] for entry in recorded} == {AT}


def test_told_again_it_is_the_same_act() -> None:
    """A turn that died behind its signals is run again; the audit log takes what it has for what it has."""
    first, again = ([entry for _, _, entry in next_key_signs().signals()] for _ in range(2))
    log = DrivenEntity(audit_log, "00")
    for entry in [*first, *again]:
        assert ACT_ID.match(entry["act_id"])
        log.run(("record", entry))
    assert log.kept["seq"] == 1
