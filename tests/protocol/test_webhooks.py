"""The public API /runtime/webhooks/durabletask with its key (Durable protocol: the public API)."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.hosts import FUNCTION_KEY, MASTER_KEY, SYSTEM_KEY
from tests.protocol.driver import Driver, until

MEMBERS = [
    "name",
    "instanceId",
    "runtimeStatus",
    "input",
    "customStatus",
    "output",
    "createdTime",
    "lastUpdatedTime",
]

KEYS: list[tuple[str, dict[str, str], str | None, int]] = [
    ("system key in the query", {}, SYSTEM_KEY, 200),
    ("system key in the header", {"x-functions-key": SYSTEM_KEY}, None, 200),
    ("master key in the query", {}, MASTER_KEY, 200),
    ("master key in the header", {"x-functions-key": MASTER_KEY}, None, 200),
    ("no key", {}, None, 401),
    ("a wrong key", {}, "wrong", 401),
    ("an empty key", {}, "", 401),
    ("the function key", {}, FUNCTION_KEY, 401),
    ("the function key in the header", {"x-functions-key": FUNCTION_KEY}, None, 401),
]


@pytest.mark.parametrize(
    ("headers", "key", "status"), [row[1:] for row in KEYS], ids=[row[0] for row in KEYS]
)
def test_the_api_needs_the_system_or_master_key(
    flows: Driver, headers: dict[str, str], key: str | None, status: int
) -> None:
    """The extension's own key or the master key opens it; anything else is 401."""
    assert flows.webhook("GET", "instances", headers=headers, key=key).status == status


OPERATIONS = [
    ("POST", "orchestrators/returns_input"),
    ("GET", "instances/x"),
    ("DELETE", "instances/x"),
    ("POST", "instances/x/raiseEvent/go"),
    ("POST", "instances/x/terminate"),
    ("POST", "instances/x/suspend"),
    ("POST", "instances/x/resume"),
    ("POST", "instances/x/rewind"),
    ("POST", "instances/x/restart"),
    ("GET", "entities/ledger/k"),
    ("POST", "entities/ledger/k"),
    ("DELETE", "entities/ledger/k"),
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(row) for row in OPERATIONS])
def test_every_operation_needs_the_key(flows: Driver, method: str, path: str) -> None:
    """No operation is open without a key."""
    assert flows.webhook(method, path, key=None).status == 401


def test_a_start_is_accepted_with_links(flows: Driver) -> None:
    """202, Location of the status, Retry-After 10, the id and links."""
    answer = flows.webhook("POST", "orchestrators/returns_input/by-hand", body='{"a": 1}')
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "10"
    links = answer.json()
    assert links["id"] == "by-hand"
    assert answer.headers["Location"] == links["statusQueryGetUri"]
    for name in ("sendEventPostUri", "terminatePostUri", "purgeHistoryDeleteUri", "restartPostUri"):
        assert "by-hand" in links[name]
    assert flows.finished("by-hand")["output"] == {"a": 1}


BODIES: list[tuple[str, str | None, str, Any]] = [
    ("object", '{"a": 1}', "Completed", {"a": 1}),
    ("nothing", None, "Completed", None),
    ("JSON in a string", json.dumps('{"a": 1}'), "Completed", {"a": 1}),
    ("list", "[1]", "Failed", None),
    ("number", "5", "Failed", None),
    ("true", "true", "Failed", None),
    ("plain string", '"abc"', "Failed", None),
]


