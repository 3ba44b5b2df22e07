"""Related origins: how browsers count them, and the settings that they must fit."""

from __future__ import annotations

import pytest

from passkeys.errors import SettingsError
from passkeys.related_origins import MAX_LABELS, label_of, labels_of
from passkeys.settings import load


@pytest.mark.parametrize(
    ("origin", "label"),
    [
        ("https://example.com", "example"),
        ("https://www.example.co.uk", "example"),
        ("https://a.b.example.com:8443", "example"),
        ("https://ada.github.io", "ada"),
        ("https://app.localhost", "app"),
        ("https://co.uk", None),
        ("https://github.io", None),
        ("https://localhost", None),
    ],
)
def test_the_label_is_that_of_the_registrable_domain(origin: str, label: str | None) -> None:
    """WebAuthn L3 §5.11.1, by the public suffix list, its private part included: what anybody can rent is a suffix."""
    assert label_of(origin) == label


def test_the_same_name_under_several_suffixes_is_one_label() -> None:
    """A company's domains in many countries count once."""
    assert labels_of(f"https://shop.example.{end}" for end in ("com", "de", "co.uk", "fr", "it", "jp")) == {
        "example"
    }


def test_as_many_labels_as_browsers_read() -> None:
    """Five may start, however many origins they have; the sixth stops the start, by name."""
    origins = [f"https://{host}.{name}.example" for name in "abcde" for host in ("www", "login")]
    assert len(load({"PASSKEYS_RELATED_ORIGINS": ",".join(origins)}).related_origins) == 10
    assert MAX_LABELS == 5
    with pytest.raises(SettingsError, match=r"has 6 domain labels \(a, b, c, d, e, f\)"):
        load({"PASSKEYS_RELATED_ORIGINS": ",".join([*origins, "https://f.example"])})


def test_every_mistake_is_told() -> None:
    """One that belongs to the RP id, and one that is everybody's, both at once."""
    with pytest.raises(SettingsError) as error:
        load({"PASSKEYS_RELATED_ORIGINS": "http://app.localhost,https://github.io"})
    assert len(error.value.mistakes) == 2
