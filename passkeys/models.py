"""The authenticator models that this service knows: the metadata as the store keeps it, and the port to it.

    metadata/current.json            Pointer: which BLOB counts now           compare-and-swap, by the refresh alone
    metadata/models/{sha256}.json    the models of one BLOB, in compact form  write-once, named by their content
    metadata/icons/{sha256}.png      one icon                                 write-once, named by its content

Whoever needs the models reads the pointer, which is small, and what it points to only when it has changed: sign-in
needs neither. What nothing points to any more is swept away by the next refresh.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from passkeys import documents
from passkeys.errors import AlreadyExists, Changed, MetadataFault, MetadataInvalid, StoreDamaged
from passkeys.metadata import Metadata, ModelPolicy, dump_metadata, load_metadata
from passkeys.metadata_blob import Blob
from passkeys.settings import Settings
from passkeys.store import Document, Store

CURRENT = "metadata/current.json"
MODELS_PREFIX = "metadata/models/"
ICONS_PREFIX = "metadata/icons/"
# A refresh may sweep away what the pointer named a moment ago: then look again. No more than that: refreshes are rare.
_LOOKS = 3
# FIDO's BLOB has hundreds of icons. So many writes share a commit here, and a wait on Azure.
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which BLOB counts: its serial number, the SHA-256 of its payload and of the models' document, when it was kept."""

    no: int
    next_update: str
    payload: str
    models: str
    kept_at: str


class Models:
    """The port to the models. One for the whole program: it keeps the last metadata that it read.

    `configured` False: what the store may still hold of former days is not looked at.
    """

    def __init__(self, store: Store, *, configured: bool) -> None:
        self._store = store
        self._configured = configured
        self._read: tuple[str, Metadata] | None = None

    async def current(self) -> Metadata | None:
        """The metadata that counts now, or None when there is none. Raises StoreDamaged, StoreUnavailable."""
        if not self._configured:
            return None
        for _ in range(_LOOKS):
            pointer = await current_pointer(self._store)
            if pointer is None:
                return None
            if self._read is None or self._read[0] != pointer.models:
                name = models_name(pointer.models)
                document = await self._store.get(name)
                if document is None:
                    continue
                self._read = (pointer.models, load_metadata(name, document.data))
            return self._read[1]
        raise StoreDamaged(CURRENT, "names models that are not there.", next_step="Refresh the metadata.")

    async def icon(self, aaguid: str) -> bytes | None:
        """The PNG of a model, or None. `aaguid` may be any text."""
        metadata = await self.current()
        model = metadata.models.get(aaguid) if metadata else None
        if model is None or model.icon is None:
            return None
        document = await self._store.get(icon_name(model.icon))
        return document.data if document else None


def model_policy_of(settings: Settings) -> ModelPolicy:
    """The policy in the settings about which models are welcome."""
    return ModelPolicy(
        prohibited=frozenset(settings.metadata_prohibited),
        allowed=frozenset(settings.aaguid_allow),
        denied=frozenset(settings.aaguid_deny),
        unknown_allowed=settings.unknown_models == "allow",
        certification=None if settings.certification == "none" else settings.certification,
    )


def models_name(digest: str) -> str:
    """Where the models of one BLOB are, by the SHA-256 of their document."""
    return f"{MODELS_PREFIX}{digest}.json"


def icon_name(digest: str) -> str:
    """Where an icon is, by its SHA-256."""
    return f"{ICONS_PREFIX}{digest}.png"


async def current_pointer(store: Store) -> Pointer | None:
    """Which BLOB counts now, or None."""
    found = await store.get(CURRENT)
    return _load(found) if found else None


async def keep(store: Store, blob: Blob, *, at: str) -> bool:
    """Let a verified BLOB count from now on; whether it is another than before. Again for the same `at`: the same answer.

    Models and icons first, the pointer last, by compare-and-swap: a crash in between leaves what counted before. Raises
    MetadataInvalid when the serial number goes back, or names another payload than it did.
    """
    data = dump_metadata(blob.metadata)
    pointer = Pointer(
        no=blob.metadata.no,
        next_update=blob.metadata.next_update.isoformat(),
        payload=blob.digest,
        models=hashlib.sha256(data).hexdigest(),
        kept_at=at,
    )
    while True:
        found = await store.get(CURRENT)
        before = _load(found) if found else None
        if before is not None:
            _check_serial(before, pointer)
        await _create_missing(store, {models_name(pointer.models): data})
        await _create_missing(store, {icon_name(digest): icon for digest, icon in blob.icons.items()})
        # The same BLOB, read by the same rules: a newer program may read more out of it.
        is_new = before is None or (before.payload, before.models) != (pointer.payload, pointer.models)
        if is_new and not await _point(store, pointer, found):
            continue  # another has been quicker: judge by what it left
        await _sweep(store, blob, pointer)
        return is_new or (before is not None and before.kept_at == at)


async def _point(store: Store, pointer: Pointer, before: Document | None) -> bool:
    data = documents.dump(asdict(pointer))
    try:
        if before is None:
            await store.create(CURRENT, data)
        else:
            await store.replace(CURRENT, data, etag=before.etag)
    except (AlreadyExists, Changed):
        return False
    return True


def _check_serial(before: Pointer, now: Pointer) -> None:
    """MDS §3.1.5: `no` grows with every BLOB. An old one, genuinely signed, would bring back revoked models."""
    if now.no < before.no:
        raise MetadataInvalid(MetadataFault.ROLLED_BACK, f"number {now.no}, after {before.no} has been seen")
    if now.no == before.no and now.payload != before.payload:
        raise MetadataInvalid(MetadataFault.SERIAL_REUSED, f"number {now.no} had another content")


async def _create_missing(store: Store, documents_by_name: Mapping[str, bytes]) -> None:
    """Write those that are not there. Named by their content: whoever was first has written the same."""
    there = {name async for name in _named(store)}
    missing = [(name, data) for name, data in documents_by_name.items() if name not in there]

    async def create(name: str, data: bytes) -> None:
        with suppress(AlreadyExists):
            await store.create(name, data)

    for start in range(0, len(missing), _AT_ONCE):
        await asyncio.gather(*(create(*one) for one in missing[start : start + _AT_ONCE]))


async def _sweep(store: Store, blob: Blob, pointer: Pointer) -> None:
    """Remove models and icons that the pointer no longer leads to."""
    needed = {models_name(pointer.models), *map(icon_name, blob.icons)}
    async for name in _named(store):
        if name not in needed:
            await store.delete(name)


async def _named(store: Store) -> AsyncIterator[str]:
    for prefix in (MODELS_PREFIX, ICONS_PREFIX):
        for name in [name async for name in store.list(prefix)]:
            yield name


def _load(found: Document) -> Pointer:
    return documents.load(CURRENT, found.data, _pointer)


def _pointer(members: dict[str, Any]) -> Pointer:
    date.fromisoformat(members["next_update"])
    return Pointer(**members)
