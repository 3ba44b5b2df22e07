"""The client for applications, in a browser, before a service and an API that are played here and judge its proofs as the real ones do."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route

from passkeys.dpop import check_proof
from passkeys.proof import proves
from tests.hosts import ROOT

ORIGIN = "http://localhost:7080"
BACK = f"{ORIGIN}/callback"
API = f"{ORIGIN}/api/orders"
PAGE = """<!doctype html><title>Application</title><script type="module">
import { createClient } from "/client.js";
globalThis.ended = [];
const later = globalThis.setTimeout;
globalThis.setTimeout = (act, ms) => later(act, ms / 50); // nobody waits for a service that is only played
globalThis.make = (more = {}) => createClient({
  issuer: location.origin, clientId: "sample", redirectUri: location.origin + "/callback", resource: location.origin,
  onSignedOut: (code) => ended.push(code), ...more });
globalThis.client = make();
globalThis.code = async (act) => { try { return await act() } catch (error) { return `${error.code} ${error.acrValues ?? ""} ${error.maxAge ?? ""}`.trim() } };
</script>"""


@dataclass
class Played:
    """The service at /authorize, /token and /revoke, and an API at /api: all at one origin."""

    lives_seconds: int = 300
    nonce: str = "n-1"
    refresh_token: str = "r-1"
    access_token: str = "a-1"
    challenge: str = ""
    jkt: str = ""
    fails: list[int] = field(default_factory=list)  # statuses of the token endpoint's next answers
    refused: str = ""  # the token endpoint's next word
    demands: str = ""  # the API's challenge, beside the usual
    asked: list[dict[str, str]] = field(default_factory=list)  # forms at /token
    served: int = 0
    ids: set[str] = field(default_factory=set)
    late: list[Route] = field(
        default_factory=list
    )  # what /api/slow has been asked with an old token, still unanswered
    revoked: list[dict[str, str]] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __call__(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith("/api"):
            self._api(route)
        elif path == "/token":
            self._token(route)
        elif path == "/revoke":
            self.revoked.append(dict(parse_qsl(route.request.post_data or "")))
            route.fulfill(json={})
        elif path == "/authorize":
            asked = dict(parse_qsl(urlsplit(route.request.url).query))
            self.challenge = asked["code_challenge"]
            assert asked["redirect_uri"] == BACK
            back = urlencode({"code": "c-1", "state": asked["state"], "iss": ORIGIN})
            route.fulfill(
                content_type="text/html", body=f"<script>location.replace('{BACK}?{back}')</script>"
            )
        elif path == "/client.js":
            source = (ROOT / "web" / "client.js").read_text("utf-8")
            route.fulfill(content_type="text/javascript", body=source)
        else:
            route.fulfill(content_type="text/html", body=PAGE)

    def _proof(self, route: Route, access_token: str | None = None) -> bool:
        """Whether the nonce is right; every other fault of a proof fails the test."""
        nonces: list[str] = []
        found = (
            check_proof(
                route.request.headers["dpop"],
                method=route.request.method,
                url=route.request.url,
                at=datetime.now(UTC),
                access_token=access_token,
                nonce_ok=lambda shown: nonces.append(shown) or True,
            )
            if "nonce" in claims_of(route.request.headers["dpop"])
            else None
        )
        if found is None or nonces != [self.nonce]:
            return False
        assert found.jti not in self.ids
        self.ids.add(found.jti)
        assert self.jkt in ("", found.jkt)
        self.jkt = found.jkt
        return True

    def _token(self, route: Route) -> None:
        headers = {"DPoP-Nonce": self.nonce}
        form = dict(parse_qsl(route.request.post_data or ""))
        if not self._proof(route):
            route.fulfill(status=400, json={"error": "use_dpop_nonce"}, headers=headers)
            return
        self.asked.append(form)
        if self.fails:
            status = self.fails.pop(0)
            if status == 0:
                route.abort("connectionreset")
            else:
                route.fulfill(status=status, json={"error": "temporarily_unavailable"}, headers=headers)
            return
        if self.refused:
            route.fulfill(status=400, json={"error": self.refused}, headers=headers)
            return
        if form["grant_type"] == "refresh_token":
            assert form["refresh_token"] == self.refresh_token
            number = int(self.refresh_token[2:]) + 1
            self.refresh_token, self.access_token = f"r-{number}", f"a-{number}"
        else:
            assert (form["code"], form["redirect_uri"], form["resource"]) == ("c-1", BACK, ORIGIN)
            assert proves(form["code_verifier"], self.challenge)
        answer = {"access_token": self.access_token, "token_type": "DPoP", "expires_in": self.lives_seconds}
        route.fulfill(json={**answer, "refresh_token": self.refresh_token}, headers=headers)

    def _api(self, route: Route) -> None:
        scheme, _, token = route.request.headers.get("authorization", "").partition(" ")
        if scheme != "DPoP" or "dpop" not in route.request.headers:
            self.foreign.append(route.request.url)
            route.fulfill(status=401)
            return
        headers = {"DPoP-Nonce": self.nonce}
        if not self._proof(route, token):
            route.fulfill(status=401, headers={**headers, "WWW-Authenticate": 'DPoP error="use_dpop_nonce"'})
        elif token != self.access_token and route.request.url.endswith("/slow"):
            self.late.append(route)
        elif token != self.access_token:
            route.fulfill(status=401, headers={**headers, "WWW-Authenticate": 'DPoP error="invalid_token"'})
        elif self.demands:
            route.fulfill(status=401, headers={**headers, "WWW-Authenticate": self.demands})
        else:
            self.served += 1
            route.fulfill(json={"sent": route.request.post_data}, headers=headers)


def claims_of(proof: str) -> dict[str, Any]:
    return dict(json.loads(urlsafe_b64decode(proof.split(".")[1] + "==")))


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def page(browser: Browser, played: Played) -> Iterator[Page]:
    """A page of the application's, nobody signed in."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.route(f"{ORIGIN}/**", played)
        page.goto(f"{ORIGIN}/")
        yield page
    finally:
        context.close()


