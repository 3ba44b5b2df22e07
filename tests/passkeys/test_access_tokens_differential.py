"""Our validator beside PyJWT, on random tokens, good ones and mutated ones: they differ where the table says, and nowhere else.

PyJWT is told all that its `decode` can be told: the key by the token's `kid` if it has one, the algorithms, audience,
issuer, leeway and required claims.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passkeys.access_tokens import Profile, own_profile, validate
from passkeys.errors import TokenRefusal, TokenRefused
from tests.passkeys.tokens import EC, OIDC, OTHER_RSA, PROFILES, RSA, b64, jwk, key_set, signature, without

PROFILE = replace(PROFILES["oidc"], algorithms=frozenset({"RS256", "ES256"}))
KEYS = key_set(jwk(RSA, "rsa-1"), jwk(EC, "ec-1"))
THEIR_KEYS = {"rsa-1": RSA.public_key(), "ec-1": EC.public_key()}
OWN = own_profile(issuer=OIDC["iss"], audiences=frozenset({OIDC["aud"]}))
R = TokenRefusal
# What PyJWT accepts and we refuse, with the reason. Each is an obligation that it leaves to its caller.
LEFT_TO_THE_CALLER = {
    R.TOO_LARGE: "it reads a token of any length",
    R.MALFORMED: "it takes a signature that is padded",
    R.HEADER_MALFORMED: "of a member that is there twice it takes the last",
    R.CLAIMS_MALFORMED: "the same; and NaN is a number to it",
    R.CRITICAL_HEADER: "it knows `b64`, and takes true for it, critical or not",
    R.TYPE_REFUSED: "it does not look at `typ`",
    R.KEY_ID_MISSING: "it is handed a key, and does not ask for its id",
    R.KIND_REFUSED: "it knows no kinds of token",
    R.SENDER_CONSTRAINED: "it knows no `cnf`",
    R.TIME_MALFORMED: "it takes a text of digits, and true, for a time; any size of number",
    R.SUBJECT_MALFORMED: "it takes any text: empty, long, with line ends",
    R.CLIENT_REFUSED: "it knows no clients",
    R.APPLICATION: "the same",
    R.SCOPE_MISSING: "it knows no scopes",
    R.TOO_OLD: "it knows no age",
}
# What we accept and it refuses.
BORNE_BY_US = {
    "InvalidJTIError": "we do not read `jti`: a token is known by its digest",
}


@dataclass
class Made:
    """A token under construction: header and claims as text, so that a name may be there twice."""

    header: dict[str, Any]
    claims: dict[str, Any]
    key: Any = RSA
    algorithm: str = "RS256"
    bytes_of_header: bytes | None = None
    bytes_of_claims: bytes | None = None

    def text(self) -> str:
        header = self.bytes_of_header or json.dumps(self.header).encode()
        claims = self.bytes_of_claims or json.dumps(self.claims).encode()
        signed = f"{b64(header)}.{b64(claims)}"
        return f"{signed}.{b64(signature(self.algorithm, self.key, signed.encode()))}"


def now() -> datetime:
    """PyJWT has a clock of its own."""
    return datetime.now(UTC)


def honest(chance: random.Random) -> Made:
    """A good token, as issuers vary them."""
    seconds = int(now().timestamp())
    issued = seconds - chance.randrange(500)
    claims = {**OIDC, "iat": issued, "nbf": issued, "exp": seconds + chance.randrange(1, 9000)}
    header: dict[str, Any] = {
        "alg": "RS256",
        "typ": chance.choice(["at+jwt", "application/at+jwt"]),
        "kid": "rsa-1",
    }
    made = Made(header, claims)
    if chance.random() < 0.5:
        header |= {"alg": "ES256", "kid": "ec-1"}
        made.key, made.algorithm = EC, "ES256"
    if chance.random() < 0.3:
        claims["aud"] = [OIDC["aud"], "https://other.example.com"][:: chance.choice([1, -1])]
    if chance.random() < 0.3:
        header["x5t"] = "x"
    for name in ("nbf", "jti", "auth_time"):
        if chance.random() < 0.2:
            del claims[name]
    return made


VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    "",
    "x",
    "ada",
    [],
    ["x"],
    {},
    "9999999999",
    10**12,
    "ada\n",
    "x" * 300,
    "é",
]


def _claim(made: Made, chance: random.Random) -> None:
    name = chance.choice([*OIDC, "nonce", "events", "cnf", "at_hash", "acr"])
    made.claims[name] = chance.choice(VALUES)


def _own(made: Made, chance: random.Random) -> None:
    made.claims["sub"] = "portal"


def _claim_gone(made: Made, chance: random.Random) -> None:
    made.claims = without(made.claims, chance.choice(list(OIDC)))


def _time(made: Made, chance: random.Random) -> None:
    moved = now().timestamp() + chance.choice([-9000, -1000, -300, -100, 100, 1000, 9000])
    made.claims[chance.choice(["exp", "iat", "nbf"])] = chance.choice([int(moved), moved, str(int(moved))])


def _header(made: Made, chance: random.Random) -> None:
    name = chance.choice(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "zip", "cty"])
    values = [
        *VALUES,
        "none",
        "HS256",
        "RS256",
        "ES256",
        "PS256",
        "rsa-1",
        "ec-1",
        "JWT",
        ["b64"],
        ["exp"],
        jwk(RSA, "x"),
    ]
    made.header[name] = chance.choice(values)


def _header_gone(made: Made, chance: random.Random) -> None:
    made.header = without(made.header, chance.choice(list(made.header)))


def _other_key(made: Made, chance: random.Random) -> None:
    made.key, made.algorithm = chance.choice(
        [(OTHER_RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (b"x", "HS256")]
    )


def _twice(made: Made, chance: random.Random) -> None:
    which = chance.choice(["bytes_of_header", "bytes_of_claims"])
    members = made.header if which == "bytes_of_header" else made.claims
    name = chance.choice(list(members))
    text = json.dumps(members)
    setattr(made, which, f'{{{json.dumps(name)}: "x", {text[1:]}'.encode())


def _not_a_number(made: Made, chance: random.Random) -> None:
    made.claims["x"] = float(chance.choice(["nan", "inf"]))


def _large(made: Made, chance: random.Random) -> None:
    made.claims["groups"] = ["x" * 36] * chance.choice([100, 1000])


CHANGES = [_claim, _own, _claim_gone, _time, _header, _header_gone, _other_key, _twice, _not_a_number, _large]


def _bent(text: str, chance: random.Random) -> str:
    """One character more, less or other, or a part gone."""
    where = chance.randrange(len(text))
    parts = text.split(".")
    return chance.choice(
        [
            text[:where] + chance.choice("AZaz09-_.=+/ \né") + text[where + 1 :],
            text[:where] + text[where + 1 :],
            text[:-1] + chance.choice("ABCDQRSTghijwxyz"),
            text + chance.choice(["=", "==", "==", "A", ".", "\n", " "]),
            ".".join(chance.sample(parts, 3)),
            f"{parts[0]}.{parts[1]}.",
        ]
    )


def ours(text: str, at: datetime, profile: Profile = PROFILE) -> TokenRefusal | None:
    try:
        validate(text, profile=profile, keys=KEYS, at=at)
    except TokenRefused as refused:
        return refused.code
    return None


def theirs(text: str, *, own: bool = False) -> str | None:
    """`own`: told that the token is one of our own, as far as it can be told."""
    try:
        key_id = jwt.get_unverified_header(text).get("kid")
    except jwt.PyJWTError as error:
        return type(error).__name__
    # Without an id, what callers do who have one key for each algorithm.
    unnamed = "ec-1" if '"ES256"' in json.dumps(jwt.get_unverified_header(text)) else "rsa-1"
    key = THEIR_KEYS.get(unnamed if key_id is None else key_id)
    if key is None:
        return "no such key"
    try:
        jwt.decode(
            text,
            key,
            algorithms=["ES256"] if own else ["RS256", "ES256"],
            audience=OIDC["aud"],
            issuer=OIDC["iss"],
            leeway=60,
            options={"require": ["exp", "iat", "aud", "iss", "sub"], "strict_aud": own},
        )
    except jwt.PyJWTError as error:
        return type(error).__name__
    except Exception as error:  # it has such, for what no JSON library makes of a token
        return f"not its own: {type(error).__name__}"
    return None


def compare(text: str) -> tuple[TokenRefusal | None, str | None]:
    """Both verdicts, if they agree or the difference is one of the tables'."""
    at = now()
    mine, other = ours(text, at), theirs(text)
    if mine is not None and other is None:
        assert mine in LEFT_TO_THE_CALLER, (mine, text)
    if mine is None and other is not None:
        assert other in BORNE_BY_US, (other, text)
    return mine, other


