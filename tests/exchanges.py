"""An application in a test, over HTTP: its key, a sign-in for it, and what it gets for that."""

from __future__ import annotations

import json
import secrets
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from demo import authenticator, ceremonies
from demo.authenticator import Passkey
from demo.ceremonies import Answer, call, expect
from passkeys.proof import challenge_of
from passkeys.response import decode_base64url
from tests.passkeys.proofs import proof


@dataclass
class Exchange:
    """The demo's application, with a DPoP key and a proof key of its own; `sent` is everything secret that it has sent or got."""

    url: str
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    nonce: str | None = None
    sent: list[str] = field(default_factory=list)

    def sign_in(self, passkey: Passkey) -> str:
        """A sign-in that the application itself starts; its code."""
        return str(self.answer(passkey).body["instanceId"])

    def answer(self, passkey: Passkey, *, redeem: bool = False) -> Answer:
        """A sign-in that the application itself starts, completed; `redeem`: with its tokens."""
        body = {"client_id": "sample", "code_challenge": challenge_of(self.verifier)}
        started = expect(ceremonies.start(self.url, "authentication", body), 202)
        response = authenticator.get(passkey, ceremonies.options_of(self.url, started), origin=self.url)
        headers = {"Authorization": f"Ceremony {started.body['id']}:{self.verifier}"}
        path = f"/ceremonies/{started.body['id']}/response"
        if redeem:
            headers |= {"DPoP": self._proof(path)}
            path += "?redeem=true"
        answer = ceremonies.finished(self.url, call(self.url, "POST", path, response, headers=headers))
        assert answer.outcome == "completed"
        return answer

    def post(self, path: str, form: dict[str, str]) -> Answer:
        """A form with a new proof; made again with the nonce, if one is asked for."""
        for _ in range(2):
            answer = self._post(path, {"client_id": "sample", **form})
            asked = isinstance(answer.body, dict) and answer.body.get("error") == "use_dpop_nonce"
            self.nonce = answer.headers.get("dpop-nonce", self.nonce)
            if not asked:
                return answer
        raise AssertionError(f"the nonce is not taken: {answer}")

    def _proof(self, path: str) -> str:
        claims = {
            "htm": "POST",
            "htu": self.url + path,
            "iat": int(time.time()),
            "jti": secrets.token_urlsafe(12),
        }
        made = proof({**claims, **({"nonce": self.nonce} if self.nonce else {})}, key=self.key)
        self.sent.append(made)
        return made

    def _post(self, path: str, form: dict[str, str]) -> Answer:
        made = self._proof(path)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "DPoP": made}
        answer = call(self.url, "POST", path, urllib.parse.urlencode(form).encode(), headers=headers)
        if isinstance(answer.body, dict):
            self.sent += [
                answer.body[name] for name in ("access_token", "refresh_token") if name in answer.body
            ]
        return answer

    def redeem(self, code: str) -> Answer:
        """The code for tokens."""
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": self.verifier}
        return self.post("/token", form)

    def refresh(self, token: str) -> Answer:
        """A refresh token for the next."""
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": token})

    def revoke(self, token: str) -> Answer:
        """The end of its session."""
        return self.post("/revoke", {"token": token})


def claims_of(access_token: str) -> dict[str, Any]:
    """What it says, unproven."""
    return dict(json.loads(decode_base64url(access_token.split(".")[1])))
