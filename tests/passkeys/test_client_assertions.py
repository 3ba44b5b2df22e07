"""A client's assertion, judged: the honest one, every attack with its own code, no other error; what is taken once, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passkeys import nonces, once
from passkeys.client_assertions import (
    AssertionRefusal,
    AssertionRefused,
    check_assertion,
    claimed_client,
)
from passkeys.errors import TokenRefusal
from tests.passkeys.stores import MemoryStore
from tests.passkeys.tokens import EC, ED, NOW, OIDC, OTHER_RSA, RSA, SECONDS, b64, jwk, key_set, token

CLIENT = "shop-api"
ISSUER, ENDPOINT = "https://passkey.example.com", "https://passkey.example.com/token"
AUDIENCES = frozenset({ISSUER, ENDPOINT})
KEYS = key_set(jwk(EC, "ec-1"), jwk(RSA, "rsa-1", use="sig"), jwk(ED, "ed-1"))
CLAIMS: dict[str, Any] = {
    "iss": CLIENT,
    "sub": CLIENT,
    "aud": ISSUER,
    "jti": "assertion-1",
    "iat": SECONDS,
    "exp": SECONDS + 60,
}
R, A = TokenRefusal, AssertionRefusal


def assertion(
    header: dict[str, Any] | None = None, *, key: Any = EC, algorithm: str | None = None, **changed: Any
) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    return token(
        claims, {"alg": "ES256", "kid": "ec-1", "typ": "JWT", **(header or {})}, key=key, algorithm=algorithm
    )


def check(made: str) -> Any:
    return check_assertion(made, client_id=CLIENT, keys=KEYS, audiences=AUDIENCES, at=NOW)


ATTACKS: dict[str, tuple[str, TokenRefusal | AssertionRefusal]] = {
    "alg none": (assertion({"alg": "none"}, algorithm="ES256"), R.ALGORITHM_REFUSED),
    "a shared secret": (assertion({"alg": "HS256"}, key=b"secret"), R.ALGORITHM_REFUSED),
    "no kid": (assertion({"kid": None}), R.KEY_ID_MISSING),
    "another's kid": (assertion({"kid": "ec-2"}), R.KEY_UNKNOWN),
    "another's key": (assertion({"alg": "RS256", "kid": "rsa-1"}, key=OTHER_RSA), R.SIGNATURE_INVALID),
    "embedded jwk": (assertion({"alg": "RS256", "kid": "rsa-1", "jwk": jwk(OTHER_RSA, "rsa-1")}, key=OTHER_RSA), R.SIGNATURE_INVALID),
    "jku": (assertion({"alg": "RS256", "kid": "x", "jku": "https://evil.example/jwks"}, key=OTHER_RSA), R.KEY_UNKNOWN),
    "another kind of key": (assertion({"kid": "rsa-1"}), R.KEY_UNSUITABLE),
    "unknown crit": (assertion({"crit": ["exp"]}), R.CRITICAL_HEADER),
    "an access token": (assertion({"typ": "at+jwt"}), R.TYPE_REFUSED),
    "a DPoP proof": (assertion({"typ": "dpop+jwt"}), R.TYPE_REFUSED),
    "an ID token": (assertion(nonce="x"), R.KIND_REFUSED),
    "another issuer": (assertion(iss="evil"), R.ISSUER_MISMATCH),
    "another subject": (assertion(sub="evil"), R.CLAIM_REFUSED),
    "no subject": (assertion(sub=None), R.SUBJECT_MALFORMED),
    "for another server": (assertion(aud="https://other.example.com"), R.AUDIENCE_MISMATCH),
    "for us and another server": (assertion(aud=[ISSUER, "https://other.example.com"]), R.AUDIENCE_MISMATCH),
    "issuer with a slash": (assertion(aud=ISSUER + "/"), R.AUDIENCE_MISMATCH),
    "for the other endpoint": (assertion(aud=ISSUER + "/revoke"), R.AUDIENCE_MISMATCH),
    "no audience": (assertion(aud=None), R.AUDIENCE_MISMATCH),
    "expired": (assertion(exp=SECONDS - 60), R.EXPIRED),
    "no exp": (assertion(exp=None), R.TIME_MALFORMED),
    "exp a text": (assertion(exp=str(SECONDS + 60)), R.TIME_MALFORMED),
    "not yet": (assertion(nbf=SECONDS + 61), R.NOT_YET_VALID),
    "of the future": (assertion(iat=SECONDS + 61), R.ISSUED_IN_FUTURE),
    "for an hour": (assertion(exp=SECONDS + 3600), A.LIVES_TOO_LONG),
    "for ever": (assertion(exp=32_000_000_000), A.LIVES_TOO_LONG),
    "no jti": (assertion(jti=None), A.ID_MALFORMED),
    "jti a number": (assertion(jti=7), A.ID_MALFORMED),
    "jti of 257": (assertion(jti="x" * 257), A.ID_MALFORMED),
    "1 MB": (assertion(x="x" * 2**20), R.TOO_LARGE),
    "no token": ("x", R.MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_is_refused_with_its_code(name: str) -> None:
    """One wrong point in an otherwise good assertion, and the code of just that obligation."""
    made, code = ATTACKS[name]
    with pytest.raises(AssertionRefused) as refused:
        check(made)
    assert refused.value.code is code


def test_every_code_of_ours_is_met() -> None:
    """No obligation without an attack."""
    assert set(AssertionRefusal) <= {code for _, code in ATTACKS.values()}


@pytest.mark.parametrize(
    "made",
    [
        assertion(),
        assertion(aud=ENDPOINT),
        assertion({"typ": None}),
        assertion({"typ": "client-authentication+jwt"}),
        assertion({"alg": "Ed25519", "kid": "ed-1"}, key=ED),
        assertion({"alg": "PS256", "kid": "rsa-1"}, key=RSA),
        assertion(exp=SECONDS + 300),
    ],
)
def test_what_real_clients_send_is_borne(made: str) -> None:
    """At the edge, and good."""
    assert claimed_client(made) == CLIENT
    found = check(made)
    assert (found.client_id, found.jti) == (CLIENT, "assertion-1")
    assert found.expires_at > NOW


@given(made=st.text() | st.builds("{}.{}.{}".format, st.text(), st.binary().map(b64), st.text()))
@settings(max_examples=100, deadline=None)
def test_no_text_raises_anything_else(made: str) -> None:
    """Whatever is sent as an assertion: refused, by our one error."""
    for look in (check, claimed_client):
        with pytest.raises(AssertionRefused):
            look(made)


@given(
    claims=st.dictionaries(
        st.sampled_from([*CLAIMS, "nbf"]),
        st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.text()),
        max_size=3,
    )
)
@settings(max_examples=100, deadline=None)
def test_no_claims_raise_anything_else(claims: dict[str, Any]) -> None:
    """A well signed assertion with anything in the places of its claims."""
    made = token({**CLAIMS, **claims}, {"alg": "ES256", "kid": "ec-1"}, key=EC)
    for look in (check, claimed_client):
        try:
            look(made)
        except AssertionRefused:
            pass


def test_an_access_token_names_nobody_by_being_one() -> None:
    """What an assertion says of itself before it is proven is only ever a name to look up."""
    assert claimed_client(token(OIDC)) == OIDC["sub"]


@pytest.mark.parametrize("subject", [None, 7, [CLIENT], "", "x" * 256])
def test_what_names_no_client_names_none(subject: object) -> None:
    """A name to look up is a text, and not a long one; a token is not read at all if it is too large."""
    with pytest.raises(AssertionRefused) as refused:
        claimed_client(token({"sub": subject}))
    assert refused.value.code is R.SUBJECT_MALFORMED
    with pytest.raises(AssertionRefused) as refused:
        claimed_client(assertion(x="x" * 20_000))
    assert refused.value.code is R.TOO_LARGE


async def test_what_is_shown_once_is_taken_once() -> None:
    """The same of the same again is not; of another, or called otherwise, it is."""
    store = MemoryStore()
    for whose, called, first in (
        ("a", "b", True),
        ("a", "b", False),
        ("b", "a", True),
        ("a", "c", True),
        ("ab", "", True),
    ):
        assert await once.first_time(store, once.PROOFS, whose=whose, called=called, at=NOW) is first
    assert await once.first_time(store, once.ASSERTIONS, whose="a", called="b", at=NOW)


async def test_what_could_not_be_shown_again_is_forgotten() -> None:
    """By names alone; what is still good for anything stays."""
    store = MemoryStore()
    times = [
        NOW - timedelta(hours=1),
        NOW - timedelta(minutes=22),
        NOW - timedelta(minutes=18),
        NOW + timedelta(minutes=6),
    ]
    for folder in (once.PROOFS, once.ASSERTIONS):
        for at in times:
            await once.first_time(store, folder, whose="a", called="b", at=at)
    assert await once.sweep(store, now=NOW) == 4
    assert await once.sweep(store, now=NOW) == 0
    left = [name async for name in store.list("")]
    assert len(left) == 4
    assert not await once.first_time(store, once.PROOFS, whose="a", called="b", at=times[2])


def test_a_nonce_is_good_for_two_slots_and_of_one_key() -> None:
    """In its own and in the next; neither forged, cut, nor another key's."""
    key = b"k" * 32
    made = nonces.nonce(key, NOW)
    assert len(made) == 27
    for seconds, good in ((0, True), (299, True), (599, True), (600, False), (-1, True), (-301, False)):
        assert (nonces.time_of(key, made, at=NOW + timedelta(seconds=seconds)) is not None) is good, seconds
    assert nonces.time_of(key, made, at=NOW) == NOW
    later = nonces.nonce(key, NOW + timedelta(seconds=300))
    for wrong in ("", "x", made[:-1], made + "A", later[:6] + made[6:], "é" * 27, "\ud800"):
        assert nonces.time_of(key, wrong, at=NOW) is None
    assert nonces.time_of(b"x" * 32, made, at=NOW) is None
