"""The file of applications: what each may have, and every mistake told at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey

from passkeys.applications import DEMO_APPLICATIONS, Application, load_applications
from passkeys.errors import SettingsError

KEY = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256"})
PUBLIC, PRIVATE = {"keys": [KEY.as_dict(private=False)]}, {"keys": [KEY.as_dict(private=True)]}
LEAST: dict[str, Any] = {"name": "Portal", "audiences": ["https://api.example.com"]}
WHOLE: dict[str, Any] = {
    "name": "Portal",
    "audiences": ["https://api.example.com", "urn:example:reports"],
    "redirect_uris": ["https://app.example.com/callback", "http://127.0.0.1:9000/callback", "http://[::1]/c"],
    "origins": ["https://app.example.com", "http://localhost:3000"],
    "roles": ["operator", "reader"],
    "access_seconds": 120,
    "refresh_idle_seconds": 600,
    "refresh_absolute_seconds": 3600,
    "dpop": "required",
    "subject_type": "pairwise",
    "sector": "example.com",
    "keys": PUBLIC,
    "introspection": True,
}


def load(entries: object, tmp_path: Path) -> Any:
    file = tmp_path / "applications.json"
    file.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return load_applications(file)


def mistakes_of(entries: object, tmp_path: Path) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as error:
        load(entries, tmp_path)
    return error.value.mistakes


def test_without_a_file_there_is_the_demo() -> None:
    """The sample application of the local profile, public, with DPoP."""
    assert load_applications(None) is DEMO_APPLICATIONS
    sample = DEMO_APPLICATIONS["sample"]
    assert (sample.keys, sample.dpop_required, sample.audiences) == (None, True, ("http://localhost:7080",))


def test_the_least_is_tight(tmp_path: Path) -> None:
    """A name and an audience: a public application, bound by DPoP, that sees no roles and redirects nowhere."""
    found = load({"portal": LEAST}, tmp_path)["portal"]
    assert found == Application("portal", "Portal", ("https://api.example.com",), sector="portal")
    assert found.dpop_required
    assert found.access_seconds == 300
    assert not found.roles
    assert not found.redirect_uris
    assert not found.introspection


def test_everything_can_be_said(tmp_path: Path) -> None:
    """Each member arrives where it is used."""
    found = load({"portal": WHOLE}, tmp_path)["portal"]
    assert found.audiences == tuple(WHOLE["audiences"])
    assert found.redirect_uris == tuple(WHOLE["redirect_uris"])
    assert found.roles == {"operator", "reader"}
    assert (found.access_seconds, found.refresh_idle_seconds, found.refresh_absolute_seconds) == (
        120,
        600,
        3600,
    )
    assert (found.pairwise, found.sector, found.dpop_required) == (True, "example.com", True)
    assert list(found.keys) == ["one"]


def test_defaults_follow_from_the_rest(tmp_path: Path) -> None:
    """With keys of its own an application need not be bound by DPoP; a pairwise sector is that of where it redirects."""
    found = load({"portal": {**LEAST, "keys": PUBLIC}}, tmp_path)["portal"]
    assert not found.dpop_required
    entry = {**LEAST, "subject_type": "pairwise", "redirect_uris": ["https://app.example.com/a"]}
    assert load({"portal": entry}, tmp_path)["portal"].sector == "app.example.com"


WRONG: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", "x" * 65),
    ("name", "a\nb"),
    ("audiences", []),
    ("audiences", "https://api.example.com"),
    ("audiences", ["api"]),
    ("audiences", ["https://a.example#x"]),
    ("audiences", ["https://a.example", "https://a.example"]),
    ("redirect_uris", ["http://app.example.com/callback"]),
    ("redirect_uris", ["https://app.example.com"]),
    ("redirect_uris", ["https://app.example.com/#x"]),
    ("redirect_uris", ["https://user@app.example.com/"]),
    ("redirect_uris", ["https://app.example.com/*/ x"]),
    ("redirect_uris", ["javascript:alert(1)"]),
    ("redirect_uris", ["https://app.example.com:x/"]),
    ("redirect_uris", [7]),
    ("origins", ["https://app.example.com/"]),
    ("origins", ["https://APP.example.com"]),
    ("origins", ["*"]),
    ("origins", ["null"]),
    ("roles", ["the operator"]),
    ("roles", "operator"),
    ("access_seconds", 59),
    ("access_seconds", 901),
    ("access_seconds", True),
    ("access_seconds", "300"),
    ("refresh_idle_seconds", 0),
    ("refresh_absolute_seconds", 43_201),
    ("dpop", True),
    ("subject_type", "private"),
    ("sector", "https://example.com"),
    ("keys", PRIVATE),
    ("keys", {"keys": []}),
    ("keys", {"keys": [OctKey.generate_key(256, {"kid": "k"}).as_dict(private=True)]}),
    ("keys", {"keys": [*PUBLIC["keys"], *PUBLIC["keys"]]}),
    ("keys", {"keys": [ECKey.generate_key("P-384", {"kid": "p"}).as_dict(private=False)]}),
    ("keys", "https://app.example.com/jwks.json"),
    ("introspection", "yes"),
]


@pytest.mark.parametrize(("member", "value"), WRONG)
def test_a_wrong_member_is_named_with_what_it_must_be(member: str, value: Any, tmp_path: Path) -> None:
    """One mistake, which names application and member."""
    (mistake,) = mistakes_of({"portal": {**WHOLE, member: value}}, tmp_path)
    assert mistake.startswith(f"PASSKEYS_APPLICATIONS: application 'portal': {member}=")
    assert ": must " in mistake


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"introspection": True}, "who may ask about tokens must prove who they are"),
        ({"refresh_idle_seconds": 700, "refresh_absolute_seconds": 600}, "must not be more than"),
        ({"sector": "example.com"}, "says nothing unless"),
        (
            {"subject_type": "pairwise", "redirect_uris": ["https://a.example/", "https://b.example/"]},
            "sector is missing",
        ),
        ({"client_secret": "x"}, "client_secret: there is no such member"),
    ],
)
def test_members_that_contradict_each_other_are_a_mistake(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """Each may be right alone. A shared secret has no place at all."""
    (mistake,) = mistakes_of({"portal": {**LEAST, **change}}, tmp_path)
    assert said in mistake


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "{", "null", '{"a": {}, "a": {}}', "[" * 100_000, '{"portal": NaN}']
)
def test_what_is_no_file_of_applications_is_told(text: str, tmp_path: Path) -> None:
    """Not JSON, not an object, nobody in it, somebody twice."""
    (mistake,) = mistakes_of(text, tmp_path)
    assert mistake.startswith("PASSKEYS_APPLICATIONS=")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """Of all applications, in one message."""
    found = mistakes_of({"Portal!": LEAST, "portal": {"name": 7}, "other": []}, tmp_path)
    assert len(found) == 4
    assert any("audiences is missing" in mistake for mistake in found)
