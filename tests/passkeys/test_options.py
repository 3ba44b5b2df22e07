"""The options: what the browser is asked for, always."""

from __future__ import annotations

import json
from typing import Any

import pytest

from passkeys.credentials import CredentialDescriptor
from passkeys.offer import AuthenticationOffer, RegistrationOffer, authentication_offer, registration_offer
from passkeys.options import (
    CHALLENGE_BYTES,
    creation_options,
    new_challenge,
    new_user_handle,
    request_options,
)
from passkeys.response import encode_base64url
from passkeys.settings import load
from tests.passkeys.worlds import CountedBytes

CHALLENGE = b"\x07" * 32


def creation(exclude: list[CredentialDescriptor] | None = None, **environ: str) -> dict[str, Any]:
    return creation_options(
        load(environ),
        challenge=CHALLENGE,
        deadline_seconds=120,
        user_handle=b"\x01" * 32,
        name="ada",
        display_name="Ada Lovelace",
        exclude=exclude or [],
    )


def test_creation_options_ask_for_a_passkey() -> None:
    """A discoverable credential, user verification, the deadline as timeout, the usual algorithms in order."""
    options = creation()
    assert options["rp"] == {"id": "localhost", "name": "Durable Passkeys"}
    assert options["user"] == {
        "id": encode_base64url(b"\x01" * 32),
        "name": "ada",
        "displayName": "Ada Lovelace",
    }
    assert options["challenge"] == encode_base64url(CHALLENGE)
    assert options["timeout"] == 120_000
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert [entry["alg"] for entry in options["pubKeyCredParams"]] == [-8, -7, -35, -36, -257]
    assert (options["attestation"], options["excludeCredentials"], options["hints"]) == ("none", [], [])
    assert options["extensions"] == {"credProps": True}


def test_request_options_name_nobody() -> None:
    """No credential is named, so nothing tells whether anybody has one."""
    options = request_options(load({"PASSKEYS_HINTS": "hybrid"}), challenge=CHALLENGE, deadline_seconds=120)
    assert options == {
        "challenge": encode_base64url(CHALLENGE),
        "timeout": 120_000,
        "rpId": "localhost",
        "allowCredentials": [],
        "userVerification": "required",
        "hints": ["hybrid"],
        "extensions": {},
    }


def test_the_persons_own_credentials_are_excluded() -> None:
    """With the transports that browsers know; unknown ones are left out, not passed on as a mistake."""
    options = creation(
        [CredentialDescriptor(b"\x01", ("internal", "warp")), CredentialDescriptor(b"\x02", ("warp",))]
    )
    assert options["excludeCredentials"] == [
        {"id": "AQ", "type": "public-key", "transports": ["internal"]},
        {"id": "Ag", "type": "public-key"},
    ]


@pytest.mark.parametrize(
    ("name", "value", "member"),
    [
        ("PASSKEYS_ATTESTATION", "direct", lambda options: options["attestation"]),
        (
            "PASSKEYS_USER_VERIFICATION",
            "preferred",
            lambda options: options["authenticatorSelection"]["userVerification"],
        ),
        (
            "PASSKEYS_ALGORITHMS",
            "ML-DSA-44",
            lambda options: {-48: "ML-DSA-44"}[options["pubKeyCredParams"][0]["alg"]],
        ),
        (
            "PASSKEYS_ATTACHMENT",
            "platform",
            lambda options: options["authenticatorSelection"]["authenticatorAttachment"],
        ),
        ("PASSKEYS_EXTENSIONS", "minPinLength", lambda options: next(iter(options["extensions"]))),
        ("PASSKEYS_RP_NAME", "Acme", lambda options: options["rp"]["name"]),
        ("PASSKEYS_HINTS", "client-device", lambda options: options["hints"][0]),
    ],
)
def test_the_settings_are_obeyed(name: str, value: str, member: Any) -> None:
    """What an operator sets is what the browser is asked."""
    assert member(creation(**{name: value})) == value


def test_without_a_prompt_user_verification_is_preferred() -> None:
    """WebAuthn L3 §5.1.3: required, a browser that cannot verify in passing would give up."""
    options = creation_options(
        load({}),
        challenge=CHALLENGE,
        deadline_seconds=120,
        user_handle=b"\x01",
        name="ada",
        display_name="Ada",
        exclude=[],
        mediation="conditional",
    )
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert options["authenticatorSelection"]["residentKey"] == "required"


def test_what_was_offered_is_read_back() -> None:
    """The offer says what the options said, through JSON and out of a task hub too."""
    options = creation(PASSKEYS_ATTACHMENT="platform", PASSKEYS_USER_VERIFICATION="preferred")
    assert registration_offer(json.loads(json.dumps(options))) == RegistrationOffer(
        algorithms=(-8, -7, -35, -36, -257),
        attachment="platform",
        resident_key_required=True,
        user_verification_required=False,
        extensions={"credProps": True},
    )
    allow = [CredentialDescriptor(b"\x02", ()), CredentialDescriptor(b"\x01", ("usb",))]
    request = request_options(load({}), challenge=CHALLENGE, deadline_seconds=1, allow=allow)
    assert authentication_offer(json.loads(json.dumps(request)), person="ada") == AuthenticationOffer(
        allowed_credentials=(b"\x01", b"\x02"), user_verification_required=True, extensions={}, person="ada"
    )


def test_options_from_before_there_were_extensions_are_read_too() -> None:
    """A ceremony that was running when the app was replaced asked for none."""
    options, request = creation(), request_options(load({}), challenge=CHALLENGE, deadline_seconds=1)
    del options["extensions"], request["extensions"]
    assert registration_offer(options).extensions == {}
    assert authentication_offer(request, person=None).extensions == {}


def test_challenges_are_32_random_bytes_and_never_the_same() -> None:
    """Design rule: a challenge has at least 32 random bytes."""
    random_bytes = CountedBytes()
    challenges = {new_challenge(random_bytes) for _ in range(100)}
    assert len(challenges) == 100
    assert {len(challenge) for challenge in challenges} == {CHALLENGE_BYTES} == {32}


def test_a_user_handle_is_random_and_short_enough() -> None:
    """WebAuthn L3 §5.4.3: at most 64 bytes, and nothing of the person in it."""
    random_bytes = CountedBytes()
    handles = {new_user_handle(random_bytes) for _ in range(10)}
    assert len(handles) == 10
    assert all(16 <= len(handle) <= 64 for handle in handles)
