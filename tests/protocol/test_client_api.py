"""The SDK's durable client, every operation (Durable protocol: the client API, the client binding)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from tests.hosts import FUNCTION_KEY, SYSTEM_KEY, running_host
from tests.protocol.conftest import APPS
from tests.protocol.driver import WEBHOOKS, Driver, Raised, request, until

# Everything in this module must hold with the host's short cuts and without any of them.
SHORT_CUTS = {
    "short cuts": ["--sdk-calls", "direct"],
    "as on Azure": ["--status-reads", "immediate", "--sdk-timestamps", "dateutil", "--sdk-calls", "http"],
}


@pytest.fixture(scope="module", params=SHORT_CUTS.values(), ids=SHORT_CUTS.keys())
def flows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The flows app, once with the host's short cuts for the SDK and once without."""
    state = tmp_path_factory.mktemp("client") / "state"
    with running_host(app=APPS / "flows", state=state, arguments=request.param) as host:
        yield Driver(host)


def test_start_makes_an_id_of_its_own(flows: Driver) -> None:
    """Without an id the host makes one, different each time."""
    first, second = (flows.client("start_new", "returns_input") for _ in range(2))
    assert first != second
    assert flows.finished(first)["output"] is None


@pytest.mark.parametrize("given", [{"a": [1, None]}, [], 0, "text", False, ""], ids=repr)
def test_an_input_from_the_client_is_read_as_it_was_given(flows: Driver, given: object) -> None:
    """`start_new(…, client_input=v)`: get_input() gives v."""
    instance_id = flows.client("start_new", "returns_input", None, given)
    assert flows.finished(instance_id)["output"] == given


def test_starting_an_unknown_function_raises(flows: Driver) -> None:
    """400 with an ExceptionMessage that names the function."""
    with pytest.raises(Raised, match="no_such_orchestrator"):
        flows.client("start_new", "no_such_orchestrator")


def test_starting_a_running_id_again_is_refused(flows: Driver) -> None:
    """A duplicate of an active instance is 500 and the SDK raises; the running one is untouched."""
    flows.client("start_new", "waits", "running-twice")
    flows.reached("running-twice", custom_status="waiting")
    with pytest.raises(Raised, match="An Orchestration instance with the status Running already exists"):
        flows.client("start_new", "waits", "running-twice")
    flows.raise_event("running-twice", "go", 1)
    assert flows.finished("running-twice")["output"] == ["int", 1]


def test_starting_a_suspended_id_again_is_refused(flows: Driver) -> None:
    """Suspended counts as active."""
    flows.client("start_new", "waits", "suspended-twice")
    flows.client("suspend", "suspended-twice", "pause")
    flows.reached("suspended-twice", "Suspended")
    with pytest.raises(Raised, match="already exists"):
        flows.client("start_new", "waits", "suspended-twice")
    flows.client("terminate", "suspended-twice", "done")


def test_starting_a_finished_id_again_replaces_it(flows: Driver) -> None:
    """History, input, output and status of the finished instance give way to a new execution."""
    flows.client("start_new", "spy", "twice", 2)
    first = flows.finished("twice")["output"]
    flows.client("start_new", "spy", "twice", 1)
    body = until(
        lambda: (b := flows.finished("twice")) and len(b["output"]) < len(first) and b,
        "the second run is done",
    )
    execution = lambda told: told[1]["OrchestrationInstance"]["ExecutionId"]
    assert execution(body["output"]) != execution(first)


def test_get_status_shows_output_and_custom_status_always_and_input_by_default(flows: Driver) -> None:
    """The server's default for showInput is true, so the input is there without asking."""
    flows.client("start_new", "returns_input", "shown", {"n": 1})
    flows.finished("shown")
    status = flows.client("get_status", "shown")
    assert status["exists"] is True
    assert status["runtime_status"] == "Completed"
    assert status["name"].lower() == "returns_input"
    assert status["instance_id"] == "shown"
    assert json.loads(status["input"]) == {"n": 1}
    assert status["output"] == {"n": 1}
    assert status["history"] is None
    assert status["historyEvents"] is None


def test_get_status_of_an_unknown_id_is_falsy(flows: Driver) -> None:
    """404 makes a status object that is false, not an error."""
    status = flows.client("get_status", "never-started")
    assert (status["exists"], status["runtime_status"]) == (False, None)


