"""The structure of what is sent: ServerAuthenticatorAttestationResponse-Resp-1, ServerAuthenticatorAssertionResponse-Resp-1.

What has not the shape of an answer is refused at the door: 4xx, no ceremony ends of it, and its challenge is still good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.kit import Credential, assertion, having, make, of_another_key, self_statement, without
from tests.conformance.tool import Browser, ok, somebody

Json = dict[str, Any]
Change = Callable[[Json], Any]
MALFORMED = "response_malformed"

NOT_TEXT: dict[str, Any] = {
    "a number": 7,
    "true": True,
    "null": None,
    "a list": ["id"],
    "an object": {"id": "x"},
}
NOT_BASE64URL = {"other characters": "a*b?", "padded": "AAAA====", "one character": "A", "stray bits": "AB"}
NO_OBJECT: dict[str, Any] = {"a number": 7, "a text": "response", "null": None, "a list": [], "false": False}


def rows(number: str, member: str, values: dict[str, Any], *, said: str = MALFORMED) -> list[Any]:
    return [
        pytest.param(having(**{member: value}), said, id=f"{number} {member} is {because}")
        for because, value in values.items()
    ]


# Of the credential itself, the same in both kinds.
ENVELOPE = [
    pytest.param(without("id"), MALFORMED, id="F-1 no id"),
    *rows("F-2", "id", NOT_TEXT),
    *rows("F-3", "id", {**NOT_BASE64URL, "empty": ""}),
    pytest.param(without("type"), MALFORMED, id="F-4 no type"),
    *rows("F-5", "type", NOT_TEXT),
    *rows(
        "F-6",
        "type",
        {"another": "private-key", "in capitals": "PUBLIC-KEY"},
        said="credential_type_unexpected",
    ),
    *rows("F-6", "type", {"empty": ""}),
    pytest.param(without("response"), MALFORMED, id="F-7 no response"),
    *rows("F-8", "response", NO_OBJECT),
    # Beyond the documented list: a rawId, which the profile leaves out and browsers send.
    *rows("rawId", "rawId", {"empty": "", **NOT_TEXT, **NOT_BASE64URL}),
    *rows("results", "getClientExtensionResults", NO_OBJECT),
]
CLIENT_DATA_JSON = [
    pytest.param(without("clientDataJSON"), MALFORMED, id="F-9 no clientDataJSON"),
    *rows("F-10", "clientDataJSON", NOT_TEXT),
    *rows("F-11", "clientDataJSON", {"empty": "", **NOT_BASE64URL}),
]
ATTESTATION = [
    *CLIENT_DATA_JSON,
    pytest.param(without("attestationObject"), MALFORMED, id="F-12 no attestationObject"),
    *rows("F-13", "attestationObject", NOT_TEXT),
    *rows("F-14", "attestationObject", {"empty": "", **NOT_BASE64URL}),
]
ASSERTION = [
    *CLIENT_DATA_JSON,
    pytest.param(without("authenticatorData"), MALFORMED, id="F-12 no authenticatorData"),
    *rows("F-13", "authenticatorData", NOT_TEXT),
    *rows("F-14", "authenticatorData", NOT_BASE64URL),
    *rows("F-15", "authenticatorData", {"empty": ""}),
    pytest.param(without("signature"), MALFORMED, id="F-16 no signature"),
    *rows("F-17", "signature", NOT_TEXT),
    *rows("F-18", "signature", NOT_BASE64URL),
    *rows("F-19", "signature", {"empty": ""}),
    *rows("F-21", "userHandle", {name: value for name, value in NOT_TEXT.items() if value is not None}),
    *rows("userHandle", "userHandle", NOT_BASE64URL),
    *rows("userHandle", "userHandle", {"somebody else's": "AAAA"}, said="user_handle_mismatch"),
]


@pytest.fixture(scope="module")
def frodo(host: Any) -> tuple[str, Credential]:
    """Somebody who has registered, for the sign-ins."""
    browser, name = Browser(host.url), somebody()
    made = make(browser.attestation_options(name), origin=host.url)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    return name, made.credential


def test_excluded_credentials(browser: Browser) -> None:
    """P-1: options for a name that has registered exclude what it has, by id and type; for a new one, nothing."""
    name = somebody()
    options = browser.attestation_options(name)
    assert options["excludeCredentials"] == []
    made = make(options, origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    (excluded,) = browser.attestation_options(name)["excludeCredentials"]
    assert (excluded["id"], excluded["type"]) == (made.credential.id, "public-key")


@pytest.mark.parametrize(
    ("change", "said"),
    [*ENVELOPE, *rows("rawId", "rawId", {"another": "AAAA"}, said="credential_id_mismatch")],
)
def test_attestation_envelope(browser: Browser, change: Change, said: str) -> None:
    """Resp-1: id, type and response are there, of their types, and what they must be; else failed."""
    made = make(browser.attestation_options(somebody()), origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made), body=change)).said == said
    if said == MALFORMED:
        assert browser.result("attestation", made.says(self_statement(made))).said == "ok"


@pytest.mark.parametrize(("change", "said"), ATTESTATION)
def test_attestation_response(browser: Browser, change: Change, said: str) -> None:
    """Resp-1: the same of clientDataJSON and attestationObject."""
    made = make(browser.attestation_options(somebody()), origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made), response=change)).said == said


# A sign-in's credential is looked up by what it is said to be: another one is nobody's.
@pytest.mark.parametrize(
    ("change", "said"), [*ENVELOPE, *rows("rawId", "rawId", {"another": "AAAA"}, said="credential_unknown")]
)
def test_assertion_envelope(
    browser: Browser, frodo: tuple[str, Credential], change: Change, said: str
) -> None:
    """Resp-1 of assertions: the credential around the response."""
    name, credential = frodo
    options = browser.assertion_options(name)
    body = assertion(options, credential, origin=browser.url, body=change)
    assert browser.result("assertion", body).said == said


@pytest.mark.parametrize(("change", "said"), ASSERTION)
def test_assertion_response(
    browser: Browser, frodo: tuple[str, Credential], change: Change, said: str
) -> None:
    """Resp-1 of assertions: clientDataJSON, authenticatorData, signature and userHandle."""
    name, credential = frodo
    options = browser.assertion_options(name)
    body = assertion(options, credential, origin=browser.url, response=change)
    assert browser.result("assertion", body).said == said


def test_a_valid_assertion(browser: Browser, frodo: tuple[str, Credential]) -> None:
    """P-1; and F-20 beside it: a signature of another key, or over other data."""
    name, credential = frodo

    def verdict(signer: Credential = credential, **changed: Any) -> str:
        options = browser.assertion_options(name)
        body = assertion(options, signer, origin=browser.url, **changed)
        return browser.result("assertion", body).said

    assert verdict() == "ok"
    assert verdict(of_another_key(credential)) == "signature_invalid"
    assert verdict(signature=lambda made: made[:-1] + bytes([made[-1] ^ 1])) == "signature_invalid"
    assert verdict(signed=lambda data: data + b"\x00") == "signature_invalid"
    assert verdict() == "ok"


def test_whole_bodies_that_are_nothing(browser: Browser) -> None:
    """No object, no JSON, nothing at all, too much, too deep: failed, and the ceremony is still to be answered."""
    made = make(browser.attestation_options(somebody()), origin=browser.url)
    bodies: list[Any] = [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"\xff",
        {},
        b"[" * 5000,
        b'{"id":' * 40 + b"1" + b"}" * 40,
    ]
    for body in bodies:
        assert browser.result("attestation", body).answer.status == 400
    assert browser.result("attestation", b" " * 70_000).answer.status == 413
    assert browser.post("/attestation/result", b"x", headers={"Content-Type": "text/plain"}).status == 415
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"


def test_the_last_line_of_each_kind(browser: Browser, frodo: tuple[str, Credential]) -> None:
    """An attestation is no answer to a sign-in, nor an assertion to a registration: each has its own cookie."""
    name, credential = frodo
    made = make(browser.attestation_options(somebody()), origin=browser.url)
    signed = assertion(browser.assertion_options(name), credential, origin=browser.url)
    assert browser.result("attestation", signed).said == MALFORMED
    assert browser.result("assertion", made.says(self_statement(made))).said == MALFORMED
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    assert browser.result("assertion", signed).said == "ok"


def test_a_second_browser_has_no_part_in_it(browser: Browser) -> None:
    """Without the cookie, or with one of its own, it cannot finish what another began."""
    made = make(browser.attestation_options(somebody()), origin=browser.url)
    body = made.says(self_statement(made))
    stranger = Browser(browser.url)
    assert stranger.result("attestation", body).said == "request_malformed"
    ok(stranger.post("/attestation/options", {"username": somebody(), "displayName": "Gollum"}))
    assert stranger.result("attestation", body).said == "challenge_mismatch"
    assert browser.result("attestation", body).said == "ok"
    assert browser.result("attestation", body).said == "request_malformed"
