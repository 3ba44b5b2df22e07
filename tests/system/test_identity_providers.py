"""Enrolment by an identity provider's token on the real host, whose keys it reads over TLS from this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from demo import authenticator, ceremonies
from demo.ceremonies import Answer, call, expect
from tests.faults.evidence import read_audit, wait_until_settled
from tests.faults.tickets import issue_tickets
from tests.hosts import FUNCTION_KEY, RunningHost, running_host
from tests.identity_provider import IdentityProvider, identity_provider
from tests.passkeys.tokens import ADA, CONSUMERS, TENANT, malleated
from tests.visits import enrol

ENV = {
    "PASSKEYS_LIMIT_PERSON": "1000/60",
    "PASSKEYS_LIMIT_NETWORK": "1000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    with identity_provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(scope="module")
def host(provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    folder: Path = tmp_path_factory.mktemp("enrolment")
    with running_host(state=folder / "state", env={**ENV, **provider.settings(folder)}) as running:
        yield running


def start(host: RunningHost, made: str, issuer: str = "company") -> Answer:
    return call(
        host.url, "POST", "/registrations", {"issuer": issuer}, headers={"Authorization": f"Bearer {made}"}
    )


def finish(host: RunningHost, started: Answer) -> tuple[Any, Answer]:
    passkey, response = authenticator.create(ceremonies.options_of(host.url, started), origin=host.url)
    answer = ceremonies.respond(host.url, started.body["id"], response)
    return passkey, ceremonies.finished(host.url, answer)


def trace(host: RunningHost, ceremony_id: str) -> dict[str, Any]:
    path = f"/operations/ceremonies/{ceremony_id}"
    return dict(expect(call(host.url, "GET", path, headers={"x-functions-key": FUNCTION_KEY}), 200).body)


@pytest.mark.parametrize("issuer", ["company", "partner"])
def test_a_person_enrols_by_token_and_signs_in(
    host: RunningHost, provider: IdentityProvider, issuer: str
) -> None:
    """Entra's shape and RFC 9068's: one passkey a token, and a replay, in whatever spelling, starts nothing."""
    made = provider.entra() if issuer == "company" else provider.oidc()
    passkey, answer = finish(host, start(host, made, issuer))
    assert answer.outcome == "completed"
    assert answer.body["output"]["person"] == {"id": "ada", "display_name": "Ada Lovelace"}
    assert ceremonies.sign_in(host.url, passkey).outcome == "completed"
    for replay in (made,) if issuer == "company" else (made, malleated(made)):
        refused = start(host, replay, issuer)
        assert (refused.status, refused.body["code"]) == (401, "token_invalid")
        assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert f"token_used {issuer}" in host.log()


def test_two_ceremonies_by_one_token_make_one_passkey(host: RunningHost, provider: IdentityProvider) -> None:
    """Both begin; whoever records second is refused, and the operator sees why, and whose token it was."""
    made = provider.entra()
    first, second = start(host, made), start(host, made)
    assert finish(host, first)[1].outcome == "completed"
    passkey, answer = finish(host, second)
    assert (answer.outcome, answer.body["output"]["reason"]) == ("refused", "not_allowed")
    assert trace(host, second.body["id"])["reason"] == "token_used"
    assert ceremonies.sign_in(host.url, passkey).outcome == "rejected"


def test_who_may_not_gets_nothing(host: RunningHost, provider: IdentityProvider) -> None:
    """Disabled: the ceremony ends refused. Unknown, of another tenant, by the consumers' key, old, without scope: none begins."""
    disabled = start(host, provider.oidc(sub="mallory"), "partner")
    assert finish(host, disabled)[1].outcome == "refused"
    assert trace(host, disabled.body["id"])["reason"] == "person_disabled"
    consumers = f"{provider.url}/{CONSUMERS}/v2.0"
    for made, issuer, status, code in (
        (provider.oidc(sub="eve", email="ada@example.com"), "partner", 403, "identity_unknown"),
        (provider.entra(oid=ADA.replace("ad", "ae")), "company", 403, "identity_unknown"),
        (provider.entra(tid=CONSUMERS, iss=consumers, kid="consumers"), "company", 401, "token_invalid"),
        (provider.entra(kid="consumers"), "company", 401, "token_invalid"),
        (provider.oidc(), "company", 401, "token_invalid"),
        (provider.entra(nonce="x"), "company", 401, "token_invalid"),
        (provider.entra(age=700), "company", 401, "token_stale"),
        (provider.entra(scp="User.Read"), "company", 403, "token_scope_insufficient"),
    ):
        refused = start(host, made, issuer)
        assert (refused.status, refused.body["code"]) == (status, code)
    for logged in (
        "token_refused company: token_key_issuer_mismatch",
        "token_refused company: token_tenant_refused",
        "identity_unknown partner",
    ):
        assert logged in host.log()


def test_200_unknown_keys_make_one_read(tmp_path: Path) -> None:
    """Sixteen callers at once against a host that has read nothing yet; then the honest one comes in."""
    with (
        identity_provider(tmp_path / "provider") as provider,
        running_host(state=tmp_path / "state", env={**ENV, **provider.settings(tmp_path)}) as host,
        ThreadPoolExecutor(16) as pool,
    ):
        attempts = [provider.oidc(kid=f"unknown-{n}") for n in range(200)]
        answers = list(pool.map(lambda made: start(host, made, "partner"), attempts))
        assert {answer.status for answer in answers} == {401}
        assert provider.asked == {"/op/.well-known/openid-configuration": 1, "/op/keys": 1}
        assert start(host, provider.oidc(), "partner").status == 202
        assert provider.asked["/op/keys"] == 1


def test_a_binding_outlives_the_host_and_the_directory(provider: IdentityProvider, tmp_path: Path) -> None:
    """Ada by her token; then the file says that the identity is Grace's: neither comes in, nor does a ceremony that had begun."""
    env = {**ENV, **provider.settings(tmp_path)}
    with running_host(state=tmp_path / "state", env=env) as host:
        assert finish(host, start(host, provider.entra()))[1].outcome == "completed"
    people = provider.people()
    (entra, *_) = people["ada"].pop("identities")
    people["grace"]["identities"] = [entra]
    with running_host(state=tmp_path / "state", env={**env, **provider.settings(tmp_path, people)}) as host:
        refused = start(host, provider.entra())
        assert (refused.status, refused.body["code"]) == (403, "identity_unknown")
        assert "identity_taken company" in host.log()
        # A ticket is another right, and still one.
        assert enrol(host.url, issue_tickets(host.state, "ada")[0])[1].answer.outcome == "completed"


def test_every_ceremony_is_recorded_once_and_says_whose_token(
    host: RunningHost, provider: IdentityProvider
) -> None:
    """The audit has issuer, tenant and subject of each that a token began; no name of the provider's, no address."""
    wait_until_settled(host.url, host.state, seconds=20)
    entries, broken = read_audit(host.state)
    assert broken == []
    assert len({entry["ceremony_id"] for entry in entries}) == len(entries)
    by_token = [entry for entry in entries if "identity" in entry]
    assert {entry["identity"]["issuer"] for entry in by_token} == {
        f"{provider.url}/{TENANT}/v2.0",
        f"{provider.url}/op",
    }
    assert {entry["reason"] for entry in by_token} >= {None, "token_used", "person_disabled"}
    assert "ada@example.com" not in json.dumps(by_token)
    assert all("ticket" not in entry and "token" not in entry for entry in by_token)
