"""A token for a provider's API by a key of ours: RFC 6749 §4.4 with private_key_jwt (RFC 7523), and DPoP (RFC 9449) when asked.

The private key is in the home of keys, and its public half is registered at the provider (`python -m passkeys keys create`).
The token is kept until a minute before its end, and asked for once, whoever waits for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from joserfc import jws
from joserfc.jwk import ECKey

from passkeys.directories.asking import Answer, Asking, Question, misconfigured
from passkeys.errors import DirectoryExhausted, KeysUnavailable
from passkeys.key_home import KeyHome, signing_input
from passkeys.response import encode_base64url

ASSERTION_SECONDS = 120
RENEWED_BEFORE = 60
# How long a token is kept at most, and where it is not said.
LONGEST_LIFE, UNSAID_LIFE = 86_400, 300
# What a header can hold of one (RFC 6750 §2.1).
_B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*\Z")
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are at a provider: the token endpoint, our client id there, the key that is registered, and what we ask for."""

    endpoint: str
    client_id: str
    key_id: str
    scope: str | None


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    kind: str
    ends_at: float


class ClientCredentials:
    """The token of one client, and the headers of requests with it. `clock` tells aware times."""

    def __init__(
        self,
        client: Client,
        asking: Asking,
        keys: KeyHome,
        *,
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._client = client
        self._asking = asking
        self._keys = keys
        self._clock = clock
        self._random_bytes = random_bytes
        self._token: _Token | None = None
        self._getting: asyncio.Task[_Token] | None = None
        # For this process alone: a token that is bound to it is worth nothing elsewhere.
        self._proof_key = ECKey.import_key(generate_private_key(SECP256R1()))
        self._demands_proof = False
        self._nonces: dict[str, str] = {}

    async def headers(self, method: str, url: str) -> dict[str, str]:
        """What authorizes one request. Raises DirectoryExhausted, DirectoryMisconfigured."""
        token = self._token
        if token is None or token.ends_at - RENEWED_BEFORE <= self._now():
            if self._getting is None or self._getting.done():
                self._getting = asyncio.create_task(self._get())
                # Whoever waits is told; if nobody does any more, nobody need be.
                self._getting.add_done_callback(lambda done: done.cancelled() or done.exception())
            token = await asyncio.shield(self._getting)
        headers = {"Authorization": f"{token.kind} {token.text}", "Accept": "application/json"}
        if token.kind == "DPoP":
            headers["DPoP"] = self._proof(method, url, token=token.text)
        return headers

    def heard(self, url: str, answer: Answer, *, shown: str | None = None) -> bool:
        """Take what an answer says about tokens; whether asking again may help: a nonce is told, or a token has ended early.

        `shown`: the token that was asked with. Another one may be there by now, and is not to go for this one's refusal.
        """
        if (nonce := answer.headers.get("dpop-nonce")) is not None:
            known, self._nonces[_origin(url)] = self._nonces.get(_origin(url)), nonce
            if answer.status in (400, 401) and known != nonce:
                return True
        if answer.status != 401 or shown is None:
            return False
        if self._token is not None and self._token.text == shown:
            self._token = None
        return True

    async def _get(self) -> _Token:
        client = self._client
        for _ in range(3):
            answer = await self._asking.ask(self._request)
            if self.heard(client.endpoint, answer):
                self._demands_proof = True
                continue
            body = answer.body if isinstance(answer.body, dict) else {}
            error = str(body.get("error", ""))[:64]
            if error in {"invalid_dpop_proof", "use_dpop_nonce"} and not self._demands_proof:
                self._demands_proof = True
                continue
            text = body.get("access_token")
            if answer.status == 200 and isinstance(text, str) and _B64TOKEN.match(text):
                kind = "DPoP" if str(body.get("token_type", "")).lower() == "dpop" else "Bearer"
                self._token = _Token(text, kind, self._now() + _life(body.get("expires_in")))
                return self._token
            raise misconfigured(
                self._asking.name, f"no token for client {client.client_id}: status {answer.status} {error}"
            )
        raise misconfigured(
            self._asking.name, f"no token for client {client.client_id}: its proof is refused"
        )

    async def _request(self) -> Question:
        client, now = self._client, int(self._now())
        claims = {
            "iss": client.client_id,
            "sub": client.client_id,
            "aud": client.endpoint,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": encode_base64url(self._random_bytes(16)),
        }
        header = {"alg": "ES256", "typ": "JWT", "kid": client.key_id}
        signed = signing_input(header, claims)
        try:
            signature = encode_base64url(await self._keys.sign(client.key_id, signed))
        except KeysUnavailable as away:
            raise DirectoryExhausted(f"{self._asking.name}: the client's key: {away}") from None
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": f"{signed.decode()}.{signature}",
            **({"scope": client.scope} if client.scope else {}),
        }
        proof = {"DPoP": self._proof("POST", client.endpoint)} if self._demands_proof else {}
        return Question("POST", client.endpoint, {**_FORM, **proof}, urlencode(form).encode())

    def _proof(self, method: str, url: str, *, token: str | None = None) -> str:
        """RFC 9449 §4.2."""
        nonce = self._nonces.get(_origin(url))
        claims: dict[str, Any] = {
            "jti": encode_base64url(self._random_bytes(16)),
            "htm": method,
            "htu": url.partition("?")[0],
            "iat": int(self._now()),
            **({"nonce": nonce} if nonce else {}),
        }
        if token is not None:
            claims["ath"] = encode_base64url(hashlib.sha256(token.encode("ascii")).digest())
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._proof_key.as_dict(private=False)}
        return jws.serialize_compact(header, json.dumps(claims).encode(), self._proof_key)

    def _now(self) -> float:
        return self._clock().timestamp()


async def authorized(
    asking: Asking, credentials: ClientCredentials, url: str, *, method: str = "GET"
) -> Answer:
    """The answer to a request of this client's; asked once more where a fresh token or a nonce may help.

    Raises DirectoryExhausted, DirectoryMisconfigured: 401 or 403 all the same, or what no right request gets.
    """
    shown: str | None = None

    async def question() -> Question:
        nonlocal shown
        headers = await credentials.headers(method, url)
        shown = headers["Authorization"].partition(" ")[2]
        return Question(method, url, headers)

    answer = await asking.ask(question)
    if credentials.heard(url, answer, shown=shown):
        answer = await asking.ask(question)
        credentials.heard(url, answer, shown=shown)
    if answer.status not in (200, 404):
        raise misconfigured(asking.name, f"status {answer.status}: see what the client may do there")
    return answer


def _life(seconds: object) -> int:
    """How long a token is kept, by what is said of it: as a whole number of seconds, or it is not believed."""
    is_number = isinstance(seconds, int) and not isinstance(seconds, bool)
    return max(0, min(int(seconds), LONGEST_LIFE)) if is_number else UNSAID_LIFE  # type: ignore[call-overload]


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
