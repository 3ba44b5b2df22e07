"""The inline constraints of ASP.NET Core route templates: which texts `{x:int}` and its like let through.

Each takes the decoded text of one parameter. Number formats are those of .NET's invariant culture.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial

Check = Callable[[str], bool]

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+)\s*", re.ASCII)
_TRAILING_SIGN = re.compile(r"\s*(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+)[+-]\s*", re.ASCII)
_FLOAT = re.compile(r"\s*[+-]?(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)
_HEX8 = "[0-9a-fA-F]{8}"
_HEX4 = "[0-9a-fA-F]{4}"
_HEX12 = "[0-9a-fA-F]{12}"
_GUID_D = rf"{_HEX8}-{_HEX4}-{_HEX4}-{_HEX4}-{_HEX12}"
_GUID = re.compile(rf"\s*(?:[0-9a-fA-F]{{32}}|{_GUID_D}|\{{{_GUID_D}\}}|\({_GUID_D}\))\s*")
_ALPHA = re.compile(r"[a-zA-Z]*")
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%m-%d-%Y", "%d %B %Y", "%B %d %Y", "%B %d, %Y", "%d %b %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_LARGEST_DECIMAL = Decimal(79228162514264337593543950335)


def _integer(text: str, *, bits: int) -> bool:
    # The digits are bounded before int(): Python refuses to convert thousands of them, by raising.
    if not _INTEGER.fullmatch(text) or len(text) > 64:
        return False
    return -(1 << (bits - 1)) <= int(text) < 1 << (bits - 1)


def _decimal(text: str) -> bool:
    if len(text) > 128 or not (_NUMBER.fullmatch(text) or _TRAILING_SIGN.fullmatch(text)):
        return False
    return abs(Decimal(text.strip().strip("+-").replace(",", "") or "0")) <= _LARGEST_DECIMAL


def _float(text: str) -> bool:
    return text.strip() in {"NaN", "Infinity", "-Infinity", "∞", "-∞"} or bool(_FLOAT.fullmatch(text))


def _datetime(text: str) -> bool:
    """The usual spellings; .NET knows more, and tells nobody which."""
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return any(_parses(text.strip(), date + time) for date in _DATES for time in _TIMES)
    # fromisoformat() also takes forms that .NET does not, such as 20260101.
    return "-" in text


def _parses(text: str, pattern: str) -> bool:
    try:
        datetime.strptime(text, pattern)  # noqa: DTZ007 -- only whether it parses is asked
    except ValueError:
        return False
    return True


def _within(text: str, low: int, high: int) -> bool:
    return _integer(text, bits=64) and low <= int(text) <= high


def _sized(text: str, low: int, high: int) -> bool:
    return low <= len(text) <= high


PLAIN: dict[str, Check] = {
    "int": partial(_integer, bits=32),
    "long": partial(_integer, bits=64),
    "bool": lambda text: text.strip().lower() in {"true", "false"},
    "datetime": _datetime,
    "decimal": _decimal,
    "double": _float,
    "float": _float,
    "guid": lambda text: bool(_GUID.fullmatch(text)),
    "alpha": lambda text: bool(_ALPHA.fullmatch(text)),
    "required": lambda text: text != "",
}

_SMALLEST, _LARGEST = -(1 << 63), (1 << 63) - 1
# name: (numbers of arguments it takes, how they become a check)
WITH_NUMBERS: dict[str, tuple[frozenset[int], Callable[[list[int]], Check]]] = {
    "min": (frozenset({1}), lambda n: partial(_within, low=n[0], high=_LARGEST)),
    "max": (frozenset({1}), lambda n: partial(_within, low=_SMALLEST, high=n[0])),
    "range": (frozenset({2}), lambda n: partial(_within, low=n[0], high=n[1])),
    "length": (frozenset({1, 2}), lambda n: partial(_sized, low=n[0], high=n[-1])),
    "minlength": (frozenset({1}), lambda n: partial(_sized, low=n[0], high=_LARGEST)),
    "maxlength": (frozenset({1}), lambda n: partial(_sized, low=0, high=n[0])),
}


def constraint(name: str, argument: str | None) -> Check:
    """The check that an inline constraint stands for.

    `argument` is the text between its parentheses, None without them. Raises ValueError with a sentence for people.
    """
    key = name.lower()
    if argument is None and key in PLAIN:
        return PLAIN[key]
    if argument is not None and key == "regex":
        try:
            pattern = re.compile(argument, re.IGNORECASE)
        except re.error as error:
            raise ValueError(f"its regular expression does not compile: {error}") from error
        return lambda text: pattern.search(text) is not None
    if argument is not None and key in WITH_NUMBERS:
        counts, build = WITH_NUMBERS[key]
        try:
            numbers = [int(part) for part in argument.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in counts or numbers != sorted(numbers):
            raise ValueError(
                f"the arguments of {name}({argument}) are not the whole numbers it needs, in order"
            )
        return build(numbers)
    known = ", ".join(sorted([*PLAIN, *WITH_NUMBERS, "regex"]))
    raise ValueError(f"{name!r} is not a route constraint; known are {known}")
