"""Okta as far as it is documented: users and their groups, with pages and rate limits, for a service app.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/, …/docs/reference/rl2-client-based/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from passkeys.directories.asking import Answer, Question
from tests.fakes.oauth_service import OAuthService

ORG = "https://acme.okta.com"


def user(user_id: str, name: str, **members: Any) -> dict[str, Any]:
    """A user, with some of the members that there are."""
    first, last = name.split()
    profile = {
        "firstName": first,
        "lastName": last,
        "login": f"{first.lower()}@example.com",
        "email": "x@example.com",
    }
    return {
        "id": user_id,
        "status": "ACTIVE",
        "created": "2025-01-01T00:00:00.000Z",
        "profile": profile,
        **members,
    }


@dataclass
class Okta(OAuthService):
    endpoint: str = f"{ORG}/oauth2/v1/token"
    org: str = ORG
    page: int = 200
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)  # of each user

    def resource(self, question: Question) -> Answer:
        assert question.method == "GET"
        path, _, query = question.url.removeprefix(self.org).partition("?")
        parts = path.strip("/").split("/")
        assert parts[:3] == ["api", "v1", "users"]
        # An id or a login, as Okta has it: no one should be found by a login.
        found = next(
            (user for user in self.users.values() if parts[3] in (user["id"], user["profile"]["login"])), None
        )
        if found is None:
            return Answer(404, {}, {"errorCode": "E0000007"})
        limits = {"x-rate-limit-limit": "600", "x-rate-limit-remaining": "599"}
        if len(parts) == 4:
            return Answer(200, limits, found)
        assert parts[4] == "groups"
        after = int(query.partition("after=")[2] or 0)
        listed = self.groups.get(found["id"], [])
        body = [{"id": group, "profile": {"name": group}} for group in listed[after : after + self.page]]
        url = f"{self.org}{path}?limit={self.page}"
        link = f'<{url}>; rel="self"'
        if after + self.page < len(listed):
            link += f', <{url}&after={after + self.page}>; rel="next"'
        return Answer(200, {**limits, "link": link}, body)
