"""Tokens for tests, put together from bytes with `cryptography` alone: right in everything, or wrong in one point."""

from __future__ import annotations

import hashlib
import hmac
import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from passkeys.issuers import Issuer, load_issuers
from passkeys.jwks import KeySet, read_key_set
from passkeys.response import decode_base64url, encode_base64url

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
TENANT = "6f9619ff-8b86-4011-b42d-00cf4fc964ff"
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
API, CLIENT = "11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
ADA = "00000000-0000-4000-8000-0000000000ad"

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def b64(data: bytes | str) -> str:
    return encode_base64url(data.encode() if isinstance(data, str) else data)


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def jwk(key: Any, key_id: str | None, **members: Any) -> dict[str, Any]:
    """The public JWK of a private key."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        made: dict[str, Any] = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        x, y = (b64(value.to_bytes(size, "big")) for value in (point.x, point.y))
        made = {"kty": "EC", "crv": f"P-{public.key_size}", "x": x, "y": y}
    else:
        made = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    return {**made, **({} if key_id is None else {"kid": key_id}), **members}


def key_set(*keys: Mapping[str, Any]) -> KeySet:
    return read_key_set(jwks(*keys))


def jwks(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def signature(algorithm: str, key: Any, data: bytes) -> bytes:
    """What `key`, private, or bytes for HMAC, makes of `data`."""
    if algorithm == "none":
        return b""
    if algorithm.startswith("HS"):
        return hmac.new(key, data, hashlib.sha256).digest()
    if algorithm == "Ed25519":
        return bytes(key.sign(data))
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[-3:]]
    if algorithm.startswith("RS"):
        return bytes(key.sign(data, padding.PKCS1v15(), digest))
    if algorithm.startswith("PS"):
        return bytes(key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest))
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    size = (key.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def token(
    claims: Mapping[str, Any] | bytes,
    header: Mapping[str, Any] | bytes | None = None,
    *,
    key: Any = RSA,
    algorithm: str | None = None,
) -> str:
    """A compact JWS. `header` is over an honest one, or its bytes; `algorithm` is what is really signed with."""
    honest = {"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt"}
    members = header if isinstance(header, bytes) else {**honest, **(header or {})}
    if not isinstance(members, bytes):
        algorithm = algorithm or str(members["alg"])
        members = json.dumps({name: value for name, value in members.items() if value is not None}).encode()
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{b64(members)}.{b64(payload)}"
    return f"{signed}.{b64(signature(algorithm or 'RS256', key, signed.encode()))}"


def malleated(signed: str, key: ec.EllipticCurvePrivateKey = EC) -> str:
    """The same token with the other signature that ECDSA has for it: (r, n - s)."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    first, _, last = signed.rpartition(".")
    raw = decode_base64url(last)
    r, s = raw[:32], int.from_bytes(raw[32:], "big")
    assert encode_dss_signature(int.from_bytes(r, "big"), order - s)
    return f"{first}.{b64(r + (order - s).to_bytes(32, 'big'))}"


def without(claims: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}


def times(age: float = 30, life: float = 3600) -> dict[str, Any]:
    return {"iat": SECONDS - int(age), "nbf": SECONDS - int(age), "exp": SECONDS - int(age) + int(life)}


