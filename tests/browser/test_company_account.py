"""Enrolment with a company account, in a real browser and at a real OpenID provider, in the shapes of three vendors."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import ROOMY
from tests.browser.test_every_view import CHECKS, DESK, NARROWEST
from tests.browser.visitor import Visitor, visiting
from tests.hosts import RunningHost, running_host
from tests.oidc_provider.provider import ADA, CLIENT, IDS, PATHS, SCOPE, TENANT, Provider, provider

SHAPES = list(PATHS)
NAMING = {
    "entra",
    "okta",
}  # whose answers name their issuer, as the file of issuers has it; the provider's always do


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    redirects = tuple(f"http://localhost/enrol/{shape}" for shape in SHAPES)
    with provider(tmp_path_factory.mktemp("provider"), redirect_uris=redirects) as running:
        yield running


def issuers_of(company: Provider) -> dict[str, Any]:
    """The file of issuers, each with a client for the page."""
    entries = company.issuers()
    for shape, entry in entries.items():
        entry["enrolment"] = {
            "client_id": CLIENT,
            "scope": f"openid {SCOPE}",
            "label": f"{shape.title()} account",
            "authorization_endpoint": f"{company.issuer(shape)}/auth",
            "token_endpoint": f"{company.issuer(shape)}/token",
            "authorization_response_iss_parameter_supported": shape in NAMING,
        }
    return entries


@pytest.fixture(scope="module")
def host(company: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    folder: Path = tmp_path_factory.mktemp("host")
    identities = [
        {
            "issuer": company.issuer(shape),
            "subject": IDS[ADA][shape],
            **({"tenant": TENANT} if shape == "entra" else {}),
        }
        for shape in SHAPES
    ]
    people = {"ada": {"display_name": "Ada Lovelace", "identities": identities}}
    for name, content in (("issuers", issuers_of(company)), ("people", people)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    env = {
        **ROOMY,
        "PASSKEYS_ISSUERS": str(folder / "issuers.json"),
        "PASSKEYS_DIRECTORY": str(folder / "people.json"),
    }
    with running_host(state=folder / "state", env=env) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, host: RunningHost) -> Iterator[Visitor]:
    with visiting(browser, host, ignore_https_errors=True) as person:
        # The provider's form wants a font of a far machine's, and has no icon: neither is of any concern here.
        person.page.route(
            "https://fonts.googleapis.com/**", lambda route: route.fulfill(content_type="text/css")
        )
        person.page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        yield person


def log_in(visitor: Visitor, login: str = ADA) -> None:
    """Fill in the provider's own form."""
    visitor.page.get_by_placeholder("Enter any login").fill(login)
    visitor.page.get_by_placeholder("and password").fill("of no concern")
    visitor.press("Sign-in")


def test_who_logs_in_at_their_company_makes_a_passkey_and_signs_in(visitor: Visitor) -> None:
    """From the sign-in page to being signed in, without a link from anybody; the address bar keeps nothing of it.

    (The other shapes are in test_whole_story.py.)
    """
    visitor.go()
    visitor.page.get_by_role("link", name="create one with your company account").click()
    visitor.heading("Create your passkey")
    visitor.press("Continue with Okta account")
    log_in(visitor)
    visitor.heading("Create your passkey")
    expect(visitor.page.locator("#enrol-account")).to_have_text("Okta account")
    assert visitor.page.url == f"{visitor.host.url}/enrol"
    entries = visitor.devtools.send("Page.getNavigationHistory")["entries"]
    assert not any("code=" in entry["url"] for entry in entries if entry["url"].startswith(visitor.host.url))
    visitor.press("Create a passkey")
    visitor.heading("Your passkey is ready")
    assert len(visitor.passkeys()) == 1
    visitor.press("Sign in with it")
    visitor.is_signed_in()
    assert visitor.page.evaluate("[sessionStorage.length, localStorage.length]") == [0, 0]


