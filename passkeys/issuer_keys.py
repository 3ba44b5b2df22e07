"""The keys of one issuer, over https: read when they are needed, and never more often than that.

Whoever sends a token chooses its `kid`, so an unknown one must cost the issuer next to nothing:

- One read at a time, whoever waits for it, and at most one in PAUSE_SECONDS, whatever becomes of it.
- A `kid` that was not there is not looked for again for ABSENT_SECONDS, unless the set is read anyhow and has it.
- A set is good for as long as its issuer says, within bounds; it is read again behind somebody's back before that ends.
- If it cannot be read, the last one goes on counting for STALE_SECONDS, and the log says so. A key that was taken out stops
  counting with the next read that succeeds.
- https alone, from where configuration says; no redirects; what discovery says is believed of the same host alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

from passkeys.errors import IssuerUnreachable, raised_as
from passkeys.issuers import Issuer
from passkeys.jwks import MAX_JWKS, KeySet, KeySetMalformed, read_key_set

CONNECT_SECONDS = 3
TOTAL_SECONDS = 5
MIN_LIFE_SECONDS, DEFAULT_LIFE_SECONDS, MAX_LIFE_SECONDS = 300, 3_600, 86_400
# When so much of its life is over, a set is read again, and nobody waits.
RENEWED_AT = 0.8
PAUSE_SECONDS = 30
ABSENT_SECONDS = 120
MAX_ABSENT = 1_000
STALE_SECONDS = 86_400

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})\b", re.IGNORECASE)
_LOCAL = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?/[!-~]*\Z")
_NOT_KEPT = re.compile(r"(?:^|[\s,])no-(?:store|cache)\b", re.IGNORECASE)
log = logging.getLogger("passkeys.issuer_keys")

Read = Callable[[str], Awaitable[tuple[bytes, str]]]
"""The bytes at an address and its Cache-Control. Raises IssuerUnreachable."""


class IssuerKeys:
    """The key set of one issuer, as it was last read. `clock` tells aware times."""

    def __init__(self, issuer: Issuer, *, clock: Callable[[], datetime], read: Read | None = None) -> None:
        self.issuer = issuer
        self._clock = clock
        tls = ssl.create_default_context(cadata=issuer.tls_roots) if issuer.tls_roots else None
        self._read: Read = read or (lambda address: read_document(address, tls=tls))
        self._keys: KeySet | None = None
        self._read_at = self._life = 0.0
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._jwks_uri = issuer.jwks_uri
        self._discovered_at = 0.0

    async def with_key(self, key_id: str) -> KeySet:
        """The set, read again if that may bring the key; whether it has, the caller sees. Raises IssuerUnreachable."""
        now = self._now()
        age = now - self._read_at
        if self._keys is None or not 0 <= age < self._life:
            await self._read_again(now)
        elif age >= self._life * RENEWED_AT:
            self._begin(now)
        if self._keys is None or now - self._read_at >= self._life + STALE_SECONDS:
            raise IssuerUnreachable(f"{self.issuer.name}: there are no keys to go by.")
        if key_id not in self._keys and not self._is_absent(key_id, now):
            await self._read_again(now)
            # Only a read that was made since says that it is not there: else a new key would be kept out by an old set.
            if key_id not in self._keys and self._read_at >= now:
                self._absent[key_id] = now
                self._absent.move_to_end(key_id)
                if len(self._absent) > MAX_ABSENT:
                    self._absent.popitem(last=False)
        return self._keys

    def _now(self) -> float:
        return self._clock().timestamp()

    def _is_absent(self, key_id: str, now: float) -> bool:
        since = self._absent.get(key_id)
        return since is not None and 0 <= now - since < ABSENT_SECONDS

    async def _read_again(self, now: float) -> None:
        """Wait for the read that is under way, or for one begun now, if it is time for one."""
        reading = self._begin(now)
        if reading is not None:
            await asyncio.shield(reading)  # one caller that goes away takes nothing from the others

    def _begin(self, now: float) -> asyncio.Task[None] | None:
        if self._reading is not None and not self._reading.done():
            return self._reading
        if self._tried_at is not None and 0 <= now - self._tried_at < PAUSE_SECONDS:
            return None
        self._tried_at = now
        self._reading = asyncio.create_task(self._keep())
        return self._reading

    async def _keep(self) -> None:
        """Read the set and keep it; whatever is wrong, say so and keep what there was."""
        try:
            data, cache_control = await self._read(await self._where())
            keys = read_key_set(data)
        except (IssuerUnreachable, KeySetMalformed) as error:
            self._jwks_uri = self.issuer.jwks_uri  # it may have moved: look again next time
            log.error("issuer_keys_not_read %s: %s", self.issuer.name, error)  # noqa: TRY400 -- where says nothing
            return
        self._keys, self._read_at, self._life = keys, self._now(), life_of(cache_control)

    async def _where(self) -> str:
        """The address of the set: configured, or as the issuer's metadata has it (OIDC Discovery §4)."""
        now = self._now()
        if self._jwks_uri is not None and (
            self.issuer.jwks_uri is not None or 0 <= now - self._discovered_at < MAX_LIFE_SECONDS
        ):
            return self._jwks_uri
        address = self.issuer.discovery
        assert address is not None  # an issuer has the one or the other
        data, _ = await self._read(address)
        with raised_as(lambda _: IssuerUnreachable(f"{address} is no JSON."), but=IssuerUnreachable):
            metadata = json.loads(data.decode())
        if not isinstance(metadata, dict) or metadata.get("issuer") != self.issuer.metadata_issuer:
            # OIDC Discovery §4.3: else one issuer could hand out another's keys for its own.
            raise IssuerUnreachable(f"{address} is not the metadata of {self.issuer.metadata_issuer}.")
        found = metadata.get("jwks_uri")
        if not isinstance(found, str) or _origin(found) != _origin(address):
            raise IssuerUnreachable(
                f"{address} has its keys at {found!r:.200}. If that is right, set jwks_uri."
            )
        self._jwks_uri, self._discovered_at = found, now
        return found


