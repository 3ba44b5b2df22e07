"""The world as a ceremony sees it: everything that is not a rule, in one frozen object, passed in.

`function_app.py` builds one `World` and binds each starter and activity to it; a test builds its own.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, get_origin

from passkeys import decoy_key
from passkeys.applications import Application, load_applications
from passkeys.blob_store import SECONDS, BlobStore
from passkeys.conformance import ConformanceDirectory
from passkeys.directories.configuration import Surroundings, load_directory
from passkeys.directory import Directory
from passkeys.embedded import EmbeddedStore
from passkeys.errors import SettingsError
from passkeys.issuer_keys import IssuerKeys
from passkeys.issuers import load_issuers
from passkeys.key_home import KeyHome
from passkeys.key_vault import KeyVault
from passkeys.local_keys import LocalKeys
from passkeys.managed_identity import credential_of
from passkeys.models import Models
from passkeys.policy_version import policy_version
from passkeys.settings import Settings, is_address
from passkeys.signing_keys import SigningKeys
from passkeys.store import Store

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class World:
    """What a step may reach. `clock` tells aware UTC times; `random_bytes(n)` gives n unpredictable bytes; `issuers` are
    those whose tokens count here, with their keys; `applications` those that may have tokens of ours, and `keys` where
    those are signed.

    `decoy_key()` gives the store's key of the decoys, made if there is none yet; `models` knows the models of
    authenticators, as the store keeps them; `signing` knows which key signs our tokens, and those that verify them;
    `readiness` is what a look at parts of it has found of late.
    """

    settings: Settings
    store: Store
    directory: Directory
    clock: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    keys: KeyHome
    applications: Mapping[str, Application] = field(default_factory=lambda: load_applications(None))
    issuers: Mapping[str, IssuerKeys] = field(default_factory=dict)
    readiness: dict[str, tuple[datetime, asyncio.Future[Any]]] = field(default_factory=dict, compare=False)
    decoy_key: Callable[[], Awaitable[bytes]] = field(init=False)
    models: Models = field(init=False)
    signing: SigningKeys = field(init=False)
    policy_version: str = field(init=False)

    def __post_init__(self) -> None:
        # Derived from the others, so that a world made of another with `replace` has the key and the models of its own store.
        object.__setattr__(self, "decoy_key", decoy_key.kept(self.store, self.random_bytes))
        object.__setattr__(self, "models", Models(self.store, configured=self.settings.metadata is not None))
        object.__setattr__(
            self, "signing", SigningKeys(self.store, self.keys, self.settings, clock=self.clock)
        )
        object.__setattr__(self, "policy_version", policy_version(self.settings))


def open_world(
    settings: Settings, *, clock: Callable[[], datetime], random_bytes: Callable[[int], bytes]
) -> World:
    """The world of the local profile: the store, and the people of a file or of a company directory, with a conformance run's people.

    Raises SettingsError (the files of the directory, of issuers and of applications are wrong) and StoreError (the store
    does not open).
    """
    # Before the store is opened: they may be wrong.
    keys = open_keys(settings.keys)
    around = Surroundings(keys, clock, random_bytes)
    directory, issuers, applications = _all_of(
        lambda: load_directory(settings.directory, around),
        lambda: load_issuers(settings.issuers),
        lambda: load_applications(settings.applications),
    )
    if settings.conformance:
        directory = ConformanceDirectory(directory)
    return World(
        settings=settings,
        store=open_store(settings),
        directory=directory,
        clock=clock,
        random_bytes=random_bytes,
        keys=keys,
        applications=applications,
        issuers={name: IssuerKeys(issuer, clock=clock) for name, issuer in issuers.items()},
    )


def open_keys(home: str) -> KeyHome:
    """The home of private keys that PASSKEYS_KEYS names. Nothing is read yet."""
    if is_address(home):
        return KeyVault(home, credential_of(None), random_bytes=secrets.token_bytes)
    return LocalKeys(Path(home))


def open_store(settings: Settings, *, seconds: float = SECONDS) -> EmbeddedStore | BlobStore:
    """The home of documents that the settings name; an account answers within `seconds`.

    Raises StoreError: the embedded one is opened. Of Azure nothing is asked yet.
    """
    if settings.store_connection:
        return BlobStore(settings.store_connection, prefix=settings.store_prefix, seconds=seconds)
    if is_address(settings.store):
        return BlobStore(settings.store, credential_of(None), prefix=settings.store_prefix, seconds=seconds)
    return EmbeddedStore(Path(settings.store))


@asynccontextmanager
async def opened_store(
    settings: Settings, *, seconds: float = SECONDS
) -> AsyncIterator[EmbeddedStore | BlobStore]:
    """`open_store`, closed with the block: for a command."""
    store = open_store(settings, seconds=seconds)
    try:
        yield store
    finally:
        if isinstance(store, BlobStore):
            await store.close()
        else:
            store.close()


def is_made(settings: Settings) -> bool:
    """Whether there can be something in the store: of the embedded one, that somebody has made it. What only reads makes none."""
    if settings.store_connection or is_address(settings.store):
        return True
    return (Path(settings.store) / "store.sqlite").is_file()


def _all_of(first: Callable[[], A], second: Callable[[], B], third: Callable[[], C]) -> tuple[A, B, C]:
    """All of them, or SettingsError with the mistakes of all."""
    mistakes: list[str] = []
    found: list[Any] = []
    for load in (first, second, third):
        try:
            found.append(load())
        except SettingsError as error:
            mistakes += error.mistakes
    if mistakes:
        raise SettingsError(tuple(mistakes))
    return found[0], found[1], found[2]


def bind(world: World, step: Callable[Concatenate[World, P], Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """`step` without its first parameter, which is `world` from now on.

    The Functions worker finds bindings by a function's name, signature and annotations, so the bound function
    shows those of `step`, less the world. It has no `__wrapped__`: that would show the world again.
    """
    signature = inspect.signature(step)
    first, *others = signature.parameters.values()

    async def bound(*args: P.args, **kwargs: P.kwargs) -> R:
        return await step(world, *args, **kwargs)

    shown: Any = bound
    shown.__name__, shown.__qualname__ = step.__name__, step.__qualname__
    shown.__doc__, shown.__module__ = step.__doc__, step.__module__
    shown.__signature__ = signature.replace(
        parameters=[other.replace(annotation=_plain(other.annotation)) for other in others],
        return_annotation=_plain(signature.return_annotation),
    )
    shown.__annotations__ = {
        name: _plain(kind) for name, kind in step.__annotations__.items() if name != first.name
    }
    return bound


def _plain(annotation: Any) -> Any:
    """`dict` for `dict[str, Any]`: the worker refuses to load a function whose annotations are not classes."""
    return get_origin(annotation) or annotation
