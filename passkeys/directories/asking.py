"""How a directory is asked while a person waits: soon, not often, and not at all while it is known to be away.

1. One try takes TRY_SECONDS at most, and everything that a person waits for TOTAL_SECONDS, of however many questions it is.
2. A refusal for now (429, 5xx), a broken connection and a try without an answer are tried again, RETRIES times, after a
   pause that chance spreads; a pause that the provider asks for is kept to, or, if it is too long, nothing is asked again
   before its end.
3. After OPENS_AFTER failures in a row nothing is asked for OPEN_SECONDS, or for as long as the provider has said: then one
   question is let through, and its answer decides.
4. An answer is bounded, is read as JSON, and comes from where configuration says: https, and no redirects.

Who is asked about, and with which token, is in no message and no log.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import aiohttp

from passkeys.errors import DirectoryExhausted, DirectoryMisconfigured

TRY_SECONDS = 2.0
TOTAL_SECONDS = 5.0
RETRIES = 2
LONGEST_PAUSE = 2.0
OPENS_AFTER = 5
OPEN_SECONDS = 10.0
# What a provider may say about how long to leave it alone, and be believed.
LONGEST_SILENCE = 120.0
MAX_ANSWER = 256 * 1024
AGAIN = frozenset({429, 500, 502, 503, 504})
log = logging.getLogger("passkeys.directories")


@dataclass(frozen=True, slots=True)
class Question:
    """One request: complete, with its token."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `headers` by lower-case names; `body` is JSON, or None where there was none to read."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


class Unanswered(Exception):
    """No answer that can be read: not in time, too much, not from there."""


Send = Callable[[Question], Awaitable[Answer]]
"""One try. Raises Unanswered, and whatever `asyncio.timeout` interrupts it with."""


