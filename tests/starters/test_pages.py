"""The pages: what is served, with which headers, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from starters import pages
from starters.headers import PAGE_HEADERS
from starters.pages import asset, home, operations_page
from tests.starters.fakes import body_of, request


@pytest.fixture(autouse=True)
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small web folder, and a secret beside it."""
    folder = tmp_path / "web"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "index.html").write_text("<!doctype html>home")
    (folder / "operations.html").write_text("<!doctype html>operations")
    (folder / "app.js").write_text("export {};")
    (folder / "sub" / "style.css").write_text("body {}")
    (folder / ".hidden.js").write_text("secret")
    (folder / "notes.md").write_text("secret")
    monkeypatch.setattr(pages, "WEB", folder)
    return folder


async def test_pages_come_with_a_strict_policy() -> None:
    """Own modules and styles alone, no frames, no foreign forms, and passkeys allowed to this page only."""
    for page in (home, operations_page):
        response = await page(request("GET", "/"))
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = response.headers["Content-Security-Policy"]
        for rule in (
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "trusted-types 'none'",
        ):
            assert rule in policy
        assert "unsafe" not in policy
        assert "publickey-credentials-get=(self)" in response.headers["Permissions-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_the_client_may_be_imported_by_applications(web: Path) -> None:
    """Scripts of other origins may load that one file, with or without a new version of it; and no other."""
    (web / "client.js").write_text("export {};")
    response = await asset(request("GET", "/", route={"path": "client.js"}))
    again = await asset(
        request("GET", "/", route={"path": "client.js"}, headers={"if-none-match": response.headers["ETag"]})
    )
    for answer in (response, again):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    other = await asset(request("GET", "/", route={"path": "app.js"}))
    assert "Access-Control-Allow-Origin" not in other.headers
    assert other.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("app.js", "text/javascript; charset=utf-8"), ("sub/style.css", "text/css; charset=utf-8")],
)
async def test_assets_have_their_media_type(path: str, media_type: str) -> None:
    """A browser that is told not to sniff needs the right type."""
    response = await asset(request("GET", "/", route={"path": path}))
    assert (response.status_code, response.headers["Content-Type"]) == (200, media_type)
    assert set(PAGE_HEADERS) <= set(response.headers.keys())


@pytest.mark.parametrize(
    "path",
    [
        "", "nowhere.js", ".hidden.js", "notes.md", "../secret.txt", "sub/../../secret.txt", "..%2fsecret.txt",
        "/etc/passwd", "sub", "sub/", "app.js/", "a\x00.js", "app.js\n", "index.html", "sub\\style.css",
    ],
)  # fmt: skip
async def test_nothing_else_is_served(path: str) -> None:
    """No hidden file, no unknown type, no way out of the folder."""
    response = await asset(request("GET", "/", route={"path": path}))
    assert (response.status_code, body_of(response)["code"]) == (404, "page_unknown")


async def test_a_known_version_is_not_sent_again(web: Path) -> None:
    """304 for the ETag that the caller has, the file again once it has changed."""
    etag = (await home(request("GET", "/"))).headers["ETag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        response = await home(request("GET", "/", headers={"if-none-match": known}))
        assert (response.status_code, response.get_body()) == (304, b"")
        assert response.headers["ETag"] == etag
    (web / "index.html").write_text("<!doctype html>changed")
    response = await home(request("GET", "/", headers={"if-none-match": etag}))
    assert response.status_code == 200


async def test_pages_answer_no_other_method() -> None:
    """405 with Allow."""
    for page in (home, operations_page, asset):
        response = await page(request("POST", "/", {}))
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
