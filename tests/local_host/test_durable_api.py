"""The Durable extension's HTTP API over the real engine: every row of the handler table, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from local_host.client_binding import client_text
from local_host.durable_api import HANDLERS, Answer, handle, shape
from local_host.durable_requests import Call
from local_host.model import Instance
from local_host.views import status_text
from tests.local_host.apps import HEAD
from tests.local_host.serving import Serving, served

APP = (
    HEAD
    + """
@app.orchestration_trigger(context_name="context")
def same(context):
    return context.get_input()
    yield

@app.orchestration_trigger(context_name="context")
def waits(context):
    context.set_custom_status({"stage": "waiting"})
    got = yield context.wait_for_external_event("go")
    return got

@app.orchestration_trigger(context_name="context")
def works(context):
    first = yield context.call_activity("double", 2)
    yield context.create_timer(context.current_utc_datetime)
    return first

@app.orchestration_trigger(context_name="context")
def fails(context):
    raise ValueError("no good")
    yield

@app.activity_trigger(input_name="number")
def double(number):
    return number * 2

@app.entity_trigger(context_name="context")
def counter(context):
    if context.operation_name == "delete":
        context.destruct_on_exit()
    else:
        context.set_state((context.get_state(lambda: 0)) + context.get_input())
        context.set_result(None)