@pytest.fixture
def signed_in(page: Page) -> Page:
    """The same, after a sign-in."""
    sign_in(page)
    assert page.evaluate("client.handleCallback()") == {"returnTo": f"{ORIGIN}/"}
    return page


def sign_in(page: Page, more: str = "{}") -> None:
    with page.expect_navigation(url=f"{BACK}*"):
        page.evaluate(f"void client.signIn({more})")
    page.wait_for_function("globalThis.client")


def call(page: Page, times: int = 1) -> list[int]:
    """Requests to the API, all at once: their statuses."""
    program = "times => Promise.all(Array.from({length: times}, () => client.fetch('/api/orders').then((answer) => answer.status)))"
    statuses: list[int] = page.evaluate(program, times)
    return statuses


def test_a_sign_in_and_a_call(signed_in: Page, played: Played) -> None:
    """The code becomes tokens with the verifier of its start; the API is served; address, history and storage have nothing."""
    assert call(signed_in) == [200]
    assert played.asked[0]["grant_type"] == "authorization_code"
    assert signed_in.url == BACK
    assert signed_in.evaluate(
        "[client.signedIn, localStorage.length, sessionStorage.length, document.cookie]"
    ) == [True, 0, 0, ""]
    assert "c-1" not in signed_in.evaluate("JSON.stringify(history.state) + location.href")


def test_twenty_calls_with_a_stale_token_make_one_refresh(signed_in: Page, played: Played) -> None:
    """However many find it refused: one refresh, and each is repeated with what it brings, once."""
    call(signed_in)
    played.access_token = "revoked-meanwhile"
    played.served = 0
    assert call(signed_in, 20) == [200] * 20
    refreshes = [form for form in played.asked if form["grant_type"] == "refresh_token"]
    assert len(refreshes) == 1
    assert played.served == 20


def test_a_refusal_that_comes_late_makes_no_refresh(signed_in: Page, played: Played) -> None:
    """Whoever hears that the old token is refused when there is a new one already repeats their call with that."""
    call(signed_in)
    played.access_token = "revoked-meanwhile"
    signed_in.evaluate("void (globalThis.slow = client.fetch('/api/slow').then((answer) => answer.status))")
    assert call(signed_in) == [200]
    played.late[0].fulfill(status=401, headers={"WWW-Authenticate": 'DPoP error="invalid_token"'})
    assert signed_in.evaluate("slow") == 200
    assert len([form for form in played.asked if form["grant_type"] == "refresh_token"]) == 1


