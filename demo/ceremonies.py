"""The client's part of a ceremony over HTTP: start it, let the authenticator answer, wait for the end.

Blocking, on the standard library alone, one connection a call: it is for demonstrations and tests, and its failures
(`OSError`, `http.client.HTTPException`) are the network's own, so that a test may kill the host and try again.
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demo import authenticator
from demo.authenticator import TRUTH, Lie, Passkey

WAIT_SECONDS = 20
"""How long one status query may be held by the server; the API allows 25."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `body` is parsed when it is JSON, else bytes. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def outcome(self) -> str | None:
        """The ceremony's outcome when this is the status of a finished one."""
        output = self.body.get("output") if isinstance(self.body, dict) else None
        return output["outcome"] if isinstance(output, dict) else None


class UnexpectedAnswerError(Exception):
    """The server answered what the contract does not allow here; the message carries all of it."""


def call(
    url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    source: str | None = None,
    timeout_s: float = 40.0,
) -> Answer:
    """One request. `body` is sent as JSON unless it is bytes; `source` is the local address to call from."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(
        where.hostname or "localhost",
        where.port,
        timeout=timeout_s,
        source_address=(source, 0) if source else None,
    )
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} if data is not None else {}
    try:
        connection.request(method, path, data, {**sent, **(headers or {})})
        response = connection.getresponse()
        raw = response.read()
    finally:
        connection.close()
    got = {name.lower(): value for name, value in response.getheaders()}
    is_json = "json" in got.get("content-type", "") and raw
    return Answer(response.status, got, json.loads(raw) if is_json else raw)


def start(url: str, kind: str, body: Any, *, source: str | None = None) -> Answer:
    """POST /registrations or /authentications (`kind`: registration, authentication)."""
    return call(url, "POST", f"/{kind}s", body, source=source)


def options_of(url: str, started: Answer) -> dict[str, Any]:
    """The options to hand to the authenticator: from the start's answer, or by asking until they are there.

    Raises UnexpectedAnswerError when the start was refused or the ceremony ended without options.
    """
    answer = expect(started, 202)
    ceremony_id = answer.body["id"]
    options = answer.body.get("publicKey")
    while options is None:
        answer = expect(call(url, "GET", f"/ceremonies/{ceremony_id}?wait=5&after=admitting"), 202)
        options = (answer.body["customStatus"] or {}).get("publicKey")
    return dict(options)


def respond(url: str, ceremony_id: str, response: Any, *, headers: Mapping[str, str] | None = None) -> Answer:
    """POST /ceremonies/{id}/response; `headers` prove who started it, where its start had a code_challenge."""
    return call(url, "POST", f"/ceremonies/{ceremony_id}/response", response, headers=headers)


def status(url: str, ceremony_id: str, *, wait_s: int = 0) -> Answer:
    """GET /ceremonies/{id}, held for up to `wait_s` while it runs."""
    return call(url, "GET", f"/ceremonies/{ceremony_id}" + (f"?wait={wait_s}" if wait_s else ""))


def cancel(url: str, ceremony_id: str) -> Answer:
    """DELETE /ceremonies/{id}."""
    return call(url, "DELETE", f"/ceremonies/{ceremony_id}")


def finished(url: str, answer: Answer) -> Answer:
    """Follow a 202 to the end; the final 200. Raises UnexpectedAnswerError on anything else."""
    while answer.status == 202:
        answer = status(url, answer.body["instanceId"], wait_s=WAIT_SECONDS)
    return expect(answer, 200)


def expect(answer: Answer, *statuses: int) -> Answer:
    """The answer itself when its status is one of these, else UnexpectedAnswerError."""
    if answer.status not in statuses:
        raise UnexpectedAnswerError(f"expected {statuses}, got {answer.status}: {answer.body!r}")
    return answer


def register(
    url: str, ticket: str, *, origin: str | None = None, lie: Lie = TRUTH, **choices: Any
) -> tuple[Passkey, Answer]:
    """A whole registration: the new passkey (stored by the server or not) and the final status."""
    started = start(url, "registration", {"ticket": ticket})
    options = options_of(url, started)
    passkey, response = authenticator.create(options, origin=origin or url, lie=lie, **choices)
    return passkey, finished(url, respond(url, started.body["id"], response))


def sign_in(
    url: str,
    passkey: Passkey,
    *,
    origin: str | None = None,
    lie: Lie = TRUTH,
    username: str | None = None,
) -> Answer:
    """A whole sign-in, with a user name or without: the final status."""
    started = start(url, "authentication", {} if username is None else {"username": username})
    response = authenticator.get(passkey, options_of(url, started), origin=origin or url, lie=lie)
    return finished(url, respond(url, started.body["id"], response))
