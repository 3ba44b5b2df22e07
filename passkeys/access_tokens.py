"""An issuer's token, judged by that issuer's profile: who its subject is, or one stable code for why it proves nothing.

Pure: the token, the profile, the keys and the time are passed in. The profile is chosen by configuration before anything
of the token is looked at, and the token never says which. The obligations, in the order in which they are discharged:

     1. Size, and the form of a compact JWS, before anything is parsed.        token_too_large, token_malformed
     2. The header is one JSON object, each member once.                       token_header_malformed
     3. `alg` is in the profile's list, all asymmetric.                        token_algorithm_refused
     4. No critical extension: none is understood here.                        token_critical_header
     5. `typ` is one that the issuer's access tokens have.                     token_type_refused
     6. `kid` names a key of the issuer's own set.                             token_key_id_missing, token_key_unknown
     7. That key is for `alg`.                                                 token_key_unsuitable
     8. The signature is that key's.                                           token_signature_invalid
     9. The claims are one JSON object, each member once.                      token_claims_malformed
    10. `iss` is the profile's, with the token's own tenant where it has one.  token_issuer_mismatch, token_tenant_refused
    11. The key may speak for that issuer.                                     token_key_issuer_mismatch
    12. `aud` names us.                                                        token_audience_mismatch
    13. It is an access token: no mark of an ID, logout or event token.        token_kind_refused
    14. It is of the version that the profile knows.                           token_version_refused
    15. It is a bearer token: bound to no key whose proof nobody asked for.    token_sender_constrained
    16. Its times are numbers, and now is within them.                         token_time_malformed, token_expired,
                                                                               token_not_yet_valid, token_issued_in_future
    17. Its subject has an id.                                                 token_subject_malformed
    18. Its client is one of the profile's.                                    token_client_refused
    19. Its subject is a person, where people are meant.                       token_application
    20. The operator's own conditions hold.                                    token_claim_refused
    21. It has the scopes.                                                     token_scope_missing
    22. It is fresh: by its age, by the sign-in's, by what the sign-in took.   token_too_old, token_authentication_too_old,
                                                                               token_context_missing

The last two come last: what they are answered with tells the holder what to do, which only a good token's holder is told.
What the caller still owes: to use a token once, and to ask whether its subject may.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from passkeys.errors import SignatureInvalid, TokenRefusal, TokenRefused, raised_as
from passkeys.jwks import MAX_KEY_ID, KeySet, SigningKey, verified_payload
from passkeys.response import decode_base64url
from passkeys.strict_json import object_of

# Two hundred groups of Entra's make 11 KiB. Beyond 16 most servers refuse the header anyhow.
MAX_TOKEN = 16 * 1024
# A chain of two certificates in `x5c`, which some send, is 4 KiB.
MAX_HEADER = 8 * 1024
MAX_SUBJECT = 255  # OIDC Core §2
LEEWAY_SECONDS = 60
TENANT = "{tenantid}"
# 3000-01-01: beyond it, whoever wrote the number meant milliseconds.
_MAX_TIME = 32_503_680_000
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
# OIDC Core §2 and §3.3.2.11 (an ID token's), OIDC Back-Channel Logout §2.4 and RFC 8417 §2.2 (an event's).
_MARKS_OF_OTHERS = ("nonce", "at_hash", "c_hash", "s_hash", "events")

_Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """What the tokens of one issuer must be. One with nothing in `audiences` accepts nothing.

    `issuer` may hold TENANT once, for `tenant_claim`, which must then be in `tenants`. `types` are lower case and without
    "application/"; "" is none. `conditions` are claims and the texts of which each must be one. `clients` empty: the
    issuer's tokens name none. `max_age_seconds` and `max_authentication_seconds` None: however old. `sole_audience`: `aud`
    names us and nobody else. `bound_too`: tokens bound to a key are good as well, since the caller asks for that key's proof.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    types: frozenset[str]
    subject_claim: str
    people: bool
    tenant_claim: str | None = None
    tenants: frozenset[str] = frozenset()
    client_claim: str | None = None
    clients: frozenset[str] = frozenset()
    scope_claim: str | None = None
    scopes: frozenset[str] = frozenset()
    version: tuple[str, str] | None = None
    conditions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    context_claim: str = "acr"
    contexts: frozenset[str] = frozenset()
    max_age_seconds: int | None = None
    max_authentication_seconds: int | None = None
    sole_audience: bool = False
    bound_too: bool = False