def test_twenty_calls_after_the_tokens_end_make_one_refresh(
    browser: Browser, page: Page, played: Played
) -> None:
    """What has ended is not even tried: no call is made with it."""
    played.lives_seconds = 10  # less than what a token must have left
    sign_in(page)
    page.evaluate("client.handleCallback()")
    played.lives_seconds = 300
    assert call(page, 20) == [200] * 20
    assert [form["grant_type"] for form in played.asked] == ["authorization_code", "refresh_token"]


def test_a_lost_answer_is_asked_for_again(signed_in: Page, played: Played) -> None:
    """A connection that breaks, or a 503: the same refresh token again, with a new proof, and the session lives."""
    played.access_token = "revoked-meanwhile"
    played.fails = [0, 503]
    assert call(signed_in, 3) == [200] * 3
    refreshes = [form["refresh_token"] for form in played.asked if form["grant_type"] == "refresh_token"]
    assert refreshes == ["r-1"] * 3


def test_a_service_that_stays_away_ends_nothing(signed_in: Page, played: Played) -> None:
    """The call fails with `unreachable`; the next one tries again."""
    played.access_token = "revoked-meanwhile"
    played.fails = [503, 503, 503]
    assert signed_in.evaluate("code(() => client.fetch('/api/orders'))") == "unreachable"
    assert signed_in.evaluate("client.signedIn")
    assert call(signed_in) == [200]


def test_a_session_that_is_over(signed_in: Page, played: Played) -> None:
    """invalid_grant: everybody who waits is told to sign in, the application once, and nothing is left."""
    played.access_token, played.refused = "revoked-meanwhile", "invalid_grant"
    assert (
        signed_in.evaluate("Promise.all([1, 2, 3].map(() => code(() => client.fetch('/api/orders'))))")
        == ["sign_in_needed"] * 3
    )
    assert signed_in.evaluate("[client.signedIn, ...ended]") == [False, "invalid_grant"]
    assert signed_in.evaluate("code(() => client.fetch('/api/orders'))") == "sign_in_needed"
    assert len([form for form in played.asked if form["grant_type"] == "refresh_token"]) == 1


def test_a_new_nonce_costs_one_request(signed_in: Page, played: Played) -> None:
    """When the nonce changes, the request is made again with the new one, with its body; the next has it already."""
    call(signed_in)
    played.nonce = "n-2"
    sent = "client.fetch('/api/orders', {method: 'POST', body: 'two apples'}).then((answer) => answer.json())"
    assert signed_in.evaluate(sent) == {"sent": "two apples"}
    before = len(played.ids)
    call(signed_in)
    assert len(played.ids) == before + 1


def test_a_stronger_sign_in(signed_in: Page, played: Played) -> None:
    """What the API wants is told, for signIn to ask for it (RFC 9470)."""
    played.demands = (
        'DPoP error="insufficient_user_authentication", acr_values="phrh", max_age="300", algs="ES256"'
    )
    assert signed_in.evaluate("code(() => client.fetch('/api/orders'))") == "sign_in_needed phrh 300"
    assert signed_in.evaluate("client.signedIn")


def test_tokens_go_to_the_apis_origin_alone(signed_in: Page, played: Played) -> None:
    """Another origin gets no request at all."""
    asked: list[str] = []
    signed_in.on("request", lambda request: asked.append(request.url))
    for elsewhere in (
        "https://evil.example.com/",
        "http://localhost:7081/api",
        "http://127.0.0.1:7080/api",
        "//evil.example.com",
    ):
        assert signed_in.evaluate("url => code(() => client.fetch(url))", elsewhere) == "api_unknown"
    assert asked == []


def test_signing_out(signed_in: Page, played: Played) -> None:
    """The refresh token is revoked, the application told, and nothing can be called any more."""
    signed_in.evaluate("client.signOut()")
    assert played.revoked == [{"client_id": "sample", "token": "r-1"}]
    assert signed_in.evaluate("[client.signedIn, ...ended]") == [False, "signed_out"]
    assert signed_in.evaluate("code(() => client.fetch('/api/orders'))") == "sign_in_needed"
    signed_in.evaluate("client.signOut()")
    assert len(played.revoked) == 1


