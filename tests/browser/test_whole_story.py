"""The whole story, in a browser, with a real OpenID provider, in the shapes of three vendors: from the company's own login to the day
on which the company lets somebody go.

The provider is panva's; the directories behind it are played from their documentation; the service and the sample application are
as they are.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Request, expect

from passkeys.local_keys import LocalKeys
from tests.browser.conftest import ROOMY
from tests.browser.samples import registered_at, sample_application
from tests.browser.test_company_account import issuers_of, log_in
from tests.browser.visitor import Visitor, visiting
from tests.exchanges import claims_of
from tests.fakes import graph, okta, pingone
from tests.fakes.graph import Graph
from tests.fakes.okta import Okta
from tests.fakes.pingone import PingOne
from tests.fakes.serving import served
from tests.fakes.trouble import Provider as Fake
from tests.hosts import RunningHost, free_port, running_host
from tests.oidc_provider.provider import ADA, ENVIRONMENT, IDS, PATHS, TENANT, Provider, provider

SHAPES = list(PATHS)
OPERATORS = "11111111-1111-4111-8111-111111111111"


@dataclass(frozen=True)
class Company:
    """One company: its service, its sample application, and how it lets Ada go."""

    host: RunningHost
    sample: str
    ada: str
    let_go: Callable[[], None]


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    redirects = tuple(f"http://localhost/enrol/{shape}" for shape in SHAPES)
    with provider(tmp_path_factory.mktemp("provider"), redirect_uris=redirects) as running:
        yield running


@pytest.fixture(scope="module", params=SHAPES)
def company(
    request: pytest.FixtureRequest, login: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Company]:
    shape: str = request.param
    folder = tmp_path_factory.mktemp(shape)
    with ExitStack() as stack:
        entry, env, let_go = DIRECTORIES[shape](stack, folder, login)
        (folder / "directory.json").write_text(json.dumps({**entry, "tls_roots": str(folder / "root.pem")}))
        (folder / "issuers.json").write_text(json.dumps({shape: issuers_of(login)[shape]}))
        port = free_port()
        registered = {"sample": registered_at(f"http://localhost:{port}")}
        (folder / "applications.json").write_text(json.dumps(registered))
        settings = {
            **ROOMY,
            **env,
            "PASSKEYS_DIRECTORY": str(folder / "directory.json"),
            "PASSKEYS_ISSUERS": str(folder / "issuers.json"),
            "PASSKEYS_APPLICATIONS": str(folder / "applications.json"),
            "PASSKEYS_KEYS": str(folder / "keys"),
            "PASSKEYS_CLAIMS_SECONDS": "0",
        }
        host = stack.enter_context(running_host(state=folder / "state", env=settings))
        origin = stack.enter_context(sample_application(host.url, port, folder / "sample.log"))
        yield Company(host, origin, IDS[ADA][shape], let_go)


def _entra(stack: ExitStack, folder: Path, login: Provider) -> tuple[dict[str, Any], dict[str, str], Any]:
    """Graph, by the managed identity of an app in Azure: the platform's endpoint is on this machine."""
    ada = IDS[ADA]["entra"]
    fake = Graph(users={ada: graph.user(ada, "Ada Lovelace")}, groups={OPERATORS: {ada}})
    origin = stack.enter_context(served(fake, folder))
    entry = {
        "provider": "entra",
        "tenant": TENANT,
        "authority": login.origin,
        "graph": origin,
        "roles": {"operator": [OPERATORS]},
    }
    env = {"IDENTITY_ENDPOINT": stack.enter_context(_identity_endpoint()), "IDENTITY_HEADER": "x"}
    return entry, env, lambda: fake.users[ada].update(accountEnabled=False)


def _okta(stack: ExitStack, folder: Path, login: Provider) -> tuple[dict[str, Any], dict[str, str], Any]:
    """Okta, with an app that demands proofs and nonces."""
    ada = IDS[ADA]["okta"]
    fake = Okta(
        users={ada: okta.user(ada, "Ada Lovelace")}, groups={ada: [OPERATORS]}, demands_proof=True, nonce="n1"
    )
    origin, jwk = _by_key(stack, folder, fake)
    fake.org, fake.endpoint = origin, f"{origin}/oauth2/v1/token"
    entry = {
        "provider": "okta",
        "org": origin,
        "client_id": fake.client_id,
        "key_id": jwk["kid"],
        "issuers": [login.issuer("okta")],
        "roles": {"operator": [OPERATORS]},
    }
    return entry, {}, lambda: fake.users[ada].update(status="DEPROVISIONED")


def _ping(stack: ExitStack, folder: Path, login: Provider) -> tuple[dict[str, Any], dict[str, str], Any]:
    """PingOne, with a custom domain for its logins."""
    ada = IDS[ADA]["ping"]
    fake = PingOne(users={ada: pingone.user(ada, "Ada Lovelace")}, groups={ada: [OPERATORS]})
    origin, jwk = _by_key(stack, folder, fake)
    fake.api, fake.endpoint = origin, f"{origin}/{ENVIRONMENT}/as/token"
    entry = {
        "provider": "pingone",
        "region": "eu",
        "environment": ENVIRONMENT,
        "api": origin,
        "auth": origin,
        "issuer": login.issuer("ping"),
        "client_id": fake.client_id,
        "key_id": jwk["kid"],
        "roles": {"operator": [OPERATORS]},
    }
    return entry, {}, lambda: fake.users[ada].update(enabled=False)


