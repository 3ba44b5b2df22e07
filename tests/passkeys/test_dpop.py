"""A proof of possession, judged: the honest one, every attack with its own code, what real clients do, and no other error."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from passkeys import dpop
from passkeys.dpop import ALGORITHMS, Proof, check_proof, normalised, thumbprint
from passkeys.errors import DpopRefusal, DpopRefused
from passkeys.response import decode_base64url
from tests.passkeys.proofs import CLAIMS, URL, proof
from tests.passkeys.tokens import EC, ED, NOW, OTHER_RSA, RSA, SECONDS, b64, jwk, malleated

R = DpopRefusal
OTHER_EC = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
TOKEN = "an.access.token"
ATH = b64(hashlib.sha256(TOKEN.encode()).digest())
PUBLIC = jwk(EC, None)
HONEST = proof()
PARTS = HONEST.split(".")


def check(made: str, **changed: Any) -> Proof:
    return check_proof(made, **{"method": "POST", "url": URL, "at": NOW, **changed})


def with_jwk(**members: Any) -> str:
    return proof(header={"jwk": {**PUBLIC, **members}})


def padded(text: str) -> str:
    """The same coordinate with a zero byte before it: the same number, and another thumbprint."""
    return b64(b"\0" + decode_base64url(text))


def nonce_ok(nonce: str) -> bool:
    return nonce == "ours"


NONCES = {"nonce_ok": nonce_ok}
BEARING = {"access_token": TOKEN}
# name: (proof, code), or (proof, code, how it was asked for)
ATTACKS: dict[str, tuple[Any, ...]] = {
    # the form
    "empty": ("", R.MALFORMED),
    "two parts": (f"{PARTS[0]}.{PARTS[1]}", R.MALFORMED),
    "five parts": (HONEST + ".x.y", R.MALFORMED),
    "no signature": (f"{PARTS[0]}.{PARTS[1]}.", R.MALFORMED),
    "padded": (HONEST + "==", R.MALFORMED),
    "two proofs in one header": (f"{HONEST}, {HONEST}", R.MALFORMED),
    "JSON serialization": (json.dumps({"protected": PARTS[0], "payload": PARTS[1], "signature": PARTS[2]}), R.MALFORMED),
    "1 MB": (proof(x="x" * 2**20), R.TOO_LARGE),
    "5 KB of jti": (proof(jti="x" * 5000), R.TOO_LARGE),
    "header a list": (proof(header=b'["dpop+jwt"]'), R.HEADER_MALFORMED),
    "header no JSON": (proof(header=b"{"), R.HEADER_MALFORMED),
    "header twice jwk": (proof(header=b'{"typ":"dpop+jwt","alg":"ES256","jwk":1,"jwk":2}'), R.HEADER_MALFORMED),
    # another kind of token
    "typ JWT": (proof(header={"typ": "JWT"}), R.TYPE_REFUSED),
    "an access token": (proof(header={"typ": "at+jwt"}), R.TYPE_REFUSED),
    "no typ": (proof(header={"typ": None}), R.TYPE_REFUSED),
    "typ a list": (proof(header={"typ": ["dpop+jwt"]}), R.TYPE_REFUSED),
    # the algorithm
    "alg none": (proof(header={"alg": "none"}), R.ALGORITHM_REFUSED),
    "alg none, unsigned": (f"{b64(json.dumps({'typ': 'dpop+jwt', 'alg': 'none', 'jwk': PUBLIC}))}.{PARTS[1]}.", R.MALFORMED),
    "alg NoNe": (proof(header={"alg": "NoNe"}), R.ALGORITHM_REFUSED),
    "HS256": (proof(header={"alg": "HS256"}), R.ALGORITHM_REFUSED),
    "RS256": (proof(header={"alg": "RS256", "jwk": jwk(RSA, None)}, key=RSA, algorithm="RS256"), R.ALGORITHM_REFUSED),
    "ES384": (proof(header={"alg": "ES384", "jwk": jwk(P384, None)}, key=P384, algorithm="ES384"), R.ALGORITHM_REFUSED),
    "EdDSA, the old name": (proof(header={"alg": "EdDSA", "jwk": jwk(ED, None)}, key=ED), R.ALGORITHM_REFUSED),
    "no alg": (proof(header={"alg": None}), R.ALGORITHM_REFUSED),
    "alg a list": (proof(header={"alg": ["ES256"]}), R.ALGORITHM_REFUSED),
    "unknown crit": (proof(header={"crit": ["exp"], "exp": 1}), R.CRITICAL_HEADER),
    "crit empty": (proof(header={"crit": []}), R.CRITICAL_HEADER),
    "b64 false": (proof(header={"b64": False}), R.CRITICAL_HEADER),
    # the key
    "no jwk": (proof(header={"jwk": None}), R.KEY_MALFORMED),
    "jwk a text": (proof(header={"jwk": json.dumps(PUBLIC)}), R.KEY_MALFORMED),
    "jku instead": (proof(header={"jwk": None, "jku": "https://evil.example/jwks", "kid": "x"}), R.KEY_MALFORMED),
    "kid instead": (proof(header={"jwk": None, "kid": "ec-1"}), R.KEY_MALFORMED),
    "x5c instead": (proof(header={"jwk": None, "x5c": ["AAAA"]}), R.KEY_MALFORMED),
    "the private key": (with_jwk(d=b64(EC.private_numbers().private_value.to_bytes(32, "big"))), R.KEY_PRIVATE),
    "the private key, empty": (with_jwk(d=None), R.KEY_PRIVATE),
    "a private RSA key": (proof(header={"jwk": {**jwk(RSA, None), "p": "AQ"}}), R.KEY_PRIVATE),
    "a shared secret": (proof(header={"jwk": {"kty": "oct", "k": "AAAA"}}), R.KEY_PRIVATE),
    "an RSA key named ES256": (proof(header={"jwk": jwk(OTHER_RSA, None)}), R.KEY_UNSUITABLE),
    "an Ed25519 key named ES256": (proof(header={"jwk": jwk(ED, None)}), R.KEY_UNSUITABLE),
    "a P-256 key named Ed25519": (proof(header={"alg": "Ed25519"}), R.KEY_UNSUITABLE),
    "P-384": (proof(header={"jwk": jwk(P384, None)}), R.KEY_UNSUITABLE),
    "another curve's name": (with_jwk(crv="secp256k1"), R.KEY_UNSUITABLE),
    "kty a list": (with_jwk(kty=["EC"]), R.KEY_UNSUITABLE),
    "for encryption": (with_jwk(use="enc"), R.KEY_UNSUITABLE),
    "for another alg": (with_jwk(alg="ES384"), R.KEY_UNSUITABLE),
    "for signing alone": (with_jwk(key_ops=["sign"]), R.KEY_UNSUITABLE),
    "key_ops a text": (with_jwk(key_ops="verify"), R.KEY_UNSUITABLE),
    "no y": (proof(header={"jwk": {name: value for name, value in PUBLIC.items() if name != "y"}}), R.KEY_MALFORMED),
    "x longer by a zero": (with_jwk(x=padded(PUBLIC["x"])), R.KEY_MALFORMED),
    "x with padding": (with_jwk(x=PUBLIC["x"] + "="), R.KEY_MALFORMED),
    "x a number": (with_jwk(x=7), R.KEY_MALFORMED),
    "not on the curve": (with_jwk(x=PUBLIC["y"], y=PUBLIC["x"]), R.KEY_MALFORMED),
    "the point zero": (with_jwk(x="A" * 43, y="A" * 43), R.KEY_MALFORMED),
    "another's key": (proof(header={"jwk": jwk(OTHER_EC, None)}), R.SIGNATURE_INVALID),
    "another's Ed25519 key": (proof(header={"alg": "Ed25519", "jwk": jwk(ED, None)}, algorithm="ES256"), R.SIGNATURE_INVALID),
    "claims changed": (f"{PARTS[0]}.{b64(json.dumps({**CLAIMS, 'jti': 'x'}))}.{PARTS[2]}", R.SIGNATURE_INVALID),
    "signature in DER": (f"{PARTS[0]}.{PARTS[1]}.{b64(EC.sign(f'{PARTS[0]}.{PARTS[1]}'.encode(), ec.ECDSA(hashes.SHA256())))}", R.SIGNATURE_INVALID),
    "r and s zero": (f"{PARTS[0]}.{PARTS[1]}.{b64(bytes(64))}", R.SIGNATURE_INVALID),
    # the claims
    "claims a text": (proof(b'"x"'), R.CLAIMS_MALFORMED),
    "claims twice htu": (proof(b'{"htu":"a","htu":"b"}'), R.CLAIMS_MALFORMED),
    "claims very deep": (proof(b'{"a":' + b"[" * 1400 + b"]" * 1400 + b"}"), R.CLAIMS_MALFORMED),
    "iat NaN": (proof(iat=float("nan")), R.CLAIMS_MALFORMED),
    "no jti": (proof(jti=None), R.ID_MALFORMED),
    "jti empty": (proof(jti=""), R.ID_MALFORMED),
    "jti a number": (proof(jti=7), R.ID_MALFORMED),
    "jti of 257": (proof(jti="x" * 257), R.ID_MALFORMED),
    "jti with a line end": (proof(jti="x\nlog line"), R.ID_MALFORMED),
    "jti half a pair": (proof(jti="x\ud800"), R.ID_MALFORMED),
    # the request
    "another method": (proof(htm="GET"), R.METHOD_MISMATCH),
    "method in small letters": (proof(htm="post"), R.METHOD_MISMATCH),
    "no htm": (proof(htm=None), R.METHOD_MISMATCH),
    "htm a list": (proof(htm=["POST"]), R.METHOD_MISMATCH),
    "another path": (proof(htu="https://passkey.example.com/revoke"), R.URL_MISMATCH),
    "path in capitals": (proof(htu="https://passkey.example.com/TOKEN"), R.URL_MISMATCH),
    "path longer by a slash": (proof(htu=URL + "/"), R.URL_MISMATCH),
    "another host": (proof(htu="https://evil.example/token"), R.URL_MISMATCH),
    "host longer": (proof(htu="https://passkey.example.com.evil.example/token"), R.URL_MISMATCH),
    "host with a dot": (proof(htu="https://passkey.example.com./token"), R.URL_MISMATCH),
    "http": (proof(htu="http://passkey.example.com/token"), R.URL_MISMATCH),
    "another port": (proof(htu="https://passkey.example.com:8443/token"), R.URL_MISMATCH),
    "a port beyond": (proof(htu="https://passkey.example.com:99999/token"), R.URL_MISMATCH),
    "a user": (proof(htu="https://passkey.example.com@evil.example/token"), R.URL_MISMATCH),
    "the path alone": (proof(htu="/token"), R.URL_MISMATCH),
    "htu empty": (proof(htu=""), R.URL_MISMATCH),
    "no htu": (proof(htu=None), R.URL_MISMATCH),
    "htu a list": (proof(htu=[URL]), R.URL_MISMATCH),
    "htu with a blank": (proof(htu=URL + " "), R.URL_MISMATCH),
    "htu with a backslash": (proof(htu="https://passkey.example.com\\token"), R.URL_MISMATCH),
    "a slash escaped": (proof(htu="https://passkey.example.com%2Ftoken"), R.URL_MISMATCH),
    "htu with a tab within": (proof(htu="https://passkey.example.com/to\tken"), R.URL_MISMATCH),
    "htu of 2 KB": (proof(htu=f"{URL}?{'x' * 2048}"), R.URL_MISMATCH),
    "an escape cut off": (proof(htu=URL + "%2"), R.URL_MISMATCH),
    # the access token
    "no ath": (proof(), R.TOKEN_MISMATCH, BEARING),
    "another token's ath": (proof(ath=b64(hashlib.sha256(b"x").digest())), R.TOKEN_MISMATCH, BEARING),
    "ath in hex": (proof(ath=hashlib.sha256(TOKEN.encode()).hexdigest()), R.TOKEN_MISMATCH, BEARING),
    "ath padded": (proof(ath=ATH + "="), R.TOKEN_MISMATCH, BEARING),
    "ath a number": (proof(ath=7), R.TOKEN_MISMATCH, BEARING),
    "ath no ASCII": (proof(ath="é"), R.TOKEN_MISMATCH, BEARING),
    # the nonce
    "no nonce": (proof(), R.NONCE_MISSING, NONCES),
    "a nonce that is none": (proof(nonce="theirs"), R.NONCE_REFUSED, NONCES),
    "nonce a number": (proof(nonce=7), R.NONCE_REFUSED, NONCES),
    "nonce of 257": (proof(nonce="x" * 257), R.NONCE_REFUSED, NONCES),
    # the time
    "old": (proof(iat=SECONDS - 31), R.TOO_OLD),
    "future": (proof(iat=SECONDS + 31), R.IN_FUTURE),
    "no iat": (proof(iat=None), R.TIME_MALFORMED),
    "iat a text": (proof(iat=str(SECONDS)), R.TIME_MALFORMED),
    "iat true": (proof(iat=True), R.TIME_MALFORMED),
    "iat in milliseconds": (proof(iat=SECONDS * 1000), R.TIME_MALFORMED),
    "iat negative": (proof(iat=-1), R.TIME_MALFORMED),
    "no iat beside a nonce": (proof(iat=None, nonce="ours"), R.TIME_MALFORMED, NONCES),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_is_refused_with_its_code(name: str) -> None:
    """One wrong point in an otherwise good proof, and the code of just that obligation."""
    made, code, *asked = ATTACKS[name]
    with pytest.raises(DpopRefused) as refused:
        check(made, **(asked[0] if asked else {}))
    assert refused.value.code is code


def test_every_code_is_met() -> None:
    """No obligation without an attack, and each is named in the module's list."""
    assert {row[1] for row in ATTACKS.values()} == set(DpopRefusal)
    listed = re.findall(r"dpop_[a-z_]+", dpop.__doc__ or "")
    assert sorted(listed) == sorted(DpopRefusal)


