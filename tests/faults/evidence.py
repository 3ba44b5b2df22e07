"""What a run left behind, gathered whole, and everything that may be wrong with it, told in one list.

The host is asked for its instances by the extension's own API (so that the app cannot hide one); audit, credentials and
their use are read from the store's files.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from demo import ceremonies
from passkeys.audit import EMPTY, Head, is_shard, split_lines, subject_of, verify
from passkeys.credentials import credential_name
from passkeys.errors import AuditBroken
from tests import homes
from tests.hosts import MASTER_KEY, ROOT

TERMINAL = frozenset({"Completed", "Failed", "Terminated", "Canceled"})
CEREMONIES = ("registration-", "authentication-", "recovery-")
ACTS = ("act-",)


@dataclass(slots=True)
class Told:
    """What a client knows of a ceremony that was accepted: its id, and what must become of it."""

    ceremony_id: str
    plan: str
    network: str
    expires_at: datetime | None = None
    delivered_at: datetime | None = None
    seen: str | None = None
    credential_id: str | None = None
    sign_count: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything at the end: instances by id, audit entries, credentials and use by credential id, broken chains.

    `entries` are those of ceremonies, `acts` those of acts.
    """

    instances: Mapping[str, Mapping[str, Any]]
    entries: list[dict[str, Any]]
    credentials: Mapping[str, Mapping[str, Any]]
    usage: Mapping[str, Mapping[str, Any]]
    broken: list[str] = field(default_factory=list)
    acts: list[dict[str, Any]] = field(default_factory=list)


def acts_of(url: str) -> dict[str, dict[str, Any]]:
    """Every act's instance, by id."""
    return instances_of(url, ACTS)


def instances_of(url: str, kinds: tuple[str, ...] = CEREMONIES) -> dict[str, dict[str, Any]]:
    """Every ceremony's instance, by id, page by page through the extension's API."""
    found: dict[str, dict[str, Any]] = {}
    token: str | None = None
    while token != "":
        query = urllib.parse.urlencode({"code": MASTER_KEY, "top": 500, "showInput": "true"})
        answer = ceremonies.expect(
            ceremonies.call(
                url,
                "GET",
                f"/runtime/webhooks/durabletask/instances?{query}",
                headers={"x-ms-continuation-token": token} if token else {},
            ),
            200,
        )
        found |= {row["instanceId"]: row for row in answer.body if row["instanceId"].startswith(kinds)}
        token = answer.headers.get("x-ms-continuation-token", "")
        if token == "null":
            token = ""
    return found


def wait_until_settled(url: str, state: Path, *, seconds: float) -> dict[str, dict[str, Any]]:
    """The ceremonies' instances once all have ended and each has an audit entry, acts too; or as they are after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = instances_of(url)
        everything = {**found, **acts_of(url)}
        running = [row for row in everything.values() if row["runtimeStatus"] not in TERMINAL]
        recorded = {subject_of(entry)[1] for entry in read_audit(state)[0]}
        if (not running and recorded >= everything.keys()) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def read_audit(state: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """All entries as far as the store says that they count, and what is broken in their chains."""
    entries: list[dict[str, Any]] = []
    broken: list[str] = []
    shards: dict[str, list[bytes]] = {}
    for name, data in sorted(documents(state, "audit/").items()):
        shard = name.split("/")[1]
        if is_shard(shard):
            shards.setdefault(shard, []).append(data)
    for shard, segments in shards.items():
        lines = list(split_lines(segments))
        try:
            head: Head = verify(lines, shard=shard)
            assert head == EMPTY or head.seq == len(lines) - 1
        except AuditBroken as error:
            broken.append(str(error))
        entries += [json.loads(line) for line in lines if line.endswith(b"\n")]
    return entries, broken


def documents(state: Path, prefix: str) -> dict[str, bytes]:
    """The documents under a prefix in the store of this state directory; works beside a running host."""
    if not homes.is_there(state):
        return {}

    async def read() -> dict[str, bytes]:
        found = {}
        async with homes.opened(state) as store:
            async for name in store.list(prefix):
                document = await store.get(name)
                if document is not None:
                    found[name] = document.data
        return found

    return asyncio.run(read())


def gather(state: Path, instances: Mapping[str, Mapping[str, Any]]) -> Evidence:
    """Read the store; meant for when the host has stopped."""
    recorded, broken = read_audit(state)
    entries = [entry for entry in recorded if "ceremony_id" in entry]
    acts = [entry for entry in recorded if "act_id" in entry]

    # An id too long for a name is named by its hash: back to the ids, by those on the record.
    told = {entry["credential_id"] for entry in entries if entry["credential_id"]}
    ids = {
        credential_name(credential_id).removeprefix("credentials/"): credential_id for credential_id in told
    }

    def by_credential(prefix: str) -> dict[str, Any]:
        found = {name.removeprefix(prefix): data for name, data in documents(state, prefix).items()}
        return {ids.get(name, name.removesuffix(".json")): json.loads(data) for name, data in found.items()}

    command = [sys.executable, "-m", "passkeys", "audit", "verify"]
    environment = {**os.environ, "LOCAL_HOST_STATE": str(state), **homes.environment(state)}
    checked = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if checked.returncode != 0:
        broken.append(f"`passkeys audit verify` says {checked.returncode}: {checked.stdout}{checked.stderr}")
    return Evidence(instances, entries, by_credential("credentials/"), by_credential("usage/"), broken, acts)


def outcome_of(instance: Mapping[str, Any]) -> str:
    """The ceremony's outcome, or the runtime status of one that ended without telling any."""
    output = instance.get("output")
    if isinstance(output, str):
        try:
            output = json.loads(output)
        except ValueError:
            output = None
    return str(output["outcome"]) if isinstance(output, dict) else str(instance["runtimeStatus"])


