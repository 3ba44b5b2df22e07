"""What an app sets in host.json (Durable protocol: failing functions, instance ids, the rest of orchestrations)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts import FUNCTION_KEY, running_host
from tests.protocol.conftest import APPS
from tests.protocol.driver import Driver

HOST_JSON = {
    "version": "2.0",
    "functionTimeout": "00:00:01",
    "extensions": {
        "http": {"routePrefix": "v1"},
        "durableTask": {
            "hubName": "othername",
            "maxOrchestrationActions": 50,
            "overridableExistingInstanceStates": "AnyState",
        },
    },
}


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The flows app with a short time-out, few actions and free instance ids."""
    folder: Path = tmp_path_factory.mktemp("narrow")
    shutil.copytree(APPS / "flows", folder / "app")
    (folder / "app" / "host.json").write_text(json.dumps(HOST_JSON), "utf-8")
    with running_host(app=folder / "app", state=folder / "state") as host:
        yield Driver(host)


def test_an_activity_that_takes_too_long_fails(narrow: Driver) -> None:
    """An activity that exceeds functionTimeout is a failed task, which the orchestrator can catch."""
    caught = narrow.output("catches", ["slow", {"seconds": 30, "value": 1}])
    assert caught["text"].startswith("Activity function 'slow' failed:")
    assert "time" in caught["text"].lower()


def test_too_many_actions_fail_the_instance(narrow: Driver) -> None:
    """More actions in one execution than maxOrchestrationActions: Failed; fewer are fine."""
    assert narrow.failure("signals_many", {"key": "many", "count": 51})
    assert narrow.output("signals_many", {"key": "few", "count": 10}) is None


def test_any_state_may_be_replaced_when_the_app_says_so(narrow: Driver) -> None:
    """With overridableExistingInstanceStates AnyState a start replaces a running instance by a new execution."""
    narrow.start("waits", instance_id="replaced")
    narrow.reached("replaced", custom_status="waiting")
    narrow.start("returns_input", {"n": 2}, instance_id="replaced")
    assert narrow.finished("replaced")["output"] == {"n": 2}


def test_another_route_prefix_replaces_the_usual_one(narrow: Driver) -> None:
    """extensions.http.routePrefix: routes are under it and no longer under `api`."""
    headers = {"x-functions-key": FUNCTION_KEY}
    assert narrow.http("GET", "/v1/journal/x", headers=headers).status == 200
    assert narrow.http("GET", "/api/journal/x", headers=headers).status == 404


def test_the_hub_name_is_in_the_links(narrow: Driver) -> None:
    """hubName is the task hub of the binding and of every link."""
    links = narrow.webhook("POST", "orchestrators/returns_input").json()
    assert "taskHub=othername" in links["statusQueryGetUri"]