def test_get_status_brings_the_history_when_asked(flows: Driver) -> None:
    """showHistory fills `historyEvents`; results only with showHistoryOutput."""
    flows.client("start_new", "two_steps", "told")
    flows.finished("told")
    plain = flows.client("get_status", "told", show_history=True)["historyEvents"]
    full = flows.client("get_status", "told", show_history=True, show_history_output=True)["historyEvents"]
    assert [event["EventType"] for event in plain] == [event["EventType"] for event in full]
    assert [event.get("Result") for event in plain] == [None] * 4
    assert [event.get("Result") for event in full if event["EventType"] == "TaskCompleted"] == [
        "hello one",
        "hello hello one",
    ]


def test_get_status_all_lists_instances(flows: Driver) -> None:
    """`instances/` without filters is a list."""
    flows.client("start_new", "returns_input", "among-all")
    assert isinstance(flows.client("get_status_all"), list)


def test_get_status_by_filters(flows: Driver) -> None:
    """Created-time bounds, runtime status and id prefix each narrow the list, and together."""
    before = (datetime.now(UTC) - timedelta(seconds=2)).isoformat()
    flows.client("start_new", "returns_input", "filter-done")
    flows.client("start_new", "waits", "filter-waits")
    flows.finished("filter-done")
    flows.reached("filter-waits")
    later = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()

    def ids(**filters: object) -> set[str]:
        found = flows.client("get_status_by", instance_id_prefix="filter-", **filters)
        return {status["instance_id"] for status in found}

    assert ids() == {"filter-done", "filter-waits"}
    assert ids(created_time_from=before, created_time_to=later) == {"filter-done", "filter-waits"}
    assert ids(created_time_from=later) == set()
    assert ids(created_time_to=before) == set()
    assert ids(runtime_status=["Completed"]) == {"filter-done"}
    assert ids(runtime_status=["Running", "Pending"]) == {"filter-waits"}
    assert ids(runtime_status=["Completed", "Running"]) == {"filter-done", "filter-waits"}
    flows.client("terminate", "filter-waits", "done")


def test_a_named_hub_and_connection_are_accepted(flows: Driver) -> None:
    """The SDK may name the task hub and the connection in its queries."""
    flows.client("start_new", "waits", "hubbed")
    flows.client("raise_event", "hubbed", "go", 1, task_hub_name="flows", connection_name="Storage")
    assert flows.finished("hubbed")["output"] == ["str", "1"]
    named = {"entityId": ["ledger", "hubbed"], "task_hub_name": "flows", "connection_name": "Storage"}
    flows.client("signal_entity", operation_name="append", operation_input=[1], **named)
    until(lambda: flows.client("read_entity_state", **named)["state"] == [[1]], "the signal is applied")


def test_terminate_ends_a_running_instance(flows: Driver) -> None:
    """Terminated, output is the reason as plain text."""
    flows.client("start_new", "waits", "terminated")
    flows.reached("terminated")
    flows.client("terminate", "terminated", "because / of? this & that")
    body = flows.finished("terminated")
    assert (body["runtimeStatus"], body["output"]) == ("Terminated", "because / of? this & that")


def test_terminate_a_finished_instance_is_silent_and_an_unknown_one_raises(flows: Driver) -> None:
    """410 is silent in the SDK, 404 raises."""
    flows.client("start_new", "returns_input", "finished-before")
    flows.finished("finished-before")
    flows.client("terminate", "finished-before", "late")
    assert flows.instance("finished-before")["runtimeStatus"] == "Completed"
    with pytest.raises(Raised, match="No instance with ID 'nobody' found"):
        flows.client("terminate", "nobody", "x")


def test_a_result_after_termination_is_discarded(flows: Driver) -> None:
    """An activity that finishes after its instance was terminated changes nothing."""
    flows.client("start_new", "works_then_waits", "cut-short", 0.3)
    flows.reached("cut-short")
    flows.client("terminate", "cut-short", "cut")
    flows.finished("cut-short")
    flows.output("races", [0.4])
    body = flows.instance("cut-short")
    assert (body["runtimeStatus"], body["output"]) == ("Terminated", "cut")


