"""The token bucket: never over capacity, exact about when to come back, and forgotten when it is full."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passkeys.rate_limit import (
    MAX_CAPACITY,
    MAX_REFILL_SECONDS,
    Bucket,
    Limit,
    full_bucket,
    give_back,
    is_full,
    refilled,
    shard_limit,
    shard_of,
    take,
)

LIMITS = st.builds(Limit, st.integers(1, 50), st.integers(1, 600))
START = 1_790_000_000_000
# Steps of time between attempts, in milliseconds; a clock may also step back.
STEPS = st.lists(st.integers(-5_000, 60_000), min_size=1, max_size=120)


def admissions(limit: Limit, steps: list[int]) -> list[int]:
    """The times at which one was admitted."""
    bucket, at_ms, admitted = full_bucket(limit, START), START, []
    for step in steps:
        at_ms += step
        bucket, decision = take(bucket, limit, at_ms)
        if decision.admitted:
            admitted.append(bucket.at_ms)
    return admitted


def test_capacity_at_once_and_not_one_more() -> None:
    """However many start at the same instant, capacity are admitted."""
    assert len(admissions(Limit(5, 60), [0] * 100)) == 5


@given(LIMITS, STEPS)
def test_no_window_admits_more_than_capacity_and_refill(limit: Limit, steps: list[int]) -> None:
    """Over any stretch of time: at most the capacity, and what refills in it."""
    times = admissions(limit, steps)
    for first in range(len(times)):
        for last in range(first, len(times)):
            count, elapsed_ms = last - first + 1, times[last] - times[first]
            assert count * limit.parts_per_token <= limit.full + limit.capacity * elapsed_ms


@given(LIMITS, STEPS)
def test_retry_after_is_exact(limit: Limit, steps: list[int]) -> None:
    """Coming back when told to succeeds; coming back two seconds sooner than that does not."""
    bucket, at_ms = full_bucket(limit, START), START
    for step in steps:
        at_ms += step
        bucket, decision = take(bucket, limit, at_ms)
        if decision.admitted:
            assert decision.retry_after_seconds == 0
            continue
        assert decision.retry_after_seconds >= 1
        assert take(bucket, limit, at_ms + decision.retry_after_seconds * 1000)[1].admitted
        if decision.retry_after_seconds >= 2:
            assert not take(bucket, limit, at_ms + (decision.retry_after_seconds - 1) * 1000)[1].admitted


@given(LIMITS, STEPS)
def test_giving_back_never_overfills(limit: Limit, steps: list[int]) -> None:
    """Whatever is taken and given back, a bucket holds at most its capacity, and a take undone is no take."""
    bucket, at_ms = full_bucket(limit, START), START
    for step in steps:
        at_ms += step
        before = refilled(bucket, limit, at_ms)
        bucket, decision = take(bucket, limit, at_ms)
        if decision.admitted:
            assert give_back(bucket, at_ms) == before
        bucket = give_back(bucket, at_ms)
        assert bucket.parts <= limit.full


@given(LIMITS, STEPS)
def test_time_never_runs_backwards(limit: Limit, steps: list[int]) -> None:
    """A clock that steps back neither refills nor empties; the bucket's own time only grows."""
    bucket, at_ms, times = full_bucket(limit, START), START, [START]
    for step in steps:
        at_ms += step
        before = bucket
        bucket, _ = take(bucket, limit, at_ms)
        times.append(bucket.at_ms)
        if at_ms <= before.at_ms:
            assert bucket.parts <= before.parts
    assert all(earlier <= later for earlier, later in pairwise(times))


@given(LIMITS, STEPS, st.integers(0, 10**9))
def test_a_full_bucket_may_be_forgotten(limit: Limit, steps: list[int], later_ms: int) -> None:
    """Where `is_full` says yes, a new bucket answers the same as the old one, for ever after."""
    bucket, at_ms = full_bucket(limit, START), START
    for step in steps:
        at_ms += step
        bucket, _ = take(bucket, limit, at_ms)
    when = max(at_ms, bucket.at_ms) + later_ms
    if is_full(bucket, when):
        assert take(bucket, limit, when) == take(full_bucket(limit, when), limit, when)
    assert is_full(bucket, bucket.at_ms + limit.refill_seconds * 1000)


def test_a_bucket_is_full_exactly_when_it_is() -> None:
    """One millisecond before the last part has refilled it is not."""
    limit = Limit(3, 60)
    bucket, _ = take(full_bucket(limit, START), limit, START)
    assert not is_full(bucket, START + 19_999)
    assert is_full(bucket, START + 20_000)


@given(LIMITS, LIMITS, st.integers(0, 100))
def test_a_new_limit_grants_nothing(old: Limit, new: Limit, taken: int) -> None:
    """A limit set anew keeps the tokens that were there, at most, and never more than it allows."""
    bucket = full_bucket(old, START)
    for _ in range(taken):
        bucket, _ = take(bucket, old, START)
    changed = refilled(bucket, new, START)
    assert changed.parts <= new.full
    assert changed.parts * old.parts_per_token <= bucket.parts * new.parts_per_token


def test_every_state_is_exact_in_json() -> None:
    """The largest limit stays below 2**53, where JSON readers begin to lose digits."""
    assert Limit(MAX_CAPACITY, MAX_REFILL_SECONDS).full < 2**53


@pytest.mark.parametrize(
    ("capacity", "refill_seconds"),
    [(0, 1), (1, 0), (-1, 60), (MAX_CAPACITY + 1, 1), (1, MAX_REFILL_SECONDS + 1)],
)
def test_a_limit_that_is_none_is_refused(capacity: int, refill_seconds: int) -> None:
    """Zero, negative and absurd limits do not come to be."""
    with pytest.raises(ValueError, match="a limit is"):
        Limit(capacity, refill_seconds)


@given(st.integers(1, 64), st.integers(0, 1000), st.integers(1, 600))
def test_shards_share_one_limit(shards: int, more: int, refill_seconds: int) -> None:
    """The shares add up to the whole, and each admits somebody."""
    limit = Limit(shards + more, refill_seconds)
    shares = [shard_limit(limit, shard=shard, shards=shards) for shard in range(shards)]
    assert sum(share.capacity for share in shares) == limit.capacity
    assert min(share.capacity for share in shares) >= 1


def test_ceremonies_spread_over_the_shards() -> None:
    """Four thousand ceremonies over four shards: none has half more or half less than its quarter."""
    counts = [0] * 4
    for number in range(4000):
        counts[shard_of(f"authentication-{number:032x}", 4)] += 1
    assert all(500 < count < 1500 for count in counts)


def test_a_lagging_caller_is_told_a_time_by_its_own_clock() -> None:
    """A caller whose clock is five seconds behind the bucket's is told to wait those five as well."""
    limit = Limit(1, 10)
    bucket = Bucket(limit, 0, START)
    _, decision = take(bucket, limit, START - 5_000)
    assert decision.retry_after_seconds == 15
