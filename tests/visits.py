"""People who start their ceremonies with a proof key, and what they can do with it afterwards, over HTTP."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from demo import authenticator, ceremonies
from demo.authenticator import TRUTH, Lie, Passkey
from demo.ceremonies import Answer, call
from passkeys.proof import challenge_of
from tests.hosts import FUNCTION_KEY


@dataclass(frozen=True, slots=True)
class Visit:
    """A ceremony that was started with this verifier's challenge, and how it ended."""

    url: str
    ceremony_id: str
    verifier: str
    answer: Answer

    @property
    def header(self) -> dict[str, str]:
        """What shows that it is its starter who asks."""
        return {"Authorization": f"Ceremony {self.ceremony_id}:{self.verifier}"}

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """One request in this session."""
        return call(self.url, method, path, body, headers=self.header)

    def operate(self, method: str, path: str, body: Any = None) -> Answer:
        """One request as an operator: the function key too."""
        return call(self.url, method, path, body, headers={**self.header, "x-functions-key": FUNCTION_KEY})

    def listed(self) -> list[dict[str, Any]]:
        """The person's passkeys."""
        return list(ceremonies.expect(self.ask("GET", "/credentials"), 200).body["credentials"])


def enrol(url: str, ticket: str, **choices: Any) -> tuple[Passkey, Visit]:
    """A registration by ticket, with a proof key."""
    verifier = secrets.token_urlsafe(48)
    started = ceremonies.start(
        url, "registration", {"ticket": ticket, "code_challenge": challenge_of(verifier)}
    )
    return _registered(url, started, verifier, **choices)


def add(visit: Visit, *, mediation: str = "modal", **choices: Any) -> tuple[Passkey, Visit]:
    """Another passkey of the same person, by their session. On another device: it has none of theirs yet."""
    verifier = secrets.token_urlsafe(48)
    body = {"code_challenge": challenge_of(verifier), "mediation": mediation}
    return _registered(visit.url, visit.ask("POST", "/registrations", body), verifier, **choices)


def sign_in(url: str, passkey: Passkey, *, lie: Lie = TRUTH) -> Visit:
    """A sign-in with a proof key, however it ends."""
    verifier = secrets.token_urlsafe(48)
    started = ceremonies.start(url, "authentication", {"code_challenge": challenge_of(verifier)})
    options = ceremonies.options_of(url, started)
    response = authenticator.get(passkey, options, origin=url, lie=lie)
    return _ended(url, started, verifier, response)


def _registered(url: str, started: Answer, verifier: str, **choices: Any) -> tuple[Passkey, Visit]:
    options = ceremonies.options_of(url, started)
    passkey, response = authenticator.create(options, origin=url, **choices)
    return passkey, _ended(url, started, verifier, response)


def _ended(url: str, started: Answer, verifier: str, response: Any) -> Visit:
    proof = {"Authorization": f"Ceremony {started.body['id']}:{verifier}"}
    answer = ceremonies.finished(url, ceremonies.respond(url, started.body["id"], response, headers=proof))
    return Visit(url, started.body["id"], verifier, answer)
