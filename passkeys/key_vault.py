"""Private keys in Azure Key Vault: signing keys that never leave it, and the three secrets, by the app's managed identity.

    keys/passkeys-signing-{random}   a P-256 key that may sign and verify, not exportable
    secrets/passkeys-{name}          32 bytes in base64url; the oldest enabled version counts

A key is named before the vault has made it, and so not by its thumbprint: which is which is read off the public halves, once.
Of instances that make the same secret at once each makes a version, and all take the oldest.

An answer takes a round trip; the vault's own limits are 4,000 signatures in ten seconds (docs/keys.md). What cannot be had in
SECONDS is KeysUnavailable; nothing of a key or a token is in what is said of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers

from passkeys.errors import KeysUnavailable
from passkeys.key_home import SECRET_BYTES, SECRETS, Jwk, public_jwk
from passkeys.response import decode_base64url, encode_base64url

SIGNING = "passkeys-signing-"
SECONDS = 8
# The vault tells when a version was made in whole seconds: before that is over, the oldest may not be known yet.
SETTLED_SECONDS = 1.1
# Older than this by our clock, it is as old as can be by the vault's.
FRESH_SECONDS = 30
_OPTIONS: dict[str, Any] = {
    "retry_total": 2,
    "retry_backoff_factor": 0.2,
    "retry_backoff_max": 1,
    "connection_timeout": 2,
    "read_timeout": 5,
}


class KeyVault:
    """The keys of one vault. `credential` is azure-identity's, asynchronous; `options` go to Azure's clients."""

    def __init__(
        self,
        url: str,
        credential: Any,
        *,
        random_bytes: Callable[[int], bytes],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        **options: Any,
    ) -> None:
        self._url = url
        self._credential = credential
        self._random_bytes = random_bytes
        self._sleep = sleep
        self._now = now
        self._options = {**_OPTIONS, **options}
        self._clients: tuple[Any, Any] | None = None
        self._signers: dict[str, tuple[str, Any]] = {}
        self._secrets: dict[str, bytes] = {}

    async def create(self) -> Jwk:
        """A new key, made in the vault."""
        keys, _ = self._open()
        name = f"{SIGNING}{self._random_bytes(16).hex()}"
        async with _told("made"):
            made = await keys.create_ec_key(
                name, curve="P-256", key_operations=["sign", "verify"], exportable=False
            )
        return self._known(made)

    async def sign(self, key_id: str, data: bytes) -> bytes:
        """ES256: r and s, 32 bytes each, as the vault gives them."""
        if key_id not in self._signers:
            await self._look()
        if key_id not in self._signers:
            raise KeysUnavailable("There is no such key in the vault. Look at PASSKEYS_KEYS.")
        from azure.core.exceptions import ResourceNotFoundError

        try:
            async with _told("used"):
                _, signer = self._signers[key_id]
                signed = await signer.sign("ES256", hashlib.sha256(data).digest())
        except KeysUnavailable as unavailable:
            if isinstance(unavailable.__cause__, ResourceNotFoundError):
                await self._drop(key_id)  # removed, by another instance perhaps
            raise
        signature: bytes = signed.signature
        return signature

    async def delete(self, key_id: str) -> None:
        """Delete it. The vault keeps it for who may recover it, and signs with it no more."""
        keys, _ = self._open()
        if key_id not in self._signers:
            await self._look()
        name = await self._drop(key_id)
        if name is None:
            return
        from azure.core.exceptions import ResourceNotFoundError

        async with _told("removed"):
            with suppress(ResourceNotFoundError, _Accepted):
                await keys.delete_key(name, raw_response_hook=_accepted)

    async def secret(self, name: str) -> bytes:
        """One of SECRETS, made if nobody has."""
        if name not in SECRETS:
            raise ValueError(f"{name!r} is none of {', '.join(SECRETS)}.")
        if name not in self._secrets:
            self._secrets[name] = await self._secret(f"passkeys-{name}")
        return self._secrets[name]

    async def close(self) -> None:
        """Let go of the connections."""
        if self._clients is not None:
            for client in (*self._clients, *(signer for _, signer in self._signers.values())):
                await client.close()
            self._clients = None
        self._signers.clear()

    async def _secret(self, name: str) -> bytes:
        _, secrets = self._open()
        async with _told("read"):
            oldest = await self._oldest(name)
            made = oldest is None
            if made:
                await secrets.set_secret(name, encode_base64url(self._random_bytes(SECRET_BYTES)))
                oldest = await self._oldest(name)
            # Whoever makes one, and whoever finds one that was just made: another of the same second may come before it.
            if made or oldest is None or self._now() - oldest[0].timestamp() < FRESH_SECONDS:
                await self._sleep(SETTLED_SECONDS)
                oldest = await self._oldest(name)
            found = await secrets.get_secret(name, oldest[1] if oldest else None)
        try:
            value = decode_base64url(found.value)
        except (ValueError, TypeError):
            value = b""
        if len(value) != SECRET_BYTES:
            raise KeysUnavailable(
                f"The secret {name} is not {SECRET_BYTES} bytes in base64url. Disable that version."
            )
        return value

    async def _oldest(self, name: str) -> tuple[datetime, str] | None:
        _, secrets = self._open()
        versions = [
            (version.created_on, version.version)
            async for version in secrets.list_properties_of_secret_versions(name)
            if version.enabled
        ]
        return min(versions, default=None)

    async def _look(self) -> None:
        """Read which of the vault's keys is which."""
        keys, _ = self._open()
        names = {name for name, _ in self._signers.values()}
        async with _told("read"):
            async for listed in keys.list_properties_of_keys():
                if listed.name.startswith(SIGNING) and listed.name not in names and listed.enabled:
                    self._known(await keys.get_key(listed.name))

    async def _drop(self, key_id: str) -> str | None:
        """Forget which key it is; its name, if it was known."""
        name, signer = self._signers.pop(key_id, (None, None))
        if signer is not None:
            await signer.close()
        return name

    def _known(self, key: Any) -> Jwk:
        from azure.keyvault.keys.crypto.aio import CryptographyClient

        numbers = EllipticCurvePublicNumbers(
            int.from_bytes(key.key.x, "big"), int.from_bytes(key.key.y, "big"), SECP256R1()
        )
        jwk = public_jwk(numbers.public_key())
        self._signers[jwk["kid"]] = key.name, CryptographyClient(key, self._credential, **self._options)
        return jwk

    def _open(self) -> tuple[Any, Any]:
        """The clients, made when they are first needed: the local profile never loads them."""
        if self._clients is None:
            from azure.keyvault.keys.aio import KeyClient
            from azure.keyvault.secrets.aio import SecretClient

            self._clients = (
                KeyClient(self._url, self._credential, **self._options),
                SecretClient(self._url, self._credential, **self._options),
            )
        return self._clients


class _Accepted(Exception):
    """The vault has taken a key away. Azure's client would wait until it is filed among the deleted, which may take long."""


def _accepted(response: Any) -> None:
    answer = response.http_response
    if response.http_request.method == "DELETE" and answer.status_code == 200:
        raise _Accepted


@asynccontextmanager
async def _told(done: str) -> AsyncIterator[None]:
    """In time, and Azure's errors as the port's: what kind, and never what was sent or answered."""
    from azure.core.exceptions import AzureError

    try:
        # Azure's clients keep to any Retry-After, whatever their own `timeout` says.
        async with asyncio.timeout(SECONDS):
            yield
    except TimeoutError:
        raise KeysUnavailable(
            f"Key Vault did not answer within {SECONDS} seconds. See docs/keys.md."
        ) from None
    except AzureError as error:
        status = getattr(error, "status_code", None)
        what = type(error).__name__ + (f", status {status}" if status else "")
        raise KeysUnavailable(
            f"A private key could not be {done} in Key Vault ({what}). See docs/keys.md."
        ) from error
