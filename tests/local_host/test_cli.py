"""The command as people use it: real processes that come up, refuse, drain and stop."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local_host.cli import parse, parser
from tests.hosts import ROOT, RunningHost, running_host

APP = """
import asyncio, os, time
import azure.durable_functions as df
import azure.functions as func
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="slow")
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    open(os.environ["MARK"], "w").close()
    await asyncio.sleep(0.5)
    return func.HttpResponse("done")

@app.route(route="stuck")
async def stuck(req: func.HttpRequest) -> func.HttpResponse:
    open(os.environ["MARK"], "w").close()
    await asyncio.sleep(600)
    return func.HttpResponse("never")

@app.orchestration_trigger(context_name="context")
def flow(context):
    return (yield context.call_activity("work", 1))

@app.activity_trigger(input_name="number")
async def work(number):
    open(os.environ["MARK"], "w").close()
    await asyncio.sleep(0.5)
    return number + 1
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    directory = tmp_path / "app"
    directory.mkdir()
    (directory / "function_app.py").write_text(APP, "utf-8")
    return directory


def attempt(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "local_host", "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


# --- usage --------------------------------------------------------------------------------------------------


def test_help_says_what_it_is_and_what_each_exit_code_means() -> None:
    """The description, every option, the keys and all exit codes."""
    text = parser().format_help()
    for word in ("READY", "LOCAL_HOST_FUNCTION_KEY", "local.settings.json", "SIGTERM"):
        assert word in text
    for code in range(7):
        assert re.search(rf"(^|\s){code} \w", text), code


def test_directories_are_absolute_whatever_was_given() -> None:
    """The app may change its working directory; the state must not move with it."""
    options = parse(["--app", "x", "--state", "y"])
    assert options.app == Path.cwd() / "x"
    assert options.state == Path.cwd() / "y"


DEFAULTS = parse([])


def test_the_defaults() -> None:
    """Port 7071 on loopback, state in .local, settled reads, fast timestamps, the SDK's client by HTTP as in Azure."""
    assert (DEFAULTS.port, DEFAULTS.host, DEFAULTS.state.name) == (7071, "127.0.0.1", ".local")
    assert (DEFAULTS.settled_reads, DEFAULTS.fast_timestamps, DEFAULTS.direct_calls) == (True, True, False)
    switched = parse(["--status-reads", "immediate", "--sdk-timestamps", "dateutil", "--sdk-calls", "direct"])
    assert (switched.settled_reads, switched.fast_timestamps, switched.direct_calls) == (False, False, True)


@pytest.mark.parametrize(
    "arguments", [["--por", "1"], ["--port", "-1"], ["--log-level", "loud"], ["extra"]], ids=" ".join
)
def test_a_wrong_command_line_is_2(arguments: Sequence[str]) -> None:
    """Unknown or shortened options, impossible values."""
    with pytest.raises(SystemExit) as end:
        parse(arguments)
    assert end.value.code == 2


# --- what keeps it from serving -----------------------------------------------------------------------------


def test_every_refusal_is_one_sentence_and_a_next_step(app: Path, tmp_path: Path) -> None:
    """The state is a file, is no database, the address is not ours, a setting is broken: code, sentence, next step."""
    file = tmp_path / "file"
    file.write_text("x", "utf-8")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "host.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    (app / "bad").mkdir()
    (app / "bad" / "function_app.py").write_text(APP, "utf-8")
    (app / "bad" / "local.settings.json").write_text("{", "utf-8")
    cases = [
        (["--app", str(app), "--state", str(file)], 1, str(file)),
        (["--app", str(app), "--state", str(broken)], 1, "host.db"),
        (["--app", str(app), "--state", str(tmp_path / "s"), "--host", "203.0.113.1"], 1, "203.0.113.1"),
        (["--app", str(app / "bad"), "--state", str(tmp_path / "s")], 5, "local.settings.json"),
        (["--app", str(tmp_path / "no"), "--state", str(tmp_path / "s")], 5, "function_app.py"),
    ]
    for arguments, code, words in cases:
        ended = attempt(*arguments)
        assert (ended.returncode, ended.stdout) == (code, ""), ended.stderr
        *_, sentence, step = ended.stderr.strip().splitlines()
        assert words in sentence
        assert step.startswith("  Next: ")
        assert "Traceback" not in ended.stderr


def test_a_state_folder_that_the_host_makes_is_its_owners_alone(tmp_path: Path) -> None:
    """Made for the owner alone, and the file in it as well, under the loosest umask."""
    state = tmp_path / "state"
    before = os.umask(0)
    try:
        attempt("--app", str(tmp_path / "no"), "--state", str(state))
    finally:
        os.umask(before)
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}


# --- stopping -----------------------------------------------------------------------------------------------


