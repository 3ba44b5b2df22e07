"""Record histories of every outcome from the running host, into tests/orchestrators/histories/host/.

    python -m tests.orchestrators.record_from_host [--status-reads immediate]

Starts the app on a fresh state, lets a software authenticator register and sign in, and be wrong, late and too frequent;
then reads each instance's history out of the host's state. Prints how many episodes and events each took. As with
`tests.orchestrators.record`: only when a ceremony's calls were changed on purpose.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from demo import authenticator, ceremonies
from demo.authenticator import Lie
from tests.hosts import FUNCTION_KEY, ROOT, SYSTEM_KEY, RunningHost, running_host
from tests.orchestrators.record import HISTORIES

FOLDER = HISTORIES / "host"
FLUSH_SECONDS = 15.0
ENVIRONMENT = {"PASSKEYS_CEREMONY_SECONDS": "2", "PASSKEYS_LIMIT_NETWORK": "9/86400"}


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch) / "state"
        with running_host(state=state, env=ENVIRONMENT, arguments=arguments) as host:
            named = play(host)
            wait_for_flush(host, set(named.values()))
        fixtures = {name: fixture(state / "host.db", found) for name, found in named.items()}
        fixtures["flush"] = fixture(state / "host.db", "audit-flush")
    FOLDER.mkdir(exist_ok=True)
    for name, recorded in fixtures.items():
        episodes = sum(event["EventType"] == 12 for event in recorded["events"])
        outcome = (recorded["output"] or {}).get("outcome", recorded["status"])
        print(f"{name:24} {outcome:14} {episodes} episodes, {len(recorded['events'])} events")
        (FOLDER / f"{name}.json").write_text(json.dumps(recorded, indent=1) + "\n", "utf-8")


def play(host: RunningHost) -> dict[str, str]:
    """Every outcome once; the ids of the ceremonies by name."""
    url, secret = host.url, ticket(host.state)
    second = ceremonies.start(url, "registration", {"ticket": secret})
    passkey, registered = ceremonies.register(url, secret)
    signed_in = ceremonies.sign_in(url, passkey)
    rejected = ceremonies.sign_in(url, passkey, lie=Lie(broken_signature=True))
    _, response = authenticator.create({**second.body["publicKey"], "excludeCredentials": []}, origin=url)
    refused = ceremonies.finished(url, ceremonies.respond(url, second.body["id"], response))
    started = ceremonies.start(url, "authentication", {})
    canceled = ceremonies.finished(url, ceremonies.cancel(url, started.body["id"]))
    started = ceremonies.start(url, "authentication", {})
    expired = ceremonies.finished(url, ceremonies.status(url, started.body["id"], wait_s=5))
    damage(host.state)
    failed = ceremonies.sign_in(url, passkey)
    while ceremonies.start(url, "authentication", {}).status == 202:
        pass
    headers = {"x-functions-key": FUNCTION_KEY}
    listed = ceremonies.call(url, "GET", "/operations/ceremonies", headers=headers).body["ceremonies"]
    limited = next(one["id"] for one in listed if one["outcome"] == "rate_limited")
    answers = {
        "registration_completed": registered,
        "authentication_completed": signed_in,
        "rejected": rejected,
        "refused": refused,
        "canceled": canceled,
        "expired": expired,
        "failed": failed,
    }
    return {"rate_limited": limited, **{name: answer.body["instanceId"] for name, answer in answers.items()}}


def ticket(state: Path) -> str:
    """A fresh enrolment ticket for a demo person."""
    command = [sys.executable, "-m", "passkeys", "ticket", "issue", "--person", "ada"]
    environment = {**os.environ, "LOCAL_HOST_STATE": str(state)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return re.search(r"#ticket=([\w-]+)", done.stdout)[1]  # type: ignore[index]


def wait_for_flush(host: RunningHost, recorded: set[str]) -> None:
    """Until the audit files hold these ceremonies and the flush that wrote them is over, so that it can be recorded too."""
    path = f"/runtime/webhooks/durabletask/instances/audit-flush?code={SYSTEM_KEY}"
    end = time.monotonic() + FLUSH_SECONDS
    while time.monotonic() < end:
        lines = "".join(file.read_text("utf-8") for file in (host.state / "store" / "audit").rglob("*.jsonl"))
        flush = ceremonies.call(host.url, "GET", path)
        if all(found in lines for found in recorded) and flush.body["runtimeStatus"] == "Completed":
            return
        time.sleep(0.1)
    raise TimeoutError(f"The audit was not flushed within {FLUSH_SECONDS} s:\n{host.log()[-2000:]}")


def damage(state: Path) -> None:
    """Make the stored credentials unreadable: verification then fails, as with a broken disk."""
    with sqlite3.connect(state / "store" / "store.sqlite") as store:
        store.execute("UPDATE document SET data = x'00' WHERE name LIKE 'credentials/%'")


def fixture(database: Path, instance_id: str) -> dict[str, Any]:
    """The instance as the host has kept it."""
    with sqlite3.connect(database) as state:
        key, name, status, output = state.execute(
            "SELECT id, name, status, output FROM instance WHERE instance_id = ?", (instance_id,)
        ).fetchone()
        rows = state.execute("SELECT events FROM history WHERE instance = ? ORDER BY sequence", (key,))
        events = [event for (text,) in rows for event in json.loads(text)]
    return {
        "orchestrator": name,
        "instance_id": instance_id,
        "status": status,
        "output": json.loads(output) if output else None,
        "events": events,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
