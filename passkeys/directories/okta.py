"""Okta: a user and their groups, by an API service app with a key of ours (OAuth for Okta), DPoP when the app demands it.

Scopes okta.users.read and, with roles, okta.groups.read; what of it the app may see is for its admin role to say, a read-only one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from passkeys.directories.asking import Answer, Asking, in_time, misconfigured, seconds_in
from passkeys.directories.client_credentials import ClientCredentials, authorized
from passkeys.directories.reading import is_unknown, roles_of, text
from passkeys.directory import IdentityKey, Person, PersonStatus
from passkeys.errors import DirectoryExhausted

PAGE = 200
MAX_PAGES = 5
STATUSES = frozenset(
    {
        "ACTIVE",
        "DEPROVISIONED",
        "LOCKED_OUT",
        "PASSWORD_EXPIRED",
        "PROVISIONED",
        "RECOVERY",
        "STAGED",
        "SUSPENDED",
    }
)
_USER_ID = re.compile(r"00u[A-Za-z0-9]{17}\Z")
# Okta takes a login in the place of an id: what is none is never looked up.
_NOBODY = "00u" + "0" * 17
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="next"')


@dataclass(frozen=True, slots=True)
class OktaDirectory:
    """The people of one org. `issuers`: its custom authorization servers whose `uid` is a user's id; `active`: which of
    STATUSES may sign in.
    """

    asking: Asking
    credentials: ClientCredentials
    org: str
    issuers: frozenset[str]
    roles: Mapping[str, frozenset[str]]
    active: frozenset[str]

    @in_time
    async def find(self, person: str) -> Person | None:
        """The user by their id."""
        user_id = person if _USER_ID.match(person) else _NOBODY
        url = f"{self.org}/api/v1/users/{user_id}"
        of_groups = f"{url}/groups?limit={PAGE}"
        if self.asking.in_doubt:
            user = await authorized(self.asking, self.credentials, url)
            groups = await self._groups(of_groups)
        else:
            user, groups = await asyncio.gather(
                authorized(self.asking, self.credentials, url), self._groups(of_groups)
            )
        if _is_unknown(user) or user_id == _NOBODY:
            return None
        body = user.body if isinstance(user.body, dict) else {}
        status = text(body.get("status"))
        if body.get("id") != user_id or status not in STATUSES:
            raise DirectoryExhausted("okta: the answer is about nobody who was asked for.")
        profile = body["profile"] if isinstance(body.get("profile"), dict) else {}
        return Person(
            id=user_id,
            display_name=_display_name(profile) or user_id,
            status=_status(status, self.active),
            claims={"roles": roles_of(self.roles, groups)},
            username=text(profile.get("login")),
        )

    async def person_of(self, identity: IdentityKey) -> str | None:
        """The user's id, which is `uid` in tokens of this org's own authorization servers."""
        if identity.tenant is not None or identity.issuer not in self.issuers:
            return None
        return identity.subject if _USER_ID.match(identity.subject) else None

    async def _groups(self, url: str) -> frozenset[str]:
        """The ids of the groups that the user is in, of as many as Okta lists on MAX_PAGES pages."""
        found: set[str] = set()
        if not self.roles:
            return frozenset()
        for _ in range(MAX_PAGES):
            answer = await authorized(self.asking, self.credentials, url)
            if _is_unknown(answer):
                return frozenset()
            if not isinstance(answer.body, list):
                raise DirectoryExhausted("okta: groups that are no list.")
            found |= {str(group.get("id")) for group in answer.body if isinstance(group, dict)}
            following = _NEXT.search(answer.headers.get("link", ""))
            if following is None:
                return frozenset(found)
            url = following[1]
            if not _is_at(self.org, url):
                raise misconfigured("okta", "the next page of groups is at another host")
        raise misconfigured("okta", f"more than {MAX_PAGES * PAGE} groups: map roles to fewer")


def _status(status: str, active: AbstractSet[str]) -> PersonStatus:
    if status in active:
        return PersonStatus.ACTIVE
    return PersonStatus.LOCKED if status == "LOCKED_OUT" else PersonStatus.DISABLED


def _is_at(org: str, url: str) -> bool:
    try:
        return urlsplit(url)[:2] == urlsplit(org)[:2]
    except ValueError:  # such as half an IPv6 address
        return False


def by_reset(clock: Callable[[], datetime]) -> Callable[[Answer], Answer]:
    """Okta says when a limit is over in X-Rate-Limit-Reset, in seconds since 1970, and not for how long."""

    def told(answer: Answer) -> Answer:
        reset = seconds_in(answer.headers.get("x-rate-limit-reset", ""))
        if answer.status != 429 or "retry-after" in answer.headers or reset is None:
            return answer
        wait = max(0, reset - int(clock().timestamp()))
        return replace(answer, headers={**answer.headers, "retry-after": str(wait)})

    return told


def _display_name(profile: Mapping[str, Any]) -> str | None:
    whole = text(profile.get("displayName"))
    parts = [part for part in map(text, (profile.get("firstName"), profile.get("lastName"))) if part]
    return whole or " ".join(parts) or text(profile.get("login"))


def _is_unknown(answer: Answer) -> bool:
    """E0000007 is Okta's code for what is not there."""
    said = isinstance(answer.body, dict) and answer.body.get("errorCode") == "E0000007"
    return is_unknown("okta", answer, said=said)
