"""The port to the directory: who a person is now, by the company's word. And the static one, of the local profile.

A directory is asked at the end of every ceremony. One that cannot be asked fails it closed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from passkeys.errors import SettingsError
from passkeys.usernames import normal_form

# Ids go into entity keys, document names and audit entries; 64 bytes is what an authenticator keeps of a name.
# "metadata" is who acts when nobody does: a person of that name could undo, and be undone by, the re-judging.
PERSON_ID = re.compile(r"(?!metadata$)[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z")


class PersonStatus(StrEnum):
    """Whether a person may sign in."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the directory knows them now. `claims` are JSON-native."""

    id: str
    display_name: str
    status: PersonStatus
    claims: Mapping[str, Any]


def has_role(person: Person, role: str) -> bool:
    """Whether the directory's claim `roles` lists the role. A claim of another shape lists none."""
    roles = person.claims.get("roles")
    return isinstance(roles, list | tuple) and role in roles  # `in` a text would find a part of a word


class Directory(Protocol):
    """Where people are known."""

    async def find(self, person: str) -> Person | None:
        """The person with the id `person`, or None. Raises DirectoryUnavailable if it cannot be asked."""


@dataclass(frozen=True, slots=True)
class StaticDirectory:
    """A fixed set of people. For the local profile."""

    people: Mapping[str, Person]

    async def find(self, person: str) -> Person | None:
        """The person, or None. Can always be asked."""
        return self.people.get(person)


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

    The file: {"<id>": {"display_name": "…", "status": "active" | "disabled", "claims": {…}}, …};
    `status` and `claims` may be left out.
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
        )
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
        for name in entry.keys() - {"display_name", "status", "claims"}
    ]
    if not isinstance(entry.get("display_name"), str) or not entry["display_name"].strip():
        mistakes.append(f"{where}: display_name must be a text.")
    if entry.get("status", PersonStatus.ACTIVE) not in list(PersonStatus):
        mistakes.append(f"{where}: status must be 'active' or 'disabled'.")
    if not isinstance(entry.get("claims", {}), dict):
        mistakes.append(f"{where}: claims must be a JSON object.")
    return mistakes