"""
)
JSON = "application/json"


@pytest_asyncio.fixture
async def host(tmp_path: Path) -> AsyncIterator[Serving]:
    async with served(tmp_path, APP) as running:
        yield running


async def ask(
    host: Serving,
    method: str,
    path: str,
    body: Any = None,
    *,
    content_type: str = JSON,
    token: str | None = None,
    url: str | None = None,
    **query: str,
) -> Answer:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    parts = tuple(path.split("/"))
    names = {name.lower(): value for name, value in query.items()}
    return await handle(host.api, Call(method, parts, names, content_type, data, token, url))


async def until(host: Serving, instance_id: str, status: str = "Completed") -> dict[str, Any]:
    for _ in range(200):
        body = json.loads((await ask(host, "GET", f"instances/{instance_id}")).body)
        if body["runtimeStatus"] == status:
            return dict(body)
        await asyncio.sleep(0.005)
    raise AssertionError(f"{instance_id} is {body}")


async def test_a_start_is_answered_with_links(host: Serving) -> None:
    """202, the id, the links with the key, Location the status link, Retry-After 10."""
    answer = await ask(host, "POST", "orchestrators/SAME/a b", {"n": 1})
    links = json.loads(answer.body)
    base = f"http://localhost:{host.port}/runtime/webhooks/durabletask/instances/a%20b"
    tail = "taskHub=hub&connection=Storage&code=system-key"
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "10"
    assert answer.headers["Location"] == links["statusQueryGetUri"] == f"{base}?{tail}"
    assert links["id"] == "a b"
    assert links["sendEventPostUri"] == f"{base}/raiseEvent/{{eventName}}?{tail}"
    assert links["terminatePostUri"] == f"{base}/terminate?reason={{text}}&{tail}"
    assert set(links) == {"id", *json.loads(client_text(host.api.site, None, None))["managementUrls"]}
    assert (await until(host, "a b"))["output"] == {"n": 1}


async def test_a_start_makes_an_id_when_none_is_given(host: Serving) -> None:
    """Two starts without an id are two instances."""
    ids = {json.loads((await ask(host, "POST", "orchestrators/same")).body)["id"] for _ in range(2)}
    assert len(ids) == 2


REFUSED: list[tuple[str, str, Any, dict[str, str], int]] = [
    ("POST", "orchestrators/none", None, {}, 400),
    ("POST", "orchestrators/same", b"{", {}, 400),
    ("POST", "orchestrators/same", b"\xff", {}, 400),
    ("POST", "orchestrators/same", b"[" * 100_000, {}, 400),
    ("POST", "orchestrators/same/@x", None, {}, 400),
    ("POST", "orchestrators/same", None, {"timeout": "1", "pollinginterval": "2"}, 400),
    ("POST", "orchestrators/same", None, {"timeout": "x", "pollinginterval": "2"}, 400),
    ("POST", "orchestrators/same", None, {"timeout": "nan", "pollinginterval": "1"}, 400),
    ("GET", "instances/none", None, {}, 404),
    ("GET", "instances/none", None, {"taskhub": "other"}, 400),
    ("POST", "instances/none/raiseEvent/go", b"1", {}, 404),
    ("POST", "instances/none/raiseEvent/go", b"{", {}, 400),
    ("POST", "instances/none/terminate", None, {}, 404),
    ("POST", "instances/none/suspend", None, {}, 404),
    ("POST", "instances/none/resume", None, {}, 404),
    ("POST", "instances/none/rewind", None, {}, 404),
    ("POST", "instances/none/restart", None, {}, 400),
    ("POST", "instances/none/restart", None, {"restartwithnewinstanceid": "perhaps"}, 400),
    ("DELETE", "instances/none", None, {}, 404),
    ("DELETE", "instances", None, {}, 400),
    ("DELETE", "instances", None, {"createdtimefrom": "2099-01-01T00:00:00Z"}, 404),
    ("GET", "instances", None, {"createdtimefrom": "yesterday"}, 400),
    ("GET", "instances", None, {"createdtimefrom": "0001-01-01T00:00:00+14:00"}, 400),
    ("GET", "instances", None, {"runtimestatus": "Sleeping"}, 400),
    ("GET", "instances", None, {"top": "0"}, 400),
    ("GET", "instances", None, {"top": "-1"}, 400),
    ("GET", "instances", None, {"top": "9" * 50}, 400),
    ("GET", "entities/counter/none", None, {}, 404),
    ("POST", "entities/none/k", None, {}, 400),
    ("POST", "entities/counter/k", b"{", {}, 400),
    ("PUT", "instances/x", None, {}, 404),
    ("POST", "instances/x/dance", None, {}, 404),
    ("POST", "orchestrators", None, {}, 404),
    ("POST", "a/b/c/d/e", None, {}, 404),
    ("GET", "", None, {}, 404),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "query", "status"),
    REFUSED,
    ids=[f"{r[0]} {r[1]} {r[2]!r:.12} {r[3]}" for r in REFUSED],
)
async def test_what_is_refused(
    host: Serving, method: str, path: str, body: Any, query: dict[str, str], status: int
) -> None:
    """400 with the extension's error body and no stack; 404 and 410 are empty; nothing is logged as an error."""
    answer = await ask(host, method, path, body, **query)
    assert answer.status == status
    if status == 404:
        assert answer.body == b""
    else:
        told = json.loads(answer.body)
        assert list(told) == ["Message", "ExceptionMessage", "ExceptionType", "StackTrace"]
        assert told["ExceptionMessage"]
        assert told["StackTrace"] == ""
    assert not host.events("durable_api_failed")


async def test_a_continuation_token_of_somebody_else_is_refused(host: Serving) -> None:
    """A token that this host never gave is 400, not a crash."""
    for token in ("%%%", "é", "a"):
        assert (await ask(host, "GET", "instances", token=token)).status in {200, 400}
        assert (await ask(host, "GET", "entities", token=token)).status in {200, 400}
    assert not host.events("durable_api_failed")


async def test_a_duplicate_start_is_500(host: Serving) -> None:
    """With the extension's own sentence, which the SDK shows to its caller."""
    await ask(host, "POST", "orchestrators/waits/twice")
    await until(host, "twice", "Running")
    answer = await ask(host, "POST", "orchestrators/waits/twice")
    assert answer.status == 500
    message = json.loads(answer.body)["ExceptionMessage"]
    assert message == "An Orchestration instance with the status Running already exists."


