"""One registered function: what its bindings say, checked against its Python signature as the worker checks it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_host.failures import StartupError, app_invalid
from local_host.settings import expand

TRIGGERS = ("httpTrigger", "timerTrigger", "orchestrationTrigger", "activityTrigger", "entityTrigger")
# The worker calls these handles with a parameter of this name, whatever the binding says.
CONTEXT = "context"
_FUNCTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")


@dataclass(frozen=True, slots=True)
class ClientInput:
    """A durable client parameter: its name, and the hub and connection its binding asks for (None: the host's)."""

    parameter: str
    task_hub: str | None
    connection: str | None


@dataclass(frozen=True, slots=True)
class Function:
    """One registered function. `trigger` is its trigger's raw binding, `call` what the worker would call."""

    name: str
    trigger: Mapping[str, Any]
    call: Callable[..., Any]
    is_async: bool
    wants_context: bool
    client: ClientInput | None
    directory: str

    @property
    def parameter(self) -> str:
        """The name of the parameter that receives the trigger's value."""
        return str(self.trigger["name"])

    @property
    def auth_level(self) -> str:
        """The authorization level of an HTTP trigger, in lower case."""
        return str(self.trigger.get("authLevel", "FUNCTION")).lower()


def wrong(name: str, fact: str, next_step: str) -> StartupError:
    """A function that Azure would refuse; `fact` completes the sentence that begins with its name."""
    return app_invalid("function_invalid", f"Function {name!r} {fact}.", next_step)


def read_function(registered: Any, directory: Path, environ: Mapping[str, str]) -> Function:
    """Read what `get_functions()` gave for one function. Raises StartupError."""
    name = str(registered.get_function_name())
    if not _FUNCTION_NAME.fullmatch(name):
        raise wrong(
            name, "has a name Azure refuses: a letter, then up to 127 letters, digits, - or _", "Rename it."
        )
    bindings = [json.loads(text) for text in registered.get_raw_bindings()]
    triggers = [binding for binding in bindings if str(binding["type"]).endswith("Trigger")]
    if len(triggers) != 1 or triggers[0]["type"] not in TRIGGERS:
        kinds = ", ".join(str(binding["type"]) for binding in triggers) or "no trigger"
        raise wrong(name, f"has {kinds}", f"This host serves one of {', '.join(TRIGGERS)}.")
    client = _client_input(name, bindings, environ)
    for binding in bindings:
        if binding["type"] not in {*TRIGGERS, "http", "durableClient"}:
            raise wrong(
                name, f"has a binding of type {binding['type']!r}", "This host has http and durableClient."
            )
    call = registered.get_user_function()
    _check_kind(name, triggers[0], client, call)
    wants_context = _check_parameters(name, bindings, call)
    return Function(
        name, triggers[0], call, inspect.iscoroutinefunction(call), wants_context, client, str(directory)
    )


def _client_input(
    name: str, bindings: list[dict[str, Any]], environ: Mapping[str, str]
) -> ClientInput | None:
    clients = [binding for binding in bindings if binding["type"] == "durableClient"]
    if not clients:
        return None
    if len(clients) > 1:
        raise wrong(name, "has more than one durable client", "Keep one.")
    try:
        hub = expand(clients[0].get("taskHub") or "", environ)
    except LookupError as error:
        raise wrong(
            name, f"refers to %{error.args[0]}%, which is not set", "Set that app setting."
        ) from error
    return ClientInput(str(clients[0]["name"]), hub or None, clients[0].get("connectionName"))


def _check_parameters(name: str, bindings: list[dict[str, Any]], call: Callable[..., Any]) -> bool:
    """Worker rule: bindings and parameters are the same names. Returns whether a plain `context` is wanted."""
    parameters = dict(inspect.signature(call).parameters)
    bound = {str(binding["name"]) for binding in bindings if binding["name"] != "$return"}
    wants_context = CONTEXT in parameters and CONTEXT not in bound
    if wants_context:
        annotation = parameters.pop(CONTEXT).annotation
        known = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        if annotation is not inspect.Parameter.empty and known.rsplit(".", 1)[-1] != "Context":
            raise wrong(
                name, "has a parameter `context` that is neither bound nor a Context", "Annotate it as one."
            )
    missing, extra = sorted(bound - set(parameters)), sorted(set(parameters) - bound)
    if missing:
        raise wrong(
            name,
            f"binds {', '.join(missing)} but its Python function has no such parameter",
            f"Its parameters are: {', '.join(parameters) or 'none'}.",
        )
    if extra:
        raise wrong(name, f"has parameters without a binding: {', '.join(extra)}", "Bind or remove them.")
    return wants_context


def _check_kind(
    name: str, trigger: Mapping[str, Any], client: ClientInput | None, call: Callable[..., Any]
) -> None:
    if trigger["type"] in {"orchestrationTrigger", "entityTrigger"} and trigger["name"] != CONTEXT:
        raise wrong(
            name, f"calls its context {trigger['name']!r}", "Azure only loads it with context_name='context'."
        )
    # The SDK's client decorator awaits whatever the function returns, so a plain function fails at its first call.
    inner = getattr(call, "client_function", None)
    if client is not None and inner is not None and not inspect.iscoroutinefunction(inner):
        raise wrong(name, "has a durable client but is not `async def`", "Make it `async def`.")
    called = trigger.get("orchestration") or name
    if trigger["type"] == "orchestrationTrigger" and str(called).startswith("@"):
        raise wrong(
            name, f"is the orchestrator {called!r}, whose name begins with @", "Rename it: @ marks entities."
        )
