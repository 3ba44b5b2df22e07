"""host.json and local.settings.json: what is read, what overrides it, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local_host.failures import EXIT_APP_INVALID, StartupError
from local_host.settings import HostSettings, expand, read_host_settings, read_local_settings


def written(directory: Path, name: str, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (directory / name).write_text(text, "utf-8")
    return directory


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    """routePrefix api, 30 minutes, the tools' hub name."""
    assert read_host_settings(tmp_path, {}) == HostSettings(
        route_prefix="api",
        function_timeout_s=1800.0,
        hub_name="TestHubName",
        default_version="",
        max_activities=None,
        max_actions=None,
        overridable_states="NonRunningStates",
    )
    assert read_local_settings(tmp_path) == {}


def durable(**members: Any) -> dict[str, Any]:
    return {"extensions": {"durableTask": members}}


READ: list[tuple[Any, dict[str, str], HostSettings]] = [
    ({"extensions": {"http": {"routePrefix": ""}}}, {}, HostSettings(route_prefix="")),
    ({"extensions": {"http": {"routePrefix": "/v1/"}}}, {}, HostSettings(route_prefix="v1")),
    ({"functionTimeout": "00:05:00"}, {}, HostSettings(function_timeout_s=300.0)),
    ({"functionTimeout": "-1"}, {}, HostSettings(function_timeout_s=None)),
    (durable(hubName="%HUB%"), {"HUB": "mine"}, HostSettings(hub_name="mine")),
    (durable(maxConcurrentActivityFunctions=7), {}, HostSettings(max_activities=7)),
    (durable(maxOrchestrationActions=9), {}, HostSettings(max_actions=9)),
    (durable(overridableExistingInstanceStates="anystate"), {}, HostSettings(overridable_states="AnyState")),
    (durable(defaultVersion="2"), {}, HostSettings(default_version="2")),
    ({"logging": {"anything": 1}, "unknown": []}, {}, HostSettings()),
    ({}, {"AzureFunctionsJobHost__extensions__http__routePrefix": "x"}, HostSettings(route_prefix="x")),
    (
        durable(hubName="a"),
        {"AzureFunctionsJobHost__extensions__durableTask__hubName": "b"},
        HostSettings(hub_name="b"),
    ),
]


@pytest.mark.parametrize(("content", "environ", "expected"), READ)
def test_host_json_is_read(
    tmp_path: Path, content: Any, environ: dict[str, str], expected: HostSettings
) -> None:
    """Each setting that this host obeys, from the file or from an app setting that overrides it."""
    assert read_host_settings(written(tmp_path, "host.json", content), environ) == expected


BAD = [
    ("{", "settings_unreadable"),
    ("[]", "settings_unreadable"),
    ({"functionTimeout": "five"}, "host_json_invalid"),
    ({"extensions": []}, "host_json_invalid"),
    (durable(hubName="1x"), "host_json_invalid"),
    (durable(hubName="%UNSET%"), "setting_missing"),
    (durable(overridableExistingInstanceStates="Some"), "host_json_invalid"),
    (durable(maxConcurrentActivityFunctions=0), "host_json_invalid"),
    (durable(maxOrchestrationActions=0), "host_json_invalid"),
    (durable(maxConcurrentActivityFunctions="many"), "host_json_invalid"),
]


@pytest.mark.parametrize(("content", "code"), BAD)
def test_a_host_json_that_makes_no_sense_is_refused(tmp_path: Path, content: Any, code: str) -> None:
    """Exit code 5 and a sentence with the file's name."""
    with pytest.raises(StartupError, match=r"host\.json") as caught:
        read_host_settings(written(tmp_path, "host.json", content), {})
    assert (caught.value.code, caught.value.exit_code) == (code, EXIT_APP_INVALID)


def test_local_settings_become_texts(tmp_path: Path) -> None:
    """Values are strings, numbers and booleans; null is absent; a byte-order mark does no harm."""
    values = {"A": "x", "B": 1, "C": True, "D": None, "E": ""}
    written(tmp_path, "local.settings.json", "\ufeff" + json.dumps({"IsEncrypted": False, "Values": values}))
    assert read_local_settings(tmp_path) == {"A": "x", "B": "1", "C": "true", "E": ""}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        {"IsEncrypted": True},
        {"Values": []},
        {"Values": {"A": {}}},
        {"Values": {"A=B": "x"}},
        {"Values": {"A": "\0"}},
    ],
    ids=repr,
)
def test_local_settings_that_cannot_be_used_are_refused(tmp_path: Path, content: Any) -> None:
    """Not JSON, encrypted, nested, or no possible environment variable."""
    with pytest.raises(StartupError):
        read_local_settings(written(tmp_path, "local.settings.json", content))


def test_settings_are_expanded_by_name() -> None:
    """%NAME% becomes the setting's value; an unset one is named in the error."""
    assert expand("a-%X%-%Y%", {"X": "1", "Y": ""}) == "a-1-"
    assert expand("100%", {}) == "100%"
    with pytest.raises(LookupError, match="NO"):
        expand("%NO%", {})
