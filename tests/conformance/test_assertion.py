"""Sign-ins: ServerAuthenticatorAssertionResponse-Resp-3, and what else an assertion can be wrong in."""

from __future__ import annotations

import hashlib
from typing import Any

import cbor2
import pytest

from tests.conformance.kit import (
    AT,
    BE,
    BS,
    ED,
    UP,
    UV,
    Credential,
    assertion,
    having,
    make,
    self_statement,
    without,
)
from tests.conformance.tool import EXTENSIONS, Browser, somebody

Json = dict[str, Any]
UNREADABLE = "authenticator_data_unreadable"


def registered(browser: Browser, **made_with: Any) -> tuple[str, Credential]:
    name = somebody()
    made = make(browser.attestation_options(name), origin=browser.url, **made_with)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    return name, made.credential


def signing_in(
    browser: Browser, who: tuple[str, Credential], asked: Json | None = None, **changed: Any
) -> str:
    name, credential = who
    options = browser.assertion_options(name, **(asked or {}))
    return browser.result("assertion", assertion(options, credential, origin=browser.url, **changed)).said


@pytest.fixture(scope="module")
def rosie(host: Any) -> tuple[str, Credential]:
    """Somebody whose authenticator does not count."""
    return registered(Browser(host.url))


FLAGS = [
    ("P-2 required, verified", "required", UP | UV, "ok"),
    ("P-3 required, both", "required", UV | UP, "ok"),
    ("P-5 discouraged, present", "discouraged", UP, "ok"),
    ("P-6 discouraged, verified", "discouraged", UP | UV, "ok"),
    ("F-5 required, present alone", "required", UP, "user_not_verified"),
    ("preferred, present", "preferred", UP, "ok"),
    # The list has these two succeed. WebAuthn L3 §7.2 step 16 has no exception, so they do not: docs/conformance.md.
    ("P-4 preferred, neither", "preferred", 0, "user_not_present"),
    ("P-7 discouraged, neither", "discouraged", 0, "user_not_present"),
    ("required, verified and not present", "required", UV, "user_not_present"),
    ("required, neither", "required", 0, "user_not_present"),
    ("backed up and not eligible", "preferred", UP | UV | BS, "backup_state_inconsistent"),
    ("eligible all of a sudden", "preferred", UP | UV | BE, "backup_eligibility_changed"),
    ("a reserved bit", "preferred", UP | UV | 0x02, "ok"),
    ("AT set, no data", "preferred", UP | UV | AT, UNREADABLE),
    ("ED set, no extensions", "preferred", UP | UV | ED, UNREADABLE),
]


@pytest.mark.parametrize(("asked", "flags", "said"), [r[1:] for r in FLAGS], ids=[r[0] for r in FLAGS])
def test_flags(browser: Browser, rosie: tuple[str, Credential], asked: str, flags: int, said: str) -> None:
    """User verification is held against what was asked, user presence against WebAuthn."""
    assert signing_in(browser, rosie, {"userVerification": asked}, flags=flags) == said


def test_counters(browser: Browser) -> None:
    """P-1, F-4: a count that stays zero says nothing; one that has begun must grow, and is never lowered."""
    still = registered(browser)
    assert [signing_in(browser, still, count=0) for _ in range(2)] == ["ok", "ok"]
    counting = registered(browser, count=5)
    refused = "sign_count_not_increased"
    asked = [(6, "ok"), (6, refused), (5, refused), (0, refused), (7, "ok"), (2**32 - 1, "ok"), (1, refused)]
    assert [(count, signing_in(browser, counting, count=count)) for count, _ in asked] == asked


