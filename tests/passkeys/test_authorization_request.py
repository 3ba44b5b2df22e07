"""What an application's browser brings: the good request, and each bad one told to the right one: the application, or the person alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passkeys.applications import Application
from passkeys.authorization_request import (
    AuthorizationRequest,
    RequestFault,
    RequestRefused,
    answer_uri,
    request_of,
)
from passkeys.proof import challenge_of

ISSUER, BACK = "https://passkey.example.com", "https://shop.example.com/callback"
API, LEDGER = "https://api.shop.example.com", "https://api.ledger.example.com"
WITH_QUERY = "https://shop.example.com/callback?tenant=a%20b"
APPLICATIONS = {"shop": Application("shop", "Shop", (API, LEDGER), redirect_uris=(BACK, WITH_QUERY))}
CHALLENGE, JKT = challenge_of("v" * 43), challenge_of("k" * 43)
GOOD = {
    "response_type": "code",
    "client_id": "shop",
    "redirect_uri": BACK,
    "state": "s-1 ~",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def query(*more: tuple[str, str], **changed: str | None) -> str:
    members = {**GOOD, **changed}
    return urlencode([*((name, value) for name, value in members.items() if value is not None), *more])


def read(asked: str) -> AuthorizationRequest:
    return request_of(APPLICATIONS, asked)


def test_a_good_request() -> None:
    """Everything that the ceremony is started with, and the state as it came."""
    found = read(
        query(resource=LEDGER, acr_values="phrh phr", dpop_jkt=JKT, login_hint="ada", prompt="login consent")
    )
    assert (found.application.name, found.redirect_uri, found.state, found.login_hint) == (
        "Shop",
        BACK,
        "s-1 ~",
        "ada",
    )
    assert found.authorization.to_members() == {
        "client_id": "shop",
        "redirect_uri": BACK,
        "audience": LEDGER,
        "code_challenge": CHALLENGE,
        "dpop_jkt": JKT,
        "acr_values": ["phrh", "phr"],
    }


@pytest.mark.parametrize(
    "borne",
    [
        {"state": None},
        {"resource": None, "scope": "openid profile"},
        {"unknown": "x", "max_age": "0", "ui_locales": "de"},
        {"response_mode": "query"},
        {"dpop_jkt": "", "resource": "", "login_hint": ""},
        {"acr_values": "urn:other phr"},
    ],
)
def test_what_need_not_be_there(borne: dict[str, Any]) -> None:
    """What is optional, what nobody here knows, and what is empty."""
    found = read(query(**borne))
    assert found.authorization.audience == API
    assert found.login_hint is None


@pytest.mark.parametrize("hint", ["x" * 129, "a\nb", "\u202eada"])
def test_a_hint_that_is_no_name_is_left_out(hint: str) -> None:
    """It is for the person's convenience, and no reason to refuse anything."""
    assert read(query(login_hint=hint)).login_hint is None


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("", "client_unknown"),
        ("%", "client_unknown"),
        ("client_id=%ff", "client_unknown"),
        (query() + "&login_hint=%ff", "client_unknown"),
        (query(client_id=None), "client_unknown"),
        (query(client_id="nobody"), "client_unknown"),
        (query(client_id="SHOP"), "client_unknown"),
        (query(("client_id", "shop")), "client_unknown"),
        (query(state="x" * 9000), "client_unknown"),
        (query(*((f"p{n}", "x") for n in range(64))), "client_unknown"),
        (query(redirect_uri=None), "redirect_uri_unregistered"),
        (query(redirect_uri="https://evil.example.com/callback"), "redirect_uri_unregistered"),
        (query(redirect_uri=BACK + "/"), "redirect_uri_unregistered"),
        (query(redirect_uri=BACK + "?x=1"), "redirect_uri_unregistered"),
        (query(redirect_uri=BACK + "#"), "redirect_uri_unregistered"),
        (query(redirect_uri=BACK.upper()), "redirect_uri_unregistered"),
        (query(redirect_uri=BACK.replace("https", "http")), "redirect_uri_unregistered"),
        (query(redirect_uri="https://shop.example.com:443/callback"), "redirect_uri_unregistered"),
        (
            query(redirect_uri="https://shop.example.com@evil.example.com/callback"),
            "redirect_uri_unregistered",
        ),
        (query(redirect_uri="javascript:alert(1)"), "redirect_uri_unregistered"),
        (query(redirect_uri=BACK + "\r\nSet-Cookie: a=b"), "redirect_uri_unregistered"),
        (query(("redirect_uri", BACK)), "redirect_uri_unregistered"),
        (query(("redirect_uri", "https://evil.example.com/callback")), "redirect_uri_unregistered"),
    ],
)
def test_nobody_is_sent_anywhere_in_doubt(asked: str, code: str) -> None:
    """An unknown client, or a redirect URI that is not registered to the letter: the person is told, and that is all."""
    with pytest.raises(RequestFault) as fault:
        read(asked)
    assert fault.value.code == code


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (query(response_type=None), "invalid_request"),
        (query(response_type="token"), "unsupported_response_type"),
        (query(response_type="code id_token"), "unsupported_response_type"),
        (query(("response_type", "code")), "invalid_request"),
        (query(response_mode="fragment"), "invalid_request"),
        (query(request="eyJ"), "request_not_supported"),
        (query(request_uri="https://shop.example.com/r"), "request_uri_not_supported"),
        (query(code_challenge=None), "invalid_request"),
        (query(code_challenge="short"), "invalid_request"),
        (query(code_challenge="v" * 44), "invalid_request"),
        (query(code_challenge_method=None), "invalid_request"),
        (query(code_challenge_method="plain"), "invalid_request"),
        (query(code_challenge_method="s256"), "invalid_request"),
        (query(resource="https://api.evil.example.com"), "invalid_target"),
        (query(("resource", API), ("resource", LEDGER)), "invalid_target"),
        (query(dpop_jkt="x"), "invalid_request"),
        (query(acr_values='phr"'), "invalid_request"),
        (query(acr_values="urn:other"), "unmet_authentication_requirements"),
        (query(prompt="none"), "login_required"),
        (query(prompt="none login"), "invalid_request"),
        (query(prompt="never"), "invalid_request"),
        (query(("login_hint", "a"), ("login_hint", "b")), "invalid_request"),
    ],
)
def test_other_mistakes_are_told_to_the_application(asked: str, code: str) -> None:
    """At its redirect URI, in OAuth's words, with its state."""
    with pytest.raises(RequestRefused) as refused:
        read(asked)
    assert (refused.value.code, refused.value.redirect_uri, refused.value.state) == (code, BACK, "s-1 ~")
    # RFC 6749 §4.1.2.1: what a description may be written with.
    assert all(" " <= one <= "~" and one not in '"\\' for one in refused.value.description)


