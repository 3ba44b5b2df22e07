"""Entities called, signalled, listed, deleted, with the SDK's leaks kept (Durable protocol: entities)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.protocol.driver import Driver, Raised, until


def results(flows: Driver, key: str, *operations: tuple[str, Any]) -> list[dict[str, Any]]:
    """Call the ledger once for each operation, one after the other."""
    return list(flows.output("operates", {"key": key, "operations": operations}))


def batch(flows: Driver, key: str, *operations: tuple[str, Any]) -> list[Any]:
    """Call the ledger with all operations in one batch; what each answered."""
    return list(flows.output("operates_at_once", {"key": key, "operations": operations}))


def test_state_outlives_each_call(flows: Driver) -> None:
    """Each call sees the state the one before it left."""
    answers = results(flows, "sum", ("add", 2), ("add", 3), ("get", None))
    assert answers == [{"result": 2}, {"result": 5}, {"result": 5}]
    assert flows.entity("ledger", "sum") == 5


def test_an_operation_knows_its_entity(flows: Driver) -> None:
    """Entity name in lower case, key as given, operation name as sent."""
    assert results(flows, "Some Key@Ü", ("whoami", None)) == [{"result": ["ledger", "Some Key@Ü", "whoami"]}]


def test_an_entity_goes_by_its_registered_name(flows: Driver) -> None:
    """The name in the trigger wins over the function's, ignoring case."""
    answers = flows.output(
        "operates", {"name": "RENAMED", "key": "k", "operations": [["add", 1], ["whoami", None]]}
    )
    assert answers[0] == {"result": 1}
    assert answers[1]["result"][0] == "renamed"
    assert flows.entity("renamed", "k") == 1
    assert flows.entity("Renamed", "k") == 1


def test_keys_are_told_apart_by_case_and_names_are_not(flows: Driver) -> None:
    """`Ledger` and `ledger` are one entity name; `Key` and `key` are two keys."""
    results(flows, "Case", ("add", 1))
    results(flows, "case", ("add", 10))
    assert (flows.entity("LEDGER", "Case"), flows.entity("ledger", "case")) == (1, 10)


def test_an_operation_that_raises_reaches_the_caller(flows: Driver) -> None:
    """The caller gets an exception whose text is the operation's message."""
    assert results(flows, "raises", ("boom", None)) == [{"raised": "boom"}]


def test_a_change_before_the_raise_is_kept(flows: Driver) -> None:
    """There is no rollback: the state set before the exception stays, and the next operation runs."""
    answers = results(flows, "spoilt", ("set_then_raise", 7), ("get", None))
    assert answers == [{"raised": "spoilt after the change"}, {"result": 7}]


def test_an_operation_without_result_gives_null_first(flows: Driver) -> None:
    """The first operation of a batch without a result answers null."""
    assert results(flows, "quiet", ("quiet", None)) == [{"result": None}]


def test_an_operation_without_result_gives_the_previous_one_in_a_batch(flows: Driver) -> None:
    """Inside one batch the previous operation's result leaks into one that sets none."""
    assert batch(flows, "leaky", ("add", 4), ("quiet", None)) == [4, 4]


def test_a_call_without_input_gives_none(flows: Driver) -> None:
    """`call_entity(e, op)` sends the text "null": get_input() is None."""
    assert results(flows, "noinput", ("read_input", None)) == [{"result": {"input": None}}]


def test_a_pure_get_creates_the_entity(flows: Driver) -> None:
    """set_result alone marks the entity as existing; its state is null."""
    assert flows.webhook("GET", "entities/ledger/only-read").status == 404
    assert results(flows, "only-read", ("get", None)) == [{"result": None}]
    assert flows.webhook("GET", "entities/ledger/only-read").status == 200


def test_a_null_state_is_no_state_to_the_initializer(flows: Driver) -> None:
    """After set_state(None) the initializer runs again."""
    assert results(flows, "nulled", ("set_only", None), ("add", 3))[1] == {"result": 3}


def test_destruct_removes_the_entity(flows: Driver) -> None:
    """After destruct_on_exit there is no such entity; a later operation makes a new one."""
    assert results(flows, "gone", ("add", 9), ("destruct", None))[1] == {"result": "gone"}
    assert flows.webhook("GET", "entities/ledger/gone").status == 404
    assert results(flows, "gone", ("add", 1)) == [{"result": 1}]


def test_destruct_then_create_in_one_batch(flows: Driver) -> None:
    """A later operation in the batch may re-create what an earlier one destroyed."""
    assert batch(flows, "reborn", ("add", 9), ("destruct", None), ("add", 1)) == [9, "gone", 1]
    assert flows.entity("ledger", "reborn") == 1


