"""Refreshes of the metadata as scripts: what the task hub delivers, episode by episode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrators.refresh_metadata import MAX_PAGES
from tests.orchestrators.episodes import Execution

Json = dict[str, Any]
REQUEST: Json = {"v": 1, "audit_shards": 4, "first": False}
LOADED: Json = {
    "outcome": "updated",
    "reason": None,
    "detail": "",
    "no": 43,
    "next_update": "2026-12-01",
    "stale": False,
    "models": 300,
}
REFUSED: Json = {
    **LOADED,
    "outcome": "refused",
    "reason": "metadata_rolled_back",
    "detail": "number 42, after 43",
}
NOTHING: Json = {
    **LOADED,
    "outcome": "failed",
    "reason": "metadata_unreachable",
    "detail": "away",
    "no": None,
    "next_update": None,
    "models": 0,
}


def change(
    credential_id: str, state: str = "disabled", reason: str | None = "model_prohibited:REVOKED"
) -> Json:
    """One change of judge_credentials."""
    return {"credential_id": credential_id, "person": "ada", "state": state, "reason": reason}


def page(cursor: str | None, *changes: Json, judged: int = 200) -> Json:
    """A result of judge_credentials."""
    return {"cursor": cursor, "judged": judged, "damaged": 0, "changes": list(changes)}


def loaded(result: Json = LOADED, **request: Any) -> Execution:
    """A refresh whose BLOB has been loaded."""
    run = Execution("refresh_metadata", {**REQUEST, **request})
    run.later(seconds=1)
    run.deliver(run.done("load_metadata", result))
    return run


def two_pages() -> Execution:
    run = loaded()
    run.deliver(
        run.done("judge_credentials", page("credentials/m.json", change("AQ"), change("Ag", "step_up")))
    )
    run.deliver(run.done("judge_credentials", page(None, change("Aw", "active", None), judged=7)))
    return run


def refused_blob() -> Execution:
    run = loaded(REFUSED)
    run.deliver(run.done("judge_credentials", page(None, judged=3)))
    return run


def nothing_known() -> Execution:
    return loaded(NOTHING)


def long_run() -> Execution:
    run = loaded()
    for number in range(MAX_PAGES):
        run.deliver(
            run.done("judge_credentials", page(f"credentials/{number:02}.json", change(f"A{number}")))
        )
    return run


def page_that_fails_twice() -> Execution:
    run = loaded()
    for _ in range(2):
        run.deliver(run.failed("judge_credentials"))
        run.later(hours=2)
        run.deliver(run.fired())
    run.deliver(run.done("judge_credentials", page(None, change("AQ"))))
    return run


REFRESHES: dict[str, Callable[[], Execution]] = {
    "refresh_two_pages": two_pages,
    "refresh_refused": refused_blob,
    "refresh_nothing_known": nothing_known,
    "refresh_continued": long_run,
    "refresh_page_failed": page_that_fails_twice,
}
