"""Where a metadata BLOB comes from: a file, or an https address. Bounded in size and time; what it is worth is judged later.

The signature is what makes a BLOB FIDO's. https is demanded all the same: whoever sits in between could else keep
an old one before us, genuinely signed, until its signer expires.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp

from passkeys.errors import MetadataFault, MetadataInvalid, MetadataUnreachable
from passkeys.metadata_blob import MAX_BLOB
from passkeys.settings import is_address

# Ten megabytes in a minute is slow DSL. Three tries of it must fit into the five minutes that Azure may give an activity.
TOTAL_SECONDS = 60
CONNECT_SECONDS = 15
MAX_REDIRECTS = 3
_CHUNK = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def read_blob(source: str, *, tls: ssl.SSLContext | None = None) -> bytes:
    """The bytes at `source`, an https address or a path. `tls` None: the certificates that Python trusts.

    Raises MetadataUnreachable, and MetadataInvalid for more than MAX_BLOB bytes.
    """
    if not is_address(source):
        return await asyncio.to_thread(_read_file, Path(source))
    try:
        return await _fetch(source, tls)
    except TimeoutError:
        raise MetadataUnreachable(f"{source} did not answer within {TOTAL_SECONDS} seconds.") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise MetadataUnreachable(f"{source} could not be read: {error!r:.300}.") from error


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BLOB + 1)
    except OSError as error:
        raise MetadataUnreachable(f"{path} could not be read: {error}.") from error
    _check_size(len(data))
    return data


async def _fetch(address: str, tls: ssl.SSLContext | None) -> bytes:
    # No environment: a proxy or a .netrc that happens to be there is nobody's decision. No cookies, no compression: a
    # bound on what arrives is then one on what is kept.
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
        headers={"Accept-Encoding": "identity", "Accept": "*/*"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        for _ in range(MAX_REDIRECTS + 1):
            if urlsplit(address).scheme != "https":
                raise MetadataUnreachable(f"{address} is not an https address.")
            async with session.get(
                address, ssl=True if tls is None else tls, allow_redirects=False
            ) as response:
                if response.status in _REDIRECTS:
                    address = _redirected(address, response.headers.get("Location", ""))
                    continue
                if response.status != 200:
                    raise MetadataUnreachable(f"{address} answered {response.status}.")
                return await _body(response)
    raise MetadataUnreachable(f"{address} is the end of more than {MAX_REDIRECTS} redirects.")


def _redirected(address: str, location: str) -> str:
    """Where a redirect leads, if that is the same host, by https. Who was configured decides what is read."""
    target = urljoin(address, location)
    if _origin(target) != _origin(address):
        raise MetadataUnreachable(
            f"{address} redirects to {target:.200}. Set PASSKEYS_METADATA to the address that is meant."
        )
    return target


def _origin(address: str) -> tuple[str, str | None, int]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or 443


async def _body(response: aiohttp.ClientResponse) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise MetadataUnreachable(f"{response.url} is compressed ({encoding:.20}), which was not asked for.")
    received = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        received += chunk
        _check_size(len(received))
    return bytes(received)


def _check_size(size: int) -> None:
    if size > MAX_BLOB:
        raise MetadataInvalid(MetadataFault.TOO_LARGE, f"more than {MAX_BLOB} bytes")
