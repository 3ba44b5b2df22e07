"""Connections of a listener: what bounds them in size, time and number, and what a malformed request is answered with.

aiohttp's low-level server does the protocol. It has no deadline for a head that never ends and no bound on the number
of connections, and its own error page quotes the request and names its version; those three are mended here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local_host.http_functions import SERVER
from local_host.log import Log

BODY_LIMIT = 104_857_600  # bytes; the Functions host's default
LINE_LIMIT = (
    16_384  # bytes of the request line, and of one header: Kestrel's and Azure's front end's order of size
)
ARRIVAL_S = 30.0  # Kestrel's own time for a head; here also for a body since its head
MALFORMED = "The request is malformed.\n"
_TOO_SLOW = (
    f"HTTP/1.1 408 Request Timeout\r\nServer: {SERVER['Server']}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
).encode()
_QUIET_S = 10.0  # between two log lines of one kind: who floods the listener must not flood the log too

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a listener grants its callers."""

    arrival_s: float = ARRIVAL_S
    connections: int = 1000  # open at once; a process may usually have 1024 files


class Listener(web.Server):
    """The connections of one listening socket."""

    def __init__(self, handler: Handler, log: Log, name: str, limits: Limits) -> None:
        super().__init__(handler, request_factory=_request_factory)
        self.limits = limits
        self._log = log
        self._name = name
        self._logger = _protocol_logger(log, name)
        self._untold: dict[str, int] = {}
        self._quiet_until: dict[str, float] = {}

    def __call__(self) -> web.RequestHandler:
        """A new connection; what is not given here is aiohttp's default, the keep-alive time among it."""
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # None switches it off
            logger=self._logger,
            max_line_size=LINE_LIMIT,
            max_field_size=LINE_LIMIT,
            auto_decompress=False,  # the function gets the bytes that were sent; and nobody inflates a bomb
            lingering_time=2.0,
        )

    def tell(self, event: str) -> None:
        """Log that a connection was closed, with how many since the last line; one line of a kind in ten seconds."""
        now = asyncio.get_running_loop().time()
        self._untold[event] = self._untold.get(event, 0) + 1
        if now >= self._quiet_until.get(event, now):
            self._quiet_until[event] = now + _QUIET_S
            self._log.warning(event, listener=self._name, connections=self._untold.pop(event))


class Connection(web.RequestHandler):
    """One connection. Its head deadline runs from its start, and again from the first byte of each later head.

    A connection that is idle between two requests has no deadline but aiohttp's keep-alive. Bodies have theirs where
    they are read; what nobody reads is dropped, for two seconds at most.
    """

    __slots__ = ("_begun", "_deadline", "_listener")

    def __init__(self, listener: Listener, **options: Any) -> None:
        super().__init__(listener, **options)
        self._listener = listener
        self._deadline: asyncio.TimerHandle | None = None
        self._begun = False  # whether a part of the next head is here

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many already: then close at once, before anything is kept or read."""
        if len(self._listener.connections) >= self._listener.limits.connections:
            self._listener.tell("connections_full")
            transport.close()
            return
        super().connection_made(transport)
        self._start_deadline()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the deadline with the connection."""
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse on; a head that has come whole ends the deadline, a part of one starts it."""
        heads = self._request_count
        super().data_received(data)
        if self._request_count != heads:
            self._stop_deadline()
        elif data and self._awaits_head():
            self._begun = True
            if self._deadline is None:
                self._start_deadline()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """As aiohttp's, which logs; its page would quote the request and name versions, so it is not sent."""
        super().handle_error(request, status, exc, message)
        response = web.Response(status=status, text=MALFORMED if status == 400 else "", headers=SERVER)
        response.force_close()
        return response

    def _awaits_head(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _start_deadline(self) -> None:
        self._deadline = self._loop.call_later(self._listener.limits.arrival_s, self._close_late)

    def _stop_deadline(self) -> None:
        self._begun = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close_late(self) -> None:
        self._deadline = None
        if self.transport is None or not self._awaits_head():
            return
        self._listener.tell("request_too_slow")
        if self._begun:
            self.transport.write(_TOO_SLOW)
        self.force_close()


def make_server(handler: Handler, log: Log, name: str, limits: Limits | None = None) -> web.Server:
    """An HTTP server for one dispatcher. What its parser refuses is answered with 400 and logged in one line."""
    return Listener(handler, log, name, limits or Limits())


async def close_connections(server: web.Server, timeout_s: float) -> None:
    """Close idle connections, and the others once their request is answered, at most after so long.

    A body that has not arrived in half of that time is given up.
    """
    server.pre_shutdown()
    # A connection accepted in this very turn of the loop does not wait for its request yet, so it missed the call
    # above; unless told again it would be waited for in vain.
    await asyncio.sleep(0)
    server.pre_shutdown()
    # aiohttp waits this long twice, before and after it gives up what a request is still reading.
    await server.shutdown(timeout_s / 2)


def _request_factory(message, payload, protocol, writer, task):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    loop = protocol._loop  # noqa: SLF001 -- as web.Server's own factory, with another size limit
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT)


def _protocol_logger(log: Log, name: str) -> logging.Logger:
    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            cause = record.exc_info[1] if record.exc_info else None
            told = f"{type(cause).__name__}: {cause}" if cause else record.getMessage()
            log.warning("http_malformed", listener=name, message=told.splitlines()[0][:200])

    logger = logging.Logger(f"local_host.{name}", logging.INFO)  # noqa: LOG001 -- not in the app's logger tree
    logger.addHandler(Lines())
    return logger
