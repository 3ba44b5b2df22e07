"""The world as a ceremony sees it: everything that is not a rule, in one frozen object, passed in.

`function_app.py` builds one `World` and binds each starter and activity to it; a test builds its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar, get_origin

from passkeys import decoy_key
from passkeys.conformance import ConformanceDirectory
from passkeys.directory import Directory, load_static
from passkeys.embedded import EmbeddedStore
from passkeys.models import Models
from passkeys.settings import Settings
from passkeys.store import Store

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class World:
    """What a step may reach. `clock` tells aware UTC times; `random_bytes(n)` gives n unpredictable bytes.

    `decoy_key()` gives the store's key of the decoys, made if there is none yet; `models` knows the models of
    authenticators, as the store keeps them.
    """

    settings: Settings
    store: Store
    directory: Directory
    clock: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    decoy_key: Callable[[], Awaitable[bytes]] = field(init=False)
    models: Models = field(init=False)

    def __post_init__(self) -> None:
        # Derived from the others, so that a world made of another with `replace` has the key and the models of its own store.
        object.__setattr__(self, "decoy_key", decoy_key.kept(self.store, self.random_bytes))
        object.__setattr__(self, "models", Models(self.store, configured=self.settings.metadata is not None))


def open_world(
    settings: Settings, *, clock: Callable[[], datetime], random_bytes: Callable[[int], bytes]
) -> World:
    """The world of the local profile: the embedded store and the static directory, with a conformance run's people.

    Raises SettingsError (the directory file is wrong) and StoreError (the store does not open).
    """
    directory: Directory = load_static(settings.directory)  # before the store is opened: it may be wrong
    if settings.conformance:
        directory = ConformanceDirectory(directory)
    return World(
        settings=settings,
        store=EmbeddedStore(settings.store),
        directory=directory,
        clock=clock,
        random_bytes=random_bytes,
    )


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