async def test_a_start_may_wait(host: Serving) -> None:
    """Both numbers: the bare output, or the status of one that ended badly, or, too late, the links."""
    wait = {"timeout": "5", "pollinginterval": "0.1"}
    done = await ask(host, "POST", "orchestrators/same", {"n": 1}, **wait)
    assert (done.status, json.loads(done.body)) == (200, {"n": 1})
    failed = await ask(host, "POST", "orchestrators/fails", None, **wait)
    assert (failed.status, json.loads(failed.body)["runtimeStatus"]) == (200, "Failed")
    late = await ask(host, "POST", "orchestrators/waits", None, timeout="0.01", pollinginterval="0.01")
    assert (late.status, "statusQueryGetUri" in json.loads(late.body)) == (202, True)
    one_number = await ask(host, "POST", "orchestrators/same", None, timeout="5")
    assert one_number.status == 202


async def test_the_life_of_an_instance(host: Serving) -> None:
    """Suspend, resume, event, and what each answers when it comes too late."""
    await ask(host, "POST", "orchestrators/waits/life")
    await until(host, "life", "Running")
    steps = [
        ("POST", "instances/life/suspend", None, 202),
        ("POST", "instances/life/suspend", None, 500),
        ("POST", "instances/life/RESUME", None, 202),
        ("POST", "instances/life/resume", None, 500),
        ("POST", "instances/life/rewind", None, 500),
        ("POST", "instances/life/raiseEvent/go", {"a": 1}, 202),
    ]
    for method, path, body, status in steps:
        assert (await ask(host, method, path, body)).status == status, path
        await asyncio.sleep(0.01)
    assert (await until(host, "life"))["output"] == {"a": 1}
    for operation in ("suspend", "resume", "terminate", "rewind", "raiseEvent/go"):
        assert (await ask(host, "POST", f"instances/life/{operation}", {})).status == 410, operation
    restarted = await ask(host, "POST", "instances/life/restart", restartwithnewinstanceid="false")
    assert (restarted.status, json.loads(restarted.body)["id"]) == (202, "life")
    await until(host, "life", "Running")
    assert (await ask(host, "POST", "instances/life/terminate", reason="enough")).status == 202
    assert (await until(host, "life", "Terminated"))["output"] == "enough"
    assert json.loads((await ask(host, "DELETE", "instances/life")).body) == {"instancesDeleted": 1}
    assert (await ask(host, "GET", "instances/life")).status == 404


@pytest.mark.parametrize(
    ("content_type", "status"),
    [(JSON, 202), ("Application/JSON; charset=utf-8", 202), ("text/plain", 400), ("", 400)],
)
async def test_an_event_must_be_json_by_name(host: Serving, content_type: str, status: int) -> None:
    """Any other content type is 400."""
    await ask(host, "POST", "orchestrators/waits/typed")
    answer = await ask(host, "POST", "instances/typed/raiseEvent/other", b"1", content_type=content_type)
    assert answer.status == status


STATES = [("same", "Completed", 200, 200), ("fails", "Failed", 200, 500), ("waits", "Running", 202, 202)]


@pytest.mark.parametrize(("name", "state", "status", "asked"), STATES)
async def test_a_status_by_state(host: Serving, name: str, state: str, status: int, asked: int) -> None:
    """202 with this very URL and Retry-After 5 while it runs; 500 for a failure only when asked for."""
    await ask(host, "POST", f"orchestrators/{name}/s", {"n": 1})
    await until(host, "s", state)
    url = "http://caller/x?code=system-key"
    answer = await ask(host, "GET", "instances/s", url=url)
    other = await ask(host, "GET", "instances/s", url=url, returnInternalServerErrorOnFailure="true")
    assert (answer.status, other.status) == (status, asked)
    if status == 202:
        assert (answer.headers["Location"], answer.headers["Retry-After"]) == (url, "5")
    else:
        assert "Location" not in answer.headers


