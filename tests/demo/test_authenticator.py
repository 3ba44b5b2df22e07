"""The software authenticator against the `webauthn` package: honest answers verify, every lie is found."""

from __future__ import annotations

import json
from typing import Any

import pytest
import webauthn
from webauthn.helpers import exceptions, structs
from webauthn.helpers.cose import COSEAlgorithmIdentifier

from demo import authenticator
from demo.authenticator import Flags, Lie, Passkey

ORIGIN = "http://localhost:7071"
RP_ID = "localhost"
CHALLENGE = bytes(range(32))
ALGORITHMS = (-7, -8, -257)
UP, UV, BE, BS = Flags.USER_PRESENT, Flags.USER_VERIFIED, Flags.BACKUP_ELIGIBLE, Flags.BACKUP_STATE


def creation_options(**changes: Any) -> dict[str, Any]:
    options = webauthn.generate_registration_options(
        rp_id=RP_ID,
        rp_name="Test",
        user_name="ada",
        user_id=b"handle-of-ada",
        challenge=CHALLENGE,
        supported_pub_key_algs=[COSEAlgorithmIdentifier(alg) for alg in ALGORITHMS],
    )
    return json.loads(webauthn.options_to_json(options)) | changes


def request_options() -> dict[str, Any]:
    return json.loads(
        webauthn.options_to_json(webauthn.generate_authentication_options(rp_id=RP_ID, challenge=CHALLENGE))
    )


def verify_creation(response: dict[str, Any]) -> Any:
    return webauthn.verify_registration_response(
        credential=response,
        expected_challenge=CHALLENGE,
        expected_rp_id=RP_ID,
        expected_origin=ORIGIN,
        require_user_verification=True,
    )


def verify_assertion(response: dict[str, Any], public_key: bytes, sign_count: int = 0) -> Any:
    return webauthn.verify_authentication_response(
        credential=response,
        expected_challenge=CHALLENGE,
        expected_rp_id=RP_ID,
        expected_origin=ORIGIN,
        credential_public_key=public_key,
        credential_current_sign_count=sign_count,
        require_user_verification=True,
    )


def registered(algorithm: int = -7, **choices: Any) -> tuple[Passkey, bytes]:
    passkey, response = authenticator.create(
        creation_options(), origin=ORIGIN, algorithm=algorithm, **choices
    )
    return passkey, verify_creation(response).credential_public_key


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_honest_passkey_registers_and_signs_in(algorithm: int) -> None:
    """With each algorithm the package accepts the registration and two assertions with a rising sign count."""
    passkey, public_key = registered(algorithm)
    for expected in (1, 2):
        response = authenticator.get(passkey, request_options(), origin=ORIGIN)
        verified = verify_assertion(response, public_key, sign_count=expected - 1)
        assert verified.new_sign_count == expected
        assert authenticator.from_base64url(response["response"]["userHandle"]) == b"handle-of-ada"


def test_the_json_is_what_browsers_give() -> None:
    """Both answers carry the members of WebAuthn L3 §5.1's JSON forms, and nothing the package cannot parse."""
    passkey, creation = authenticator.create(creation_options(), origin=ORIGIN)
    assertion = authenticator.get(passkey, request_options(), origin=ORIGIN)
    frame = {"id", "rawId", "type", "authenticatorAttachment", "clientExtensionResults", "response"}
    assert set(creation) == set(assertion) == frame
    assert set(creation["response"]) == {
        "clientDataJSON",
        "authenticatorData",
        "transports",
        "publicKey",
        "publicKeyAlgorithm",
        "attestationObject",
    }
    assert set(assertion["response"]) == {"clientDataJSON", "authenticatorData", "signature", "userHandle"}
    assert json.loads(json.dumps(creation)) == creation
    assert creation["id"] == creation["rawId"] == passkey.id


