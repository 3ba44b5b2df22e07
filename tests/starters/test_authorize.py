"""GET /authorize: the page with what is good of the request in it, a redirect for what is not, and none where that is in doubt."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from azure.functions import HttpResponse

from passkeys.world import World
from starters.authorize import authorize
from starters.headers import PAGE_HEADERS
from starters.openapi import document
from tests.passkeys.test_authorization_request import CHALLENGE, JKT
from tests.starters.applications import ISSUER, ORIGIN, SHOP_API, with_applications
from tests.starters.fakes import request
from tests.starters.test_openapi import fits

BACK = f"{ORIGIN}/callback"
GOOD = {
    "response_type": "code",
    "client_id": "shop",
    "redirect_uri": BACK,
    "state": 'a"<b>&',
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


async def asked(world: World, *, method: str = "GET", **changed: str) -> HttpResponse:
    query = urlencode({**GOOD, **changed})
    return await authorize(with_applications(world), request(method, f"/authorize?{query}"))


def told(response: HttpResponse) -> dict[str, object]:
    """What the page finds in itself."""
    text = response.get_body().decode()
    (content,) = re.findall(r'<meta name="authorization" content="([^"]*)">', text)
    found: dict[str, object] = json.loads(html.unescape(content))
    return found


async def test_the_page_has_what_it_starts_with(world: World) -> None:
    """Who asks, where they are taken, and the members of the start; nothing that could be markup."""
    response = await asked(world, dpop_jkt=JKT, acr_values="phr", login_hint="ada<script>")
    assert response.status_code == 200
    assert told(response) == {
        "name": "Shop",
        "roles": True,
        "host": "shop.example.com",
        "start": {
            "client_id": "shop",
            "redirect_uri": BACK,
            "resource": SHOP_API,
            "application_challenge": CHALLENGE,
            "dpop_jkt": JKT,
            "acr_values": "phr",
        },
        "redirect_uri": BACK,
        "state": 'a"<b>&',
        "iss": ISSUER,
        "login_hint": "ada<script>",
    }
    assert "<b>" not in response.get_body().decode()
    assert "ada<script>" not in response.get_body().decode()


async def test_it_is_a_page_like_the_others_and_nobody_keeps_it(world: World) -> None:
    """The same policy; what is made for one request is for no cache."""
    response = await asked(world)
    headers = {**PAGE_HEADERS, "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"}
    assert dict(response.headers) == headers
    assert "script-src 'self';" in response.headers["Content-Security-Policy"]
    fits_as_html(response)


async def test_a_wrong_request_goes_back_to_the_application(world: World) -> None:
    """303 with OAuth's code, the state and who we are (RFC 9207)."""
    response = await asked(world, code_challenge_method="plain")
    assert response.status_code == 303
    location = urlsplit(response.headers["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == BACK
    assert dict(parse_qsl(location.query)) == {
        "error": "invalid_request",
        "error_description": "Send code_challenge_method=S256.",
        "state": 'a"<b>&',
        "iss": ISSUER,
    }
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"client_id": "nobody"}, "client_unknown"),
        ({"redirect_uri": "https://evil.example.com/callback"}, "redirect_uri_unregistered"),
        ({"client_id": "shop-api"}, "redirect_uri_unregistered"),
        (
            {"redirect_uri": "https://evil.example.com", "code_challenge_method": "plain"},
            "redirect_uri_unregistered",
        ),
    ],
)
async def test_in_doubt_nobody_is_redirected(world: World, changed: dict[str, str], code: str) -> None:
    """400, a page that says so, and the address that was sent is nowhere in it."""
    response = await asked(world, **changed)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert told(response) == {"fault": code}
    assert "evil" not in response.get_body().decode()
    fits_as_html(response)


async def test_other_methods(world: World) -> None:
    """405, as everywhere."""
    response = await asked(world, method="POST")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
    fits(response, "/authorize", "get")


def fits_as_html(response: HttpResponse) -> None:
    """The document knows this answer: its status, and that it is a page."""
    answers = document()["paths"]["/authorize"]["get"]["responses"]
    assert list(answers[str(response.status_code)]["content"]) == [response.headers["Content-Type"]]
