"""What the store in Azure Blob Storage promises beside the contract: what is kept how, what is sent once, what nobody hears of.

The contract of all homes holds for it too: tests/passkeys/test_store_contract.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient

from passkeys import blob_store
from passkeys.blob_store import BlobStore
from passkeys.errors import StoreDamaged, StoreUnavailable, WrongPosition
from passkeys.response import encode_base64url
from passkeys.store import CONTAINERS
from tests.azurite.lossy import lossy
from tests.azurite.server import ACCOUNT, KEY, Account, azurite
from tests.hosts import ROOT
from tests.passkeys.stores import Faults
from tests.passkeys.test_metadata_source import ROOT_PEM, SERVER_PEM


@pytest.fixture
def prefix() -> str:
    return f"{secrets.token_hex(8)}-"


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def store(storage_account: Account, prefix: str, faults: Faults) -> AsyncIterator[BlobStore]:
    async with lossy(storage_account, faults) as account:
        made = BlobStore(account.connection, prefix=prefix)
        await made.create_containers()
        faults.writes = 0
        yield made
        await made.close()


@pytest.fixture
async def azure(storage_account: Account) -> AsyncIterator[BlobServiceClient]:
    """Azure's own client, as somebody else at the account."""
    async with BlobServiceClient.from_connection_string(storage_account.connection) as client:
        yield client


def test_every_container_is_somebodys() -> None:
    """Each first part of the table is one that the sources build names of, and each container's name is one with a prefix too.

    A first part that is not in the table is refused by every home.
    """
    sources = "".join(
        file.read_text("utf-8") for file in (ROOT / "passkeys").rglob("*.py") if file.name != "store.py"
    )
    unused = [part for part in CONTAINERS if not re.search(rf'"{part}(?:/|"[,)\n])', sources)]
    assert unused == []
    assert all(re.fullmatch(r"[a-z]{3,31}", container) for container in CONTAINERS.values())


def test_the_page_has_the_containers_that_the_code_has() -> None:
    """docs/storage.md: each container, with the first parts of what it holds."""
    page = (ROOT / "docs" / "storage.md").read_text("utf-8")
    told = {
        part: row[1]
        for row in re.finditer(r"^\| `([a-z]+)` \| ((?:`[a-z-]+/`,? ?)+)\|", page, re.MULTILINE)
        for part in re.findall(r"`([a-z-]+)/`", row[2])
    }
    assert told == CONTAINERS


async def test_containers_are_made_once(store: BlobStore, prefix: str, azure: BlobServiceClient) -> None:
    """Made again, none is; each has the prefix."""
    again = await store.create_containers()
    assert again == [(f"{prefix}{name}", False) for name in sorted(set(CONTAINERS.values()))]
    assert {found.name async for found in azure.list_containers(name_starts_with=prefix)} == {
        name for name, _ in again
    }


async def test_a_document_is_in_the_container_of_its_first_part(
    store: BlobStore, prefix: str, azure: BlobServiceClient
) -> None:
    """Under its whole name, so that an app's identity can be given one container and not another."""
    await store.create("names/a.json", b"1")
    await store.append("audit/00/a.jsonl", b"1", position=0)
    for container, name, kind in (
        ("people", "names/a.json", "BlockBlob"),
        ("audit", "audit/00/a.jsonl", "AppendBlob"),
    ):
        found = await azure.get_blob_client(f"{prefix}{container}", name).get_blob_properties()
        assert found.blob_type == kind


async def test_without_its_container_nothing_is_kept_and_nothing_is_missing(storage_account: Account) -> None:
    """A container that is not there is not "no such document", which would let anybody be created twice: it says what to do."""
    nowhere = BlobStore(storage_account.connection, prefix="nowhere-")
    for request in (
        nowhere.get("usage/a"),
        nowhere.create("usage/a", b""),
        nowhere.replace("usage/a", b"", etag='"0x1"'),
        nowhere.append("audit/a", b"x", position=0),
        nowhere.append("audit/a", b"x", position=7),
        nowhere.delete("usage/a"),
        anext(nowhere.list("usage/")),
    ):
        with pytest.raises(StoreUnavailable, match="python -m passkeys storage create"):
            await request
    await nowhere.close()


async def test_an_append_is_one_request(store: BlobStore, faults: Faults) -> None:
    """Three for the first of a document, which finds that there is none, and makes it; and each document's write is one."""
    end = await store.append("audit/a", b"one", position=0)
    assert faults.writes == 3
    await store.append("audit/a", b"two", position=end)
    assert faults.writes == 4
    etag = await store.create("usage/a", b"1")
    await store.replace("usage/a", b"2", etag=etag)
    assert faults.writes == 6


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_first_append_that_failed_can_be_made_again(
    store: BlobStore, faults: Faults, at: int, kept: bool
) -> None:
    """Wherever it broke off there is nothing, an empty document or the whole; asked again, it is there once."""
    faults.at, faults.kept = at, kept
    with pytest.raises(StoreUnavailable):
        await store.append("audit/a", b"one\n", position=0)
    found = await store.get("audit/a")
    assert (found.data if found else None) == {
        (1, False): None, (1, True): None, (2, False): None, (2, True): b"", (3, False): b"", (3, True): b"one\n",
    }[at, kept]  # fmt: skip
    if (at, kept) == (3, True):
        with pytest.raises(WrongPosition) as wrong:
            await store.append("audit/a", b"one\n", position=0)
        assert wrong.value.actual == 4
    else:
        assert await store.append("audit/a", b"one\n", position=0) == 4
    found = await store.get("audit/a")
    assert found is not None
    assert found.data == b"one\n"