def test_suspend_and_resume(flows: Driver) -> None:
    """Suspended and Running again; doing either twice is 500, unknown is 404, finished is silent."""
    flows.client("start_new", "waits", "paused")
    flows.reached("paused", custom_status="waiting")
    flows.client("suspend", "paused", "a reason")
    flows.reached("paused", "Suspended", "waiting")
    with pytest.raises(Raised, match="500"):
        flows.client("suspend", "paused", "again")
    flows.client("resume", "paused", "another reason")
    flows.reached("paused", "Running")
    with pytest.raises(Raised, match="500"):
        flows.client("resume", "paused", "again")
    flows.raise_event("paused", "go", 1)
    assert flows.finished("paused")["output"] == ["int", 1]
    flows.client("suspend", "paused", "late")
    flows.client("resume", "paused", "late")
    for operation in ("suspend", "resume"):
        with pytest.raises(Raised, match="No instance"):
            flows.client(operation, "nobody", "x")


def test_rewind_runs_the_failed_step_again(flows: Driver) -> None:
    """A failed instance is rewound: what succeeded is kept, what failed runs again, and it can complete."""
    flows.client("start_new", "flaky_child", "rewound", {"key": "rewound", "fails": 1})
    assert flows.finished("rewound")["runtimeStatus"] == "Failed"
    flows.client("rewind", "rewound", "mended")
    body = until(
        lambda: (b := flows.instance("rewound"))["runtimeStatus"] == "Completed" and b,
        "the rewound run completes",
    )
    assert body["output"] == 2


def test_rewind_reaches_into_failed_children(flows: Driver) -> None:
    """A parent that failed because of its child is rewound together with the child."""
    given = {"name": "flaky_child", "input": {"key": "rewound-child", "fails": 1}, "id": "rewound-child"}
    flows.client("start_new", "runs_child", "rewound-parent", given)
    assert flows.finished("rewound-parent")["runtimeStatus"] == "Failed"
    flows.client("rewind", "rewound-parent", "mended")
    body = until(
        lambda: (b := flows.instance("rewound-parent"))["runtimeStatus"] == "Completed" and b,
        "the rewound parent completes",
    )
    assert body["output"]["result"] == 2


def test_rewind_needs_a_failed_instance(flows: Driver) -> None:
    """Finished well 410, unknown 404, running 500: each raises."""
    flows.client("start_new", "returns_input", "well-finished")
    flows.finished("well-finished")
    flows.client("start_new", "waits", "not-failed")
    flows.reached("not-failed")
    with pytest.raises(Raised, match="only supported on failed"):
        flows.client("rewind", "well-finished", "x")
    with pytest.raises(Raised, match="No instance"):
        flows.client("rewind", "nobody", "x")
    assert flows.webhook("POST", "instances/not-failed/rewind", reason="x").status == 500
    with pytest.raises(Raised):
        flows.client("rewind", "not-failed", "x")
    flows.client("terminate", "not-failed", "done")


def test_restart_runs_the_same_name_and_input_again(flows: Driver) -> None:
    """With a new id there are two instances; with the old id the first is replaced; the SDK returns the links."""
    flows.client("start_new", "spy", "restarted", 1)
    first = flows.finished("restarted")["output"]
    links = flows.client("restart", "restarted")
    assert links["id"] != "restarted"
    assert len(flows.finished(links["id"])["output"]) == len(first)
    links = flows.client("restart", "restarted", False)
    assert links["id"] == "restarted"
    execution = lambda told: told[1]["OrchestrationInstance"]["ExecutionId"]
    until(
        lambda: execution(flows.finished("restarted")["output"]) != execution(first),
        "a new execution is done",
    )


def test_restart_refuses_what_it_can_not_do(flows: Driver) -> None:
    """An unknown id raises; the same id while it runs raises."""
    with pytest.raises(Raised):
        flows.client("restart", "nobody")
    assert flows.webhook("POST", "instances/nobody/restart", restartWithNewInstanceId="true").status == 400
    flows.client("start_new", "waits", "still-running")
    flows.reached("still-running")
    with pytest.raises(Raised):
        flows.client("restart", "still-running", False)
    assert flows.instance("still-running")["runtimeStatus"] == "Running"
    flows.client("terminate", "still-running", "done")


def test_purge_by_id_removes_everything(flows: Driver) -> None:
    """One deleted, then none; afterwards the id is unknown."""
    flows.client("start_new", "two_steps", "purged")
    flows.finished("purged")
    assert flows.client("purge_instance_history", "purged") == 1
    assert flows.client("get_status", "purged")["exists"] is False
    assert flows.client("purge_instance_history", "purged") == 0
    assert flows.webhook("DELETE", "instances/purged").status == 404


