"""What `make demo` runs: one host of its own, every outcome of a ceremony, and the proof that all of it was recorded."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from demo import ceremonies
from demo.authenticator import Lie
from demo.ceremonies import Answer

ROOT = Path(__file__).resolve().parent.parent
CEREMONY_SECONDS = 3
ADMITTED_A_MINUTE = 6
READY_SECONDS = 20.0
FLUSH_SECONDS = 5.0
STOP_SECONDS = 10.0


class DemoFailedError(Exception):
    """Something did not go as the story says; the message is the reason shown."""


def main() -> int:
    """Run the story. Exit code 0, or 1 with the reason on stderr."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="passkeys-demo-") as scratch:
        environment = demo_environment(Path(scratch))
        try:
            with serving(Path(scratch), environment) as url:
                entries = tell(url, environment)
            verify_audit(environment, entries)
        except (DemoFailedError, ceremonies.UnexpectedAnswerError, OSError) as reason:
            print(paint("31;1", f"The demo failed: {reason}"), file=sys.stderr)
            print(tail(Path(scratch) / "host.log"), file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(paint("31;1", "Stopped; the host is stopped too."), file=sys.stderr)
            return 130
    print(
        paint(
            "32;1",
            f"\nAll of it in {time.monotonic() - began:.1f} s; the host is stopped, its state removed.",
        )
    )
    return 0


def demo_environment(scratch: Path) -> dict[str, str]:
    """The settings of the demo's host: a short ceremony, a small limit, an operator's key for this run only."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PASSKEYS_", "LOCAL_HOST_", "WEBSITE_"))
    }
    return inherited | {
        "LOCAL_HOST_STATE": str(scratch / "state"),
        "LOCAL_HOST_FUNCTION_KEY": secrets.token_urlsafe(32),
        "PASSKEYS_CEREMONY_SECONDS": str(CEREMONY_SECONDS),
        "PASSKEYS_LIMIT_NETWORK": f"{ADMITTED_A_MINUTE}/60",
        "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
    }


@contextlib.contextmanager
def serving(scratch: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The host on a free port until the block ends, however it ends; gives its URL."""
    command = [sys.executable, "-m", "local_host", "--port", "0", "--state", environment["LOCAL_HOST_STATE"]]
    # To files and not to pipes: a pipe that nobody reads would stop the host when it is full.
    with (scratch / "host.log").open("wb") as log, (scratch / "host.out").open("wb") as output:
        host = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=output, stderr=log)
    try:
        yield ready_url(host, scratch / "host.out")
    finally:
        host.send_signal(signal.SIGTERM)
        try:
            host.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            host.kill()
            host.wait()


def ready_url(host: subprocess.Popen[bytes], output: Path) -> str:
    """Wait for the readiness line. Raises DemoFailedError when the host ends, or stays silent."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and host.poll() is None:
        for line in output.read_text("utf-8").splitlines():
            if line.startswith("READY "):
                return line.split()[1]
        time.sleep(0.02)
    raise DemoFailedError(f"the host did not become ready (exit code {host.poll()})")


def tell(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The story; every ceremony of it by id, with its outcome."""
    heading("The host serves", f"{url}, fresh state, a ceremony lives {CEREMONY_SECONDS} s")
    forgotten = ceremonies.expect(ceremonies.start(url, "authentication", {}), 202)

    passkey, answer = ceremonies.register(url, enrolment_ticket(environment))
    outcome("Ada registers a passkey", answer, "completed")
    told = {answer.body["instanceId"]: "completed"}

    signed_in = ceremonies.sign_in(url, passkey)
    outcome("Ada signs in", signed_in, "completed")
    told[signed_in.body["instanceId"]] = "completed"

    answer = ceremonies.sign_in(url, passkey, lie=Lie(broken_signature=True))
    outcome("A forged signature", answer, "rejected")
    told[answer.body["instanceId"]] = "rejected"

    told |= exhaust_limit(url, already=len(told) + 1)

    answer = ceremonies.finished(
        url, ceremonies.status(url, forgotten.body["id"], wait_s=CEREMONY_SECONDS + 2)
    )
    outcome("A sign-in that nobody answers", answer, "expired")
    told[forgotten.body["id"]] = "expired"

    show_timeline(url, signed_in.body["instanceId"], environment["LOCAL_HOST_FUNCTION_KEY"])
    wait_for_audit(Path(environment["LOCAL_HOST_STATE"]), set(told))
    return told


