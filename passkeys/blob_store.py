"""The store in Azure Blob Storage: a document is a block blob, an append document an append blob, an etag the blob's own.

A name is a blob's name, whole; its first part decides the container (`passkeys.store.CONTAINERS`), so that each app's identity
can be given the least. `create` is a Put Blob with If-None-Match: *, `replace` one with If-Match, `append` an Append Block
under x-ms-blob-condition-appendpos, `seal` an Append Blob Seal under If-Match: one request, all or nothing. The account has
no hierarchical namespace: its lists are not in the order of bytes.

A write is sent once. Whoever repeats one whose answer was lost finds their own write in the way, and takes it for another's:
so neither Azure's client nor aiohttp below it may. Reads may be repeated. What cannot be had in `seconds` is StoreUnavailable.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any

from passkeys.errors import (
    AlreadyExists,
    Changed,
    Sealed,
    StoreDamaged,
    StoreError,
    StoreUnavailable,
    WrongPosition,
)
from passkeys.store import CONTAINERS, Document, checked_append, checked_name

SECONDS = 10.0
CONNECT_SECONDS = 2
READ_SECONDS = 5
# What one answer of Azure's lists at most.
LIST_PAGE = 5000
# Above any document of ours: read by one request, so that nothing changes between its parts.
_ONE_REQUEST = 256 * 1024 * 1024
_WRITE: dict[str, Any] = {"retry_total": 0}
_READ: dict[str, Any] = {"retry_total": 2, "backoff": 0.3, "random_jitter_range": 0.2}
# What Azure's clients tell of requests, headers and addresses at level INFO: names of documents, which no log is to have.
_SILENT = logging.getLogger("passkeys.blob_store.requests")
_SILENT.disabled = True

# Azure's error codes (x-ms-error-code) that are an answer, and no failure.
_EXISTS = "BlobAlreadyExists"
_MISSING = "BlobNotFound"
_CHANGED = "ConditionNotMet"
_NOT_THE_END = "AppendPositionConditionNotMet"
_OTHER_KIND = "InvalidBlobType"
_SEALED = "BlobIsSealed"
_IMMUTABLE = "BlobImmutableDueToPolicy"
_CONTAINER_EXISTS = "ContainerAlreadyExists"
# What to do about those that are a failure, and do not pass by themselves.
_NEXT_STEPS = {
    "ContainerNotFound": "Make the containers: python -m passkeys storage create.",
    "AuthorizationPermissionMismatch": "Its identity lacks a role on that container: see docs/storage.md.",
    "AuthorizationFailure": "The account's firewall, or its settings, keep us out: see docs/storage.md.",
    "KeyBasedAuthenticationNotPermitted": "The account takes identities alone: set PASSKEYS_STORE to its address.",
}
_REPEAT = "Repeat; see docs/storage.md if it stays."


class BlobStore:
    """A `Store` in one storage account. Nothing is asked yet; close it where it was used.

    `account` is its address, with azure-identity's asynchronous `credential`; or, without one, a connection string.
    `prefix` stands before the names of its containers. `options` go to Azure's client.
    """

    def __init__(
        self,
        account: str,
        credential: Any = None,
        *,
        prefix: str = "",
        page: int = LIST_PAGE,
        seconds: float = SECONDS,
        **options: Any,
    ) -> None:
        self._account = account
        self._credential = credential
        self._prefix = prefix
        self._page = page
        self._seconds = seconds
        self._options = options
        self._service: Any = None

    async def close(self) -> None:
        """Let go of the connections."""
        service, self._service = self._service, None
        if service is not None:
            await service.close()
        if self._credential is not None:
            await self._credential.close()

    async def create_containers(self) -> list[tuple[str, bool]]:
        """Make the containers that are not there: each one's name, and whether it was made. The app needs no right to."""
        names = [f"{self._prefix}{container}" for container in sorted(set(CONTAINERS.values()))]
        return [(name, await self._create_container(name)) for name in names]

    async def get(self, name: str) -> Document | None:
        """The newest version, or None."""
        found: Document | None = await self._ask(name, self._read(checked_name(name)), {_MISSING: None})
        return found

    async def create(self, name: str, data: bytes) -> str:
        """Write `data` if the name is free."""
        return await self._put(name, data, {_EXISTS: AlreadyExists(name)}, overwrite=False)

    async def replace(self, name: str, data: bytes, *, etag: str) -> str:
        """Write `data` over the version `etag`."""
        from azure.core import MatchConditions

        changed = Changed(checked_name(name))
        if not etag.startswith('"'):  # none of Azure's: nothing that was read, or an append document's
            raise changed
        return await self._put(
            name,
            data,
            {_CHANGED: changed, _MISSING: changed},
            overwrite=True,
            etag=etag,
            match_condition=MatchConditions.IfNotModified,
        )

    async def append(self, name: str, data: bytes, *, position: int) -> int:
        """Add `data` at the end, which must be at `position`."""
        from azure.core import MatchConditions

        blob = self._blob(checked_name(name))
        checked_append(data)
        refused = await self._append(name, data, position)
        if refused == _MISSING and position == 0:
            # Only here: in a container that is immutable, nothing is to be put where something is.
            free = {"match_condition": MatchConditions.IfMissing, **_WRITE}
            await self._ask(name, blob.create_append_blob(**free), {_EXISTS: None})
            refused = await self._append(name, data, position)
        if refused:
            found = await self._properties(name)
            actual = _end_of(found) or 0
            if actual == position and found is not None and found.is_append_blob_sealed:
                raise Sealed(name)
            raise WrongPosition(name, position=position, actual=actual)
        return position + len(data)

    async def seal(self, name: str, *, position: int) -> None:
        """Let an append document grow no more, if it ends at `position`."""
        from azure.core import MatchConditions

        blob = self._blob(checked_name(name))
        while True:
            found = await self._properties(name)
            actual = _end_of(found) or 0
            if found is None or actual != position:
                raise WrongPosition(name, position=position, actual=actual)
            # By its etag: Azurite does not look at a position here.
            same = {"etag": found.etag, "match_condition": MatchConditions.IfNotModified, **_WRITE}
            # The container's own policy may forbid it, and has the last word on what can be changed there.
            answers = {_CHANGED: False, _IMMUTABLE: True}
            if found.is_append_blob_sealed or await self._ask(
                name, _true(blob.seal_append_blob(**same)), answers
            ):
                return

    async def list(self, prefix: str) -> AsyncIterator[str]:
        """The names that begin with `prefix`, read a page at a time, container by container."""
        for part in sorted(f"{part}/" for part in CONTAINERS):
            if part.startswith(prefix) or prefix.startswith(part):
                async for name in self._listed(max(part, prefix, key=len)):
                    yield name

    async def delete(self, name: str) -> None:
        """Remove a document, if there is one."""
        from azure.core import MatchConditions

        blob = self._blob(checked_name(name))
        while True:
            found = await self._properties(name)
            if found is None:
                return
            if found.blob_type != "BlockBlob":
                msg = f"{name} is an append document: it cannot be removed."
                raise ValueError(msg)
            same = {"etag": found.etag, "match_condition": MatchConditions.IfNotModified, **_WRITE}
            # Changed in between, it is looked at again: the version that goes is one that is known to be a document's.
            if await self._ask(name, _true(blob.delete_blob(**same)), {_MISSING: True, _CHANGED: False}):
                return

    async def _create_container(self, name: str) -> bool:
        container = self._open().get_container_client(name)
        made = _true(container.create_container(**_WRITE))
        return bool(await self._ask(name, made, {_CONTAINER_EXISTS: False}))

    async def _read(self, name: str) -> Document:
        stream = await self._blob(name).download_blob()
        data: bytes = await stream.readall()
        found = stream.properties
        if found.blob_type == "AppendBlob":
            return Document(data, str(len(data)), appended=True, sealed=found.is_append_blob_sealed is True)
        digest = found.content_settings.content_md5
        if digest is not None and bytes(digest) != _digest(data):
            raise StoreDamaged(name, "does not have the digest that it was written with.", data=data)
        return Document(data, found.etag)

    async def _put(self, name: str, data: bytes, refused: Mapping[str, StoreError], **conditions: Any) -> str:
        from azure.storage.blob import ContentSettings

        settings = ContentSettings(content_md5=bytearray(_digest(data)))
        blob = self._blob(checked_name(name))
        sent = blob.upload_blob(data, length=len(data), content_settings=settings, **conditions, **_WRITE)
        written = await self._ask(name, sent, refused)
        etag: str = written["etag"]
        return etag

    async def _append(self, name: str, data: bytes, position: int) -> str:
        """Send one block; the code that it was refused with, or none. Azure takes no empty one: it is only looked whether it would fit."""
        if not data:
            found = await self._properties(name)
            if found is None:
                return _MISSING
            return "" if _end_of(found) == position and not found.is_append_blob_sealed else _NOT_THE_END
        sent = self._blob(name).append_block(data, length=len(data), appendpos_condition=position, **_WRITE)
        known = (_NOT_THE_END, _MISSING, _OTHER_KIND, _SEALED)
        told = await self._ask(name, sent, {code: code for code in known})
        return told if isinstance(told, str) else ""

    async def _properties(self, name: str) -> Any:
        return await self._ask(name, self._blob(name).get_blob_properties(), {_MISSING: None})

    async def _listed(self, prefix: str) -> AsyncIterator[str]:
        container = self._open().get_container_client(self._container(prefix))
        pages = container.list_blob_names(name_starts_with=prefix, results_per_page=self._page).by_page()
        last = ""
        while (page := await self._ask(prefix, anext(pages, None))) is not None:
            async for name in page:
                if name <= last:
                    raise StoreUnavailable(
                        prefix,
                        "is not listed in the order of bytes. Take an account without hierarchical namespace.",
                    )
                yield name
                last = name

    async def _ask(self, name: str, request: Awaitable[Any], answers: Mapping[str, Any] | None = None) -> Any:
        """What the request gives; of Azure's errors, what `answers` has for their code, raised if it is an error.

        The one place where Azure's errors become the port's. Every other one is StoreUnavailable.
        """
        import aiohttp
        from azure.core.exceptions import AzureError

        known = answers or {}
        try:
            async with asyncio.timeout(self._seconds):
                return await request
        except TimeoutError as error:
            raise StoreUnavailable(
                name, f"Azure Blob Storage did not answer within {self._seconds:g} seconds. {_REPEAT}"
            ) from error
        except (AzureError, aiohttp.ClientError, OSError) as error:
            response = getattr(error, "response", None)
            code = response.headers.get("x-ms-error-code", "") if response is not None else ""
            if code not in known:
                raise _unavailable(name, error, code) from error
        answer = known[code]
        if isinstance(answer, StoreError):
            raise answer
        return answer

    def _container(self, name: str) -> str:
        return self._prefix + CONTAINERS[name.partition("/")[0]]

    def _blob(self, name: str) -> Any:
        return self._open().get_blob_client(self._container(name), name)

    def _open(self) -> Any:
        """The client, made when it is first needed: the embedded store never loads it."""
        if self._service is None:
            from azure.storage.blob.aio import BlobServiceClient, LinearRetry

            options = {
                "transport": _transport(**self._options),
                "retry_policy": LinearRetry(**_READ),
                "max_single_get_size": _ONE_REQUEST,
                "logger": _SILENT,
                **self._options,
            }
            if self._credential is None:
                self._service = BlobServiceClient.from_connection_string(self._account, **options)
            else:
                self._service = BlobServiceClient(self._account, credential=self._credential, **options)
        return self._service


