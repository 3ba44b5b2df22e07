"""PingOne as far as it is documented: a user with account, status and the ids of groups, for a worker application.

https://developer.pingidentity.com/pingone-api/platform/users/users-1/read-one-user.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from passkeys.directories.asking import Answer, Question
from tests.fakes.oauth_service import OAuthService

ENVIRONMENT = "5f8a2c1e-1111-4222-8333-444455556666"
API = "https://api.pingone.eu"


def user(user_id: str, name: str, **members: Any) -> dict[str, Any]:
    """A user, with some of the members that there are."""
    given, family = name.split()
    return {
        "id": user_id,
        "environment": {"id": ENVIRONMENT},
        "enabled": True,
        "account": {"canAuthenticate": True, "status": "OK"},
        "lifecycle": {"status": "ACCOUNT_OK"},
        "name": {"given": given, "family": family},
        "username": f"{given.lower()}@example.com",
        **members,
    }


@dataclass
class PingOne(OAuthService):
    """`may_read_groups`: whether the worker's role lets it (Identity Data Admin)."""

    endpoint: str = f"https://auth.pingone.eu/{ENVIRONMENT}/as/token"
    api: str = API
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    may_read_groups: bool = True

    def resource(self, question: Question) -> Answer:
        assert question.method == "GET"
        path, _, query = question.url.removeprefix(f"{self.api}/v1/environments/{ENVIRONMENT}").partition("?")
        found = self.users.get(path.removeprefix("/users/"))
        if query == "include=memberOfGroupIDs" and not self.may_read_groups:
            return Answer(403, {}, {"code": "ACCESS_FAILED"})
        if found is None:
            return Answer(404, {}, {"code": "NOT_FOUND"})
        groups = {"memberOfGroupIDs": self.groups.get(found["id"], [])} if query else {}
        return Answer(200, {}, {**found, **groups})
