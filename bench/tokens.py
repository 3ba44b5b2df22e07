"""Tokens made and refreshed a second, and how long an application waits: `python -m bench.tokens` (half a minute).

First what a token costs on one core beside a bare signing loop of joserfc's, in turns, the median of the rounds. Then the local
host over HTTP, asked by PEOPLE applications at once, each with a connection and a DPoP key of its own: complete exchanges of
codes, and complete refreshes. Making the proof is the application's time, and left out of theirs; the load shares the machine.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry, serialize_compact

from bench.access_tokens import Side, measured
from bench.load import BrokenExchangeError, Connection, connect, register
from bench.servers import serving, write_people
from bench.tickets import issue_tickets
from demo import authenticator
from passkeys.access_tokens import own_profile, validate
from passkeys.dpop import check_proof
from passkeys.jwks import read_key_set
from passkeys.proof import challenge_of

PEOPLE, CODES, SECONDS = 8, 25, 6.0
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
AUDIENCE, ISSUER = "https://api.example.com", "https://passkey.example.com"
CLAIMS: Mapping[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "ada",
    "client_id": "shop",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 300,
    "jti": "x" * 22,
    "auth_time": int(NOW.timestamp()) - 5,
    "acr": "phr",
    "amr": ["swk", "user", "mfa"],
    "sid": "x" * 22,
    "roles": ["operator"],
    "cnf": {"jkt": "x" * 43},
}
_FORM = "application/x-www-form-urlencoded"
# joserfc's own names of header members know no `jwk` of a proof; its algorithms are what counts here.
_PROOFS = JWSRegistry(algorithms=["ES256"], strict_check_header=False)


def sides() -> Mapping[str, Side]:
    """What one token, and the proof that comes with a request, cost."""
    key = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k"}
    token = serialize_compact(header, json.dumps(CLAIMS), key)
    keys = read_key_set(json.dumps({"keys": [{**key.as_dict(private=False), "kid": "k"}]}).encode())
    profile = own_profile(issuer=ISSUER, audiences=frozenset({AUDIENCE}))
    proof = made_proof(key, f"{ISSUER}/token", None, at=NOW.timestamp())
    return {
        "joserfc alone signs the claims": lambda: serialize_compact(header, json.dumps(CLAIMS), key),
        "an access token judged, every obligation": lambda: validate(
            token, profile=profile, keys=keys, at=NOW
        ),
        "a DPoP proof judged, every obligation": lambda: check_proof(
            proof, method="POST", url=f"{ISSUER}/token", at=NOW
        ),
    }


def made_proof(key: ECKey, url: str, nonce: str | None, *, at: float | None = None) -> str:
    """A DPoP proof for a POST."""
    claims: dict[str, Any] = {
        "htm": "POST",
        "htu": url,
        "iat": int(time.time() if at is None else at),
        "jti": secrets.token_urlsafe(12),
    }
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    claims |= {} if nonce is None else {"nonce": nonce}
    return serialize_compact(header, json.dumps(claims), key, registry=_PROOFS)


@dataclass
class Application:
    """One application's person: a connection, a key, and how long each answer took, in milliseconds."""

    url: str
    connection: Connection
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    nonce: str | None = None
    token: str = ""
    exchanges: list[float] = field(default_factory=list)
    refreshes: list[float] = field(default_factory=list)

    async def sign_in(self, passkey: authenticator.Passkey) -> str:
        """A sign-in for the application; its code."""
        asked = {"client_id": "sample", "code_challenge": challenge_of(self.verifier)}
        _, started = await self.connection.call("POST", "/authentications", json.dumps(asked).encode())
        response = json.dumps(authenticator.get(passkey, started["publicKey"], origin=self.url)).encode()
        shown = {
            "Authorization": f"Ceremony {started['id']}:{self.verifier}",
            "Content-Type": "application/json",
        }
        status, _, ended = await self._send(f"/ceremonies/{started['id']}/response", response, shown)
        while status == 202:
            status, ended = await self.connection.call("GET", f"/ceremonies/{started['id']}?wait=20")
        if status != 200 or ended["output"]["outcome"] != "completed":
            raise BrokenExchangeError(f"{status}: {ended}")
        return str(started["id"])

    async def exchange(self, code: str) -> None:
        """A code for tokens, timed."""
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": self.verifier}
        self.exchanges.append(await self._token(form))

    async def refresh(self) -> None:
        """The newest refresh token for the next, timed."""
        self.refreshes.append(await self._token({"grant_type": "refresh_token", "refresh_token": self.token}))

    async def _token(self, form: Mapping[str, str]) -> float:
        body = urllib.parse.urlencode({"client_id": "sample", **form}).encode()
        while True:
            proof = made_proof(self.key, f"{self.url}/token", self.nonce)
            began = time.perf_counter()
            status, nonce, answer = await self._send("/token", body, {"DPoP": proof, "Content-Type": _FORM})
            took = (time.perf_counter() - began) * 1000
            self.nonce = nonce or self.nonce
            if status == 200:
                self.token = answer["refresh_token"]
                return took
            if answer.get("error") != "use_dpop_nonce":
                raise BrokenExchangeError(f"{status}: {answer}")

    async def _send(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str | None, Any]:
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: {self.connection.host}\r\n{told}Content-Length: {len(body)}\r\n\r\n"
        self.connection.writer.write(head.encode() + body)
        answer = (await self.connection.reader.readuntil(b"\r\n\r\n")).decode()
        found = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in answer.split("\r\n"))
        }
        read = await self.connection.reader.readexactly(int(found["content-length"]))
        return int(answer[9:12]), found.get("dpop-nonce"), json.loads(read)


