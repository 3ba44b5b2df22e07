"""For an application's back end: whose request this is, by the access token and the proof of possession that came with it.

    verifier = Verifier(issuer="https://passkey.example.com", audience="https://api.example.com")
    caller = await verifier.verify(authorization=…, dpop=…, method="GET", url="https://api.example.com/orders")
    verifier.require(caller, acr="phrh", max_age=300)  # where a request wants more than that somebody is signed in

Whatever is wrong is one AccessRefused: a stable code for the log, and the status and headers to answer with (RFC 6750 §3,
RFC 9449 §7.1, RFC 9470 §3). The obligations of the token are those of passkeys.access_tokens, with our own profile; those of
the proof stand in passkeys.dpop; the keys are kept as passkeys.issuer_keys keeps any issuer's. What is added here:

     1. One credential, with the scheme DPoP; with Bearer where that is allowed. credentials_missing
     2. The token is of ours: what all of them have, it has.                     token_claims_malformed
     3. A token that is bound to a key comes with the scheme DPoP.               token_bound
     4. One that is bound to none comes with the scheme Bearer.                  token_unbound
     5. The proof is there, and by the key that the token is bound to.           dpop_missing, dpop_key_mismatch
     6. It has not been shown before.                                            dpop_replayed
     7. `require`: the sign-in was strong, and recent, enough.                   acr_insufficient, auth_time_too_old

Nothing of the server's is needed for it, neither its store nor its settings: only who issues, and who is meant.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from passkeys import nonces
from passkeys.access_tokens import LEEWAY_SECONDS, MAX_TOKEN, key_id_of, own_profile, validate_claims
from passkeys.assurance import meets
from passkeys.dpop import ALGORITHMS, WINDOW_SECONDS, check_proof
from passkeys.errors import (
    DpopRefusal,
    DpopRefused,
    IssuerUnreachable,
    PasskeysError,
    TokenRefusal,
    TokenRefused,
)
from passkeys.issuer_keys import IssuerKeys, Read, read_document, read_local_document
from passkeys.issuers import Issuer
from passkeys.proofs_seen import ProofsSeen, Seen

JWKS_PATH = "/.well-known/jwks.json"
RETRY_AFTER_SECONDS = 5
_CREDENTIAL = re.compile(r"(dpop|bearer) +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_WORD = re.compile(r"[!#-\[\]-~]{1,128}\Z")
_MAX_TIME = 32_503_680_000  # 3000-01-01
_ALGS = " ".join(ALGORITHMS)


class AccessFault(StrEnum):
    """What is found wrong here, beside what a TokenRefusal or a DpopRefusal names. Stable."""

    CREDENTIALS_MISSING = "credentials_missing"
    BOUND = "token_bound"
    UNBOUND = "token_unbound"
    PROOF_MISSING = "dpop_missing"
    KEY_MISMATCH = "dpop_key_mismatch"
    REPLAYED = "dpop_replayed"
    ACR_INSUFFICIENT = "acr_insufficient"
    AUTH_TIME_TOO_OLD = "auth_time_too_old"
    ISSUER_UNREACHABLE = "issuer_unreachable"


class AccessRefused(PasskeysError):
    """The request is not to be served. `code` is for the log; answer with `status` and `headers`, and no more than that."""

    code: str

    def __init__(self, code: StrEnum, detail: str, *, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code.value
        self.status = status
        self.headers = dict(headers)


@dataclass(frozen=True, slots=True)
class Access:
    """Whose request it is: who, by which client and in which session, with which roles; and how and when they signed in.

    `subject` is the application's for ever. `acr` None: no claim is made. `jkt` None: a bearer token.
    """

    subject: str
    client_id: str
    session: str
    roles: frozenset[str]
    acr: str | None
    amr: tuple[str, ...]
    auth_time: datetime
    expires_at: datetime
    jkt: str | None


@dataclass(frozen=True, slots=True)
class _Shown:
    jkt: str
    jti: str
    until: datetime


class Verifier:
    """Judges requests for one audience by the tokens of one issuer. One for the life of the process: it keeps the keys.

    `issuer`: an https origin. `bearer`: tokens that are bound to no key are good as well, which whoever steals one may use.
    `nonce_key`: 32 random bytes, the same in all processes: proofs then need a nonce made with it (RFC 9449 §9), and a
    client with a wrong clock can be served; None: no nonces. `insecure_localhost` lets the issuer be at http://localhost, and
    nowhere else. Raises ValueError for an issuer that is none.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        bearer: bool = False,
        nonce_key: bytes | None = None,
        insecure_localhost: bool = False,
        seen: Seen | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        read: Read | None = None,
    ) -> None:
        local = _is_local(issuer)
        if local and not insecure_localhost:
            raise ValueError(f"{issuer} has no TLS. For the local profile, say insecure_localhost=True.")
        self._profile = own_profile(issuer=issuer, audiences=frozenset({audience}))
        self._bearer = bearer
        self._nonce_key = nonce_key
        self._seen = seen or ProofsSeen()
        self._clock = clock
        described = Issuer(
            name=issuer,
            provider="own",
            profile=self._profile,
            discovery=None,
            metadata_issuer=issuer,
            jwks_uri=issuer + JWKS_PATH,
            tls_roots=None,
        )
        default = read_local_document if local else read_document
        self._keys = IssuerKeys(described, clock=clock, read=read or default)

    async def verify(self, *, authorization: str | None, dpop: str | None, method: str, url: str) -> Access:
        """Whose request this is. Raises AccessRefused.

        `authorization` and `dpop` are the headers, None where there is none; of a header that came several times, all values
        with a comma between (RFC 9110 §5.3). `url` is the request's own as its sender has it: behind a proxy, the outer one.
        """
        now = self._clock()
        scheme, token = self._credential(authorization)
        try:
            keys = await self._keys.with_key(key_id_of(token, profile=self._profile))
            identity, claims = validate_claims(token, profile=self._profile, keys=keys, at=now)
            access = _access(identity.subject, identity.expires_at, claims)
        except TokenRefused as refused:
            raise self._refused(refused.code, str(refused), scheme, "invalid_token") from None
        except IssuerUnreachable as away:
            raise AccessRefused(
                AccessFault.ISSUER_UNREACHABLE,
                str(away),
                status=503,
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            ) from away
        if access.jkt is None:
            if scheme != "Bearer" or not self._bearer:
                raise self._refused(AccessFault.UNBOUND, "", scheme, "invalid_token")
            return access
        if scheme != "DPoP":
            # RFC 9449 §7.2: in other hands it would look just like this.
            raise self._refused(AccessFault.BOUND, "", "DPoP", "invalid_token")
        proof = self._proof(dpop, token, method=method, url=url, now=now)
        if proof.jkt != access.jkt:
            raise self._refused(AccessFault.KEY_MISMATCH, "", scheme, "invalid_token")
        digest = hashlib.sha256(json.dumps([proof.jkt, proof.jti]).encode()).hexdigest()
        if not await self._seen.first_time(digest, until=proof.until, now=now):
            raise self._refused(AccessFault.REPLAYED, "", scheme, "invalid_dpop_proof")
        return access

    def require(self, access: Access, *, acr: str | None = None, max_age: int | None = None) -> None:
        """See that the sign-in was as strong as `acr`, or stronger, and at most `max_age` seconds ago. Raises AccessRefused.

        The client has its person sign in again with what the challenge names (RFC 9470 §4), and asks again with a new token.
        """
        if acr is not None and not _WORD.match(acr):
            raise ValueError("acr is one word, without quotes and backslashes")
        wanted = {
            **({"acr_values": acr} if acr else {}),
            **({} if max_age is None else {"max_age": str(max_age)}),
        }
        age = (self._clock() - access.auth_time).total_seconds()
        fault = None
        if acr is not None and not meets(access.acr, (acr,)):
            fault = AccessFault.ACR_INSUFFICIENT
        elif max_age is not None and not -LEEWAY_SECONDS <= age <= max_age:
            fault = AccessFault.AUTH_TIME_TOO_OLD
        if fault is not None:
            scheme = "Bearer" if access.jkt is None else "DPoP"
            raise self._refused(fault, "", scheme, "insufficient_user_authentication", **wanted)

    def _credential(self, authorization: str | None) -> tuple[str, str]:
        # RFC 9110 §11.1: schemes have no case. RFC 6750 §3: who shows nothing of the kind is told what to show, and no error.
        given = authorization or ""
        match = _CREDENTIAL.fullmatch(given) if len(given) <= MAX_TOKEN + len("Bearer ") else None
        if match is None:
            raise self._refused(AccessFault.CREDENTIALS_MISSING, "", "", "")
        return "DPoP" if match[1].lower() == "dpop" else "Bearer", match[2]

    def _proof(self, dpop: str | None, token: str, *, method: str, url: str, now: datetime) -> _Shown:
        """The good proof, and until when it could be shown again."""
        if dpop is None:
            raise self._refused(AccessFault.PROOF_MISSING, "", "DPoP", "invalid_dpop_proof")
        key, made = self._nonce_key, list[datetime]()

        def nonce_ok(shown: str) -> bool:
            time = None if key is None else nonces.time_of(key, shown, at=now)
            made.extend([] if time is None else [time])
            return time is not None

        try:
            proof = check_proof(
                dpop, method=method, url=url, at=now, access_token=token, nonce_ok=nonce_ok if key else None
            )
        except DpopRefused as refused:
            raise self._proof_refused(refused, now) from None
        # A nonce is good in its slot and in the next one; a proof without says when it was made, to a second.
        until = (
            made[-1] + timedelta(seconds=2 * nonces.LIFE_SECONDS)
            if made
            else proof.issued_at + timedelta(seconds=WINDOW_SECONDS + 1)
        )
        return _Shown(proof.jkt, proof.jti, until)

    def _proof_refused(self, refused: DpopRefused, now: datetime) -> AccessRefused:
        if refused.code in (DpopRefusal.NONCE_MISSING, DpopRefusal.NONCE_REFUSED):
            found = self._refused(refused.code, str(refused), "DPoP", "use_dpop_nonce")
            found.headers["DPoP-Nonce"] = nonces.nonce(self._nonce_key or b"", now)
            return found
        return self._refused(refused.code, str(refused), "DPoP", "invalid_dpop_proof")

    def _refused(
        self, code: StrEnum, detail: str, scheme: str, error: str, **parameters: str
    ) -> AccessRefused:
        """401 with a challenge for each scheme that is taken here; the error is told in the one that was used."""
        offered = {"DPoP": {"algs": _ALGS}, **({"Bearer": {}} if self._bearer else {})}
        told = {"error": error, **parameters} if error else {}
        blamed = scheme if scheme in offered else "DPoP"
        written = ", ".join(
            " ".join([name, ", ".join(f'{key}="{value}"' for key, value in members.items())]).strip()
            for name, members in (
                (name, {**(told if name == blamed else {}), **members}) for name, members in offered.items()
            )
        )
        return AccessRefused(
            code,
            detail.removeprefix(f"{code.value}: ").removeprefix(code.value),
            status=401,
            headers={"WWW-Authenticate": written},
        )


