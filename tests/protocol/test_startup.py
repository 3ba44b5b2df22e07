"""Starting the host: what it says, what it refuses, and with which exit code (contract of the command)."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.hosts import ROOT, running_host
from tests.protocol.conftest import APPS
from tests.protocol.driver import Driver, until

STOPPED, USAGE, PORT_TAKEN, STATE_NEWER, APP_INVALID, STATE_IN_USE = 0, 2, 3, 4, 5, 6


def attempt(
    app: Path, state: Path, *arguments: str, env: Mapping[str, str] | None = None, port: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a host that is expected to end by itself."""
    command = [
        sys.executable,
        "-m",
        "local_host",
        "--port",
        str(port),
        "--state",
        str(state),
        "--app",
        str(app),
    ]
    return subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


HEAD = "import azure.durable_functions as df\nimport azure.functions as func\napp = df.DFApp()\n"
ROUTE = "async def {name}(req: func.HttpRequest) -> func.HttpResponse:\n    return func.HttpResponse('x')\n"


def http_function(name: str, decorator: str) -> str:
    return f"@{decorator}\n" + ROUTE.format(name=name)


# name, source of function_app.py, words that standard error must have
INVALID: list[tuple[str, str, Sequence[str]]] = [
    ("syntax error", "def broken(:\n", ["Traceback", "SyntaxError"]),
    ("raises on import", "raise RuntimeError('on import')\n", ["Traceback", "on import"]),
    ("missing module", "import no_such_module_here\n", ["Traceback", "no_such_module_here"]),
    ("no app", "x = 1\n", ["app"]),
    ("two apps", HEAD + "other = df.DFApp()\n", ["app"]),
    (
        "context under another name",
        HEAD + "@app.orchestration_trigger(context_name='ctx')\ndef flow(ctx):\n    return 1\n",
        ["flow", "ctx"],
    ),
    (
        "entity context under another name",
        HEAD + "@app.entity_trigger(context_name='ctx')\ndef thing(ctx):\n    pass\n",
        ["thing", "ctx"],
    ),
    (
        "binding that is no parameter",
        HEAD + "@app.activity_trigger(input_name='payload')\ndef work(other):\n    return 1\n",
        ["work", "payload"],
    ),
    (
        "names equal but for case",
        HEAD
        + http_function("Same", "app.route(route='one')")
        + http_function("same", "app.route(route='two')"),
        ["same"],
    ),
    (
        "equal routes",
        HEAD
        + http_function("one", "app.route(route='x/{a}')")
        + http_function("two", "app.route(route='X/{a}')"),
        ["one", "two"],
    ),
    ("a route under admin", HEAD + http_function("one", "app.route(route='admin/x')"), ["one", "admin"]),
    (
        "a route under runtime",
        HEAD + http_function("one", "app.route(route='runtime/x')"),
        ["one", "runtime"],
    ),
    (
        "a durable client in a plain function",
        HEAD
        + "@app.route(route='x')\n@app.durable_client_input(client_name='client')\n"
        + "def starter(req: func.HttpRequest, client):\n    return func.HttpResponse('x')\n",
        ["starter", "async"],
    ),
    (
        "an orchestration whose name begins with @",
        HEAD
        + "@app.orchestration_trigger(context_name='context', orchestration='@bad')\n"
        + "def flow(context):\n    return 1\n",
        ["@bad"],
    ),
    (
        "a schedule that is none",
        HEAD
        + "@app.timer_trigger(arg_name='timer', schedule='every now and then')\n"
        + "def tick(timer: func.TimerRequest) -> None:\n    pass\n",
        ["tick", "every now and then"],
    ),
    (
        "a schedule from a setting that is missing",
        HEAD
        + "@app.timer_trigger(arg_name='timer', schedule='%NO_SUCH_SETTING%')\n"
        + "def tick(timer: func.TimerRequest) -> None:\n    pass\n",
        ["tick", "NO_SUCH_SETTING"],
    ),
]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[str]]:
    """What came of every invalid app, started two at a time."""

    def refuse(row: tuple[str, str, Sequence[str]]) -> tuple[str, subprocess.CompletedProcess[str]]:
        folder = tmp_path_factory.mktemp("invalid")
        app = folder / "app"
        app.mkdir()
        (app / "host.json").write_text('{"version": "2.0"}', "utf-8")
        (app / "function_app.py").write_text(row[1], "utf-8")
        return row[0], attempt(app, folder / "state")

    with ThreadPoolExecutor(2) as pool:
        return dict(pool.map(refuse, INVALID))


@pytest.mark.parametrize(
    ("name", "words"), [(row[0], row[2]) for row in INVALID], ids=[row[0] for row in INVALID]
)
def test_an_app_that_cannot_be_served_is_refused(
    refusals: dict[str, subprocess.CompletedProcess[str]], name: str, words: Sequence[str]
) -> None:
    """Exit code 5 and a message that names the function and the fault; the traceback when it does not import."""
    ended = refusals[name]
    assert ended.returncode == APP_INVALID, ended.stderr
    for word in words:
        assert word in ended.stderr
    assert "READY" not in ended.stdout


