"""Load a function app the way the Python worker does, and refuse what Azure would refuse, with the reason.

One module (function_app.py) holds exactly one FunctionApp or DFApp; its functions are asked for once; each is checked
against its own bindings before anything is served.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

from local_host.failures import app_invalid
from local_host.function import TRIGGERS, Function, read_function, wrong
from local_host.ncrontab import Schedule, ScheduleError, parse_schedule
from local_host.routing import RESERVED, Route, RouteError, in_order, parse_template
from local_host.settings import HostSettings, expand, read_host_settings


@dataclass(frozen=True, slots=True)
class TimerFunction:
    """A function with a schedule."""

    function: Function
    schedule: Schedule
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True, slots=True)
class App:
    """Everything an app registers, checked. Durable functions are listed under the name that orchestrators call."""

    directory: Path
    settings: HostSettings
    routes: tuple[Route[Function], ...]
    timers: tuple[TimerFunction, ...]
    orchestrators: Mapping[str, Function]
    activities: Mapping[str, Function]
    entities: Mapping[str, Function]
    disabled: tuple[str, ...]


def load_app(directory: Path, environ: Mapping[str, str]) -> App:
    """Import the app in `directory` and check it. Raises StartupError; when the import failed, `__cause__` is why.

    The caller has put the app's settings into the real environment before: app code reads it while it is imported.
    """
    settings = read_host_settings(directory, environ)
    module = import_app(directory, environ.get("PYTHON_SCRIPT_FILE_NAME") or "function_app.py")
    return collect(registered_functions(module), directory, settings, environ)


def import_app(directory: Path, file_name: str) -> ModuleType:
    """The app's module, imported with its own directory first on the path. Raises StartupError."""
    path = directory / file_name
    if not file_name.endswith(".py") or not path.is_file():
        raise app_invalid(
            "app_missing",
            f"There is no {file_name} in {directory}.",
            "Point --app at the folder that holds it, or set PYTHON_SCRIPT_FILE_NAME.",
        )
    name = file_name.removesuffix(".py").replace(os.sep, ".")
    if str(directory) not in sys.path[:1]:
        sys.path.insert(0, str(directory))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise app_invalid(
            "app_does_not_import",
            f"{path} does not import: {type(error).__name__}: {error}",
            "Correct the error in the traceback above.",
        ) from error
    return module


def registered_functions(module: ModuleType) -> list[Any]:
    """The functions of the module's one FunctionRegister, asked for once. Raises StartupError."""
    from azure.functions.decorators.function_app import FunctionRegister

    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if len(apps) != 1:
        raise app_invalid(
            "app_count",
            f"{module.__file__} holds {len(apps)} FunctionApp or DFApp objects; the Functions host wants exactly one.",
            "Keep one `app = df.DFApp(...)`, and register blueprints with app.register_functions().",
        )
    try:
        return list(apps[0].get_functions())
    except (ValueError, TypeError) as error:
        raise app_invalid(
            "function_invalid", f"The app is not valid: {error}", "Correct that function."
        ) from error


def collect(found: Iterable[Any], directory: Path, settings: HostSettings, environ: Mapping[str, str]) -> App:
    """Check each function and sort it under its trigger. Raises StartupError naming the first that is wrong."""
    names: set[str] = set()
    by_trigger: dict[str, list[Function]] = {trigger: [] for trigger in TRIGGERS}
    disabled: list[str] = []
    for registered in found:
        function = read_function(registered, directory, environ)
        if function.name.lower() in names:
            raise wrong(function.name, "has the name of another function; names ignore case", "Rename one.")
        names.add(function.name.lower())
        if _is_disabled(function.name, environ):
            disabled.append(function.name)
        else:
            by_trigger[function.trigger["type"]].append(function)
    if not names:
        raise app_invalid(
            "app_empty", f"The app in {directory} registers no function.", "Register at least one."
        )
    zone = _time_zone(environ)
    return App(
        directory=directory,
        settings=settings,
        routes=_routes(by_trigger["httpTrigger"], settings, environ),
        timers=tuple(_timer(function, zone, environ) for function in by_trigger["timerTrigger"]),
        orchestrators=_by_called_name(by_trigger["orchestrationTrigger"], "orchestration"),
        activities=_by_called_name(by_trigger["activityTrigger"], "activity"),
        entities=_by_called_name(by_trigger["entityTrigger"], "entityName"),
        disabled=tuple(disabled),
    )


def _is_disabled(name: str, environ: Mapping[str, str]) -> bool:
    values = (environ.get(f"AzureWebJobs.{name}.Disabled"), environ.get(f"AzureWebJobs_{name}_Disabled"))
    return any((value or "").lower() in {"true", "1"} for value in values)


def _by_called_name(functions: Iterable[Function], member: str) -> dict[str, Function]:
    found: dict[str, Function] = {}
    for function in functions:
        called = str(function.trigger.get(member) or function.name)
        if called.lower() in {name.lower() for name in found}:
            raise wrong(function.name, f"has the {member} name {called!r} of another function", "Rename one.")
        found[called] = function
    return found


def _routes(
    functions: Iterable[Function], settings: HostSettings, environ: Mapping[str, str]
) -> tuple[Route[Function], ...]:
    routes: list[Route[Function]] = []
    for function in functions:
        try:
            # The whole of `prefix/route` is one template: Azure allows parameters in the prefix too.
            relative = expand(str(function.trigger.get("route", function.name)), environ).strip("/")
            template = parse_template(f"{settings.route_prefix}/{relative}".strip("/"))
        except LookupError as error:
            raise wrong(function.name, f"refers to %{error.args[0]}%, which is not set", "Set it.") from error
        except RouteError as error:
            raise wrong(
                function.name, f"has a route that cannot be served: {error}", "Correct the route."
            ) from error
        if relative.lower().startswith(RESERVED):
            raise wrong(
                function.name,
                f"has the route {relative!r}",
                "Routes beginning with admin or runtime are the host's.",
            )
        methods = frozenset(str(method).upper() for method in function.trigger.get("methods") or ())
        route = Route(function.name, template, methods, function)
        for other in routes:
            if route.conflicts(other):
                raise wrong(
                    function.name, f"has the route {relative!r} of {other.name!r}", "Change one of them."
                )
        routes.append(route)
    return in_order(routes)


def _time_zone(environ: Mapping[str, str]) -> tzinfo:
    name = environ.get("WEBSITE_TIME_ZONE")
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise app_invalid(
            "time_zone_unknown",
            f"WEBSITE_TIME_ZONE is {name!r}, which is no known time zone.",
            "Use an IANA name such as Europe/Berlin.",
        ) from error


def _timer(function: Function, zone: tzinfo, environ: Mapping[str, str]) -> TimerFunction:
    try:
        schedule = parse_schedule(expand(str(function.trigger["schedule"]), environ), zone)
    except LookupError as error:
        raise wrong(
            function.name, f"refers to %{error.args[0]}%, which is not set", "Set that app setting."
        ) from error
    except ScheduleError as error:
        raise wrong(
            function.name, f"has a schedule that cannot be: {error}", "Correct the schedule."
        ) from error
    return TimerFunction(
        function,
        schedule,
        run_on_startup=bool(function.trigger.get("runOnStartup", False)),
        use_monitor=bool(function.trigger.get("useMonitor", True)),
    )
