"""The port to the directory: who a person is now, by the company's word. And the static one, of the local profile.

A directory is asked at the end of every ceremony. One that cannot be asked fails it closed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from passkeys.errors import SettingsError
from passkeys.usernames import normal_form

# Ids go into entity keys, document names and audit entries; 64 bytes is what an authenticator keeps of a name.
# "metadata" is who acts when nobody does: a person of that name could undo, and be undone by, the re-judging.
PERSON_ID = re.compile(r"(?!metadata$)[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z")
# A role is a name of ours; configuration says who has it.
ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}\Z")


class PersonStatus(StrEnum):
    """Whether a person may sign in.

    `locked`: not just now, since somebody has guessed at their password there too often. Anybody can cause that: who is
    locked is not let in, and loses nothing.
    """

    ACTIVE = "active"
    DISABLED = "disabled"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the directory knows them now. `claims` are JSON-native.

    `sessions_valid_from`: whatever they signed in to before is to be over; None: nothing is. `username`: what they are called
    where an id tells nobody anything; None: the id will do.
    """

    id: str
    display_name: str
    status: PersonStatus
    claims: Mapping[str, Any]
    sessions_valid_from: datetime | None = None
    username: str | None = None


def has_role(person: Person, role: str) -> bool:
    """Whether the directory's claim `roles` lists the role. A claim of another shape lists none."""
    roles = person.claims.get("roles")
    return isinstance(roles, list | tuple) and role in roles  # `in` a text would find a part of a word


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """What makes a subject one and the same for good: of which issuer, of which of its tenants, by which id. No names."""

    issuer: str
    tenant: str | None
    subject: str


class Directory(Protocol):
    """Where people are known."""

    async def find(self, person: str) -> Person | None:
        """The person with the id `person`, or None. Raises DirectoryUnavailable if it cannot be asked."""

    async def person_of(self, identity: IdentityKey) -> str | None:
        """The id of the person whom an issuer knows by this key, or None. Raises DirectoryUnavailable.

        A directory that knows people by an id of the issuer's own (Entra's `oid`, Okta's `uid`) has that for theirs.
        """


@dataclass(frozen=True, slots=True)
class StaticDirectory:
    """A fixed set of people. For the local profile."""

    people: Mapping[str, Person]
    identities: Mapping[IdentityKey, str] = field(default_factory=dict)

    async def find(self, person: str) -> Person | None:
        """The person, or None. Can always be asked."""
        return self.people.get(person)

    async def person_of(self, identity: IdentityKey) -> str | None:
        """Whose the file says it is."""
        return self.identities.get(identity)


def _person(
    person_id: str, display_name: str, status: PersonStatus = PersonStatus.ACTIVE, **claims: object
) -> Person:
    return Person(person_id, display_name, status, MappingProxyType(claims))


DEMO_PEOPLE: Mapping[str, Person] = MappingProxyType(
    {
        person.id: person
        for person in (
            _person("ada", "Ada Lovelace"),
            _person("grace", "Grace Hopper", roles=["operator"]),
            _person("katherine", "Katherine Johnson", roles=["operator"]),
            _person("mallory", "Mallory", PersonStatus.DISABLED),
        )
    }
)


def load_static(path: Path | None) -> StaticDirectory:
    """The people of a JSON file, or the demo people for None. Raises SettingsError with every mistake in the file.

    The file: {"<id>": {"display_name": "…", "status": "active" | "disabled", "claims": {…}, "identities": [{"issuer": "…",
    "tenant": "…", "subject": "…"}, …]}, …}; all but the name may be left out, and so may the tenant of an issuer without.
    """
    if path is None:
        return StaticDirectory(DEMO_PEOPLE)
    try:
        listed = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            (f"PASSKEYS_DIRECTORY={str(path)!r}: cannot be read as JSON: {error}.",)
        ) from error
    if not isinstance(listed, dict):
        raise SettingsError(
            (f"PASSKEYS_DIRECTORY={str(path)!r}: must hold one JSON object, of people by their ids.",)
        )
    mistakes = tuple(
        mistake for person_id, entry in listed.items() for mistake in _mistakes(person_id, entry)
    ) + tuple(_shared_names(listed))
    mistakes += _shared_identities(listed)
    if mistakes:
        raise SettingsError(mistakes)
    return StaticDirectory(
        MappingProxyType(
            {
                person_id: Person(
                    person_id,
                    entry["display_name"],
                    PersonStatus(entry.get("status", PersonStatus.ACTIVE)),
                    MappingProxyType(entry.get("claims", {})),
                )
                for person_id, entry in listed.items()
            }
        ),
        MappingProxyType(
            {key: person_id for person_id, entry in listed.items() for key in _identities(entry)}
        ),
    )


def _shared_names(ids: Iterable[str]) -> Iterator[str]:
    """People whose ids are one name when typed: a sign-in by name could find one of them alone."""
    first: dict[str, str] = {}
    for person_id in ids:
        other = first.setdefault(normal_form(person_id), person_id)
        if other != person_id:
            yield f"PASSKEYS_DIRECTORY: {other!r} and {person_id!r} are one user name: its case does not count."


def _mistakes(person_id: str, entry: object) -> list[str]:
    where = f"PASSKEYS_DIRECTORY: person {person_id!r}"
    if not PERSON_ID.match(person_id):
        return [
            f"{where}: an id is 1 to 64 letters, digits or . _ @ + -, begins with a letter or digit, and is not metadata."
        ]
    if not isinstance(entry, dict):
        return [f"{where}: must be a JSON object with a display_name."]
    mistakes = [
        f"{where}: there is no member {name!r}."
        for name in entry.keys() - {"display_name", "status", "claims", "identities"}
    ]
    if not isinstance(entry.get("display_name"), str) or not entry["display_name"].strip():
        mistakes.append(f"{where}: display_name must be a text.")
    if entry.get("status", PersonStatus.ACTIVE) not in list(PersonStatus):
        mistakes.append(f"{where}: status must be 'active' or 'disabled'.")
    if not isinstance(entry.get("claims", {}), dict):
        mistakes.append(f"{where}: claims must be a JSON object.")
    if not _are_identities(entry.get("identities", [])):
        mistakes.append(
            f"{where}: identities must be a list of objects with issuer, subject and, if the issuer has such, tenant: texts."
        )
    return mistakes


def _are_identities(listed: object) -> bool:
    return isinstance(listed, list) and all(
        isinstance(one, dict)
        and {"issuer", "subject"} <= one.keys() <= {"issuer", "tenant", "subject"}
        and all(isinstance(value, str) and value for value in one.values())
        for one in listed
    )


def _identities(entry: object) -> list[IdentityKey]:
    """Those of a person's entry, as far as they are well formed."""
    listed = entry.get("identities", []) if isinstance(entry, dict) else []
    if not _are_identities(listed):
        return []
    return [IdentityKey(one["issuer"], one.get("tenant"), one["subject"]) for one in listed]


def _shared_identities(people: Mapping[str, object]) -> tuple[str, ...]:
    """Identities that are two people's, or one's twice: which of them comes in would be chance."""
    counted = Counter(key for entry in people.values() for key in _identities(entry))
    return tuple(
        f"PASSKEYS_DIRECTORY: identity {key.subject!r} of {key.issuer!r} is there more than once."
        for key, count in counted.items()
        if count > 1
    )
