"""Any directory with a SCIM 2.0 service (RFC 7643, RFC 7644): a user by id, and what they are in.

PingFederate has its people in one, and so have many others. A service that pushes changes to us instead of being asked is
another thing, which is not here yet (docs/decisions.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from passkeys.directories.asking import Answer, Asking, in_time, misconfigured
from passkeys.directories.reading import is_unknown, roles_of, text
from passkeys.directory import PERSON_ID, IdentityKey, Person, PersonStatus
from passkeys.errors import DirectoryExhausted

_ATTRIBUTES = "id,active,displayName,userName,groups"
_NOBODY = "nobody"
# RFC 7644 §3.12
_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
# RFC 7644 §3.4.2.2: in a filter, a value is a JSON text.
_EXTERNAL_ID = re.compile(r"[!-~]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class ScimDirectory:
    """The people of one service. `get` gives the answer to an authorized GET, 200 or 404.

    `by_external_id`: an identity's subject is a user's `externalId`, and not their `id`.
    """

    asking: Asking
    get: Callable[[str], Awaitable[Answer]]
    base: str
    issuers: frozenset[str]
    by_external_id: bool
    roles: Mapping[str, frozenset[str]]

    @in_time
    async def find(self, person: str) -> Person | None:
        """The user by their `id`."""
        user_id = person if PERSON_ID.match(person) and "@" not in person else _NOBODY
        answer = await self.get(f"{self.base}/Users/{quote(user_id, safe='')}?attributes={_ATTRIBUTES}")
        body = answer.body if isinstance(answer.body, dict) else {}
        schemas = body.get("schemas")
        said = isinstance(schemas, list) and _ERROR in schemas
        if is_unknown("scim", answer, said=said) or user_id == _NOBODY:
            return None
        groups = body.get("groups", [])
        if body.get("id") != user_id or not isinstance(groups, list):
            raise DirectoryExhausted("scim: the answer is about nobody who was asked for.")
        active = body.get("active")
        if not isinstance(active, bool):
            # RFC 7643 §4.1.1 leaves to the service whether it is there. Who is disabled loses their passkeys: by its word alone.
            raise misconfigured("scim", "a user of whom it is not said whether they are `active`")
        having = {str(group.get("value")) for group in groups if isinstance(group, dict)}
        return Person(
            id=user_id,
            display_name=text(body.get("displayName")) or text(body.get("userName")) or user_id,
            status=PersonStatus.ACTIVE if active else PersonStatus.DISABLED,
            claims={"roles": roles_of(self.roles, having)},
            username=text(body.get("userName")),
        )

    @in_time
    async def person_of(self, identity: IdentityKey) -> str | None:
        """The `id` of the one user whom an issuer of the configuration knows by this subject."""
        if identity.tenant is not None or identity.issuer not in self.issuers:
            return None
        if not self.by_external_id:
            return identity.subject if PERSON_ID.match(identity.subject) else None
        if not _EXTERNAL_ID.match(identity.subject):
            return None
        query = urlencode(
            {"filter": f"externalId eq {json.dumps(identity.subject)}", "attributes": "id,externalId"}
        )
        answer = await self.get(f"{self.base}/Users?{query}")
        if answer.status != 200:
            raise misconfigured("scim", f"status {answer.status} for a filter by externalId")
        body: dict[str, Any] = answer.body if isinstance(answer.body, dict) else {}
        listed = body.get("Resources", [])
        # A service may pass over a filter that it does not know: who it is must be in the answer too.
        found = [
            one.get("id")
            for one in (listed if isinstance(listed, list) else [])
            if isinstance(one, dict) and one.get("externalId") == identity.subject
        ]
        if len(found) > 1:
            raise misconfigured("scim", "an externalId that is more than one user's")
        return found[0] if found and isinstance(found[0], str) and PERSON_ID.match(found[0]) else None