async def test_the_history_view(host: Serving) -> None:
    """Names for numbers, schedules merged into completions, results only on request, no ids and no markers."""
    await ask(host, "POST", "orchestrators/works/h", {"n": 1})
    await until(host, "h")
    plain = json.loads((await ask(host, "GET", "instances/h", showHistory="true")).body)["historyEvents"]
    full = json.loads(
        (await ask(host, "GET", "instances/h", showHistory="True", showHistoryOutput="True")).body
    )
    events = full["historyEvents"]
    assert [event["EventType"] for event in events] == [
        "ExecutionStarted",
        "TaskCompleted",
        "TimerFired",
        "ExecutionCompleted",
    ]
    assert (events[0]["FunctionName"], events[1]["FunctionName"]) == ("works", "double")
    assert [event.get("Result") for event in events] == [None, 4, None, 4]
    assert all("Result" not in event for event in plain)
    assert events[2]["FireAt"] <= events[2]["Timestamp"]
    assert events[1]["ScheduledTime"] <= events[1]["Timestamp"]
    assert events[3]["OrchestrationStatus"] == "Completed"
    hidden = {"EventId", "IsPlayed", "TaskScheduledId", "TimerId", "Input", "OrchestrationInstance"}
    assert not any(hidden & set(event) for event in events)


async def test_lists_are_filtered_and_paged(host: Serving) -> None:
    """Prefix, status, creation time; `top` and the token lead through everything exactly once."""
    for number in range(5):
        await ask(host, "POST", f"orchestrators/same/list-{number}", number)
    await ask(host, "POST", "orchestrators/waits/list-waits")
    await until(host, "list-waits", "Running")
    seen: list[str] = []
    token: str | None = None
    for _ in range(3):
        answer = await ask(host, "GET", "instances", token=token, instanceIdPrefix="list-", top="2")
        seen += [entry["instanceId"] for entry in json.loads(answer.body)]
        token = answer.headers.get("x-ms-continuation-token")
    assert token is None
    assert seen == [*(f"list-{number}" for number in range(5)), "list-waits"]

    async def ids(**query: str) -> list[str]:
        entries = json.loads((await ask(host, "GET", "instances", **query)).body)
        return [entry["instanceId"] for entry in entries]

    assert await ids(runtimeStatus="running") == ["list-waits"]
    assert await ids(runtimeStatus="Pending, Running,Completed", instanceIdPrefix="list-w") == ["list-waits"]
    assert await ids(createdTimeFrom="2099-01-01T00:00:00Z") == []
    assert (
        len(await ids(createdTimeFrom="2020-01-01T00:00:00", createdTimeTo="2099-01-01T00:00:00 00:00")) == 6
    )
    entry = json.loads(
        (await ask(host, "GET", "instances", instanceIdPrefix="list-0", showInput="false")).body
    )[0]
    assert entry["input"] is None
    purged = await ask(host, "DELETE", "instances", createdTimeFrom="2020-01-01T00:00:00Z")
    assert json.loads(purged.body)["instancesDeleted"] >= 4
    assert await ids() == ["list-waits"]


async def test_entities(host: Serving) -> None:
    """Signalled with JSON inside JSON or plain text, read, listed, deleted; `$` is the empty key."""

    async def state(key: str, expected: bytes | None) -> None:
        for _ in range(100):
            answer = await ask(host, "GET", f"entities/Counter/{key}")
            if (answer.body if answer.status == 200 else None) == expected:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(answer)

    assert (await ask(host, "POST", "entities/counter/k", "2", op="add")).status == 202
    assert (
        await ask(host, "POST", "entities/counter/k", b"3", content_type="text/plain", op="add")
    ).status == 202
    await state("k", b"5")
    await ask(host, "POST", "entities/counter/$", "1", op="add")
    await state("$", b"1")
    listed = json.loads((await ask(host, "GET", "entities/counter", fetchState="true")).body)
    assert [(entry["entityId"], entry["state"]) for entry in listed] == [
        ({"name": "counter", "key": ""}, 1),
        ({"name": "counter", "key": "k"}, 5),
    ]
    bare = json.loads((await ask(host, "GET", "entities")).body)
    assert [set(entry) for entry in bare] == [{"entityId", "lastOperationTime"}] * 2
    assert (await ask(host, "DELETE", "entities/counter/k")).status == 202
    await state("k", None)
    assert (
        await ask(host, "POST", "entities/counter/k", b"\xff", content_type="text/plain", op="x")
    ).status == 400


