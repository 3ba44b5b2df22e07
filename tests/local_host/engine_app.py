"""A small app for the engine's tests, driven through the real SDK, and a bench to run it on."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df

from local_host.database import Database
from local_host.engine import Engine
from local_host.log import Log
from local_host.model import (
    ActivityFunction,
    EngineOptions,
    EntityFunction,
    Functions,
    Instance,
    Orchestrator,
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def orchestrators(*functions: Callable[..., Any]) -> dict[str, Orchestrator]:
    """Handles as the SDK's decorator builds them."""
    found = {}
    for function in functions:
        app = df.DFApp()
        app.orchestration_trigger(context_name="context")(function)
        (built,) = app.get_functions()
        found[function.__name__.lower()] = Orchestrator(function.__name__, built.get_user_function())
    return found


def entity_functions(*functions: Callable[..., Any]) -> dict[str, EntityFunction]:
    """Entity handles as the SDK's decorator builds them."""
    found = {}
    for function in functions:
        app = df.DFApp()
        app.entity_trigger(context_name="context")(function)
        (built,) = app.get_functions()
        found[function.__name__.lower()] = EntityFunction(function.__name__, built.get_user_function())
    return found


def activity(function: Callable[[Any], Any]) -> ActivityFunction:
    """An activity over JSON values; async functions are awaited."""

    async def call(input_text: str | None) -> str | None:
        result = function(json.loads(input_text or "null"))
        if asyncio.iscoroutine(result):
            result = await result
        return json.dumps(result)

    return ActivityFunction(function.__name__, call)


@dataclass
class Clock:
    """Time that moves when it is told to."""

    now: datetime = EPOCH

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Lines:
    """Log lines, kept."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def write(self, line: str) -> None:
        self.lines.append(json.loads(line))

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]


@dataclass
class Bench:
    """An engine over a state file, with a clock of its own."""

    engine: Engine
    database: Database
    clock: Clock
    log: Lines

    async def advance(self, seconds: float) -> None:
        """Let time pass, and the engine notice."""
        self.clock.advance(seconds)
        self.engine.poke()
        await self.quiet()

    async def quiet(self) -> None:
        """Let everything that can happen now happen."""
        idle = 0
        while idle < 3:
            await asyncio.sleep(0)
            busy = (
                self.engine._turns._turn_due
                or self.engine._turns._requests
                or self.engine._turns._activities._running
                or self.engine._turns._activities.finished
            )
            idle = 0 if busy else idle + 1

    async def run(self, name: str, input_: Any = None, instance_id: str | None = None) -> Instance:
        """Start an orchestration as the client would, and wait until it can do nothing more by itself."""
        text = None if input_ is None else json.dumps(json.dumps(input_))
        instance_id = await self.engine.start_instance(name, instance_id, text)
        await self.quiet()
        return self.instance(instance_id)

    async def raise_event(self, instance_id: str, name: str, value: Any) -> Instance:
        """Raise an event as a raw HTTP request would."""
        await self.engine.raise_event(instance_id, name, json.dumps(value))
        await self.quiet()
        return self.instance(instance_id)

    def instance(self, instance_id: str) -> Instance:
        found = self.engine.get_instance(instance_id)
        assert found is not None
        return found

    def output(self, instance_id: str) -> Any:
        instance = self.instance(instance_id)
        assert instance.status == "Completed", instance
        return json.loads(instance.output or "null")

    def shape(self, instance_id: str) -> list[str]:
        """The history as names with task ids."""
        from local_host.history import NAMES

        found = []
        for event in self.engine.get_history(instance_id):
            number = event.get("TaskScheduledId", event.get("TimerId", event["EventId"]))
            found.append(NAMES[event["EventType"]] + (f"({number})" if number >= 0 else ""))
        return found

    async def close(self) -> None:
        await self.engine.drain(1.0)
        self.database.close()


def functions(
    orchestrators_: tuple[Callable[..., Any], ...] = (),
    activities: tuple[Callable[[Any], Any] | ActivityFunction, ...] = (),
    entities: tuple[Callable[..., Any], ...] = (),
) -> Functions:
    """The name tables of a test app."""
    acts = [a if isinstance(a, ActivityFunction) else activity(a) for a in activities]
    return Functions(
        orchestrators(*orchestrators_), entity_functions(*entities), {a.name.lower(): a for a in acts}
    )


async def bench(
    app: Functions,
    path: Path | str = ":memory:",
    *,
    clock: Clock | None = None,
    on_commit: Callable[[str], None] = lambda _moment: None,
    ids: str = "id",
    **options: Any,
) -> Bench:
    """A started engine. Ids are counted, so that runs can be compared."""
    clock = clock or Clock()
    log = Lines()
    database = Database(path, on_commit=on_commit)
    numbers = itertools.count()
    engine = Engine(
        database,
        app,
        clock=clock,
        new_id=lambda: f"{ids}{next(numbers)}",
        options=EngineOptions(**options),
        log=Log("info", write=log.write, clock=clock),
    )
    await engine.start()
    return Bench(engine, database, clock, log)


Awaited = Awaitable[Any]
