"""What the adapters read alike in a provider's answers. Nothing of it is believed to be of the shape that is documented."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from passkeys.directories.asking import Answer, misconfigured

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
# Nobody's id. Asked for in place of what can be no id: so that it takes as long, and no name or address is looked up.
NIL_GUID = "00000000-0000-0000-0000-000000000000"


def text(value: object) -> str | None:
    """A text that says something, or None."""
    return value if isinstance(value, str) and value.strip() else None


def roles_of(roles: Mapping[str, frozenset[str]], groups: AbstractSet[str]) -> list[str]:
    """Our names of the roles that somebody in these groups has, in order."""
    return sorted(role for role, having in roles.items() if not having.isdisjoint(groups))


def is_unknown(name: str, answer: Answer, *, said: bool) -> bool:
    """Whether the provider knows no such user: it answers 404, and says so in its own words (`said`).

    Raises DirectoryMisconfigured for a 404 without them: of a proxy, or of another service at a wrong address. Whoever is
    unknown loses their passkeys; so nobody may become it by that.
    """
    if answer.status != 404:
        return False
    if not said:
        raise misconfigured(name, "a 404 that is not its own: see the address, and what stands in between")
    return True
