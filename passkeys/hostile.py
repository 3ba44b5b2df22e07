"""What a parser of hostile bytes raises, turned into one error of ours.

Such parsers raise what they like: KeyError, TypeError, RecursionError, and those written in Rust a PanicException,
which is no Exception and has no importable name. What stops a program (KeyboardInterrupt, say) still does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from passkeys.errors import PasskeysError, Rejection, RejectionCode


@contextmanager
def or_raise(refusal: Callable[[BaseException], PasskeysError]) -> Iterator[None]:
    """Turn whatever goes wrong inside into `refusal`; what is an error of ours already stays."""
    try:
        yield
    except PasskeysError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise refusal(error) from error


def or_reject(code: RejectionCode) -> AbstractContextManager[None]:
    """Turn whatever goes wrong inside into a rejection with `code`; one that is a rejection already stays."""
    return or_raise(lambda error: Rejection(code, type(error).__name__))