BORNE: dict[str, tuple[Any, ...]] = {
    "as the RFC has it": (HONEST,),
    "Ed25519": (proof(key=ED),),
    "typ with its prefix": (proof(header={"typ": "application/dpop+jwt"}),),
    "a key as WebCrypto exports it": (with_jwk(key_ops=["verify"], ext=True),),
    "a key with its id and use": (with_jwk(kid="x", use="sig", alg="ES256"),),
    "unknown header members": (proof(header={"kid": "x", "zip": 7}),),
    "unknown claims": (proof(exp=1, sub="x", ath="x", nonce="x"),),
    "htu with a query": (proof(htu=URL + "?a=b&c=%2f"),),
    "htu with a fragment": (proof(htu=URL + "#x"),),
    "the request with a query": (HONEST, {"url": URL + "?redeem=true"}),
    "host in capitals": (proof(htu="HTTPS://Passkey.Example.COM/token"),),
    "the default port": (proof(htu="https://passkey.example.com:443/token"),),
    "a letter escaped": (proof(htu="https://passkey.example.com/%74oken"),),
    "dots in the path": (proof(htu="https://passkey.example.com/x/../token"),),
    "just not too old": (proof(iat=SECONDS - 30),),
    "just not too new": (proof(iat=SECONDS + 30),),
    "with a fraction": (proof(iat=SECONDS + 0.25),),
    "of an access token": (proof(ath=ATH), BEARING),
    "of our nonce": (proof(nonce="ours"), NONCES),
    "of our nonce, by a clock an hour late": (proof(nonce="ours", iat=SECONDS - 3600), NONCES),
}


