"""Kill the host at random while many ceremonies run; at the end look at everything. `python -m tests.faults.kill_loop`.

Clients register and sign in, honestly and not, cancel, and walk away; one hammers the limiter from a network of its own.
Each has a network of its own, by calling from another loopback address. After each SIGKILL the host is started again on the
same state. The seed is printed; the instants of death depend on the machine too.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from demo import authenticator, ceremonies
from demo.authenticator import TRUTH, Lie, Passkey
from tests.faults.evidence import Told, faults_of, gather, outcome_of, over_capacity, wait_until_settled
from tests.faults.tickets import issue_tickets, write_directory
from tests.hosts import RunningHost, free_port, start_host

T = TypeVar("T")

CAPACITY, REFILL_SECONDS = 20, 10
CEREMONY_SECONDS = 12
PATIENCE_SECONDS = 60
# How long an answer that was acknowledged may have to wait, dead time included, before its ceremony goes on.
LATE_SECONDS = 6.0
ENV = {
    "PASSKEYS_CEREMONY_SECONDS": str(CEREMONY_SECONDS),
    "PASSKEYS_LIMIT_NETWORK": f"{CAPACITY}/{REFILL_SECONDS}",
    "PASSKEYS_LIMIT_PERSON": "100000/60",
    "PASSKEYS_LIMIT_GLOBAL": "100000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}
PLANS = {"completed": 6, "rejected": 2, "canceled": 1, "expired": 1, "registered": 1}
PEOPLE = 200


@dataclass(slots=True)
class Run:
    """What the clients share: where the host is, whether it is up, what they were told, what surprised them."""

    url: str
    state: Path
    people: list[str]
    up: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    accepted: list[Told] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    refused: int = 0
    tickets: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ticket(self) -> str:
        """One unused ticket; more are made when there are none left."""
        with self.lock:
            if not self.tickets:
                self.tickets = issue_tickets(self.state, *self.people)
            return self.tickets.pop()


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a run: how much happened, and everything that was wrong."""

    kills: int
    ceremonies: Counter[str]
    refused: int
    faults: list[str]


def surviving(run: Run, step: Callable[[], T]) -> T:
    """The step's result, again and again over the host's deaths."""
    while True:
        run.up.wait(60)
        try:
            return step()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)


def client(run: Run, number: int, seed: int) -> None:
    """One client: a passkey, then ceremony after ceremony, one at a time, each from the next of its networks."""
    chance = random.Random(seed)
    passkey: Passkey | None = None
    for turn in itertools.count():
        if run.over.is_set():
            return
        plan = chance.choices(list(PLANS), list(PLANS.values()))[0] if passkey else "registered"
        try:
            if plan == "registered":
                passkey = register(run, f"127.{number}.{turn % 6}.9") or passkey
            elif passkey:
                sign_in(run, passkey, plan, f"127.{number}.{turn % 6}.9")
        except ceremonies.UnexpectedAnswerError as error:
            run.surprises.append(f"client {number}, {plan}: {error}")


def hammer(run: Run) -> None:
    """Start sign-ins from one network as fast as they are answered, and leave them alone."""
    while not run.over.is_set():
        try:
            begin(run, "authentication", {}, "expired", "127.200.0.9")
        except ceremonies.UnexpectedAnswerError as error:
            run.surprises.append(f"hammer: {error}")
        time.sleep(0.02)


def begin(run: Run, kind: str, body: Any, plan: str, source: str) -> tuple[Told, dict[str, Any]] | None:
    """Start a ceremony and get its options; None when refused, or when the host died before it answered."""
    run.up.wait(60)
    try:
        started = ceremonies.start(run.url, kind, body, source=source)
    except (OSError, http.client.HTTPException):
        time.sleep(0.05)
        return None
    if started.status == 429:
        run.refused += 1
        return None
    told = Told(ceremonies.expect(started, 202).body["id"], plan, source)
    run.accepted.append(told)
    try:
        options = surviving(run, lambda: ceremonies.options_of(run.url, started))
    except ceremonies.UnexpectedAnswerError as error:
        # Accepted, killed, and only then found to be one too many, or expired while the host was away.
        told.seen = told.plan = ended_without_options(run, told.ceremony_id, error)
        return None
    if "expiresAt" in started.body:
        told.expires_at = datetime.fromisoformat(started.body["expiresAt"])
    return told, options


def ended_without_options(run: Run, ceremony_id: str, error: ceremonies.UnexpectedAnswerError) -> str:
    """The outcome of a ceremony that was accepted and never asked for an answer."""
    outcome = surviving(run, lambda: ceremonies.status(run.url, ceremony_id)).outcome
    if outcome not in {"rate_limited", "expired"}:
        raise error
    return outcome