def test_purge_by_id_does_not_ask_for_the_status(flows: Driver) -> None:
    """By id even a running instance is removed, and a late result of its work does no harm."""
    flows.client("start_new", "works_then_waits", "purged-running", 0.2)
    flows.reached("purged-running")
    assert flows.client("purge_instance_history", "purged-running") == 1
    assert flows.webhook("GET", "instances/purged-running").status == 404
    flows.output("races", [0.3])
    assert flows.webhook("GET", "instances/purged-running").status == 404


def test_purge_in_bulk_removes_finished_instances_only(flows: Driver) -> None:
    """Bulk purge goes by creation time and status and never touches what still runs."""
    flows.client("start_new", "waits", "bulk-running")
    flows.reached("bulk-running")
    flows.client("start_new", "returns_input", "bulk-done")
    flows.client("start_new", "fails", "bulk-failed", "x")
    for instance_id in ("bulk-done", "bulk-failed"):
        flows.finished(instance_id)
    past = "2020-01-01T00:00:00+00:00"
    future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert flows.client("purge_instance_history_by", created_time_from=future) == 0
    assert flows.client("purge_instance_history_by", created_time_from=past, runtime_status=["Failed"]) >= 1
    assert flows.client("get_status", "bulk-failed")["exists"] is False
    assert flows.client("get_status", "bulk-done")["exists"] is True
    assert flows.client("purge_instance_history_by", created_time_from=past, created_time_to=future) >= 1
    assert flows.client("get_status", "bulk-done")["exists"] is False
    assert flows.instance("bulk-running")["runtimeStatus"] == "Running"
    flows.client("terminate", "bulk-running", "done")


# --- the binding and the SDK's own responses --------------------------------------------------------------


def test_the_binding_has_every_field(flows: Driver) -> None:
    """Hub, creation and management links with their placeholders, base, query and RPC address."""
    answer = flows.http("GET", "/api/binding", headers={"x-functions-key": FUNCTION_KEY})
    binding = answer.json()
    assert binding["taskHubName"] == "flows"
    assert set(binding["creationUrls"]) == {
        "createNewInstancePostUri",
        "createAndWaitOnNewInstancePostUri",
    }
    assert set(binding["managementUrls"]) >= {
        "id",
        "statusQueryGetUri",
        "sendEventPostUri",
        "terminatePostUri",
        "rewindPostUri",
        "purgeHistoryDeleteUri",
        "restartPostUri",
        "suspendPostUri",
        "resumePostUri",
    }
    assert (
        "orchestrators/{functionName}[/{instanceId}]" in binding["creationUrls"]["createNewInstancePostUri"]
    )
    assert "{eventName}" in binding["managementUrls"]["sendEventPostUri"]
    for name in ("terminatePostUri", "rewindPostUri", "suspendPostUri", "resumePostUri"):
        assert "reason={text}" in binding["managementUrls"][name]
    assert binding["baseUrl"].endswith(WEBHOOKS)
    assert binding["requiredQueryStringParameters"] == f"code={SYSTEM_KEY}"
    assert binding["rpcBaseUrl"].startswith("http://127.0.0.1:")
    assert binding["rpcBaseUrl"].endswith("/durabletask/")
    assert binding["httpBaseUrl"] is None
    for url in [*binding["creationUrls"].values(), binding["baseUrl"]]:
        assert url.startswith((flows.host.url, flows.host.url.replace("localhost", "127.0.0.1")))


def test_the_rpc_listener_is_not_on_the_public_port(flows: Driver) -> None:
    """The keyless RPC address is a listener of its own; its path does not answer on the public one."""
    binding = flows.http("GET", "/api/binding", headers={"x-functions-key": FUNCTION_KEY}).json()
    rpc = binding["rpcBaseUrl"]
    assert f":{flows.host.url.rsplit(':', 1)[1]}/" not in rpc
    path = "/" + rpc.split("/", 3)[3]
    assert flows.http("GET", f"{path}instances/").status == 404


