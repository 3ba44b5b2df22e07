"""The seam to the SDK: call an orchestrator's handle, understand its answer, and parse timestamps faster than it does.

`azure.durable_functions` parses the timestamp of every event with dateutil, which is nine tenths of a replay's time.
`use_fast_timestamps` puts a parser in its place that knows this host's own fixed form and leaves every other text to
dateutil. The values are equal: the same instant, the same time zone object.
"""

from __future__ import annotations

import importlib
import json
from collections import namedtuple
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from dateutil.parser import parse as dateutil_parse

from local_host.history import cleaned
from local_host.log import mask

ERROR_LABEL = "$OutOfProcData$:"
_SCHEMA = 2
_OWN_FORM_LENGTH = 27  # 2026-01-02T03:04:05.678901Z


class Request(NamedTuple):
    """What a handle receives: the SDK only reads `body`."""

    body: str


class Response(NamedTuple):
    """An orchestrator's answer, or what is known of it when there was none."""

    actions: list[dict[str, Any]]
    is_done: bool
    error: str | None
    output: str | None
    custom_status: str | None
    walked: bool = True  # false: the function gave no actions to walk, only an error


_compact = json.JSONEncoder(separators=(",", ":")).encode


def run_orchestrator(handle: Callable[[Any], str], body: str) -> Response:
    """One call of the function. Never raises for what the function does: that is an answer with `error`."""
    try:
        text = handle(Request(body))
    except Exception as error:  # noqa: BLE001 - whatever app code raises is its outcome
        return _from_exception(error)
    return _from_state(json.loads(text))


def _from_exception(error: Exception) -> Response:
    message = str(error)
    # Extension, out-of-process errors: the state follows the label; without one there is nothing to walk.
    before, label, state = message.partition(ERROR_LABEL)
    if label:
        try:
            return _from_state(json.loads(state))
        except (ValueError, KeyError, TypeError):
            message = before.strip()
    return Response([], False, _told(message or type(error).__name__), None, None, walked=False)


def _from_state(state: dict[str, Any]) -> Response:
    if state.get("schemaVersion") != _SCHEMA:
        raise ValueError(
            f"The SDK answered with schema version {state.get('schemaVersion')}; this host knows {_SCHEMA}."
        )
    status = state.get("customStatus")
    return Response(
        actions=state["actions"][0],
        is_done=bool(state["isDone"]),
        error=_told(state.get("error")),
        output=None if state.get("output") is None else _compact(state["output"]),
        custom_status=None if status is None else _compact(status),
    )


def _told(error: str | None) -> str | None:
    """An error as it may travel and be stored. The host masks it before the engine sees it, and so do we."""
    return None if error is None else cleaned(mask(error))


def fast_parser(fallback: Callable[[str], datetime] = dateutil_parse) -> Callable[[str], datetime]:
    """A function equal to `fallback` for every text, and some fifty times as fast for this host's own timestamps."""
    # dateutil gives UTC or, where the local zone is called UTC, the local zone; ask it rather than know it.
    zone = fallback("2026-01-02T03:04:05.678901Z").tzinfo
    parse = datetime.fromisoformat

    def parse_timestamp(text: str) -> datetime:
        if (
            len(text) == _OWN_FORM_LENGTH
            and text[4] == text[7] == "-"
            and text[10] == "T"
            and text[19] == "."
            and text[26] == "Z"
        ):
            try:
                return parse(text[:26]).replace(tzinfo=zone)
            except ValueError:
                pass
        return fallback(text)

    return parse_timestamp


def use_fast_timestamps() -> None:
    """Replace the SDK's timestamp parser for this process."""
    module = importlib.import_module("azure.durable_functions.models.history.HistoryEvent")
    module.dt_parse = fast_parser(dateutil_parse)  # type: ignore[attr-defined]


def keep_payload_class() -> None:
    """Let the SDK's executor make its small tuple class once instead of in every episode: a fifth of a short replay.

    The class is the same whenever it is made; only the making, which compiles source text, is spared.
    """
    module = importlib.import_module("azure.durable_functions.models.TaskOrchestrationExecutor")
    module.namedtuple = cache(namedtuple)  # type: ignore[attr-defined]  # noqa: PYI024 - the SDK's own call
