"""The homes of private keys: one contract, and what a folder owes besides."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from joserfc.jws import deserialize_compact, serialize_compact

from passkeys.errors import KeysUnavailable
from passkeys.jwks import read_key_set, verified_payload
from passkeys.key_home import SECRETS, KeyHome
from passkeys.key_vault import KeyVault
from passkeys.local_keys import LocalKeys
from passkeys.response import encode_base64url
from tests.fakes.key_vault import Credential, vault
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.worlds import CountedBytes

HOMES: dict[str, Callable[[Path], KeyHome]] = {
    "folder": lambda folder: LocalKeys(folder / "keys"),
    "memory": lambda _: MemoryKeys(),
}
HEADER = encode_base64url(b'{"alg":"ES256"}')


@pytest.fixture(params=[*HOMES, "key vault"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyHome]:
    if request.param in HOMES:
        yield HOMES[request.param](tmp_path)
        return
    async with vault(tmp_path) as (running, options):
        found = KeyVault(running.url, Credential(), random_bytes=CountedBytes(), sleep=_soon, **options)
        yield found
        await found.close()


async def _soon(_: float) -> None:
    pass


async def test_a_signature_is_one_that_the_published_key_verifies(home: KeyHome) -> None:
    """ES256 as JOSE writes it, checked by what checks everybody's tokens; the key is named by its thumbprint."""
    jwk = await home.create()
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert jwk["kid"] == ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")}).thumbprint()
    signed = f"{HEADER}.{encode_base64url(b'content')}"
    token = f"{signed}.{encode_base64url(await home.sign(jwk['kid'], signed.encode()))}"
    assert deserialize_compact(token, ECKey.import_key(dict(jwk))).payload == b"content"


async def test_each_key_is_another(home: KeyHome) -> None:
    """Two keys do not sign for each other."""
    one, other = await home.create(), await home.create()
    assert one["kid"] != other["kid"]
    assert await home.sign(one["kid"], b"x") != await home.sign(other["kid"], b"x")


async def test_a_deleted_key_signs_no_more(home: KeyHome) -> None:
    """And deleting it again does no harm."""
    jwk = await home.create()
    await home.sign(jwk["kid"], b"x")
    await home.delete(jwk["kid"])
    await home.delete(jwk["kid"])
    with pytest.raises(KeysUnavailable):
        await home.sign(jwk["kid"], b"x")


@pytest.mark.parametrize("key_id", ["A" * 43, "../../etc/passwd", ""])
async def test_a_key_that_is_not_there_does_not_sign(home: KeyHome, key_id: str) -> None:
    """Whatever it is called."""
    with pytest.raises(KeysUnavailable):
        await home.sign(key_id, b"x")


async def test_a_secret_is_the_same_each_time_and_another_for_each_use(home: KeyHome) -> None:
    """32 bytes for each name; a name that nobody has agreed on is a bug."""
    first = [await home.secret(name) for name in SECRETS]
    assert [await home.secret(name) for name in SECRETS] == first
    assert {len(secret) for secret in first} == {32}
    assert len(set(first)) == len(SECRETS)
    with pytest.raises(ValueError, match="other"):
        await home.secret("other")


async def test_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    """No file and no folder can be read by others, whatever the umask, and no half-written file stays behind."""
    keys = LocalKeys(tmp_path / "state" / "keys")
    await keys.create()
    await keys.secret("refresh")
    found = list((tmp_path / "state" / "keys").rglob("*"))
    files = [path for path in found if path.is_file()]
    assert len(files) == 2
    assert not any(path.name.startswith(".") for path in files)
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in files)
    assert stat.S_IMODE((tmp_path / "state" / "keys").stat().st_mode) == 0o700


