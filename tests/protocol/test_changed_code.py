"""An app whose code changes under running instances (Durable protocol: non-determinism)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts import running_host
from tests.protocol.conftest import APPS
from tests.protocol.driver import FINISHED, Driver, until

PREFIX = "Non-Deterministic workflow detected: "

# name, words the message must have; or the output of an instance that goes on
CAUGHT = [
    ("renames", "0", "first"),
    ("reorders", "0", "first"),
    ("changes_kind", "0", "first"),
    ("changes_child", "0", "child"),
    ("drops_a_call", "0", "first"),
]
UNNOTICED = [
    ("appends_a_call", "second first 1"),
    ("changes_an_input", "first 1"),
    ("changes_the_case", "first 1"),
]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """Instances that wait in version 1, then the host with version 2 and an event for each."""
    folder = tmp_path_factory.mktemp("versions")
    names = [row[0] for row in (*CAUGHT, *UNNOTICED)]
    with running_host(app=APPS / "versions", state=folder / "state", env={"APP_VERSION": "1"}) as host:
        first = Driver(host)
        for name in names:
            first.start(name, instance_id=name)
        settled = {"TaskCompleted", "SubOrchestrationInstanceCompleted"}
        for name in names:
            expected = 2 if name == "reorders" else 1
            until(
                lambda name=name, expected=expected: (
                    len([event for event in first.history(name) if event["EventType"] in settled]) == expected
                ),
                f"{name} waits",
            )
    with running_host(app=APPS / "versions", state=folder / "state", env={"APP_VERSION": "2"}) as host:
        second = Driver(host)
        for name in names:
            assert second.raise_event(name, "go", None).status in {202, 410}
        yield second


@pytest.mark.parametrize(("name", "number", "recorded"), CAUGHT, ids=[row[0] for row in CAUGHT])
def test_a_breach_fails_the_instance(changed: Driver, name: str, number: str, recorded: str) -> None:
    """Failed, not retried: the message has the known prefix, the sequence number and the recorded name."""
    body = changed.finished(name)
    assert body["runtimeStatus"] == "Failed"
    assert body["output"].startswith(PREFIX)
    assert number in body["output"]
    assert recorded in body["output"]
    assert "?" in body["output"] or "change" in body["output"].lower(), "it asks whether the code changed"


@pytest.mark.parametrize(("name", "output"), UNNOTICED, ids=[row[0] for row in UNNOTICED])
def test_what_is_not_compared_goes_on(changed: Driver, name: str, output: str) -> None:
    """A call added at the end, another input, another case of the name: not noticed, the old result stays."""
    body = changed.finished(name)
    assert (body["runtimeStatus"], body["output"]) == ("Completed", output)


def test_all_of_them_ended(changed: Driver) -> None:
    """No instance hangs after the change."""
    for name, *_ in (*CAUGHT, *UNNOTICED):
        assert changed.finished(name)["runtimeStatus"] in FINISHED