def test_the_rpc_address_needs_no_key_but_its_secret_path(flows: Driver) -> None:
    """The SDK's requests carry no key; whoever does not know the path segment finds nothing."""
    binding = flows.http("GET", "/api/binding", headers={"x-functions-key": FUNCTION_KEY}).json()
    base, _, path = binding["rpcBaseUrl"].removeprefix("http://").partition("/")
    assert request(f"http://{base}", "GET", f"/{path}instances/").status == 200
    for guess in ("/durabletask/instances/", "/x/durabletask/instances/", f"{WEBHOOKS}/instances"):
        assert request(f"http://{base}", "GET", guess).status in {401, 404}


def test_the_clock_and_a_timer_agree(flows: Driver) -> None:
    """The orchestrator's clock is at the timer's due time or after it, and every history time is UTC."""
    result = flows.output("sleeps", 0.05)
    assert result["early"] is False
    assert all(datetime.fromisoformat(event["at"]).utcoffset() == timedelta(0) for event in result["told"])


def test_check_status_response_reflects_the_callers_host(flows: Driver) -> None:
    """202, Location, Retry-After 10, every link with the caller's Host header and the instance id."""
    flows.client("start_new", "returns_input", "checked")
    headers = {"x-functions-key": FUNCTION_KEY, "host": "127.0.0.1:8080"}
    answer = flows.http("GET", "/api/responses/check/checked", headers=headers)
    assert answer.status == 202
    links = answer.json()
    assert answer.headers["Retry-After"] == "10"
    assert answer.headers["Location"] == links["statusQueryGetUri"]
    assert links["id"] == "checked"
    for name, link in links.items():
        if name != "id":
            assert link.startswith(f"http://127.0.0.1:8080{WEBHOOKS}/instances/checked"), name


def test_every_management_link_works(flows: Driver) -> None:
    """The links of create_http_management_payload do what they say, with no other key."""
    flows.client("start_new", "waits", "linked")
    flows.reached("linked")
    links = flows.http(
        "GET", "/api/responses/payload/linked", headers={"x-functions-key": FUNCTION_KEY}
    ).json()

    def use(method: str, name: str, body: str | None = None) -> int:
        link = links[name].replace("{text}", quote("a reason")).replace("{eventName}", "go")
        path = "/" + link.split("/", 3)[3]
        return flows.http(method, path, body=body, headers={"content-type": "application/json"}).status

    assert use("GET", "statusQueryGetUri") == 202
    assert use("POST", "suspendPostUri") == 202
    flows.reached("linked", "Suspended")
    assert use("POST", "resumePostUri") == 202
    flows.reached("linked", "Running")
    assert use("POST", "sendEventPostUri", "1") == 202
    flows.finished("linked")
    assert use("GET", "statusQueryGetUri") == 200
    assert use("POST", "rewindPostUri") == 410
    assert use("POST", "terminatePostUri") == 410
    assert use("POST", "restartPostUri") == 202
    assert use("DELETE", "purgeHistoryDeleteUri") == 200
    assert use("GET", "statusQueryGetUri") == 404


WAITS = [
    ("returns_input", 5000, 200, 5),
    ("waits", 60, 202, None),
    ("fails", 5000, 500, None),
]


@pytest.mark.parametrize(("name", "timeout", "status", "body"), WAITS, ids=[row[0] for row in WAITS])
def test_waiting_for_completion_answers_by_state(
    flows: Driver, name: str, timeout: int, status: int, body: object
) -> None:
    """Completed → 200 with the output, time-out → 202 with the links, Failed → 500 with the status."""
    instance_id = flows.client("start_new", name, None, 5)
    answer = flows.http(
        "GET",
        f"/api/responses/wait/{instance_id}?timeout={timeout}",
        headers={"x-functions-key": FUNCTION_KEY},
    )
    assert answer.status == status
    if body is not None:
        assert answer.json() == body
    elif status == 202:
        assert answer.json()["id"] == instance_id
        flows.client("terminate", instance_id, "done")
    else:
        assert answer.json()["runtimeStatus"] == "Failed"


def test_waiting_for_a_terminated_instance_gives_its_status(flows: Driver) -> None:
    """Terminated → 200 with the status."""
    instance_id = flows.start("waits")
    flows.client("terminate", instance_id, "cut")
    flows.finished(instance_id)
    answer = flows.http(
        "GET", f"/api/responses/wait/{instance_id}?timeout=1000", headers={"x-functions-key": FUNCTION_KEY}
    )
    assert (answer.status, answer.json()["runtimeStatus"]) == (200, "Terminated")