def allowed_outcomes(told: Told, *, late_seconds: float) -> set[str]:
    """The planned outcome; also `expired` when the answer arrived so late that an outage may have outlived the deadline."""
    if told.expires_at is None or told.delivered_at is None:
        return {told.plan, "expired"}
    left = (told.expires_at - told.delivered_at).total_seconds()
    return {told.plan} if left > late_seconds else {told.plan, "expired"}


def faults_of(
    evidence: Evidence,
    accepted: Collection[Told],
    *,
    late_seconds: float = 6.0,
    strangers: Collection[str] = ("expired", "rate_limited"),
) -> list[str]:
    """Everything that is wrong, one sentence each; an empty list is the proof.

    `strangers` are the outcomes allowed to ceremonies whose id no client ever got to know.
    """
    faults = list(evidence.broken)
    instances, known = evidence.instances, {told.ceremony_id: told for told in accepted}
    recorded = Counter(entry["ceremony_id"] for entry in evidence.entries)
    for ceremony_id, instance in instances.items():
        if instance["runtimeStatus"] != "Completed":
            faults.append(f"{ceremony_id} is {instance['runtimeStatus']}: {instance.get('output')!r}")
        if recorded[ceremony_id] != 1:
            faults.append(f"{ceremony_id} ({outcome_of(instance)}) has {recorded[ceremony_id]} audit entries")
        if ceremony_id not in known and outcome_of(instance) not in strangers:
            faults.append(f"{ceremony_id}, which nobody answered, ended {outcome_of(instance)}")
    faults += [
        f"the audit tells of {unknown}, which does not exist"
        for unknown in recorded.keys() - instances.keys()
    ]
    for entry in evidence.entries:
        ended = instances.get(entry["ceremony_id"])
        if ended is not None and outcome_of(ended) != entry["outcome"]:
            faults.append(f"{entry['ceremony_id']}: audit {entry['outcome']}, output {outcome_of(ended)}")
    for told in accepted:
        faults += _faults_of_one(told, instances, late_seconds)
    return faults + list(_lost_results(evidence, known))


def _faults_of_one(told: Told, instances: Mapping[str, Mapping[str, Any]], late_seconds: float) -> list[str]:
    instance = instances.get(told.ceremony_id)
    if instance is None:
        return [f"{told.ceremony_id} was accepted and is lost"]
    ended, allowed = outcome_of(instance), allowed_outcomes(told, late_seconds=late_seconds)
    faults = []
    if ended not in allowed:
        faults.append(f"{told.ceremony_id} ended {ended}, not {sorted(allowed)}: {told}")
    if told.seen is not None and told.seen != ended:
        faults.append(f"{told.ceremony_id}: its client was told {told.seen}, it ended {ended}")
    return faults


def _lost_results(evidence: Evidence, known: Mapping[str, Told]) -> Iterable[str]:
    """Credentials against completed registrations, sign counts against completed sign-ins: one to one."""
    registered = {
        entry["credential_id"]: entry["ceremony_id"]
        for entry in evidence.entries
        if (entry["kind"], entry["outcome"]) == ("registration", "completed")
    }
    removed = {
        act["credential_id"]
        for act in evidence.acts
        if (act["act"], act["outcome"]) == ("remove", "completed")
    }
    for credential_id in removed & (evidence.credentials.keys() | evidence.usage.keys()):
        yield f"credential {credential_id} was removed, and is stored"
    for credential_id in registered.keys() - evidence.credentials.keys() - removed:
        yield f"{registered[credential_id]} completed, its credential {credential_id} is not stored"
    for credential_id in evidence.credentials.keys() - registered.keys():
        yield f"credential {credential_id} is stored, no registration that completed made it"
    for credential_id, ceremony_id in registered.items():
        stored = evidence.credentials.get(credential_id)
        if stored is not None and stored["ceremony_id"] != ceremony_id:
            yield f"credential {credential_id} is of {stored['ceremony_id']}, the audit says {ceremony_id}"
    highest: Counter[str] = Counter()
    for entry in evidence.entries:
        told = known.get(entry["ceremony_id"])
        if entry["outcome"] == "completed" and told and told.sign_count is not None:
            highest[entry["credential_id"]] = max(highest[entry["credential_id"]], told.sign_count)
    for credential_id, sign_count in highest.items():
        kept = evidence.usage.get(credential_id, {}).get("sign_count")
        if kept != sign_count and credential_id not in removed:
            yield f"credential {credential_id} was last used with sign count {sign_count}, {kept} is stored"


def over_capacity(evidence: Evidence, *, capacity: int, refill_seconds: int) -> list[str]:
    """Networks that were admitted more often than one bucket and its refill over the whole run allow."""
    starts: dict[str, list[tuple[datetime, bool]]] = {}
    for entry in evidence.entries:
        at = datetime.fromisoformat(entry["started_at"])
        starts.setdefault(entry["network"], []).append((at, entry["outcome"] != "rate_limited"))
    faults = []
    for network, takes in starts.items():
        first, last = min(at for at, _ in takes), max(at for at, _ in takes)
        bound = capacity + capacity * (last - first).total_seconds() / refill_seconds
        admitted = sum(was_admitted for _, was_admitted in takes)
        if admitted > bound + 0.01:  # started_at is cut to the millisecond
            faults.append(f"{network}: {admitted} admitted, the bucket allows {bound:.1f}")
    return faults