ENTRA_ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"
# One honest token's claims of each provider, as its documentation shows them.
ENTRA: dict[str, Any] = {
    **times(),
    "aud": API,
    "iss": ENTRA_ISSUER,
    "azp": CLIENT,
    "azpacr": "0",
    "name": "Ada Lovelace",
    "oid": ADA,
    "preferred_username": "ada@example.com",
    "rh": "0.AX0A",
    "scp": "enrol User.Read",
    "sub": "pairwise-for-this-api",
    "tid": TENANT,
    "uti": "x",
    "ver": "2.0",
}
OKTA: dict[str, Any] = {
    "ver": 1,
    "jti": "AT.x",
    "iss": "https://acme.okta.com/oauth2/aus8ahm2k777777",
    "aud": "api://passkeys",
    "iat": SECONDS - 30,
    "exp": SECONDS + 3570,
    "cid": "0oa8acv8gbBPRCZ7I5d7",
    "uid": "00u2q5p3AAAOXoSc04w5",
    "scp": ["enrol", "openid"],
    "auth_time": SECONDS - 60,
    "sub": "ada@example.com",
}
ENVIRONMENT = "abcdefab-0000-4000-8000-00000000e0e0"
PINGONE: dict[str, Any] = {
    "client_id": "22222222-0000-4000-8000-000000000001",
    "iss": f"https://auth.pingone.eu/{ENVIRONMENT}/as",
    "iat": SECONDS - 30,
    "exp": SECONDS + 3570,
    "aud": ["https://passkey.example.com"],
    "scope": "enrol",
    "sub": "33333333-0000-4000-8000-0000000000ad",
    "auth_time": SECONDS - 60,
    "acr": "Multi_Factor",
    "env": ENVIRONMENT,
}
PINGFEDERATE: dict[str, Any] = {
    "scope": ["enrol", "openid"],
    "client_id": "portal",
    "iss": "https://sso.example.com",
    "aud": "passkeys",
    "iat": SECONDS - 30,
    "exp": SECONDS + 7170,
    "jti": "x",
    "guid": "ada-0001",
}
OIDC: dict[str, Any] = {
    "iss": "https://op.example.com",
    "aud": "https://passkey.example.com",
    "sub": "ada",
    "client_id": "portal",
    "scope": "openid enrol",
    "jti": "x",
    "auth_time": SECONDS - 60,
    **times(life=300),
}
GITHUB: dict[str, Any] = {
    "jti": "x",
    "sub": "repo:octo-org/octo-repo:environment:prod",
    "environment": "prod",
    "aud": "https://passkey.example.com",
    "ref": "refs/heads/main",
    "repository": "octo-org/octo-repo",
    "repository_id": "74",
    "repository_owner_id": "65",
    "run_id": "9802816352",
    "iss": "https://token.actions.githubusercontent.com",
    "nbf": SECONDS - 600,
    "exp": SECONDS + 300,
    "iat": SECONDS,
}
ORGANIZATION = "0ca3ddd9-f0b0-4635-a98c-5866526961b6"
AZURE_DEVOPS: dict[str, Any] = {
    "jti": "x",
    "sub": "sc://acme/shop/production",
    "aud": "api://AzureADTokenExchange",
    "org_id": ORGANIZATION,
    "prj_id": "271ef6f7-5998-4b0f-86fb-4b54d9129990",
    "def_id": "1",
    "run_id": "5",
    "iss": f"https://vstoken.dev.azure.com/{ORGANIZATION}",
    "nbf": SECONDS - 600,
    "exp": SECONDS + 300,
    "iat": SECONDS,
}
KUBERNETES: dict[str, Any] = {
    "aud": ["passkeys"],
    "iss": "https://kubernetes.default.svc.cluster.local",
    "jti": "e51f1fbc-4733-4b85-a59f-ba80c0523874",
    "kubernetes.io": {
        "namespace": "deploys",
        "serviceaccount": {"name": "shop", "uid": "e6a8680e-d103-4cce-80ea-03acbbeacf7d"},
        "warnafter": SECONDS + 3000,
    },
    "sub": "system:serviceaccount:deploys:shop",
    **times(age=1200),
}
# What an operator writes for each, and the header that its tokens have.
ENTRIES: dict[str, dict[str, Any]] = {
    "entra": {
        "provider": "entra",
        "tenant": TENANT,
        "audiences": [API],
        "clients": [CLIENT],
        "scopes": ["enrol"],
    },
    "entra_multitenant": {
        "provider": "entra_multitenant",
        "tenants": [TENANT],
        "audiences": [API],
        "clients": [CLIENT],
        "scopes": ["enrol"],
    },
    "okta": {
        "provider": "okta",
        "issuer": OKTA["iss"],
        "audiences": ["api://passkeys"],
        "clients": [OKTA["cid"]],
        "scopes": ["enrol"],
    },
    "pingone": {
        "provider": "pingone",
        "issuer": PINGONE["iss"],
        "audiences": PINGONE["aud"],
        "clients": [PINGONE["client_id"]],
        "scopes": ["enrol"],
    },
    "pingfederate": {
        "provider": "pingfederate",
        "issuer": PINGFEDERATE["iss"],
        "audiences": ["passkeys"],
        "clients": ["portal"],
        "scopes": ["enrol"],
        "subject_claim": "guid",
        "jwks_uri": "https://sso.example.com/ext/passkeys",
    },
    "oidc": {
        "provider": "oidc",
        "issuer": OIDC["iss"],
        "audiences": [OIDC["aud"]],
        "clients": ["portal"],
        "scopes": ["enrol"],
    },
    "github_actions": {
        "provider": "github_actions",
        "audiences": [GITHUB["aud"]],
        "conditions": {"repository_id": ["74", "75"], "environment": ["prod"]},
    },
    "azure_devops": {
        "provider": "azure_devops",
        "issuer": AZURE_DEVOPS["iss"],
        "conditions": {"sub": [AZURE_DEVOPS["sub"]]},
    },
    "kubernetes": {
        "provider": "kubernetes",
        "issuer": KUBERNETES["iss"],
        "audiences": ["passkeys"],
        "conditions": {"sub": [KUBERNETES["sub"]]},
        "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks",
    },
}
CLAIMS: dict[str, dict[str, Any]] = {
    "entra": ENTRA,
    "entra_multitenant": ENTRA,
    "okta": OKTA,
    "pingone": PINGONE,
    "pingfederate": PINGFEDERATE,
    "oidc": OIDC,
    "github_actions": GITHUB,
    "azure_devops": AZURE_DEVOPS,
    "kubernetes": KUBERNETES,
}
HEADERS: dict[str, dict[str, Any]] = {
    "entra": {"typ": "JWT"},
    "entra_multitenant": {"typ": "JWT"},
    "okta": {"typ": None},
    "pingone": {"typ": None, "x5t": "x"},
    "pingfederate": {"typ": None, "pi.atm": "1"},
    "oidc": {},
    "github_actions": {"typ": "JWT", "x5t": "x"},
    "azure_devops": {"typ": "JWT", "x5t": "x"},
    "kubernetes": {"typ": None},
}


def configured(entries: Mapping[str, Any]) -> Mapping[str, Issuer]:
    """The issuers of a file with these entries."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "issuers.json"
        file.write_text(json.dumps(entries))
        return load_issuers(file)


PROFILES = {
    issuer.provider: issuer.profile
    for issuer in configured(
        {name.replace("_", "-"): entry for name, entry in ENTRIES.items()},
    ).values()
}
