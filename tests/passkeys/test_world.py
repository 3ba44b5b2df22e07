"""Binding a step to the world: it looks to the worker as if the world had never been a parameter."""

import inspect
import typing
from pathlib import Path
from typing import Any

import pytest

from passkeys.blob_store import BlobStore
from passkeys.embedded import EmbeddedStore
from passkeys.errors import SettingsError
from passkeys.settings import load
from passkeys.world import World, bind, open_world, opened_store
from tests.passkeys.worlds import Clock, CountedBytes, world_of


async def step(world: World, request: dict[str, Any], client) -> dict[str, Any]:
    """What the step does."""
    return {"asked": request, "client": client, "rp": world.settings.rp_id}


async def test_a_bound_step_has_its_world() -> None:
    """Called without the world, by position or by name, it has it."""
    bound = bind(world_of(), step)
    assert await bound({"a": 1}, "c") == {"asked": {"a": 1}, "client": "c", "rp": "localhost"}
    assert await bound(request={}, client=None) == {"asked": {}, "client": None, "rp": "localhost"}


def test_a_bound_step_looks_like_the_step_without_its_world() -> None:
    """Name, module, docstring and kind are the step's; signature and annotations too, less the world."""
    bound = bind(world_of(), step)
    assert (bound.__name__, bound.__qualname__, bound.__module__, bound.__doc__) == (
        step.__name__,
        step.__qualname__,
        step.__module__,
        step.__doc__,
    )
    assert inspect.iscoroutinefunction(bound)
    assert list(inspect.signature(bound).parameters) == ["request", "client"]
    assert not hasattr(bound, "__wrapped__")


def test_the_worker_finds_classes_for_annotations() -> None:
    """The worker refuses `dict[str, Any]`: it is no class. What it sees is `dict`; a bare parameter stays bare."""
    bound = bind(world_of(), step)
    assert typing.get_type_hints(bound) == {"request": dict, "return": dict}
    parameters = inspect.signature(bound).parameters
    assert parameters["request"].annotation is dict
    assert parameters["client"].annotation is inspect.Parameter.empty


def test_the_local_world_opens(tmp_path: Path) -> None:
    """The local profile has the embedded store where the settings say."""
    world = open_world(
        load({"PASSKEYS_STORE": str(tmp_path / "s")}), clock=Clock(), random_bytes=CountedBytes()
    )
    assert isinstance(world.store, EmbeddedStore)
    assert (tmp_path / "s" / "store.sqlite").is_file()
    world.store.close()


async def test_a_storage_account_is_opened_by_either_of_its_settings() -> None:
    """By its address as the app's identity, or by a connection string; nothing is asked of it for that."""
    for environ in (
        {"PASSKEYS_STORE": "https://acme.blob.core.windows.net"},
        {"PASSKEYS_STORE_CONNECTION": "UseDevelopmentStorage=true"},
    ):
        async with opened_store(load(environ)) as store:
            assert isinstance(store, BlobStore)


def test_a_wrong_directory_file_stops_the_start(tmp_path: Path) -> None:
    """A mistake in the file of people is a mistake in the settings."""
    people = tmp_path / "people.json"
    people.write_text("[]")
    with pytest.raises(SettingsError):
        open_world(
            load({"PASSKEYS_DIRECTORY": str(people), "PASSKEYS_STORE": str(tmp_path / "s")}),
            clock=Clock(),
            random_bytes=CountedBytes(),
        )


def test_the_mistakes_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    """The directory's and the issuers': nobody mends the one to learn of the other; and no store is made meanwhile."""
    people, issuers = tmp_path / "people.json", tmp_path / "issuers.json"
    people.write_text('{"a b": {"display_name": "x"}}')
    issuers.write_text('{"company": {"provider": "auth0"}}')
    environ = {
        "PASSKEYS_DIRECTORY": str(people),
        "PASSKEYS_ISSUERS": str(issuers),
        "PASSKEYS_STORE": str(tmp_path / "store"),
    }
    with pytest.raises(SettingsError) as error:
        open_world(load(environ), clock=Clock(), random_bytes=CountedBytes())
    assert [mistake.split(":")[0] for mistake in error.value.mistakes] == [
        "PASSKEYS_DIRECTORY",
        "PASSKEYS_ISSUERS",
    ]
    assert not (tmp_path / "store").exists()
