"""kill -9 at every commit, restarts, drains: nothing acknowledged is lost (Durable protocol: guarantees)."""

from __future__ import annotations

import http.client
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.dying_host import chosen
from tests.hosts import HostDidNotStart, RunningHost, running_host, start_host
from tests.protocol.conftest import APPS
from tests.protocol.driver import Driver, until

KILLER = "tests.protocol.commit_killer"
GONE = (OSError, http.client.HTTPException, AssertionError)
UNBROKEN = [
    [12, -1, None],
    [0, -1, None],
    [4, 0, None],
    [13, -1, None],
    [12, -1, None],
    [5, -1, 0],
    [4, 1, None],
    [13, -1, None],
    [12, -1, None],
    [5, -1, 1],
]


def steps(folder: Path) -> list[str]:
    """What the activities wrote, whoever killed them."""
    path = folder / "steps"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"STEPS_FILE": str(folder / "steps"), **more}


def host(folder: Path, **env: str) -> Any:
    """A host of the steps app on the folder's state, as a context."""
    return running_host(app=APPS / "steps", state=folder / "state", env=environment(folder, **env))


def run_until_killed(folder: Path, at: str, scenario: Callable[[Driver], None]) -> bool:
    """Run the scenario on a host that dies at the commit; whether it did die. The scenario may fail midway."""
    env = environment(folder, KILL_AT_COMMIT=at)
    try:
        victim = start_host(app=APPS / "steps", state=folder / "state", env=env, module=KILLER)
    except HostDidNotStart:
        return True
    try:
        with suppress(*GONE):
            scenario(Driver(victim))
        return ended(victim) == -signal.SIGKILL
    finally:
        victim.kill()


def ended(victim: RunningHost) -> int | None:
    """The exit code, given a moment to die."""
    with suppress(subprocess.TimeoutExpired):
        return victim.process.wait(0.5)
    return None


def start_once(driver: Driver, name: str, instance_id: str, given: Any = None) -> None:
    """Start unless the instance is there: what a caller does whose first request was never answered."""
    if driver.webhook("GET", f"instances/{instance_id}").status == 404:
        driver.start(name, given, instance_id=instance_id)