def _transport(**options: Any) -> Any:
    """Azure's transport above aiohttp, which would send a PUT or DELETE again whose connection was lost."""
    import aiohttp
    from azure.core.pipeline.transport import AioHttpTransport

    async def once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> Any:
        try:
            return await handler(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as lost:
            # aiohttp repeats after these two classes, whatever was kept of the request; not after their base.
            raise aiohttp.ClientConnectionError(type(lost).__name__) from lost

    session = aiohttp.ClientSession(
        trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, middlewares=(once,)
    )
    waits = {"connection_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
    return AioHttpTransport(session=session, **waits, **options)


def _end_of(found: Any) -> int | None:
    """Where an append document ends, by its properties; -1 if the name is a document's, None if it is nobody's."""
    if found is None:
        return None
    size: int = found.size
    return size if found.blob_type == "AppendBlob" else -1


async def _true(request: Awaitable[Any]) -> bool:
    await request
    return True


def _digest(data: bytes) -> bytes:
    # Azure's own, for what is damaged and not for what is forged.
    return hashlib.md5(data, usedforsecurity=False).digest()


def _unavailable(name: str, error: BaseException, code: str) -> StoreUnavailable:
    status = getattr(error, "status_code", None)
    what = ", ".join(filter(None, (type(error).__name__, f"status {status}" if status else "", code)))
    return StoreUnavailable(
        name, f"Azure Blob Storage did not do it ({what}). {_NEXT_STEPS.get(code, _REPEAT)}"
    )
