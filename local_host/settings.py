"""What the host reads before it loads an app: host.json and local.settings.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local_host.failures import app_invalid
from local_host.ncrontab import ScheduleError, parse_timespan

OVERRIDE_PREFIX = "AzureFunctionsJobHost__"
DEFAULT_TIMEOUT = timedelta(minutes=30)
_EXPRESSION = re.compile(r"%([^%]+)%")
_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,44}")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """The part of host.json that this host obeys; everything else in the file is left to Azure."""

    route_prefix: str = "api"
    function_timeout_s: float | None = DEFAULT_TIMEOUT.total_seconds()
    hub_name: str = "TestHubName"
    default_version: str = ""
    max_activities: int | None = None
    max_actions: int | None = None
    overridable_states: str = "NonRunningStates"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, or an empty one when there is no file. Raises StartupError."""
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise app_invalid(
            "settings_unreadable", f"{path} cannot be read as JSON: {error}.", "Correct the file."
        ) from error
    if not isinstance(value, dict):
        raise app_invalid("settings_unreadable", f"{path} does not hold a JSON object.", "Correct the file.")
    return value


def read_local_settings(app_directory: Path) -> dict[str, str]:
    """`Values` of local.settings.json as environment variables; empty without the file. Raises StartupError."""
    path = app_directory / "local.settings.json"
    content = read_json(path)
    if content.get("IsEncrypted"):
        raise app_invalid(
            "settings_encrypted",
            f"{path} is encrypted, which this host cannot read.",
            "Run: func settings decrypt",
        )
    values = content.get("Values", {})
    if not isinstance(values, dict) or any(isinstance(value, dict | list) for value in values.values()):
        raise app_invalid(
            "settings_invalid", f"`Values` in {path} is not a flat object.", "Correct the file."
        )
    texts = {name: _as_text(value) for name, value in values.items() if value is not None}
    for name, value in texts.items():
        if not name or "=" in name or "\0" in name + value:
            raise app_invalid(
                "settings_invalid", f"{name!r} in {path} cannot be an app setting.", "Rename it."
            )
    return texts


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace each %NAME% by that app setting. Raises LookupError with the name when it is not set."""

    def replace(found: re.Match[str]) -> str:
        value = environ.get(found[1])
        if value is None:
            raise LookupError(found[1])
        return value

    return _EXPRESSION.sub(replace, text)


def read_host_settings(app_directory: Path, environ: Mapping[str, str]) -> HostSettings:
    """host.json, overridden by app settings AzureFunctionsJobHost__a__b, as the Functions host does. Raises StartupError."""
    content = read_json(app_directory / "host.json")
    for name, value in environ.items():
        if name.startswith(OVERRIDE_PREFIX):
            _override(content, name.removeprefix(OVERRIDE_PREFIX).split("__"), value)
    try:
        return _host_settings(content, environ)
    except LookupError as error:
        raise app_invalid(
            "setting_missing",
            f"host.json refers to %{error.args[0]}%, which is not set.",
            "Set that app setting.",
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise app_invalid(
            "host_json_invalid", f"host.json is not valid: {error}.", "Correct the file."
        ) from error


def _override(content: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        nested = content.setdefault(part, {})
        content = nested if isinstance(nested, dict) else {}
    content[path[-1]] = value


def _host_settings(content: Mapping[str, Any], environ: Mapping[str, str]) -> HostSettings:
    extensions = content.get("extensions", {})
    http = extensions.get("http", {})
    durable = extensions.get("durableTask", {})
    default = HostSettings()
    hub_name = expand(str(durable.get("hubName", default.hub_name)), environ)
    if not _HUB_NAME.fullmatch(hub_name):
        raise ValueError(f"hubName {hub_name!r} is not a letter followed by up to 44 letters and digits")
    states = str(durable.get("overridableExistingInstanceStates", default.overridable_states))
    if states.lower() not in {"nonrunningstates", "anystate"}:
        raise ValueError(
            f"overridableExistingInstanceStates {states!r} is neither NonRunningStates nor AnyState"
        )
    return HostSettings(
        route_prefix=str(http.get("routePrefix", default.route_prefix)).strip("/"),
        function_timeout_s=_timeout_s(content.get("functionTimeout")),
        hub_name=hub_name,
        default_version=str(durable.get("defaultVersion") or ""),
        max_activities=_at_least_one(durable, "maxConcurrentActivityFunctions"),
        max_actions=_at_least_one(durable, "maxOrchestrationActions"),
        overridable_states="AnyState" if states.lower() == "anystate" else "NonRunningStates",
    )


def _at_least_one(section: Mapping[str, Any], name: str) -> int | None:
    """A limit of host.json, or None when it is not set."""
    given = section.get(name)
    if given is None:
        return None
    if int(given) < 1:
        raise ValueError(f"{name} is below 1")
    return int(given)


def _timeout_s(text: object) -> float | None:
    """Seconds, or None for «-1»: no limit."""
    if text is None:
        return DEFAULT_TIMEOUT.total_seconds()
    if str(text) in {"-1", "-00:00:01"}:
        return None
    try:
        return parse_timespan(str(text)).total_seconds()
    except ScheduleError as error:
        raise ValueError(f"functionTimeout: {error}") from error