@pytest.mark.parametrize("name", BORNE)
def test_what_real_clients_do_is_borne(name: str) -> None:
    """At the edge, and good: and the key is the one that signed."""
    made, *asked = BORNE[name]
    found = check(made, **(asked[0] if asked else {}))
    assert (found.jkt, found.jti) == (thumbprint(jwk(ED if name == "Ed25519" else EC, None)), CLAIMS["jti"])


def test_the_thumbprint_is_the_rfcs() -> None:
    """RFC 8037, appendix A.3, and RFC 9449 §6.1's key and its thumbprint."""
    edwards = {
        "crv": "Ed25519",
        "kty": "OKP",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "not counted",
    }
    assert thumbprint(edwards) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    elliptic = {
        "kty": "EC",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        "crv": "P-256",
    }
    assert thumbprint(elliptic) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_the_rfcs_own_proof_is_good() -> None:
    """RFC 9449 §4.1, figure 2, as it is printed there."""
    made = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0Rs"
        "cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2"
        "In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu"
        "IiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
    )
    at = datetime.fromtimestamp(1562262616, UTC)
    found = check_proof(made, method="POST", url="https://server.example.com/token", at=at)
    assert (found.jkt, found.jti, found.issued_at) == (
        "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
        "-BwC3ESc6acc2lTc",
        at,
    )


