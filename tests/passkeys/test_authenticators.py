"""Names of authenticators: the providers that people know, then what metadata says, then nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from passkeys.authenticators import PROVIDERS, name_of
from passkeys.metadata import Metadata, by_key
from tests.metadata_kit import AAGUID, OTHER
from tests.passkeys.test_metadata import model

HELLO = "08987058-cadc-4b81-b6e1-30de50dcbe96"
METADATA = Metadata(
    1,
    date(2026, 12, 1),
    by_key(
        (
            replace(model(), name="YubiKey 5 Series"),
            replace(model(aaguid=OTHER), name=""),
            replace(model(aaguid=HELLO), name="Windows Hello Hardware Authenticator"),
        )
    ),
)


@pytest.mark.parametrize(
    ("aaguid", "metadata", "name"),
    [
        (AAGUID, METADATA, "YubiKey 5 Series"),
        (AAGUID, None, None),
        (OTHER, METADATA, None),
        (HELLO, METADATA, "Windows Hello"),
        (HELLO, None, "Windows Hello"),
        ("d548826e-79b4-db40-a3d8-11116f7e8349", METADATA, "Bitwarden"),
        ("00000000-0000-0000-0000-000000000000", METADATA, None),
    ],
)
def test_the_name_of_an_authenticator(aaguid: str, metadata: Metadata | None, name: str | None) -> None:
    """None where nobody knows: the page says what it can see, a security key or a passkey on a device."""
    assert name_of(aaguid, metadata) == name


def test_the_table_is_of_aaguids_and_short_names() -> None:
    """In the form that they are looked up in; as text that a page can show."""
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", aaguid) for aaguid in PROVIDERS)
    assert all(name.isprintable() and len(name) <= 40 for name in PROVIDERS.values())