async def test_a_document_that_somebody_altered_is_damage(
    store: BlobStore, prefix: str, azure: BlobServiceClient
) -> None:
    """Other bytes under the digest of those that were written: said so, with what is there."""
    await store.create("usage/a", b"written")
    client = azure.get_blob_client(f"{prefix}usage", "usage/a")
    digest = (await client.get_blob_properties()).content_settings.content_md5
    await client.upload_blob(b"altered", overwrite=True)
    await client.set_http_headers(ContentSettings(content_md5=digest))
    with pytest.raises(StoreDamaged) as damaged:
        await store.get("usage/a")
    assert damaged.value.data == b"altered"


async def test_a_document_changed_while_it_is_deleted_goes_all_the_same(
    storage_account: Account, store: BlobStore, prefix: str
) -> None:
    """What goes is a version that was seen to be a document's: changed in between, it is looked at again."""
    etag = await store.create("usage/a", b"1")
    methods: list[str] = []

    async def change(method: str) -> None:
        methods.append(method)
        if methods == ["HEAD", "DELETE"]:
            await store.replace("usage/a", b"2", etag=etag)

    async with lossy(storage_account, Faults(), meanwhile=change) as account:
        other = BlobStore(account.connection, prefix=prefix)
        await other.delete("usage/a")
        await other.close()
    assert methods == ["HEAD", "DELETE"] * 2
    assert await store.get("usage/a") is None


async def test_who_does_not_answer_is_given_up(prefix: str) -> None:
    """In the time that was given, for reading, writing and listing; an account that is not there, too."""

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        store = BlobStore(Account(f"http://127.0.0.1:{port}").connection, prefix=prefix, seconds=0.2)
        for request in (
            store.get("usage/a"),
            store.create("usage/a", b""),
            store.delete("usage/a"),
            anext(store.list("usage/")),
        ):
            with pytest.raises(StoreUnavailable, match=r"within 0\.2 seconds"):
                await request
        await store.close()
    gone = BlobStore(Account(f"http://127.0.0.1:{port}").connection, prefix=prefix)
    with pytest.raises(StoreUnavailable, match="ServiceRequestError"):
        await gone.create("usage/a", b"")
    await gone.close()


@dataclass
class Identity:
    """What azure-identity's credentials are to a client: tokens as Entra ID's for the managed identity, for `audience`."""

    audience: str = "https://storage.azure.com"
    asked: list[str] = field(default_factory=list)
    closed: bool = False

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.asked += scopes
        now = int(time.time())
        claims = {
            "aud": self.audience, "iss": "https://sts.windows.net/6f9619ff-8b86-4011-b42d-00cf4fc964ff/",
            "nbf": now - 60, "iat": now - 60, "exp": now + 3600,
        }  # fmt: skip
        parts = (
            encode_base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)
        )
        return AccessToken(".".join([*parts, encode_base64url(b"unsigned")]), now + 3600)

    async def close(self) -> None:
        self.closed = True


class NoIdentity(Identity):
    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        raise ClientAuthenticationError("no managed identity")


async def test_an_account_is_asked_as_an_identity(tmp_path: Path) -> None:
    """By a bearer token for Azure Storage; of one that it does not take, and of none, nothing is believed to be missing."""
    tls = tmp_path / "server.pem"
    tls.write_bytes(SERVER_PEM)
    (tmp_path / "root.pem").write_bytes(ROOT_PEM)
    with azurite(tls=tls) as account:
        address = f"{account.url.replace('127.0.0.1', 'localhost')}/{ACCOUNT}"
        trusting = {"connection_verify": str(tmp_path / "root.pem")}
        identity = Identity()
        store = BlobStore(address, identity, **trusting)
        await store.create_containers()
        await store.create("usage/a", b"1")
        found = await store.get("usage/a")
        assert found is not None
        assert set(identity.asked) == {"https://storage.azure.com/.default"}
        await store.close()
        assert identity.closed
        for credential, says in (
            (Identity("https://vault.azure.net"), "status 403"),
            (NoIdentity(), "ClientAuthenticationError"),
        ):
            other = BlobStore(address, credential, **trusting)
            with pytest.raises(StoreUnavailable, match=says):
                await other.get("usage/none")
            await other.close()


async def test_no_log_has_a_name_an_address_or_a_key(
    store: BlobStore, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    """Azure's client tells each request with its address: of ours that is whose document it is. Nor do errors have the key."""
    caplog.set_level(logging.DEBUG)
    await store.create("usage/whose", b"1")
    faults.at = faults.writes + 1
    with pytest.raises(StoreUnavailable) as unavailable:
        await store.delete("usage/whose")
    assert "whose" not in caplog.text
    assert KEY not in caplog.text + str(unavailable.value) + str(unavailable.value.__cause__)


async def test_a_wrong_key_is_not_shown(storage_account: Account) -> None:
    """A wrong key is StoreUnavailable, and its message has no key."""
    wrong = "c2VjcmV0"
    store = BlobStore(storage_account.connection.replace(KEY, wrong))
    with pytest.raises(StoreUnavailable, match="403") as unavailable:
        await store.get("usage/a")
    assert wrong not in str(unavailable.value)
    await store.close()


def test_the_local_profile_loads_nothing_of_azures_storage() -> None:
    """It would cost each start and each command half a second."""
    told = subprocess.run(
        [sys.executable, "-c", "import passkeys.world, sys; print('azure.storage' in sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "False"


def test_nothing_waits_longer_than_the_whole() -> None:
    """Each wait of a request ends before the time for all of it does."""
    assert blob_store.CONNECT_SECONDS + blob_store.READ_SECONDS < blob_store.SECONDS
