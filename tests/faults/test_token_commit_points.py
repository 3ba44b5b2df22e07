"""Death at every commit of the store while somebody enrols by a token: one passkey, one binding, and the token is used up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import authenticator, ceremonies
from demo.ceremonies import call
from tests.faults.dying_host import Death, MortalHost, die_everywhere
from tests.faults.evidence import Told, documents, faults_of, gather, wait_until_settled
from tests.faults.test_commit_points import SETTLE_SECONDS, cancel_strangers, follow, surviving
from tests.identity_provider import IdentityProvider, identity_provider

ENV = {"PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *", "PASSKEYS_AUDIT_SHARDS": "1"}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    with identity_provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


def run(scratch: Path, provider: IdentityProvider, death: Death | None) -> tuple[list[str], MortalHost]:
    """Enrol, over however many lives of the host it takes, and come again with the token; every fault at the end."""
    host = MortalHost(scratch / "state", {**ENV, **provider.settings(scratch)}, death)
    headers = {"Authorization": f"Bearer {provider.oidc()}"}

    def start() -> ceremonies.Answer:
        return call(host.url, "POST", "/registrations", {"issuer": "partner"}, headers=headers)

    try:
        host.ensure_alive()
        started = surviving(host, start)
        options = surviving(host, lambda: ceremonies.options_of(host.url, started))
        _, response = authenticator.create(options, origin=host.url)
        answer = follow(host, started, response)
        told = Told(started.body["id"], "completed", "", seen=answer.outcome)
        again = surviving(host, start)
        surviving(host, lambda: cancel_strangers(host.url, {told.ceremony_id}))
        found = surviving(host, lambda: wait_until_settled(host.url, host.state, seconds=SETTLE_SECONDS))
    finally:
        host.stop()
    faults = faults_of(gather(host.state, found), [told], strangers=("canceled",))
    if (again.status, again.body["code"]) != (401, "token_invalid"):
        faults.append(f"the token started a second ceremony: {again}")
    for prefix, person in (("identities/", "ada"), ("tokens/", "ada")):
        kept = [json.loads(data) for data in documents(host.state, prefix).values()]
        if [(one["person"], one["ceremony_id"]) for one in kept] != [(person, told.ceremony_id)]:
            faults.append(f"{prefix}: {kept}")
    return faults, host


@pytest.mark.timeout(400)
def test_death_at_every_commit_of_an_enrolment_by_token(tmp_path: Path, provider: IdentityProvider) -> None:
    """Before each and after each: completed after all, recorded once, and a replay starts nothing."""
    die_everywhere(tmp_path, lambda scratch, death: run(scratch, provider, death), at_least=4)
