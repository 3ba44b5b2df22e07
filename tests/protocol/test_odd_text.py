"""Text that is valid JSON and no valid Unicode, and bytes that are neither: one instance may suffer, the host never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.protocol.driver import Driver, until

LONE = '"\\ud800"'  # JSON text of a lone surrogate, escaped as a client may send it


@pytest.fixture(autouse=True)
def _host_stays_well(flows: Driver) -> Any:
    """After each test everybody else is served as before."""
    yield
    assert flows.output("two_steps") == "hello hello one"
    assert flows.webhook("GET", "instances").status == 200


def event_with_it(flows: Driver) -> str:
    instance_id = flows.start("waits")
    flows.webhook("POST", f"instances/{instance_id}/raiseEvent/go", body=LONE)
    if flows.instance(instance_id)["runtimeStatus"] in {"Pending", "Running"}:
        flows.raise_event(instance_id, "go", "sound")
    return instance_id


def output_with_it(flows: Driver) -> str:
    return str(flows.webhook("POST", "orchestrators/odd", body='"{\\"in\\": \\"output\\"}"').json()["id"])


def status_with_it(flows: Driver) -> str:
    return str(flows.webhook("POST", "orchestrators/odd", body='"{\\"in\\": \\"status\\"}"').json()["id"])


def activity_input_with_it(flows: Driver) -> str:
    return str(flows.webhook("POST", "orchestrators/odd", body='"{\\"in\\": \\"activity\\"}"').json()["id"])


def error_with_it(flows: Driver) -> str:
    return str(flows.webhook("POST", "orchestrators/odd", body='"{\\"in\\": \\"error\\"}"').json()["id"])


def activity_error_with_it(flows: Driver) -> str:
    return str(
        flows.webhook("POST", "orchestrators/odd", body='"{\\"in\\": \\"activity error\\"}"').json()["id"]
    )


def entity_with_it(flows: Driver) -> str:
    return str(flows.webhook("POST", "orchestrators/odd", body='"{\\"in\\": \\"entity\\"}"').json()["id"])


def event_name_with_it(flows: Driver) -> str:
    return str(flows.webhook("POST", "orchestrators/odd", body='"{\\"in\\": \\"name\\"}"').json()["id"])


PLACES = [
    event_with_it,
    output_with_it,
    status_with_it,
    activity_input_with_it,
    error_with_it,
    activity_error_with_it,
    entity_with_it,
    event_name_with_it,
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_lone_surrogate_ends_in_a_verdict(flows: Driver, place: Callable[[Driver], str]) -> None:
    """Wherever an app lets half a character through, the instance completes or fails; nobody else notices."""
    assert flows.finished(place(flows), within=5)["runtimeStatus"] in {"Completed", "Failed"}


REQUESTS: list[tuple[str, str, bytes | str | None]] = [
    ("POST", "orchestrators/returns_input", LONE),
    ("POST", "orchestrators/returns_input", b'"\xff"'),
    ("POST", "orchestrators/returns_input", b"\x00"),
    ("POST", "orchestrators/returns_input/%ED%A0%80", None),
    ("POST", "orchestrators/returns_input/%FF", None),
    ("POST", "orchestrators/%FF", None),
    ("POST", "instances/nobody/raiseEvent/%FF", "1"),
    ("POST", "instances/%FF/terminate?reason=%FF", None),
    ("GET", "instances/%00", None),
    ("GET", "instances?instanceIdPrefix=%FF&top=x&createdTimeFrom=never", None),
    ("GET", "instances?top=-1", None),
    ("GET", "instances?top=99999999999999999999", None),
    ("GET", "instances?runtimeStatus=Nonsense", None),
    ("POST", "entities/ledger/%FF?op=add", "1"),
    ("POST", "entities/ledger/odd?op=%FF", LONE),
    ("GET", "entities/ledger/%ED%A0%80", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=[f"{m} {p}" for m, p, _ in REQUESTS])
def test_a_request_of_odd_bytes_is_answered(
    flows: Driver, method: str, path: str, body: bytes | str | None
) -> None:
    """Odd bytes in path, query and body are taken or refused with a status below 500."""
    separator = "&" if "?" in path else "?"
    answer = flows.http(
        method,
        f"/runtime/webhooks/durabletask/{path}{separator}code=test-system-key",
        body=body,
        headers={"content-type": "application/json"} if body is not None else {},
    )
    assert answer.status < 500, answer.text


def test_a_continuation_token_of_nonsense_is_no_server_error(flows: Driver) -> None:
    """A token that this host never gave is refused or taken as the beginning."""
    for token in ("nonsense", "e30=", "%00", "a" * 5000):
        answer = flows.webhook("GET", "instances", headers={"x-ms-continuation-token": token})
        assert answer.status < 500, answer.text


def test_signals_of_odd_text_do_not_stop_the_entity(flows: Driver) -> None:
    """An operation that cannot be kept fails alone; the next ones are served."""
    flows.webhook("POST", "entities/ledger/half", body='"\\"\\\\ud800\\""', op="append")
    flows.signal("ledger", "half", "set_only", "sound")
    until(lambda: flows.entity("ledger", "half") == "sound", "the next signal is applied")
