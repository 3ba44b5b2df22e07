"""What the Durable API's handlers read of a request: bodies, flags, numbers, times, filters.

Each function raises BadRequest with a sentence for the caller when the request cannot be understood.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from local_host.model import ACTIVE, FINISHED, InstanceFilter

STATUSES = frozenset({*ACTIVE, *FINISHED, "Canceled"})
CONTINUATION = "x-ms-continuation-token"
DEFAULT_PAGE = 100
LONGEST_PAGE = 10_000
# A caller that asks to wait longer than Azure's front end would hold the connection gets its links after this long.
LONGEST_WAIT_S = 230.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request, decoded. `parts` are the path segments below the API's base, `query` names are lower case."""

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    content_type: str
    body: bytes
    continuation: str | None
    url: str | None  # the caller's own URL, query and key included; None on the RPC listener


class BadRequest(Exception):
    """The request cannot be understood: 400 with this text."""


def wait_seconds(call: Call) -> float | None:
    """How long the caller wants to wait for the outcome. Both numbers are needed; one alone means no wait."""
    timeout, interval = _seconds(call, "timeout"), _seconds(call, "pollinginterval")
    if timeout is None or interval is None:
        return None
    if interval > timeout:
        raise BadRequest("pollingInterval must not be longer than timeout.")
    return min(timeout, LONGEST_WAIT_S)


def _seconds(call: Call, name: str) -> float | None:
    text = call.query.get(name)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        raise BadRequest(f"{name} is not a number of seconds.") from None
    if not 0 <= seconds < 1e9:
        raise BadRequest(f"{name} is not a number of seconds.")
    return seconds


def json_text(body: bytes) -> str | None:
    """The body as it is stored: None when empty, else its own text once it has proved to be JSON."""
    if not body:
        return None
    try:
        text = body.decode("utf-8")
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not JSON: {error}") from None
    return text


def compact_json(body: bytes) -> str | None:
    """As `json_text`, without blanks between the tokens: what the SDK sends, one JSON string, has none."""
    text = json_text(body)
    if text is None or text.startswith('"'):
        return text
    return json.dumps(json.loads(text), separators=(",", ":"))


def plain_text(body: bytes) -> str:
    """A body of any other content type as a JSON string."""
    try:
        return json.dumps(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8 text.") from None


def is_json(content_type: str) -> bool:
    """Whether a Content-Type says JSON, whatever its case and parameters."""
    return content_type.partition(";")[0].strip().lower() == "application/json"


def instance_filter(call: Call) -> InstanceFilter:
    """Creation times, statuses and prefix that a list or purge asks for."""
    names = [name.strip() for name in call.query.get("runtimestatus", "").split(",") if name.strip()]
    known = {status.lower(): status for status in STATUSES}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise BadRequest(f"runtimeStatus {unknown[0]!r} is none of {', '.join(sorted(STATUSES))}.")
    return InstanceFilter(
        created_from=instant(call, "createdtimefrom"),
        created_to=instant(call, "createdtimeto"),
        statuses=tuple(known[name.lower()] for name in names) or None,
        prefix=call.query.get("instanceidprefix") or None,
    )


def instant(call: Call, name: str) -> datetime | None:
    """A time of the query, UTC when it says nothing else."""
    text = call.query.get(name)
    if not text:
        return None
    try:
        # A plus sign in a query is a blank; an offset with one was most likely meant as such.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} is not an ISO 8601 time.") from None


def page_size(call: Call) -> int:
    """`top`, or the extension's default; never more than LONGEST_PAGE."""
    text = call.query.get("top")
    if not text:
        return DEFAULT_PAGE
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) > 0):
        raise BadRequest("top is not a number above zero.")
    return min(int(text), LONGEST_PAGE)


def flag(call: Call, name: str, *, default: bool) -> bool:
    """True or false, whatever the case; the SDK writes them with a capital."""
    text = call.query.get(name)
    if not text:
        return default
    if text.lower() not in {"true", "false"}:
        raise BadRequest(f"{name} is neither true nor false.")
    return text.lower() == "true"


def entity_key(call: Call) -> str:
    """The key of `entities/{name}/{key}`; `$` is how the extension writes the empty one."""
    return "" if call.parts[2] == "$" else call.parts[2]
