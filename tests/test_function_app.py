"""The table of contents: everything that is used is registered, plainly, under its own name."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import ROOT

PROGRAM = """
import inspect, json, function_app
print(json.dumps([
    {
        "name": function.get_function_name(),
        "bindings": [json.loads(text) for text in function.get_raw_bindings()],
        "parameters": list(inspect.signature(function.get_user_function()).parameters),
        "is_async": inspect.iscoroutinefunction(function.get_user_function()),
    }
    for function in function_app.app.get_functions()
]))
"""


def index(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Import function_app in a process of its own: an app can be indexed once in a process."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PASSKEYS_", "WEBSITE_", "AZURE_"))}
    environment = {**clean, "LOCAL_HOST_STATE": str(tmp_path), **environ}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every registered function by name."""
    done = index(tmp_path_factory.mktemp("app"))
    assert done.returncode == 0, done.stderr
    return {function["name"]: function for function in json.loads(done.stdout)}


def trigger(function: dict[str, Any]) -> dict[str, Any]:
    return next(dict(binding) for binding in function["bindings"] if binding["type"].endswith("Trigger"))


def named(functions: dict[str, dict[str, Any]], kind: str) -> set[str]:
    return {name for name, function in functions.items() if trigger(function)["type"] == kind}


def test_the_app_is_what_the_design_says(functions: dict[str, dict[str, Any]]) -> None:
    """Orchestrators, entities, activities, timers and HTTP functions, by their own names and no others."""
    assert named(functions, "orchestrationTrigger") == {
        "register_passkey",
        "authenticate_passkey",
        "recover_account",
        "administer_credential",
        "administer_session",
        "end_access",
        "issue_recovery_ticket",
        "flush_audit",
        "seal_audit_trail",
        "refresh_metadata",
        "rotate_keys",
    }
    assert named(functions, "entityTrigger") == {"rate_limiter", "audit_log"}
    assert named(functions, "timerTrigger") == {
        "start_audit_flush",
        "watch_audit",
        "start_audit_seal",
        "sweep_rate_limiters",
        "sweep_families",
        "sweep_shown_once",
        "sweep_used_tokens",
        "sweep_tickets",
        "purge_ceremonies",
        "start_key_rotation",
    }
    assert named(functions, "activityTrigger") == {
        path.stem
        for path in (ROOT / "activities").glob("*.py")
        if path.stem not in {"__init__", "retries", "own_credentials"}
    }


def test_every_name_that_orchestrators_use_is_registered(functions: dict[str, dict[str, Any]]) -> None:
    """An unknown activity or entity would hang the instance for ever on Azure, without a word."""
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "orchestrators").glob("*.py"))
    activities = set(
        re.findall(r'(?:call\(|call_activity\(\s*|activity=|issue=|verify=|record=)"(\w+)"', text)
    )
    entities = set(re.findall(r'EntityId\("(\w+)"', text))
    assert len(activities) == 18
    assert activities <= named(functions, "activityTrigger")
    assert entities == named(functions, "entityTrigger")


def test_every_name_that_starters_use_is_registered(functions: dict[str, dict[str, Any]]) -> None:
    """The same for what starters start and signal."""
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "starters").glob("*.py"))
    started = set(
        re.findall(
            r'(?:start_new\(\s*|_start_single\(client, |(?:Kind|Act)\.\w+: |ORCHESTRATOR = )"(\w+)"', text
        )
    )
    assert started == named(functions, "orchestrationTrigger")
    assert set(re.findall(r'EntityId\("(\w+)"', text)) == named(functions, "entityTrigger")


def test_starters_and_orchestrators_agree_on_event_names() -> None:
    """Event names are matched by exact case, and live on both sides of the task hub."""
    from orchestrators import ceremony as waits
    from starters import ceremonies as raises

    assert (waits.RESPONSE_EVENT, waits.CANCEL_EVENT) == (raises.RESPONSE_EVENT, raises.CANCEL_EVENT)


def test_bindings_are_parameters(functions: dict[str, dict[str, Any]]) -> None:
    """The worker refuses an app whose bindings and parameters differ; contexts must be called `context`."""
    for function in functions.values():
        bound = {binding["name"] for binding in function["bindings"]} - {"$return"}
        assert bound == set(function["parameters"]), function["name"]
        if trigger(function)["type"] in {"orchestrationTrigger", "entityTrigger"}:
            assert function["parameters"] == ["context"]


def test_all_but_orchestrators_and_entities_are_async(functions: dict[str, dict[str, Any]]) -> None:
    """Trace context is lost in the thread pool; orchestrators and entities are called, not awaited."""
    plain = {name for name, function in functions.items() if not function["is_async"]}
    assert plain == named(functions, "orchestrationTrigger") | named(functions, "entityTrigger")


