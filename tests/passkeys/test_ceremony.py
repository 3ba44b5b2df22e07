"""The ceremony's table: complete, closed, and the same as its picture."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from passkeys.ceremony import (
    CEREMONY_ID,
    FIRST_STAGE,
    TRANSITIONS,
    Event,
    Kind,
    Outcome,
    Stage,
    State,
    advance,
    kind_of,
    mermaid,
    new_ceremony_id,
    public_reason,
)
from passkeys.errors import IllegalMove

DOCUMENT = Path(__file__).parents[2] / "docs" / "ceremony.md"


@pytest.mark.parametrize(("state", "event"), list(product([*Stage, *Outcome], Event)))
def test_a_move_is_in_the_table_or_raises(state: State, event: Event) -> None:
    """Every state with every event: the table's move, or IllegalMove naming both."""
    expected = TRANSITIONS.get((state, event)) if isinstance(state, Stage) else None
    if expected is not None:
        assert advance(state, event) is expected
        return
    with pytest.raises(IllegalMove, match=f"{state.value}.*{event.value}"):
        advance(state, event)


def test_every_state_is_reached_and_every_ceremony_can_end() -> None:
    """From the first stage each state can be reached, and from each stage an outcome."""
    reached: set[State] = {FIRST_STAGE}
    while True:
        more = {to for (stage, _), to in TRANSITIONS.items() if stage in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == {*Stage, *Outcome}
    for stage in Stage:
        ways = {to for (start, _), to in TRANSITIONS.items() if start is stage}
        assert any(isinstance(way, Outcome) for way in ways), f"{stage} leads to no outcome"


def test_no_stage_comes_twice() -> None:
    """A ceremony moves forward only: no answer is awaited twice, no challenge issued twice."""
    order = list(Stage)
    for (stage, _), to in TRANSITIONS.items():
        assert isinstance(to, Outcome) or order.index(to) > order.index(stage)


def test_waiting_for_a_person_asks_no_dependency() -> None:
    """While the authenticator is awaited nothing can fail but the person."""
    assert (Stage.AWAITING_AUTHENTICATOR, Event.DEPENDENCY_FAILED) not in TRANSITIONS
    asking = [stage for stage in Stage if stage is not Stage.AWAITING_AUTHENTICATOR]
    assert all(TRANSITIONS[stage, Event.DEPENDENCY_FAILED] is Outcome.FAILED for stage in asking)


def test_the_picture_is_drawn_from_the_table() -> None:
    """The diagram in docs/ceremony.md is what `mermaid` draws."""
    picture = re.search(r"```mermaid\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert picture is not None
    assert picture[1] == mermaid(), "run: python -c 'from passkeys.ceremony import mermaid; print(mermaid())'"


def test_the_page_names_every_state_event_and_outcome() -> None:
    """docs/ceremony.md explains every word of the table."""
    text = DOCUMENT.read_text()
    for word in (*Stage, *Event, *Outcome):
        assert f"`{word.value}`" in text, word.value


@pytest.mark.parametrize("kind", Kind)
def test_an_id_is_its_kind_and_128_random_bits(kind: Kind) -> None:
    """Ids are as long as their randomness, and tell their kind."""
    asked: list[int] = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return b"\xab" * count

    ceremony_id = new_ceremony_id(kind, random_bytes)
    assert asked == [16]
    assert ceremony_id == f"{kind.value}-{'ab' * 16}"
    assert kind_of(ceremony_id) is kind


@pytest.mark.parametrize(
    "text",
    ["", "registration-", "approval-" + "a" * 32, "registration-" + "A" * 32, "registration-" + "a" * 31, "registration-" + "a" * 33, "registration-" + "a" * 32 + "\n", "@audit_log@00", "x-registration-" + "a" * 32],
)  # fmt: skip
def test_what_is_no_ceremony_id_is_none(text: str) -> None:
    """Nothing else is taken for an id: not an entity's, not another instance's."""
    assert kind_of(text) is None
    assert CEREMONY_ID.match(text) is None


def test_outside_all_rejections_are_one() -> None:
    """What is told outside says nothing that an attacker could use."""
    assert {outcome: public_reason(outcome) for outcome in Outcome if public_reason(outcome)} == {
        Outcome.REJECTED: "not_verified",
        Outcome.REFUSED: "not_allowed",
    }
