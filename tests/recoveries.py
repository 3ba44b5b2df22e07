"""A recovery over HTTP, step by step: an operator starts it, another confirms it, the first takes the ticket."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from demo import authenticator, ceremonies
from demo.authenticator import TRUTH, Lie, Passkey
from demo.ceremonies import Answer
from passkeys.proof import challenge_of
from tests.visits import Visit

REASON = "lost her phone; I have seen her badge"


@dataclass(frozen=True, slots=True)
class Started:
    """A recovery that was accepted: its id, and what its starter keeps."""

    ceremony_id: str
    verifier: str
    options: dict[str, Any]


def ask(visit: Visit, person: str = "ada", **body: Any) -> Answer:
    """POST /operations/recoveries, whatever comes of it."""
    asked = {"person": person, "reason": REASON, "code_challenge": "A" * 43, **body}
    return visit.operate("POST", "/operations/recoveries", asked)


def start(visit: Visit, person: str = "ada") -> Started:
    """A recovery of `person` in this operator's session."""
    verifier = secrets.token_urlsafe(48)
    started = ask(visit, person, code_challenge=challenge_of(verifier))
    options = ceremonies.options_of(visit.url, started)
    return Started(started.body["id"], verifier, options)


def confirm(url: str, started: Started, passkey: Passkey, *, lie: Lie = TRUTH) -> Answer:
    """The answer of somebody's passkey; the final status."""
    response = authenticator.get(passkey, started.options, origin=url, lie=lie)
    return ceremonies.finished(url, ceremonies.respond(url, started.ceremony_id, response))


def take(visit: Visit, started: Started, *, verifier: str | None = None) -> Answer:
    """POST /operations/recoveries/{id}/ticket, whatever comes of it."""
    path = f"/operations/recoveries/{started.ceremony_id}/ticket"
    return visit.operate("POST", path, {"code_verifier": verifier or started.verifier})
