"""What an application's page sends people to GET /authorize with, and the place where they come back to."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

from passkeys.proof import challenge_of
from tests.browser.visitor import Visitor

BACK = "http://localhost:7080/callback"
VERIFIER = secrets.token_urlsafe(32)
STATE = "s-1 & more"


def path(**changed: str) -> str:
    """The address of a good request of the demo's application, or with something changed."""
    asked = {
        "response_type": "code",
        "client_id": "sample",
        "redirect_uri": BACK,
        "state": STATE,
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    }
    return f"/authorize?{urlencode({**asked, **changed})}"


def await_return(visitor: Visitor) -> None:
    """Let there be something at the redirect URI: no application runs in these tests."""
    visitor.page.route(
        f"{BACK}?*", lambda route: route.fulfill(content_type="text/html", body="<h1>Welcome back</h1>")
    )


def answer_of(visitor: Visitor) -> dict[str, str]:
    """What the application has been told, once the person is back there."""
    visitor.heading("Welcome back")
    address = urlsplit(visitor.page.url)
    assert f"{address.scheme}://{address.netloc}{address.path}" == BACK
    return dict(parse_qsl(address.query))
