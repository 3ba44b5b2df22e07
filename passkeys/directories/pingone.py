"""PingOne: a user by id, through a worker application with a key of ours (PRIVATE_KEY_JWT).

To read which groups somebody is in takes the role Identity Data Admin, which may write: without roles in the configuration the
groups are not asked for, and a read-only role will do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from passkeys.directories.asking import Asking
from passkeys.directories.client_credentials import ClientCredentials, authorized
from passkeys.directory import IdentityKey, Person, PersonStatus
from passkeys.errors import DirectoryExhausted

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class PingOneDirectory:
    """The people of one environment. `api` ends in its id; `issuer` is of its tokens, whose `sub` is a user's id."""

    asking: Asking
    credentials: ClientCredentials
    api: str
    issuer: str
    roles: Mapping[str, frozenset[str]]

    async def find(self, person: str) -> Person | None:
        """The user by their id."""
        user_id = person if _GUID.match(person) else _NOBODY
        query = "?include=memberOfGroupIDs" if self.roles else ""
        answer = await authorized(self.asking, self.credentials, f"{self.api}/users/{user_id}{query}")
        if answer.status == 404 or user_id == _NOBODY:
            return None
        body = answer.body if isinstance(answer.body, dict) else {}
        groups = body.get("memberOfGroupIDs", [])
        if (
            body.get("id") != user_id
            or not isinstance(body.get("enabled"), bool)
            or not isinstance(groups, list)
        ):
            raise DirectoryExhausted("pingone: the answer is about nobody who was asked for.")
        having = {group for group in groups if isinstance(group, str)}
        return Person(
            id=user_id,
            display_name=_display_name(body) or user_id,
            status=PersonStatus.ACTIVE if _may_sign_in(body) else PersonStatus.DISABLED,
            claims={"roles": sorted(role for role, of in self.roles.items() if of & having)},
            username=_text(body.get("username")),
        )

    async def person_of(self, identity: IdentityKey) -> str | None:
        """The user's id, which is `sub` in tokens of this environment's."""
        if identity.tenant is not None or identity.issuer != self.issuer:
            return None
        return identity.subject if _GUID.match(identity.subject) else None


def _may_sign_in(body: Mapping[str, Any]) -> bool:
    """Enabled, and the account neither locked nor barred. What is not said is not so."""
    account = body["account"] if isinstance(body.get("account"), dict) else {}
    return body["enabled"] and account.get("canAuthenticate") is True and account.get("status") == "OK"


def _display_name(body: Mapping[str, Any]) -> str | None:
    name = body["name"] if isinstance(body.get("name"), dict) else {}
    parts = [part for part in map(_text, (name.get("given"), name.get("family"))) if part]
    return _text(name.get("formatted")) or " ".join(parts) or _text(body.get("username"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
