"""Microsoft Graph as far as it is documented for what is asked: $batch, users, checkMemberGroups (transitive).

https://learn.microsoft.com/graph/json-batching, .../graph/api/user-get, .../graph/api/directoryobject-checkmembergroups
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from passkeys.directories.asking import Answer, Question
from tests.fakes.trouble import Provider

TOKEN = "graph-token-of-the-test"


def user(oid: str, name: str, **members: Any) -> dict[str, Any]:
    """A user as `$select` shows one."""
    return {
        "id": oid,
        "accountEnabled": True,
        "userType": "Member",
        "displayName": name,
        "userPrincipalName": f"{name.split(maxsplit=1)[0].lower()}@example.com",
        "signInSessionsValidFromDateTime": "2025-06-01T08:00:00Z",
        **members,
    }


@dataclass
class Graph(Provider):
    """`groups`: whom each group has, by its id; members may be groups. `inner`: statuses and headers that befall requests in
    the next batch, by their ids. `good`: the token that counts now; `renewed`: which ones were to be replaced, for which claims.
    """

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    renewed: list[tuple[str, str | None]] = field(default_factory=list)
    groups: dict[str, set[str]] = field(default_factory=dict)
    inner: dict[str, tuple[int, Mapping[str, str]]] = field(default_factory=dict)
    tokens: int = 0
    good: str = TOKEN
    challenge: str = ""

    async def token(self, scope: str, *, refused: str | None = None, claims: str | None = None) -> str:
        assert scope.endswith("/.default")
        self.tokens += 1
        if refused is not None:
            self.renewed.append((refused, claims))
        return self.good if refused is not None else TOKEN

    async def answer(self, question: Question) -> Answer:
        if question.headers["Authorization"] != f"Bearer {self.good}":
            headers = {"www-authenticate": self.challenge}
            return Answer(401, headers, {"error": {"code": "InvalidAuthenticationToken"}})
        assert question.method == "POST"
        assert question.url.endswith("/v1.0/$batch")
        requests = json.loads(question.body or b"")["requests"]
        assert 1 <= len(requests) <= 20
        befalling, self.inner = self.inner, {}
        # In any order: who asks goes by the ids.
        return Answer(200, {}, {"responses": [self._one(one, befalling) for one in reversed(requests)]})

    def _one(
        self, request: Mapping[str, Any], befalling: Mapping[str, tuple[int, Mapping[str, str]]]
    ) -> dict[str, Any]:
        if request["id"] in befalling:
            status, headers = befalling[request["id"]]
            body = {"error": {"code": "x"}}
            return {"id": request["id"], "status": status, "headers": dict(headers), "body": body}
        oid = request["url"].split("/")[2].split("?")[0]
        if oid not in self.users:
            body = {"error": {"code": "Request_ResourceNotFound"}}
            return {"id": request["id"], "status": 404, "headers": {}, "body": body}
        if request["method"] == "GET":
            selected = request["url"].partition("$select=")[2].split(",")
            body = {name: value for name, value in self.users[oid].items() if name in selected}
        else:
            assert len(request["body"]["groupIds"]) <= 20
            body = {"value": [group for group in request["body"]["groupIds"] if self._is_in(oid, group)]}
        return {
            "id": request["id"],
            "status": 200,
            "headers": {"Content-Type": "application/json"},
            "body": body,
        }

    def _is_in(self, member: str, group: str) -> bool:
        having = self.groups.get(group, set())
        return member in having or any(self._is_in(member, nested) for nested in having & self.groups.keys())