class Asking:
    """One provider, asked by the rules above.

    `unwrap` finds in an answer what counts of it, such as a refusal inside a batch; it may raise Unanswered. `now` is a
    monotonic clock in seconds, `chance` a number from 0 to 1.
    """

    def __init__(
        self,
        name: str,
        send: Send,
        *,
        chance: Callable[[], float],
        unwrap: Callable[[Answer], Answer] = lambda answer: answer,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._send = send
        self._chance = chance
        self._unwrap = unwrap
        self._now = now
        self._sleep = sleep
        self._failures = 0
        self._closed_until = 0.0
        self._probing = False

    def beside(self) -> Asking:
        """For another endpoint of the same provider: the same connections and manners, and failures of its own.

        Whoever needs an answer of the one to ask the other must not be kept from it by the other's failures.
        """
        return Asking(
            self.name,
            self._send,
            chance=self._chance,
            unwrap=self._unwrap,
            now=self._now,
            sleep=self._sleep,
        )

    @property
    def in_doubt(self) -> bool:
        """Whether one question is to find out if it is back: who has several asks one of them first."""
        return self._closed_until != 0.0

    async def ask(self, question: Callable[[], Awaitable[Question]]) -> Answer:
        """The answer, whatever its status but those of AGAIN. `question` is made anew for each try.

        Raises DirectoryExhausted, and what `question` raises.
        """
        probe = self._let_in()
        try:
            answer = await self._tries(question)
        except DirectoryExhausted:
            self.failed()
            raise
        else:
            # One that was asked before it was closed says nothing of whether it is back.
            if probe or not self.in_doubt:
                self._failures, self._closed_until = 0, 0.0
            return answer
        finally:
            if probe:
                self._probing = False

    def failed(self) -> None:
        """Count a failure; after so many in a row, and after one that was to find out, it is left alone."""
        self._failures += 1
        if self.in_doubt or self._failures >= OPENS_AFTER:
            self._close(OPEN_SECONDS)

    def _close(self, seconds: float) -> None:
        until = self._now() + seconds
        if until > self._closed_until:
            self._closed_until = until
            log.error("directory_closed %s: not asked for %d seconds", self.name, seconds)

    def _let_in(self) -> bool:
        """Whether this is the one that finds out if the provider is back. Raises DirectoryExhausted while it is left alone."""
        if self._closed_until == 0.0:
            return False
        if self._now() < self._closed_until or self._probing:
            raise DirectoryExhausted(f"{self.name} is not asked just now: it did not answer before.")
        self._probing = True
        return True

    async def _tries(self, question: Callable[[], Awaitable[Question]]) -> Answer:
        ends = self._now() + TOTAL_SECONDS
        told = "no answer"
        for tried in range(RETRIES + 1):
            pause: float | None = None
            try:
                async with asyncio.timeout(max(0.0, min(TRY_SECONDS, ends - self._now()))):
                    answer = self._unwrap(await self._send(await question()))
            except (TimeoutError, Unanswered) as error:
                told = str(error) or "not in time"
            else:
                if answer.status not in AGAIN:
                    return answer
                told, pause = f"status {answer.status}", pause_of(answer)
            if pause is not None and pause > LONGEST_PAUSE:
                self._close(min(pause, LONGEST_SILENCE))
                break
            wait = pause if pause is not None else 0.1 * 2**tried * (0.5 + self._chance())
            if tried == RETRIES or self._now() + wait >= ends:
                break
            await self._sleep(wait)
        raise DirectoryExhausted(f"{self.name} could not be asked: {told}.")


class _Adapter(Protocol):
    @property
    def asking(self) -> Asking: ...


A = TypeVar("A", bound=_Adapter)
P = ParamSpec("P")
R = TypeVar("R")


def in_time(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[A, P], Coroutine[Any, Any, R]]:
    """An adapter's method, with one end for all that it asks: TOTAL_SECONDS from its call. Then DirectoryExhausted."""

    @functools.wraps(method)
    async def bounded(adapter: A, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await method(adapter, *args, **kwargs)
        except TimeoutError:
            adapter.asking.failed()
            raise DirectoryExhausted(f"{adapter.asking.name} could not be asked: not in time.") from None

    return bounded  # type: ignore[return-value]  # mypy gives the name of its first parameter away


def seconds_in(text: str) -> int | None:
    """The number of seconds that a header tells, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def pause_of(answer: Answer) -> float | None:
    """How long the provider wants to be left alone (RFC 9110 §10.2.3), or None if it does not say.

    A time is taken by the provider's own clock, its Date: ours may go otherwise.
    """
    told = answer.headers.get("retry-after", "")
    if (seconds := seconds_in(told)) is not None:
        return float(seconds)
    try:
        wait = parsedate_to_datetime(told) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())


def misconfigured(name: str, what: str) -> DirectoryMisconfigured:
    """The error, which is told to operators at once: nobody signs in until somebody mends it."""
    log.error("directory_misconfigured %s: %s", name, what)
    return DirectoryMisconfigured(f"{name}: {what}")


class Sender:
    """The one try over https, with connections that are kept. `tls` None: whom Python trusts."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, question: Question) -> Answer:
        """One request, one answer. Raises Unanswered."""
        try:
            return await self._send(question)
        except (aiohttp.ClientError, OSError) as error:
            raise Unanswered(type(error).__name__) from None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, question: Question) -> Answer:
        if not question.url.startswith("https://"):
            raise Unanswered("not an https address")
        if self._session is None:
            # As metadata_source reads: no proxy of the environment's, no cookies, no compression that would undo the bound.
            self._session = aiohttp.ClientSession(
                headers={"Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        async with self._session.request(
            question.method,
            question.url,
            headers=question.headers,
            data=question.body,
            ssl=True if self._tls is None else self._tls,
            allow_redirects=False,
        ) as response:
            headers = {
                name.lower(): ", ".join(response.headers.getall(name))  # RFC 9110 §5.3
                for name in response.headers
            }
            received = bytearray()
            async for chunk in response.content.iter_chunked(16 * 1024):
                received += chunk
                if len(received) > MAX_ANSWER:
                    raise Unanswered("too long an answer")
            return Answer(response.status, headers, _json(bytes(received)))


def _json(data: bytes) -> Any:
    """The body, or None for what is no JSON: which of the two it had to be, who asked knows."""
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError):
        return None