def life_of(cache_control: str) -> float:
    """For how many seconds a set is good (RFC 9111 §5.2.2). An issuer about to change keys says less, on purpose."""
    if _NOT_KEPT.search(cache_control):
        return MIN_LIFE_SECONDS
    match = _MAX_AGE.search(cache_control)
    told = int(match[1]) if match else DEFAULT_LIFE_SECONDS
    return max(MIN_LIFE_SECONDS, min(told, MAX_LIFE_SECONDS))


def _origin(address: str) -> tuple[str, str | None, int] | None:
    try:
        parts = urlsplit(address)
        origin = parts.scheme, parts.hostname, parts.port or 443
    except ValueError:
        return None
    return origin if parts.scheme == "https" and parts.hostname else None


async def read_document(address: str, *, tls: ssl.SSLContext | None = None) -> tuple[bytes, str]:
    """The bytes at an https address, at most MAX_JWKS, and its Cache-Control. `tls` None: whom Python trusts.

    Raises IssuerUnreachable: not 200 at once, not in time, or too much.
    """
    if _origin(address) is None:
        raise IssuerUnreachable(f"{address} is not an https address.")
    return await _read(address, tls)


async def read_local_document(address: str) -> tuple[bytes, str]:
    """As `read_document`, without TLS, from this machine alone: the keys of the local profile."""
    if not _LOCAL.match(address):
        raise IssuerUnreachable(f"{address} is not an address of http://localhost.")
    return await _read(address, None)


async def _read(address: str, tls: ssl.SSLContext | None) -> tuple[bytes, str]:
    try:
        return await _fetch(address, tls)
    except TimeoutError:
        raise IssuerUnreachable(f"{address} did not answer within {TOTAL_SECONDS} seconds.") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise IssuerUnreachable(f"{address} could not be read: {error!r:.300}.") from error


async def _fetch(address: str, tls: ssl.SSLContext | None) -> tuple[bytes, str]:
    # As metadata_source reads: no proxy of the environment's, no cookies, no compression that would undo the bound.
    async with (
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
            headers={"Accept-Encoding": "identity", "Accept": "application/json, application/jwk-set+json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        ) as session,
        session.get(address, ssl=True if tls is None else tls, allow_redirects=False) as response,
    ):
        if response.status != 200:
            raise IssuerUnreachable(f"{address} answered {response.status}.")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise IssuerUnreachable(f"{address} is compressed, which was not asked for.")
        received = bytearray()
        async for chunk in response.content.iter_chunked(16 * 1024):
            received += chunk
            if len(received) > MAX_JWKS:
                raise IssuerUnreachable(f"{address} has more than {MAX_JWKS} bytes.")
        return bytes(received), response.headers.get("Cache-Control", "")
