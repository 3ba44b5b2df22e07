"""The entity `rate_limiter`, through the SDK's handle."""

from __future__ import annotations

from typing import Any

import pytest

from entities.rate_limiter import rate_limiter
from tests.entities.driver import DrivenEntity

START = 1_790_000_000_000
ADMITTED = {"admitted": True, "retry_after_seconds": 0}


@pytest.fixture
def limiter() -> DrivenEntity:
    return DrivenEntity(rate_limiter, "network|203.0.113.0-24")


def attempt(at_ms: int = START, **changed: Any) -> dict[str, Any]:
    return {"capacity": 3, "refill_seconds": 60, "at_ms": at_ms, **changed}


def test_capacity_is_admitted_and_the_next_is_told_when(limiter: DrivenEntity) -> None:
    """Three at once, then a refusal with the seconds until the next token; then that token."""
    assert [limiter.ask("take", attempt()) for _ in range(4)] == [ADMITTED] * 3 + [
        {"admitted": False, "retry_after_seconds": 20}
    ]
    assert not limiter.ask("take", attempt(START + 19_999))["admitted"]
    assert limiter.ask("take", attempt(START + 20_000)) == ADMITTED


def test_a_batch_counts_like_calls_one_by_one(limiter: DrivenEntity) -> None:
    """However many come in one batch, capacity are admitted."""
    results = limiter.run(*[("take", attempt())] * 100)
    assert [result["admitted"] for result in results].count(True) == 3


def test_settle_forgets_a_full_bucket(limiter: DrivenEntity) -> None:
    """The state goes when the bucket is full, and not before."""
    limiter.ask("take", attempt())
    assert limiter.ask("settle", {"at_ms": START + 19_999}) == {"settled": False}
    assert limiter.exists
    assert limiter.ask("settle", {"at_ms": START + 20_000}) == {"settled": True}
    assert (limiter.exists, limiter.kept) == (False, None)


def test_a_token_given_back_can_be_taken_again(limiter: DrivenEntity) -> None:
    """Given back, the last token admits once more; to a bucket that is gone, nothing is added and nothing is left."""
    assert limiter.ask("give_back", {"at_ms": START}) == {}
    assert not limiter.exists
    admitted = [limiter.ask("take", attempt())["admitted"] for _ in range(3 + 1)]
    assert admitted == [True] * 3 + [False]
    limiter.ask("give_back", {"at_ms": START})
    assert [limiter.ask("take", attempt())["admitted"] for _ in range(2)] == [True, False]


def test_settle_of_nothing_leaves_nothing(limiter: DrivenEntity) -> None:
    """A sweep does not bring a limiter to life."""
    assert limiter.ask("settle", {"at_ms": START}) == {"settled": True}
    assert (limiter.exists, limiter.kept) == (False, None)


def test_settle_and_take_in_one_batch(limiter: DrivenEntity) -> None:
    """Taken, settled, and taken again in one batch: the last take counts."""
    limiter.run(("take", attempt()))
    _, result = limiter.run(("settle", {"at_ms": START + 60_000}), ("take", attempt(START + 60_000)))
    assert result == ADMITTED
    assert limiter.exists
    assert limiter.kept["parts"] == 2 * 60_000


def test_a_limit_set_anew_counts_at_once(limiter: DrivenEntity) -> None:
    """A lower limit takes effect on a bucket that is there."""
    limiter.ask("take", attempt())
    assert limiter.ask("take", attempt(capacity=1)) == ADMITTED
    assert not limiter.ask("take", attempt(capacity=1))["admitted"]


@pytest.mark.parametrize(
    ("operation", "request_"),
    [("take", {}), ("take", {"capacity": 0, "refill_seconds": 1, "at_ms": START}), ("take", {"capacity": 1, "refill_seconds": 1}), ("take", None), ("settle", {}), ("reset", {})],
)  # fmt: skip
def test_what_is_wrong_changes_nothing(limiter: DrivenEntity, operation: str, request_: Any) -> None:
    """A wrong operation is an error to its sender, and the bucket is as it was."""
    limiter.ask("take", attempt())
    before = limiter.kept
    assert isinstance(limiter.ask(operation, request_), RuntimeError)
    assert limiter.kept == before


def test_the_state_is_small_and_plain(limiter: DrivenEntity) -> None:
    """Four whole numbers: nothing of who was limited."""
    limiter.ask("take", attempt())
    assert limiter.kept == {"parts": 120_000, "at_ms": START, "capacity": 3, "refill_seconds": 60}