def test_only_plain_functions_are_registered() -> None:
    """No module but function_app knows a decorator of the SDK: every function can be called by hand."""
    for folder in ("orchestrators", "activities", "entities", "starters"):
        for path in (ROOT / folder).glob("*.py"):
            assert not re.search(r"DFApp|Blueprint|_trigger\(|\.route\(", path.read_text("utf-8")), path


def test_the_api_document_lists_exactly_the_registered_routes(functions: dict[str, dict[str, Any]]) -> None:
    """A route that is not described, or described and not there, is a broken promise."""
    from starters.openapi import document

    routes = {
        "/" + trigger(function)["route"].strip("/").replace("{*", "{")
        for function in functions.values()
        if trigger(function)["type"] == "httpTrigger"
    }
    assert routes == set(document()["paths"])


@pytest.mark.parametrize("door", ["off", "on"])
def test_the_conformance_door_is_there_only_when_it_is_opened(tmp_path: Path, door: str) -> None:
    """Four more functions with the setting, and none without; the API document of each says the same."""
    from starters.openapi import document

    done = index(tmp_path, PASSKEYS_CONFORMANCE=door)
    assert done.returncode == 0, done.stderr
    routes = {
        "/" + trigger(function)["route"].strip("/").replace("{*", "{")
        for function in json.loads(done.stdout)
        if trigger(function)["type"] == "httpTrigger"
    }
    assert routes == set(document(conformance=door == "on")["paths"])
    assert ("/attestation/options" in routes) is (door == "on")


def test_operators_data_needs_a_key_and_nothing_else_does(functions: dict[str, dict[str, Any]]) -> None:
    """The pages are shells without data; what they show of others' ceremonies needs the function key."""
    keyed = {
        name
        for name, function in functions.items()
        if trigger(function)["type"] == "httpTrigger" and trigger(function)["authLevel"] != "ANONYMOUS"
    }
    assert keyed == {
        "operations_ceremonies",
        "operations_ceremony",
        "operations_credentials",
        "operations_credential_disable",
        "operations_credential_enable",
        "operations_sessions",
        "operations_session_end",
        "operations_sessions_end",
        "operations_recoveries",
        "operations_recovery_ticket",
        "operations_audit",
        "operations_housekeeping",
        "operations_proof",
        "operations_consistency",
        "operations_metadata",
    }


def test_with_metadata_its_timers_are_registered(tmp_path: Path) -> None:
    """One on its schedule, one while nothing is known; without metadata there is nothing to refresh, and none."""
    from tests.metadata_kit import write_root

    root = str(write_root(tmp_path / "root.pem"))
    done = index(tmp_path, PASSKEYS_METADATA="https://mds.example/", PASSKEYS_METADATA_ROOT=root)
    assert done.returncode == 0, done.stderr
    registered = {function["name"]: function for function in json.loads(done.stdout)}
    added = {"start_metadata_refresh": "0 0 3 * * *", "start_first_metadata_refresh": "0 * * * * *"}
    assert added.keys() <= named(registered, "timerTrigger")
    assert {name: trigger(registered[name])["schedule"] for name in added} == added


def test_all_mistakes_in_the_settings_stop_the_start(tmp_path: Path) -> None:
    """Not just the first one."""
    done = index(tmp_path, PASSKEYS_CEREMONY_SECONDS="soon", PASSKEYS_LIMIT_GLOBAL="many")
    assert done.returncode != 0
    assert "PASSKEYS_CEREMONY_SECONDS" in done.stderr
    assert "PASSKEYS_LIMIT_GLOBAL" in done.stderr


def test_the_local_profile_does_not_start_in_azure(tmp_path: Path) -> None:
    """Demo people and local files have no place there."""
    done = index(tmp_path, WEBSITE_INSTANCE_ID="x")
    assert done.returncode != 0
    assert "WEBSITE_INSTANCE_ID" in done.stderr


def test_the_example_settings_turn_strict_typing_on() -> None:
    """And every setting that host.json refers to is among them: with none at all the app must run."""
    values = json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))["Values"]
    assert values["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] == "true"
    assert "%" not in (ROOT / "host.json").read_text("utf-8")


def test_function_app_holds_nothing_of_its_own() -> None:
    """No function, no class: a table of contents."""
    source = (ROOT / "function_app.py").read_text("utf-8")
    assert not re.search(r"^\s*(async )?def |^class ", source, re.MULTILINE)
    assert inspect.cleandoc(source).startswith('"""The table of contents')
