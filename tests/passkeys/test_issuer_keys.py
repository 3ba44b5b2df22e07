"""An issuer's keys over TLS from this machine: few reads however many ask, old keys while new ones cannot be had, nowhere else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from passkeys import issuer_keys
from passkeys.errors import IssuerUnreachable
from passkeys.issuer_keys import (
    ABSENT_SECONDS,
    MAX_ABSENT,
    PAUSE_SECONDS,
    STALE_SECONDS,
    IssuerKeys,
    life_of,
    read_document,
)
from tests.passkeys.test_metadata_source import ROOT_PEM, TRUSTING, answer, rude, served
from tests.passkeys.tokens import EC, ENTRIES, RSA, configured, jwk, jwks
from tests.passkeys.worlds import Clock

JWKS, METADATA = "/keys", "/.well-known/openid-configuration"
OLD, NEW = jwk(RSA, "old"), jwk(EC, "new")


@dataclass
class Provider:
    """What the issuer's server answers now, and how often it was asked."""

    keys: bytes = jwks(OLD)
    cache_control: str = "max-age=3600"
    status: int = 200
    metadata: dict[str, object] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    slow: asyncio.Event | None = None
    url: str = ""

    async def give_keys(self, request: web.Request) -> web.Response:
        self.asked[JWKS] += 1
        if self.slow is not None:
            await self.slow.wait()
        return web.Response(body=self.keys, status=self.status, headers={"Cache-Control": self.cache_control})

    async def give_metadata(self, request: web.Request) -> web.Response:
        self.asked[METADATA] += 1
        document = {"issuer": self.url, "jwks_uri": self.url + JWKS, **self.metadata}
        return web.json_response(document, status=self.status)


@asynccontextmanager
async def running(tmp_path: Path, **given: object) -> AsyncIterator[tuple[Provider, Clock, IssuerKeys]]:
    """The server, the clock, and the keys of its issuer, none of them read yet."""
    provider, clock = Provider(**given), Clock()
    (tmp_path / "root.pem").write_bytes(ROOT_PEM)
    async with served(tmp_path, {JWKS: provider.give_keys, METADATA: provider.give_metadata}) as url:
        provider.url = url
        entry = {**ENTRIES["oidc"], "issuer": url, "tls_roots": str(tmp_path / "root.pem")}
        yield provider, clock, IssuerKeys(configured({"own": entry})["own"], clock=clock)


async def test_200_unknown_ids_make_one_read(tmp_path: Path) -> None:
    """At once, of nobody's keys: one read when there was no set yet, one more when there is one that may be out of date."""
    async with running(tmp_path) as (provider, clock, keys):
        await asyncio.gather(*(keys.with_key(f"unknown-{n}") for n in range(200)))
        assert provider.asked == {METADATA: 1, JWKS: 1}
        clock.advance(PAUSE_SECONDS)
        await asyncio.gather(*(keys.with_key(f"another-{n}") for n in range(200)))
        assert provider.asked == {METADATA: 1, JWKS: 2}
        for n in range(200):  # and one after the other
            await keys.with_key(f"a third-{n}")
        assert provider.asked[JWKS] == 2


async def test_at_most_one_read_in_a_while(tmp_path: Path) -> None:
    """An hour of new ids every second: one read in thirty, and the known key is good all the time."""
    async with running(tmp_path, cache_control="max-age=86400") as (provider, clock, keys):
        for second in range(3600):
            assert "old" in await keys.with_key(f"unknown-{second}")
            clock.advance(1)
        assert provider.asked[JWKS] == 3600 / PAUSE_SECONDS


async def test_an_id_that_is_not_there_is_not_looked_for_again_soon(tmp_path: Path) -> None:
    """The same one, asked for again and again, costs one read in two minutes; those that are remembered are bounded."""
    async with running(tmp_path) as (provider, clock, keys):
        for _ in range(int(ABSENT_SECONDS / PAUSE_SECONDS)):
            await keys.with_key("absent")
            clock.advance(PAUSE_SECONDS)
        assert provider.asked[JWKS] == 1
        await keys.with_key("absent")
        assert provider.asked[JWKS] == 2
        clock.advance(PAUSE_SECONDS)
        await asyncio.gather(*(keys.with_key(f"unknown-{n}") for n in range(MAX_ABSENT + 50)))
        assert len(keys._absent) == MAX_ABSENT


