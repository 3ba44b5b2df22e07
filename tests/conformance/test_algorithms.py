"""The algorithms: ServerAuthenticatorAttestationResponse-Resp-4, packed self attestation with each."""

from __future__ import annotations

import pytest

from passkeys.algorithms import ALGORITHMS
from tests.conformance.kit import assertion, make, self_statement
from tests.conformance.tool import Browser, somebody

# By the documented numbers; those without one are ours beyond the list.
SUPPORTED = {
    "P-2 PS256": -37,
    "P-5 RS256": -257,
    "P-9 ES256": -7,
    "P-10 ES384": -35,
    "P-11 ES512": -36,
    "P-12 EdDSA": -8,
    "Ed448": -53,
    "ML-DSA-44": -48,
    "ML-DSA-65": -49,
    "ML-DSA-87": -50,
    "Ed25519": -19,
    "ESP256": -9,
    "ESP384": -51,
    "ESP512": -52,
}
# P-8 is not optional in the list, and is refused all the same: docs/conformance.md says why of each.
REFUSED = {
    "P-1 ES256K": -47,
    "P-3 PS384": -38,
    "P-4 PS512": -39,
    "P-6 RS384": -258,
    "P-7 RS512": -259,
    "P-8 RS1": -65535,
}


@pytest.mark.parametrize("alg", SUPPORTED.values(), ids=SUPPORTED)
def test_an_algorithm_that_is_offered(browser: Browser, alg: int) -> None:
    """It registers, and the credential then signs its owner in."""
    name = somebody()
    made = make(browser.attestation_options(name), origin=browser.url, alg=alg)
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"
    body = assertion(browser.assertion_options(name), made.credential, origin=browser.url)
    assert browser.result("assertion", body).said == "ok"


@pytest.mark.parametrize("alg", REFUSED.values(), ids=REFUSED)
def test_an_algorithm_that_is_not(browser: Browser, alg: int) -> None:
    """Neither offered nor taken, however correct its signature is."""
    options = browser.attestation_options(somebody())
    assert alg not in {offered["alg"] for offered in options["pubKeyCredParams"]}
    made = make(options, origin=browser.url, alg=alg)
    assert browser.result("attestation", made.says(self_statement(made))).said == "algorithm_not_offered"


def test_every_row_of_the_table_is_tried() -> None:
    """No algorithm is offered that no test here registers with."""
    assert set(SUPPORTED.values()) == set(ALGORITHMS)
