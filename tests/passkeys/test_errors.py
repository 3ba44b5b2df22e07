"""What hostile bytes make a parser raise becomes one error of ours; what stops a program still does."""

from __future__ import annotations

import pytest

from passkeys.errors import (
    PasskeysError,
    Rejection,
    RejectionCode,
    SettingsError,
    SignatureInvalid,
    raised_as,
    rejected_as,
)


class PanicException(BaseException):
    """Named like what parsers written in Rust raise."""


@pytest.mark.parametrize("raised", [KeyError, TypeError, RecursionError, MemoryError, PanicException])
def test_whatever_a_parser_raises_is_a_rejection(raised: type[BaseException]) -> None:
    """Exceptions of any kind, and a panic, become the code; the cause is kept."""
    with pytest.raises(Rejection) as rejection, rejected_as(RejectionCode.ATTESTATION_INVALID):
        raise raised
    assert rejection.value.code is RejectionCode.ATTESTATION_INVALID
    assert isinstance(rejection.value.__cause__, raised)


def test_what_is_said_already_stays() -> None:
    """A rejection inside keeps its own code; another error of ours is one more thing that went wrong."""
    said = Rejection(RejectionCode.SIGNATURE_INVALID)
    with pytest.raises(Rejection) as raised, rejected_as(RejectionCode.ATTESTATION_INVALID):
        raise said
    assert raised.value is said
    with pytest.raises(Rejection) as raised, rejected_as(RejectionCode.ATTESTATION_INVALID):
        raise SignatureInvalid
    assert raised.value.code is RejectionCode.ATTESTATION_INVALID
    kept = SettingsError(("a mistake",))
    with pytest.raises(SettingsError), raised_as(lambda _: said, but=SettingsError):
        raise kept


@pytest.mark.parametrize("stopping", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_stops_a_program_still_does(stopping: type[BaseException]) -> None:
    """Neither an interrupt nor an exit is taken for bad bytes."""
    with pytest.raises(stopping), raised_as(lambda _: PasskeysError(), but=SettingsError):
        raise stopping
