"""The options: ServerPublicKeyCredentialCreationOptions-Req-1, ServerPublicKeyCredentialGetOptionsResponse-Req-1."""

from __future__ import annotations

from typing import Any

import pytest

from demo.authenticator import from_base64url
from passkeys.algorithms import ALGORITHMS
from tests.conformance.kit import make, self_statement
from tests.conformance.tool import EXTENSIONS, Browser, somebody

Json = dict[str, Any]


def test_creation_options(browser: Browser) -> None:
    """P-1: an `ok` without a message; user, rp, challenge, algorithms and timeout as the profile has them; extensions back."""
    name = somebody()
    options = browser.attestation_options(name, extensions=EXTENSIONS)
    user, rp = options["user"], options["rp"]
    assert (user["name"], user["displayName"]) == (name, "Bilbo Baggins")
    assert 1 <= len(from_base64url(user["id"])) <= 64
    assert isinstance(rp["name"], str)
    assert rp["id"] == "localhost"
    assert len(from_base64url(options["challenge"])) >= 16
    assert all(offered["type"] == "public-key" for offered in options["pubKeyCredParams"])
    assert {offered["alg"] for offered in options["pubKeyCredParams"]} == set(ALGORITHMS)
    assert options["timeout"] > 0
    assert options["extensions"] == EXTENSIONS


@pytest.mark.parametrize("attestation", ["none", "indirect", "direct"])
def test_attestation_as_asked(browser: Browser, attestation: str) -> None:
    """P-2: the conveyance that was asked for; none, if nothing was said."""
    assert browser.attestation_options(somebody(), attestation=attestation)["attestation"] == attestation
    assert browser.attestation_options(somebody(), attestation=None)["attestation"] == "none"


def test_challenges_differ(browser: Browser) -> None:
    """P-3, and P-2 of sign-ins: no two challenges are one, whether for the same name or another."""
    name = somebody()
    challenges = [browser.attestation_options(name)["challenge"] for _ in range(3)]
    challenges += [browser.assertion_options(name)["challenge"] for _ in range(3)]
    assert len(set(challenges)) == 6


def test_selection_as_asked(browser: Browser) -> None:
    """The authenticator selection comes back with what it leaves out in its default."""
    asked = {
        "requireResidentKey": False,
        "authenticatorAttachment": "cross-platform",
        "userVerification": "preferred",
    }
    options = browser.attestation_options(somebody(), authenticatorSelection=asked)
    assert options["authenticatorSelection"] == {**asked, "residentKey": "discouraged"}


@pytest.mark.parametrize("verification", ["required", "preferred", "discouraged"])
def test_request_options(browser: Browser, verification: str) -> None:
    """P-1 of sign-ins: the one credential that was registered, user verification and extensions as asked."""
    name = somebody()
    made = make(browser.attestation_options(name), origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    options = browser.assertion_options(name, userVerification=verification, extensions=EXTENSIONS)
    (allowed,) = options["allowCredentials"]
    assert (allowed["id"], allowed["type"]) == (made.credential.id, "public-key")
    assert len(from_base64url(options["challenge"])) >= 16
    assert (options["rpId"], options["userVerification"]) == ("localhost", verification)
    assert options["timeout"] > 0
    assert options["extensions"] == EXTENSIONS


def test_user_verification_is_preferred_by_default(browser: Browser) -> None:
    """The profile's default, in both kinds."""
    name = somebody()
    selection = browser.attestation_options(name)["authenticatorSelection"]
    assert selection["userVerification"] == "preferred"
    assert browser.assertion_options(name)["userVerification"] == "preferred"


def test_a_name_that_is_nobodys_is_answered_like_one_that_is_somebodys(browser: Browser) -> None:
    """The profile would have an error; whoever asks here learns no more of who exists than anywhere else."""
    name = somebody()
    made = make(browser.attestation_options(name), origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    known, unknown = browser.assertion_options(name), browser.assertion_options(somebody())
    assert unknown["allowCredentials"]
    assert {member: type(value) for member, value in known.items()} == {
        member: type(value) for member, value in unknown.items()
    }