def get(host: RunningHost, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    parts = urlsplit(host.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def left_alone(host: RunningHost, path: str) -> None:
    """A request whose answer never comes."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        get(host, path)


def wait_for(path: Path) -> None:
    for _ in range(500):
        if path.exists():
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{path} was never made")


def test_a_stop_lets_a_running_function_finish(app: Path, tmp_path: Path) -> None:
    """SIGTERM while a function runs: its caller gets the answer, then the host ends with 0."""
    mark = tmp_path / "mark"
    answers: list[tuple[int, str]] = []
    with running_host(app=app, state=tmp_path / "state", env={"MARK": str(mark)}) as host:
        caller = threading.Thread(target=lambda: answers.append(get(host, "/api/slow")))
        caller.start()
        wait_for(mark)
        assert host.stop() == 0
        caller.join(5)
    assert answers == [(200, "done")]
    events = [json.loads(line)["event"] for line in host.log().splitlines()]
    assert events[-2:] == ["stopping", "stopped"]


def test_a_stop_lets_a_running_activity_finish(app: Path, tmp_path: Path) -> None:
    """SIGTERM while an activity runs: its result is committed and the next run carries on from there."""
    mark = tmp_path / "mark"
    env = {"MARK": str(mark)}
    start = "/runtime/webhooks/durabletask/orchestrators/flow/one?code=test-system-key"
    with running_host(app=app, state=tmp_path / "state", env=env) as host:
        assert get(host, start, "POST")[0] == 202
        wait_for(mark)
        assert host.stop() == 0
    mark.unlink()
    with running_host(app=app, state=tmp_path / "state", env=env) as host:
        for _ in range(500):
            body = json.loads(
                get(host, "/runtime/webhooks/durabletask/instances/one?code=test-system-key")[1]
            )
            if body["runtimeStatus"] == "Completed":
                break
            threading.Event().wait(0.01)
        assert body["output"] == 2
    assert not mark.exists(), "the activity ran once"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(app: Path, tmp_path: Path, second: signal.Signals) -> None:
    """A function that does not end holds up the first signal, not the second."""
    mark = tmp_path / "mark"
    with running_host(app=app, state=tmp_path / "state", env={"MARK": str(mark)}) as host:
        caller = threading.Thread(target=left_alone, args=(host, "/api/stuck"))
        caller.start()
        wait_for(mark)
        host.process.send_signal(signal.SIGTERM)
        for _ in range(500):
            if '"stopping"' in host.log():
                break
            threading.Event().wait(0.01)
        host.process.send_signal(second)
        assert host.process.wait(5) == 1
        caller.join(5)


def test_an_idle_connection_does_not_hold_up_a_stop(app: Path, tmp_path: Path) -> None:
    """Browsers keep connections open; a host that stops closes them."""
    with running_host(app=app, state=tmp_path / "state") as host:
        parts = urlsplit(host.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=10)
        connection.request("GET", "/none")
        connection.getresponse().read()
        assert host.process.poll() is None
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(5) == 0
        connection.close()


def test_on_loopback_only_this_machine_s_names_are_served(app: Path, tmp_path: Path) -> None:
    """The host as started by default refuses a request for another name."""
    with running_host(app=app, state=tmp_path / "state") as host:
        assert get(host, "/none")[0] == 404
        assert get(host, "/none", Host="rebound.example")[0] == 421


def test_the_fault_seam_reaches_the_database(app: Path, tmp_path: Path) -> None:
    """main(argv, on_commit=...) calls it around every commit; a test host can end itself there."""
    script = (
        "import os, sys\nfrom local_host.cli import main\n"
        "def on_commit(moment):\n    print('commit', moment, flush=True)\n    os._exit(7)\n"
        "sys.exit(main(sys.argv[1:], on_commit=on_commit))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "--port", "0", "--app", str(app), "--state", str(tmp_path / "state")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (7, "commit before\n")


# --- the page in the docs -----------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "local-host.md"


def test_every_option_is_in_the_docs() -> None:
    """docs/local-host.md names each option of --help and no other."""
    named = set(re.findall(r"`(--[a-z-]+)", PAGE.read_text("utf-8")))
    options = {
        option for action in parser()._actions for option in action.option_strings if option.startswith("--")
    }
    assert named == options - {"--help"}


def test_every_variable_is_in_the_docs() -> None:
    """Each environment variable that the host reads or sets is in docs/local-host.md."""
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "local_host").glob("*.py"))
    names = set(
        re.findall(
            r"\b(?:LOCAL_HOST_[A-Z_]+[A-Z]|WEBSITE_[A-Z_]+|PYTHON_[A-Z_]+|AZURE_FUNCTIONS_[A-Z]+)\b", sources
        )
    )
    names |= {
        "AzureWebJobsScriptRoot",
        "AzureFunctionsJobHost__",
        "LOCAL_HOST_MASTER_KEY",
        "LOCAL_HOST_SYSTEM_KEY",
    }
    page = PAGE.read_text("utf-8")
    assert {name for name in names if name not in page} == set()


def test_every_exit_code_is_in_the_docs() -> None:
    """The table of exit codes has a row for each."""
    page = PAGE.read_text("utf-8")
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == [str(code) for code in range(7)]
