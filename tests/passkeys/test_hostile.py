"""What hostile bytes make a parser raise becomes one error of ours; what stops a program still does."""

from __future__ import annotations

import pytest

from passkeys.errors import MalformedResponse, PasskeysError, Rejection, RejectionCode
from passkeys.hostile import or_raise, or_reject


class PanicException(BaseException):
    """Named like what parsers written in Rust raise."""


@pytest.mark.parametrize("raised", [KeyError, TypeError, RecursionError, MemoryError, PanicException])
def test_whatever_a_parser_raises_is_a_rejection(raised: type[BaseException]) -> None:
    """Exceptions of any kind, and a panic, become the code; the cause is kept."""
    with pytest.raises(Rejection) as rejection, or_reject(RejectionCode.ATTESTATION_INVALID):
        raise raised
    assert rejection.value.code is RejectionCode.ATTESTATION_INVALID
    assert isinstance(rejection.value.__cause__, raised)


def test_an_error_of_ours_stays() -> None:
    """A rejection inside keeps its own code, and any other error of ours its type."""
    for error in (Rejection(RejectionCode.SIGNATURE_INVALID), MalformedResponse("id", "is missing")):
        with pytest.raises(PasskeysError) as raised, or_reject(RejectionCode.ATTESTATION_INVALID):
            raise error
        assert raised.value is error


@pytest.mark.parametrize("stopping", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_stops_a_program_still_does(stopping: type[BaseException]) -> None:
    """Neither an interrupt nor an exit is taken for bad bytes."""
    with pytest.raises(stopping), or_raise(lambda _: PasskeysError()):
        raise stopping
