"""The policy: made from the settings, and strict with none at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from passkeys.attestation import ALL_FORMATS, STRICT, Lenience
from passkeys.metadata import PROHIBITED_BY_DEFAULT, ModelPolicy
from passkeys.policy import Policy, expected_origins, policy_of
from passkeys.settings import _LENIENCE, load
from tests.passkeys.attestation.statements import SOURCE

MODEL, OTHER = "08987058-cadc-4b81-b6e1-30de50dcbe96", "00000000-0000-0000-0000-000000000000"
ROOT_PEM: str = SOURCE["attestation_trust_root"]["certificate_pem"]
APP = "android:apk-key-hash:" + "A" * 43
ANY = ModelPolicy(
    prohibited=frozenset(PROHIBITED_BY_DEFAULT),
    allowed=frozenset(),
    denied=frozenset(),
    unknown_allowed=True,
    certification=None,
)
DEFAULT = Policy(
    cross_origin_allowed=False,
    top_origins=frozenset(),
    user_verification_required=True,
    backup_eligible_allowed=True,
    attestation_formats=frozenset({"none", "packed", "tpm", "android-key", "fido-u2f", "apple", "compound"}),
    attestation_trusted_only=False,
    lenience=STRICT,
    models=ANY,
    transports_allowed=frozenset(),
    sign_count_only_flagged=False,
)


def test_with_no_settings_the_policy_is_the_safe_one() -> None:
    """User verification required, no frames, sign counts obeyed; any authenticator."""
    assert policy_of(load({})) == DEFAULT


TRUSTED = {
    "PASSKEYS_ATTESTATION": "direct",
    "PASSKEYS_ATTESTATION_TRUST": "trusted",
    "PASSKEYS_ATTESTATION_ROOTS": "",
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
        (
            {"PASSKEYS_ATTESTATION_LENIENCE": "u2f-aaguid,android-unspecified"},
            {"lenience": Lenience(u2f_aaguid=True, android_unspecified=True)},
        ),
        (
            {"PASSKEYS_ATTESTATION_TPM_VENDORS": "id:FFFFF1D0"},
            {"lenience": Lenience(tpm_vendors=frozenset({"id:FFFFF1D0"}))},
        ),
        (TRUSTED, {"attestation_trusted_only": True}),
        (
            {**TRUSTED, "PASSKEYS_AAGUID_ALLOW": MODEL},
            {
                "attestation_trusted_only": True,
                "models": dataclasses.replace(ANY, allowed=frozenset({MODEL})),
            },
        ),
        ({"PASSKEYS_AAGUID_DENY": MODEL}, {"models": dataclasses.replace(ANY, denied=frozenset({MODEL}))}),
        ({"PASSKEYS_TRANSPORTS": "usb,nfc"}, {"transports_allowed": frozenset({"usb", "nfc"})}),
        ({"PASSKEYS_SIGN_COUNT": "flag"}, {"sign_count_only_flagged": True}),
    ],
)
def test_each_setting_changes_its_own_rule(
    environ: dict[str, str], changed: dict[str, Any], tmp_path: Path
) -> None:
    """And no other."""
    if "PASSKEYS_ATTESTATION_ROOTS" in environ:
        (tmp_path / "packed.pem").write_text(ROOT_PEM)
        environ = {**environ, "PASSKEYS_ATTESTATION_ROOTS": str(tmp_path)}
    assert policy_of(load(environ)) == dataclasses.replace(DEFAULT, **changed)


def test_answers_come_from_pages_and_from_named_apps() -> None:
    """Each by the whole origin that its system gives it."""
    settings = load({"PASSKEYS_NATIVE_ORIGINS": APP})
    assert expected_origins(settings) == ("http://localhost:7071", APP)


def test_the_settings_know_every_format_and_every_exemption() -> None:
    """A format or an exemption that no setting names could be neither chosen nor refused."""
    assert frozenset(ALL_FORMATS) == DEFAULT.attestation_formats
    fields = {field.name for field in dataclasses.fields(Lenience)}
    assert {word.replace("-", "_") for word in _LENIENCE} == fields - {"tpm_vendors"}
