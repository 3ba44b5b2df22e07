"""Loading an app as the Python worker does, and refusing what Azure would refuse (Functions: finding the functions)."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_host.failures import EXIT_APP_INVALID, StartupError
from tests.local_host.apps import HEAD, loaded

EVERYTHING = (
    HEAD
    + """
@app.route(route="things/{id:int}", methods=["GET", "POST"], auth_level=func.AuthLevel.ADMIN)
@app.durable_client_input(client_name="client", task_hub="%HUB%")
async def http_one(req: func.HttpRequest, client, context) -> func.HttpResponse: ...

@app.function_name("renamed")
@app.route()
def http_two(req: func.HttpRequest) -> func.HttpResponse: ...

@app.timer_trigger(arg_name="timer", schedule="%WHEN%", run_on_startup=True, use_monitor=False)
async def tick(timer: func.TimerRequest) -> None: ...

@app.orchestration_trigger(context_name="context", orchestration="Flow")
def flow(context): ...

@app.activity_trigger(input_name="payload")
async def work(payload): ...

@app.entity_trigger(context_name="context", entity_name="Counter")
def count(context): ...

@app.route(route="off")
async def off(req: func.HttpRequest) -> func.HttpResponse: ...
"""
)


def test_every_kind_of_function_is_found(tmp_path: Path) -> None:
    """Functions are sorted by trigger, durable ones under the name that callers use, with their bindings' facts."""
    environ = {"HUB": "other", "WHEN": "00:01:00", "AzureWebJobs.off.Disabled": "true"}
    with loaded(tmp_path, EVERYTHING, environ=environ) as app:
        assert [(route.name, route.template.text, route.methods) for route in app.routes] == [
            ("http_one", "api/things/{id:int}", frozenset({"GET", "POST"})),
            ("renamed", "api/renamed", frozenset()),
        ]
        one, two = (route.target for route in app.routes)
        assert (one.auth_level, two.auth_level) == ("admin", "anonymous")
        assert (one.is_async, two.is_async, one.wants_context) == (True, False, True)
        assert one.client is not None
        assert (one.client.parameter, one.client.task_hub) == ("client", "other")
        (timer,) = app.timers
        assert (timer.run_on_startup, timer.use_monitor, timer.function.parameter) == (True, False, "timer")
        assert (list(app.orchestrators), list(app.activities), list(app.entities)) == (
            ["Flow"],
            ["work"],
            ["Counter"],
        )
        assert app.disabled == ("off",)


ROUTE = "async def {name}(req: func.HttpRequest) -> func.HttpResponse: ...\n"
INVALID = {
    "import error": ("import no_such_module", "app_does_not_import", "no_such_module"),
    "exit while importing": ("raise SystemExit(3)", "app_does_not_import", "SystemExit"),
    "no app": ("x = 1", "app_count", "holds 0"),
    "two apps": (HEAD + "other = func.FunctionApp()", "app_count", "holds 2"),
    "no function": (HEAD, "app_empty", "no function"),
    "no trigger": (HEAD + "@app.function_name('x')\ndef f(): ...", "function_invalid", "trigger"),
    "two triggers": (
        HEAD + "@app.route(route='a')\n@app.activity_trigger(input_name='req')\ndef f(req): ...",
        "app_does_not_import",
        "trigger",
    ),
    "a foreign trigger": (
        HEAD + "@app.queue_trigger(arg_name='m', queue_name='q', connection='c')\ndef f(m: str): ...",
        "function_invalid",
        "queueTrigger",
    ),
    "a foreign binding": (
        HEAD
        + "@app.route(route='a')\n@app.blob_input(arg_name='b', path='p', connection='c')\n"
        + "def f(req: func.HttpRequest, b: str): ...",
        "function_invalid",
        "'blob'",
    ),
    "names equal but for case": (
        HEAD
        + "@app.route(route='a')\n"
        + ROUTE.format(name="Same")
        + "@app.route(route='b')\n"
        + ROUTE.format(name="same"),
        "function_invalid",
        "ignore case",
    ),
    "equal names": (
        HEAD
        + "@app.route(route='a')\n"
        + ROUTE.format(name="same")
        + "@app.route(route='b')\n"
        + ROUTE.format(name="same"),
        "function_invalid",
        "same",
    ),
    "a name Azure refuses": (
        HEAD + "@app.function_name('has blank')\n@app.route(route='a')\n" + ROUTE.format(name="f"),
        "function_invalid",
        "has blank",
    ),
    "orchestrator context": (
        HEAD + "@app.orchestration_trigger(context_name='ctx')\ndef f(ctx): ...",
        "function_invalid",
        "'ctx'",
    ),
    "entity context": (
        HEAD + "@app.entity_trigger(context_name='ctx')\ndef f(ctx): ...",
        "function_invalid",
        "'ctx'",
    ),
    "orchestrator name": (
        HEAD + "@app.orchestration_trigger(context_name='context', orchestration='@x')\ndef f(context): ...",
        "function_invalid",
        "'@x'",
    ),
    "activity names": (
        HEAD
        + "@app.activity_trigger(input_name='a', activity='Same')\ndef f(a): ...\n"
        + "@app.activity_trigger(input_name='a', activity='same')\ndef g(a): ...",
        "function_invalid",
        "'same'",
    ),
    "missing parameter": (
        HEAD + "@app.activity_trigger(input_name='a')\ndef f(b): ...",
        "function_invalid",
        "binds a",
    ),
    "unbound parameter": (
        HEAD + "@app.activity_trigger(input_name='a')\ndef f(a, b): ...",
        "function_invalid",
        "binding: b",
    ),
    "context of another type": (
        HEAD + "@app.activity_trigger(input_name='a')\ndef f(a, context: int): ...",
        "function_invalid",
        "context",
    ),
    "plain function with a client": (
        HEAD
        + "@app.route(route='a')\n@app.durable_client_input(client_name='c')\n"
        + "def f(req: func.HttpRequest, c): ...",
        "function_invalid",
        "async",
    ),
    "equal routes": (
        HEAD
        + "@app.route(route='x/{a}')\n"
        + ROUTE.format(name="f")
        + "@app.route(route='X/{a}')\n"
        + ROUTE.format(name="g"),
        "function_invalid",
        "'f'",
    ),
    "impossible route": (
        HEAD + "@app.route(route='{a')\n" + ROUTE.format(name="f"),
        "function_invalid",
        "braces",
    ),
    "unknown constraint": (
        HEAD + "@app.route(route='{a:no}')\n" + ROUTE.format(name="f"),
        "function_invalid",
        "'no'",
    ),
    "reserved route": (
        HEAD + "@app.route(route='Admin/x')\n" + ROUTE.format(name="f"),
        "function_invalid",
        "Admin",
    ),
    "reserved beginning": (
        HEAD + "@app.route(route='administration')\n" + ROUTE.format(name="f"),
        "function_invalid",
        "administration",
    ),
    "impossible schedule": (
        HEAD + "@app.timer_trigger(arg_name='t', schedule='now')\ndef f(t: func.TimerRequest): ...",
        "function_invalid",
        "now",
    ),
    "unset schedule": (
        HEAD + "@app.timer_trigger(arg_name='t', schedule='%UNSET%')\ndef f(t: func.TimerRequest): ...",
        "function_invalid",
        "%UNSET%",
    ),
}


