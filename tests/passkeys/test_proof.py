"""The proof key: RFC 7636's example, and everything that is none."""

from __future__ import annotations

from typing import Any

import pytest

from passkeys.proof import challenge_of, is_code_challenge, proves

# RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_example_of_the_rfc() -> None:
    """The verifier of appendix B has the challenge of appendix B, and proves it."""
    assert challenge_of(VERIFIER) == CHALLENGE
    assert proves(VERIFIER, CHALLENGE)
    assert is_code_challenge(CHALLENGE)


@pytest.mark.parametrize(
    "wrong",
    ["", CHALLENGE, VERIFIER[:-1] + "l", VERIFIER + "\n", VERIFIER[:42], "é" * 43, "x" * 129, VERIFIER + " "],
)
def test_another_verifier_proves_nothing(wrong: str) -> None:
    """Not the challenge itself, not one that differs in one character, not one of another form."""
    assert not proves(wrong, CHALLENGE)


@pytest.mark.parametrize("challenge", [None, "", VERIFIER, CHALLENGE.lower()])
def test_nothing_proves_a_start_without_its_challenge(challenge: str | None) -> None:
    """A ceremony that was started without a challenge belongs to nobody afterwards; the plain method is no method."""
    assert not proves(VERIFIER, challenge)


@pytest.mark.parametrize("length", [43, 128])
def test_the_shortest_and_the_longest_verifier(length: int) -> None:
    """Both ends of RFC 7636 §4.1, with every character that is allowed."""
    verifier = ("AZaz09._~-" * 13)[:length]
    assert proves(verifier, challenge_of(verifier))


@pytest.mark.parametrize(
    "value",
    [None, 7, [], {}, "", CHALLENGE + "=", CHALLENGE[:-1], CHALLENGE[:-1] + "N", CHALLENGE + "AA", "+" * 43, "é" * 43],
)  # fmt: skip
def test_what_is_no_challenge(value: Any) -> None:
    """Only 32 bytes in strict base64url: no padding, no other length, no stray bits, no other type."""
    assert not is_code_challenge(value)