async def test_a_folder_is_there_after_a_restart(tmp_path: Path) -> None:
    """Another process signs with the same key and derives from the same secret."""
    first = LocalKeys(tmp_path / "k")
    jwk, secret = await first.create(), await first.secret("refresh")
    second = LocalKeys(tmp_path / "k")
    assert await second.secret("refresh") == secret
    signed = f"{HEADER}.{encode_base64url(b'{}')}".encode()
    token = signed + b"." + encode_base64url(await second.sign(jwk["kid"], signed)).encode()
    (key,) = read_key_set(b'{"keys":[%s]}' % _json(jwk))[jwk["kid"]]
    assert verified_payload(token, key=key, algorithm="ES256") == b"{}"


async def test_a_key_that_another_process_has_removed_signs_no_more(tmp_path: Path) -> None:
    """An emergency removal holds for who has read the key already."""
    ours, theirs = LocalKeys(tmp_path / "k"), LocalKeys(tmp_path / "k")
    jwk = await ours.create()
    await ours.sign(jwk["kid"], b"x")
    await theirs.delete(jwk["kid"])
    with pytest.raises(KeysUnavailable):
        await ours.sign(jwk["kid"], b"x")


def _secret_of(folder: Path) -> bytes:
    return asyncio.run(LocalKeys(folder).secret("refresh"))


def test_processes_that_make_a_secret_at_once_agree(tmp_path: Path) -> None:
    """The first one's counts, for all of them."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_secret_of, [tmp_path / "k"] * 16))) == 1


async def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It may have been read: it is not used again, and the message says what to do."""
    jwk = await LocalKeys(tmp_path / "k").create()
    await LocalKeys(tmp_path / "k").secret("refresh")
    for file in (tmp_path / "k" / "signing" / f"{jwk['kid']}.pem", tmp_path / "k" / "secrets" / "refresh"):
        file.chmod(0o640)
    with pytest.raises(KeysUnavailable, match="can be read by others"):
        await LocalKeys(tmp_path / "k").sign(jwk["kid"], b"x")
    with pytest.raises(KeysUnavailable, match="can be read by others"):
        await LocalKeys(tmp_path / "k").secret("refresh")


async def test_a_folder_that_others_can_read_is_not_taken(tmp_path: Path) -> None:
    """Somebody's home, for instance: its mode is not for us to change."""
    (tmp_path / "wide").mkdir(mode=0o755)
    with pytest.raises(KeysUnavailable, match="a folder of its own"):
        await LocalKeys(tmp_path / "wide").create()
    assert stat.S_IMODE((tmp_path / "wide").stat().st_mode) == 0o755


async def test_a_damaged_file_is_told_without_its_content(tmp_path: Path) -> None:
    """Garbage, another key under the name, a short secret: said so, and never used."""
    keys = LocalKeys(tmp_path / "k")
    one, other = await keys.create(), await keys.create()
    files = {jwk["kid"]: tmp_path / "k" / "signing" / f"{jwk['kid']}.pem" for jwk in (one, other)}
    files[one["kid"]].write_bytes(files[other["kid"]].read_bytes())
    with pytest.raises(KeysUnavailable, match="another key than its name says"):
        await LocalKeys(tmp_path / "k").sign(one["kid"], b"x")
    files[one["kid"]].write_bytes(b"secret garbage")
    with pytest.raises(KeysUnavailable, match="is no private key") as told:
        await LocalKeys(tmp_path / "k").sign(one["kid"], b"x")
    assert "secret garbage" not in str(told.value)
    await keys.secret("nonce")
    (tmp_path / "k" / "secrets" / "nonce").write_bytes(b"short")
    with pytest.raises(KeysUnavailable, match="32 bytes"):
        await LocalKeys(tmp_path / "k").secret("nonce")


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The system's own words, and which setting to look at."""
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(KeysUnavailable, match="Look at PASSKEYS_KEYS"):
        await LocalKeys(tmp_path / "keys").create()


def test_tokens_of_the_library_and_of_a_home_are_alike() -> None:
    """The library's own signature has the same form: nothing of ours is between them."""
    token = serialize_compact({"alg": "ES256"}, b"{}", ECKey.generate_key("P-256"))
    assert len(token.split(".")[2]) == 86


def _json(jwk: object) -> bytes:
    return json.dumps(jwk).encode()
