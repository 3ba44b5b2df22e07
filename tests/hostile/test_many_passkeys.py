"""A person with more, and with larger, passkeys than anybody needs: a clear 4xx at the most, and always on the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Lie
from tests.faults.evidence import faults_of, gather, wait_until_settled
from tests.faults.tickets import issue_tickets
from tests.hosts import running_host

ENV = {
    "PASSKEYS_LIMIT_NETWORK": "100000/60",
    "PASSKEYS_LIMIT_PERSON": "100000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}


@pytest.mark.parametrize(("length", "count"), [(1023, 12), (32, 120)])
def test_many_passkeys_of_one_person(tmp_path: Path, length: int, count: int) -> None:
    """WebAuthn L3 §4 allows ids of 1023 bytes: `count` registrations are each taken or refused, none of them fails."""
    with running_host(state=tmp_path / "state", env=ENV) as host:
        for number, ticket in enumerate(issue_tickets(host.state, *["grace"] * count)):
            started = ceremonies.start(host.url, "registration", {"ticket": ticket})
            assert started.status in {202, 403, 409}, f"passkey {number}: {started}"
            if started.status == 202:
                lie = Lie(credential_id=number.to_bytes(length, "big"))
                options = ceremonies.options_of(host.url, started)
                _, response = authenticator.create(options, origin=host.url, algorithm=-7, lie=lie)
                answer = ceremonies.finished(
                    host.url, ceremonies.respond(host.url, started.body["id"], response)
                )
                assert answer.outcome in {"completed", "refused", "rejected"}
        found = wait_until_settled(host.url, host.state, seconds=10)
        host.stop()
    # No client is asked here: whatever is on the record is right if every instance ended as it says there.
    strangers = {"completed", "refused", "rejected"}
    assert faults_of(gather(host.state, found), [], strangers=strangers) == []
