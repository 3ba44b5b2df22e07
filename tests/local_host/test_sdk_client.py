"""The short cut between the SDK's client and the host: same calls, same answers, and the way back."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import azure.durable_functions as df
import pytest
import pytest_asyncio
from azure.durable_functions.models.utils import http_utils
from dateutil.parser import parse as dateutil_parse

from local_host.client_binding import client_text
from local_host.sdk_client import read_call, use_direct_calls, whole_seconds_parser
from tests.local_host.serving import Serving, served
from tests.local_host.test_durable_api import APP

MODULE: Any = importlib.import_module("azure.durable_functions.models.DurableOrchestrationClient")
FUNCTIONS = ("get_async_request", "post_async_request", "delete_async_request")


@pytest_asyncio.fixture
async def host(tmp_path: Path) -> AsyncIterator[Serving]:
    async with served(tmp_path, APP) as running:
        yield running
        await http_utils._close_session()


Step = tuple[str, tuple[Any, ...]]
# One story for each way; every answer has to be the same.
STORY: list[Step] = [
    ("start_new", ("same", "é & 1%+2", {"n": 1})),
    ("get_status", ("é & 1%+2",)),
    ("start_new", ("none",)),
    ("start_new", ("waits", "w")),
    ("get_status", ("w", True, True, True)),
    ("start_new", ("waits", "w")),
    ("start_new", ("same", "a/b")),
    ("start_new", ("same", "..", 1)),
    ("start_new", ("same", "a?b=c#d", 1)),
    ("suspend", ("w", "a reason & more")),
    ("get_status", ("w",)),
    ("suspend", ("w", "again")),
    ("resume", ("w", "")),
    ("raise_event", ("w", "go", {"é": [1, None]})),
    ("get_status", ("w",)),
    ("raise_event", ("w", "go", 1)),
    ("raise_event", ("none", "go", 1)),
    ("terminate", ("w", "late")),
    ("terminate", ("none", "x")),
    ("rewind", ("w", "x")),
    ("restart", ("w", False)),
    ("terminate", ("w", "ünï / x")),
    ("get_status", ("w",)),
    ("get_status", ("none",)),
    ("get_status_all", ()),
    ("get_status_by", (datetime(2020, 1, 1), None, [df.OrchestrationRuntimeStatus.Completed], "é")),
    ("signal_entity", (df.EntityId("counter", "k 1"), "add", 5)),
    ("signal_entity", (df.EntityId("none", "k"), "add", 5)),
    ("read_entity_state", (df.EntityId("counter", "none"),)),
    ("purge_instance_history", ("w",)),
    ("purge_instance_history", ("w",)),
    ("purge_instance_history_by", (datetime(2020, 1, 1),)),
    ("purge_instance_history_by", (datetime(2099, 1, 1),)),
]
TIMES = {
    "createdTime",
    "lastUpdatedTime",
    "_created_time",
    "_last_updated_time",
    "Timestamp",
    "ScheduledTime",
}


def told(value: Any) -> Any:
    """What a client operation gave, without what differs from run to run."""
    if isinstance(value, list):
        return [told(item) for item in value]
    if isinstance(value, dict):
        return {name: told(item) for name, item in value.items() if name not in TIMES}
    return (
        told(vars(value))
        if hasattr(value, "__dict__") and not isinstance(value, df.OrchestrationRuntimeStatus)
        else value
    )


async def play(host: Serving) -> list[Any]:
    client = df.DurableOrchestrationClient(client_text(host.api.site, None, None))
    answers = []
    for operation, arguments in STORY:
        try:
            answers.append((operation, told(await getattr(client, operation)(*arguments))))
        except Exception as error:
            answers.append((operation, type(error).__name__, str(error).replace(str(host.port), "PORT")))
    return answers


async def test_every_call_answers_the_same_by_either_way(tmp_path: Path) -> None:
    """The same story over the wire and without it: equal values, equal exceptions, step by step."""
    answers = []
    for way in ("http", "direct"):
        directory = tmp_path / way
        directory.mkdir()
        async with served(directory, APP) as host:
            restore = use_direct_calls(host.api, host.api.site.rpc_url) if way == "direct" else lambda: None
            try:
                answers.append(await play(host))
            finally:
                restore()
                await http_utils._close_session()
    texts = [repr(told(answer)) for answer in answers]
    ports = [part for text in texts for part in text.split("localhost:")[1:]]
    for part in ports:
        texts = [text.replace(part.split("/")[0], "PORT") for text in texts]
    assert texts[0] == texts[1]
    assert len(answers[0]) == len(STORY)


async def test_direct_calls_open_no_connection_and_can_be_undone(host: Serving) -> None:
    """Nothing goes over the wire; afterwards the SDK's own functions are back in their places."""
    originals = [getattr(MODULE, name) for name in FUNCTIONS]
    restore = use_direct_calls(host.api, host.api.site.rpc_url)
    try:
        client = df.DurableOrchestrationClient(client_text(host.api.site, None, None))
        await client.start_new("same", "direct", 1)
        assert (await client.get_status("direct")).output == 1
        assert http_utils._client_session is None
    finally:
        restore()
    assert [getattr(MODULE, name) for name in FUNCTIONS] == originals


RPC = "http://127.0.0.1:1/s/durabletask/"


def test_what_is_not_for_this_host_is_left_to_the_sdk() -> None:
    """Other addresses, and paths with dots to resolve, go over the wire."""
    assert read_call("GET", "http://127.0.0.1:2/s/durabletask/instances/x", RPC) is None
    assert read_call("GET", RPC.replace("/s/", "/t/") + "instances/x", RPC) is None
    assert read_call("GET", RPC + "instances/../x", RPC) is None
    call = read_call("GET", RPC + "instances/" + quote("a/b") + "?showInput=True#x", RPC)
    assert call is not None
    assert (call.parts, dict(call.query), call.url) == (("instances", "a", "b"), {"showinput": "True"}, None)


TIMESTAMPS = [
    "2026-01-02T03:04:05Z",
    "1970-01-01T00:00:00Z",
    "2026-12-31T23:59:59Z",
    "2026-01-02T03:04:05.5Z",
    "2026-01-02T03:04:05+01:00",
    "2026-01-02 03:04:05Z",
    "Fri Jan  2 03:04 26Z",
    "January 2, 2026 3pm",
]


@pytest.mark.parametrize("text", TIMESTAMPS)
def test_the_fast_parser_gives_what_dateutil_gives(text: str) -> None:
    """The same instant and an equal time zone of the same type, whatever the form."""
    ours, theirs = whole_seconds_parser()(text), dateutil_parse(text)
    assert ours == theirs
    assert (type(ours.tzinfo), ours.tzinfo) == (type(theirs.tzinfo), theirs.tzinfo)
    if theirs.tzinfo is not None:
        assert ours.astimezone(UTC) == theirs.astimezone(UTC)


def test_the_fast_parser_refuses_what_dateutil_refuses() -> None:
    """A date that is none raises the same error."""
    for text in ("2026-13-02T03:04:05Z", "not a time at all, Z"):
        with pytest.raises(ValueError, match=r"month|Unknown|unknown"):
            whole_seconds_parser()(text)
