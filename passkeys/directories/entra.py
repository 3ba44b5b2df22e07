"""Entra ID through Microsoft Graph, by the app's managed identity: one batch a question.

The batch (https://learn.microsoft.com/graph/json-batching) holds the user's status and, twenty at a time, whether they are in
the groups that roles are mapped to (`checkMemberGroups`: transitive, exact, and nothing but what was asked for; how many
groups somebody is in does not matter). Permissions, of the application: User.Read.All; with roles GroupMember.Read.All.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from passkeys.directories.asking import (
    AGAIN,
    Answer,
    Asking,
    Question,
    Unanswered,
    in_time,
    misconfigured,
    pause_of,
)
from passkeys.directories.by_identity import asked_by_identity
from passkeys.directories.reading import GUID, NIL_GUID, is_unknown, roles_of, text
from passkeys.directory import IdentityKey, Person, PersonStatus
from passkeys.errors import DirectoryExhausted
from passkeys.managed_identity import Token

GROUPS_A_CALL = 20
MAX_GROUPS = 19 * GROUPS_A_CALL  # a batch has twenty requests, of which the user is one
_SELECTED = "id,accountEnabled,userType,displayName,userPrincipalName,signInSessionsValidFromDateTime"


@dataclass(frozen=True, slots=True)
class EntraDirectory:
    """The people of one tenant. `issuer` is of its access tokens; `roles` are ours with the groups that have them."""

    asking: Asking
    token: Token
    graph: str
    tenant: str
    issuer: str
    roles: Mapping[str, frozenset[str]]

    @in_time
    async def find(self, person: str) -> Person | None:
        """The user by their object id."""
        oid = person if GUID.match(person) else NIL_GUID
        requests = self._requests(oid)
        answer = await asked_by_identity(
            self.asking, self.token, f"{self.graph}/.default", lambda token: self._batch(requests, token)
        )
        if answer.status != 200:
            raise misconfigured("entra", f"status {answer.status}: see the app roles of the managed identity")
        found: dict[str, Answer] = answer.body
        user = found["user"]
        if _is_unknown(user) or oid == NIL_GUID:
            return None
        refused = sorted({one.status for one in found.values() if one.status != 200})
        if refused:
            raise misconfigured("entra", f"status {refused[0]} in the batch: see the permissions in Graph")
        if found.keys() != {request["id"] for request in requests}:
            raise DirectoryExhausted("entra: the batch does not answer what was asked.")
        groups = {group for name, one in found.items() if name != "user" for group in _groups_in(one)}
        return _person(user.body, oid, roles_of(self.roles, groups))

    async def person_of(self, identity: IdentityKey) -> str | None:
        """The object id of an identity of this tenant's: the same in every application of it."""
        if (identity.issuer, identity.tenant) != (self.issuer, self.tenant):
            return None
        return identity.subject if GUID.match(identity.subject) else None

    def _requests(self, oid: str) -> list[dict[str, Any]]:
        groups = sorted({group for having in self.roles.values() for group in having})
        return [
            {"id": "user", "method": "GET", "url": f"/users/{oid}?$select={_SELECTED}"},
            *(
                {
                    "id": f"groups-{first}",
                    "method": "POST",
                    "url": f"/users/{oid}/checkMemberGroups",
                    "headers": {"Content-Type": "application/json"},
                    "body": {"groupIds": groups[first : first + GROUPS_A_CALL]},
                }
                for first in range(0, len(groups), GROUPS_A_CALL)
            ),
        ]

    def _batch(self, requests: list[dict[str, Any]], token: str) -> Question:
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
        return max(later, key=lambda one: pause_of(one) or 0.0)
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
        display_name=text(user.get("displayName")) or oid,
        status=PersonStatus.ACTIVE if user["accountEnabled"] else PersonStatus.DISABLED,
        claims={"roles": roles},
        sessions_valid_from=valid_from,
        username=text(user.get("userPrincipalName")),
    )


def _groups_in(answer: Answer) -> set[str]:
    """Those of the asked ones that somebody is in. Raises DirectoryExhausted for what is no such list."""
    value = answer.body.get("value")
    if not isinstance(value, list):
        raise DirectoryExhausted("entra: groups that are no list.")
    return {one for one in value if isinstance(one, str)}


def _is_unknown(answer: Answer) -> bool:
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    said = isinstance(error, dict) and error.get("code") == "Request_ResourceNotFound"
    return is_unknown("entra", answer, said=said)
