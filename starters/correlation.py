"""What ties an entry of the audit to the request that caused it: the caller's correlation id and the trace, if it tells them.

A request has many ways to an entry, some of them through an orchestration, so what it tells is kept beside it while it is
answered (a context variable: each request has its own), and nobody hands it on by hand.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from azure.functions import HttpRequest

from passkeys.world import World

# What a caller sends is written into the audit: so few characters that nothing can be told by them but an id.
_CORRELATION = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
# W3C Trace Context §3.2: any version that begins like the first one; ids of zeros alone are none.
_TRACE = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_TOLD: ContextVar[Mapping[str, str]] = ContextVar("told", default=_NOTHING)


@contextmanager
def answering(req: HttpRequest) -> Iterator[None]:
    """While this request is answered, `audited` tells what it said of itself: `X-Correlation-ID`, `traceparent`."""
    token = _TOLD.set(_read(req))
    try:
        yield
    finally:
        _TOLD.reset(token)


def audited(world: World) -> dict[str, str]:
    """Members for an entry: `policy_version`, with `correlation_id` and `trace_id` as far as the request has told them."""
    return {"policy_version": world.policy_version, **_TOLD.get()}


def _read(req: HttpRequest) -> Mapping[str, str]:
    trace = _TRACE.match(req.headers.get("traceparent", ""))
    correlation = req.headers.get("x-correlation-id", "")
    return {
        **({"correlation_id": correlation} if _CORRELATION.match(correlation) else {}),
        **({"trace_id": trace[1]} if trace else {}),
    }
