"""The pages: files of `web/`, served as they are, with the headers that keep everything foreign out."""

import hashlib
import html
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from azure.functions import HttpRequest, HttpResponse

from starters.answers import by_method
from starters.headers import PAGE_HEADERS
from starters.problems import RefusedError

WEB = Path(__file__).resolve().parent.parent / "web"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
}
# Of use to pages of other origins, which may import it (Fetch §3.2.1): public, and the same for everybody.
_SHARED = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_SHARED_FILES = frozenset({"client.js"})
# No dot at the start of a part: neither hidden files nor a way up.
_ASSET_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


async def home(req: HttpRequest) -> HttpResponse:
    """GET /: the page on which a person registers and signs in."""

    async def get() -> HttpResponse:
        return _file(req, "index.html")

    return await by_method(req, {"GET": get})


async def operations_page(req: HttpRequest) -> HttpResponse:
    """GET /operations: the operator's page. A shell without data; what it shows, it fetches with the operator's key."""

    async def get() -> HttpResponse:
        return _file(req, "operations.html")

    return await by_method(req, {"GET": get})


async def asset(req: HttpRequest) -> HttpResponse:
    """GET /assets/{*path}: a module, style or picture of the pages."""

    async def get() -> HttpResponse:
        path = req.route_params.get("path", "")
        if not _ASSET_PATH.fullmatch(path) or path.endswith(".html"):
            raise RefusedError("page_unknown")
        return _file(req, path)

    return await by_method(req, {"GET": get})


def filled(path: str, contents: Mapping[str, str], *, status: int = 200) -> HttpResponse:
    """A page with the content of its `<meta name="…" content="">` elements: made for one request, and kept nowhere."""
    file = WEB / path
    page, _ = _content(file, file.stat().st_mtime_ns)
    text = page.decode()
    for name, content in contents.items():
        empty = f'<meta name="{name}" content="">'
        assert empty in text
        text = text.replace(empty, f'<meta name="{name}" content="{html.escape(content)}">')
    headers = {**PAGE_HEADERS, "Cache-Control": "no-store", "Content-Type": MEDIA_TYPES[".html"]}
    return HttpResponse(text, status_code=status, headers=headers)


def _file(req: HttpRequest, path: str) -> HttpResponse:
    """The file with its ETag, or 304 when the caller has it (RFC 9110 §13.1.2). Raises RefusedError(page_unknown)."""
    file = WEB / path
    media_type = MEDIA_TYPES.get(file.suffix)
    if media_type is None or not file.is_file():
        raise RefusedError("page_unknown")
    content, etag = _content(file, file.stat().st_mtime_ns)
    headers = {**PAGE_HEADERS, **(_SHARED if path in _SHARED_FILES else {}), "ETag": etag}
    known = {tag.strip().removeprefix("W/") for tag in req.headers.get("if-none-match", "").split(",")}
    if known & {etag, "*"}:
        return HttpResponse(status_code=304, headers=headers)
    return HttpResponse(content, headers={**headers, "Content-Type": media_type})


@cache
def _content(file: Path, changed_ns: int) -> tuple[bytes, str]:  # noqa: ARG001 -- a changed file is another entry
    content = file.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
