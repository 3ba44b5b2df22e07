"""The file of a company directory: every mistake told at once, and the examples of the pages load."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from passkeys.directories.configuration import Surroundings, load_directory
from passkeys.directories.entra import EntraDirectory
from passkeys.directories.okta import OktaDirectory
from passkeys.directories.pingone import PingOneDirectory
from passkeys.directories.scim import ScimDirectory
from passkeys.directory import Directory, StaticDirectory
from passkeys.errors import SettingsError
from tests.passkeys.directories.houses import TENANT
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.worlds import Clock, CountedBytes

DOCS = Path(__file__).parents[3] / "docs"
KEY = "A" * 43
GROUP = "11111111-1111-4111-8111-111111111111"
ENTRIES: dict[str, dict[str, Any]] = {
    "entra": {"provider": "entra", "tenant": TENANT},
    "okta": {"provider": "okta", "org": "https://acme.okta.com", "client_id": "0oa1", "key_id": KEY},
    "pingone": {
        "provider": "pingone",
        "region": "eu",
        "environment": TENANT,
        "client_id": TENANT,
        "key_id": KEY,
    },
    "scim": {"provider": "scim", "base": "https://d.example.com/scim/v2", "scope": "api://d/.default"},
}


def load(entry: object, tmp_path: Path) -> Directory:
    file = tmp_path / "directory.json"
    file.write_text(entry if isinstance(entry, str) else json.dumps(entry))

    async def token(_: str) -> str:
        return "t"

    around = Surroundings(MemoryKeys(), Clock(), CountedBytes(), token=lambda _: token)
    return load_directory(file, around)


def mistakes_of(entry: object, tmp_path: Path) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as error:
        load(entry, tmp_path)
    return error.value.mistakes


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("entra", EntraDirectory),
        ("okta", OktaDirectory),
        ("pingone", PingOneDirectory),
        ("scim", ScimDirectory),
    ],
)
def test_the_least_of_each_is_enough(kind: str, made: type, tmp_path: Path) -> None:
    """And what is left out cannot be guessed."""
    assert isinstance(load(ENTRIES[kind], tmp_path), made)
    required = ENTRIES[kind].keys() - {"provider"}
    for name in required:
        entry = {member: value for member, value in ENTRIES[kind].items() if member != name}
        assert any(f"{name} is missing" in mistake for mistake in mistakes_of(entry, tmp_path)), name


def test_a_file_of_people_is_one(tmp_path: Path) -> None:
    """Also one in which somebody is called provider; and what is no file at all is told as before."""
    assert isinstance(load({"ada": {"display_name": "Ada"}}, tmp_path), StaticDirectory)
    assert isinstance(load({"provider": {"display_name": "A provider"}}, tmp_path), StaticDirectory)
    assert mistakes_of("{", tmp_path)[0].startswith("PASSKEYS_DIRECTORY=")


WRONG: list[tuple[str, str, Any]] = [
    ("entra", "tenant", "common"),
    ("entra", "tenant", TENANT.upper()),
    ("entra", "graph", "http://graph.microsoft.com"),
    ("entra", "graph", "https://graph.microsoft.com/v1.0"),
    ("entra", "authority", "https://user@login.microsoftonline.com"),
    ("entra", "roles", {"operator": []}),
    ("entra", "roles", {"the operator": [GROUP]}),
    ("entra", "roles", {"operator": GROUP}),
    ("entra", "roles", ["operator"]),
    ("okta", "org", "https://acme.okta.com/"),
    ("okta", "org", "acme.okta.com"),
    ("okta", "issuers", []),
    ("okta", "issuers", ["http://acme.okta.com/oauth2/default"]),
    ("okta", "statuses", ["ACTIVE", "SLEEPING"]),
    ("okta", "key_id", "short"),
    ("okta", "client_id", "a b"),
    ("okta", "client_id", 7),
    ("pingone", "region", "moon"),
    ("pingone", "environment", "x"),
    ("scim", "base", "https://d.example.com/scim/v2/"),
    ("scim", "base", "https://d.example.com/scim?x"),
    ("scim", "subject", "userName"),
    ("scim", "scope", " "),
    ("scim", "tls_roots", "/nowhere.pem"),
]


@pytest.mark.parametrize(("kind", "member", "value"), WRONG)
def test_a_wrong_member_is_named_with_what_it_must_be(
    kind: str, member: str, value: Any, tmp_path: Path
) -> None:
    """One mistake, which names the member."""
    (mistake,) = mistakes_of({**ENTRIES[kind], member: value}, tmp_path)
    assert mistake.startswith(f"PASSKEYS_DIRECTORY: {member}=")
    assert ": must " in mistake


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"provider": "ldap"}, "must be entra, okta, pingone, scim"),
        ({**ENTRIES["entra"], "client_secret": "x"}, "client_secret: there is no such member"),
        ({**ENTRIES["okta"], "api_token": "x"}, "api_token: there is no such member"),
        ({**ENTRIES["scim"], "endpoint": "https://d.example.com/token"}, "all of them, or none"),
        (
            {**ENTRIES["entra"], "roles": {"operator": [f"{n:08x}-0000-4000-8000-000000000000" for n in range(381)]}},
            "one question can be about 380",
        ),
        ({**ENTRIES["entra"], "roles": {"operator": [GROUP, "Operators"]}}, "'Operators' is no group's id"),
        ({**ENTRIES["pingone"], "roles": {"operator": ["AAAAAAAA" + GROUP[8:]]}}, "is no group's id, which is a GUID"),
    ],
    ids=["provider", "secret", "api token", "half a client", "too many groups", "a group by its name", "a group in capitals"],
)  # fmt: skip
def test_what_can_be_seen_at_start_is_a_mistake_then(
    entry: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """No secrets, and nothing half configured."""
    (mistake,) = mistakes_of(entry, tmp_path)
    assert said in mistake


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """In one message."""
    assert len(mistakes_of({"provider": "okta", "org": "x", "client_id": "", "x": 1}, tmp_path)) == 4


@pytest.mark.parametrize("page", ["entra-id", "okta", "ping"])
def test_the_examples_of_the_pages_load(page: str, tmp_path: Path) -> None:
    """Each JSON example of a directory is one that starts."""
    text = (DOCS / f"{page}.md").read_text("utf-8")
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    directories = [example for example in examples if isinstance(example.get("provider"), str)]
    assert directories
    for example in directories:
        load(example, tmp_path)
