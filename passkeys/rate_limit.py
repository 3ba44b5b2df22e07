"""The token bucket: whether one more is admitted, and when to come back. Integers only, no clock.

A bucket holds up to `capacity` tokens, is full at first, and refills evenly: empty to full takes
`refill_seconds`. Each admission takes one token.

Tokens are counted in *parts* so that nothing is ever rounded: one token is `refill_seconds * 1000` parts, so
one millisecond refills exactly `capacity` parts. Rounding in floats would admit one too many, or tell a
person to come back a second too early.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

# So that parts stay below 2**53, the largest integer that every JSON reader keeps exactly.
MAX_CAPACITY = 1_000_000
MAX_REFILL_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `capacity` at once, and as many again over each `refill_seconds`."""

    capacity: int
    refill_seconds: int

    def __post_init__(self) -> None:
        if not (1 <= self.capacity <= MAX_CAPACITY and 1 <= self.refill_seconds <= MAX_REFILL_SECONDS):
            msg = f"{self.capacity}/{self.refill_seconds}: a limit is 1 to {MAX_CAPACITY} in 1 to {MAX_REFILL_SECONDS} seconds."
            raise ValueError(msg)

    @property
    def parts_per_token(self) -> int:
        """How many parts make one token."""
        return self.refill_seconds * 1000

    @property
    def full(self) -> int:
        """The parts of a full bucket."""
        return self.capacity * self.parts_per_token


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as it was at `at_ms` (Unix time, milliseconds): `parts` of `limit.full`."""

    limit: Limit
    parts: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one `take`. `retry_after_seconds` is 0 when admitted, else at least 1 and exact, rounded up."""

    admitted: bool
    retry_after_seconds: int


def full_bucket(limit: Limit, at_ms: int) -> Bucket:
    """The bucket of somebody never seen before."""
    return Bucket(limit, limit.full, at_ms)


def refilled(bucket: Bucket, limit: Limit, at_ms: int) -> Bucket:
    """The bucket at `at_ms` under `limit`, which may have been set anew since.

    Time never runs backwards: an earlier `at_ms` counts as the bucket's own.
    """
    now_ms = max(bucket.at_ms, at_ms)
    # Under a new limit the same number of tokens is kept; a part of a token is dropped, never granted.
    parts = (
        bucket.parts
        if limit == bucket.limit
        else bucket.parts * limit.parts_per_token // bucket.limit.parts_per_token
    )
    return Bucket(limit, min(limit.full, parts + limit.capacity * (now_ms - bucket.at_ms)), now_ms)


def take(bucket: Bucket, limit: Limit, at_ms: int) -> tuple[Bucket, Decision]:
    """Take one token, or say in how many seconds there will be one."""
    now = refilled(bucket, limit, at_ms)
    missing = limit.parts_per_token - now.parts
    if missing > 0:
        # Counted from the caller's clock if it lags behind the bucket's: that is the clock it will come back by.
        wait_ms = -(-missing // limit.capacity) + now.at_ms - min(now.at_ms, at_ms)
        return now, Decision(admitted=False, retry_after_seconds=-(-wait_ms // 1000))
    return Bucket(limit, -missing, now.at_ms), Decision(admitted=True, retry_after_seconds=0)


def give_back(bucket: Bucket, at_ms: int) -> Bucket:
    """Put one token back, taken for somebody whom another limit refused. The bucket never holds more than its capacity."""
    now = refilled(bucket, bucket.limit, at_ms)
    return Bucket(now.limit, min(now.limit.full, now.parts + now.limit.parts_per_token), now.at_ms)


def is_full(bucket: Bucket, at_ms: int) -> bool:
    """Whether the bucket says no more than one that does not exist: its state may be dropped."""
    return refilled(bucket, bucket.limit, at_ms).parts == bucket.limit.full


def shard_of(ceremony_id: str, shards: int) -> int:
    """Which of `shards` a ceremony falls to: even, and the same for ever. For limits and for the audit."""
    return int.from_bytes(hashlib.sha256(ceremony_id.encode()).digest()[:4]) % shards


def shard_limit(limit: Limit, *, shard: int, shards: int) -> Limit:
    """The share of one of `shards`. The shares add up to `limit`, never to more. `shards` <= capacity."""
    share, rest = divmod(limit.capacity, shards)
    return Limit(share + (shard < rest), limit.refill_seconds)
