"""Private keys in a folder of this machine, for the local profile: one file each, for its owner alone.

    signing/{thumbprint}.pem   a P-256 key, PKCS #8, unencrypted
    secrets/{name}             32 bytes

A file is written whole under another name, flushed, and linked to its own: it is there as a whole or not at all, and of two
processes that make the same secret at once one is first, for both. A file that others could read is refused, not mended:
whoever has read it may have kept it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from passkeys.errors import KeysUnavailable
from passkeys.key_home import SECRET_BYTES, SECRETS, Jwk, public_jwk

# RFC 7638: a SHA-256 in base64url.
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_OTHERS = 0o077


class LocalKeys:
    """The keys in `folder`, which is made when the first is. What was read once is kept, for as long as the file is there."""

    def __init__(self, folder: Path, *, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._folder = folder
        self._random_bytes = random_bytes
        self._keys: dict[str, EllipticCurvePrivateKey] = {}
        self._secrets: dict[str, bytes] = {}

    async def create(self) -> Jwk:
        """A new key, on disk before it is told of."""
        key = generate_private_key(SECP256R1())
        jwk = public_jwk(key.public_key())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._write(self._key_file(jwk["kid"]), pem)
        return jwk

    async def sign(self, key_id: str, data: bytes) -> bytes:
        """ES256: r and s, 32 bytes each."""
        r, s = decode_dss_signature(self._key(key_id).sign(data, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    async def delete(self, key_id: str) -> None:
        """Remove the file. Another process that has read it signs no more either: it looks for the file."""
        self._keys.pop(key_id, None)
        with _told("removed"), suppress(FileNotFoundError):
            self._key_file(key_id).unlink()

    async def secret(self, name: str) -> bytes:
        """One of SECRETS, made if nobody has."""
        if name not in SECRETS:
            raise ValueError(f"{name!r} is none of {', '.join(SECRETS)}.")
        if name not in self._secrets:
            file = self._folder / "secrets" / name
            if not file.exists():
                self._write(file, self._random_bytes(SECRET_BYTES))
            found = _read(file)
            if len(found) != SECRET_BYTES:
                raise KeysUnavailable(f"{file} does not have {SECRET_BYTES} bytes. Restore it from a copy.")
            self._secrets[name] = found
        return self._secrets[name]

    def _key(self, key_id: str) -> EllipticCurvePrivateKey:
        file = self._key_file(key_id)
        if key_id not in self._keys or not file.exists():
            self._keys.pop(key_id, None)
            try:
                key = load_pem_private_key(_read(file), password=None)
            except (ValueError, TypeError, UnsupportedAlgorithm):
                raise KeysUnavailable(f"{file} is no private key. Restore it from a copy.") from None
            if not isinstance(key, EllipticCurvePrivateKey) or public_jwk(key.public_key())["kid"] != key_id:
                raise KeysUnavailable(f"{file} is another key than its name says. Restore it from a copy.")
            self._keys[key_id] = key
        return self._keys[key_id]

    def _key_file(self, key_id: str) -> Path:
        if not _KEY_ID.match(key_id):
            raise KeysUnavailable("There is no such key in the folder of keys.")
        return self._folder / "signing" / f"{key_id}.pem"

    def _write(self, file: Path, data: bytes) -> None:
        """The file, unless there is one of its name: then that one counts."""
        draft = file.with_name(f".{file.name}.{self._random_bytes(8).hex()}")
        with _told("written"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._folder.stat().st_mode & _OTHERS:
                raise KeysUnavailable(
                    f"{self._folder} can be read by others. Name a folder of its own in PASSKEYS_KEYS, or narrow its mode to 0700."
                )
            file.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as written:
                    written.write(data)
                    written.flush()
                    os.fsync(written.fileno())
                with suppress(FileExistsError):
                    os.link(draft, file)
            finally:
                draft.unlink()
            folder = os.open(file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _read(file: Path) -> bytes:
    with _told("read"), file.open("rb") as opened:
        if os.fstat(opened.fileno()).st_mode & _OTHERS:
            raise KeysUnavailable(
                f"{file} can be read by others. Say who may have read it, remove it, and let a new one be made."
            )
        return opened.read(64 * 1024)


@contextmanager
def _told(done: str) -> Iterator[None]:
    """The system's errors as the port's."""
    try:
        yield
    except OSError as error:
        raise KeysUnavailable(
            f"A private key could not be {done}: {error}. Look at PASSKEYS_KEYS."
        ) from error
