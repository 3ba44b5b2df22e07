"""CollectedClientData: ServerAuthenticatorAttestationResponse-Resp-2, ServerAuthenticatorAssertionResponse-Resp-2.

One table for both kinds; what is wrong with the client data is all that is wrong, and it is signed as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from demo.authenticator import from_base64url
from tests.conformance.kit import Credential, assertion, having, make, self_statement, without
from tests.conformance.tool import Browser, somebody

Json = dict[str, Any]
Change = Callable[[Json], Any]

UNREADABLE, TYPE, CHALLENGE, ORIGIN, BINDING = (
    "client_data_unreadable",
    "client_data_type_unexpected",
    "challenge_mismatch",
    "origin_unexpected",
    "token_binding_malformed",
)
NOT_TEXT: dict[str, Any] = {"a number": 7, "true": True, "null": None, "a list": ["x"], "an object": {}}
OTHER = {"webauthn.create": "webauthn.get", "webauthn.get": "webauthn.create"}


def rows(number: str, member: str, values: dict[str, Any], said: str) -> list[Any]:
    return [
        pytest.param(having(**{member: value}), said, id=f"{number} {member} is {because}")
        for because, value in values.items()
    ]


def encoded(change: Callable[[bytes], bytes]) -> Change:
    """The client data as it should be, with its bytes changed."""
    return lambda members: change(json.dumps(members).encode())


def respelt(member: str, change: Callable[[str], str]) -> Change:
    return lambda members: {**members, member: change(members[member])}


CASES = [
    pytest.param(without("type"), TYPE, id="F-1 no type"),
    *rows("F-2", "type", NOT_TEXT, TYPE),
    *rows("F-3", "type", {"empty": ""}, TYPE),
    *rows("F-4", "type", {"another": "webauthn.use", "in capitals": "WEBAUTHN.CREATE"}, TYPE),
    pytest.param(respelt("type", lambda word: OTHER[word]), TYPE, id="F-5 the other kind's type"),
    pytest.param(without("challenge"), UNREADABLE, id="F-6 no challenge"),
    *rows("F-7", "challenge", NOT_TEXT, UNREADABLE),
    *rows("F-8", "challenge", {"empty": ""}, CHALLENGE),
    *rows("F-9", "challenge", {"not base64url": "a*b?"}, CHALLENGE),
    pytest.param(respelt("challenge", lambda text: text + "="), CHALLENGE, id="F-9 challenge padded"),
    *rows("F-10", "challenge", {"another": "x" * 43}, CHALLENGE),
    pytest.param(respelt("challenge", lambda text: text[:-1]), CHALLENGE, id="F-10 challenge cut short"),
    pytest.param(
        respelt("challenge", lambda text: from_base64url(text).hex()), CHALLENGE, id="F-10 challenge in hex"
    ),
    pytest.param(without("origin"), UNREADABLE, id="F-11 no origin"),
    *rows("F-12", "origin", NOT_TEXT, UNREADABLE),
    *rows("F-13", "origin", {"empty": ""}, ORIGIN),
    *rows("F-14", "origin", {"another": "http://example.org", "null in a text": "null"}, ORIGIN),
    pytest.param(
        respelt("origin", lambda text: text.replace("http:", "https:")),
        ORIGIN,
        id="F-14 origin of another scheme",
    ),
    pytest.param(respelt("origin", lambda text: text + "0"), ORIGIN, id="F-14 origin of another port"),
    pytest.param(respelt("origin", lambda text: text + "/"), ORIGIN, id="F-14 origin with a path"),
    pytest.param(respelt("origin", str.upper), ORIGIN, id="F-14 origin in capitals"),
    *rows(
        "F-15", "tokenBinding", {"a text": "supported", "a number": 7, "null": None, "a list": []}, BINDING
    ),
    *rows("F-16", "tokenBinding", {"empty": {}, "without status": {"id": "AAAA"}}, BINDING),
    *rows(
        "F-17",
        "tokenBinding",
        {
            "of another status": {"status": "odd"},
            "of an empty status": {"status": ""},
            "of a status that is a number": {"status": 7},
            "of a status that is a list": {"status": ["present"]},
        },
        BINDING,
    ),
    # Beyond the documented list.
    pytest.param(encoded(lambda data: b""), "response_malformed", id="nothing"),
    pytest.param(encoded(lambda data: b"[]"), UNREADABLE, id="a list"),
    pytest.param(encoded(lambda data: b"null"), UNREADABLE, id="null"),
    pytest.param(encoded(lambda data: data[:-1]), UNREADABLE, id="cut short"),
    pytest.param(encoded(lambda data: data + b"x"), UNREADABLE, id="bytes behind it"),
    pytest.param(encoded(lambda data: data + data), UNREADABLE, id="twice"),
    pytest.param(encoded(lambda data: b"\xff" + data), UNREADABLE, id="no UTF-8"),
    pytest.param(encoded(lambda data: data.decode().encode("utf-16")), UNREADABLE, id="in UTF-16"),
    pytest.param(
        encoded(lambda data: data[:-1] + b',"type":"webauthn.create"}'), UNREADABLE, id="a member twice"
    ),
    *rows("cross", "crossOrigin", {"a text": "true", "a number": 1}, UNREADABLE),
    *rows("cross", "crossOrigin", {"true": True}, "cross_origin_denied"),
    *rows("cross", "topOrigin", {"another": "https://example.org"}, "top_origin_denied"),
    # What may be there.
    pytest.param(encoded(lambda data: b"\xef\xbb\xbf" + data), "ok", id="a byte order mark"),
    pytest.param(encoded(lambda data: data.replace(b", ", b",\n  ")), "ok", id="with white space"),
    *rows(
        "binding",
        "tokenBinding",
        {
            "supported": {"status": "supported"},
            "present": {"status": "present", "id": "AAAA"},
            "not supported": {"status": "not-supported"},
        },
        "ok",
    ),
    *rows("cross", "crossOrigin", {"false": False}, "ok"),
    *rows("more", "clientExtensions", {"of old": {}, "of any type": 7}, "ok"),
    *rows("more", "hashAlgorithm", {"of old": "SHA-256"}, "ok"),
    *rows("more", "new_keys_may_be_added_here", {"as browsers do": "do not compare"}, "ok"),
]


@pytest.fixture(scope="module")
def sam(host: Any) -> tuple[str, Credential]:
    browser, name = Browser(host.url), somebody()
    made = make(browser.attestation_options(name), origin=host.url)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    return name, made.credential


@pytest.mark.parametrize(("change", "said"), CASES)
def test_client_data_of_an_attestation(browser: Browser, change: Change, said: str) -> None:
    """Type, challenge and origin are there, texts, and what was asked; else failed, with the operator's reason."""
    made = make(browser.attestation_options(somebody()), origin=browser.url, client=change)
    assert browser.result("attestation", made.says(self_statement(made))).said == said


@pytest.mark.parametrize(("change", "said"), CASES)
def test_client_data_of_an_assertion(
    browser: Browser, sam: tuple[str, Credential], change: Change, said: str
) -> None:
    """The same of a sign-in."""
    name, credential = sam
    options = browser.assertion_options(name)
    body = assertion(options, credential, origin=browser.url, client=change)
    assert browser.result("assertion", body).said == said