@pytest.mark.parametrize(
    ("body", "status", "output"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
def test_a_raw_start_body_is_parsed_once(flows: Driver, body: str | None, status: str, output: Any) -> None:
    """An object arrives as a dict; a list, number, bool or plain string makes get_input() raise."""
    answer = flows.webhook("POST", "orchestrators/returns_input", body=body)
    ended = flows.finished(answer.json()["id"])
    assert ended["runtimeStatus"] == status
    if status == "Completed":
        assert ended["output"] == output


BAD_IDS = ["@entity", "a%2Fb", "a%5Cb", "a%23b", "a%3Fb", "a%07b", "x" * 257]


@pytest.mark.parametrize("instance_id", BAD_IDS, ids=lambda text: text[:8])
def test_an_id_that_cannot_be_is_refused(flows: Driver, instance_id: str) -> None:
    """Longer than 256, beginning with @, or with / \\ # ? or control characters: 400."""
    assert flows.webhook("POST", f"orchestrators/returns_input/{instance_id}").status == 400


GOOD_IDS = ["x" * 256, "with blank", "ünï-🐴", "a@b", "a:b", "50%25"]


@pytest.mark.parametrize("instance_id", GOOD_IDS, ids=lambda text: text[:8])
def test_other_ids_are_good(flows: Driver, instance_id: str) -> None:
    """256 characters, blanks, letters beyond ASCII, a later @: accepted and found again."""
    assert flows.start("returns_input", 1, instance_id=instance_id) == instance_id
    assert flows.finished(instance_id)["instanceId"] == instance_id


@pytest.mark.parametrize(
    ("path", "body"),
    [("orchestrators/no_such_function", None), ("orchestrators/returns_input", "{not json")],
    ids=["unknown function", "not JSON"],
)
def test_a_bad_start_is_400_with_the_reason(flows: Driver, path: str, body: str | None) -> None:
    """400 with Message, ExceptionMessage, ExceptionType and StackTrace."""
    answer = flows.webhook("POST", path, body=body)
    assert answer.status == 400
    assert set(answer.json()) >= {"Message", "ExceptionMessage", "ExceptionType", "StackTrace"}


def test_a_duplicate_start_is_500_with_the_reason(flows: Driver) -> None:
    """«An Orchestration instance with the status Running already exists.» and 500."""
    flows.start("waits", instance_id="duplicate")
    flows.reached("duplicate", custom_status="waiting")
    answer = flows.webhook("POST", "orchestrators/waits/duplicate")
    assert answer.status == 500
    message = answer.json()["ExceptionMessage"]
    assert message == "An Orchestration instance with the status Running already exists."
    flows.client("terminate", "duplicate", "done")


def test_of_many_starts_at_once_under_one_id_one_is_accepted(flows: Driver) -> None:
    """Looking for the id and taking it is one step."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: flows.webhook("POST", "orchestrators/waits/contested"), range(8)))
    assert sorted(answer.status for answer in answers) == [202, *[500] * 7]
    flows.raise_event("contested", "go", 1)
    assert flows.finished("contested")["output"] == ["int", 1]


def test_instances_at_once_keep_to_themselves(flows: Driver) -> None:
    """Sixty instances started, told and ended side by side: each has its own event and its own output."""
    ids = [f"crowd-{n}" for n in range(60)]

    def live(instance_id: str) -> Any:
        flows.start("waits", instance_id=instance_id)
        assert flows.raise_event(instance_id, "go", {"for": instance_id}).status == 202
        return flows.finished(instance_id)["output"]

    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(live, ids))
    assert outputs == [["dict", {"for": instance_id}] for instance_id in ids]


STATES = [
    ("Completed", 200, 200),
    ("Terminated", 200, 200),
    ("Failed", 200, 500),
    ("Running", 202, 202),
    ("Suspended", 202, 202),
]


def in_state(flows: Driver, state: str) -> str:
    """The id of a new instance that is in the given state."""
    if state == "Completed":
        instance_id = flows.start("returns_input", {"n": 1})
    elif state == "Failed":
        instance_id = flows.start("fails", "no good")
    else:
        instance_id = flows.start("waits")
        flows.reached(instance_id, custom_status="waiting")
    if state == "Terminated":
        flows.client("terminate", instance_id, "the reason")
    if state == "Suspended":
        flows.client("suspend", instance_id, "a pause")
    until(lambda: flows.instance(instance_id)["runtimeStatus"] == state, f"an instance is {state}")
    return instance_id


@pytest.mark.parametrize(("state", "status", "with_errors"), STATES, ids=[row[0] for row in STATES])
def test_the_status_of_each_state(flows: Driver, state: str, status: int, with_errors: int) -> None:
    """202 with Location (including the code) and Retry-After while it runs, 200 when done, 500 only when asked."""
    instance_id = in_state(flows, state)
    answer = flows.webhook("GET", f"instances/{instance_id}")
    asked = flows.webhook("GET", f"instances/{instance_id}", returnInternalServerErrorOnFailure="true")
    assert (answer.status, asked.status) == (status, with_errors)
    body = answer.json()
    assert list(body) == MEMBERS
    assert body == asked.json()
    assert body["runtimeStatus"] == state
    for name in ("createdTime", "lastUpdatedTime"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body[name])
    assert body["lastUpdatedTime"] >= body["createdTime"]
    if status == 202:
        assert answer.headers["Retry-After"] == "5"
        assert f"/instances/{instance_id}" in answer.headers["Location"]
        assert f"code={SYSTEM_KEY}" in answer.headers["Location"]
        assert body["output"] is None
        flows.client("terminate", instance_id, "done")
    else:
        assert "Location" not in answer.headers
    expected = {
        "Completed": {"n": 1},
        "Terminated": "the reason",
        "Failed": "Orchestrator function 'fails' failed: no good",
    }
    assert body["output"] == expected.get(state)


def test_an_unknown_instance_is_404_and_empty(flows: Driver) -> None:
    """404 without a body."""
    answer = flows.webhook("GET", "instances/nobody")
    assert (answer.status, answer.body) == (404, b"")


def test_the_input_is_shown_as_stored_and_hidden_on_request(flows: Driver) -> None:
    """From the SDK's client the input is a string of JSON; showInput=false makes it null."""
    instance_id = flows.start("returns_input", {"n": 1})
    flows.finished(instance_id)
    assert flows.instance(instance_id)["input"] == '{"n": 1}'
    assert flows.instance(instance_id, showInput="false")["input"] is None
    raw = flows.webhook("POST", "orchestrators/returns_input", body='{"n": 1}').json()["id"]
    flows.finished(raw)
    assert flows.instance(raw)["input"] == {"n": 1}


def test_the_history_view_merges_schedules_into_completions(flows: Driver) -> None:
    """EventType is a name; schedules are merged; ids, played marks and episode markers are left out."""
    instance_id = flows.start("two_steps")
    flows.finished(instance_id)
    events = flows.instance(instance_id, showHistory="true")["historyEvents"]
    assert [event["EventType"] for event in events] == [
        "ExecutionStarted",
        "TaskCompleted",
        "TaskCompleted",
        "ExecutionCompleted",
    ]
    for event in events:
        assert "EventId" not in event
        assert "IsPlayed" not in event
        assert "Result" not in event
        assert event["Timestamp"]
    assert [event["FunctionName"] for event in events[1:3]] == ["say", "say"]
    assert all(event["ScheduledTime"] <= event["Timestamp"] for event in events[1:3])
    shown = flows.history(instance_id)
    assert [event.get("Result") for event in shown[1:]] == ["hello one", "hello hello one", "hello hello one"]


def test_a_timer_in_the_history_view_has_its_due_time(flows: Driver) -> None:
    """TimerFired carries FireAt; the TimerCreated it answers is merged away."""
    instance_id = flows.start("approval", {"timeout": 0.05, "cancel": True})
    flows.finished(instance_id)
    events = {event["EventType"]: event for event in flows.history(instance_id)}
    assert "FireAt" in events["TimerFired"]
    assert "TimerCreated" not in events


def test_a_start_can_wait_for_the_output(flows: Driver) -> None:
    """With timeout and pollingInterval the answer is the bare output once completed."""
    answer = flows.webhook(
        "POST", "orchestrators/returns_input", body='{"n": 1}', timeout="5", pollingInterval="1"
    )
    assert (answer.status, answer.json()) == (200, {"n": 1})


def test_a_start_that_waits_too_long_is_accepted(flows: Driver) -> None:
    """When the time is over the answer is 202 with the links."""
    answer = flows.webhook("POST", "orchestrators/waits", timeout="0.2", pollingInterval="0.1")
    assert answer.status == 202
    flows.client("terminate", answer.json()["id"], "done")


def test_a_start_that_fails_while_waited_for_answers_as_get(flows: Driver) -> None:
    """Failed within the time: the status body, as GET gives it."""
    answer = flows.webhook(
        "POST", "orchestrators/fails", body=json.dumps('"bad"'), timeout="5", pollingInterval="1"
    )
    assert answer.status == 200
    assert answer.json()["runtimeStatus"] == "Failed"


def test_a_polling_interval_above_the_timeout_is_refused(flows: Driver) -> None:
    """The interval may not be above the timeout."""
    answer = flows.webhook("POST", "orchestrators/returns_input", timeout="1", pollingInterval="2")
    assert answer.status == 400


def test_instances_are_listed_in_pages(flows: Driver) -> None:
    """`top` bounds the page; the continuation header leads to the next; together they are everything once."""
    expected = {flows.start("returns_input", n, instance_id=f"paged-{n}") for n in range(7)}
    seen: list[str] = []
    token: str | None = None
    for _ in range(7):
        headers = {"x-ms-continuation-token": token} if token else {}
        answer = flows.webhook("GET", "instances", instanceIdPrefix="paged-", top="3", headers=headers)
        page = [entry["instanceId"] for entry in answer.json()]
        assert len(page) <= 3
        seen += page
        token = answer.headers.get("x-ms-continuation-token")
        if not token or token == "null":
            break
    assert sorted(seen) == sorted(expected)


def test_a_page_has_a_hundred_instances_by_default(flows: Driver) -> None:
    """Without `top` a page has at most 100 entries and a token when there are more."""
    for n in range(101):
        flows.start("returns_input", instance_id=f"hundred-{n:03}")
    answer = flows.webhook("GET", "instances", instanceIdPrefix="hundred-")
    assert len(answer.json()) == 100
    assert answer.headers.get("x-ms-continuation-token")


def test_a_listed_instance_has_the_status_members(flows: Driver) -> None:
    """Each entry of a list has the members of a status body; history is not among them."""
    flows.start("returns_input", {"n": 1}, instance_id="entry-1")
    flows.finished("entry-1")
    (entry,) = flows.webhook("GET", "instances", instanceIdPrefix="entry-").json()
    assert set(entry) >= set(MEMBERS)
    assert "historyEvents" not in entry
    assert entry["output"] == {"n": 1}


def test_bulk_purge_of_nothing_is_404(flows: Driver) -> None:
    """Zero deleted is 404; without createdTimeFrom the request is refused."""
    assert flows.webhook("DELETE", "instances", createdTimeFrom="2099-01-01T00:00:00Z").status == 404
    assert flows.webhook("DELETE", "instances").status == 400


GONE = ["terminate", "suspend", "resume", "raiseEvent/go"]


@pytest.mark.parametrize("operation", GONE)
def test_acting_on_a_finished_or_unknown_instance(flows: Driver, operation: str) -> None:
    """410 when finished, 404 when unknown."""
    instance_id = flows.start("returns_input")
    flows.finished(instance_id)
    body = "{}" if operation.startswith("raise") else None
    assert flows.webhook("POST", f"instances/{instance_id}/{operation}", body=body).status == 410
    assert flows.webhook("POST", f"instances/nobody/{operation}", body=body).status == 404


@pytest.mark.parametrize("operation", ["terminate", "rewind"])
def test_a_terminated_instance_is_gone(flows: Driver, operation: str) -> None:
    """Terminated instances can be neither terminated nor rewound: 410."""
    instance_id = in_state(flows, "Terminated")
    assert flows.webhook("POST", f"instances/{instance_id}/{operation}").status == 410


@pytest.mark.parametrize("path", ["nothing", "instances/x/unknown", "", "orchestrators"])
def test_anything_else_is_404(flows: Driver, path: str) -> None:
    """Unknown paths under the API are 404."""
    assert flows.webhook("POST", path, body="{}").status == 404