def _is_local(issuer: str) -> bool:
    """Whether the issuer is on this machine, without TLS; False for an https origin. Raises ValueError for all else."""
    parts = urlsplit(issuer)
    if issuer != f"{parts.scheme}://{parts.netloc}" or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"{issuer!r:.120} is no origin: scheme, host and port, and nothing behind them.")
    if parts.scheme == "https":
        return False
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return True
    raise ValueError(f"{issuer} must begin with https://.")


def _access(subject: str, expires_at: datetime, claims: Mapping[str, Any]) -> Access:
    """What the token says, each member as passkeys.tokens writes it. Raises TokenRefused(claims_malformed)."""
    client_id, session, acr, cnf = map(claims.get, ("client_id", "sid", "acr", "cnf"))
    auth_time, amr, roles = claims.get("auth_time", -1), claims.get("amr", ()), claims.get("roles", [])
    jkt = cnf.get("jkt") if isinstance(cnf, dict) and len(cnf) == 1 else None
    wrong = {
        "client_id": not _is_text(client_id),
        "sid": not _is_text(session),
        "acr": "acr" in claims and not _is_text(acr),
        # A bool is an int to Python.
        "auth_time": type(auth_time) is not int or not 0 <= auth_time < _MAX_TIME,
        "amr": not isinstance(amr, list) or not all(map(_is_text, amr)),
        "roles": not isinstance(roles, list) or not all(map(_is_text, roles)),
        # RFC 7800 §3.1: another way of binding is one that nobody here has checked.
        "cnf": "cnf" in claims and not _is_text(jkt),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise TokenRefused(TokenRefusal.CLAIMS_MALFORMED, name)
    return Access(
        subject=subject,
        client_id=str(client_id),
        session=str(session),
        roles=frozenset(map(str, roles)),
        acr=acr,
        amr=tuple(map(str, amr)),
        auth_time=datetime.fromtimestamp(auth_time, UTC),
        expires_at=expires_at,
        jkt=jkt,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 255 and value.isprintable()
