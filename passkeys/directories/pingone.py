"""PingOne: a user by id, through a worker application with a key of ours (PRIVATE_KEY_JWT).

To read which groups somebody is in takes the role Identity Data Admin, which may write: without roles in the configuration the
groups are not asked for, and a read-only role will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from passkeys.directories.asking import Asking, in_time, misconfigured
from passkeys.directories.client_credentials import ClientCredentials, authorized
from passkeys.directories.reading import GUID, NIL_GUID, is_unknown, roles_of, text
from passkeys.directory import IdentityKey, Person, PersonStatus
from passkeys.errors import DirectoryExhausted


@dataclass(frozen=True, slots=True)
class PingOneDirectory:
    """The people of one environment. `api` ends in its id; `issuer` is of its tokens, whose `sub` is a user's id."""

    asking: Asking
    credentials: ClientCredentials
    api: str
    issuer: str
    roles: Mapping[str, frozenset[str]]

    @in_time
    async def find(self, person: str) -> Person | None:
        """The user by their id."""
        user_id = person if GUID.match(person) else NIL_GUID
        query = "?include=memberOfGroupIDs" if self.roles else ""
        answer = await authorized(self.asking, self.credentials, f"{self.api}/users/{user_id}{query}")
        body = answer.body if isinstance(answer.body, dict) else {}
        if is_unknown("pingone", answer, said=body.get("code") == "NOT_FOUND") or user_id == NIL_GUID:
            return None
        groups = body.get("memberOfGroupIDs", [])
        if (
            body.get("id") != user_id
            or not isinstance(body.get("enabled"), bool)
            or not isinstance(groups, list)
        ):
            raise DirectoryExhausted("pingone: the answer is about nobody who was asked for.")
        return Person(
            id=user_id,
            display_name=_display_name(body) or user_id,
            status=_status(body),
            claims={"roles": roles_of(self.roles, {group for group in groups if isinstance(group, str)})},
            username=text(body.get("username")),
        )

    async def person_of(self, identity: IdentityKey) -> str | None:
        """The user's id, which is `sub` in tokens of this environment's."""
        if identity.tenant is not None or identity.issuer != self.issuer:
            return None
        return identity.subject if GUID.match(identity.subject) else None


def _status(body: Mapping[str, Any]) -> PersonStatus:
    """Active, if the user is enabled and the account neither locked nor barred. Raises DirectoryMisconfigured if it is not said.

    Who is disabled loses their passkeys: by PingOne's word alone.
    """
    account = body["account"] if isinstance(body.get("account"), dict) else {}
    status, may = text(account.get("status")), account.get("canAuthenticate")
    if not body["enabled"]:
        return PersonStatus.DISABLED
    if status is None or not isinstance(may, bool):
        raise misconfigured("pingone", "a user whose account does not say whether they may sign in")
    if status == "LOCKED":
        return PersonStatus.LOCKED
    return PersonStatus.ACTIVE if may and status == "OK" else PersonStatus.DISABLED


def _display_name(body: Mapping[str, Any]) -> str | None:
    name = body["name"] if isinstance(body.get("name"), dict) else {}
    parts = [part for part in map(text, (name.get("given"), name.get("family"))) if part]
    return text(name.get("formatted")) or " ".join(parts) or text(body.get("username"))
