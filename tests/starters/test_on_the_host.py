"""The whole app on the local host, over HTTP, however soon a status read is answered."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import ceremonies
from demo.authenticator import Lie
from tests.hosts import FUNCTION_KEY, ROOT, RunningHost, running_host


@pytest.fixture(scope="module", params=["settled", "immediate"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host that answers status reads once the instance has settled, and one that answers at once, as Azure does."""
    state: Path = tmp_path_factory.mktemp(request.param) / "state"
    with running_host(state=state, arguments=["--status-reads", request.param]) as running:
        yield running


def ticket(host: RunningHost) -> str:
    command = [sys.executable, "-m", "passkeys", "ticket", "issue", "--person", "ada"]
    environment = {**os.environ, "LOCAL_HOST_STATE": str(host.state)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"#ticket=([\w-]+)", done.stdout)
    assert found is not None
    return found[1]


def test_a_person_registers_and_signs_in(host: RunningHost) -> None:
    """Each exchange takes one round trip: options with the start, the outcome with the answer."""
    passkey, registered = ceremonies.register(host.url, ticket(host))
    assert registered.body["output"]["outcome"] == "completed"
    started = ceremonies.start(host.url, "authentication", {})
    assert "publicKey" in started.body
    done = ceremonies.sign_in(host.url, passkey)
    assert done.body["output"]["person"] == {"id": "ada", "display_name": "Ada Lovelace"}
    wrong = ceremonies.sign_in(host.url, passkey, lie=Lie(broken_signature=True))
    assert (wrong.body["output"]["outcome"], wrong.body["output"]["reason"]) == ("rejected", "not_verified")
    again = ceremonies.respond(host.url, done.body["instanceId"], {})
    assert (again.status, again.body["code"]) == (400, "response_malformed")


def test_cancelling_ends_a_ceremony_and_operators_see_all_of_it(host: RunningHost) -> None:
    """DELETE, twice; then the list and the timeline with the function key, and neither without."""
    started = ceremonies.start(host.url, "authentication", {}).body["id"]
    for _ in range(2):
        canceled = ceremonies.cancel(host.url, started)
        assert (canceled.status, canceled.body["output"]["outcome"]) == (200, "canceled")
    path = f"/operations/ceremonies/{started}"
    assert ceremonies.call(host.url, "GET", path).status == 401
    seen = ceremonies.call(host.url, "GET", path, headers={"x-functions-key": FUNCTION_KEY}).body
    assert seen["audit"]["outcome"] == "canceled"
    assert {"history", "audit"} == {step["source"] for step in seen["timeline"]}
    listed = ceremonies.call(
        host.url, "GET", "/operations/ceremonies", headers={"x-functions-key": FUNCTION_KEY}
    ).body["ceremonies"]
    assert started in [one["id"] for one in listed]


def test_a_wrong_method_and_an_unknown_ceremony_are_problems(host: RunningHost) -> None:
    """405 with Allow from the function itself; 404 for an id that no start gave out."""
    wrong = ceremonies.call(host.url, "PUT", "/authentications", {})
    assert (wrong.status, wrong.headers["allow"], wrong.body["code"]) == (405, "POST", "method_not_allowed")
    unknown = ceremonies.status(host.url, "authentication-" + "0" * 32)
    assert (unknown.status, unknown.body["code"]) == (404, "ceremony_unknown")
