"""What can go wrong with a provider, in the order in which it is to: each entry befalls one request."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from passkeys.directories.asking import Answer, Question, Unanswered


def throttled(after: str | None = None, **headers: str) -> Answer:
    """429, with or without a time."""
    told = {} if after is None else {"retry-after": after}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(429, {**told, **named}, {"error": {"code": "TooManyRequests"}})


AWAY = Unanswered("the connection was reset")
SLOW = "slow"  # no answer within any try
NONSENSE = Answer(200, {}, None)  # what was no JSON
OUTAGE = Answer(503, {}, None)


@dataclass
class Provider(ABC):
    """What all fakes have: the questions that were asked, and what is to go wrong with the next ones."""

    trouble: deque[Any] = field(default_factory=deque)
    asked: list[Question] = field(default_factory=list)

    async def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        if self.trouble:
            befalls = self.trouble.popleft()
            if befalls == SLOW:
                await asyncio.sleep(3600)
            if isinstance(befalls, Exception):
                raise befalls
            if befalls is not None:
                return befalls  # type: ignore[no-any-return]
        return await self.answer(question)

    @abstractmethod
    async def answer(self, question: Question) -> Answer:
        """What it says when nothing goes wrong."""
