"""Tokens on the real host: from a sign-in to a session that refreshes, many at once, until it is ended; nothing secret at rest."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from demo import ceremonies
from demo.authenticator import Passkey
from demo.ceremonies import call, expect
from tests.exchanges import Exchange, claims_of
from tests.faults.evidence import documents, wait_until_settled
from tests.faults.tickets import issue_tickets
from tests.hosts import RunningHost, running_host
from tests.passkeys.tokens import key_set
from tests.system.test_secrets import findings

ENV = {
    "PASSKEYS_LIMIT_NETWORK": "1000/60",
    "PASSKEYS_LIMIT_PERSON": "1000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
    # A hundred at once on a busy machine take longer than the ten seconds of the default.
    "PASSKEYS_REFRESH_GRACE_SECONDS": "30",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    with running_host(state=tmp_path_factory.mktemp("tokens") / "state", env=ENV) as running:
        yield running


@pytest.fixture(scope="module")
def passkey(host: RunningHost) -> Passkey:
    (ticket,) = issue_tickets(host.state, "ada")
    return ceremonies.register(host.url, ticket)[0]


def test_a_sign_in_becomes_a_session_and_ends(host: RunningHost, passkey: Passkey) -> None:
    """Redeemed, verified by the published keys, refreshed, revoked by the access token; and no byte of it is at rest."""
    metadata = expect(call(host.url, "GET", "/.well-known/oauth-authorization-server"), 200).body
    assert metadata["token_endpoint"] == f"{host.url}/token"
    shop = Exchange(host.url)
    code = shop.sign_in(passkey)
    first = expect(shop.redeem(code), 200).body
    keys = key_set(*expect(call(host.url, "GET", "/.well-known/jwks.json"), 200).body["keys"])
    assert claims_of(first["access_token"])["iss"] == metadata["issuer"]
    assert len(keys) == 1
    second = expect(shop.refresh(first["refresh_token"]), 200).body
    assert claims_of(second["access_token"])["sid"] == claims_of(first["access_token"])["sid"]
    thief = replace(Exchange(host.url), nonce=shop.nonce)
    assert expect(thief.refresh(second["refresh_token"]), 400).body["error"] == "invalid_grant"
    assert expect(shop.revoke(second["access_token"]), 200).body == {}
    assert expect(shop.refresh(second["refresh_token"]), 400).body["error"] == "invalid_grant"
    assert expect(shop.redeem(code), 400).body["error"] == "invalid_grant"
    wait_until_settled(host.url, host.state, seconds=15)
    wanted = {
        f"secret {number}, part {index}": part.encode()
        for number, secret in enumerate([shop.verifier, *shop.sent, *thief.sent])
        for index, part in enumerate(secret.split("."))
        # The header of an access token, and of a proof, is public: it names a public key.
        if index or "." not in secret
    }
    assert len(wanted) > 10
    assert findings(host.state.parent, wanted) == []


def test_an_answer_that_redeems_has_the_tokens(host: RunningHost, passkey: Passkey) -> None:
    """With the outcome, where the application has started the sign-in itself."""
    shop = Exchange(host.url)
    shop.redeem("authentication-" + "0" * 32)  # for the nonce
    tokens = shop.answer(passkey, redeem=True).body["tokens"]
    expect(shop.revoke(expect(shop.refresh(tokens["refresh_token"]), 200).body["refresh_token"]), 200)


def test_a_hundred_refreshes_at_once_give_one_successor(host: RunningHost, passkey: Passkey) -> None:
    """Over HTTP: one generation further, no dead session, and it goes on."""
    shop = Exchange(host.url)
    token = expect(shop.redeem(shop.sign_in(passkey)), 200).body["refresh_token"]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: replace(shop, sent=[]).refresh(token), range(100)))
    successors = {answer.body["refresh_token"] for answer in answers if answer.status == 200}
    assert len(successors) == 1
    assert {answer.body["error"] for answer in answers if answer.status != 200} <= {"invalid_grant"}
    assert expect(shop.refresh(successors.pop()), 200)
    rows = documents(host.state, "sessions/")
    assert sum(b'"active"' in row for row in rows.values()) == 1
