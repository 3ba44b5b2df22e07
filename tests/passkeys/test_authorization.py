"""What an application asks for: judged by what is registered, and read back as it was judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from passkeys.applications import Application
from passkeys.authorization import Authorization, AuthorizationRefused, authorization_of
from passkeys.proof import challenge_of

PAGES, OURS, KEY = (challenge_of(letter * 43) for letter in "pok")
PORTAL = Application(
    "portal",
    "Portal",
    ("https://api.example.com", "https://reports.example.com"),
    redirect_uris=("https://app.example.com/callback", "https://app.example.com/other"),
)
APPLICATIONS = {"portal": PORTAL}
LEAST: dict[str, Any] = {"client_id": "portal"}
REDIRECTED: dict[str, Any] = {**LEAST, "redirect_uri": PORTAL.redirect_uris[0]}


def of(asked: dict[str, Any], code_challenge: str | None = OURS) -> Authorization | None:
    return authorization_of(APPLICATIONS, asked, code_challenge=code_challenge)


def test_a_sign_in_for_nobody_but_us_has_none() -> None:
    """No client, no authorization; members that are null are not there."""
    assert of({}) is None
    assert of({"client_id": None, "redirect_uri": None, "username": "ada"}) is None


def test_an_application_that_starts_itself_redeems_by_its_challenge() -> None:
    """The first audience, nowhere to be sent back to, no key said in advance."""
    assert of(LEAST) == Authorization("portal", None, "https://api.example.com", OURS, None, ())


def test_everything_can_be_asked_for() -> None:
    """And survives the task hub, in which there is JSON alone."""
    asked = {
        **REDIRECTED,
        "resource": "https://reports.example.com",
        "application_challenge": OURS,
        "dpop_jkt": KEY,
        "acr_values": "phrh phr",
    }
    found = of(asked, PAGES)
    assert found == Authorization(
        "portal", PORTAL.redirect_uris[0], "https://reports.example.com", OURS, KEY, ("phrh", "phr")
    )
    assert Authorization.from_members(json.loads(json.dumps(found.to_members()))) == found


REFUSED: list[tuple[dict[str, Any], str | None, str]] = [
    ({"client_id": "nobody"}, OURS, "client_unknown"),
    ({"client_id": 7}, OURS, "client_unknown"),
    ({"client_id": ["portal"]}, OURS, "client_unknown"),
    ({"client_id": ""}, OURS, "client_unknown"),
    ({**LEAST, "redirect_uri": "https://app.example.com/callback/"}, OURS, "redirect_uri_unregistered"),
    ({**LEAST, "redirect_uri": "https://app.example.com/callback?x"}, OURS, "redirect_uri_unregistered"),
    ({**LEAST, "redirect_uri": "https://evil.example/"}, OURS, "redirect_uri_unregistered"),
    ({**LEAST, "redirect_uri": {}}, OURS, "redirect_uri_unregistered"),
    ({**LEAST, "resource": "https://other.example.com"}, OURS, "resource_unregistered"),
    ({**LEAST, "resource": []}, OURS, "resource_unregistered"),
    (LEAST, None, "request_malformed"),
    ({"redirect_uri": PORTAL.redirect_uris[0]}, OURS, "request_malformed"),
    ({"acr_values": "phr"}, OURS, "request_malformed"),
    ({"application_challenge": OURS}, PAGES, "request_malformed"),
    ({**LEAST, "application_challenge": OURS}, PAGES, "request_malformed"),
    ({**REDIRECTED, "application_challenge": "short"}, PAGES, "request_malformed"),
    ({**REDIRECTED, "application_challenge": OURS}, OURS, "request_malformed"),
    ({**LEAST, "dpop_jkt": "short"}, OURS, "request_malformed"),
    ({**LEAST, "dpop_jkt": 7}, OURS, "request_malformed"),
    ({**LEAST, "acr_values": ""}, OURS, "request_malformed"),
    ({**LEAST, "acr_values": "phr  phrh"}, OURS, "request_malformed"),
    ({**LEAST, "acr_values": ["phr"]}, OURS, "request_malformed"),
    ({**LEAST, "acr_values": " ".join("a" * 9)}, OURS, "request_malformed"),
    ({**LEAST, "acr_values": 'a"b'}, OURS, "request_malformed"),
]


@pytest.mark.parametrize(("asked", "code_challenge", "code"), REFUSED)
def test_what_is_not_registered_is_refused(
    asked: dict[str, Any], code_challenge: str | None, code: str
) -> None:
    """Whatever its type: compared whole, and never guessed."""
    with pytest.raises(AuthorizationRefused) as refused:
        of(asked, code_challenge)
    assert refused.value.code == code