async def test_a_new_key_is_found_by_its_first_token(tmp_path: Path) -> None:
    """Rotation without notice: half a minute after the last read at the latest, though it was asked for before."""
    async with running(tmp_path) as (provider, clock, keys):
        await keys.with_key("old")
        clock.advance(10)
        assert "new" not in await keys.with_key("new")  # too soon for a read, so nothing was learnt of it
        provider.keys = jwks(OLD, NEW)
        clock.advance(PAUSE_SECONDS)
        assert "new" in await keys.with_key("new")
        assert provider.asked == {METADATA: 1, JWKS: 2}


async def test_a_key_that_is_taken_out_stops_counting(tmp_path: Path) -> None:
    """With the next read that succeeds; a read that fails takes nothing out."""
    async with running(tmp_path) as (provider, clock, keys):
        await keys.with_key("old")
        provider.keys = jwks(NEW)
        clock.advance(3600)
        assert set(await keys.with_key("old")) == {"new"}


async def test_a_set_is_renewed_before_its_end_and_nobody_waits(tmp_path: Path) -> None:
    """At four fifths of its life, behind the back of who asks; one read, however many ask meanwhile."""
    async with running(tmp_path) as (provider, clock, keys):
        await keys.with_key("old")
        provider.keys, provider.slow = jwks(NEW), asyncio.Event()
        clock.advance(2880)
        for _ in range(5):
            assert set(await asyncio.wait_for(keys.with_key("old"), 1)) == {"old"}
        provider.slow.set()
        assert keys._reading is not None
        await keys._reading
        assert set(await keys.with_key("new")) == {"new"}
        assert provider.asked[JWKS] == 2


@pytest.mark.parametrize("way", ["status", "no set", "gone"])
async def test_old_keys_count_while_new_ones_cannot_be_had(
    tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """For a day past their end, with a word in the log each time; then no longer."""
    async with running(tmp_path) as (provider, clock, keys):
        await keys.with_key("old")
        if way == "gone":
            keys.issuer = replace(keys.issuer, jwks_uri="https://localhost:1/keys")
            keys._jwks_uri = keys.issuer.jwks_uri
        provider.status, provider.keys = (500, b"") if way == "status" else (200, b"{}")
        clock.advance(3600)
        assert set(await keys.with_key("old")) == {"old"}
        clock.advance(STALE_SECONDS - 1)
        assert set(await keys.with_key("old")) == {"old"}
        assert caplog.text.count("issuer_keys_not_read own") == 2
        clock.advance(1)
        with pytest.raises(IssuerUnreachable):
            await keys.with_key("old")


async def test_an_issuer_that_is_down_from_the_start_is_not_pressed(tmp_path: Path) -> None:
    """Nobody's token counts, everybody is told at once, and one read is made in thirty seconds."""
    async with running(tmp_path, status=503) as (provider, clock, keys):
        for _ in range(2):
            for _ in range(20):
                with pytest.raises(IssuerUnreachable):
                    await keys.with_key("old")
            clock.advance(PAUSE_SECONDS)
        assert provider.asked == {METADATA: 2}
        provider.status = 200
        assert "old" in await keys.with_key("old")


async def test_one_who_goes_away_takes_nothing_from_the_others(tmp_path: Path) -> None:
    """The first of two who wait is cancelled; the read goes on for the second."""
    async with running(tmp_path, slow=asyncio.Event()) as (provider, _, keys):
        first, second = (asyncio.create_task(keys.with_key("old")) for _ in range(2))
        while not provider.asked[JWKS]:
            await asyncio.sleep(0)
        first.cancel()
        assert provider.slow is not None
        provider.slow.set()
        assert "old" in await second
        assert provider.asked[JWKS] == 1


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ({"issuer": "https://op.example.com"}, "not the metadata of"),
        ({"issuer": None}, "not the metadata of"),
        ({"jwks_uri": "https://evil.example/keys"}, "set jwks_uri"),
        ({"jwks_uri": "http://localhost/keys"}, "set jwks_uri"),
        ({"jwks_uri": "https://localhost/keys"}, "set jwks_uri"),  # another port is another place
        ({"jwks_uri": "file:///etc/passwd"}, "set jwks_uri"),
        ({"jwks_uri": None}, "set jwks_uri"),
        ({"jwks_uri": "https://[::1"}, "set jwks_uri"),
    ],
)
async def test_metadata_is_believed_of_its_own_host_alone(
    tmp_path: Path, metadata: dict[str, object], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """OIDC Discovery §4.3: it must be of this issuer; and where it sends for the keys is pinned."""
    async with running(tmp_path, metadata=metadata) as (provider, _, keys):
        with pytest.raises(IssuerUnreachable):
            await keys.with_key("old")
        assert provider.asked == {METADATA: 1}
        assert word in caplog.text


async def test_a_configured_place_needs_no_metadata(tmp_path: Path) -> None:
    """`jwks_uri`: of PingFederate, and of Kubernetes, whose keys are at another address than the issuer's."""
    async with running(tmp_path) as (provider, clock, keys):
        direct = IssuerKeys(replace(keys.issuer, discovery=None, jwks_uri=provider.url + JWKS), clock=clock)
        assert "old" in await direct.with_key("old")
        assert provider.asked == {JWKS: 1}


async def test_metadata_is_read_again_when_keys_are_not_where_they_were(tmp_path: Path) -> None:
    """The issuer has moved them: the next try asks its metadata first."""
    async with running(tmp_path) as (provider, clock, keys):
        await keys.with_key("old")
        provider.status = 404
        clock.advance(3600)
        await keys.with_key("old")
        provider.status = 200
        clock.advance(PAUSE_SECONDS)
        await keys.with_key("old")
        assert provider.asked == {METADATA: 2, JWKS: 3}


async def test_metadata_that_is_no_json(tmp_path: Path) -> None:
    """Neither an error of ours nor a crash."""
    for body in (b"", b"[]", b"\xff", b"[" * 100_000):
        async with served(tmp_path, {METADATA: answer(body)}) as url:
            entry = {**ENTRIES["oidc"], "issuer": url}
            keys = IssuerKeys(
                configured({"own": entry})["own"],
                clock=Clock(),
                read=lambda address: read_document(address, tls=TRUSTING),
            )
            with pytest.raises(IssuerUnreachable):
                await keys.with_key("old")


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("", 3600),
        ("max-age=7200", 7200),
        ("public, MAX-AGE=600, must-revalidate", 600),
        ('max-age="600"', 600),
        ("max-age=1", 300),
        ("max-age=0, no-store", 300),
        ("no-cache", 300),
        ("max-age=99999999", 86400),
        ("max-age=-1", 3600),
        ("s-maxage=600", 3600),
        ("max-age=" + "9" * 5000, 3600),
    ],
)
def test_how_long_a_set_is_good(cache_control: str, seconds: int) -> None:
    """As the issuer says, but five minutes at least, for their sake, and a day at most, for ours."""
    assert life_of(cache_control) == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(tmp_path: Path, status: int) -> None:
    """Not even to the same host: who was configured answers."""
    routes = {"/": answer(status=status, Location="/next"), "/next": answer()}
    async with served(tmp_path, routes) as url:
        with pytest.raises(IssuerUnreachable, match=str(status)):
            await read_document(f"{url}/", tls=TRUSTING)


