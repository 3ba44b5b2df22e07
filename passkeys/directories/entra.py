"""Entra ID through Microsoft Graph, by the app's managed identity: one batch a question.

The batch (https://learn.microsoft.com/graph/json-batching) holds the user's status and, twenty at a time, whether they are in
the groups that roles are mapped to (`checkMemberGroups`: transitive, exact, and nothing but what was asked for; how many
groups somebody is in does not matter). Permissions, of the application: User.Read.All; with roles GroupMember.Read.All.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from passkeys.directories.asking import AGAIN, Answer, Asking, Question, Unanswered, misconfigured
from passkeys.directory import IdentityKey, Person, PersonStatus
from passkeys.errors import DirectoryExhausted
from passkeys.managed_identity import IdentityUnavailable, Token

GROUPS_A_CALL = 20
MAX_GROUPS = 19 * GROUPS_A_CALL  # a batch has twenty requests, of which the user is one
_SELECTED = "id,accountEnabled,userType,displayName,userPrincipalName,signInSessionsValidFromDateTime"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
# Asked for in place of what no id of Entra's can be: so that it takes as long, and no name or address is looked up.
_NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class EntraDirectory:
    """The people of one tenant. `issuer` is of its access tokens; `roles` are ours with the groups that have them."""

    asking: Asking
    token: Token
    graph: str
    tenant: str
    issuer: str
    roles: Mapping[str, frozenset[str]]

    async def find(self, person: str) -> Person | None:
        """The user by their object id."""
        oid = person if _GUID.match(person) else _NOBODY
        answer = await self.asking.ask(lambda: self._batch(oid))
        if answer.status != 200:
            raise misconfigured("entra", f"status {answer.status}: see the app roles of the managed identity")
        found: dict[str, Answer] = answer.body
        user = found["user"]
        if user.status == 404 or oid == _NOBODY:
            return None
        refused = sorted({one.status for one in found.values() if one.status != 200})
        if refused:
            raise misconfigured("entra", f"status {refused[0]} in the batch: see the permissions in Graph")
        groups = {
            group for name, one in found.items() if name != "user" for group in _texts(one.body.get("value"))
        }
        return _person(user.body, oid, self._roles_of(groups))

    async def person_of(self, identity: IdentityKey) -> str | None:
        """The object id of an identity of this tenant's: the same in every application of it."""
        if (identity.issuer, identity.tenant) != (self.issuer, self.tenant):
            return None
        return identity.subject if _GUID.match(identity.subject) else None

    def _roles_of(self, groups: set[str]) -> list[str]:
        return sorted(role for role, having in self.roles.items() if not having.isdisjoint(groups))

    async def _batch(self, oid: str) -> Question:
        groups = sorted({group for having in self.roles.values() for group in having})
        requests: list[dict[str, Any]] = [
            {"id": "user", "method": "GET", "url": f"/users/{oid}?$select={_SELECTED}"}
        ]
        requests += [
            {
                "id": f"groups-{first}",
                "method": "POST",
                "url": f"/users/{oid}/checkMemberGroups",
                "headers": {"Content-Type": "application/json"},
                "body": {"groupIds": groups[first : first + GROUPS_A_CALL]},
            }
            for first in range(0, len(groups), GROUPS_A_CALL)
        ]
        try:
            token = await self.token(f"{self.graph}/.default")
        except IdentityUnavailable as unavailable:
            raise DirectoryExhausted(f"entra: {unavailable}") from None
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "x-ms-throttle-priority": "high",  # somebody waits for it
        }
        body = json.dumps({"requests": requests}).encode()
        return Question("POST", f"{self.graph}/v1.0/$batch", headers, body)


def unwrapped(answer: Answer) -> Answer:
    """The answers in the batch by their ids; or one that says to ask again, if one of them does. Raises Unanswered."""
    if answer.status != 200:
        return answer
    listed = answer.body.get("responses") if isinstance(answer.body, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Unanswered("what is no batch")
    found = {str(one.get("id")): _inner(one) for one in listed}
    later = [one for one in found.values() if one.status in AGAIN]
    if later:
        # The longest pause that any of them asks for.
        return max(later, key=lambda one: _seconds(one.headers.get("retry-after")))
    if "user" not in found or not all(
        one.status != 200 or isinstance(one.body, dict) for one in found.values()
    ):
        raise Unanswered("a batch without its answers")
    return Answer(200, answer.headers, found)


def _inner(response: Mapping[str, Any]) -> Answer:
    status, headers = response.get("status"), response.get("headers")
    if not isinstance(status, int):
        raise Unanswered("an answer without a status in the batch")
    lower = {str(k).lower(): str(v) for k, v in headers.items()} if isinstance(headers, dict) else {}
    return Answer(status, lower, response.get("body"))


def _seconds(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else 0


def _person(user: Mapping[str, Any], oid: str, roles: list[str]) -> Person:
    if user.get("id") != oid or not isinstance(user.get("accountEnabled"), bool):
        raise DirectoryExhausted("entra: the answer is about nobody who was asked for.")
    since = user.get("signInSessionsValidFromDateTime")
    try:
        valid_from = None if since is None else datetime.fromisoformat(since)
    except (ValueError, TypeError):
        raise DirectoryExhausted("entra: signInSessionsValidFromDateTime is no time.") from None
    if valid_from is not None and valid_from.tzinfo is None:
        raise DirectoryExhausted("entra: signInSessionsValidFromDateTime has no zone.")
    return Person(
        id=oid,
        display_name=_text(user.get("displayName")) or oid,
        status=PersonStatus.ACTIVE if user["accountEnabled"] else PersonStatus.DISABLED,
        claims={"roles": roles},
        sessions_valid_from=valid_from,
        username=_text(user.get("userPrincipalName")),
    )


def _texts(value: object) -> set[str]:
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
