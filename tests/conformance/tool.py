"""The conformance tool's side of the door: requests with cookies kept as a browser keeps them, and an operator's view."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from demo.ceremonies import Answer, call
from starters.conformance import COOKIE
from tests.hosts import FUNCTION_KEY

Json = dict[str, Any]
# The extension that the documented tests ask for: nobody knows it, so it comes back as it went.
EXTENSIONS: Json = {"example.extension": "In a hole in the ground there lived a hobbit"}


@dataclass
class Browser:
    """Whatever the tool is: it has cookies by path, and sends each where it belongs."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: Any, *, headers: Json | None = None) -> Answer:
        """One POST. `body` is sent as JSON unless it is bytes."""
        folder = path[: path.rindex("/")]
        sent = {"Cookie": f"{COOKIE}={self.cookies[folder]}"} if folder in self.cookies else {}
        answer = call(self.url, "POST", path, body, headers={**sent, **(headers or {})})
        morsel = SimpleCookie(answer.headers.get("set-cookie", "")).get(COOKIE)
        if morsel is not None:
            assert morsel["path"] == folder
            self.cookies[folder] = morsel.value
            if morsel["max-age"] == "0":
                del self.cookies[folder]
        return answer

    def attestation_options(self, username: str, **asked: Any) -> Json:
        """Options to register; the tool asks for direct attestation wherever it does not say otherwise."""
        body = {"username": username, "displayName": "Bilbo Baggins", "attestation": "direct", **asked}
        return ok(self.post("/attestation/options", body))

    def assertion_options(self, username: str, **asked: Any) -> Json:
        """Options to sign in."""
        return ok(self.post("/assertion/options", {"username": username, **asked}))

    def result(self, kind: str, body: Any) -> Verdict:
        """The answer to the options that this browser had last, and what the operator sees of it afterwards."""
        found = self.cookies.get(f"/{kind}", "")
        answer = self.post(f"/{kind}/result", body)
        seen = (
            call(
                self.url,
                "GET",
                f"/operations/ceremonies/{found}",
                headers={"x-functions-key": FUNCTION_KEY},
            ).body
            if found
            else {}
        )
        return Verdict(answer, seen)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tool was told, and what the operator sees of the ceremony."""

    answer: Answer
    ceremony: Json

    @property
    def said(self) -> str:
        """`ok`, or the code of why not: the operator's exact reason, or that of a request that reached no ceremony."""
        body = self.answer.body
        assert set(body) == {"status", "errorMessage"}, body
        if body["status"] == "ok":
            assert (self.answer.status, body["errorMessage"]) == (200, "")
            assert self.ceremony["outcome"] == "completed"
            return "ok"
        assert body["status"] == "failed"
        assert 400 <= self.answer.status < 500, self.answer
        assert body["errorMessage"].endswith(".")
        if self.ceremony.get("outcome"):
            assert self.ceremony["outcome"] in ("rejected", "refused")
            # What the operator knows, the tool is not told.
            assert self.ceremony["reason"] not in body["errorMessage"]
            return str(self.ceremony["reason"])
        return str(body["errorMessage"]).partition("(")[2].partition(")")[0]


def ok(answer: Answer) -> Json:
    """The options in an envelope that says ok."""
    assert answer.status == 200, answer
    assert (answer.body["status"], answer.body["errorMessage"]) == ("ok", "")
    return dict(answer.body)


def somebody() -> str:
    """A name that no other test has, as the tool makes them up."""
    return secrets.token_urlsafe(12)