def deliver(run: Run, told: Told, step: Callable[[], ceremonies.Answer]) -> None:
    """Send the answer or the cancellation until it is acknowledged, then follow the ceremony to its end."""
    answer = surviving(run, step)
    told.delivered_at = datetime.now(UTC)
    ceremonies.expect(answer, 200, 202, 409)
    while answer.status != 200:
        answer = surviving(run, lambda: ceremonies.status(run.url, told.ceremony_id, wait_s=5))
        ceremonies.expect(answer, 200, 202)
    told.seen = answer.outcome


def register(run: Run, source: str) -> Passkey | None:
    """A whole registration, honest; the passkey when it completed."""
    ticket = run.ticket()
    begun = begin(run, "registration", {"ticket": ticket}, "completed", source)
    if begun is None:
        return None
    told, options = begun
    passkey, response = authenticator.create(options, origin=run.url)
    deliver(run, told, lambda: ceremonies.respond(run.url, told.ceremony_id, response))
    return passkey if told.seen == "completed" else None


def sign_in(run: Run, passkey: Passkey, plan: str, source: str) -> None:
    """A sign-in that is to end as planned."""
    begun = begin(run, "authentication", {}, plan, source)
    if begun is None or plan == "expired":
        return
    told, options = begun
    if plan == "canceled":
        return deliver(run, told, lambda: ceremonies.cancel(run.url, told.ceremony_id))
    lie = Lie(broken_signature=True) if plan == "rejected" else TRUTH
    response = authenticator.get(passkey, options, origin=run.url, lie=lie)
    told.sign_count = passkey.sign_count
    return deliver(run, told, lambda: ceremonies.respond(run.url, told.ceremony_id, response))


def kill_loop(
    *, seconds: float, clients: int, seed: int, scratch: Path, say: Callable[[str], None]
) -> Report:
    """Run clients and kill the host for `seconds`, let everything end, and judge."""
    chance = random.Random(seed)
    port = free_port()
    people = write_directory(scratch / "people.json", PEOPLE)
    run = Run(f"http://localhost:{port}", scratch / "state", people)
    host = again(run, port)
    threads = [threading.Thread(target=hammer, args=(run,))]
    threads += [
        threading.Thread(target=client, args=(run, 1 + n, chance.getrandbits(32))) for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    kills, end = 0, time.monotonic() + seconds
    try:
        # A machine that is busy with something else takes longer until a limiter has had to refuse.
        while time.monotonic() < end or (run.refused == 0 and time.monotonic() < end + PATIENCE_SECONDS):
            time.sleep(chance.uniform(0.05, 2.5))
            run.up.clear()
            host.kill()
            kills += 1
            host = again(run, port)
            say(f"killed {kills} times, {len(run.accepted)} ceremonies accepted, {run.refused} refused")
        run.over.set()
        for thread in threads:
            thread.join(60)
        found = wait_until_settled(run.url, run.state, seconds=CEREMONY_SECONDS + 30)
    finally:
        run.over.set()
        run.up.set()
        code = host.stop()
    evidence = gather(run.state, found)
    faults = [*run.surprises, *faults_of(evidence, run.accepted, late_seconds=LATE_SECONDS)]
    faults += over_capacity(evidence, capacity=CAPACITY, refill_seconds=REFILL_SECONDS)
    faults += [f"a client did not end: {thread.name}" for thread in threads if thread.is_alive()]
    faults += [f"the host ended with {code}"] if code else []
    return Report(kills, Counter(outcome_of(one) for one in found.values()), run.refused, faults)


def again(run: Run, port: int) -> RunningHost:
    """Start the host on its port and let the clients go on."""
    env = {**ENV, "PASSKEYS_DIRECTORY": str(run.state.parent / "people.json")}
    host = start_host(state=run.state, env=env, arguments=("--port", str(port)))
    run.up.set()
    return host


def main(arguments: Sequence[str] | None = None) -> int:
    """The long run: exit code 0 when nothing is wrong, 1 with every fault told."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kill_loop", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to kill (5)")
    parser.add_argument("--clients", type=int, default=8, help="how many clients beside the hammer (8)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run (random, printed)")
    parser.add_argument("--keep", type=Path, default=None, help="put state and logs here and keep them")
    chosen = parser.parse_args(arguments)
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().getrandbits(32)
    print(f"Killing for {chosen.minutes:g} minutes, {chosen.clients} clients, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="kill-loop-") as scratch:
        report = kill_loop(
            seconds=chosen.minutes * 60,
            clients=chosen.clients,
            seed=seed,
            scratch=chosen.keep or Path(scratch),
            say=lambda text: print(f"  {text}", flush=True),
        )
    print(f"{report.kills} kills; outcomes: {dict(report.ceremonies)}; {report.refused} told 429")
    for fault in report.faults:
        print(f"FAULT {fault}")
    print(
        "Nothing lost, nothing doubled, chain intact."
        if not report.faults
        else f"{len(report.faults)} faults."
    )
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