def test_one_sender_keeps_its_order_over_signals_and_calls(flows: Driver) -> None:
    """Signals take an id each, calls too; the entity sees them in the order they were made."""
    result = flows.output("signals_then_calls", "ordered")
    assert result["items"] == [0, 1, 2, 3, 4, "called", "last"]
    sent = [event for event in result["told"] if event["type"] == 14]
    assert [event["id"] for event in sent] == list(range(8))
    assert {event["Name"] for event in sent} == {"op"}
    assert {event["InstanceId"] for event in sent} == {"@ledger@ordered"}
    messages = [json.loads(event["Input"]) for event in sent]
    assert [message.get("signal", False) for message in messages] == [True] * 5 + [False, True, False]
    answers = [event for event in result["told"] if event["type"] == 15]
    called = [message["id"] for message in messages if not message.get("signal")]
    assert [event["Name"] for event in answers] == called, "the answer is an event named after the request"


def test_an_unknown_entity_called_is_loud(flows: Driver) -> None:
    """Azure hangs on a call to an entity that is not registered; this host says so and fails the instance."""
    assert "no_such_entity" in flows.refused(flows.start("calls_entity", ["no_such_entity", "get"]))


def test_an_unknown_entity_signalled_fails_the_instance(flows: Driver) -> None:
    """Signalling an entity that is not registered fails the orchestration, as on Azure."""
    assert "no_such_entity" in flows.failure("signals_entity", ["no_such_entity", "get"])


# --- from clients -----------------------------------------------------------------------------------------


def test_client_signals_are_applied_in_order_each_once(flows: Driver) -> None:
    """Twenty signals from one client, one after the other, are twenty operations in that order."""
    for number in range(20):
        flows.client(
            "signal_entity", entityId=["ledger", "client"], operation_name="append", operation_input=[number]
        )
    items = until(
        lambda: len(flows.entity("ledger", "client") or []) >= 20 and flows.entity("ledger", "client"),
        "all signals are applied",
    )
    assert items == [[number] for number in range(20)]


def test_signals_from_many_senders_are_all_applied_once(flows: Driver) -> None:
    """An entity works strictly one operation at a time: nothing is lost between concurrent senders."""
    with ThreadPoolExecutor(8) as pool:
        client = [pool.submit(flows.signal, "ledger", "busy", "append", ["client", n]) for n in range(60)]
        ids = [flows.start("signals_many", {"key": "busy", "count": 20}) for _ in range(4)]
        for sent in client:
            sent.result()
    for instance_id in ids:
        flows.finished(instance_id)
    items = until(
        lambda: len(flows.entity("ledger", "busy") or []) >= 140 and flows.entity("ledger", "busy"),
        "all applied",
    )
    expected = [["client", n] for n in range(60)] + [[i, n] for i in ids for n in range(20)]
    assert sorted(items) == sorted(expected)
    for instance_id in ids:
        assert [n for sender, n in items if sender == instance_id] == list(range(20)), "in the sender's order"


def test_a_client_reads_state_and_absence(flows: Driver) -> None:
    """read_entity_state: the state where there is one, not existing otherwise."""
    results(flows, "readable", ("set_only", {"a": [1]}))
    assert flows.client("read_entity_state", entityId=["ledger", "readable"]) == {
        "exists": True,
        "state": {"a": [1]},
    }
    assert flows.client("read_entity_state", entityId=["ledger", "absent"]) == {
        "exists": False,
        "state": None,
    }


def test_a_falsy_signal_input_makes_get_input_raise(flows: Driver) -> None:
    """The SDK sends no body for a falsy input; get_input() then raises, and the entity goes on."""
    flows.client("signal_entity", entityId=["ledger", "falsy"], operation_name="append", operation_input=0)
    flows.signal("ledger", "falsy", "append", "real")
    assert until(lambda: flows.entity("ledger", "falsy"), "the second signal is applied") == ["real"]


def test_a_raw_json_object_signal_can_not_be_read(flows: Driver) -> None:
    """The input is decoded twice: a plain JSON object from a raw POST fails in get_input()."""
    answer = flows.webhook("POST", "entities/ledger/raw", body='{"a": 1}', op="append")
    assert answer.status == 202
    flows.signal("ledger", "raw", "append", {"a": 2})
    assert until(lambda: flows.entity("ledger", "raw"), "the second signal is applied") == [{"a": 2}]


