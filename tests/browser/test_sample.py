"""The sample application and the service, both as real processes: from the enrolment link to the last refused refresh."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Browser, Page, Request, expect

from passkeys.client_assertions import TYPE
from passkeys.response import decode_base64url, encode_base64url
from tests.browser.conftest import ROOMY
from tests.browser.samples import registered_at, sample_application
from tests.browser.visitor import Visitor, visiting
from tests.exchanges import Exchange, claims_of
from tests.hosts import RunningHost, free_port, running_host
from tests.passkeys.proofs import proof
from tests.passkeys.tokens import EC, jwk, token

# The key would never leave the browser: here it does, for a thief's eyes.
LEAKY = """
globalThis.stolen = [];
const generate = globalThis.crypto.subtle?.generateKey.bind(crypto.subtle);
if (generate) crypto.subtle.generateKey = async (algorithm, _, uses) => {
  const keys = await generate(algorithm, true, uses);
  stolen.push(await crypto.subtle.exportKey("jwk", keys.privateKey));
  return keys;
};
"""


@dataclass(frozen=True)
class Sample:
    """The application: where it is, what it says, and the service behind it."""

    url: str
    host: RunningHost
    log: Path


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    """Both of them, on ports of their own; and a back end that may ask about tokens."""
    folder = tmp_path_factory.mktemp("sample")
    port = free_port()
    origin = f"http://localhost:{port}"
    asking = {
        "name": "Back end",
        "audiences": [origin],
        "keys": {"keys": [jwk(EC, "back-end")]},
        "introspection": True,
    }
    (folder / "applications.json").write_text(
        json.dumps({"sample": registered_at(origin), "back-end": asking})
    )
    env = {
        **ROOMY,
        "PASSKEYS_APPLICATIONS": str(folder / "applications.json"),
        "PASSKEYS_REFRESH_GRACE_SECONDS": "0",
    }
    log = folder / "sample.log"
    with (
        running_host(state=folder / "state", env=env) as host,
        sample_application(host.url, port, log) as application,
    ):
        yield Sample(application, host, log)


@pytest.fixture
def person(browser: Browser, sample: Sample) -> Iterator[Visitor]:
    """Grace, an operator, with a passkey that she has made by link."""
    with visiting(browser, sample.host, person="grace", name="Grace Hopper") as visitor:
        visitor.expects_failed_loads = True  # each first proof without a nonce is a 4xx
        visitor.page.add_init_script(LEAKY)
        visitor.note_prompts()
        visitor.enrol()
        yield visitor


def signs_in(visitor: Visitor, sample: Sample) -> None:
    visitor.page.goto(sample.url)
    signs_in_there(visitor)


def signs_in_there(visitor: Visitor) -> None:
    """From the application's button to the service's, and back."""
    visitor.consents(False)
    visitor.press("Sign in with a passkey")
    visitor.heading("Sign in to Sample application")
    visitor.prompts(1)
    visitor.consents(True)  # not before: the form field would be answered, too
    visitor.press("Sign in with a passkey")
    expect(visitor.page.locator("#who")).to_have_text("You are signed in.", timeout=15_000)


def calls(page: Page, name: str) -> tuple[int, dict[str, Any]]:
    """Press the button; what the API has answered."""
    page.evaluate("document.getElementById('answer').textContent = ''")
    page.get_by_role("button", name=name).click()
    answer = page.locator("#answer")
    expect(answer).to_have_text(re.compile(r"^\d{3}\n"), timeout=15_000)
    status, _, body = answer.inner_text().partition("\n")
    return int(status), json.loads(body)


def test_the_whole_way(person: Visitor, sample: Sample) -> None:
    """Sign in, call, let it refresh, sign out: what a thief of token, refresh token and key has of it then; and where it all is not."""
    page, told = person.page, list[Request]()
    page.on("request", lambda request: told.append(request) if request.method != "OPTIONS" else None)
    signs_in(person, sample)
    assert page.url == f"{sample.url}/"
    status, who = calls(page, "Who am I?")
    assert (status, who["subject"], who["roles"], who["acr"]) == (200, "grace", ["operator"], "phr")
    assert calls(page, "Transfer 100") == (200, {"transferred": 100, "by": "grace"})
    assert calls(page, "See the ledger")[0] == 200

    # Minutes later by the page's clock: a new access token, by the next refresh token. Only the nonce tells the time.
    page.clock.install()
    page.clock.fast_forward(290_000)
    assert calls(page, "Who am I?")[0] == 200
    assert calls(page, "Who am I?")[0] == 200
    exchanges = [one for one in told if one.url.endswith("/token")]
    forms = [dict(parse_qsl(one.post_data or "")) for one in exchanges]
    answers = [answer.json() for one in exchanges if (answer := one.response())]
    good = [answer for answer in answers if "access_token" in answer]
    assert len(good) == 2
    assert good[0]["refresh_token"] != good[1]["refresh_token"]
    assert claims_of(good[0]["access_token"])["sid"] == claims_of(good[1]["access_token"])["sid"]

    stolen = page.evaluate("stolen")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#who")).to_have_text("You are signed out.")
    assert not page.get_by_role("button", name="Who am I?").is_visible()
    assert "grace" not in page.content()
    thief = Exchange(sample.host.url, key=private_key(stolen[-1]))
    refused = thief.refresh(good[1]["refresh_token"])
    assert (refused.status, refused.body["error"]) == (400, "invalid_grant")
    # As it was designed: the API asks nobody, so that an access token lives out its minutes; who must know sooner asks.
    assert active(sample, good[1]["access_token"]) == {"active": False}
    assert api(sample, good[1]["access_token"], thief) == 200
    assert api(sample, good[1]["access_token"], Exchange(sample.host.url)) == 401

    hidden = [form[name] for form in forms for name in ("code_verifier", "refresh_token") if name in form]
    hidden += [one for answer in good for one in (answer["access_token"], answer["refresh_token"])]
    hidden += [one.headers["dpop"] for one in told if "dpop" in one.headers] + [stolen[-1]["d"]]
    assert len(hidden) > 10
    for file in [*sample.host.state.parent.rglob("*"), sample.log]:
        if file.is_file():
            held = file.read_bytes()
            assert [
                one for one in hidden if one.encode() in held or one.split(".")[-1].encode() in held
            ] == [], file


def test_a_sign_in_that_is_too_old_is_renewed(person: Visitor, sample: Sample) -> None:
    """The API says how recent it must be; the page has the person sign in again, and then it is done."""
    signs_in(person, sample)
    person.page.route(
        "**/api/transfer",
        lambda route: route.fulfill(
            status=401,
            headers={"WWW-Authenticate": 'DPoP error="insufficient_user_authentication", max_age="60"'},
        ),
    )
    person.page.get_by_role("button", name="Transfer 100").click()
    expect(person.page.locator("#who")).to_have_text("For that, sign in again.")
    person.page.unroute("**/api/transfer")
    signs_in_there(person)
    assert calls(person.page, "Transfer 100")[0] == 200


def test_a_no_is_told(person: Visitor, sample: Sample) -> None:
    """Cancelled at the service: back at the application, which says so."""
    person.consents(False)
    person.page.goto(sample.url)
    person.press("Sign in with a passkey")
    person.heading("Sign in to Sample application")
    person.press("Cancel")
    expect(person.page.locator("#who")).to_contain_text("access_denied")
    assert person.page.url == f"{sample.url}/callback"


def test_the_client_can_be_imported_from_the_service(browser: Browser, sample: Sample) -> None:
    """From a page of another origin, which need not copy it, if its own policy lets it."""
    with visiting(browser, sample.host, bypass_csp=True) as visitor:
        visitor.page.goto(sample.url)
        imported = "url => import(url).then((module) => Object.keys(module))"
        assert visitor.page.evaluate(imported, f"{sample.host.url}/assets/client.js") == [
            "ClientError",
            "createClient",
        ]


def private_key(members: dict[str, str]) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decode_base64url(members["d"]), "big"), ec.SECP256R1())


def api(sample: Sample, access_token: str, holder: Exchange) -> int:
    """What the API answers to who has this token, and the holder's key: with the nonce that it asks for."""
    nonce = None
    for _ in range(2):
        claims = {
            "htm": "GET",
            "htu": f"{sample.url}/api/me",
            "iat": int(time.time()),
            "jti": secrets.token_urlsafe(8),
            "ath": encode_base64url(hashlib.sha256(access_token.encode()).digest()),
        }
        made = proof({**claims, **({"nonce": nonce} if nonce else {})}, key=holder.key)
        asked = urllib.request.Request(
            f"{sample.url}/api/me", headers={"Authorization": f"DPoP {access_token}", "DPoP": made}
        )
        try:
            with urllib.request.urlopen(asked) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            nonce = error.headers.get("DPoP-Nonce")
            status = error.code
    return status


def active(sample: Sample, access_token: str) -> dict[str, Any]:
    """What the service says of the token, to the back end."""
    now = int(time.time())
    claims = {
        "iss": "back-end",
        "sub": "back-end",
        "aud": sample.host.url,
        "jti": f"a-{time.monotonic_ns()}",
        "iat": now,
        "exp": now + 60,
    }
    assertion = token(claims, {"alg": "ES256", "kid": "back-end", "typ": "JWT"}, key=EC)
    body = urllib.parse.urlencode(
        {"token": access_token, "client_assertion_type": TYPE, "client_assertion": assertion}
    ).encode()
    with urllib.request.urlopen(f"{sample.host.url}/introspect", body) as response:
        return dict(json.load(response))