@pytest.mark.parametrize(("source", "code", "words"), INVALID.values(), ids=INVALID.keys())
def test_an_app_that_azure_would_refuse_is_refused(
    tmp_path: Path, source: str, code: str, words: str
) -> None:
    """Exit code 5, a stable code, a sentence that names the fault, and what to do next."""
    with pytest.raises(StartupError) as caught, loaded(tmp_path, source):
        pass
    assert (caught.value.code, caught.value.exit_code) == (code, EXIT_APP_INVALID)
    assert words in str(caught.value)
    assert caught.value.next_step.endswith((".", "?"))


def test_a_failed_import_keeps_its_cause(tmp_path: Path) -> None:
    """The exception of the app is the cause, so that its traceback can be shown."""
    with pytest.raises(StartupError) as caught, loaded(tmp_path, "def f():\n    1 / 0\nf()"):
        pass
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_script_may_have_another_name(tmp_path: Path) -> None:
    """PYTHON_SCRIPT_FILE_NAME names the module; one that is not there is refused."""
    source = HEAD + "@app.route(route='a')\n" + ROUTE.format(name="f")
    environ = {"PYTHON_SCRIPT_FILE_NAME": "main.py"}
    with loaded(tmp_path, source, environ=environ, file_name="main.py") as app:
        assert [route.name for route in app.routes] == ["f"]
    with (
        pytest.raises(StartupError, match=r"other\.py"),
        loaded(tmp_path, source, environ={"PYTHON_SCRIPT_FILE_NAME": "other.py"}),
    ):
        pass


def test_blueprints_and_modules_come_from_the_apps_own_directory(tmp_path: Path) -> None:
    """The app's directory is first on the import path, before anything of the same name elsewhere."""
    (tmp_path / "activities.py").write_text(
        "import azure.durable_functions as df\nblueprint = df.Blueprint()\n"
        "@blueprint.activity_trigger(input_name='a')\ndef of_the_blueprint(a): ...\n",
        "utf-8",
    )
    import sys

    hidden = sys.modules.pop("activities", None)
    try:
        with loaded(
            tmp_path, HEAD + "import activities\napp.register_functions(activities.blueprint)"
        ) as app:
            assert list(app.activities) == ["of_the_blueprint"]
    finally:
        sys.modules.pop("activities", None)
        if hidden is not None:
            sys.modules["activities"] = hidden


@pytest.mark.parametrize(
    ("prefix", "route", "template"),
    [
        ("", "/", ""),
        ("", "a", "a"),
        ("api", "a", "api/a"),
        ("v1/x", "/a/", "v1/x/a"),
        ("{v:int}", "a", "{v:int}/a"),
    ],
)
def test_the_route_prefix_comes_first(tmp_path: Path, prefix: str, route: str, template: str) -> None:
    """extensions.http.routePrefix, empty or not, and the route without its outer slashes make one template."""
    source = HEAD + f"@app.route(route='{route}')\n" + ROUTE.format(name="f")
    with loaded(tmp_path, source, host_json={"extensions": {"http": {"routePrefix": prefix}}}) as app:
        assert app.routes[0].template.text == template


def test_an_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    """WEBSITE_TIME_ZONE has to be a zone this machine knows."""
    source = HEAD + "@app.timer_trigger(arg_name='t', schedule='00:01:00')\ndef f(t: func.TimerRequest): ..."
    with (
        pytest.raises(StartupError, match="Mars"),
        loaded(tmp_path, source, environ={"WEBSITE_TIME_ZONE": "Mars/Base"}),
    ):
        pass
