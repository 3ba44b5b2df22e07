"""The directory's word: by person or by credential, and closed when it cannot be asked."""

from __future__ import annotations

import json

import pytest

from activities.resolve_claims import resolve_claims
from activities.retries import PAUSES_S
from passkeys.world import World
from tests.activities.scenes import Json, enrolled
from tests.passkeys.worlds import FlakyDirectory, world_of


@pytest.fixture
def world() -> World:
    return world_of()


def answer(person: str | None, status: str, display_name: str | None = None) -> Json:
    return {"person": person, "status": status, "display_name": display_name, "claims": {}}


async def test_by_person(world: World) -> None:
    """Active, disabled and unknown people, each as the directory knows them."""
    for person, expected in {
        "ada": answer("ada", "active", "Ada Lovelace"),
        "mallory": answer("mallory", "disabled", "Mallory"),
        "nobody": answer("nobody", "unknown"),
    }.items():
        found = await resolve_claims(world, {"person": person, "credential_id": None})
        assert found == expected
        assert json.loads(json.dumps(found)) == found


async def test_by_credential(world: World) -> None:
    """It finds the owner itself."""
    passkey = await enrolled(world, "grace")
    found = await resolve_claims(world, {"person": None, "credential_id": passkey.id})
    assert found == answer("grace", "active", "Grace Hopper") | {"claims": {"roles": ["operator"]}}


@pytest.mark.parametrize(
    "credential_id", ["AQID", "", "../people/x", "a b", "=", "A" * 5000, None, 1, [], {}, "é"]
)
async def test_a_credential_nobody_has_is_unknown(world: World, credential_id: object) -> None:
    """Whatever comes as an id, for it is not judged yet."""
    assert await resolve_claims(world, {"person": None, "credential_id": credential_id}) == answer(
        None, "unknown"
    )


async def test_a_directory_that_comes_back_is_asked_again() -> None:
    """A short outage is waited out."""
    directory = FlakyDirectory(failures=2)
    found = await resolve_claims(world_of(directory=directory), {"person": "ada", "credential_id": None})
    assert (found["status"], directory.asked) == ("active", 3)


async def test_a_directory_that_stays_away_is_unreachable() -> None:
    """Fail closed, as a value, after a bounded number of tries."""
    directory = FlakyDirectory(failures=99)
    found = await resolve_claims(world_of(directory=directory), {"person": "ada", "credential_id": None})
    assert found == answer("ada", "unreachable")
    assert directory.asked == len(PAUSES_S) + 1