def test_a_text_signal_is_stored_as_a_json_string(flows: Driver) -> None:
    """A body of another content type is taken as text: get_input() decodes that text as JSON."""
    path = "entities/ledger/plain"
    answer = flows.webhook("POST", path, body="[1]", headers={"content-type": "text/plain"}, op="append")
    assert answer.status == 202
    assert until(lambda: flows.entity("ledger", "plain"), "the signal is applied") == [[1]]


def test_delete_is_the_operation_delete(flows: Driver) -> None:
    """DELETE entities/… sends the operation `delete`; the function answers by destructing."""
    results(flows, "deleted", ("add", 1))
    assert flows.webhook("DELETE", "entities/ledger/deleted").status == 202
    until(lambda: flows.webhook("GET", "entities/ledger/deleted").status == 404, "the entity is gone")


def test_the_key_dollar_means_the_empty_key(flows: Driver) -> None:
    """`$` in the path stands for the empty key."""
    assert flows.webhook("POST", "entities/ledger/$", body=json.dumps("1"), op="add").status == 202
    until(lambda: flows.webhook("GET", "entities/ledger/$").status == 200, "the entity exists")
    assert flows.webhook("GET", "instances/@ledger@").status == 202


def test_signalling_an_unknown_entity_is_refused(flows: Driver) -> None:
    """A client's signal to an entity that is not registered is no 202; the SDK raises."""
    answer = flows.webhook("POST", "entities/no_such_entity/k", op="get")
    assert answer.status in {400, 404, 500}
    with pytest.raises(Raised):
        flows.client("signal_entity", entityId=["no_such_entity", "k"], operation_name="get")


# --- listing ----------------------------------------------------------------------------------------------


def test_entities_are_listed_by_name_with_state_on_request(flows: Driver) -> None:
    """GET entities and entities/{name}; the state only with fetchState."""
    results(flows, "listed", ("set_only", "shown"))
    everything = flows.webhook("GET", "entities").json()
    assert {"name": "ledger", "key": "listed"} in [entry["entityId"] for entry in everything]
    named = flows.webhook("GET", "entities/ledger", fetchState="true", top="1000").json()
    entry = next(entry for entry in named if entry["entityId"]["key"] == "listed")
    assert entry["state"] == "shown"
    assert entry["lastOperationTime"]
    bare = flows.webhook("GET", "entities/ledger", top="1000").json()
    assert next(entry for entry in bare if entry["entityId"]["key"] == "listed").get("state") is None
    assert {entry["entityId"]["name"] for entry in named} == {"ledger"}


def test_entities_are_listed_in_pages(flows: Driver) -> None:
    """`top` bounds a page; the token in the header leads through all of them without repeats."""
    for n in range(5):
        flows.signal("ledger", f"page-{n}", "add", 1)
    until(lambda: all(flows.entity("ledger", f"page-{n}") == 1 for n in range(5)), "five entities exist")
    keys: list[str] = []
    token: str | None = None
    for _ in range(200):
        headers = {"x-ms-continuation-token": token} if token else {}
        answer = flows.webhook("GET", "entities/ledger", top="2", headers=headers)
        page = [entry["entityId"]["key"] for entry in answer.json()]
        assert len(page) <= 2
        keys += page
        token = answer.headers.get("x-ms-continuation-token")
        if not token or token == "null":
            break
    assert len(keys) == len(set(keys))
    assert {f"page-{n}" for n in range(5)} <= set(keys)


def test_entities_are_filtered_by_their_last_operation(flows: Driver) -> None:
    """lastOperationTimeFrom and …To bound the listing."""
    results(flows, "dated", ("add", 1))
    future, past = "2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z"
    keys = lambda **query: [
        e["entityId"]["key"] for e in flows.webhook("GET", "entities/ledger", top="1000", **query).json()
    ]
    assert "dated" in keys(lastOperationTimeFrom=past, lastOperationTimeTo=future)
    assert keys(lastOperationTimeFrom=future) == []
    assert keys(lastOperationTimeTo=past) == []


def test_an_entity_is_an_instance_with_its_state_as_input(flows: Driver) -> None:
    """`@name@key` is listed among instances: custom status {"entityExists", …}, the state in `input`."""
    results(flows, "Instance", ("set_only", {"secret": False}))
    body = flows.instance("@ledger@Instance")
    assert body["runtimeStatus"] == "Running"
    assert body["customStatus"]["entityExists"] is True
    assert {"queueSize", "lockedBy"} <= set(body["customStatus"])
    assert '"secret"' in json.dumps(body["input"]).replace("\\", "")
    listed = flows.webhook("GET", "instances", instanceIdPrefix="@ledger@Inst").json()
    assert [entry["instanceId"] for entry in listed] == ["@ledger@Instance"]
