"""What a parser of hostile bytes raises, turned into one error of ours.

Such parsers raise what they like: KeyError, TypeError, RecursionError, and those written in Rust a PanicException,
which is no Exception and has no importable name. What stops a program (KeyboardInterrupt, say) still does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from passkeys.errors import PasskeysError, Rejection, RejectionCode


class _Refusing(AbstractContextManager[None]):
    """Written out, because `contextlib.contextmanager` costs four times as much, and every answer passes several."""

    __slots__ = ("refusal",)

    def __init__(self, refusal: Callable[[BaseException], PasskeysError]) -> None:
        self.refusal = refusal

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, PasskeysError):
            return
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise self.refusal(error) from error


def or_raise(refusal: Callable[[BaseException], PasskeysError]) -> AbstractContextManager[None]:
    """Turn whatever goes wrong inside into `refusal`; what is an error of ours already stays."""
    return _Refusing(refusal)


def or_reject(code: RejectionCode) -> AbstractContextManager[None]:
    """Turn whatever goes wrong inside into a rejection with `code`; one that is a rejection already stays."""
    return _Refusing(lambda error: Rejection(code, type(error).__name__))
