"""How a provider is asked while a person waits: bounded in time and tries, and left alone while it is away."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from passkeys.directories import asking as rules
from passkeys.directories.asking import (
    OPEN_SECONDS,
    OPENS_AFTER,
    TOTAL_SECONDS,
    Answer,
    Asking,
    Question,
    Sender,
    Unanswered,
)
from passkeys.errors import DirectoryExhausted
from tests.fakes.trouble import AWAY, OUTAGE, throttled
from tests.passkeys.test_metadata_source import TRUSTING, served

OK = Answer(200, {}, {"fine": True})
QUESTION = Question("GET", "https://directory.example.com/x", {"Authorization": "Bearer secret"})


@dataclass
class Time:
    """A clock that moves when somebody sleeps."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Scripted:
    """Sends what it is told to, in order, and then what is fine."""

    answers: deque[Any] = field(default_factory=deque)
    asked: int = 0

    async def __call__(self, question: Question) -> Answer:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.popleft() if self.answers else OK
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


async def question() -> Question:
    return QUESTION


def made(*answers: Any) -> tuple[Asking, Scripted, Time]:
    time, send = Time(), Scripted(deque(answers))
    return Asking("it", send, chance=lambda: 0.5, now=time, sleep=time.sleep), send, time


@pytest.mark.parametrize(
    ("answers", "status", "tries", "slept"),
    [
        ([], 200, 1, []),
        ([Answer(404)], 404, 1, []),
        ([Answer(403)], 403, 1, []),
        ([OUTAGE], 200, 2, [0.1]),
        ([AWAY, OUTAGE], 200, 3, [0.1, 0.2]),
        ([throttled("2")], 200, 2, [2.0]),
        ([throttled("0")], 200, 2, [0.0]),
        ([throttled("1"), throttled()], 200, 3, [1.0, 0.2]),
        ([throttled("Wed, 21 Oct 2026 07:28:00 GMT")], 200, 2, [0.1]),
        ([throttled("Wed, 21 Oct 2026 07:28:02 GMT", date="Wed, 21 Oct 2026 07:28:00 GMT")], 200, 2, [2.0]),
        ([throttled("Wed, 21 Oct 2026 07:28:00 GMT", date="Wed, 21 Oct 2026 07:28:05 GMT")], 200, 2, [0.0]),
        (
            [throttled("Wed, 21 Oct 2026 07:28:00 +99999999999999", date="Wed, 21 Oct 2026 07:28:00 GMT")],
            200,
            2,
            [0.1],
        ),
        ([throttled("Wed, 21 Oct 2026 07:28:00 -0000", date="Wed, 21 Oct 2026 07:28:00 GMT")], 200, 2, [0.1]),
    ],
)
async def test_what_passes_is_tried_again(
    answers: list[Any], status: int, tries: int, slept: list[float]
) -> None:
    """After a pause of ours, or the provider's own if it is short; what no second try mends is not."""
    asking, send, time = made(*answers)
    assert (await asking.ask(question)).status == status
    assert (send.asked, time.slept) == (tries, slept)


@pytest.mark.parametrize(
    ("answers", "tries"),
    [
        ([OUTAGE] * 3, 3),
        ([AWAY] * 3, 3),
        ([throttled()] * 3, 3),
        ([throttled("3")], 1),
        ([throttled("2")] * 3, 3),
    ],
)
async def test_what_does_not_pass_is_told(answers: list[Any], tries: int) -> None:
    """After three tries, or at once where the provider asks for more patience than a person has."""
    asking, send, time = made(*answers)
    with pytest.raises(DirectoryExhausted):
        await asking.ask(question)
    assert send.asked == tries
    assert time.now - 1000 <= TOTAL_SECONDS


async def test_a_provider_that_wants_to_be_left_alone_is(caplog: pytest.LogCaptureFixture) -> None:
    """For as long as it said, within bounds, and operators are told; then one question finds out."""
    asking, send, time = made(throttled("30"))
    for _ in range(3):
        with pytest.raises(DirectoryExhausted):
            await asking.ask(question)
    assert send.asked == 1
    assert [record.message for record in caplog.records] == ["directory_closed it: not asked for 30 seconds"]
    time.now += 30
    assert (await asking.ask(question)).status == 200
    assert send.asked == 2


async def test_after_failures_in_a_row_nothing_is_asked_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """Then one question, and its answer decides; operators are told by one code."""
    asking, send, time = made(*[OUTAGE] * 3 * (OPENS_AFTER + 1))
    for _ in range(OPENS_AFTER):
        with pytest.raises(DirectoryExhausted):
            await asking.ask(question)
    tries = send.asked
    with pytest.raises(DirectoryExhausted, match="not asked just now"):
        await asking.ask(question)
    assert send.asked == tries
    assert "directory_closed it" in caplog.text
    time.now += OPEN_SECONDS
    with pytest.raises(DirectoryExhausted):  # the one that finds out that it is still away
        await asking.ask(question)
    with pytest.raises(DirectoryExhausted, match="not asked just now"):
        await asking.ask(question)
    time.now += OPEN_SECONDS
    assert (await asking.ask(question)).status == 200
    assert (await asking.ask(question)).status == 200