TEXTS: list[tuple[str, str | None, Any]] = [
    ("Completed", None, None),
    ("Completed", '{"a":[1]}', {"a": [1]}),
    ("Completed", '"text"', "text"),
    ("Failed", "Orchestrator function 'x' failed: \"no\"", "Orchestrator function 'x' failed: \"no\""),
    ("Terminated", "because", "because"),
    ("Terminated", "5", 5),
    ("Terminated", '{"a":', '{"a":'),
    ("Terminated", "", ""),
]


@pytest.mark.parametrize(("status", "output", "shown"), TEXTS)
def test_texts_are_shown_as_json_or_as_text(status: str, output: str | None, shown: Any) -> None:
    """Output is parsed when it is JSON and given as text when not; the body is valid JSON, its members in order."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    instance = Instance('i"1', "n", status, '"{}"', None, output, at, at)
    body = json.loads(status_text(instance, show_input=True))
    assert list(body.items()) == [
        ("name", "n"),
        ("instanceId", 'i"1'),
        ("runtimeStatus", status),
        ("input", "{}"),
        ("customStatus", None),
        ("output", shown),
        ("createdTime", "2026-01-02T03:04:05Z"),
        ("lastUpdatedTime", "2026-01-02T03:04:05Z"),
    ]


def test_every_handler_is_reachable() -> None:
    """A path of each shape leads to its own row of the table, whatever the case of its literals."""
    for method, pattern in HANDLERS:
        filled = tuple(
            "Name" if part == "*" else part.upper() if part != "instances" else part
            for part in pattern.split("/")
        )
        assert (method, shape(filled)) == (method, pattern)


async def test_an_unexpected_error_is_500_without_details(
    host: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller learns nothing of the machine; the log has the stack."""

    def broken(_: str) -> None:
        raise OSError("/secret/path")

    monkeypatch.setattr(type(host.engine), "get_instance", lambda self, instance_id: broken(instance_id))
    answer = await ask(host, "GET", "instances/x")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert "OSError" in host.events("durable_api_failed")[0]["stack"]


WEBHOOKS = "/runtime/webhooks/durabletask"


@pytest.mark.parametrize(
    ("key", "status"),
    [("system-key", 200), ("master-key", 200), ("function-key", 401), ("", 401), (None, 401)],
)
async def test_the_public_api_needs_its_key(host: Serving, key: str | None, status: int) -> None:
    """System or master key, in the query or the header."""
    query = "" if key is None else f"?code={key}"
    assert (await host.ask("GET", f"{WEBHOOKS}/instances{query}")).status == status
    if key:
        assert (await host.ask("GET", f"{WEBHOOKS}/Instances", x_functions_key=key)).status == status


async def test_the_public_api_over_the_wire(host: Serving) -> None:
    """Escaped ids are decoded, Location is the caller's own URL, and the RPC listener gives the same body."""
    target = f"{WEBHOOKS}/orchestrators/waits/%C3%A9%20x?code=system-key"
    assert (await host.ask("POST", target)).status == 202
    await until(host, "é x", "Running")
    target = f"{WEBHOOKS}/instances/%C3%A9%20x?code=system-key"
    public = await host.ask("GET", target, host="caller:1")
    assert public.header("location") == f"http://caller:1{target}"
    rpc = await host.ask("GET", "/unguessable/durabletask/instances/%C3%A9%20x", rpc=True)
    assert (rpc.status, rpc.json()) == (202, public.json())
    assert rpc.header("location") is None


async def test_settled_reads_wait_for_work_and_immediate_ones_do_not(tmp_path: Path) -> None:
    """Settled: the first read after a start already has the outcome. Immediate: it has what is committed."""
    for settled, expected in ((True, {"Completed"}), (False, {"Pending", "Running", "Completed"})):
        directory = tmp_path / str(settled)
        directory.mkdir()
        async with served(directory, APP, settled_reads=settled) as host:
            path = "/unguessable/durabletask"
            await host.ask("POST", f"{path}/orchestrators/same/x", rpc=True)
            reply = await host.ask("GET", f"{path}/instances/x", rpc=True)
            assert reply.json()["runtimeStatus"] in expected