@given(seed=st.integers(min_value=0, max_value=2**64))
@settings(max_examples=300, deadline=None)
def test_a_good_token_is_good_to_both(seed: int) -> None:
    """As issuers vary them: no difference at all."""
    assert compare(honest(random.Random(seed)).text()) == (None, None)


@given(seed=st.integers(min_value=0, max_value=2**64), changes=st.integers(min_value=1, max_value=3))
@settings(max_examples=1500, deadline=None)
def test_every_difference_is_explained(seed: int, changes: int) -> None:
    """Up to three changes before signing, and perhaps one of the text: refused by both, or by the one as the table says."""
    chance = random.Random(seed)
    made = honest(chance)
    for _ in range(changes):
        chance.choice(CHANGES)(made, chance)
    text = made.text()
    compare(_bent(text, chance) if chance.random() < 0.25 else text)


@given(seed=st.integers(min_value=0, max_value=2**64), changes=st.integers(min_value=0, max_value=2))
@settings(max_examples=500, deadline=None)
def test_of_our_own_tokens_the_same_differences_and_no_others(seed: int, changes: int) -> None:
    """One audience and ES256, which PyJWT can be told; and what others' tokens may not be, ours may not either."""
    chance = random.Random(seed)
    made = honest(chance)
    for _ in range(changes):
        chance.choice(CHANGES)(made, chance)
    text = made.text()
    at = now()
    mine, other = ours(text, at, OWN), theirs(text, own=True)
    if mine is not None and other is None:
        assert mine in LEFT_TO_THE_CALLER, (mine, text)
    if mine is None:
        assert other is None or other in BORNE_BY_US, (other, text)
        # Scope, client and age are no obligations of our own tokens; nor is it that they are bound to no key.
        assert ours(text, at) in {
            None,
            R.SCOPE_MISSING,
            R.CLIENT_REFUSED,
            R.TOO_OLD,
            R.APPLICATION,
            R.SENDER_CONSTRAINED,
        }


def test_every_explanation_is_needed() -> None:
    """The tables hold no difference that does not come up: one such, found by the same mutations, for each row."""
    chance, found = random.Random(20261125), Counter[object]()
    for _ in range(6000):
        made = honest(chance)
        chance.choice(CHANGES)(made, chance)
        text = made.text()
        mine, other = compare(_bent(text, chance) if chance.random() < 0.25 else text)
        if (mine is None) != (other is None):
            found[mine if other is None else other] += 1
    assert set(found) == {*LEFT_TO_THE_CALLER, *BORNE_BY_US}, found


@pytest.mark.parametrize("code", [R.ISSUER_MISMATCH, R.SIGNATURE_INVALID, R.ALGORITHM_REFUSED, R.KEY_UNKNOWN])
def test_what_pyjwt_does_check_is_not_in_the_table(code: TokenRefusal) -> None:
    """A difference there would be a hole in one of us."""
    assert code not in LEFT_TO_THE_CALLER
