"""An application proves who it is by a key of its own (private_key_jwt: RFC 7523, RFC 7521, OpenID Connect Core §9).

Pure: the assertion, the keys, the addresses and the time are passed in. What an assertion must be is what
passkeys/access_tokens.py demands of any token, by a profile made of the application: it is its own issuer and subject, and
speaks to us alone. Besides it lives shortly, and has an id by which it is taken once (passkeys/once.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from passkeys.access_tokens import LEEWAY_SECONDS, MAX_TOKEN, Profile, validate_claims
from passkeys.errors import PasskeysError, TokenRefusal, TokenRefused, raised_as
from passkeys.jwks import KeySet
from passkeys.response import decode_base64url
from passkeys.strict_json import object_of

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523 §2.2
ALGORITHMS = ("ES256", "Ed25519", "PS256", "RS256")
# It is made for one request. RFC 7523 §3 lets a server refuse what lives "unreasonably far in the future".
MAX_LIFE_SECONDS = 300
MAX_ID = 256
MAX_CLIENT = 255


class AssertionRefusal(StrEnum):
    """Why an assertion was refused that would do as a token. Stable: logs use them, beside those of TokenRefusal."""

    LIVES_TOO_LONG = "assertion_lives_too_long"
    ID_MALFORMED = "assertion_id_malformed"


class AssertionRefused(PasskeysError):
    """An assertion that proves nothing here; `code` says which obligation it failed. Its sender learns less."""

    code: AssertionRefusal | TokenRefusal

    def __init__(self, code: AssertionRefusal | TokenRefusal, detail: str = "") -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code


@dataclass(frozen=True, slots=True)
class Assertion:
    """A good assertion of `client_id`'s, called `jti` by it, and good until `expires_at`, the leeway included."""

    client_id: str
    jti: str
    expires_at: datetime


def claimed_client(assertion: str) -> str:
    """Whose the assertion says it is, before anything of it is proven (RFC 7521 §4.2: `client_id` need not be sent beside it).

    Raises AssertionRefused.
    """
    with raised_as(_malformed, but=AssertionRefused):
        if len(assertion) > MAX_TOKEN:
            raise AssertionRefused(TokenRefusal.TOO_LARGE)
        _, payload, _ = assertion.split(".")
        subject = object_of(decode_base64url(payload)).get("sub")
        if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_CLIENT:
            raise AssertionRefused(TokenRefusal.SUBJECT_MALFORMED)
        return subject


def check_assertion(
    assertion: str, *, client_id: str, keys: KeySet, audiences: frozenset[str], at: datetime
) -> Assertion:
    """Judge the assertion as `client_id`'s. `audiences` are our issuer and our token endpoint.

    Raises AssertionRefused, and nothing else whatever the assertion is.
    """
    try:
        _, claims = validate_claims(assertion, profile=_profile(client_id, audiences), keys=keys, at=at)
    except TokenRefused as refused:
        raise AssertionRefused(refused.code, str(refused)) from None
    expires_at = datetime.fromtimestamp(float(claims["exp"]), at.tzinfo) + timedelta(seconds=LEEWAY_SECONDS)
    if expires_at - at > timedelta(seconds=MAX_LIFE_SECONDS + 2 * LEEWAY_SECONDS):
        raise AssertionRefused(
            AssertionRefusal.LIVES_TOO_LONG, f"{(expires_at - at).total_seconds():.0f} seconds"
        )
    return Assertion(client_id, _id(claims), expires_at)


def _profile(client_id: str, audiences: frozenset[str]) -> Profile:
    return Profile(
        issuer=client_id,
        audiences=audiences,
        algorithms=frozenset(ALGORITHMS),
        # Most clients write "JWT" or nothing; the update of RFC 7523 gives it a name. Never an access token's.
        types=frozenset({"", "jwt", "client-authentication+jwt"}),
        subject_claim="sub",
        conditions={"sub": frozenset({client_id})},
        people=False,
        sole_audience=True,
    )


def _id(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= MAX_ID or not jti.isprintable():
        raise AssertionRefused(AssertionRefusal.ID_MALFORMED)
    return jti


def _malformed(error: BaseException) -> AssertionRefused:
    return AssertionRefused(TokenRefusal.MALFORMED, type(error).__name__)
