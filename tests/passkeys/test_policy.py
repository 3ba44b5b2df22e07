"""The policy: made from the settings, and strict with none at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from passkeys.policy import Policy, expected_origins, policy_of, refused_aaguid
from passkeys.settings import load

MODEL, OTHER = "08987058-cadc-4b81-b6e1-30de50dcbe96", "00000000-0000-0000-0000-000000000000"
APP = "android:apk-key-hash:" + "A" * 43
DEFAULT = Policy(
    cross_origin_allowed=False,
    top_origins=frozenset(),
    user_verification_required=True,
    backup_eligible_allowed=True,
    attestation_formats=frozenset({"none", "packed", "tpm", "android-key", "fido-u2f", "apple"}),
    attestation_trusted_only=False,
    aaguids_allowed=frozenset(),
    aaguids_denied=frozenset(),
    transports_allowed=frozenset(),
    sign_count_only_flagged=False,
)


def test_with_no_settings_the_policy_is_the_safe_one() -> None:
    """User verification required, no frames, sign counts obeyed; any authenticator."""
    assert policy_of(load({})) == DEFAULT


TRUSTED = {
    "PASSKEYS_ATTESTATION": "direct",
    "PASSKEYS_ATTESTATION_TRUST": "trusted",
    "PASSKEYS_ATTESTATION_ROOTS": str(Path(__file__).parent),
}


@pytest.mark.parametrize(
    ("environ", "changed"),
    [
        ({"PASSKEYS_CROSS_ORIGIN": "allow"}, {"cross_origin_allowed": True}),
        (
            {"PASSKEYS_CROSS_ORIGIN": "allow", "PASSKEYS_TOP_ORIGINS": "https://example.com"},
            {"cross_origin_allowed": True, "top_origins": frozenset({"https://example.com"})},
        ),
        ({"PASSKEYS_USER_VERIFICATION": "preferred"}, {"user_verification_required": False}),
        ({"PASSKEYS_BACKUP_ELIGIBLE": "refuse"}, {"backup_eligible_allowed": False}),
        ({"PASSKEYS_ATTESTATION_FORMATS": "packed"}, {"attestation_formats": frozenset({"packed"})}),
        (TRUSTED, {"attestation_trusted_only": True}),
        (
            {**TRUSTED, "PASSKEYS_AAGUID_ALLOW": MODEL},
            {"attestation_trusted_only": True, "aaguids_allowed": frozenset({MODEL})},
        ),
        ({"PASSKEYS_AAGUID_DENY": MODEL}, {"aaguids_denied": frozenset({MODEL})}),
        ({"PASSKEYS_TRANSPORTS": "usb,nfc"}, {"transports_allowed": frozenset({"usb", "nfc"})}),
        ({"PASSKEYS_SIGN_COUNT": "flag"}, {"sign_count_only_flagged": True}),
    ],
)
def test_each_setting_changes_its_own_rule(environ: dict[str, str], changed: dict[str, Any]) -> None:
    """And no other."""
    assert policy_of(load(environ)) == dataclasses.replace(DEFAULT, **changed)


def test_answers_come_from_pages_and_from_named_apps() -> None:
    """Each by the whole origin that its system gives it."""
    settings = load({"PASSKEYS_NATIVE_ORIGINS": APP})
    assert expected_origins(settings) == ("http://localhost:7071", APP)


@pytest.mark.parametrize(
    ("allowed", "denied", "aaguid", "refusal"),
    [
        ((), (), MODEL, None),
        ((MODEL,), (), MODEL, None),
        ((MODEL,), (), OTHER, "model_not_allowed"),
        ((), (MODEL,), MODEL, "model_denied"),
        ((), (MODEL,), OTHER, None),
        ((MODEL,), (MODEL,), MODEL, "model_denied"),
    ],
)
def test_lists_of_models(
    allowed: tuple[str, ...], denied: tuple[str, ...], aaguid: str, refusal: str | None
) -> None:
    """None allowed is all; denying wins."""
    policy = dataclasses.replace(
        DEFAULT, aaguids_allowed=frozenset(allowed), aaguids_denied=frozenset(denied)
    )
    assert refused_aaguid(aaguid, policy) == refusal