def test_a_folder_without_an_app_is_refused(tmp_path: Path) -> None:
    """No function_app.py, or no such folder: exit code 5 or 2 and a sentence that names the folder."""
    for app in (tmp_path, tmp_path / "missing"):
        ended = attempt(app, tmp_path / "state")
        assert ended.returncode in {APP_INVALID, USAGE}
        assert str(app) in ended.stderr or "function_app" in ended.stderr


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """Exit code 3, the port's number and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = attempt(APPS / "steps", tmp_path / "state", port=port)
    assert ended.returncode == PORT_TAKEN, ended.stderr
    assert str(port) in ended.stderr
    assert "--port" in ended.stderr


def test_two_hosts_on_one_state_are_refused(tmp_path: Path) -> None:
    """The second host ends with code 6 and names the state; the first goes on unharmed; after it, a third may start."""
    state = tmp_path / "state"
    with running_host(app=APPS / "steps", state=state, env={"STEPS_FILE": str(tmp_path / "steps")}) as first:
        ended = attempt(APPS / "steps", state)
        assert ended.returncode == STATE_IN_USE, ended.stderr
        assert str(state) in ended.stderr
        driver = Driver(first)
        driver.start("listener", instance_id="alive")
        driver.reached("alive", custom_status="waiting")
        first.kill()
    with running_host(app=APPS / "steps", state=state) as third:
        assert Driver(third).instance("alive")["runtimeStatus"] == "Running"


def test_a_state_from_a_newer_program_is_refused(tmp_path: Path) -> None:
    """Exit code 4, and the file is left as it was."""
    state = tmp_path / "state"
    with running_host(app=APPS / "steps", state=state) as first:
        assert first.stop() == STOPPED
    (file,) = [path for path in state.iterdir() if path.read_bytes()[:15] == b"SQLite format 3"]
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 9999")
    connection.commit()
    connection.close()
    ended = attempt(APPS / "steps", state)
    assert ended.returncode == STATE_NEWER, ended.stderr
    assert "newer" in ended.stderr
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA user_version").fetchone() == (9999,)
    connection.close()


@pytest.mark.parametrize(
    "arguments", [["--no-such-option"], ["--port", "many"], ["--port", "70000"]], ids=" ".join
)
def test_a_wrong_argument_is_a_usage_error(tmp_path: Path, arguments: Sequence[str]) -> None:
    """Exit code 2."""
    assert attempt(APPS / "steps", tmp_path / "state", *arguments).returncode == USAGE


def test_help_names_the_options() -> None:
    """--help ends with 0 and lists the options."""
    ended = subprocess.run(
        [sys.executable, "-m", "local_host", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0
    for option in ("--port", "--state", "--app", "--host", "--on-ready", "--log-level", "--status-reads"):
        assert option in ended.stdout


def test_the_readiness_line_and_the_ready_command(tmp_path: Path) -> None:
    """One READY line with the real port; the command runs once with the app's environment, its output is shown;
    a command that fails does not stop the host."""
    command = 'echo "port=$WEBSITE_HOSTNAME state=$LOCAL_HOST_STATE"; exit 3'
    state = tmp_path / "state"
    with running_host(app=APPS / "steps", state=state, arguments=["--on-ready", command]) as host:
        port = host.url.rsplit(":", 1)[1]
        shown = until(lambda: "port=" in host.output() and host.output(), "the command has run")
        assert shown.count("READY ") == 1
        assert host.url == f"http://localhost:{port}"
        assert f"port=localhost:{port} state={state.resolve()}" in shown
        assert Driver(host).webhook("GET", "instances").status == 200
        until(lambda: "3" in host.log() and "ready" in host.log().lower(), "the failure is reported")


def test_the_environment_of_the_app(tmp_path: Path) -> None:
    """The host sets what Azure's tools set; local.settings.json adds values and never overrides the real ones.
    With an empty route prefix the routes are at the root."""
    app = tmp_path / "app"
    shutil.copytree(APPS / "triggers", app)
    settings = '{"IsEncrypted": false, "Values": {"FROM_SETTINGS": "file", "FROM_BOTH": "file"}}'
    (app / "local.settings.json").write_text(settings, "utf-8")
    (app / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}', "utf-8")
    state = tmp_path / "state"
    with running_host(app=app, state=state, env={"FROM_BOTH": "real"}) as host:
        seen = Driver(host).http("GET", "/environment").json()
        assert Driver(host).http("GET", "/api/environment").status == 404
        port = host.url.rsplit(":", 1)[1]
    assert seen == {
        "WEBSITE_HOSTNAME": f"localhost:{port}",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "AzureWebJobsScriptRoot": str(app.resolve()),
        "LOCAL_HOST_STATE": str(state.resolve()),
        "FROM_SETTINGS": "file",
        "FROM_BOTH": "real",
    }


def test_keys_differ_from_run_to_run_and_are_not_on_disk(tmp_path: Path) -> None:
    """Without keys in the environment they are random for the run and never written to the state."""
    found: list[str] = []
    for _ in range(2):
        env = {f"LOCAL_HOST_{name}_KEY": "" for name in ("FUNCTION", "MASTER", "SYSTEM")}
        with running_host(
            app=APPS / "flows", state=tmp_path / "state", env=env, arguments=["--show-keys"]
        ) as host:
            assert Driver(host).webhook("GET", "instances").status == 401
            shown = until(lambda: "key" in host.output().lower() and host.output(), "the key is shown")
            words = [word.strip("`'\"., ") for word in shown.split() if len(word) >= 20]
            works = [
                word
                for word in words
                if Driver(host).http("GET", "/api/journal/x", headers={"x-functions-key": word}).status == 200
            ]
            assert works, f"no word of the output is the function key: {shown}"
            found.append(works[0])
            assert works[0] not in host.log()
        for path in (tmp_path / "state").rglob("*"):
            if path.is_file():
                assert works[0].encode() not in path.read_bytes()
    assert found[0] != found[1]
