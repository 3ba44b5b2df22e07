"""The token endpoint of a provider whose clients authenticate by a key (RFC 7523), with DPoP and nonces where it demands them."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from passkeys.directories.asking import Answer, Question
from tests.fakes.trouble import Provider


@dataclass
class OAuthService(Provider):
    """`key` is the client's public key as it was registered. `nonce` None: proofs need none."""

    endpoint: str = ""
    client_id: str = "0oaclient"
    key: Mapping[str, Any] = field(default_factory=dict)
    demands_proof: bool = False
    nonce: str | None = None
    given: int = 0
    seen: set[str] = field(default_factory=set)
    jkt: str | None = None

    @property
    def token(self) -> str:
        """The one that counts now."""
        return f"service-token-{self.given}"

    async def answer(self, question: Question) -> Answer:
        if question.url == self.endpoint:
            return self._give(question)
        refused = self._unauthorized(question)
        return refused or self.resource(question)

    @abstractmethod
    def resource(self, question: Question) -> Answer:
        """What it says to who is authorized."""

    def _give(self, question: Question) -> Answer:
        form = {name: values[0] for name, values in parse_qs((question.body or b"").decode()).items()}
        assert form["grant_type"] == "client_credentials"
        try:
            claims = jwt.decode(form["client_assertion"], ECKey.import_key(dict(self.key)), ["ES256"]).claims
        except JoseError:
            return Answer(401, {}, {"error": "invalid_client"})
        assert (claims["iss"], claims["sub"], claims["aud"]) == (
            self.client_id,
            self.client_id,
            self.endpoint,
        )
        assert 0 < claims["exp"] - claims["iat"] <= 3600
        if claims["jti"] in self.seen:
            return Answer(401, {}, {"error": "invalid_client"})
        self.seen.add(claims["jti"])
        if self.demands_proof:
            refused = self._judge_proof(question, None)
            if refused is not None:
                return refused
        self.given += 1
        kind = "DPoP" if self.demands_proof else "Bearer"
        return Answer(200, {}, {"access_token": self.token, "token_type": kind, "expires_in": 3600})

    def _unauthorized(self, question: Question) -> Answer | None:
        kind = "DPoP" if self.demands_proof else "Bearer"
        if question.headers.get("Authorization") != f"{kind} {self.token}":
            return Answer(401, {}, {"errorCode": "E0000011"})
        return self._judge_proof(question, self.token) if self.demands_proof else None

    def _judge_proof(self, question: Question, token: str | None) -> Answer | None:
        proof = question.headers.get("DPoP")
        if proof is None:
            return Answer(400, {}, {"error": "invalid_dpop_proof"})
        header = jws.extract_compact(proof.encode()).headers()
        key = ECKey.import_key(header["jwk"])
        claims = json.loads(jws.deserialize_compact(proof, key, algorithms=["ES256"]).payload)
        assert (claims["htm"], claims["htu"]) == (question.method, question.url.partition("?")[0])
        assert ("ath" in claims) is (token is not None)
        if claims["jti"] in self.seen:
            return Answer(400, {}, {"error": "invalid_dpop_proof"})
        if self.nonce is not None and claims.get("nonce") != self.nonce:
            status = 400 if token is None else 401
            return Answer(status, {"dpop-nonce": self.nonce}, {"error": "use_dpop_nonce"})
        self.seen.add(claims["jti"])
        if token is None:
            self.jkt = key.thumbprint()
        assert key.thumbprint() == self.jkt
        return None
