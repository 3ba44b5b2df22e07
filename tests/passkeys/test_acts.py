"""Acts' ids: of one form, fresh for each thing that is asked for, and the same for what follows from the same facts."""

from __future__ import annotations

import secrets

from passkeys.acts import ACT_ID, derived_act_id, new_act_id


def test_a_fresh_act_has_128_random_bits() -> None:
    """Of the form that the audit takes, and never twice the same."""
    asked: list[int] = []

    def random_bytes(length: int) -> bytes:
        asked.append(length)
        return secrets.token_bytes(length)

    made = {new_act_id(random_bytes) for _ in range(50)}
    assert len(made) == 50
    assert all(map(ACT_ID.match, made))
    assert set(asked) == {16}


def test_what_follows_from_the_same_facts_is_the_same_act() -> None:
    """A run again finds its own entries; other facts, or the same letters cut otherwise, are another act."""
    assert derived_act_id("17", "AQID", "disabled") == derived_act_id("17", "AQID", "disabled")
    ids = {
        derived_act_id(*facts) for facts in (("17", "AQID"), ("17A", "QID"), ("17AQID",), ("AQID", "17"), ())
    }
    assert len(ids) == 5
    assert all(map(ACT_ID.match, ids))
