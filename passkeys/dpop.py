"""A proof that its sender holds a key (DPoP, RFC 9449), judged: the key's thumbprint, or one stable code for why it proves nothing.

Pure: the proof, the request that it came with, and the time are passed in. The obligations of §4.3, in the order in which
they are discharged:

     1. Size, and the form of a compact JWS, before anything is parsed.        dpop_too_large, dpop_malformed
     2. The header is one JSON object, each member once.                       dpop_header_malformed
     3. `typ` is "dpop+jwt".                                                   dpop_type_refused
     4. `alg` is one of ALGORITHMS.                                            dpop_algorithm_refused
     5. No critical extension: none is understood here.                        dpop_critical_header
     6. `jwk` is a public key, with nothing private in it, and for `alg`.      dpop_key_private, dpop_key_malformed,
                                                                               dpop_key_unsuitable
     7. The signature is that key's.                                           dpop_signature_invalid
     8. The claims are one JSON object, each member once.                      dpop_claims_malformed
     9. `jti` is a text, neither empty nor long.                               dpop_id_malformed
    10. `htm` is the request's method, and `htu` its address.                  dpop_method_mismatch, dpop_url_mismatch
    11. `ath` is the digest of the access token that came with it, if one did. dpop_token_mismatch
    12. `nonce` is one of ours, where we give them out.                        dpop_nonce_missing, dpop_nonce_refused
    13. It was made now.                                                       dpop_time_malformed, dpop_too_old,
                                                                               dpop_in_future

A nonce of ours says when the proof was made, and better than its sender's clock does; where one is shown, `iat` is any time
(§4.3, point 11; §8). What the caller still owes: to see that the key is the one that the token is bound to, and to take a
proof once, by (jkt, jti), for as long as it could be shown again: WINDOW_SECONDS after `iat`, or as long as the nonce lives.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any
from urllib.parse import urlsplit

from joserfc.jwk import ECKey, OKPKey

from passkeys.errors import DpopRefusal, DpopRefused, SignatureInvalid, raised_as
from passkeys.jwks import SigningKey, verified_payload
from passkeys.response import decode_base64url, encode_base64url
from passkeys.strict_json import object_of

# Those that a browser's WebCrypto has and that are small. `Ed25519` is RFC 9864's name.
ALGORITHMS = ("ES256", "Ed25519")
# An ES256 proof with every claim is about 600 characters; an address may be long.
MAX_PROOF = 4 * 1024
MAX_ID = 256
MAX_NONCE = 256
MAX_URL = 2048
WINDOW_SECONDS = 30
# RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2: what a public key has not.
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# By `alg`: kind, curve, and the members of 32 bytes each.
_KEYS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "ES256": ("EC", "P-256", ("x", "y")),
    "Ed25519": ("OKP", "Ed25519", ("x",)),
}
_MAX_TIME = 32_503_680_000  # 3000-01-01
_PORTS: Mapping[str, int] = {"https": 443, "http": 80}
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 3986 §3: printable ASCII, and none of what has no place in an address. No "@": nobody's name is part of ours.
_ADDRESS = re.compile(r"""[!#-;=?A-Z\[\]_a-z~]+\Z""")


@dataclass(frozen=True, slots=True)
class Proof:
    """A good proof: of the key with thumbprint `jkt` (RFC 7638), called `jti` by its sender, who says to have made it then."""

    jkt: str
    jti: str
    issued_at: datetime


def check_proof(
    proof: str,
    *,
    method: str,
    url: str,
    at: datetime,
    access_token: str | None = None,
    nonce_ok: Callable[[str], bool] | None = None,
) -> Proof:
    """Judge the proof by all obligations. Raises DpopRefused, and nothing else whatever the proof is.

    `url` is the request's, absolute; its query and fragment do not count. `nonce_ok` says whether a nonce is one of ours
    and young enough; None: no nonces are given out. Raises ValueError for a `url` that is none: that is not the proof's fault.
    """
    address = normalised(url)
    with raised_as(lambda error: DpopRefused(DpopRefusal.MALFORMED, type(error).__name__), but=DpopRefused):
        algorithm, members = _header(proof)
        key = _key(algorithm, members)
        claims = _claims(proof, key, algorithm)
        jti = _id(claims)
        _check_request(claims, method, address)
        if access_token is not None:
            _check_token(claims, access_token)
        if nonce_ok is not None:
            _check_nonce(claims, nonce_ok)
        issued_at = _time(claims, at, told_by_nonce=nonce_ok is not None)
        return Proof(thumbprint(members), jti, issued_at)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of an EC or OKP key (RFC 7638 §3, RFC 8037 §2), in base64url: 43 characters."""
    required = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
    text = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return encode_base64url(hashlib.sha256(text.encode()).digest())


def normalised(url: str) -> str:
    """An http(s) address without query and fragment, so that two spellings of one are equal (RFC 3986 §6.2.2, §6.2.3).

    Scheme and host in small letters, no default port, unreserved characters unescaped, other escapes in capitals, no dot
    segments, "/" for no path. Raises ValueError for what is no such address, or names a user.
    """
    if len(url) > MAX_URL or not _ADDRESS.match(url) or _BAD_ESCAPE.search(url):
        raise ValueError("no address")
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname
    if scheme not in _PORTS or not host or "%" in host:
        raise ValueError("no address of http or https")
    port = "" if parts.port in (None, _PORTS[scheme]) else f":{parts.port}"
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}{port}{_without_dots(_ESCAPE.sub(_unescaped, parts.path))}"


def _unescaped(escape: re.Match[str]) -> str:
    code = int(escape[1], 16)
    return chr(code) if code in _UNRESERVED else f"%{escape[1].upper()}"


def _without_dots(path: str) -> str:
    kept: list[str] = []
    parts = path.split("/")[1:] or [""]
    for number, part in enumerate(parts):
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
        if part in (".", "..") and number == len(parts) - 1:
            kept.append("")  # RFC 3986 §5.2.4: what ends in one ends in "/"
    return "/" + "/".join(kept)


def _header(proof: str) -> tuple[str, Mapping[str, str]]:
    """`alg`, and the members of `jwk` that make the key."""
    # 1. RFC 7515 §7.1.
    if len(proof) > MAX_PROOF:
        raise DpopRefused(DpopRefusal.TOO_LARGE, f"{len(proof)} characters")
    parts = proof.split(".")
    if len(parts) != 3 or not all(parts):
        raise DpopRefused(DpopRefusal.MALFORMED, "not three parts")
    with raised_as(lambda _: DpopRefused(DpopRefusal.MALFORMED, "not base64url"), but=DpopRefused):
        raw, _, _ = map(decode_base64url, parts)
    # 2.
    header = _object(raw, DpopRefusal.HEADER_MALFORMED)
    # 3. RFC 9449 §4.2: exactly. RFC 7515 §4.1.9 lets "application/" stand before it, and media types have no case.
    kind = header.get("typ")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") != "dpop+jwt":
        raise DpopRefused(DpopRefusal.TYPE_REFUSED, f"{kind!r:.40}")
    # 4. RFC 8725 §3.1: the list is ours; a proof can only choose from it.
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _KEYS:
        raise DpopRefused(DpopRefusal.ALGORITHM_REFUSED, f"{algorithm!r:.40}")
    # 5. RFC 7515 §4.1.11, RFC 7797 §6.
    if "crit" in header or "b64" in header:
        raise DpopRefused(DpopRefusal.CRITICAL_HEADER)
    return algorithm, _members(header.get("jwk"), algorithm)


def _members(jwk: object, algorithm: str) -> Mapping[str, str]:
    # 6. RFC 9449 §4.3, point 7, before the rest of the key is looked at: who sends a private key is to learn just that.
    if not isinstance(jwk, dict):
        raise DpopRefused(DpopRefusal.KEY_MALFORMED, "no jwk")
    if private := _PRIVATE & jwk.keys():
        raise DpopRefused(DpopRefusal.KEY_PRIVATE, min(private))
    kind, curve, coordinates = _KEYS[algorithm]
    if (jwk.get("kty"), jwk.get("crv")) != (kind, curve):
        raise DpopRefused(DpopRefusal.KEY_UNSUITABLE, f"{jwk.get('kty')!r:.20} {jwk.get('crv')!r:.20}")
    # RFC 7517 §4.2 to §4.4: a key may say what it is for; then it is for nothing else.
    operations = jwk.get("key_ops", ["verify"])
    wanted = (jwk.get("use", "sig") == "sig", jwk.get("alg", algorithm) == algorithm)
    if not all(wanted) or not isinstance(operations, list) or "verify" not in operations:
        raise DpopRefused(DpopRefusal.KEY_UNSUITABLE, "for something else")
    members = {"kty": kind, "crv": curve}
    for name in coordinates:
        # RFC 7518 §6.2.1.2: all 32 bytes, so that one key has one spelling, and one thumbprint.
        if not isinstance(value := jwk.get(name), str) or not _is_of_32_bytes(value):
            raise DpopRefused(DpopRefusal.KEY_MALFORMED, name)
        members[name] = value
    return members


def _is_of_32_bytes(text: str) -> bool:
    try:
        return len(text) == 43 and len(decode_base64url(text)) == 32
    except ValueError:
        return False


def _key(algorithm: str, members: Mapping[str, str]) -> SigningKey:
    kind = ECKey if members["kty"] == "EC" else OKPKey
    with raised_as(
        lambda error: DpopRefused(DpopRefusal.KEY_MALFORMED, type(error).__name__), but=DpopRefused
    ):
        jwk = kind.import_key(dict(members))
        # joserfc reads the key when it is first used: a point that is not on the curve is to be found here.
        _ = jwk.public_key
    return SigningKey("", frozenset({algorithm}), None, jwk)


def _claims(proof: str, key: SigningKey, algorithm: str) -> Mapping[str, Any]:
    # 7. RFC 7515 §5.2.
    try:
        payload = verified_payload(proof.encode("ascii"), key=key, algorithm=algorithm)
    except SignatureInvalid as error:
        raise DpopRefused(DpopRefusal.SIGNATURE_INVALID, str(error)) from None
    # 8.
    return _object(payload, DpopRefusal.CLAIMS_MALFORMED)


def _id(claims: Mapping[str, Any]) -> str:
    # 9. RFC 9449 §11.1 lets a server refuse long ones, which it would have to remember.
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= MAX_ID or not jti.isprintable():
        raise DpopRefused(DpopRefusal.ID_MALFORMED)
    return jti


def _check_request(claims: Mapping[str, Any], method: str, address: str) -> None:
    # 10. RFC 9110 §9.1: methods have case. A proof whose `htu` has a query is not refused: point 9 says to ignore it.
    if claims.get("htm") != method:
        raise DpopRefused(DpopRefusal.METHOD_MISMATCH, f"{claims.get('htm')!r:.20}")
    named = claims.get("htu")
    if not isinstance(named, str):
        raise DpopRefused(DpopRefusal.URL_MISMATCH, "no htu")
    with raised_as(lambda _: DpopRefused(DpopRefusal.URL_MISMATCH, "no address"), but=DpopRefused):
        same = normalised(named) == address
    if not same:
        raise DpopRefused(DpopRefusal.URL_MISMATCH, f"{named!r:.200}")


def _check_token(claims: Mapping[str, Any], access_token: str) -> None:
    # 11. RFC 9449 §4.2, §7.
    expected = encode_base64url(hashlib.sha256(access_token.encode("ascii")).digest())
    named = claims.get("ath")
    if not isinstance(named, str) or not compare_digest(named.encode(), expected.encode()):
        raise DpopRefused(DpopRefusal.TOKEN_MISMATCH)


def _check_nonce(claims: Mapping[str, Any], nonce_ok: Callable[[str], bool]) -> None:
    # 12. RFC 9449 §8.
    nonce = claims.get("nonce")
    if nonce is None:
        raise DpopRefused(DpopRefusal.NONCE_MISSING)
    if not isinstance(nonce, str) or len(nonce) > MAX_NONCE or not nonce_ok(nonce):
        raise DpopRefused(DpopRefusal.NONCE_REFUSED)


def _time(claims: Mapping[str, Any], at: datetime, *, told_by_nonce: bool) -> datetime:
    # 13. RFC 7519 §2; a bool is an int to Python.
    value = claims.get("iat")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MAX_TIME:
        raise DpopRefused(DpopRefusal.TIME_MALFORMED, f"iat is {value!r:.40}")
    age = at.timestamp() - value
    if not told_by_nonce and age > WINDOW_SECONDS:
        raise DpopRefused(DpopRefusal.TOO_OLD, f"{age:.0f} seconds ago")
    if not told_by_nonce and age < -WINDOW_SECONDS:
        raise DpopRefused(DpopRefusal.IN_FUTURE, f"in {-age:.0f} seconds")
    return datetime.fromtimestamp(value, UTC)


def _object(data: bytes, refusal: DpopRefusal) -> Mapping[str, Any]:
    with raised_as(lambda error: DpopRefused(refusal, type(error).__name__), but=DpopRefused):
        return object_of(data)