CHANGES = [
    # What the list has.
    pytest.param({"auth_data": lambda d: d + b"\x00\x01"}, UNREADABLE, id="F-1 bytes behind it"),
    pytest.param({"rp_id": "example.org"}, "rp_id_mismatch", id="F-2 of another RP"),
    pytest.param({"auth_data": lambda d: bytes(32) + d[32:]}, "rp_id_mismatch", id="F-2 of no RP"),
    pytest.param(
        {"signed": lambda s: s[:37] + hashlib.sha256(b"x").digest()},
        "signature_invalid",
        id="F-3 another hash signed",
    ),
    # Beyond it.
    pytest.param({"auth_data": lambda d: d[:36]}, UNREADABLE, id="36 bytes"),
    pytest.param({"auth_data": lambda d: d[:1]}, UNREADABLE, id="one byte"),
    pytest.param({"signed": lambda s: s[37:]}, "signature_invalid", id="the client data alone signed"),
    pytest.param({"signed": lambda s: s[:37]}, "signature_invalid", id="authenticator data alone signed"),
    pytest.param({"signature": lambda s: s + b"\x00"}, "signature_invalid", id="a byte behind the signature"),
    pytest.param({"signature": lambda s: bytes(len(s))}, "signature_invalid", id="a signature of zeros"),
    pytest.param({"extensions": {"a": 1}}, "ok", id="extensions that nobody asked for"),
    pytest.param({"extensions": [1]}, "extension_output_invalid", id="extensions are a list"),
    pytest.param(
        {"extensions": {"a": 1}, "auth_data": lambda d: d + b"\x00"},
        UNREADABLE,
        id="a byte behind extensions",
    ),
    pytest.param(
        {"extensions": {"a": 1}, "auth_data": lambda d: d[:32] + bytes([UP | UV]) + d[33:]},
        UNREADABLE,
        id="extensions, ED not set",
    ),
    pytest.param({"response": without("userHandle")}, "ok", id="no user handle"),
    pytest.param({"response": having(userHandle=None)}, "ok", id="a user handle that is null"),
    pytest.param({"response": having(userHandle="AAAA")}, "user_handle_mismatch", id="another's user handle"),
]


@pytest.mark.parametrize(("changed", "said"), CHANGES)
def test_authenticator_data_and_signature(
    browser: Browser, rosie: tuple[str, Credential], changed: Json, said: str
) -> None:
    """What is signed is whole, this RP's, and signed by the registered key."""
    assert signing_in(browser, rosie, **changed) == said


def test_extensions_that_were_asked_for(browser: Browser, rosie: tuple[str, Credential]) -> None:
    """P-8: with ED set and the extension that was asked for, the response is accepted."""
    assert signing_in(browser, rosie, {"extensions": EXTENSIONS}, extensions=EXTENSIONS) == "ok"


def test_the_user_handle_of_its_owner(browser: Browser) -> None:
    """The one of the options of the registration."""
    name = somebody()
    options = browser.attestation_options(name)
    made = make(options, origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    handle = having(userHandle=options["user"]["id"])
    assert signing_in(browser, (name, made.credential), response=handle) == "ok"


def test_somebody_elses_credential(browser: Browser, rosie: tuple[str, Credential]) -> None:
    """A sign-in that begins with one name does not end with another's credential."""
    other, _ = registered(browser)
    assert signing_in(browser, (other, rosie[1])) == "credential_owner_mismatch"


def test_a_credential_that_nobody_registered(browser: Browser, rosie: tuple[str, Credential]) -> None:
    """Its id is not among those that were allowed; nor is there any for a name that is nobody's."""
    name, _ = rosie
    stranger = make({"user": {"id": "AA"}, "rp": {"id": "localhost"}, "challenge": "AA"}, origin=browser.url)
    assert signing_in(browser, (name, stranger.credential)) == "credential_unknown"
    assert signing_in(browser, (somebody(), stranger.credential)) == "credential_unknown"


def test_two_credentials_of_one_person(browser: Browser, rosie: tuple[str, Credential]) -> None:
    """Either is allowed, and either signs in."""
    name, first = registered(browser)
    made = make(browser.attestation_options(name), origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    allowed = {one["id"] for one in browser.assertion_options(name)["allowCredentials"]}
    assert allowed == {first.id, made.credential.id}
    assert [signing_in(browser, (name, one)) for one in (first, made.credential)] == ["ok", "ok"]


def test_an_answer_is_taken_once(browser: Browser, rosie: tuple[str, Credential]) -> None:
    """The first one ends the ceremony, even a wrong one; the cookie goes with it."""
    name, credential = rosie
    options = browser.assertion_options(name)
    kept = dict(browser.cookies)
    wrong = assertion(options, credential, origin=browser.url, signature=lambda s: bytes(len(s)))
    assert browser.result("assertion", wrong).said == "signature_invalid"
    right = assertion(options, credential, origin=browser.url)
    assert browser.result("assertion", right).said == "request_malformed"
    browser.cookies.update(kept)
    answer = browser.post("/assertion/result", right)
    assert (answer.status, answer.body["status"]) == (409, "failed")


def test_cbor_that_is_no_extension_map(browser: Browser, rosie: tuple[str, Credential]) -> None:
    """Bytes where extensions should be, ED set: unreadable, or not a map; never a yes."""
    for junk in (b"\xff", b"\x1b", b"\xbf", cbor2.dumps("x"), b"\xa1\x61a"):
        said = signing_in(browser, rosie, flags=UP | UV | ED, auth_data=lambda d, junk=junk: d + junk)
        assert said in (UNREADABLE, "extension_output_invalid")