async def test_one_success_forgets_the_failures_before() -> None:
    """Only failures in a row count."""
    failing = [OUTAGE] * 3 * (OPENS_AFTER - 1)
    asking, send, _ = made(*failing, OK, *failing, OK)
    for _ in range(2):
        for _ in range(OPENS_AFTER - 1):
            with pytest.raises(DirectoryExhausted):
                await asking.ask(question)
        assert (await asking.ask(question)).status == 200
    assert send.asked == 2 * (3 * (OPENS_AFTER - 1) + 1)


async def test_while_one_finds_out_the_others_do_not_wait() -> None:
    """A provider that comes back is not met by everybody at once."""
    asking, send, time = made(*[OUTAGE] * 3 * OPENS_AFTER)
    for _ in range(OPENS_AFTER):
        with pytest.raises(DirectoryExhausted):
            await asking.ask(question)
    time.now += OPEN_SECONDS
    before = send.asked
    results = await asyncio.gather(*(asking.ask(question) for _ in range(10)), return_exceptions=True)
    assert [isinstance(one, Answer) for one in results].count(True) == 1
    assert send.asked == before + 1


async def test_an_answer_to_what_was_asked_before_reopens_nothing() -> None:
    """It was asked before the provider wanted to be left alone, and says nothing of what came after."""
    asking, send, time = made()
    hold, slow_answer = asyncio.Event(), send.__call__

    async def slow(asked: Question) -> Answer:
        await hold.wait()
        return await slow_answer(asked)

    asking._send = slow
    early = asyncio.create_task(asking.ask(question))
    await asyncio.sleep(0)
    asking._send = Scripted(deque([throttled("60")]))
    with pytest.raises(DirectoryExhausted):
        await asking.ask(question)
    hold.set()
    assert (await early).status == 200
    with pytest.raises(DirectoryExhausted, match="not asked just now"):
        await asking.ask(question)
    time.now += 60
    assert (await asking.ask(question)).status == 200
    assert not asking.in_doubt


async def test_what_is_told_holds_nothing_of_the_question(caplog: pytest.LogCaptureFixture) -> None:
    """No token, no address."""
    asking, _, _ = made(*[Unanswered("the connection was reset")] * 30)
    for _ in range(OPENS_AFTER):
        with pytest.raises(DirectoryExhausted) as told:
            await asking.ask(question)
        assert "secret" not in str(told.value)
        assert "/x" not in str(told.value)
    assert "secret" not in caplog.text


async def answers_with(body: bytes, status: int = 200, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=named)

    return handler


async def sent(tmp_path: Path, handler: Any, tls: ssl.SSLContext | None = TRUSTING) -> Answer:
    sender = Sender(tls=tls)
    async with served(tmp_path, {"/x": handler}) as url:
        try:
            return await sender(Question("GET", f"{url}/x", {}))
        finally:
            await sender.close()


async def test_an_answer_over_tls_is_read_whole(tmp_path: Path) -> None:
    """Status, headers by lower-case names, and JSON; what is no JSON is nothing."""
    answer = await sent(tmp_path, await answers_with(b'{"a": 1}', 429, Retry_After="2"))
    assert (answer.status, answer.headers["retry-after"], answer.body) == (429, "2", {"a": 1})
    for body in (b"", b"<html>", b"[" * 100_000, b"\xff"):
        assert (await sent(tmp_path, await answers_with(body))).body is None


async def test_headers_that_come_apart_are_one_list(tmp_path: Path) -> None:
    """RFC 9110 §5.3. Okta sends its links apart: of two, neither is passed over."""

    async def handler(_: web.Request) -> web.StreamResponse:
        response = web.Response(body=b"{}")
        response.headers.add("Link", '<https://x/?after=2>; rel="next"')
        response.headers.add("Link", '<https://x/>; rel="self"')
        return response

    answer = await sent(tmp_path, handler)
    assert answer.headers["link"] == '<https://x/?after=2>; rel="next", <https://x/>; rel="self"'


async def test_what_is_no_answer_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much, from nobody that is trusted, or not over https; a redirect is not followed."""
    monkeypatch.setattr(rules, "MAX_ANSWER", 64)
    with pytest.raises(Unanswered, match="too long"):
        await sent(tmp_path, await answers_with(b" " * 65))
    with pytest.raises(Unanswered, match="Certificate"):
        await sent(tmp_path, await answers_with(b"{}"), tls=None)
    with pytest.raises(Unanswered, match="https"):
        await Sender()(Question("GET", "http://localhost/", {}))
    moved = await sent(tmp_path, await answers_with(b"{}", 302, Location="https://elsewhere.example.com/"))
    assert moved.status == 302


async def test_a_slow_body_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers at once and a body never: a try ends all the same."""
    monkeypatch.setattr(rules, "TRY_SECONDS", 0.1)

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.sleep(1)
        return response

    sender = Sender(tls=TRUSTING)
    async with served(tmp_path, {"/x": handler}) as url:
        time = Time()
        asking = Asking("it", sender, chance=lambda: 0.0, now=time, sleep=time.sleep)

        async def slow() -> Question:
            return Question("GET", f"{url}/x", {})

        with pytest.raises(DirectoryExhausted, match="not in time"):
            await asking.ask(slow)
        await sender.close()
