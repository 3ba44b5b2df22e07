"""Call the app's functions as the Python worker would: async ones on the loop, plain ones in a thread pool."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from azure.functions.durable_functions import ActivityTriggerConverter
from azure.functions.meta import Datum

from local_host.function import Function

# One for all functions, as in the worker: threads that the app starts set `invocation_id` on it to be told apart.
_thread_local = threading.local()


@dataclass(frozen=True, slots=True)
class TraceContext:
    """What `context.trace_context` offers; W3C names are the worker's, capital letters included."""

    trace_parent: str = ""
    trace_state: str = ""

    @property
    def Traceparent(self) -> str:  # noqa: N802 -- the worker's spelling
        """The same as trace_parent."""
        return self.trace_parent

    @property
    def Tracestate(self) -> str:  # noqa: N802 -- the worker's spelling
        """The same as trace_state."""
        return self.trace_state

    @property
    def attributes(self) -> dict[str, str]:
        """Always empty here."""
        return {}


@dataclass(frozen=True, slots=True)
class RetryContext:
    """What `context.retry_context` offers; this host retries no function, so it is all zero."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: None = None


@dataclass(frozen=True, slots=True)
class Context:
    """The invocation context of a function that asks for it by a parameter named `context`."""

    function_name: str
    function_directory: str
    invocation_id: str
    trace_context: TraceContext = TraceContext()
    retry_context: RetryContext = RetryContext()

    @property
    def thread_local_storage(self) -> threading.local:
        """Storage of the thread; the app sets `invocation_id` on it in threads of its own."""
        return _thread_local


class BadResult(TypeError):
    """A function returned what its trigger cannot take."""


@dataclass(frozen=True, slots=True)
class Invoker:
    """Calls functions. `client_text` gives the text of a durable client binding, `new_id` an invocation id."""

    pool: ThreadPoolExecutor
    client_text: Callable[[str | None, str | None], str]
    new_id: Callable[[], str]

    async def call(self, function: Function, value: Any, trace: Mapping[str, str] | None = None) -> Any:
        """What the function returns for this trigger value. Raises whatever the function raises.

        `trace` holds `traceparent` and `tracestate` of the request that led here, if any.
        """
        arguments = {function.parameter: value}
        if function.client is not None:
            arguments[function.client.parameter] = self.client_text(
                function.client.task_hub, function.client.connection
            )
        if function.wants_context:
            given = trace or {}
            arguments["context"] = Context(
                function.name,
                function.directory,
                self.new_id(),
                TraceContext(given.get("traceparent", ""), given.get("tracestate", "")),
            )
        if function.is_async:
            return await function.call(**arguments)
        run = partial(contextvars.copy_context().run, partial(function.call, **arguments))
        return await asyncio.get_running_loop().run_in_executor(self.pool, run)

    def activity(self, function: Function) -> Callable[[str | None], Awaitable[str | None]]:
        """The function as the engine calls it: JSON text of the input in, JSON text of the result out.

        Text that is not JSON arrives as it is; a result that is no JSON raises ValueError; None is no text.
        """

        async def call(input_text: str | None) -> str | None:
            datum = Datum(type="json", value="null" if input_text is None else input_text)
            value = ActivityTriggerConverter.decode(datum, trigger_metadata=None)
            result = await self.call(function, value)
            if result is None:
                return None
            text: str = ActivityTriggerConverter.encode(result, expected_type=None).value
            return text

        return call

    async def timer(self, function: Function, request: Any) -> None:
        """Run a timer function. Raises BadResult when it returns something."""
        result = await self.call(function, request)
        if result is not None:
            # The worker: a function without a return binding must not return anything.
            raise BadResult(
                f"{function.name} returned {type(result).__name__}, but a timer function returns nothing"
            )


def make_pool(environ: Mapping[str, str]) -> ThreadPoolExecutor:
    """The threads of plain functions: PYTHON_THREADPOOL_THREAD_COUNT, else the interpreter's default."""
    text = environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    count = int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None
    return ThreadPoolExecutor(max_workers=count, thread_name_prefix="function")