def own_profile(*, issuer: str, audiences: frozenset[str]) -> Profile:
    """What our own tokens are (RFC 9068, as passkeys/tokens.py makes them): nothing that others' may be is borne.

    Whose they are, by `client_id`, and whether they are bound to a key, by `cnf`, is for the caller to look at.
    """
    return Profile(
        issuer=issuer,
        audiences=audiences,
        algorithms=frozenset({"ES256"}),
        types=frozenset({"at+jwt"}),
        subject_claim="sub",
        people=False,  # `sub` may be anything but the client's id, which no person has
        sole_audience=True,
        bound_too=True,
    )


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a good token speaks of. (issuer, tenant, subject) is the key of it: never a name, never an address.

    `digest` is the SHA-256 of what was signed, in hex: it names the token, and gives nothing of it back.
    """

    issuer: str
    tenant: str | None
    subject: str
    client: str | None
    scopes: frozenset[str]
    issued_at: datetime
    expires_at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class _Header:
    algorithm: str
    key_id: str


def key_id_of(token: str, *, profile: Profile) -> str:
    """Which key of the issuer's the token wants to be verified by. Obligations 1 to 6, less whether there is such a key.

    Raises TokenRefused. Nothing of the token is proven by it.
    """
    return _header(token, profile).key_id


def validate(token: str, *, profile: Profile, keys: KeySet, at: datetime) -> Identity:
    """Judge the token by all obligations. Raises TokenRefused, and nothing else whatever the token is."""
    return validate_claims(token, profile=profile, keys=keys, at=at)[0]


def validate_claims(
    token: str, *, profile: Profile, keys: KeySet, at: datetime
) -> tuple[Identity, Mapping[str, Any]]:
    """`validate`, and all claims of the token beside whom it speaks of. Those that no obligation names are unjudged."""
    with raised_as(
        lambda error: TokenRefused(TokenRefusal.MALFORMED, type(error).__name__), but=TokenRefused
    ):
        header = _header(token, profile)
        key = _key(header, keys)
        claims = _claims(token, key, header.algorithm)
        return _judged(token, claims, key, profile, at), claims


def _header(token: str, profile: Profile) -> _Header:
    # 1. RFC 7515 §7.1: three parts of base64url. Five would be encrypted, and nobody has asked for that.
    if len(token) > MAX_TOKEN:
        raise TokenRefused(TokenRefusal.TOO_LARGE, f"{len(token)} characters")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise TokenRefused(TokenRefusal.MALFORMED, "not three parts")
    if len(parts[0]) > MAX_HEADER:
        raise TokenRefused(TokenRefusal.TOO_LARGE, f"a header of {len(parts[0])} characters")
    with raised_as(lambda _: TokenRefused(TokenRefusal.MALFORMED, "not base64url"), but=TokenRefused):
        raw, _, _ = map(decode_base64url, parts)
    # 2. RFC 7515 §4: a name twice is refused, since readers disagree about which one counts.
    header = _object(raw, TokenRefusal.HEADER_MALFORMED)
    # 3. RFC 8725 §3.1, §3.2: the list is ours; what the token says chooses from it, and adds nothing.
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in profile.algorithms:
        raise TokenRefused(TokenRefusal.ALGORITHM_REFUSED, f"{algorithm!r:.40}")
    # 4. RFC 7515 §4.1.11; RFC 7797 §6 makes `b64` one that must be critical, so it is refused without that too. Any other
    #    member that we do not know is ignored, as it must be: identity providers do send such.
    if "crit" in header or "b64" in header:
        raise TokenRefused(TokenRefusal.CRITICAL_HEADER)
    # 5. RFC 8725 §3.11, RFC 9068 §4: what keeps a token made for something else from being taken for one of these.
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in profile.types:
        raise TokenRefused(TokenRefusal.TYPE_REFUSED, f"{kind!r:.40}")
    # 6. RFC 7515 §4.1.4. A library may try the only key there is; with a set that changes, that is a guess.
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 1 <= len(key_id) <= MAX_KEY_ID:
        raise TokenRefused(TokenRefusal.KEY_ID_MISSING)
    return _Header(algorithm, key_id)


def _key(header: _Header, keys: KeySet) -> SigningKey:
    # RFC 8725 §3.10: by `kid`, out of the set that configuration named; `jku`, `jwk`, `x5u` and `x5c` are not looked at.
    listed = keys.get(header.key_id)
    if listed is None:
        raise TokenRefused(TokenRefusal.KEY_UNKNOWN, f"{header.key_id!r:.80}")
    # 7. RFC 7517 §4.4, RFC 8725 §3.1: the key's kind and its own `alg` decide, so that no RSA key serves another scheme.
    for key in listed:
        if header.algorithm in key.algorithms:
            return key
    raise TokenRefused(TokenRefusal.KEY_UNSUITABLE, header.algorithm)


def _claims(token: str, key: SigningKey, algorithm: str) -> _Claims:
    # 8. RFC 7515 §5.2.
    try:
        payload = verified_payload(token.encode("ascii"), key=key, algorithm=algorithm)
    except SignatureInvalid as error:
        raise TokenRefused(TokenRefusal.SIGNATURE_INVALID, str(error)) from None
    # 9. RFC 7519 §4, §7.2.
    return _object(payload, TokenRefusal.CLAIMS_MALFORMED)


def _judged(token: str, claims: _Claims, key: SigningKey, profile: Profile, at: datetime) -> Identity:
    issuer, tenant = _issuer(claims, profile)
    _check_key_issuer(key, profile, issuer, tenant)
    _check_audience(claims, profile)
    _check_kind(claims, profile)
    issued_at, expires_at = _times(claims, at)
    subject, client = _subject(claims, profile), _client(claims, profile)
    _check_conditions(claims, profile, subject, client)
    scopes = _scopes(claims, profile)
    _check_fresh(claims, profile, issued_at, at)
    # What is signed, and not the whole token: for every ECDSA signature there is another one that verifies as well.
    digest = hashlib.sha256(token.rpartition(".")[0].encode("ascii")).hexdigest()
    return Identity(issuer, tenant, subject, client, scopes, issued_at, expires_at, digest)


def _check_key_issuer(key: SigningKey, profile: Profile, issuer: str, tenant: str | None) -> None:
    # 11. Entra's common key set holds keys that only some tenants are signed with. Without this, a key of theirs for
    #     consumers would vouch for a company. A set that many tenants share must say of each key whose it is.
    if key.issuer is None:
        if TENANT in profile.issuer:
            raise TokenRefused(TokenRefusal.KEY_ISSUER_MISMATCH, "the key names no issuer")
    elif key.issuer.replace(TENANT, tenant or TENANT) != issuer:
        raise TokenRefused(TokenRefusal.KEY_ISSUER_MISMATCH, f"{key.issuer!r:.120}")


def _check_audience(claims: _Claims, profile: Profile) -> None:
    # 12. RFC 7519 §4.1.3, RFC 9068 §4: exactly. That others are named besides is the issuer's affair, unless we say not.
    named = claims.get("aud")
    audiences = named if isinstance(named, list) and not profile.sole_audience else [named]
    if not all(isinstance(one, str) for one in audiences) or profile.audiences.isdisjoint(audiences):
        raise TokenRefused(TokenRefusal.AUDIENCE_MISMATCH, f"{named!r:.120}")


def _check_kind(claims: _Claims, profile: Profile) -> None:
    # 13. RFC 8725 §3.12, RFC 9068 §5.
    if marks := [name for name in _MARKS_OF_OTHERS if name in claims]:
        raise TokenRefused(TokenRefusal.KIND_REFUSED, marks[0])
    # 14. Entra: v1 and v2 tokens of one tenant differ in issuer, audience and the names of claims.
    if profile.version is not None and claims.get(profile.version[0]) != profile.version[1]:
        raise TokenRefused(TokenRefusal.VERSION_REFUSED, f"{claims.get(profile.version[0])!r:.40}")
    # 15. RFC 9449 §7.2, RFC 8705 §3: shown as a bearer token, it is in the hands of somebody who may have stolen it.
    if "cnf" in claims and not profile.bound_too:
        raise TokenRefused(TokenRefusal.SENDER_CONSTRAINED)


def _issuer(claims: _Claims, profile: Profile) -> tuple[str, str | None]:
    # 10. RFC 9068 §4, RFC 8725 §3.8: character by character; only a template has a part that the token may fill in.
    tenant = None
    if profile.tenant_claim is not None:
        tenant = claims.get(profile.tenant_claim)
        if not _is_text(tenant, MAX_SUBJECT):
            raise TokenRefused(TokenRefusal.TENANT_REFUSED, f"{tenant!r:.80}")
    expected = profile.issuer
    if TENANT in expected:
        if not isinstance(tenant, str) or not _GUID.match(tenant):
            raise TokenRefused(TokenRefusal.TENANT_REFUSED, f"{tenant!r:.80}")
        expected = expected.replace(TENANT, tenant)
    if claims.get("iss") != expected:
        raise TokenRefused(TokenRefusal.ISSUER_MISMATCH, f"{claims.get('iss')!r:.200}")
    # After `iss`: of a tenant that is merely claimed, this would say whether we know it.
    if profile.tenants and tenant not in profile.tenants:
        raise TokenRefused(TokenRefusal.TENANT_REFUSED, f"{tenant!r:.80}")
    if TENANT in profile.issuer and not profile.tenants:
        raise TokenRefused(TokenRefusal.TENANT_REFUSED, "no tenant is allowed")
    return expected, tenant


def _times(claims: _Claims, at: datetime) -> tuple[datetime, datetime]:
    # 16. RFC 7519 §4.1.4 to §4.1.6, and §2 for what a NumericDate is: PyJWT takes a text for one, and we do not.
    now = at.timestamp()
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    if now >= expires + LEEWAY_SECONDS:
        raise TokenRefused(TokenRefusal.EXPIRED, f"{now - expires:.0f} seconds ago")
    if "nbf" in claims and _time(claims, "nbf") > now + LEEWAY_SECONDS:
        raise TokenRefused(TokenRefusal.NOT_YET_VALID)
    if issued > now + LEEWAY_SECONDS:
        raise TokenRefused(TokenRefusal.ISSUED_IN_FUTURE)
    return datetime.fromtimestamp(issued, UTC), datetime.fromtimestamp(expires, UTC)


def _time(claims: _Claims, name: str) -> float:
    value = claims.get(name)
    # A bool is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MAX_TIME:
        raise TokenRefused(TokenRefusal.TIME_MALFORMED, f"{name} is {value!r:.40}")
    return float(value)


def _subject(claims: _Claims, profile: Profile) -> str:
    # 17. RFC 9068 §2.2, and by which claim of the issuer's a person stays the same person.
    subject = claims.get(profile.subject_claim)
    if not _is_text(subject, MAX_SUBJECT):
        raise TokenRefused(TokenRefusal.SUBJECT_MALFORMED, f"{profile.subject_claim} is {subject!r:.40}")
    return str(subject)


def _client(claims: _Claims, profile: Profile) -> str | None:
    # 18. RFC 9068 §2.2, §4: a token for this API that some other client asked for is not one for enrolling here.
    if profile.client_claim is None:
        return None
    client = claims.get(profile.client_claim)
    if not isinstance(client, str) or client not in profile.clients:
        raise TokenRefused(TokenRefusal.CLIENT_REFUSED, f"{client!r:.80}")
    return client


def _check_conditions(claims: _Claims, profile: Profile, subject: str, client: str | None) -> None:
    # 19. RFC 9068 §2.2: a token that a client got for itself has the client for its subject. Entra says so in `idtyp`.
    own = client is not None and client in (subject, claims.get("sub"))
    if profile.people and (own or claims.get("idtyp", "user") != "user"):
        raise TokenRefused(TokenRefusal.APPLICATION)
    # 20. The operator's.
    for name, allowed in profile.conditions.items():
        value = claims.get(name)
        if not isinstance(value, str) or value not in allowed:
            raise TokenRefused(TokenRefusal.CLAIM_REFUSED, f"{name} is {value!r:.80}")


def _scopes(claims: _Claims, profile: Profile) -> frozenset[str]:
    # 21. RFC 9068 §2.2.3, §4; Okta and PingFederate list them, the others write one text.
    if profile.scope_claim is None:
        return frozenset()
    value = claims.get(profile.scope_claim)
    listed = value.split(" ") if isinstance(value, str) else value
    granted = {one for one in listed if isinstance(one, str) and one} if isinstance(listed, list) else set()
    if not profile.scopes or not profile.scopes <= granted:
        raise TokenRefused(TokenRefusal.SCOPE_MISSING, " ".join(sorted(profile.scopes - granted)))
    return frozenset(granted)


def _check_fresh(claims: _Claims, profile: Profile, issued_at: datetime, at: datetime) -> None:
    # 22. `exp` says nothing of it: Entra's tokens live for up to 28 hours. RFC 9470 §4, §5 for what is answered.
    leeway = timedelta(seconds=LEEWAY_SECONDS)
    ceiling = profile.max_age_seconds
    if ceiling is not None and at - issued_at > timedelta(seconds=ceiling) + leeway:
        raise TokenRefused(TokenRefusal.TOO_OLD)
    if profile.max_authentication_seconds is not None:
        # One that does not say when its person signed in may be of a session of last month's.
        age = at.timestamp() - (_time(claims, "auth_time") if "auth_time" in claims else -math.inf)
        if not -LEEWAY_SECONDS <= age <= profile.max_authentication_seconds + LEEWAY_SECONDS:
            raise TokenRefused(TokenRefusal.AUTHENTICATION_TOO_OLD)
    if profile.contexts:
        value = claims.get(profile.context_claim)
        listed = value if isinstance(value, list) else [value]
        if not any(isinstance(one, str) and one in profile.contexts for one in listed):
            raise TokenRefused(TokenRefusal.CONTEXT_MISSING)


def _is_text(value: object, longest: int) -> bool:
    """Printable, and short enough. Half a surrogate pair is not printable, and could be written down nowhere."""
    return isinstance(value, str) and 1 <= len(value) <= longest and value.isprintable()


def _object(data: bytes, refusal: TokenRefusal) -> _Claims:
    """Strict JSON: one object, in UTF-8, each member once, no NaN."""
    with raised_as(lambda error: TokenRefused(refusal, type(error).__name__), but=TokenRefused):
        return object_of(data)
