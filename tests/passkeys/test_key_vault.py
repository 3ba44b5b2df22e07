"""Keys in Azure Key Vault, by Azure's own clients: made there, used there, agreed on by instances, and gone when removed.

The contract of all homes holds for it too: tests/passkeys/test_key_homes.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from passkeys import key_vault
from passkeys.errors import KeysUnavailable
from passkeys.key_vault import SIGNING, KeyVault
from passkeys.response import encode_base64url
from passkeys.settings import load
from passkeys.signing_keys import SigningKeys
from tests.fakes.key_vault import TOKEN, Credential, Vault, vault
from tests.passkeys.stores import MemoryStore
from tests.passkeys.worlds import Clock, CountedBytes


@dataclass
class Opened:
    """A vault, and the instances that use it."""

    vault: Vault
    options: dict[str, Any]
    instances: list[KeyVault]

    def instance(self, *, drawn: int = 0) -> KeyVault:
        async def no_sleep(_: float) -> None:
            await asyncio.sleep(0.05)

        made = KeyVault(
            self.vault.url,
            Credential(),
            random_bytes=CountedBytes(drawn=drawn),
            sleep=no_sleep,
            **self.options,
        )
        self.instances.append(made)
        return made


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    async with vault(tmp_path) as (made, options):
        found = Opened(made, options, [])
        yield found
        for instance in found.instances:
            await instance.close()


async def test_a_key_is_made_in_the_vault_and_found_by_every_instance(opened: Opened) -> None:
    """By its thumbprint, which is not its name; what is in the vault besides is left alone."""
    first, second = opened.instance(), opened.instance(drawn=100)
    jwk = await first.create()
    opened.vault.keys["somebody-elses"] = next(iter(opened.vault.keys.values()))
    assert len(await second.sign(jwk["kid"], b"x")) == 64
    assert all(name.startswith(SIGNING) for name in opened.vault.keys if name != "somebody-elses")
    with pytest.raises(KeysUnavailable):
        await second.sign("A" * 43, b"x")


async def test_a_signature_is_one_request(opened: Opened) -> None:
    """Once a key is known: nothing else is asked."""
    home = opened.instance()
    jwk = await home.create()
    before = dict(opened.vault.asked)
    for _ in range(3):
        await home.sign(jwk["kid"], b"x")
    after = {name: count - before.get(name, 0) for name, count in opened.vault.asked.items()}
    assert {name: count for name, count in after.items() if count} == {"sign": 3}


async def test_a_key_that_another_instance_has_removed_signs_no_more(opened: Opened) -> None:
    """And the ring finds another one to sign with."""
    ours, theirs = opened.instance(), opened.instance(drawn=100)
    store, settings, clock = MemoryStore(), load({}), Clock()
    signing = SigningKeys(store, ours, settings, clock=clock)
    old, _ = await signing.signature(lambda key_id: key_id.encode())
    await SigningKeys(store, theirs, settings, clock=clock).remove(old.decode(), by="a test")
    with pytest.raises(KeysUnavailable):
        await ours.sign(old.decode(), b"x")
    new, _ = await signing.signature(lambda key_id: key_id.encode())
    assert new != old
    assert len(opened.vault.deleted) == 1


async def test_instances_that_make_a_secret_at_once_agree(opened: Opened) -> None:
    """Whichever version is oldest, for all of them, then and later."""
    opened.vault.clock = lambda: int(time.time())
    instances = [opened.instance(drawn=100 * number) for number in range(4)]
    for instance in instances:
        instance._sleep = asyncio.sleep
    found = await asyncio.gather(*(instance.secret("refresh") for instance in instances))
    assert len(set(found)) == 1
    opened.vault.clock = lambda: int(time.time()) + 100
    opened.vault.set_secret("passkeys-refresh", {"value": encode_base64url(b"y" * 32)})
    assert await opened.instance(drawn=900).secret("refresh") == found[0]


async def test_who_finds_a_secret_that_was_just_made_waits_for_those_of_the_same_second(
    opened: Opened,
) -> None:
    """An instance that has seen none yet may still add one that comes first."""
    opened.vault.set_secret("passkeys-refresh", {"value": encode_base64url(b"b" * 32)}, version="b" * 32)
    now = int(time.time())

    async def meanwhile(_: float) -> None:
        opened.vault.set_secret("passkeys-refresh", {"value": encode_base64url(b"a" * 32)}, version="a" * 32)
        versions = opened.vault.secrets["passkeys-refresh"]
        opened.vault.secrets["passkeys-refresh"] = [(name, now, value) for name, _, value in versions]

    found = opened.instance()
    found._sleep = meanwhile
    opened.vault.secrets["passkeys-refresh"] = [
        (name, now, value) for name, _, value in opened.vault.secrets["passkeys-refresh"]
    ]
    assert await found.secret("refresh") == b"a" * 32


async def test_a_key_is_removed_when_the_vault_says_so(opened: Opened) -> None:
    """Not when it has filed it among the deleted, which may take long; and what another has removed is removed."""
    opened.vault.slow = True
    ours, theirs = opened.instance(), opened.instance(drawn=100)
    jwk = await ours.create()
    await theirs.sign(jwk["kid"], b"x")
    async with asyncio.timeout(2):
        await ours.delete(jwk["kid"])
        await theirs.delete(jwk["kid"])
    assert len(opened.vault.deleted) == 1


async def test_a_secret_that_is_none_is_told(opened: Opened) -> None:
    """By its name, and without its value."""
    opened.vault.set_secret("passkeys-nonce", {"value": "too short a secret"})
    with pytest.raises(KeysUnavailable, match="passkeys-nonce is not 32 bytes") as told:
        await opened.instance().secret("nonce")
    assert "too short a secret" not in str(told.value)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_fault_that_passes_is_not_noticed(opened: Opened, status: int) -> None:
    """One refusal for now, and then a signature."""
    home = opened.instance()
    jwk = await home.create()
    opened.vault.trouble.append((status, {"Retry-After": "0"}))
    assert len(await home.sign(jwk["kid"], b"x")) == 64


async def test_a_vault_that_stays_away_is_told_in_time(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded, whatever pause the vault asks for; and nothing of the token in what is said."""
    monkeypatch.setattr(key_vault, "SECONDS", 0.2)
    home = opened.instance()
    jwk = await home.create()
    opened.vault.trouble.extend([(429, {"Retry-After": "60"})] * 5)
    async with asyncio.timeout(5):
        with pytest.raises(KeysUnavailable, match="did not answer within") as told:
            await home.sign(jwk["kid"], b"x")
    assert TOKEN not in str(told.value)


async def test_an_identity_without_the_role_is_told(opened: Opened) -> None:
    """By the status, with the page to look at."""
    opened.vault.trouble.extend([(403, {})] * 2)
    with pytest.raises(KeysUnavailable, match=r"status 403\). See docs/keys.md"):
        await opened.instance().create()
