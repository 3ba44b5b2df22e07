"""Tokens judged a second on one core, beside bare libraries and bare signatures: `python -m bench.access_tokens` (seconds).

One honest token of Entra's shape. The sides take turns, round after round, so that whatever else the machine does falls on all
of them; what is told is the median of the rounds, in CPU time of this thread.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, deserialize_compact, serialize_compact

from passkeys.access_tokens import Profile, validate
from passkeys.jwks import read_key_set
from passkeys.response import decode_base64url

ROUNDS, BATCH = 15, 60
ISSUER, AUDIENCE = "https://login.microsoftonline.com/6f9619ff-8b86-4011-b42d-00cf4fc964ff/v2.0", "api"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CLAIMS: Mapping[str, Any] = {
    "aud": AUDIENCE,
    "iss": ISSUER,
    "iat": int(NOW.timestamp()),
    "nbf": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 4500,
    "azp": "client",
    "oid": "00000000-0000-4000-8000-0000000000ad",
    "preferred_username": "ada@example.com",
    "scp": "enrol",
    "sub": "x" * 43,
    "tid": "6f9619ff-8b86-4011-b42d-00cf4fc964ff",
    "uti": "x" * 22,
    "ver": "2.0",
}
PROFILE = Profile(
    issuer=ISSUER,
    audiences=frozenset({AUDIENCE}),
    algorithms=frozenset({"RS256", "ES256"}),
    types=frozenset({"jwt"}),
    subject_claim="oid",
    people=True,
    tenant_claim="tid",
    client_claim="azp",
    clients=frozenset({"client"}),
    scope_claim="scp",
    scopes=frozenset({"enrol"}),
    version=("ver", "2.0"),
    max_age_seconds=600,
)
Side = Callable[[], object]


def sides(algorithm: str) -> Mapping[str, Side]:
    """What each of them does with the one token; all of them accept it."""
    key = RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")
    public = {**key.as_dict(private=False), "kid": "k"}
    header = {"alg": algorithm, "typ": "JWT", "kid": "k"}
    token = serialize_compact(header, json.dumps(CLAIMS), key)
    keys = read_key_set(json.dumps({"keys": [public]}).encode())
    native: Any = key.public_key
    signed, _, last = token.rpartition(".")
    signature, data = decode_base64url(last), signed.encode()
    registry = JWSRegistry(algorithms=[algorithm])

    def bare() -> None:
        if isinstance(native, rsa.RSAPublicKey):
            native.verify(signature, data, padding.PKCS1v15(), SHA256())
        else:
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            native.verify(encode_dss_signature(r, s), data, ec.ECDSA(SHA256()))

    checked: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}  # its clock is its own
    return {
        "the signature alone (cryptography)": bare,
        "joserfc, signature and JSON": lambda: json.loads(
            deserialize_compact(token, key, registry=registry).payload
        ),
        "PyJWT, with audience and issuer": lambda: jwt.decode(
            token, native, algorithms=[algorithm], audience=AUDIENCE, issuer=ISSUER, options=checked
        ),
        "ours, every obligation": lambda: validate(token, profile=PROFILE, keys=keys, at=NOW),
    }


def measured(sides: Mapping[str, Side]) -> Mapping[str, float]:
    """Microseconds each, the median of the rounds."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            begun = time.thread_time()
            for _ in range(BATCH):
                side()
            found[name].append((time.thread_time() - begun) / BATCH * 1e6)
    return {name: statistics.median(rounds) for name, rounds in found.items()}


def main() -> None:
    """Print the table."""
    print("| | RS256, µs | a second | ES256, µs | a second |\n|---|---|---|---|---|")
    rs256, es256 = (measured(sides(algorithm)) for algorithm in ("RS256", "ES256"))
    for name in rs256:
        print(
            f"| {name} | {rs256[name]:.0f} | {1e6 / rs256[name]:,.0f} | {es256[name]:.0f} | {1e6 / es256[name]:,.0f} |"
        )


if __name__ == "__main__":
    main()
