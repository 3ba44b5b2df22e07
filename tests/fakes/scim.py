"""A SCIM 2.0 service (RFC 7643, RFC 7644): a user by id, and by externalId."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from passkeys.directories.asking import Answer, Question
from tests.fakes.oauth_service import OAuthService

BASE = "https://directory.example.com/scim/v2"
_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def user(user_id: str, name: str, **members: Any) -> dict[str, Any]:
    """A user, with some of the members that there are."""
    return {
        "schemas": [_SCHEMA],
        "id": user_id,
        "externalId": f"ext-{user_id}",
        "userName": f"{name.split(maxsplit=1)[0].lower()}@example.com",
        "displayName": name,
        "active": True,
        **members,
    }


@dataclass
class Scim(OAuthService):
    """`filters`: whether the service knows filters at all, or lists everybody."""

    endpoint: str = "https://directory.example.com/token"
    base: str = BASE
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    filters: bool = True

    def resource(self, question: Question) -> Answer:
        assert question.method == "GET"
        path, _, query = question.url.removeprefix(self.base).partition("?")
        asked = parse_qs(query)
        if path == "/Users":
            wanted = json.loads(asked["filter"][0].removeprefix("externalId eq "))
            found = [one for one in self.users.values() if not self.filters or one["externalId"] == wanted]
            listed = [{"id": one["id"], "externalId": one["externalId"]} for one in found]
            return Answer(200, {}, {"totalResults": len(listed), "Resources": listed})
        user = self.users.get(path.removeprefix("/Users/"))
        if user is None:
            return Answer(404, {}, {"schemas": [_ERROR], "status": "404"})
        groups = [{"value": group, "display": group} for group in self.groups.get(user["id"], [])]
        return Answer(200, {}, {**user, "groups": groups})
