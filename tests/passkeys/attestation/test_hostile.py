"""Whatever comes in for a statement: a verdict or a rejection comes out, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passkeys.attestation import verify_statement
from passkeys.errors import Rejection, RejectionCode
from tests.passkeys.attestation.cases import ACCEPTED
from tests.passkeys.attestation.statements import NOBODY, NONE, PACKED, ROOTED, Ceremony, judge
from tests.passkeys.authorities import NOW

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=40)
)
KEYS = st.text(max_size=8) | st.integers() | st.binary(max_size=4)
VALUES = st.recursive(
    SCALARS, lambda some: st.lists(some, max_size=4) | st.dictionaries(KEYS, some, max_size=4), max_leaves=8
)
SCENES = {name: (on, make()) for name, (on, make) in ACCEPTED.items()}


def outcome(on: Ceremony, statement: Any, fmt: Any) -> None:
    for anchors in (ROOTED, NOBODY):
        try:
            judge(on, statement, fmt=fmt, anchors=anchors)
        except Rejection as rejection:
            assert rejection.code is not RejectionCode.ATTESTATION_INVALID, "an obligation has no code"


@given(VALUES, st.sampled_from([*SCENES]))
def test_any_value_for_a_statement(value: Any, name: str) -> None:
    """CBOR of any shape, as the statement of any format."""
    outcome(SCENES[name][0], value, fmt_of(name))


@given(VALUES)
def test_any_value_for_a_format(value: Any) -> None:
    """CBOR of any shape, as the format."""
    if value is not None:
        outcome(NONE, {}, value)


@given(st.data(), st.sampled_from([name for name in SCENES if not name.startswith(("none", "compound"))]))
def test_any_value_for_a_member(data: st.DataObject, name: str) -> None:
    """One member of a right statement replaced by anything."""
    on, statement = SCENES[name]
    member = data.draw(st.sampled_from([*statement]))
    outcome(on, {**statement, member: data.draw(VALUES)}, fmt_of(name))


@given(st.data(), st.sampled_from([name for name in SCENES if not name.startswith(("none", "compound"))]))
def test_any_damage_to_the_bytes_of_a_member(data: st.DataObject, name: str) -> None:
    """A right statement with bytes of one member changed, cut or added: certificates, certInfo, pubArea, signature."""
    on, statement = SCENES[name]
    member = data.draw(
        st.sampled_from([key for key, value in statement.items() if key not in ("alg", "ver")])
    )
    value = statement[member][0] if member == "x5c" else statement[member]
    at = data.draw(st.integers(0, len(value)))
    damaged = value[:at] + data.draw(st.binary(max_size=4)) + value[at + data.draw(st.integers(0, 4)) :]
    changed = [damaged, *statement["x5c"][1:]] if member == "x5c" else damaged
    outcome(on, {**statement, member: changed}, fmt_of(name))


def test_deep_nesting() -> None:
    """A statement nested deeper than Python follows is refused."""
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    for fmt in ("none", "packed", "compound"):
        with pytest.raises(Rejection):
            judge(NONE, nested, fmt=fmt)


@pytest.mark.parametrize(
    "wrong",
    [
        {"authenticator_data": None},
        {"auth_data": None},
        {"client_data_hash": "text"},
        {"anchors": None},
        {"at": None},
        {"lenience": None, "fmt": "tpm"},
    ],
    ids=str,
)
def test_a_callers_mistake_is_a_rejection_too(wrong: dict[str, Any]) -> None:
    """Even what only a bug of ours could pass in fails closed."""
    from webauthn.helpers import parse_authenticator_data

    arguments: dict[str, Any] = {
        "fmt": "packed",
        "att_stmt": PACKED.att_stmt,
        "auth_data": PACKED.auth_data,
        "authenticator_data": parse_authenticator_data(PACKED.auth_data),
        "client_data_hash": PACKED.client_data_hash,
        "anchors": ROOTED,
        "at": NOW,
    }
    with pytest.raises(Rejection):
        verify_statement(**{**arguments, **wrong})


def fmt_of(name: str) -> str:
    return name.partition(",")[0].partition(" ")[0]