async def load(url: str, tickets: list[str]) -> dict[str, Any]:
    """Everybody signs in often, then redeems what they have, and then refreshes for a while."""
    applications = [Application(url, await connect(url)) for _ in tickets]

    async def prepared(one: Application, ticket: str) -> list[str]:
        passkey = await register(one.connection, url, ticket)
        return [await one.sign_in(passkey) for _ in range(CODES)]

    async def exchanged(one: Application, codes: list[str]) -> None:
        for code in codes:
            await one.exchange(code)

    async def refreshed(one: Application, end: float) -> None:
        while time.perf_counter() < end:
            await one.refresh()

    codes = await asyncio.gather(*map(prepared, applications, tickets))
    began = time.perf_counter()
    await asyncio.gather(*map(exchanged, applications, codes))
    between = time.perf_counter()
    await asyncio.gather(*(refreshed(one, between + SECONDS) for one in applications))
    ended = time.perf_counter()
    return {
        "exchange": (between - began, [ms for one in applications for ms in one.exchanges]),
        "refresh": (ended - between, [ms for one in applications for ms in one.refreshes]),
    }


def line(what: str, seconds: float, times: list[float]) -> str:
    """A row of the table."""
    p95 = statistics.quantiles(times, n=20)[-1]
    return f"| {what} | {len(times) / seconds:,.0f} | {statistics.median(times):.1f} | {p95:.1f} |"


def main() -> None:
    """Print both tables."""
    if len(sys.argv) > 1:  # the load, in a process of its own
        print(json.dumps(asyncio.run(load(sys.argv[1], sys.argv[2:]))))
        return
    print("| on one core | µs | a second |\n|---|---|---|")
    for what, microseconds in measured(sides()).items():
        print(f"| {what} | {microseconds:.0f} | {1e6 / microseconds:,.0f} |")
    with tempfile.TemporaryDirectory() as folder:
        people = write_people(Path(folder) / "people.json", PEOPLE)
        state = Path(folder) / "state"
        with serving("durable", state, Path(folder) / "people.json") as server:
            result = asyncio.run(_loaded(server.url, issue_tickets(state, people)))
    print(f"\n| over HTTP, {PEOPLE} at once | a second | median, ms | p95, ms |\n|---|---|---|---|")
    for what, (seconds, times) in result.items():
        print(line(what, seconds, times))


async def _loaded(url: str, tickets: list[str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.tokens", url, *tickets, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    return dict(json.loads(told))


if __name__ == "__main__":
    main()
