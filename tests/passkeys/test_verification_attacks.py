"""Every obligation of the verifier, broken one at a time: each is refused, with its own code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from demo.authenticator import Flags, Lie, Passkey, create, from_base64url, get, to_base64url
from passkeys import options
from passkeys.errors import Rejection
from passkeys.offer import authentication_offer, registration_offer
from passkeys.policy import policy_of
from passkeys.response import parse_authentication_response, parse_registration_response
from passkeys.settings import load
from passkeys.verification import (
    KnownCredential,
    VerifiedAuthentication,
    VerifiedRegistration,
    verify_authentication,
    verify_registration,
)

Json = dict[str, Any]
ORIGIN = "https://login.example.org"
SETTINGS = load({"PASSKEYS_RP_ID": "example.org", "PASSKEYS_ORIGINS": ORIGIN})
CHALLENGE = b"\x01" * 32
CREATION: Json = options.creation_options(
    SETTINGS,
    challenge=CHALLENGE,
    deadline_seconds=300,
    user_handle=b"handle",
    name="ada",
    display_name="Ada",
    exclude=[],
)
REQUEST: Json = options.request_options(SETTINGS, challenge=CHALLENGE, deadline_seconds=300)
POLICY = policy_of(SETTINGS)
LAX = dataclasses.replace(POLICY, user_verification_required=False)
OFFERED = authentication_offer(REQUEST, person=None)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
UP, UV, BE, BS = Flags.USER_PRESENT, Flags.USER_VERIFIED, Flags.BACKUP_ELIGIBLE, Flags.BACKUP_STATE


def register(response: object, **expected: Any) -> VerifiedRegistration:
    arguments: Json = {
        "challenge": CHALLENGE,
        "origins": [ORIGIN],
        "rp_id": "example.org",
        "policy": POLICY,
        "offered": registration_offer(CREATION),
        "mediation": "modal",
        "at": NOW,
    }
    return verify_registration(parse_registration_response(response), **{**arguments, **expected})


def known(passkey: Passkey, **changed: Any) -> KnownCredential:
    public = passkey.private_key.public_key().public_numbers()
    key = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
    credential = KnownCredential(
        credential_id=passkey.credential_id,
        person="ada",
        user_handle=passkey.user_handle,
        public_key=cbor2.dumps(key),
        sign_count=0,
        backup_eligible=bool(passkey.flags & BE),
    )
    return dataclasses.replace(credential, **changed)


def authenticate(response: object, credential: KnownCredential, **expected: Any) -> VerifiedAuthentication:
    arguments: Json = {
        "challenge": CHALLENGE,
        "origins": [ORIGIN],
        "rp_id": "example.org",
        "policy": POLICY,
        "offered": OFFERED,
    }
    return verify_authentication(
        parse_authentication_response(response), credential=credential, **{**arguments, **expected}
    )


def passkey_of(**making: Any) -> tuple[Passkey, Json]:
    return create(CREATION, origin=ORIGIN, algorithm=-7, **making)


def client_data(response: Json, change: Callable[[Json], object]) -> Json:
    """The response with its client data parsed, changed and written again. Registrations without attestation bear it."""
    parsed = json.loads(from_base64url(response["response"]["clientDataJSON"]))
    changed = change(parsed)
    text = changed if isinstance(changed, bytes) else json.dumps(parsed).encode()
    return {**response, "response": {**response["response"], "clientDataJSON": to_base64url(text)}}


def attestation(response: Json, change: Callable[[Json], object]) -> Json:
    """The response with its attestation object decoded, changed and encoded again."""
    parsed = cbor2.loads(from_base64url(response["response"]["attestationObject"]))
    changed = change(parsed)
    data = changed if isinstance(changed, bytes) else cbor2.dumps(parsed)
    return {**response, "response": {**response["response"], "attestationObject": to_base64url(data)}}


def with_cose_key(response: Json, key: object) -> Json:
    """The response with another COSE key in its attested credential data."""

    def change(parsed: Json) -> None:
        data = parsed["authData"]
        end_of_id = 55 + int.from_bytes(data[53:55], "big")
        parsed["authData"] = data[:end_of_id] + cbor2.dumps(key)

    return attestation(response, change)


def test_an_honest_registration_is_accepted() -> None:
    """What an honest authenticator makes is verified, with every fact that is stored of it."""
    passkey, response = passkey_of(flags=UP | UV | BE | BS)
    verified = register(response)
    assert verified.credential_id == passkey.credential_id
    assert (verified.algorithm, verified.sign_count, verified.transports) == (-7, 0, ("internal",))
    assert (verified.backup_eligible, verified.backup_state, verified.user_verified) == (True, True, True)
    assert dataclasses.astuple(verified.attestation) == ("none", "none", False, False)


EC_KEY = {1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: b"\x02" * 32}
P384 = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()

# code: what is done to an honest registration to break exactly that.
REGISTRATION_ATTACKS: list[tuple[str, str, Callable[[Json], object]]] = [
    ("credential_id_mismatch", "id is not rawId", lambda r: {**r, "id": "AAAA"}),
    ("credential_id_mismatch", "id and rawId are another's", lambda r: {**r, "id": "AAAA", "rawId": "AAAA"}),
    ("credential_type_unexpected", "a password", lambda r: {**r, "type": "password"}),
    ("client_data_unreadable", "no JSON", lambda r: client_data(r, lambda c: b"{")),
    ("client_data_unreadable", "an array", lambda r: client_data(r, lambda c: b"[]")),
    ("client_data_unreadable", "UTF-16", lambda r: client_data(r, lambda c: json.dumps(c).encode("utf-16"))),
    ("client_data_unreadable", "not UTF-8", lambda r: client_data(r, lambda c: b'{"type":"\xff"}')),
    ("client_data_unreadable", "deep", lambda r: client_data(r, lambda c: b"[" * 4000)),
    ("client_data_unreadable", "no challenge", lambda r: client_data(r, lambda c: c.pop("challenge"))),
    ("client_data_unreadable", "no origin", lambda r: client_data(r, lambda c: c.pop("origin"))),
    ("client_data_unreadable", "challenge is a number", lambda r: client_data(r, lambda c: c.update(challenge=1))),
    ("client_data_unreadable", "origin is a list", lambda r: client_data(r, lambda c: c.update(origin=[ORIGIN]))),
    ("client_data_unreadable", "crossOrigin is a text", lambda r: client_data(r, lambda c: c.update(crossOrigin="true"))),
    (
        "client_data_unreadable",
        "origin twice",
        lambda r: client_data(r, lambda c: json.dumps(c).encode()[:-1] + b',"origin":"https://login.example.org"}'),
    ),
    ("client_data_type_unexpected", "an assertion's", lambda r: client_data(r, lambda c: c.update(type="webauthn.get"))),
    ("client_data_type_unexpected", "none", lambda r: client_data(r, lambda c: c.pop("type"))),
    ("challenge_mismatch", "another", lambda r: client_data(r, lambda c: c.update(challenge=to_base64url(b"\x02" * 32)))),
    ("challenge_mismatch", "shorter", lambda r: client_data(r, lambda c: c.update(challenge=c["challenge"][:-1]))),
    ("challenge_mismatch", "padded", lambda r: client_data(r, lambda c: c.update(challenge=c["challenge"] + "="))),
    ("challenge_mismatch", "empty", lambda r: client_data(r, lambda c: c.update(challenge=""))),
    ("challenge_mismatch", "not ASCII", lambda r: client_data(r, lambda c: c.update(challenge="é"))),
    ("origin_unexpected", "another site", lambda r: client_data(r, lambda c: c.update(origin="https://evil.example"))),
    ("origin_unexpected", "a subdomain", lambda r: client_data(r, lambda c: c.update(origin="https://a.login.example.org"))),
    ("origin_unexpected", "another port", lambda r: client_data(r, lambda c: c.update(origin=ORIGIN + ":8443"))),
    ("origin_unexpected", "another scheme", lambda r: client_data(r, lambda c: c.update(origin="http://login.example.org"))),
    ("origin_unexpected", "a slash", lambda r: client_data(r, lambda c: c.update(origin=ORIGIN + "/"))),
    ("origin_unexpected", "a prefix", lambda r: client_data(r, lambda c: c.update(origin=ORIGIN[:-1]))),
    ("cross_origin_denied", "framed", lambda r: client_data(r, lambda c: c.update(crossOrigin=True))),
    ("top_origin_denied", "framed by us", lambda r: client_data(r, lambda c: c.update(topOrigin=ORIGIN))),
    ("top_origin_denied", "null", lambda r: client_data(r, lambda c: c.update(topOrigin=None))),
    ("attestation_object_unreadable", "no CBOR", lambda r: attestation(r, lambda a: b"\xff")),
    ("attestation_object_unreadable", "a list", lambda r: attestation(r, lambda a: cbor2.dumps([1]))),
    ("attestation_object_unreadable", "no fmt", lambda r: attestation(r, lambda a: a.pop("fmt"))),
    ("attestation_object_unreadable", "no authData", lambda r: attestation(r, lambda a: a.pop("authData"))),
    ("attestation_object_unreadable", "authData a number", lambda r: attestation(r, lambda a: a.update(authData=5))),
    ("attestation_object_unreadable", "authData short", lambda r: attestation(r, lambda a: a.update(authData=a["authData"][:36]))),
    ("attestation_object_unreadable", "authData cut", lambda r: attestation(r, lambda a: a.update(authData=a["authData"][:-1]))),
    ("attestation_object_unreadable", "authData with more", lambda r: attestation(r, lambda a: a.update(authData=a["authData"] + b"\x00"))),
    ("attestation_object_unreadable", "deep", lambda r: attestation(r, lambda a: b"\x81" * 30000)),
    ("rp_id_mismatch", "another's", lambda r: attestation(r, lambda a: a.update(authData=hashlib.sha256(b"evil.example").digest() + a["authData"][32:]))),
    ("attested_credential_missing", "no AT flag", lambda r: attestation(r, lambda a: a.update(authData=a["authData"][:32] + bytes([UP | UV]) + bytes(4)))),
    ("algorithm_not_offered", "ES256K", lambda r: with_cose_key(r, {**EC_KEY, 3: -47, -1: 8})),
    ("algorithm_not_offered", "ES256 on P-384", lambda r: with_cose_key(r, {1: 2, 3: -7, -1: 2, -2: P384.x.to_bytes(48, "big"), -3: P384.y.to_bytes(48, "big")})),
    ("algorithm_not_offered", "RS1", lambda r: with_cose_key(r, {1: 3, 3: -65535, -1: b"\xff" * 256, -2: b"\x01\x00\x01"})),
    ("algorithm_not_offered", "ES256 as an OKP key", lambda r: with_cose_key(r, {1: 1, 3: -7, -1: 6, -2: b"\x01" * 32})),
    ("algorithm_not_offered", "alg is true", lambda r: with_cose_key(r, {**EC_KEY, 3: True})),
    ("algorithm_not_offered", "alg is a text", lambda r: with_cose_key(r, {**EC_KEY, 3: "ES256"})),
    ("public_key_unreadable", "no alg", lambda r: with_cose_key(r, {1: 2, -1: 1, -2: b"\x01" * 32, -3: b"\x02" * 32})),
    ("public_key_unreadable", "not on the curve", lambda r: with_cose_key(r, EC_KEY)),
    ("public_key_unreadable", "no COSE key, but U2F's old form", lambda r: with_cose_key(r, 4)),
    ("public_key_unreadable", "a text for a key", lambda r: with_cose_key(r, "key")),
    ("public_key_unreadable", "x is a text", lambda r: with_cose_key(r, {**EC_KEY, -2: "x"})),
    ("attestation_format_unsupported", "made up", lambda r: attestation(r, lambda a: a.update(fmt="made-up"))),
    ("attestation_format_unsupported", "a service that is gone", lambda r: attestation(r, lambda a: a.update(fmt="android-safetynet"))),
    ("attestation_object_unreadable", "fmt a list", lambda r: attestation(r, lambda a: a.update(fmt=["none"]))),
    ("attestation_invalid", "none with a signature", lambda r: attestation(r, lambda a: a.update(attStmt={"sig": b"x"}))),
    ("attestation_invalid", "self, wrongly signed", lambda r: attestation(r, lambda a: a.update(fmt="packed", attStmt={"alg": -7, "sig": b"x"}))),
    ("attestation_invalid", "signature is a text", lambda r: attestation(r, lambda a: a.update(fmt="packed", attStmt={"alg": -7, "sig": "x"}))),
    ("attestation_invalid", "no certificate", lambda r: attestation(r, lambda a: a.update(fmt="packed", attStmt={"alg": -7, "sig": b"x", "x5c": [b"no"]}))),
    ("attestation_invalid", "x5c a number", lambda r: attestation(r, lambda a: a.update(fmt="packed", attStmt={"alg": -7, "sig": b"x", "x5c": 5}))),
    ("attestation_invalid", "tpm, empty", lambda r: attestation(r, lambda a: a.update(fmt="tpm", attStmt={}))),
]  # fmt: skip

REGISTRATION_LIES: list[tuple[str, str, Lie, Json]] = [
    ("user_not_present", "nobody there", Lie(flags=UV), {}),
    ("user_not_verified", "nobody verified", Lie(flags=UP), {}),
    ("backup_state_inconsistent", "backed up, not eligible", Lie(flags=UP | UV | BS), {}),
    ("rp_id_mismatch", "another RP", Lie(rp_id="evil.example"), {}),
    ("challenge_mismatch", "another ceremony's", Lie(challenge=b"\x09" * 32), {}),
    (
        "algorithm_not_offered",
        "not offered here",
        Lie(),
        {"offered": dataclasses.replace(registration_offer(CREATION), algorithms=(-8, -257))},
    ),
]


def codes_of(attacks: list[Any]) -> list[Any]:
    return [pytest.param(*attack, id=f"{attack[0]}: {attack[1]}") for attack in attacks]


@pytest.mark.parametrize(("code", "how", "attack"), codes_of(REGISTRATION_ATTACKS))
def test_registration_attack(code: str, how: str, attack: Callable[[Json], object]) -> None:
    """An honest registration with one thing changed is refused with the code of that thing."""
    _, response = passkey_of()
    register(response)  # the control: it is the change that is refused
    with pytest.raises(Rejection) as rejection:
        register(attack(response))
    assert rejection.value.code == code


@pytest.mark.parametrize(("code", "how", "lie", "expected"), codes_of(REGISTRATION_LIES))
def test_registration_lie(code: str, how: str, lie: Lie, expected: Json) -> None:
    """An authenticator that lies in one thing is refused with the code of that thing."""
    _, response = passkey_of(lie=lie)
    with pytest.raises(Rejection) as rejection:
        register(response, **expected)
    assert rejection.value.code == code


def test_user_verification_is_the_settings_choice() -> None:
    """Without it being required, a registration without user verification is accepted, and says so."""
    _, response = passkey_of(lie=Lie(flags=UP))
    preferred = dataclasses.replace(registration_offer(CREATION), user_verification_required=False)
    assert not register(response, policy=LAX, offered=preferred).user_verified
    for stricter in ({"policy": LAX}, {"offered": preferred}):
        with pytest.raises(Rejection) as rejection:
            register(response, **stricter)
        assert rejection.value.code == "user_not_verified"


def test_a_longer_credential_id_than_the_specification_allows_is_refused() -> None:
    """WebAuthn L3 §7.1 step 25, even where the response itself names a shorter one."""
    _, response = passkey_of(lie=Lie(credential_id=b"\x01" * 1024))
    with pytest.raises(Rejection) as rejection:
        register({**response, "id": "AAAA", "rawId": "AAAA"})
    assert rejection.value.code == "credential_id_too_long"


def test_a_byte_order_mark_is_dropped() -> None:
    """WebAuthn L3 §7.1 step 5: a byte order mark before the client data is no fault."""
    _, response = passkey_of()
    register(client_data(response, lambda c: b"\xef\xbb\xbf" + json.dumps(c).encode()))


def test_a_member_of_the_future_is_tolerated() -> None:
    """WebAuthn L3 §5.8.1: client data may have more members than are known, a token binding too."""
    _, response = passkey_of()
    register(client_data(response, lambda c: c.update(future={"a": 1}, tokenBinding={"status": "supported"})))


def test_a_token_binding_status_from_before_level_2_is_ignored() -> None:
    """WebAuthn L3 §5.8.1: token binding is gone, and whatever it says is no member of client data."""
    _, response = passkey_of()
    register(client_data(response, lambda c: c.update(tokenBinding={"status": "not-supported"})))


def test_an_honest_authentication_is_accepted() -> None:
    """What an honest authenticator signs is verified."""
    passkey, _ = passkey_of(flags=UP | UV | BE)
    response = get(passkey, REQUEST, origin=ORIGIN, lie=Lie(flags=UP | UV | BE | BS))
    assert authenticate(response, known(passkey)) == VerifiedAuthentication(
        sign_count=1, backup_state=True, user_verified=True, clone_suspected=False, extensions={}
    )


AUTHENTICATION_LIES: list[tuple[str, str, Lie, Json, Json]] = [
    ("client_data_type_unexpected", "a registration's", Lie(client_data_type="webauthn.create"), {}, {}),
    ("challenge_mismatch", "another ceremony's", Lie(challenge=b"\x09" * 32), {}, {}),
    ("origin_unexpected", "another site", Lie(origin="https://evil.example"), {}, {}),
    ("cross_origin_denied", "framed", Lie(cross_origin=True), {}, {}),
    ("rp_id_mismatch", "another RP", Lie(rp_id="evil.example"), {}, {}),
    ("user_not_present", "nobody there", Lie(flags=UV), {}, {}),
    ("user_not_verified", "nobody verified", Lie(flags=UP), {}, {}),
    ("backup_state_inconsistent", "backed up, not eligible", Lie(flags=UP | UV | BS), {}, {}),
    ("backup_eligibility_changed", "eligible now", Lie(flags=UP | UV | BE), {}, {}),
    ("backup_eligibility_changed", "no longer eligible", Lie(), {"backup_eligible": True}, {}),
    ("signature_invalid", "one bit off", Lie(broken_signature=True), {}, {}),
    ("user_handle_missing", "not discoverable", Lie(no_user_handle=True), {}, {}),
    ("user_handle_mismatch", "another person's", Lie(user_handle=b"mallory"), {}, {}),
    ("user_handle_mismatch", "stored for another", Lie(), {"user_handle": b"mallory"}, {}),
    ("credential_id_mismatch", "another credential's", Lie(credential_id=b"another"), {}, {}),
    (
        "credential_not_allowed",
        "not asked for",
        Lie(),
        {},
        {"offered": dataclasses.replace(OFFERED, allowed_credentials=(b"another",))},
    ),
    ("sign_count_not_increased", "the same", Lie(sign_count=7), {"sign_count": 7}, {}),
    ("sign_count_not_increased", "lower", Lie(sign_count=6), {"sign_count": 7}, {}),
    ("sign_count_not_increased", "zero after some", Lie(sign_count=0), {"sign_count": 7}, {}),
    ("public_key_unreadable", "stored key is none", Lie(), {"public_key": b""}, {}),
    ("public_key_unreadable", "stored key is a text", Lie(), {"public_key": cbor2.dumps("key")}, {}),
    (
        "algorithm_not_offered",
        "stored key of no known algorithm",
        Lie(),
        {"public_key": cbor2.dumps({**EC_KEY, 3: -47})},
        {},
    ),
]


@pytest.mark.parametrize(("code", "how", "lie", "stored", "expected"), codes_of(AUTHENTICATION_LIES))
def test_authentication_lie(code: str, how: str, lie: Lie, stored: Json, expected: Json) -> None:
    """An assertion that is false in one thing is refused with the code of that thing."""
    passkey, _ = passkey_of()
    with pytest.raises(Rejection) as rejection:
        authenticate(get(passkey, REQUEST, origin=ORIGIN, lie=lie), known(passkey, **stored), **expected)
    assert rejection.value.code == code


def test_another_key_signed() -> None:
    """An assertion signed by another key than the stored one is refused."""
    passkey, _ = passkey_of()
    thief, _ = passkey_of()
    with pytest.raises(Rejection) as rejection:
        authenticate(get(passkey, REQUEST, origin=ORIGIN, lie=Lie(signed_by=thief)), known(passkey))
    assert rejection.value.code == "signature_invalid"


@pytest.mark.parametrize("member", ["authenticatorData", "clientDataJSON"])
def test_every_bit_that_is_signed_counts(member: str) -> None:
    """One bit changed anywhere in what was signed is refused, whatever the code."""
    passkey, _ = passkey_of()
    response = get(passkey, REQUEST, origin=ORIGIN)
    data = from_base64url(response["response"][member])
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        attacked = {**response, "response": {**response["response"], member: to_base64url(bytes(changed))}}
        with pytest.raises(Rejection):
            authenticate(attacked, known(passkey))


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "authenticator_data_unreadable"), (b"\x00" * 36, "authenticator_data_unreadable"), (b"\x00" * 38, "authenticator_data_unreadable"), (b"\x00" * 37, "rp_id_mismatch")],
)  # fmt: skip
def test_authenticator_data_of_the_wrong_length(data: bytes, code: str) -> None:
    """Too short and too long are unreadable."""
    passkey, _ = passkey_of()
    response = parse_authentication_response(get(passkey, REQUEST, origin=ORIGIN))
    with pytest.raises(Rejection) as rejection:
        verify_authentication(
            dataclasses.replace(response, authenticator_data=data),
            challenge=CHALLENGE,
            origins=[ORIGIN],
            rp_id="example.org",
            policy=POLICY,
            offered=OFFERED,
            credential=known(passkey),
        )
    assert rejection.value.code == code


# (stored, told, synced) → (verified, stored after, clone suspected)
SIGN_COUNTS = [
    ((0, 0, False), (True, 0, False)),
    ((0, 1, False), (True, 1, False)),
    ((7, 8, False), (True, 8, False)),
    ((7, 7, False), (False, None, None)),
    ((7, 0, False), (False, None, None)),
    ((0, 0, True), (True, 0, False)),
    ((7, 8, True), (True, 8, False)),
    ((7, 7, True), (True, 7, True)),
    ((7, 3, True), (True, 7, True)),
    ((7, 0, True), (True, 7, True)),
    ((0, 2**32 - 1, False), (True, 2**32 - 1, False)),
]


@pytest.mark.parametrize(("before", "after"), SIGN_COUNTS)
def test_sign_count_policy(
    before: tuple[int, int, bool], after: tuple[bool, int | None, bool | None]
) -> None:
    """WebAuthn L3 §7.2 step 22: reject for single-device, flag for synced, never lower what is stored."""
    stored, told, synced = before
    verified, stored_after, clone_suspected = after
    flags = UP | UV | BE if synced else UP | UV
    passkey, _ = passkey_of(flags=flags)
    response = get(passkey, REQUEST, origin=ORIGIN, lie=Lie(sign_count=told))
    if not verified:
        with pytest.raises(Rejection) as rejection:
            authenticate(response, known(passkey, sign_count=stored))
        assert rejection.value.code == "sign_count_not_increased"
        return
    verdict = authenticate(response, known(passkey, sign_count=stored))
    assert (verdict.sign_count, verdict.clone_suspected) == (stored_after, clone_suspected)


def test_a_user_handle_may_be_missing_when_credentials_were_named() -> None:
    """WebAuthn L3 §7.2 step 6: with a credential that was asked for by name, the user handle is optional."""
    passkey, _ = passkey_of()
    response = get(passkey, REQUEST, origin=ORIGIN, lie=Lie(no_user_handle=True))
    authenticate(
        response,
        known(passkey),
        offered=dataclasses.replace(OFFERED, allowed_credentials=(passkey.credential_id,)),
    )


@pytest.mark.parametrize("algorithm", [-7, -8, -257])
def test_each_usual_algorithm_registers_and_signs_in(algorithm: int) -> None:
    """The key that registration returns is the one that sign-in verifies with."""
    passkey, response = create(CREATION, origin=ORIGIN, algorithm=algorithm)
    registered = register(response)
    credential = KnownCredential(
        passkey.credential_id, "ada", passkey.user_handle, registered.public_key, 0, backup_eligible=False
    )
    authenticate(get(passkey, REQUEST, origin=ORIGIN), credential)


P, D = 2**255 - 19, -121665 * pow(121666, -1, 2**255 - 19) % (2**255 - 19)
# The seven ways to write a y of small order in 255 bits: those that add up to the identity by eights, by RFC 8032 §5.1.
SMALL_ORDER = [
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
]


def doubled(point: tuple[int, int]) -> tuple[int, int]:
    """RFC 8032 §5.1.4: a point of the curve -x² + y² = 1 + d·x²·y², added to itself."""
    x, y = point
    product = D * x * x * y * y % P
    return 2 * x * y * pow(1 + product, -1, P) % P, (y * y + x * x) * pow(1 - product, -1, P) % P


@pytest.mark.parametrize("encoded", SMALL_ORDER, ids=lambda encoded: encoded.hex()[:4])
def test_a_point_of_small_order_is_refused(encoded: bytes) -> None:
    """Eight times the point is the identity; with either sign of x, it is no key."""
    y = int.from_bytes(encoded, "little") % P
    x_squared = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(x_squared, (P + 3) // 8, P)
    x = root if (root * root - x_squared) % P == 0 else root * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == x_squared
    assert doubled(doubled(doubled((x, y)))) == (0, 1)
    for sign in (0, 0x80):
        key = {1: 1, 3: -8, -1: 6, -2: encoded[:31] + bytes([encoded[31] | sign])}
        with pytest.raises(Rejection) as refused:
            register(with_cose_key(passkey_of()[1], key))
        assert refused.value.code == "public_key_weak"


@pytest.mark.parametrize(
    ("modulus", "exponent", "accepted"),
    [
        (2**2047 + 1, 65537, True),
        (2**4096 - 1, 3, True),
        (2**4096 - 1, 2**32 - 1, True),
        (2**2047 - 1, 65537, False),
        (2**4096 + 1, 65537, False),
        (2**2047 + 1, 65536, False),
        (2**2047 + 1, 1, False),
        (2**2047 + 1, 2**32 + 1, False),
    ],
)
def test_rsa_keys_have_a_usual_size(modulus: int, exponent: int, accepted: bool) -> None:
    """2048 to 4096 bits, and an odd exponent of at most 32."""
    parts = {
        -1: modulus.to_bytes((modulus.bit_length() + 7) // 8, "big"),
        -2: exponent.to_bytes((exponent.bit_length() + 7) // 8, "big"),
    }
    response = with_cose_key(passkey_of()[1], {1: 3, 3: -257, **parts})
    if accepted:
        assert register(response).algorithm == -257
    else:
        with pytest.raises(Rejection) as refused:
            register(response)
        assert refused.value.code == "public_key_weak"


@pytest.mark.parametrize("behind", [b"\x00", b"\xf6", b"\x00" * 5000], ids=["a byte", "an item", "many"])
def test_bytes_behind_the_attestation_object_are_refused(behind: bytes) -> None:
    """WebAuthn L3 §6.5.4: the attestation object is one map. Nobody signs what stands behind it."""
    _, response = passkey_of()
    with pytest.raises(Rejection) as rejection:
        register(attestation(response, lambda a: cbor2.dumps(a) + behind))
    assert rejection.value.code == "attestation_object_unreadable"


def test_a_statement_that_is_no_map_is_refused() -> None:
    """WebAuthn L3 §8.7: the statement of format none is an empty map, and a list is none."""
    _, response = passkey_of()
    with pytest.raises(Rejection) as rejection:
        register(attestation(response, lambda a: cbor2.dumps(a | {"attStmt": []})))
    assert rejection.value.code == "attestation_invalid"
