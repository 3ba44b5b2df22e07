"""One run of the host: everything is put together here, served, and taken apart again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from local_host import timers
from local_host.app import App, load_app
from local_host.cli import Options
from local_host.client_binding import Site, client_texts
from local_host.connections import close_connections, make_server
from local_host.database import Database
from local_host.durable_api import make_api
from local_host.engine import Engine
from local_host.failures import EXIT_STOPPED
from local_host.invoke import Invoker, make_pool
from local_host.keys import Keys, load_keys
from local_host.log import Log
from local_host.model import ActivityFunction, EngineOptions, EntityFunction, Functions, Orchestrator
from local_host.sdk import keep_payload_class, use_fast_timestamps
from local_host.sdk_client import use_direct_calls, use_fast_status_times
from local_host.server import Public, bind, hosts_of, public_handler, rpc_handler

DRAIN_S = 30.0
# A browser's long poll may have half a minute to go, and its page asks again anyway; Ctrl-C must not wait for it.
REQUESTS_DRAIN_S = 5.0
RPC_ADDRESS = "127.0.0.1"


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(slots=True)
class Running:
    """What is up, in the order in which it came up."""

    engine: Engine
    public: web.Server
    rpc: web.Server
    timers: list[asyncio.Task[None]]
    stop_timers: asyncio.Event


async def serve(
    options: Options, log: Log, listener: socket.socket, database: Database, *, new_key: Callable[[], str]
) -> int:
    """Serve until a signal; the exit code. Raises StartupError when the app cannot be served."""
    app = load_app(options.app, os.environ)
    if options.fast_timestamps:
        use_fast_timestamps()
        use_fast_status_times()
        keep_payload_class()
    keys = load_keys(os.environ, new_key)
    stop = _stop_on_signals(log)
    secret = secrets.token_urlsafe(24)
    with bind(RPC_ADDRESS, 0) as rpc_listener, make_pool(os.environ) as pool:
        port = int(listener.getsockname()[1])
        site = Site(
            public_url=f"http://localhost:{port}",
            rpc_url=f"http://{RPC_ADDRESS}:{rpc_listener.getsockname()[1]}/{secret}/durabletask/",
            hub_name=app.settings.hub_name,
            key=keys.system,
        )
        invoker = Invoker(pool, client_texts(site), _new_id)
        running = await _start(
            options,
            log,
            app=app,
            keys=keys,
            site=site,
            invoker=invoker,
            database=database,
            secret=secret,
            hosts=hosts_of(listener.getsockname()[0]),
        )
        loop = asyncio.get_running_loop()
        rpc_socket = await loop.create_server(running.rpc, sock=rpc_listener, backlog=512)
        public_socket = await loop.create_server(running.public, sock=listener, backlog=512)
        running.timers = timers.start_all(
            timers.Timers(database, invoker, log, _now, asyncio.sleep, app.settings.function_timeout_s),
            app.timers,
            running.stop_timers,
        )
        _announce(options, app, keys, port)
        log.info("serving", port=port, functions=_counts(app), disabled=list(app.disabled))
        on_ready = asyncio.create_task(_run_on_ready(options.on_ready, log)) if options.on_ready else None
        await stop.wait()
        public_socket.close()
        await _drain(running, log)
        rpc_socket.close()
        if on_ready is not None:
            on_ready.cancel()
        await _close_sdk_session()
        pool.shutdown(wait=False, cancel_futures=True)
    log.info("stopped")
    return EXIT_STOPPED


async def _start(
    options: Options,
    log: Log,
    *,
    app: App,
    keys: Keys,
    site: Site,
    invoker: Invoker,
    database: Database,
    secret: str,
    hosts: frozenset[str] | None,
) -> Running:
    default = EngineOptions()
    engine = Engine(
        database,
        durable_functions(app, invoker),
        clock=_now,
        new_id=_new_id,
        options=EngineOptions(
            function_timeout_s=app.settings.function_timeout_s,
            max_activities=app.settings.max_activities or default.max_activities,
            max_actions=app.settings.max_actions or default.max_actions,
            overridable_states=app.settings.overridable_states,
        ),
        log=log,
    )
    api = make_api(
        engine, site, log, settled_reads=options.settled_reads, default_version=app.settings.default_version
    )
    if options.direct_calls:
        use_direct_calls(api, site.rpc_url)
    await engine.start()
    public = Public(app, api, keys, invoker, log, site.public_url.removeprefix("http://"), hosts=hosts)
    return Running(
        engine,
        make_server(public_handler(public), log, "public"),
        make_server(rpc_handler(api, secret), log, "rpc"),
        [],
        asyncio.Event(),
    )


def durable_functions(app: App, invoker: Invoker) -> Functions:
    """The app's durable functions as the engine wants them, keyed by lower-case name."""
    return Functions(
        orchestrators={n.lower(): Orchestrator(n, f.call) for n, f in app.orchestrators.items()},
        entities={n.lower(): EntityFunction(n, f.call) for n, f in app.entities.items()},
        activities={n.lower(): ActivityFunction(n, invoker.activity(f)) for n, f in app.activities.items()},
    )


def _stop_on_signals(log: Log) -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second ends the process where it stands (the state file can take it)."""
    stop = asyncio.Event()

    def on_signal(name: str) -> None:
        if stop.is_set():
            log.warning("stopped_at_once", signal=name)
            os._exit(1)
        log.info("stopping", signal=name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number.name)
    return stop


async def _drain(running: Running, log: Log) -> None:
    """Let what runs finish: timers and requests first, since they may still start orchestrations, then activities."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_S

    def left() -> float:
        return max(0.1, deadline - loop.time())

    running.stop_timers.set()
    await close_connections(running.public, min(left(), REQUESTS_DRAIN_S))
    if running.timers:
        _, late = await asyncio.wait(running.timers, timeout=left())
        for task in late:
            log.warning("timer_abandoned", timer=task.get_name())
            task.cancel()
    await running.engine.drain(left())
    await close_connections(running.rpc, 1.0)


async def _close_sdk_session() -> None:
    """The SDK keeps one HTTP session for the whole process and leaves closing it to nobody."""
    from azure.durable_functions.models.utils import http_utils

    await http_utils._close_session()  # noqa: SLF001 -- it has no public way


async def _run_on_ready(command: str, log: Log) -> None:
    """Run the operator's command once; its output goes to the terminal, its failure to the log."""
    process = await asyncio.create_subprocess_shell(command)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        raise
    if code != 0:
        log.error("on_ready_failed", command=command, exit_code=code)


def _counts(app: App) -> str:
    kinds = {
        "HTTP functions": app.routes,
        "timers": app.timers,
        "orchestrators": app.orchestrators,
        "activities": app.activities,
        "entities": app.entities,
    }
    return ", ".join(f"{len(members)} {kind}" for kind, members in kinds.items() if members)


def _announce(options: Options, app: App, keys: Keys, port: int) -> None:
    """The readiness line for programs, then the same for people."""
    lines = [
        f"READY http://localhost:{port}",
        f"Serving {_counts(app)} of {app.directory}",
        f"State is in {options.state}",
    ]
    if app.disabled:
        lines.append(f"Disabled by app settings: {', '.join(app.disabled)}")
    if options.show_keys or sys.stdout.isatty():
        lines.append(f"Function key, for this run only: {keys.function}")
    lines.append("Ctrl-C stops; what was accepted is on disk and carries on at the next start.")
    print("\n".join(lines), flush=True)
