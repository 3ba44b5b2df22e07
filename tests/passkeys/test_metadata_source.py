"""Reading a BLOB over TLS from this machine, and from a file: whole, bounded, from nowhere else than was said."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from passkeys import metadata_source
from passkeys.errors import MetadataFault, MetadataInvalid, MetadataUnreachable
from passkeys.metadata_source import read_blob
from tests.passkeys.authorities import authority, issue

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# TLS asks more of certificates than X.509 does: Python's own context wants these from 3.13 on.
_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _made() -> tuple[bytes, bytes]:
    """A root, and a server's certificate with its key, in PEM."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_id = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = authority("A root for servers", key=root_key, extensions=[(_KEY_USAGE, True), (root_id, False)])
    server = issue(
        "localhost",
        issuer=root,
        key=key,
        extensions=[
            (x509.SubjectAlternativeName([x509.DNSName("localhost")]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        ],
    )
    pem = server.certificate.public_bytes(Encoding.PEM) + key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return root.certificate.public_bytes(Encoding.PEM), pem


ROOT_PEM, SERVER_PEM = _made()
TRUSTING = ssl.create_default_context(cadata=ROOT_PEM.decode())


def server_context(tmp_path: Path) -> ssl.SSLContext:
    (tmp_path / "server.pem").write_bytes(SERVER_PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    return context


@asynccontextmanager
async def served(tmp_path: Path, routes: dict[str, Handler], *, tls: bool = True) -> AsyncIterator[str]:
    """A server on this machine; its address."""
    app = web.Application()
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0, ssl_context=server_context(tmp_path) if tls else None).start()
    port = runner.addresses[0][1]
    try:
        yield f"http{'s' if tls else ''}://localhost:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def rude(tmp_path: Path, chunk: bytes, *, for_ever: bool) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that answers 200 and sends `chunk`, once and never another byte, or again and again; how much it sent."""
    sent: list[int] = []
    gone = asyncio.Event()

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(chunk)
                await writer.drain()
                sent.append(len(chunk))
                await asyncio.sleep(0)  # drain alone lets nobody else in while there is room
                if not for_ever:
                    await gone.wait()
        writer.close()

    server = await asyncio.start_server(speak, "localhost", 0, ssl=server_context(tmp_path))
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/", sent
    finally:
        gone.set()
        server.close()
        await server.wait_closed()


def answer(body: bytes = b"a blob", status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers=names)

    return handler


async def test_a_blob_is_read_over_tls(tmp_path: Path) -> None:
    """Whole, whatever its size."""
    body = bytes(range(256)) * 4096
    async with served(tmp_path, {"/": answer(body)}) as address:
        assert await read_blob(f"{address}/", tls=TRUSTING) == body


async def test_a_server_that_nobody_vouches_for_is_not_read(tmp_path: Path) -> None:
    """Without being told otherwise, the certificates that Python trusts decide."""
    async with served(tmp_path, {"/": answer()}) as address:
        with pytest.raises(MetadataUnreachable, match="could not be read"):
            await read_blob(f"{address}/")


async def test_plain_http_is_not_read(tmp_path: Path) -> None:
    """Not even if somebody gets such an address past the settings."""
    async with served(tmp_path, {"/": answer()}, tls=False) as address:
        with pytest.raises(MetadataUnreachable, match="not an https address"):
            await read_blob(f"{address}/", tls=TRUSTING)


async def test_a_redirect_on_the_same_host_is_followed(tmp_path: Path) -> None:
    """Relative or not."""
    routes = {
        "/": answer(status=302, Location="/next"),
        "/next": answer(status=308, Location="blob"),
        "/blob": answer(),
    }
    async with served(tmp_path, routes) as address:
        assert await read_blob(f"{address}/", tls=TRUSTING) == b"a blob"


async def test_redirects_without_end_end(tmp_path: Path) -> None:
    """After a few."""
    async with served(tmp_path, {"/": answer(status=302, Location="/")}) as address:
        with pytest.raises(MetadataUnreachable, match="more than 3 redirects"):
            await read_blob(f"{address}/", tls=TRUSTING)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "https://localhost:1/",
        "http://localhost/",
        "",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_elsewhere_is_not_followed(tmp_path: Path, elsewhere: str) -> None:
    """To another host, another port, or to plain http; nor to nowhere."""
    async with served(tmp_path, {"/": answer(status=302, Location=elsewhere)}) as address:
        with pytest.raises(MetadataUnreachable):
            await read_blob(f"{address}/", tls=TRUSTING)


@pytest.mark.parametrize("status", [204, 304, 403, 404, 500, 503])
async def test_an_answer_that_is_no_success_is_none(tmp_path: Path, status: int) -> None:
    """And says which it was."""
    async with served(tmp_path, {"/": answer(b"", status=status)}) as address:
        with pytest.raises(MetadataUnreachable, match=f"answered {status}"):
            await read_blob(f"{address}/", tls=TRUSTING)


async def test_a_compressed_answer_is_refused(tmp_path: Path) -> None:
    """It was not asked for, and its size would say nothing."""
    async with served(tmp_path, {"/": answer(b"x", Content_Encoding="gzip")}) as address:
        with pytest.raises(MetadataUnreachable, match="compressed"):
            await read_blob(f"{address}/", tls=TRUSTING)


async def test_more_than_the_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading stops there: an answer without end has no length to look at."""
    monkeypatch.setattr(metadata_source, "MAX_BLOB", 200_000)
    async with rude(tmp_path, bytes(50_000), for_ever=True) as (address, sent):
        with pytest.raises(MetadataInvalid) as caught:
            await read_blob(address, tls=TRUSTING)
    assert caught.value.code is MetadataFault.TOO_LARGE
    assert sum(sent) < 20_000_000  # what fits into buffers on the way


async def test_an_answer_that_does_not_come_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bounded time, however much of it is there already."""
    monkeypatch.setattr(metadata_source, "TOTAL_SECONDS", 0.2)
    async with rude(tmp_path, b"half a blob", for_ever=False) as (address, _):
        with pytest.raises(MetadataUnreachable, match="did not answer"):
            await read_blob(address, tls=TRUSTING)


async def test_nobody_there_is_told() -> None:
    """A closed port, a name that is none."""
    for address in ("https://localhost:1/", "https://nowhere.invalid/"):
        with pytest.raises(MetadataUnreachable):
            await read_blob(address, tls=TRUSTING)


async def test_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, if it is there and within the bound."""
    path = tmp_path / "blob.jwt"
    path.write_bytes(b"a blob")
    assert await read_blob(str(path)) == b"a blob"
    with pytest.raises(MetadataUnreachable, match=r"gone\.jwt"):
        await read_blob(str(tmp_path / "gone.jwt"))
    monkeypatch.setattr(metadata_source, "MAX_BLOB", 5)
    with pytest.raises(MetadataInvalid) as caught:
        await read_blob(str(path))
    assert caught.value.code is MetadataFault.TOO_LARGE