def test_the_other_signature_of_a_proof_is_the_same_proof() -> None:
    """ECDSA has two: what a proof is remembered by is the same of both."""
    twin = malleated(HONEST)
    assert twin != HONEST
    assert check(twin) == check(HONEST)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://a.example", "https://a.example/"),
        ("HTTPS://A.EXAMPLE:443/%7Ex/%2f", "https://a.example/~x/%2F"),
        ("http://localhost:7071/a/./b/../c", "http://localhost:7071/a/c"),
        ("http://localhost:80/a/..", "http://localhost/"),
        ("http://localhost/../../a/.", "http://localhost/a/"),
        ("http://[::1]:7071/a?b#c", "http://[::1]:7071/a"),
        ("https://a.example//a", "https://a.example//a"),
    ],
)
def test_addresses_are_normalised(url: str, same: str) -> None:
    """RFC 3986 §6.2.2 and §6.2.3; once more changes nothing."""
    assert normalised(url) == same
    assert normalised(same) == same


def test_a_request_without_an_address_is_no_fault_of_the_proof() -> None:
    """Whoever calls has passed in something else: that is not to look like a refusal."""
    with pytest.raises(ValueError, match="no address"):
        check(HONEST, url="/token")


def test_the_time_is_the_one_that_is_passed_in() -> None:
    """Good now, and neither a minute later nor before."""
    for at, code in ((NOW + timedelta(minutes=1), R.TOO_OLD), (NOW - timedelta(minutes=1), R.IN_FUTURE)):
        with pytest.raises(DpopRefused) as refused:
            check(HONEST, at=at)
        assert refused.value.code is code