@pytest.mark.parametrize(
    "asked", [query(state="x" * 1025), query(state="a\nb"), query(state="é"), query(("state", "s-2"))]
)
def test_a_state_that_is_none_does_not_come_back(asked: str) -> None:
    """Nothing goes into an address that no state is written with."""
    with pytest.raises(RequestRefused) as refused:
        read(asked)
    assert (refused.value.code, refused.value.state) == ("invalid_request", None)


def test_the_answer_keeps_the_addresss_own_query() -> None:
    """What the application has in its redirect URI stays first; state and issuer are escaped."""
    assert answer_uri(BACK, issuer=ISSUER, state="a&b=c", code="c-1") == (
        f"{BACK}?code=c-1&state=a%26b%3Dc&iss=https%3A%2F%2Fpasskey.example.com"
    )
    assert answer_uri(WITH_QUERY, issuer=ISSUER, state=None, error="access_denied") == (
        f"{WITH_QUERY}&error=access_denied&iss=https%3A%2F%2Fpasskey.example.com"
    )


@given(st.text())
def test_no_query_does_anything_else(asked: str) -> None:
    """Whatever is sent: a request, or one of the two refusals; and an answer that leads where it is registered."""
    try:
        read(asked)
    except RequestFault:
        return
    except RequestRefused as refused:
        assert refused.redirect_uri in (BACK, WITH_QUERY)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=1024))
def test_every_state_comes_back_as_it_came(state: str) -> None:
    """Through both queries."""
    found = read(query(state=state))
    answered = answer_uri(found.redirect_uri, issuer=ISSUER, state=found.state, code="c-1")
    assert dict(parse_qsl(urlsplit(answered).query))["state"] == state
    assert answered.startswith(f"{BACK}?")
