"""The host's keys: who may call what. They live in memory for one run, or in the environment, never in a file."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

HEADER = "x-functions-key"
QUERY = "code"
# What each authorization level accepts: attribute names of Keys. A system key is not good for functions.
LEVELS: dict[str, tuple[str, ...]] = {
    "anonymous": (),
    "function": ("function", "master"),
    "admin": ("master",),
    "system": ("system", "master"),
}


@dataclass(frozen=True, slots=True)
class Keys:
    """Master key, the one function key of all functions, and the system key named durabletask_extension."""

    master: str = field(repr=False)
    function: str = field(repr=False)
    system: str = field(repr=False)


def load_keys(environ: Mapping[str, str], random_text: Callable[[], str]) -> Keys:
    """LOCAL_HOST_{MASTER,FUNCTION,SYSTEM}_KEY, or new random ones for those not given (or empty)."""
    return Keys(
        master=environ.get("LOCAL_HOST_MASTER_KEY") or random_text(),
        function=environ.get("LOCAL_HOST_FUNCTION_KEY") or random_text(),
        system=environ.get("LOCAL_HOST_SYSTEM_KEY") or random_text(),
    )


def allows(keys: Keys, level: str, given: str | None) -> bool:
    """Whether a presented key is good for a level of LEVELS; every candidate is compared in constant time."""
    accepted = LEVELS[level]
    if not accepted:
        return True
    presented = (given or "").encode("utf-8", "surrogateescape")
    good = False
    for name in accepted:
        good |= hmac.compare_digest(getattr(keys, name).encode("utf-8"), presented)
    return good
