"""The row of a family of refresh tokens, as it is stored: what it says, what it is called, and how it becomes bytes.

    sessions/{holder, hex}/{session, hex}.json   Family

It names a person and a passkey, and holds neither a token nor a hash of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from passkeys import documents, refresh_tokens
from passkeys.refresh_tokens import FamilyId

FIRST_GENERATION = 1


class Status(StrEnum):
    """Whether a family may still be used."""

    ACTIVE = "active"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Family:
    """A family's row. `roles`, as the application may see them, were the directory's word at `claims_at`.

    `generation` is the newest token's, made at `rotated_at`; the one before it has been shown again `replays` times.
    `refreshable`: it has a refresh token at all. `told`: of one that is over, that the audit is known to have its end.
    """

    id: FamilyId
    person: str
    client_id: str
    audience: str
    roles: tuple[str, ...]
    claims_at: datetime
    jkt: str | None
    generation: int
    rotated_at: datetime
    replays: int
    idle_expires_at: datetime
    expires_at: datetime
    auth_time: datetime
    acr: str | None
    amr: tuple[str, ...]
    credential_id: str
    ceremony_id: str
    created_at: datetime
    last_used_at: datetime
    refreshable: bool
    salt: bytes
    status: Status = Status.ACTIVE
    status_reason: str | None = None
    status_at: datetime | None = None
    told: bool = False

    @property
    def sid(self) -> str:
        """What access tokens call it."""
        return self.id.sid

    @property
    def ends_at(self) -> datetime:
        """When it ends unless it is used."""
        return min(self.idle_expires_at, self.expires_at)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a redeemed ceremony opens a family with. `absolute_seconds` 0: no refresh token; it ends with the access token."""

    person: str
    client_id: str
    audience: str
    roles: tuple[str, ...]
    jkt: str | None
    auth_time: datetime
    acr: str | None
    amr: tuple[str, ...]
    credential_id: str
    ceremony_id: str
    idle_seconds: int
    absolute_seconds: int
    access_seconds: int


def opened(opening: Opening, *, key: bytes, salt: bytes, now: datetime) -> Family:
    """The row that a redeemed ceremony begins with. `key` is the secret of refresh tokens."""
    refreshable = opening.absolute_seconds > 0
    # From the sign-in, not from its redemption: NIST SP 800-63B-4 §5.2 counts from when somebody was there.
    ends_at = opening.auth_time + timedelta(seconds=opening.absolute_seconds)
    idle_ends_at = now + timedelta(seconds=opening.idle_seconds)
    if not refreshable:
        ends_at = idle_ends_at = now + timedelta(seconds=opening.access_seconds)
    return Family(
        id=refresh_tokens.family_of(key, person=opening.person, ceremony_id=opening.ceremony_id),
        person=opening.person,
        client_id=opening.client_id,
        audience=opening.audience,
        roles=opening.roles,
        claims_at=now,
        jkt=opening.jkt,
        generation=FIRST_GENERATION,
        rotated_at=now,
        replays=0,
        idle_expires_at=idle_ends_at,
        expires_at=ends_at,
        auth_time=opening.auth_time,
        acr=opening.acr,
        amr=opening.amr,
        credential_id=opening.credential_id,
        ceremony_id=opening.ceremony_id,
        created_at=now,
        last_used_at=now,
        refreshable=refreshable,
        salt=salt,
    )


def name_of(family: FamilyId) -> str:
    """Where its row is."""
    return f"{prefix_of(family.holder)}{family.session.hex()}.json"


def prefix_of(holder: bytes) -> str:
    """What the names of all rows of a holder begin with."""
    return f"sessions/{holder.hex()}/"


def id_of(name: str) -> FamilyId:
    """Whose row the name is."""
    _, holder, session = name.removesuffix(".json").split("/")
    return FamilyId(bytes.fromhex(holder), bytes.fromhex(session))


def dump(family: Family) -> bytes:
    """The row's bytes."""
    return documents.dump(
        {
            "family": (family.id.holder + family.id.session).hex(),
            "person": family.person,
            "client_id": family.client_id,
            "audience": family.audience,
            "roles": list(family.roles),
            "claims_at": family.claims_at.isoformat(),
            "jkt": family.jkt,
            "gen": family.generation,
            "rotated_at": family.rotated_at.isoformat(),
            "replays": family.replays,
            "idle_expires_at": family.idle_expires_at.isoformat(),
            "expires_at": family.expires_at.isoformat(),
            "auth_time": family.auth_time.isoformat(),
            "acr": family.acr,
            "amr": list(family.amr),
            "credential_id": family.credential_id,
            "ceremony_id": family.ceremony_id,
            "created_at": family.created_at.isoformat(),
            "last_used_at": family.last_used_at.isoformat(),
            "refreshable": family.refreshable,
            "salt": family.salt.hex(),
            "status": family.status.value,
            "status_reason": family.status_reason,
            "status_at": None if family.status_at is None else family.status_at.isoformat(),
            "told": family.told,
        }
    )


def load(name: str, data: bytes) -> Family:
    """The row. Raises StoreDamaged."""
    return documents.load(name, data, lambda members: _family(id_of(name), members))


def _family(family: FamilyId, members: Mapping[str, Any]) -> Family:
    if members["family"] != (family.holder + family.session).hex():
        raise ValueError("the row of another family")
    status_at = members["status_at"]
    return Family(
        id=family,
        person=members["person"],
        client_id=members["client_id"],
        audience=members["audience"],
        roles=tuple(members["roles"]),
        claims_at=datetime.fromisoformat(members["claims_at"]),
        jkt=members["jkt"],
        generation=int(members["gen"]),
        rotated_at=datetime.fromisoformat(members["rotated_at"]),
        replays=int(members["replays"]),
        idle_expires_at=datetime.fromisoformat(members["idle_expires_at"]),
        expires_at=datetime.fromisoformat(members["expires_at"]),
        auth_time=datetime.fromisoformat(members["auth_time"]),
        acr=members["acr"],
        amr=tuple(members["amr"]),
        credential_id=members["credential_id"],
        ceremony_id=members["ceremony_id"],
        created_at=datetime.fromisoformat(members["created_at"]),
        last_used_at=datetime.fromisoformat(members["last_used_at"]),
        refreshable=bool(members["refreshable"]),
        salt=bytes.fromhex(members["salt"]),
        status=Status(members["status"]),
        status_reason=members["status_reason"],
        status_at=None if status_at is None else datetime.fromisoformat(status_at),
        # A row that ended before there was such a member was told first.
        told=bool(members.get("told", status_at is not None)),
    )
