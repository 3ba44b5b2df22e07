"""Keys: which key is good for which level, where they come from, and where they never show."""

from __future__ import annotations

import itertools

import pytest

from local_host.keys import LEVELS, Keys, allows, load_keys

KEYS = Keys(master="M", function="F", system="S")
GOOD = {"anonymous": {"M", "F", "S", "x", None}, "function": {"M", "F"}, "admin": {"M"}, "system": {"M", "S"}}


@pytest.mark.parametrize(
    ("level", "given"), list(itertools.product(LEVELS, ["M", "F", "S", "x", "", "m", "\udcff", "é", None]))
)
def test_a_level_takes_exactly_its_keys(level: str, given: str | None) -> None:
    """Function and master keys for functions, master alone for admin, system and master for the extension."""
    assert allows(KEYS, level, given) is (level == "anonymous" or given in GOOD[level])


def test_keys_come_from_the_environment_or_are_random() -> None:
    """What is not given, or empty, is made anew, each key on its own."""
    numbers = map(str, itertools.count())
    keys = load_keys({"LOCAL_HOST_FUNCTION_KEY": "given", "LOCAL_HOST_SYSTEM_KEY": ""}, lambda: next(numbers))
    assert (keys.master, keys.function, keys.system) == ("0", "given", "1")


def test_keys_do_not_show_in_a_repr() -> None:
    """A key that ends up in a log by way of its owner's repr is hidden."""
    assert repr(KEYS) == "Keys()"