@pytest.mark.parametrize(
    ("flags", "device_type", "backed_up"),
    [
        (UP | UV, structs.CredentialDeviceType.SINGLE_DEVICE, False),
        (UP | UV | BE, structs.CredentialDeviceType.MULTI_DEVICE, False),
        (UP | UV | BE | BS, structs.CredentialDeviceType.MULTI_DEVICE, True),
    ],
)
def test_backup_flags_are_told(flags: Flags, device_type: str, backed_up: bool) -> None:
    """BE and BS reach the relying party as they were set, at registration and at sign-in."""
    passkey, response = authenticator.create(creation_options(), origin=ORIGIN, flags=flags)
    verified = verify_creation(response)
    assert (verified.credential_device_type, verified.credential_backed_up) == (device_type, backed_up)
    assertion = authenticator.get(passkey, request_options(), origin=ORIGIN)
    verified = verify_assertion(assertion, verified.credential_public_key)
    assert (verified.credential_device_type, verified.credential_backed_up) == (device_type, backed_up)


def test_a_synced_passkey_does_not_count() -> None:
    """With `counts=False` the sign count stays 0, and the package accepts that again and again."""
    passkey, public_key = registered(counts=False)
    for _ in range(2):
        response = authenticator.get(passkey, request_options(), origin=ORIGIN)
        assert verify_assertion(response, public_key).new_sign_count == 0


SHARED_LIES = {
    "challenge": Lie(challenge=b"x" * 32),
    "origin": Lie(origin="http://evil.example"),
    "rp": Lie(rp_id="evil.example"),
    "type": Lie(client_data_type="payment.get"),
    "not present": Lie(flags=UV),
    "not verified": Lie(flags=UP),
    "backed up but not eligible": Lie(flags=UP | UV | BS),
}


@pytest.mark.parametrize("lie", SHARED_LIES.values(), ids=SHARED_LIES)
def test_a_lie_at_registration_is_found(lie: Lie) -> None:
    """Each switch breaks exactly what it names: the package refuses the registration."""
    _, response = authenticator.create(creation_options(), origin=ORIGIN, lie=lie)
    with pytest.raises(exceptions.WebAuthnException):
        verify_creation(response)


@pytest.mark.parametrize(
    "lie",
    [*SHARED_LIES.values(), Lie(broken_signature=True), Lie(sign_count=3)],
    ids=[*SHARED_LIES, "signature", "counter"],
)
def test_a_lie_at_sign_in_is_found(lie: Lie) -> None:
    """Each switch breaks exactly what it names: the package refuses the assertion."""
    passkey, public_key = registered()
    response = authenticator.get(passkey, request_options(), origin=ORIGIN, lie=lie)
    with pytest.raises(exceptions.WebAuthnException):
        verify_assertion(response, public_key, sign_count=3 if lie.sign_count else 0)


def test_a_stranger_cannot_sign_for_another() -> None:
    """`signed_by` signs with another's key under this credential's id: the package refuses it."""
    passkey, public_key = registered()
    stranger, _ = registered()
    response = authenticator.get(passkey, request_options(), origin=ORIGIN, lie=Lie(signed_by=stranger))
    with pytest.raises(exceptions.InvalidAuthenticationResponse):
        verify_assertion(response, public_key)


def test_lies_about_the_owner_are_told() -> None:
    """User handle and credential id can be another's or, for the handle, missing."""
    passkey, _ = registered()
    other = authenticator.get(
        passkey, request_options(), origin=ORIGIN, lie=Lie(user_handle=b"grace", credential_id=b"c" * 32)
    )
    assert authenticator.from_base64url(other["response"]["userHandle"]) == b"grace"
    assert authenticator.from_base64url(other["rawId"]) == b"c" * 32
    silent = authenticator.get(passkey, request_options(), origin=ORIGIN, lie=Lie(no_user_handle=True))
    assert "userHandle" not in silent["response"]


def test_an_excluded_passkey_is_not_made_twice() -> None:
    """`excludeCredentials` that names a held passkey is refused, as an authenticator does."""
    passkey, _ = registered()
    options = creation_options(excludeCredentials=[{"type": "public-key", "id": passkey.id}])
    with pytest.raises(authenticator.NothingToOfferError):
        authenticator.create(options, origin=ORIGIN, held=(passkey,))


def test_an_algorithm_nobody_offers_is_refused() -> None:
    """Asked for RS256 where only ES256 is offered, it makes nothing."""
    options = creation_options(pubKeyCredParams=[{"type": "public-key", "alg": -7}])
    with pytest.raises(authenticator.NothingToOfferError):
        authenticator.create(options, origin=ORIGIN, algorithm=-257)