async def test_what_is_read_is_bounded(tmp_path: Path) -> None:
    """Too many bytes, in one piece or without end; compressed; too slow; by plain http; by whom nobody vouches for."""
    routes = {
        "/": answer(b"x" * (256 * 1024 + 1)),
        "/gzip": answer(Content_Encoding="gzip"),
        "/fine": answer(),
    }
    async with served(tmp_path, routes) as url:
        assert (await read_document(f"{url}/fine", tls=TRUSTING))[0] == b"a blob"
        for path in ("/", "/gzip"):
            with pytest.raises(IssuerUnreachable):
                await read_document(url + path, tls=TRUSTING)
        with pytest.raises(IssuerUnreachable):
            await read_document(f"{url}/fine")
    async with rude(tmp_path, b"x" * 4096, for_ever=True) as (address, _):
        with pytest.raises(IssuerUnreachable, match="more than"):
            await read_document(address, tls=TRUSTING)
    async with served(tmp_path, {"/": answer()}, tls=False) as url:
        with pytest.raises(IssuerUnreachable, match="not an https address"):
            await read_document(f"{url}/", tls=TRUSTING)


async def test_a_server_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the call, sends a byte, and no more."""
    monkeypatch.setattr(issuer_keys, "TOTAL_SECONDS", 0.2)
    async with rude(tmp_path, b"{", for_ever=False) as (address, _):
        with pytest.raises(IssuerUnreachable, match="did not answer within"):
            await read_document(address, tls=TRUSTING)


def test_the_reads_are_as_the_page_says() -> None:
    """docs/identity-providers.md promises these numbers."""
    page = (Path(__file__).parents[2] / "docs" / "identity-providers.md").read_text()
    assert f"{PAUSE_SECONDS} seconds" in page