DIRECTORIES = {"entra": _entra, "okta": _okta, "ping": _ping}


def _by_key(stack: ExitStack, folder: Path, fake: Any) -> tuple[str, Any]:
    """The fake's address, and the key of ours that it knows."""
    with ThreadPoolExecutor(1) as elsewhere:  # the browser's loop runs in this thread
        jwk = elsewhere.submit(lambda: asyncio.run(LocalKeys(folder / "keys").create())).result()
    fake.key = jwk
    assert isinstance(fake, Fake)
    return stack.enter_context(served(fake, folder)), jwk


@contextmanager
def _identity_endpoint() -> Iterator[str]:
    """App Service's, in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = {
                "access_token": graph.TOKEN,
                "expires_on": str(int(time.time()) + 86_400),
                "resource": "r",
                "token_type": "Bearer",
            }
            body = json.dumps(given).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/msi/token"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def ada(browser: Browser, company: Company) -> Iterator[Visitor]:
    with visiting(browser, company.host, ignore_https_errors=True) as visitor:
        visitor.note_prompts()
        visitor.expects_failed_loads = (
            True  # nonces are asked for by 4xx, and so is what is refused at the end
        )
        visitor.page.route(
            "https://fonts.googleapis.com/**", lambda route: route.fulfill(content_type="text/css")
        )
        visitor.page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        yield visitor


def answer_of(visitor: Visitor, name: str) -> tuple[int, dict[str, Any]]:
    """Press the sample's button; what its API has answered."""
    visitor.page.evaluate("document.getElementById('answer').textContent = ''")
    visitor.press(name)
    answer = visitor.page.locator("#answer")
    expect(answer).to_have_text(re.compile(r"^\d{3}\n"), timeout=15_000)
    status, _, body = answer.inner_text().partition("\n")
    return int(status), json.loads(body)


def test_from_the_first_login_to_the_last_refusal(ada: Visitor, company: Company) -> None:
    """Log in there, enrol here, sign in to an application, be served, refresh; be let go, and be refused from then on."""
    page, asked = ada.page, list[Request]()
    page.on("request", lambda request: asked.append(request) if request.method == "POST" else None)

    ada.go("/enrol")
    page.get_by_role("button", name=re.compile("^Continue with ")).click()
    log_in(ada)
    ada.press("Create a passkey")
    ada.heading("Your passkey is ready")
    expect(page.locator("#outcome-lead")).to_contain_text("It belongs to Ada Lovelace.")

    page.goto(company.sample)
    ada.consents(False)
    ada.press("Sign in with a passkey")
    ada.heading("Sign in to Sample application")
    ada.prompts(1)
    ada.consents(True)  # not before: the form field would be answered, too
    ada.press("Sign in with a passkey")
    expect(page.locator("#who")).to_have_text("You are signed in.", timeout=15_000)
    status, who = answer_of(ada, "Who am I?")
    assert (status, who["subject"], who["roles"], who["acr"]) == (200, company.ada, ["operator"], "phr")
    assert answer_of(ada, "See the ledger")[0] == 200

    # Minutes later, by the page's clock: the next access token, by the next refresh token, of the same session.
    page.clock.install()
    page.clock.fast_forward(290_000)
    assert answer_of(ada, "Who am I?")[0] == 200
    first, second = tokens_given(asked)
    assert first["refresh_token"] != second["refresh_token"]
    assert claims_of(first["access_token"])["sid"] == claims_of(second["access_token"])["sid"]

    company.let_go()

    page.clock.fast_forward(290_000)
    ada.press("Who am I?")
    expect(page.locator("#who")).to_contain_text(re.compile("sign in", re.IGNORECASE), timeout=15_000)
    assert len(tokens_given(asked)) == 2
    ada.go("/")  # the form field offers the passkey, and the authenticator answers at once
    badge = page.locator("#outcome-badge")
    # The passkey is fine and its person is not; or it is put aside already, until somebody has looked.
    expect(badge).to_have_text(re.compile("Not allowed|Not accepted"), timeout=15_000)
    assert _recorded(company.host, "access_ended")


def _recorded(host: RunningHost, act: str) -> bool:
    """Whether the audit trail has it within some seconds."""
    for _ in range(100):
        for segment in (host.state / "store" / "audit").rglob("*.jsonl"):
            if f'"act":"{act}"' in segment.read_text():
                return True
        time.sleep(0.1)
    return False


def tokens_given(asked: list[Request]) -> list[dict[str, Any]]:
    """The answers of our own /token that gave tokens, in order."""
    found = []
    for one in asked:
        if not one.url.endswith("/token") or "client_id=sample" not in (one.post_data or ""):
            continue
        answer = one.response()
        body = answer.json() if answer else {}
        if "access_token" in body:
            found.append(body)
    return found
