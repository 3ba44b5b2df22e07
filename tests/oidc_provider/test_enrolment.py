"""Enrolment by a token of a real provider's, in each of three shapes: the right person, and nobody by any other token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo import authenticator, ceremonies
from demo.ceremonies import Answer, call
from tests.hosts import RunningHost, running_host
from tests.oidc_provider.logging_in import access_token
from tests.oidc_provider.provider import ADA, GRACE, IDS, OTHER_AUDIENCE, PATHS, TENANT, Provider, provider

SHAPES = list(PATHS)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(scope="module")
def host(company: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    folder = tmp_path_factory.mktemp("host")

    def identities(login: str) -> list[dict[str, str]]:
        tenant = {"entra": {"tenant": TENANT}}
        return [
            {"issuer": company.issuer(shape), "subject": IDS[login][shape], **tenant.get(shape, {})}
            for shape in SHAPES
        ]

    people = {
        "ada": {"display_name": "Ada Lovelace", "identities": identities(ADA)},
        "grace": {"display_name": "Grace Hopper", "identities": identities(GRACE)},
    }
    for name, content in (("issuers", company.issuers()), ("people", people)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    env = {
        "PASSKEYS_ISSUERS": str(folder / "issuers.json"),
        "PASSKEYS_DIRECTORY": str(folder / "people.json"),
    }
    with running_host(state=folder / "state", env=env) as running:
        yield running


def start(host: RunningHost, token: str, issuer: str) -> Answer:
    return call(
        host.url, "POST", "/registrations", {"issuer": issuer}, headers={"Authorization": f"Bearer {token}"}
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_who_logs_in_there_enrols_here_once(shape: str, company: Provider, host: RunningHost) -> None:
    """The token starts one registration, of its own person; used up, it starts no other."""
    token = access_token(company, shape, ADA)["access_token"]
    started = start(host, token, shape)
    assert started.status == 202, started.body
    options = ceremonies.options_of(host.url, started)
    _, response = authenticator.create(options, origin=host.url)
    done = ceremonies.finished(host.url, ceremonies.respond(host.url, started.body["id"], response))
    assert done.body["output"]["person"] == {"id": "ada", "display_name": "Ada Lovelace"}
    again = start(host, token, shape)
    assert (again.status, again.body["code"]) == (401, "token_invalid")


@pytest.mark.parametrize("shape", SHAPES)
def test_no_other_token_of_the_same_provider_enrols(shape: str, company: Provider, host: RunningHost) -> None:
    """Its ID token, a token for another API, and its own token shown as another issuer's (mix-up)."""
    given = access_token(company, shape, GRACE)
    elsewhere = access_token(company, shape, GRACE, resource=OTHER_AUDIENCE)["access_token"]
    wrong: list[tuple[str, str]] = [(given["id_token"], shape), (elsewhere, shape)]
    wrong += [(given["access_token"], other) for other in SHAPES if other != shape]
    for token, issuer in wrong:
        refused = start(host, token, issuer)
        assert (refused.status, refused.body["code"]) == (401, "token_invalid")
    assert start(host, given["access_token"], shape).status == 202


def test_nothing_of_a_token_is_in_the_log_or_at_rest(host: RunningHost) -> None:
    """After all of the above: every byte that the host has written."""
    assert "eyJ" not in host.log()
    for file in host.state.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert b"eyJhbGciOiJSUzI1NiI" not in data, file


def told(log: str, code: str) -> list[Any]:
    return [line for line in log.splitlines() if code in line]


def test_operators_are_told_why(host: RunningHost) -> None:
    """The exact codes, in the log: the wrong kind, the wrong audience, the wrong issuer."""
    log = host.log()
    for code in ("token_audience_mismatch", "token_key_unknown", "token_used"):
        assert told(log, code), code