def enrolment_ticket(environment: Mapping[str, str]) -> str:
    """A one-time ticket for Ada, as an operator makes it: the fragment of the enrolment link."""
    command = [sys.executable, "-m", "passkeys", "ticket", "issue", "--person", "ada", "--quiet"]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or "ticket=" not in done.stdout:
        raise DemoFailedError(f"no ticket could be issued: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip().partition("ticket=")[2].split()[0]


def exhaust_limit(url: str, *, already: int) -> dict[str, str]:
    """Start sign-ins until the limiter refuses one; cancels what was admitted.

    Raises DemoFailedError when more are admitted than the capacity and what flows back meanwhile.
    """
    canceled: dict[str, str] = {}
    for _ in range(ADMITTED_A_MINUTE + 2):
        answer = ceremonies.start(url, "authentication", {})
        if answer.status == 429:
            wait = answer.headers.get("retry-after", "?")
            line("One too many from this network", f"429, come back in {wait} s", "33")
            return canceled
        ceremony_id = ceremonies.expect(answer, 202).body["id"]
        ended = ceremonies.finished(url, ceremonies.cancel(url, ceremony_id))
        outcome(
            f"Sign-in {already + len(canceled) + 1} of {ADMITTED_A_MINUTE} allowed, cancelled",
            ended,
            "canceled",
        )
        canceled[ceremony_id] = "canceled"
    raise DemoFailedError(f"the limiter admitted more than {ADMITTED_A_MINUTE} a minute")


def show_timeline(url: str, ceremony_id: str, function_key: str) -> None:
    """Print every step of one ceremony as an operator sees it."""
    path = f"/operations/ceremonies/{ceremony_id}"
    answer = ceremonies.expect(
        ceremonies.call(url, "GET", path, headers={"x-functions-key": function_key}), 200
    )
    steps: list[dict[str, Any]] = answer.body["timeline"]
    if not steps:
        raise DemoFailedError(f"the timeline of {ceremony_id} is empty")
    heading("Timeline of the sign-in", ceremony_id)
    for step in steps:
        detail = step.get("detail") or ""
        text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
        print(f"    {paint('2', clock_part(step['at']))}  {step['source']:<8} {step['step']:<28} {text[:60]}")


def clock_part(instant: str) -> str:
    """The time of day of an ISO 8601 instant, to the millisecond."""
    return instant.partition("T")[2].rstrip("Z")[:12].ljust(12)


def audit_entries(state: Path) -> list[dict[str, Any]]:
    """Every entry in the audit files so far, oldest file first."""
    texts = (path.read_text("utf-8") for path in sorted(state.rglob("*.jsonl")))
    return [json.loads(entry) for text in texts for entry in text.splitlines()]


def wait_for_audit(state: Path, expected: set[str]) -> None:
    """Return once all these ceremonies are in the audit files. Raises DemoFailedError when they do not come."""
    deadline = time.monotonic() + FLUSH_SECONDS
    while missing := expected - {entry["ceremony_id"] for entry in audit_entries(state)}:
        if time.monotonic() > deadline:
            raise DemoFailedError(f"no audit entry after {FLUSH_SECONDS:.0f} s for {sorted(missing)}")
        time.sleep(0.05)


def verify_audit(environment: Mapping[str, str], told: Mapping[str, str]) -> None:
    """Compare the record with the story, then let the auditor's own command check the chain. Raises DemoFailedError."""
    heading("The audit chain", "checked offline, the host is stopped")
    state = Path(environment["LOCAL_HOST_STATE"])
    entries = audit_entries(state)
    for entry in sorted(entries, key=lambda entry: str(entry["at"])):
        who = entry["person"] or "-"
        what = f"{entry['kind']:<14} {entry['outcome']:<12} {entry['reason'] or '':<18} {who:<6}"
        print(f"    {paint('2', entry['hash'][:12])}  {what}")
    recorded = [(entry["ceremony_id"], entry["outcome"]) for entry in entries]
    if missing := set(told.items()) - set(recorded):
        raise DemoFailedError(f"the audit does not tell of {sorted(missing)}")
    if len({ceremony_id for ceremony_id, _ in recorded}) != len(recorded):
        raise DemoFailedError("a ceremony is in the audit twice")
    command = [sys.executable, "-m", "passkeys", "audit", "verify"]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DemoFailedError(f"the audit chain does not verify: {done.stdout}{done.stderr}")
    for said in done.stdout.strip().splitlines():
        print(f"    {paint('32', said)}")


def outcome(what: str, answer: Answer, expected: str) -> None:
    """Print one ceremony's end. Raises DemoFailedError when it is not the expected one."""
    if answer.outcome != expected:
        raise DemoFailedError(f"{what}: expected {expected}, got {answer.body!r}")
    person = (answer.body["output"].get("person") or {}).get("display_name")
    line(what, expected + (f", as {person}" if person else ""), "32" if expected == "completed" else "33")


def heading(what: str, detail: str) -> None:
    """A line that starts a part of the story."""
    print(f"\n{paint('1', what)}  {paint('2', detail)}", flush=True)


def line(what: str, result: str, colour: str) -> None:
    """One thing that happened, with its result."""
    print(f"    {what:<42} {paint(colour, result)}", flush=True)


def paint(colour: str, text: str) -> str:
    """The text in an ANSI colour when a person reads it (NO_COLOR and pipes stay plain)."""
    plain = os.environ.get("NO_COLOR") or not sys.stdout.isatty()
    return text if plain else f"\033[{colour}m{text}\033[0m"


def tail(log: Path) -> str:
    """The last lines that the host logged."""
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-20:]) if log.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
