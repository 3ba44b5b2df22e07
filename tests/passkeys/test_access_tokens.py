"""An issuer's token, judged: each provider's honest one, every attack of the table, each obligation's own code, no other error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from passkeys import access_tokens
from passkeys.access_tokens import Identity, key_id_of, own_profile, validate, validate_claims
from passkeys.errors import TokenRefusal, TokenRefused
from tests.passkeys.tokens import (
    ADA,
    API,
    AZURE_DEVOPS,
    CLAIMS,
    CLIENT,
    CONSUMERS,
    EC,
    ED,
    ENTRA,
    ENTRA_ISSUER,
    GITHUB,
    HEADERS,
    KUBERNETES,
    NOW,
    OIDC,
    OKTA,
    OTHER_RSA,
    PINGONE,
    PROFILES,
    RSA,
    SECONDS,
    TENANT,
    b64,
    jwk,
    key_set,
    malleated,
    number,
    times,
    token,
    without,
)

TEMPLATE = "https://login.microsoftonline.com/{tenantid}/v2.0"
CONSUMER_ISSUER = f"https://login.microsoftonline.com/{CONSUMERS}/v2.0"
# As a common set of Entra's: a key for every tenant, one of the consumers' alone, and one that says nothing.
KEYS = key_set(
    jwk(RSA, "rsa-1", alg="RS256", use="sig"),
    jwk(EC, "ec-1", use="sig"),
    jwk(ED, "ed-1"),
    jwk(RSA, "any tenant", issuer=TEMPLATE),
    jwk(RSA, "consumers", issuer=CONSUMER_ISSUER),
)
R = TokenRefusal


def judge(made: str, provider: str = "oidc", **changed: Any) -> Identity:
    return validate(made, profile=replace(PROFILES[provider], **changed), keys=KEYS, at=NOW)


def refusal(made: str, provider: str = "oidc", **changed: Any) -> TokenRefusal:
    with pytest.raises(TokenRefused) as refused:
        judge(made, provider, **changed)
    return refused.value.code


def header_of(provider: str) -> dict[str, Any]:
    return {**HEADERS[provider], "kid": "any tenant" if provider == "entra_multitenant" else "rsa-1"}


WHO = {
    "entra": (ENTRA_ISSUER, TENANT, ADA, CLIENT),
    "entra_multitenant": (ENTRA_ISSUER, TENANT, ADA, CLIENT),
    "okta": (OKTA["iss"], None, OKTA["uid"], OKTA["cid"]),
    "pingone": (PINGONE["iss"], None, PINGONE["sub"], PINGONE["client_id"]),
    "pingfederate": ("https://sso.example.com", None, "ada-0001", "portal"),
    "oidc": (OIDC["iss"], None, "ada", "portal"),
    "github_actions": (GITHUB["iss"], "65", GITHUB["sub"], None),
    "azure_devops": (AZURE_DEVOPS["iss"], AZURE_DEVOPS["org_id"], AZURE_DEVOPS["sub"], None),
    "kubernetes": (KUBERNETES["iss"], None, KUBERNETES["sub"], None),
}


@pytest.mark.parametrize("provider", CLAIMS)
def test_each_providers_honest_token_is_good(provider: str) -> None:
    """As its documentation shows them, unknown header members and all; the identity's key has no name and no address."""
    made = token(CLAIMS[provider], header_of(provider))
    found = judge(made, provider)
    assert (found.issuer, found.tenant, found.subject, found.client) == WHO[provider]
    assert key_id_of(made, profile=PROFILES[provider]) == header_of(provider)["kid"]
    assert re.fullmatch("[0-9a-f]{64}", found.digest)
    assert "@" not in found.subject
    assert ("enrol" in found.scopes) is PROFILES[provider].people


@pytest.mark.parametrize("provider", CLAIMS)
@pytest.mark.parametrize("other", CLAIMS)
def test_no_issuers_token_is_good_for_another(provider: str, other: str) -> None:
    """Mix-up: whatever the token says of itself, it is held against the issuer that was chosen, even by a key it has too."""
    if CLAIMS[provider] is not CLAIMS[other]:
        anything = frozenset({"", "jwt", "at+jwt"})
        assert refusal(token(CLAIMS[other], header_of(other)), provider, types=anything) in {
            R.ISSUER_MISMATCH,
            R.TENANT_REFUSED,
        }


PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
JWK_TEXT = json.dumps(jwk(RSA, "rsa-1")).encode()
THEIRS = jwk(OTHER_RSA, "rsa-1")


def oidc(**claims: Any) -> dict[str, Any]:
    return {**OIDC, **claims}


def entra(**claims: Any) -> str:
    return token({**ENTRA, **claims}, header_of("entra"))


def multi(kid: str = "any tenant", **claims: Any) -> str:
    return token({**ENTRA, **claims}, {"typ": "JWT", "kid": kid})


HONEST = token(OIDC)
PARTS = HONEST.split(".")
# name: (token, provider, code), or (…, changes of the profile). The rows of the notes' two tables, and then our own.
ATTACKS: dict[str, tuple[Any, ...]] = {
    # the algorithm, and the key
    "alg none": (token(OIDC, {"alg": "none"}), "oidc", R.MALFORMED),
    "alg none, with a signature": (token(OIDC, {"alg": "none"}, algorithm="RS256"), "oidc", R.ALGORITHM_REFUSED),
    "alg NoNe": (token(OIDC, {"alg": "NoNe"}, algorithm="RS256"), "oidc", R.ALGORITHM_REFUSED),
    "HS256 with the PEM": (token(OIDC, {"alg": "HS256"}, key=PEM), "oidc", R.ALGORITHM_REFUSED),
    "HS256 with the JWK's text": (token(OIDC, {"alg": "HS256"}, key=JWK_TEXT), "oidc", R.ALGORITHM_REFUSED),
    "no alg": (token(OIDC, {"alg": None}, algorithm="RS256"), "oidc", R.ALGORITHM_REFUSED),
    "alg a list": (token(OIDC, {"alg": ["RS256"]}, algorithm="RS256"), "oidc", R.ALGORITHM_REFUSED),
    "PS256, not listed": (token(OIDC, {"alg": "PS256"}), "oidc", R.ALGORITHM_REFUSED),
    "PS256, listed, by a key for RS256": (token(OIDC, {"alg": "PS256"}), "oidc", R.KEY_UNSUITABLE, {"algorithms": frozenset({"PS256"})}),
    "ES256 named with an RSA key": (token(OIDC, {"alg": "ES256"}, key=EC), "oidc", R.KEY_UNSUITABLE, {"algorithms": frozenset({"ES256"})}),
    "embedded jwk, our kid": (token(OIDC, {"jwk": THEIRS}, key=OTHER_RSA), "oidc", R.SIGNATURE_INVALID),
    "embedded jwk, its kid": (token(OIDC, {"jwk": THEIRS, "kid": "x"}, key=OTHER_RSA), "oidc", R.KEY_UNKNOWN),
    "jku": (token(OIDC, {"jku": "https://evil.example/jwks"}, key=OTHER_RSA), "oidc", R.SIGNATURE_INVALID),
    "x5u": (token(OIDC, {"x5u": "https://evil.example/x"}, key=OTHER_RSA), "oidc", R.SIGNATURE_INVALID),
    "x5c": (token(OIDC, {"x5c": ["AAAA"]}, key=OTHER_RSA), "oidc", R.SIGNATURE_INVALID),
    "unknown kid": (token(OIDC, {"kid": "rsa-2"}), "oidc", R.KEY_UNKNOWN),
    "no kid": (token(OIDC, {"kid": None}), "oidc", R.KEY_ID_MISSING),
    "kid a number": (token(OIDC, {"kid": 1}), "oidc", R.KEY_ID_MISSING),
    "kid a path": (token(OIDC, {"kid": "../../dev/null"}), "oidc", R.KEY_UNKNOWN),
    "kid of 1 KB": (token(OIDC, {"kid": "x" * 1024}), "oidc", R.KEY_ID_MISSING),
    "another's signature": (token(OIDC, key=OTHER_RSA), "oidc", R.SIGNATURE_INVALID),
    "claims changed": (f"{PARTS[0]}.{b64(json.dumps(oidc(sub='eve')))}.{PARTS[2]}", "oidc", R.SIGNATURE_INVALID),
    # the form
    "unknown crit": (token(OIDC, {"crit": ["exp"], "exp": 1}), "oidc", R.CRITICAL_HEADER),
    "crit empty": (token(OIDC, {"crit": []}), "oidc", R.CRITICAL_HEADER),
    "crit a number": (token(OIDC, {"crit": 5}), "oidc", R.CRITICAL_HEADER),
    "b64 false": (token(OIDC, {"b64": False, "crit": ["b64"]}), "oidc", R.CRITICAL_HEADER),
    "b64 false, not critical": (token(OIDC, {"b64": False}), "oidc", R.CRITICAL_HEADER),
    "1 MB": (token(oidc(x="x" * 2**20)), "oidc", R.TOO_LARGE),
    "a header of 9 KB": (token(OIDC, {"x": "x" * 9000}), "oidc", R.TOO_LARGE),
    "five parts": (HONEST + ".x.y", "oidc", R.MALFORMED),
    "JSON serialization": (json.dumps({"protected": PARTS[0], "payload": PARTS[1], "signature": PARTS[2]}), "oidc", R.MALFORMED),
    "no signature": (f"{PARTS[0]}.{PARTS[1]}.", "oidc", R.MALFORMED),
    "padded": (HONEST + "==", "oidc", R.MALFORMED),
    "stray bits at the end": (HONEST[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[HONEST[-1]], "oidc", R.MALFORMED),
    "a blank at the end": (HONEST + " ", "oidc", R.MALFORMED),
    "header twice alg": (token(OIDC, b'{"alg":"none","alg":"RS256","kid":"rsa-1","typ":"at+jwt"}'), "oidc", R.HEADER_MALFORMED),
    "header a list": (token(OIDC, b'["RS256"]'), "oidc", R.HEADER_MALFORMED),
    "header no JSON": (token(OIDC, b"{"), "oidc", R.HEADER_MALFORMED),
    "claims twice sub": (token(b'{"sub":"eve","sub":"ada"}'), "oidc", R.CLAIMS_MALFORMED),
    "claims a text": (token(b'"ada"'), "oidc", R.CLAIMS_MALFORMED),
    "claims no UTF-8": (token(b'{"sub":"\xff"}'), "oidc", R.CLAIMS_MALFORMED),
    "claims very deep": (token(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), "oidc", R.CLAIMS_MALFORMED),
    "exp NaN": (token(json.dumps(oidc(exp=float("nan"))).encode()), "oidc", R.CLAIMS_MALFORMED),
    # another kind of token
    "typ JWT": (token(OIDC, {"typ": "JWT"}), "oidc", R.TYPE_REFUSED),
    "no typ": (token(OIDC, {"typ": None}), "oidc", R.TYPE_REFUSED),
    "typ a number": (token(OIDC, {"typ": 7}), "oidc", R.TYPE_REFUSED),
    "logout token": (token(OIDC, {"typ": "logout+jwt"}), "oidc", R.TYPE_REFUSED),
    "logout token of Entra's": (token(ENTRA, {"typ": "logout+jwt"}), "entra", R.TYPE_REFUSED),
    "Okta's own server": (token(OKTA, {"typ": "application/okta-internal-at+jwt"}), "okta", R.TYPE_REFUSED),
    "security event": (token(OIDC, {"typ": "secevent+jwt"}), "oidc", R.TYPE_REFUSED),
    "DPoP proof": (token(OIDC, {"typ": "dpop+jwt"}), "oidc", R.TYPE_REFUSED),
    "ID token with our audience": (entra(nonce="x"), "entra", R.KIND_REFUSED),
    "ID token beside an access token": (entra(at_hash="x"), "entra", R.KIND_REFUSED),
    "ID token beside a code": (token({**OKTA, "c_hash": "x"}, header_of("okta")), "okta", R.KIND_REFUSED),
    "logout token without its typ": (entra(events={"http://schemas.openid.net/event/backchannel-logout": {}}), "entra", R.KIND_REFUSED),
    "plain ID token": (token(without(ENTRA, "scp", "azp"), header_of("entra")), "entra", R.CLIENT_REFUSED),
    "bound by DPoP, shown without": (token(oidc(cnf={"jkt": "x"})), "oidc", R.SENDER_CONSTRAINED),
    "Entra's v1": (entra(ver="1.0"), "entra", R.VERSION_REFUSED),
    "Entra's v1, as it really is": (entra(ver="1.0", iss=f"https://sts.windows.net/{TENANT}/"), "entra", R.ISSUER_MISMATCH),
    "ver a number": (entra(ver=2.0), "entra", R.VERSION_REFUSED),
    # addressed to another
    "wrong aud": (token(oidc(aud="https://other.example.com")), "oidc", R.AUDIENCE_MISMATCH),
    "aud a prefix": (token(oidc(aud=OIDC["aud"] + "/")), "oidc", R.AUDIENCE_MISMATCH),
    "aud in a text": (token(oidc(aud=f"x {OIDC['aud']}")), "oidc", R.AUDIENCE_MISMATCH),
    "no aud": (token(without(OIDC, "aud")), "oidc", R.AUDIENCE_MISMATCH),
    "aud an empty list": (token(oidc(aud=[])), "oidc", R.AUDIENCE_MISMATCH),
    "aud with a number": (token(oidc(aud=[OIDC["aud"], 7])), "oidc", R.AUDIENCE_MISMATCH),
    "aud an object": (token(oidc(aud={OIDC["aud"]: 1})), "oidc", R.AUDIENCE_MISMATCH),
    "Graph's": (entra(aud="00000003-0000-0000-c000-000000000000"), "entra", R.AUDIENCE_MISMATCH),
    "wrong client": (entra(azp=API), "entra", R.CLIENT_REFUSED),
    "no client": (token(without(OIDC, "client_id")), "oidc", R.CLIENT_REFUSED),
    "client a list": (token(oidc(client_id=["portal"])), "oidc", R.CLIENT_REFUSED),
    "wrong scope": (token(oidc(scope="openid")), "oidc", R.SCOPE_MISSING),
    "scope a prefix": (token(oidc(scope="enrolment")), "oidc", R.SCOPE_MISSING),
    "scope with a tab": (token(oidc(scope="openid\tenrol")), "oidc", R.SCOPE_MISSING),
    "scopes as one entry": (token(oidc(scope=["openid enrol"])), "oidc", R.SCOPE_MISSING),
    "scope an object": (token(oidc(scope={"enrol": 1})), "oidc", R.SCOPE_MISSING),
    "application's, with roles": (token({**without(ENTRA, "scp"), "roles": ["enrol"]}, header_of("entra")), "entra", R.SCOPE_MISSING),
    "application's, and says so": (entra(idtyp="app"), "entra", R.APPLICATION),
    "client's own, Okta": (token(without({**OKTA, "sub": OKTA["cid"]}, "uid"), header_of("okta")), "okta", R.SUBJECT_MALFORMED),
    "client's own": (token(oidc(sub="portal")), "oidc", R.APPLICATION),
    "client's own, by another claim": (token({**OKTA, "sub": OKTA["cid"]}, header_of("okta")), "okta", R.APPLICATION),
    # the issuer, the tenant, the key
    "issuer prefix": (token(oidc(iss="https://op.example.com/")), "oidc", R.ISSUER_MISMATCH),
    "issuer shorter": (token(oidc(iss="https://op.example.co")), "oidc", R.ISSUER_MISMATCH),
    "issuer in capitals": (token(oidc(iss="https://OP.example.com")), "oidc", R.ISSUER_MISMATCH),
    "no issuer": (token(without(OIDC, "iss")), "oidc", R.ISSUER_MISMATCH),
    "issuer a list": (token(oidc(iss=[OIDC["iss"]])), "oidc", R.ISSUER_MISMATCH),
    "another tenant's": (multi(tid=CONSUMERS, iss=CONSUMER_ISSUER), "entra_multitenant", R.TENANT_REFUSED),
    "another tenant's, for one": (entra(tid=CONSUMERS, iss=CONSUMER_ISSUER), "entra", R.ISSUER_MISMATCH),
    "its own iss, our tid": (multi(iss=CONSUMER_ISSUER), "entra_multitenant", R.ISSUER_MISMATCH),
    "our iss, its own tid": (multi(tid=CONSUMERS), "entra_multitenant", R.ISSUER_MISMATCH),
    "our iss, its own tid, for one": (entra(tid=CONSUMERS), "entra", R.TENANT_REFUSED),
    "tid no GUID": (multi(tid="common"), "entra_multitenant", R.TENANT_REFUSED),
    "tid the template": (multi(tid="{tenantid}", iss=TEMPLATE), "entra_multitenant", R.TENANT_REFUSED),
    "tid in capitals": (multi(tid=TENANT.upper()), "entra_multitenant", R.TENANT_REFUSED),
    "no tid": (token(without(ENTRA, "tid"), header_of("entra")), "entra", R.TENANT_REFUSED),
    "a path in tid": (multi(tid=f"{TENANT}/../x"), "entra_multitenant", R.TENANT_REFUSED),
    "no tenant allowed": (multi(), "entra_multitenant", R.TENANT_REFUSED, {"tenants": frozenset()}),
    "consumers' key for a company": (multi("consumers"), "entra_multitenant", R.KEY_ISSUER_MISMATCH),
    "consumers' key for a company, for one": (token(ENTRA, {"typ": "JWT", "kid": "consumers"}), "entra", R.KEY_ISSUER_MISMATCH),
    "a key of nobody's for any tenant": (multi("rsa-1"), "entra_multitenant", R.KEY_ISSUER_MISMATCH),
    "another issuer's key in the set": (token(OIDC, {"kid": "consumers"}), "oidc", R.KEY_ISSUER_MISMATCH),
    # the times
    "expired": (token(oidc(exp=SECONDS - 60)), "oidc", R.EXPIRED),
    "no exp": (token(without(OIDC, "exp")), "oidc", R.TIME_MALFORMED),
    "exp a text": (token(oidc(exp=str(SECONDS + 60))), "oidc", R.TIME_MALFORMED),
    "exp true": (token(oidc(exp=True)), "oidc", R.TIME_MALFORMED),
    "exp in milliseconds": (token(oidc(exp=SECONDS * 1000)), "oidc", R.TIME_MALFORMED),
    "exp without end": (token(json.dumps(oidc()).replace(f'"exp": {OIDC["exp"]}', '"exp": 1e999').encode()), "oidc", R.TIME_MALFORMED),
    "exp negative": (token(oidc(exp=-1)), "oidc", R.TIME_MALFORMED),
    "exp of 5000 digits": (token(json.dumps(oidc()).replace(str(OIDC["exp"]), "9" * 5000).encode()), "oidc", R.CLAIMS_MALFORMED),
    "no iat": (token(without(OIDC, "iat")), "oidc", R.TIME_MALFORMED),
    "iat null": (token(oidc(iat=None)), "oidc", R.TIME_MALFORMED),
    "future nbf": (token(oidc(nbf=SECONDS + 61)), "oidc", R.NOT_YET_VALID),
    "nbf a text": (token(oidc(nbf="now")), "oidc", R.TIME_MALFORMED),
    "future iat": (token(oidc(iat=SECONDS + 61)), "oidc", R.ISSUED_IN_FUTURE),
    "old": (token(oidc(iat=SECONDS - 661)), "oidc", R.TOO_OLD),
    "old, of a session of 28 hours": (entra(**times(age=7200, life=100_000)), "entra", R.TOO_OLD),
    "no auth_time": (token(without(OIDC, "auth_time")), "oidc", R.AUTHENTICATION_TOO_OLD, {"max_authentication_seconds": 300}),
    "old auth_time": (token(oidc(auth_time=SECONDS - 361)), "oidc", R.AUTHENTICATION_TOO_OLD, {"max_authentication_seconds": 300}),
    "future auth_time": (token(oidc(auth_time=SECONDS + 61)), "oidc", R.AUTHENTICATION_TOO_OLD, {"max_authentication_seconds": 300}),
    "auth_time a text": (token(oidc(auth_time="now")), "oidc", R.TIME_MALFORMED, {"max_authentication_seconds": 300}),
    "no context": (entra(), "entra", R.CONTEXT_MISSING, {"contexts": frozenset({"c1"})}),
    "another context": (entra(acrs=["c2", "c10"]), "entra", R.CONTEXT_MISSING, {"contexts": frozenset({"c1"})}),
    "contexts in one text": (entra(acrs="c1 c2"), "entra", R.CONTEXT_MISSING, {"contexts": frozenset({"c1"})}),
    # the subject, and the conditions
    "sub a list": (token(oidc(sub=["ada"])), "oidc", R.SUBJECT_MALFORMED),
    "no sub": (token(without(OIDC, "sub")), "oidc", R.SUBJECT_MALFORMED),
    "sub empty": (token(oidc(sub="")), "oidc", R.SUBJECT_MALFORMED),
    "sub of 256": (token(oidc(sub="x" * 256)), "oidc", R.SUBJECT_MALFORMED),
    "sub half a pair": (token(oidc(sub="ada\ud800")), "oidc", R.SUBJECT_MALFORMED),
    "sub with a line end": (token(oidc(sub="ada\nlog line")), "oidc", R.SUBJECT_MALFORMED),
    "no oid, but sub": (token(without(ENTRA, "oid"), header_of("entra")), "entra", R.SUBJECT_MALFORMED),
    "another's repository": (token({**GITHUB, "repository_id": "76"}, header_of("github_actions")), "github_actions", R.CLAIM_REFUSED),
    "nobody's repository": (token(without(GITHUB, "repository_owner_id"), header_of("github_actions")), "github_actions", R.TENANT_REFUSED),
    "an owner that is a number": (token({**GITHUB, "repository_owner_id": 65}, header_of("github_actions")), "github_actions", R.TENANT_REFUSED),
    "no environment": (token(without(GITHUB, "environment"), header_of("github_actions")), "github_actions", R.CLAIM_REFUSED),
    "environment a list": (token({**GITHUB, "environment": ["prod"]}, header_of("github_actions")), "github_actions", R.CLAIM_REFUSED),
    "another service account": (token({**KUBERNETES, "sub": "system:serviceaccount:deploys:default"}, header_of("kubernetes")), "kubernetes", R.CLAIM_REFUSED),
    "another connection": (token({**AZURE_DEVOPS, "sub": "sc://acme/shop/test"}, header_of("azure_devops")), "azure_devops", R.CLAIM_REFUSED),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_is_refused_with_its_code(name: str) -> None:
    """One wrong point in an otherwise good token, and the code of just that obligation."""
    made, provider, code, *changed = ATTACKS[name]
    assert refusal(made, provider, **(changed[0] if changed else {})) is code


def test_every_code_is_met() -> None:
    """No obligation without an attack, and each is named in the module's list."""
    assert {row[2] for row in ATTACKS.values()} == set(TokenRefusal)
    listed = re.findall(r"token_[a-z_]+", access_tokens.__doc__ or "")
    assert sorted(listed) == sorted(TokenRefusal)


BENT: dict[str, tuple[Any, ...]] = {
    "aud listed with others": (token(oidc(aud=["https://other.example.com", OIDC["aud"]])), "oidc"),
    "typ with its prefix, in capitals": (token(OIDC, {"typ": "Application/AT+JWT"}), "oidc"),
    "PingOne's typ of 2027": (token(PINGONE, {"typ": "at+jwt"}), "pingone"),
    "unknown header members": (token(OIDC, {"client_id": "portal", "zip": 7, "jku": 5, "x5t": None}), "oidc"),
    "a chain in the header": (token(OIDC, {"x5c": ["A" * 4000]}), "oidc"),
    "200 groups": (entra(groups=[ADA] * 200), "entra"),
    "times with fractions": (token(oidc(iat=SECONDS - 0.5, exp=SECONDS + 0.5)), "oidc"),
    "no nbf": (token(without(OIDC, "nbf")), "oidc"),
    "expired within the leeway": (token(oidc(exp=SECONDS - 59)), "oidc"),
    "just not too old": (token(oidc(iat=SECONDS - 660)), "oidc"),
    "nbf and iat within the leeway": (token(oidc(nbf=SECONDS + 60, iat=SECONDS + 60)), "oidc"),
    "its context among others": (entra(acrs=["c2", "c1"]), "entra", {"contexts": frozenset({"c1", "c9"})}),
    "its context in a text": (token(oidc(acr="mfa")), "oidc", {"contexts": frozenset({"mfa"})}),
    "signed in just now": (token(OIDC), "oidc", {"max_authentication_seconds": 60}),
    "a person, and says so": (entra(idtyp="user"), "entra"),
    "ES256": (token(OIDC, {"alg": "ES256", "kid": "ec-1"}, key=EC), "oidc", {"algorithms": frozenset({"ES256"})}),
    "Ed25519": (token(OIDC, {"alg": "Ed25519", "kid": "ed-1"}, key=ED), "oidc", {"algorithms": frozenset({"Ed25519"})}),
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
def test_what_real_issuers_do_is_borne(name: str) -> None:
    """At the edge, and good."""
    made, provider, *changed = BENT[name]
    assert judge(made, provider, **(changed[0] if changed else {}))


def test_a_tokens_digest_is_of_what_was_signed() -> None:
    """Of one ES256 token there are two spellings that verify: both have the one digest, so that neither is used again."""
    es256 = {"algorithms": frozenset({"ES256"})}
    made = token(OIDC, {"alg": "ES256", "kid": "ec-1"}, key=EC)
    twin = malleated(made)
    assert twin != made
    assert judge(made, **es256).digest == judge(twin, **es256).digest
    assert judge(token(oidc(jti="y"))).digest != judge(token(OIDC)).digest


OURS = own_profile(issuer=OIDC["iss"], audiences=frozenset({OIDC["aud"]}))
OUR_CLAIMS = {**without(OIDC, "scope"), "sid": "x", "cnf": {"jkt": "x"}}
OUR_HEADER = {"alg": "ES256", "kid": "ec-1"}
# What others' tokens may be, and ours never are.
STRICTER: dict[str, tuple[dict[str, Any], dict[str, Any], TokenRefusal]] = {
    "aud a list": ({"aud": [OIDC["aud"]]}, {}, R.AUDIENCE_MISMATCH),
    "aud listed with others": ({"aud": [OIDC["aud"], "https://other.example.com"]}, {}, R.AUDIENCE_MISMATCH),
    "typ JWT": ({}, {"typ": "JWT"}, R.TYPE_REFUSED),
    "no typ": ({}, {"typ": None}, R.TYPE_REFUSED),
    "logout token": ({}, {"typ": "logout+jwt"}, R.TYPE_REFUSED),
    "RS256": ({}, {"alg": "RS256", "kid": "rsa-1"}, R.ALGORITHM_REFUSED),
    "Ed25519": ({}, {"alg": "Ed25519", "kid": "ed-1"}, R.ALGORITHM_REFUSED),
    "no kid": ({}, {"kid": None}, R.KEY_ID_MISSING),
    "a key not of the ring": ({}, {"kid": "ec-2"}, R.KEY_UNKNOWN),
    "another kind of key": ({}, {"kid": "rsa-1"}, R.KEY_UNSUITABLE),
    "an ID token": ({"nonce": "x"}, {}, R.KIND_REFUSED),
}


@pytest.mark.parametrize("name", STRICTER)
def test_our_own_tokens_are_judged_more_strictly(name: str) -> None:
    """What the notes' table shows libraries to take is refused: one audience, one typ, one algorithm, a kid of the ring."""
    claims, header, code = STRICTER[name]
    keys = {"RS256": RSA, "Ed25519": ED}
    honest = token(OUR_CLAIMS, OUR_HEADER, key=EC)
    identity, shown = validate_claims(honest, profile=OURS, keys=KEYS, at=NOW)
    assert (identity.subject, shown["cnf"]) == ("ada", {"jkt": "x"})
    made = {**OUR_HEADER, **header}
    wrong = token({**OUR_CLAIMS, **claims}, made, key=keys.get(made["alg"], EC))
    with pytest.raises(TokenRefused) as refused:
        validate(wrong, profile=OURS, keys=KEYS, at=NOW)
    assert refused.value.code is code


def test_of_two_kinds_of_key_under_one_id_the_right_one_is_taken() -> None:
    """RFC 7517 §4.5 allows it; two of one kind would be a guess, and neither counts."""
    both = key_set(jwk(RSA, "k"), jwk(EC, "k"), jwk(RSA, "twice"), jwk(OTHER_RSA, "twice"))
    profile = replace(PROFILES["oidc"], algorithms=frozenset({"RS256", "ES256"}))
    for algorithm, key in (("RS256", RSA), ("ES256", EC)):
        made = token(OIDC, {"alg": algorithm, "kid": "k"}, key=key)
        assert validate(made, profile=profile, keys=both, at=NOW)
    assert "twice" not in both


def test_the_time_is_the_one_that_is_passed_in() -> None:
    """Good now, expired later, not yet valid before."""
    for at, code in (
        (NOW + timedelta(days=1), R.EXPIRED),
        (NOW - timedelta(days=1), R.NOT_YET_VALID),
    ):
        with pytest.raises(TokenRefused) as refused:
            validate(HONEST, profile=PROFILES["oidc"], keys=KEYS, at=at)
        assert refused.value.code is code


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from([*ENTRA, *OIDC, "nonce", "cnf", "acr", "acrs", "idtyp", "kubernetes.io"])
HEADER_NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "zip", "enc", "cty"])


def only_ours(made: str, provider: str) -> None:
    try:
        judge(made, provider, contexts=frozenset({"c1"}), max_authentication_seconds=60)
    except TokenRefused:
        pass
    try:
        key_id_of(made, profile=PROFILES[provider])
    except TokenRefused:
        pass


@given(
    made=st.text()
    | st.from_regex(r"[\w=.-]{0,80}")
    | st.builds("{}.{}.{}".format, st.text(), st.text(), st.text())
)
@example("..")
@example("\ud800.\ud800.\ud800")
@example("é.é.é")
@settings(max_examples=400, deadline=None)
def test_no_text_raises_anything_else(made: str) -> None:
    """Whatever is sent as a token: refused, by our one error."""
    only_ours(made, "oidc")


@given(header=st.binary(max_size=60), payload=st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise_anything_else(header: bytes, payload: bytes) -> None:
    """Signed or not, of whatever is no JSON."""
    only_ours(token(payload, header), "oidc")
    only_ours(token(payload), "oidc")


@given(
    provider=st.sampled_from(sorted(CLAIMS)),
    claims=st.dictionaries(NAMES, JSON, max_size=3),
    header=st.dictionaries(HEADER_NAMES, JSON, max_size=2),
)
@settings(max_examples=600, deadline=None)
def test_no_claims_raise_anything_else(provider: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
    """A well signed token with anything at all in the places of its claims and header members."""
    honest = {**header_of(provider), "alg": "RS256"}
    made = token({**CLAIMS[provider], **claims}, {**honest, **header}, algorithm="RS256")
    only_ours(made, provider)
    only_ours(token({**CLAIMS[provider], **claims}, honest), provider)


@pytest.mark.parametrize("bits", ["n", "e"])
def test_a_key_that_is_nonsense_is_no_key(bits: str) -> None:
    """A modulus of one bit, an exponent of zero: passed over, and the others count."""
    wrong = {**jwk(RSA, "bad"), bits: number(1) if bits == "n" else "AA"}
    assert set(key_set(wrong, jwk(RSA, "good"))) == {"good"}


def test_what_a_header_points_to_is_not_looked_at() -> None:
    """The same `jwk`, `jku` and `x5u` in a token that is honestly signed change nothing."""
    assert judge(
        token(OIDC, {"jwk": THEIRS, "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x"})
    )


CALLS: list[Callable[[str], object]] = [judge, lambda made: key_id_of(made, profile=PROFILES["oidc"])]


@pytest.mark.parametrize("call", CALLS)
def test_a_message_has_nothing_of_the_signature(call: Callable[[str], object]) -> None:
    """What goes into the log tells a claim at most: the token cannot be put together from it."""
    for made, *_ in ATTACKS.values():
        try:
            call(made)
        except TokenRefused as refused:
            parts = [part for part in made.split(".") if len(part) > 40]
            assert not any(part in str(refused) for part in parts)
            assert len(str(refused)) < 300