def test_signing_out_while_a_refresh_is_under_way(signed_in: Page, played: Played) -> None:
    """The newest token is the one that is revoked, and the call that waited gets nothing."""
    played.access_token = "revoked-meanwhile"
    with signed_in.expect_request("**/token"):
        signed_in.evaluate("void (globalThis.waiting = code(() => client.fetch('/api/orders')))")
    signed_in.evaluate("client.signOut()")
    assert signed_in.evaluate("waiting.then((found) => found.status ?? found)") in ("sign_in_needed", 200)
    assert played.revoked[0]["token"] == played.refresh_token == "r-2"
    assert not signed_in.evaluate("client.signedIn")


FOREIGN_ANSWERS: tuple[tuple[dict[str, str], str], ...] = (
    ({"code": "c-1"}, "state_mismatch"),
    ({"code": "c-1", "state": "another"}, "state_mismatch"),
    ({"code": "c-1", "state": "", "iss": ORIGIN}, "state_mismatch"),
    ({"code": "c-1", "state": "own"}, "issuer_mismatch"),
    ({"code": "c-1", "state": "own", "iss": "https://evil.example.com"}, "issuer_mismatch"),
    ({"error": "access_denied", "state": "own", "iss": ORIGIN}, "access_denied"),
    ({"error": "access_denied", "state": "another", "iss": ORIGIN}, "state_mismatch"),
)


def test_an_answer_that_is_not_ones_own(page: Page, played: Played) -> None:
    """Another tab's, another service's, a forged one, or a no: nobody is signed in, no code is sent anywhere, and it counts once."""
    for query, code in FOREIGN_ANSWERS:
        page.evaluate(
            """() => sessionStorage.setItem(`passkeys:${location.origin}:sample`,
              JSON.stringify({state: "own", verifier: "v".repeat(43), returnTo: location.href}))"""
        )
        page.goto(f"{BACK}?{urlencode(query)}")
        page.wait_for_function("globalThis.client")
        assert page.evaluate("code(() => client.handleCallback())") == code, query
        assert page.evaluate("[client.signedIn, sessionStorage.length, location.search]") == [False, 0, ""]
    assert played.asked == []


def test_a_page_that_is_no_return(page: Page) -> None:
    """handleCallback may be called on every load."""
    assert page.evaluate("client.handleCallback()") is None
    assert page.evaluate("code(() => client.fetch('/api/orders'))") == "sign_in_needed"


def test_what_the_sign_in_asks_for(page: Page, played: Played) -> None:
    """What a step-up needs is in the request, and the place to come back to is the application's own affair."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/authorize" in request.url else None)
    sign_in(page, '{acrValues: "phrh", loginHint: "ada", returnTo: "/orders/7"}')
    query = dict(parse_qsl(urlsplit(asked[0]).query))
    assert (query["acr_values"], query["login_hint"], query["resource"]) == ("phrh", "ada", ORIGIN)
    assert "/orders/7" not in asked[0]
    assert page.evaluate("client.handleCallback()") == {"returnTo": "/orders/7"}


def test_the_key_cannot_be_taken_out(browser: Browser, page: Page) -> None:
    """The private key is made non-extractable, and tokens are in no object that the page has."""
    page.add_init_script(
        """globalThis.made = []; const generate = crypto.subtle.generateKey.bind(crypto.subtle);
          crypto.subtle.generateKey = async (...given) => { const keys = await generate(...given); made.push(keys); return keys };"""
    )
    sign_in(page)
    page.evaluate("client.handleCallback()")
    assert page.evaluate("made.map(({ privateKey }) => [privateKey.extractable, privateKey.usages])") == [
        [False, ["sign"]]
    ]
    assert page.evaluate("JSON.stringify(client)") == '{"signedIn":true}'


def test_one_page_of_proofs_is_never_repeated(signed_in: Page, played: Played) -> None:
    """A hundred calls are made in good time, each with a proof of its own."""
    call(signed_in)
    began = time.monotonic()
    assert call(signed_in, 100) == [200] * 100
    assert time.monotonic() - began < 20
    assert played.served == 101