def test_the_provider_is_asked_as_a_public_client_should_ask(visitor: Visitor, company: Provider) -> None:
    """Code and S256, a state, its own redirect address; no token is ever asked for in the address."""
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.go("/enrol")
    visitor.press("Continue with Okta account")
    visitor.page.get_by_placeholder("Enter any login").wait_for()
    (address,) = [url for url in asked if "/oauth2/default/auth?" in url]
    told = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert told["response_type"] == "code"
    assert told["code_challenge_method"] == "S256"
    assert told["redirect_uri"] == f"{visitor.host.url}/enrol/okta"
    assert len(told["state"]) == 43
    assert "client_secret" not in told


# What becomes of the address before the page looks at it.
WRONG = {
    "another state": ["state=[^&]+", "state=x"],
    "no issuer": ["[?&]iss=[^&]+", ""],
    "another issuer": ["iss=[^&]+", "iss=https%3A%2F%2Fevil.example.com"],
    "another's address": ["/enrol/okta", "/enrol/ping"],
}
TWIST = """
const [pattern, put] = %s;
const twisted = location.href.replace(new RegExp(pattern), put);
if (location.search.includes("code=")) history.replaceState(null, "", twisted);
"""


@pytest.mark.parametrize("wrong", list(WRONG))
def test_an_answer_that_was_not_asked_for_is_not_used(visitor: Visitor, wrong: str) -> None:
    """State, issuer and address must all be those of the question: the code is not even redeemed."""
    redeemed: list[str] = []
    visitor.page.on("request", lambda asked: redeemed.append(asked.url) if asked.method == "POST" else None)
    visitor.page.add_init_script(TWIST % json.dumps(WRONG[wrong]))
    visitor.go("/enrol")
    visitor.press("Continue with Okta account")
    log_in(visitor)
    visitor.heading("This page did not ask for that")
    assert not [url for url in redeemed if url.endswith("/token")]
    visitor.press("Start again")
    visitor.heading("Create your passkey")


def test_an_answer_out_of_the_blue_is_not_used(visitor: Visitor) -> None:
    """Somebody else's answer, opened by a link: no sign-in of theirs becomes this person's passkey."""
    visitor.go("/enrol/okta?code=stolen&state=x")
    visitor.heading("This page did not ask for that")


def test_who_cancels_there_is_told_here(visitor: Visitor) -> None:
    """With the provider's own word for it, and a way back."""
    visitor.go("/enrol")
    visitor.press("Continue with Ping account")
    visitor.page.get_by_text("[ Cancel ]").click()
    visitor.heading("Your company's sign-in was not completed")
    expect(visitor.page.locator("#outcome-facts")).to_contain_text("access_denied")


def test_who_is_nobody_here_is_told_whom_to_ask(visitor: Visitor) -> None:
    """Grace has an account there, and the directory here does not know whose it is."""
    visitor.expects_failed_loads = True
    visitor.go("/enrol")
    visitor.press("Continue with Okta account")
    log_in(visitor, "grace@example.com")
    visitor.press("Create a passkey")
    visitor.heading("Nobody here is known by your company account")
    assert visitor.passkeys() == []
    assert asked_again(visitor)["prompt"] == "login"  # whoever is remembered there is the wrong one


CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
# What the service says of a token that will not do, and what the page then asks the provider for.
STALE = {
    "entra": (
        f'Bearer error="insufficient_claims", claims="{b64encode(CLAIMS.encode()).decode()}"',
        {"claims": CLAIMS},
    ),
    "okta": (
        'Bearer error="insufficient_user_authentication", max_age="300"',
        {"max_age": "300", "prompt": "login"},
    ),
    "ping": (
        'Bearer error="insufficient_user_authentication", acr_values="Multi_Factor", max_age="0"',
        {"max_age": "0", "prompt": "login", "acr_values": "Multi_Factor"},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_who_must_sign_in_anew_is_sent_back_with_what_is_wanted(
    visitor: Visitor, company: Provider, shape: str
) -> None:
    """RFC 9470 and Entra's claims challenge become parameters of the next question; and nothing else of it is different."""
    challenge, wanted = STALE[shape]
    visitor.expects_failed_loads = True
    page, origin = visitor.page, visitor.host.url
    page.add_init_script(
        f"if (location.pathname === '/enrol/{shape}') sessionStorage.setItem('enrolment', JSON.stringify("
        f"{{issuer: '{shape}', state: 's', verifier: 'v', at: Date.now()}}))"
    )
    page.route(
        f"{company.issuer(shape)}/token",
        lambda route: route.fulfill(
            json={"access_token": "of-no-concern"}, headers={"Access-Control-Allow-Origin": origin}
        ),
    )
    page.route(
        f"{origin}/registrations",
        lambda route: route.fulfill(
            status=401,
            headers={"WWW-Authenticate": challenge, "Content-Type": "application/problem+json"},
            body=json.dumps(
                {"type": "about:blank#token_stale", "code": "token_stale", "title": "x", "status": 401}
            ),
        ),
    )
    issuer = f"&iss={quote(company.issuer(shape), safe='')}" if shape in NAMING else ""
    visitor.go(f"/enrol/{shape}?code=c&state=s{issuer}")
    visitor.press("Create a passkey")
    visitor.heading("Your sign-in is too long ago, or was not strong enough")
    told = asked_again(visitor)
    assert {
        name: told.get(name) for name in ("claims", "max_age", "prompt", "acr_values") if name in told
    } == wanted
    assert told["redirect_uri"] == f"{origin}/enrol/{shape}"


def asked_again(visitor: Visitor) -> dict[str, str]:
    """What the provider is asked when the person signs in again; it is not let through."""
    addresses: list[str] = []

    def note(route: Route) -> None:
        addresses.append(route.request.url)
        route.fulfill(content_type="text/html", body="<title>there</title>")

    visitor.page.route("**/auth?*", note)
    visitor.press("Sign in again")
    visitor.page.wait_for_url("**/auth?*")
    return {name: values[0] for name, values in parse_qs(urlsplit(addresses[-1]).query).items()}


@pytest.mark.parametrize("chosen", [False, True], ids=["account", "enrol"])
def test_the_page_is_for_everybody(visitor: Visitor, chosen: bool) -> None:
    """Names, contrast and width, light and dark, on a desk and on the narrowest phone; and the keyboard is enough."""
    visitor.go("/enrol")
    visitor.heading("Create your passkey")
    if chosen:
        button = visitor.page.get_by_role("button", name="Continue with Okta account")
        for _ in range(20):
            visitor.page.keyboard.press("Tab")
            if button.evaluate("it => it === document.activeElement"):
                break
        visitor.page.keyboard.press("Enter")
        log_in(visitor)
        expect(visitor.page.locator("#enrol-start")).to_be_visible(timeout=15_000)
        expect(visitor.page.locator("#enrol-title")).to_be_focused()
    for viewport in (NARROWEST, DESK):
        visitor.page.set_viewport_size(viewport)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        for scheme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert visitor.page.evaluate(CHECKS) == [], (viewport, scheme)


def test_without_a_company_account_the_page_says_so(browser: Browser, tmp_path: Path) -> None:
    """Whoever comes here by a guess is told what else there is; and the sign-in page does not lead here."""
    with running_host(state=tmp_path / "state") as bare, visiting(browser, bare) as visitor:
        visitor.go("/enrol")
        visitor.heading("There is no company account to use here")
        # As from the back/forward cache: there is nothing to choose from then, either.
        visitor.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        visitor.heading("There is no company account to use here")
        visitor.press("Go to sign-in")
        visitor.heading("Sign in")
        expect(visitor.page.get_by_role("link", name="create one with your company account")).to_be_hidden()