def test_the_list_of_algorithms_is_the_one_that_is_told() -> None:
    """What the metadata will say is what is taken."""
    for algorithm, key in zip(ALGORITHMS, (EC, ED), strict=True):
        assert check(proof(key=key, header={"alg": algorithm}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
HEADER_NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c"])
CLAIM_NAMES = st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "exp"])
KEY_NAMES = st.sampled_from(["kty", "crv", "x", "y", "d", "use", "alg", "key_ops", "kid"])


def only_ours(made: str) -> None:
    for asked in ({}, {**NONCES, **BEARING}):
        try:
            check(made, **asked)
        except DpopRefused:
            pass


@given(
    made=st.text()
    | st.from_regex(r"[\w=.-]{0,80}")
    | st.builds("{}.{}.{}".format, st.text(), st.text(), st.text())
)
@example("..")
@example("\ud800.\ud800.\ud800")
@settings(max_examples=200, deadline=None)
def test_no_text_raises_anything_else(made: str) -> None:
    """Whatever is sent as a proof: refused, by our one error."""
    only_ours(made)


@given(
    claims=st.dictionaries(CLAIM_NAMES, JSON, max_size=3),
    header=st.dictionaries(HEADER_NAMES, JSON, max_size=2),
    key=st.dictionaries(KEY_NAMES, JSON, max_size=2),
)
@settings(max_examples=300, deadline=None)
def test_no_members_raise_anything_else(
    claims: dict[str, Any], header: dict[str, Any], key: dict[str, Any]
) -> None:
    """A well signed proof with anything at all in the places of its claims, its header's members and its key's."""
    only_ours(proof({**CLAIMS, **claims}, {"jwk": {**PUBLIC, **key}, **header}))
    only_ours(proof({**CLAIMS, **claims}))


@given(url=st.text(max_size=40) | st.from_regex(r"https?://[\w.:@\[\]%/?#-]{0,40}"))
@settings(max_examples=200, deadline=None)
def test_no_address_is_changed_twice(url: str) -> None:
    """Normalising ends: what comes out stays. And what is none is refused, in one way."""
    try:
        once = normalised(url)
    except ValueError:
        return
    assert normalised(once) == once
