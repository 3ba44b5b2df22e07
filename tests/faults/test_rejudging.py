"""Death in the middle of the re-judging: every credential of the revoked model is disabled and recorded, once."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo import ceremonies
from passkeys.credentials import (
    Attestation,
    CredentialRecord,
    StandingState,
    credential_name,
    dump_credential,
    load_standing,
)
from passkeys.embedded import EmbeddedStore
from passkeys.response import encode_base64url
from tests.faults.dying_host import Death, MortalHost, die_everywhere
from tests.faults.evidence import documents, read_audit
from tests.hosts import FUNCTION_KEY
from tests.metadata_kit import AAGUID, OTHER, blob, entry, status, write_root

# More than one page, and more than one page of changes.
REVOKED_ONES, OTHERS = 60, 10
SECONDS = 60.0


def records() -> list[CredentialRecord]:
    attestation = Attestation("none", "none", chain_verified=False, model_proven=False)
    return [
        CredentialRecord(
            encode_base64url(bytes([37 * number % 251, number])),
            f"p{number}",
            "AA",
            "AA",
            -7,
            0,
            AAGUID if number < REVOKED_ONES else OTHER,
            (),
            False,
            False,
            True,
            attestation,
            "registration-1",
            "2026-01-01T00:00:00.000Z",
        )
        for number in range(REVOKED_ONES + OTHERS)
    ]


RECORDS = records()
REVOKED_IDS = {record.credential_id for record in RECORDS if record.aaguid == AAGUID}


def prepare(scratch: Path) -> dict[str, str]:
    """A store full of credentials, a BLOB that revokes the model of most, and the settings for both."""
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "blob.jwt").write_bytes(
        blob(entry(AAGUID, status("REVOKED")), entry(OTHER), next_update="2999-01-01")
    )

    async def fill() -> None:
        store = EmbeddedStore(scratch / "state" / "store")
        await asyncio.gather(
            *(store.create(credential_name(one.credential_id), dump_credential(one)) for one in RECORDS)
        )
        store.close()

    asyncio.run(fill())
    return {
        "PASSKEYS_METADATA": str(scratch / "blob.jwt"),
        "PASSKEYS_METADATA_ROOT": str(write_root(scratch / "root.pem")),
        "PASSKEYS_METADATA_SCHEDULE": "* * * * * *",
        "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
        "PASSKEYS_AUDIT_SHARDS": "2",
    }


def last_refresh(host: MortalHost) -> dict[str, Any]:
    answer = ceremonies.call(
        host.url, "GET", "/operations/metadata", headers={"x-functions-key": FUNCTION_KEY}
    )
    return ceremonies.expect(answer, 200).body["refresh"] or {}


def recorded(state: Path) -> Counter[str]:
    """The credentials of the entries that the re-judging has left."""
    entries, _ = read_audit(state)
    return Counter(one["credential_id"] for one in entries if one.get("act") == "model_disabled")


def run(scratch: Path, death: Death | None) -> tuple[list[str], MortalHost]:
    """Let the refresh come to its end and another one behind it, dying once; every fault that is found."""
    host = MortalHost(scratch / "state", prepare(scratch), death)
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            host.ensure_alive()
            try:
                refresh = last_refresh(host)
            except (OSError, http.client.HTTPException):
                continue
            # One that found nothing to change has gone through all: whatever was missed or doubled has been by now.
            quiet = refresh.get("complete") and refresh["outcome"] == "unchanged" and not refresh["changed"]
            if quiet and set(recorded(scratch / "state")) >= REVOKED_IDS:
                break
            time.sleep(0.1)
    finally:
        host.stop()
    return faults_of(scratch / "state"), host


def faults_of(state: Path) -> list[str]:
    """Everything that is wrong with what the run has left."""
    entries, broken = read_audit(state)
    told = recorded(state)
    faults = list(broken)
    faults += [f"{one} is recorded {told[one]} times" for one in REVOKED_IDS if told[one] != 1]
    faults += [f"{one} is recorded, and of another model" for one in told.keys() - REVOKED_IDS]
    standings = {
        name.removeprefix("standing/").removesuffix(".json"): load_standing(name, data).state
        for name, data in documents(state, "standing/").items()
    }
    faults += [
        f"{one} is not disabled" for one in REVOKED_IDS if standings.get(one) != StandingState.DISABLED
    ]
    faults += [f"{one} has a standing" for one in standings.keys() - REVOKED_IDS]
    ids = Counter(one["act_id"] for one in entries if "act_id" in one)
    faults += [f"act {one} is recorded {count} times" for one, count in ids.items() if count > 1]
    if len(list(documents(state, "metadata/models/"))) != 1:
        faults.append(f"models are left over: {json.dumps(list(documents(state, 'metadata/')))}")
    return faults


def test_without_a_death_nothing_is_wrong(tmp_path: Path) -> None:
    """So that the faults of the others are those of dying."""
    faults, host = run(tmp_path, None)
    assert (faults, host.deaths) == ([], 0)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("place", ["host", "store"])
def test_death_at_any_commit_misses_and_doubles_nothing(tmp_path: Path, place: str, moment: str) -> None:
    """Die at commit N of the first rounds, start again: the same in the end as if nothing had been."""
    die_everywhere(tmp_path, run, places=(place,), moments=(moment,))