def patient(driver: Driver, instance_id: str) -> dict[str, Any]:
    """As Driver.finished, but gives up soon when the host is dead."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and driver.host.process.poll() is None:
        with suppress(*GONE):
            body = driver.instance(instance_id)
            if body["runtimeStatus"] in {"Completed", "Failed"}:
                return body
        time.sleep(0.02)
    raise OSError("the host is gone")


# --- every commit -----------------------------------------------------------------------------------------


def sequence(driver: Driver) -> None:
    start_once(driver, "sequence", "s1")
    patient(driver, "s1")


def commits_of(folder: Path, scenario: Callable[[Driver], None]) -> int:
    """How many commits an undisturbed run of the scenario makes, from the start of the host."""
    counted = folder / "commits"
    env = environment(folder, COMMITS_FILE=str(counted))
    with running_host(app=APPS / "steps", state=folder / "state", env=env, module=KILLER) as undisturbed:
        scenario(Driver(undisturbed))
        return len(counted.read_bytes())


def test_a_sequence_survives_a_kill_at_every_commit(tmp_path: Path) -> None:
    """Two activities, the host killed before and after each commit in turn: the same result, every activity at
    least once and at most once more, the history of the same shape as without a kill."""
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    commits = commits_of(undisturbed, sequence)
    assert 3 <= commits <= 40

    def killed(at: str) -> tuple[str, bool, dict[str, Any], Counter[str]]:
        folder = tmp_path / at.replace(":", "-")
        folder.mkdir()
        died = run_until_killed(folder, at, sequence)
        with host(folder) as again:
            driver = Driver(again)
            start_once(driver, "sequence", "s1")
            return at, died, driver.finished("s1"), Counter(steps(folder))

    points = chosen([f"{phase}:{n}" for n in range(1, commits + 1) for phase in ("before", "after")])
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(killed, points))
    for at, died, body, ran in outcomes:
        assert body["runtimeStatus"] == "Completed", (at, body)
        results, shape = body["output"]
        assert results == ["s1 one done", "s1 two done"], at
        assert shape == UNBROKEN, at
        assert set(ran) == {"s1 one", "s1 two"}, at
        assert all(1 <= count <= 2 for count in ran.values()), (at, ran)
        assert died or at.endswith(f":{commits}"), f"the host did not die at {at}"


def everything(driver: Driver) -> None:
    start_once(driver, "everything", "e1", 1)
    patient(driver, "e1")


def test_every_kind_of_step_survives_a_kill_before_every_commit(tmp_path: Path) -> None:
    """Child, timer, fan-out, retry, entity signalled and called, continue-as-new: killed with the work of each turn
    done and not yet committed, the end is the same, and what went to the entity is there exactly once."""
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    commits = commits_of(undisturbed, everything)
    assert 6 <= commits <= 60
    parts = [f"e1 {generation} {what}" for generation in (1, 2) for what in ("signal", "child")]
    work = {f"e1 {generation} {what}" for generation in (1, 2) for what in ("child", "own", "retried")}

    def killed(number: int) -> tuple[int, dict[str, Any], list[str], Counter[str], list[dict[str, Any]]]:
        folder = tmp_path / str(number)
        folder.mkdir()
        run_until_killed(folder, f"before:{number}", everything)
        with host(folder) as again:
            driver = Driver(again)
            start_once(driver, "everything", "e1", 1)
            body = driver.finished("e1")
            children = [driver.finished(f"e1-{generation}-child") for generation in (1, 2)]
            return number, body, driver.entity("tally", "parts"), Counter(steps(folder)), children

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(killed, chosen(range(1, commits + 1))))
    for number, body, tallied, ran, children in outcomes:
        assert body["runtimeStatus"] == "Completed", (number, body)
        assert body["output"] == ["e1 2 child done", "e1 2 own done", "e1 2 retried done", 4], number
        assert sorted(tallied) == sorted(parts), number
        assert set(ran) == work, number
        assert all(1 <= count <= 2 for count in ran.values()), (number, ran)
        assert [child["runtimeStatus"] for child in children] == ["Completed"] * 2, number


def test_signals_are_neither_lost_nor_doubled_by_kills(tmp_path: Path) -> None:
    """The host dies again and again while senders signal one entity: each signal of each sender counts once,
    and signals of a client that were acknowledged are there."""
    senders = [f"sender{n}" for n in range(3)]
    acknowledged: list[str] = []

    def scenario(driver: Driver) -> None:
        for instance_id in senders:
            start_once(driver, "sender", instance_id)
            signal_id = f"client-{len(acknowledged)}"
            driver.signal("tally", "shared", "add", signal_id)
            acknowledged.append(signal_id)
        for instance_id in senders:
            patient(driver, instance_id)

    for at in ("after:4", "before:5", "after:6", "before:3", "after:5", "before:6"):
        run_until_killed(tmp_path, at, scenario)
    with host(tmp_path) as last:
        driver = Driver(last)
        scenario(driver)
        for instance_id in senders:
            assert driver.finished(instance_id)["runtimeStatus"] == "Completed"
        seen = Counter(
            until(
                lambda: (found := driver.entity("tally", "shared")) and acknowledged[-1] in found and found,
                "the last signal is applied",
            )
        )
    for instance_id in senders:
        assert seen[instance_id] == 1
        assert seen[f"{instance_id} again"] == 1
    assert all(seen[signal_id] >= 1 for signal_id in acknowledged), "an acknowledged signal is never lost"
    answered = {signal_id for signal_id in acknowledged if seen[signal_id] == 1}
    unanswered = set(acknowledged) - answered
    assert all(seen[signal_id] == 2 for signal_id in unanswered), (
        "twice only when sent twice, unanswered at first"
    )


# --- restarts ---------------------------------------------------------------------------------------------


def test_timers_events_and_waits_survive_a_kill(tmp_path: Path) -> None:
    """After kill -9: a timer due meanwhile fires at once, a later one when due, a wait still hears its event,
    custom status and suspension are as they were."""
    with host(tmp_path) as first:
        driver = Driver(first)
        driver.start("sleeper", 0.5, instance_id="soon")
        driver.start("sleeper", 4, instance_id="later")
        for instance_id in ("ear", "paused"):
            driver.start("listener", instance_id=instance_id)
            driver.reached(instance_id, custom_status="waiting")
        assert driver.webhook("POST", "instances/paused/suspend", reason="pause").status == 202
        driver.reached("paused", "Suspended")
        until(lambda: "TimerCreated" in str(driver.history("later")), "the timers are set")
        began = time.monotonic()
        first.kill()
    until(lambda: time.monotonic() > began + 0.6, "the first timer is due")
    with host(tmp_path) as second:
        driver = Driver(second)
        assert driver.finished("soon")["output"] == "soon woke done"
        assert driver.instance("ear")["customStatus"] == "waiting"
        assert driver.instance("paused")["runtimeStatus"] == "Suspended"
        assert driver.raise_event("ear", "go", "heard").status == 202
        assert driver.finished("ear")["output"] == "heard"
        assert driver.raise_event("paused", "go", "later").status == 202
        assert driver.webhook("POST", "instances/paused/resume", reason="go on").status == 202
        assert driver.finished("paused")["output"] == "later"
        assert driver.instance("later")["runtimeStatus"] == "Running"
        assert driver.finished("later")["output"] == "later woke done"
        fired = next(e for e in driver.history("later") if e["EventType"] == "TimerFired")
        assert fired["Timestamp"][:22] >= fired["FireAt"][:22]
    assert Counter(steps(tmp_path)) == {"soon woke": 1, "later woke": 1}


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    """A start, an event and a signal answered with 202 are kept though the host dies the next moment."""
    with host(tmp_path) as first:
        driver = Driver(first)
        for n in range(20):
            driver.start("listener", instance_id=f"l{n}")
            assert driver.raise_event(f"l{n}", "go", n).status == 202
            driver.signal("tally", "kept", "add", n)
        first.kill()
    with host(tmp_path) as second:
        driver = Driver(second)
        assert [driver.finished(f"l{n}")["output"] for n in range(20)] == list(range(20))
        seen = until(
            lambda: (found := driver.entity("tally", "kept")) and len(found) >= 20 and found,
            "all signals applied",
        )
        assert seen == list(range(20))


def test_an_activity_cut_off_by_a_kill_runs_again(tmp_path: Path) -> None:
    """At least once: the activity that never reported is executed again after the restart, and only it."""
    with host(tmp_path) as first:
        Driver(first).start("worker", 5, instance_id="cut")
        until(lambda: steps(tmp_path) == ["long_work began"], "the activity has begun")
        first.kill()
    with host(tmp_path) as second:
        until(lambda: steps(tmp_path).count("long_work began") == 2, "the activity runs again")
        assert Driver(second).instance("cut")["runtimeStatus"] == "Running"
        second.kill()


def test_a_stop_lets_running_work_finish(tmp_path: Path) -> None:
    """SIGTERM: the running activity ends, its result is committed, exit code 0; the next host needs no second run."""
    with host(tmp_path) as first:
        Driver(first).start("worker", 0.8, instance_id="drained")
        until(lambda: steps(tmp_path) == ["long_work began"], "the activity has begun")
        assert first.stop() == 0
    assert steps(tmp_path) == ["long_work began", "long_work ended"]
    with host(tmp_path) as second:
        assert Driver(second).finished("drained")["output"] == "worked"
    assert len(steps(tmp_path)) == 2


def test_a_stopping_host_leaves_no_request_hanging(tmp_path: Path) -> None:
    """Callers post starts while SIGTERM comes: each is answered or its connection ends, the host stops soon after
    its running activity, and every start that was answered with 202 is kept."""
    acknowledged: list[str] = []
    hanging: list[str] = []

    def post_until_refused(driver: Driver, caller: int) -> None:
        for n in range(10_000):
            instance_id = f"caller{caller}-{n}"
            try:
                if driver.webhook("POST", f"orchestrators/listener/{instance_id}").status == 202:
                    acknowledged.append(instance_id)
            except TimeoutError:
                hanging.append(instance_id)
            except ConnectionRefusedError:
                return
            except (OSError, http.client.HTTPException):
                continue

    with host(tmp_path) as first, ThreadPoolExecutor(3) as pool:
        driver = Driver(first)
        driver.start("worker", 0.5, instance_id="busy")
        until(lambda: steps(tmp_path), "the activity has begun")
        callers = [pool.submit(post_until_refused, driver, caller) for caller in range(3)]
        until(lambda: len(acknowledged) > 10, "requests are being served")
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(10) == 0
        for caller in callers:
            caller.result()
    assert hanging == []
    with host(tmp_path) as second:
        driver = Driver(second)
        assert driver.finished("busy")["output"] == "worked"
        for instance_id in acknowledged:
            assert driver.webhook("GET", f"instances/{instance_id}").status == 202


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """Who signals twice does not wait for the drain."""
    with host(tmp_path) as first:
        Driver(first).start("worker", 20, instance_id="stubborn")
        until(lambda: steps(tmp_path), "the activity has begun")
        first.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            first.process.wait(0.5)
        first.process.send_signal(signal.SIGTERM)
        first.process.wait(3)
    assert steps(tmp_path) == ["long_work began"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_an_idle_host_stops_with_code_0(tmp_path: Path, number: signal.Signals) -> None:
    """Both signals stop an idle host at once, with waiting instances kept for the next."""
    with host(tmp_path) as first:
        Driver(first).start("listener", instance_id="kept")
        Driver(first).reached("kept", custom_status="waiting")
        first.process.send_signal(number)
        assert first.process.wait(5) == 0
    with host(tmp_path) as second:
        assert Driver(second).instance("kept")["runtimeStatus"] == "Running"
