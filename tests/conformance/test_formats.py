"""Attestation statements, a group each: ServerAuthenticatorAttestationResponse-Resp-5 to Resp-B, and Apple's besides.

Their trust anchors are in PASSKEYS_ATTESTATION_ROOTS, as the tool's would be. What is wrong is all that is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conformance.conftest import BATCH
from tests.conformance.kit import UP, UV, Made, having, make, self_statement, without
from tests.conformance.tool import Browser, somebody
from tests.passkeys.attestation.statements import (
    ROOT,
    aik_certificate,
    android,
    android_certificate,
    apple,
    apple_certificate,
    compound,
    description,
    ecdsa,
    packed,
    packed_certificate,
    public_area,
    rs1,
    rsa_aik,
    tpm,
    tpm_names,
    u2f,
    u2f_signed,
)
from tests.passkeys.authorities import Issued, authority, issue

Json = dict[str, Any]
Statement = Callable[[Made], Any]

NOW = datetime.now(UTC)
EXPIRED = (NOW - timedelta(days=700), NOW - timedelta(days=1))
NOT_YET = (NOW + timedelta(days=1), NOW + timedelta(days=700))
INTERMEDIATE = authority("intermediate", issuer=ROOT)
LOWEST = authority("lowest", issuer=INTERMEDIATE)
STRANGER = authority("a stranger's root")
NAMESAKE = issue(ROOT.certificate.subject, constraints=None)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
U2F_DATA: Json = {"aaguid": bytes(16), "flags": UP}


@dataclass(frozen=True, slots=True)
class Case:
    """A statement about what was made, and what is said of it: `ok`, or the operator's reason."""

    name: str
    fmt: Any
    statement: Statement
    said: str
    made_with: Json
    asked: Json


def case(
    name: str, fmt: Any, statement: Statement, said: str, *, asked: Json | None = None, **made_with: Any
) -> Any:
    return pytest.param(Case(name, fmt, statement, said, made_with, asked or {}), id=name)


def leaf(made: Made, **changed: Any) -> Issued:
    return packed_certificate(made.ceremony, **changed)


def full(certificate: Callable[[Made], Issued] = leaf, **members: Any) -> Statement:
    """Packed attestation with that certificate; members that are callable are made of what was made."""

    def statement(made: Made) -> Any:
        given = {name: value(made) if callable(value) else value for name, value in members.items()}
        return packed(made.ceremony, certificate=certificate(made), **given)

    return statement


def through(issuer: Issued) -> Callable[[Made], Issued]:
    return lambda made: leaf(made, issuer=issuer)


def chained(*behind: Issued, issuer: Issued | None = None) -> Statement:
    """A leaf that the first of these has issued, unless another has, with all of them after it in x5c."""

    def statement(made: Made) -> Any:
        certificate = leaf(made, issuer=issuer or behind[0])
        return packed(
            made.ceremony,
            certificate=certificate,
            x5c=[certificate.der, *(one.der for one in behind)],
        )

    return statement


CHAIN, SIGNATURE, MALFORMED = (
    "attestation_chain_invalid",
    "attestation_packed_signature_invalid",
    "attestation_packed_malformed",
)
FULL = [
    case("P-1 a batch certificate", "packed", full(), "ok"),
    case("P-2 a chain to the root", "packed", chained(INTERMEDIATE), "ok"),
    case("P-2 a longer chain to the root", "packed", chained(LOWEST, INTERMEDIATE), "ok"),
    case("P-3 a batch certificate that is its own anchor", "packed", full(lambda made: BATCH), "ok"),
    case("F-1 an unknown format", "unpacked", full(), "attestation_format_unsupported"),
    case("F-1 the format in capitals", "PACKED", full(), "attestation_format_unsupported"),
    case("F-2 a signature of nothing", "packed", full(sig=b"x"), SIGNATURE),
    case(
        "F-2 over other data",
        "packed",
        full(sig=lambda m: ecdsa(m.ceremony.attestation_key, b"x")),
        SIGNATURE,
    ),
    case(
        "F-3 no x5c",
        "packed",
        lambda m: without("x5c")(full()(m)),
        "attestation_packed_self_signature_invalid",
    ),
    case("F-4 x5c is bytes", "packed", full(x5c=b"x"), MALFORMED),
    case("F-4 x5c is a map", "packed", full(x5c={}), MALFORMED),
    case("F-4 x5c is null", "packed", full(x5c=None), MALFORMED),
    case("F-4 x5c of texts", "packed", full(x5c=["x"]), MALFORMED),
    case("F-5 x5c is empty", "packed", full(x5c=[]), MALFORMED),
    case("F-6 expired", "packed", full(lambda m: leaf(m, valid=EXPIRED)), CHAIN),
    case("F-7 not valid yet", "packed", full(lambda m: leaf(m, valid=NOT_YET)), CHAIN),
    case("F-9 a stranger's certificate", "packed", full(through(STRANGER)), CHAIN),
    case("F-9 of somebody of the root's name", "packed", full(through(NAMESAKE)), CHAIN),
    case("F-9 the intermediate left out", "packed", full(through(INTERMEDIATE)), CHAIN),
    case("F-9 the stranger's root sent along", "packed", chained(STRANGER), CHAIN),
    case("F-10 the root sent along", "packed", chained(INTERMEDIATE, ROOT), CHAIN),
    case("F-11 in another order", "packed", chained(INTERMEDIATE, LOWEST, issuer=LOWEST), CHAIN),
    case("F-11 with somebody who has no part in it", "packed", chained(INTERMEDIATE, STRANGER), CHAIN),
    case(
        "F-12 an expired intermediate",
        "packed",
        chained(authority("old", issuer=ROOT, valid=EXPIRED)),
        CHAIN,
    ),
    case("F-13 of another key", "packed", full(sig=lambda m: ecdsa(OTHER_KEY, m.ceremony.signed)), SIGNATURE),
    case(
        "F-14 of the credential's key",
        "packed",
        full(sig=lambda m: m.credential.sign(m.ceremony.signed)),
        SIGNATURE,
    ),
]
# Resp-3, the last of its cases.
STATEMENT = [
    case("F-13 an empty map", "packed", lambda m: {}, MALFORMED),
    *[
        case(f"{number} {name} is {because}", "packed", full(**{name: value}), MALFORMED)
        for number, name, because, value in (
            ("F-15", "alg", "a text", "ES256"),
            ("F-15", "alg", "true", True),
            ("F-15", "alg", "a fraction", -7.0),
            ("F-15", "alg", "null", None),
            ("F-18", "sig", "a text", "x"),
            ("F-18", "sig", "a list", []),
            ("F-18", "sig", "null", None),
            ("F-19", "sig", "empty", b""),
        )
    ],
    case("F-14 no alg", "packed", lambda m: without("alg")(full()(m)), MALFORMED),
    case("F-17 no sig", "packed", lambda m: without("sig")(full()(m)), MALFORMED),
    case("a member more", "packed", full(ecdaaKeyId=b"x"), MALFORMED),
    case("an alg that is not the key's", "packed", full(alg=-257), SIGNATURE),
]
SELF = [
    case("P-1", "packed", self_statement, "ok"),
    case(
        "F-1 an invalid signature",
        "packed",
        lambda m: self_statement(m, sig=ecdsa(OTHER_KEY, m.ceremony.signed)),
        "attestation_packed_self_signature_invalid",
    ),
    case("F-2 a full one in it", "packed", lambda m: self_statement(m, x5c=[leaf(m).der]), SIGNATURE),
    case("F-3 an unknown format", "self", self_statement, "attestation_format_unsupported"),
    case(
        "another algorithm than the key's",
        "packed",
        lambda m: self_statement(m, alg=-8),
        "attestation_packed_self_algorithm_mismatch",
    ),
]
NONE = [
    case(
        "P-1 packed self, though none was asked for",
        "packed",
        self_statement,
        "ok",
        asked={"attestation": "none"},
    ),
    case("P-2 none", "none", lambda m: {}, "ok", asked={"attestation": "none"}),
    case("none, though direct was asked for", "none", lambda m: {}, "ok"),
    case(
        "F-1 a full statement called none",
        "none",
        full(),
        "attestation_none_not_empty",
        asked={"attestation": "none"},
    ),
]
U2F = [
    case("P-1", "fido-u2f", lambda m: u2f(m.ceremony), "ok", **U2F_DATA),
    case(
        "F-1 an AAGUID that is not zero",
        "fido-u2f",
        lambda m: u2f(m.ceremony),
        "attestation_fido_u2f_aaguid_not_zero",
        flags=UP,
    ),
    case(
        "F-2 an invalid signature",
        "fido-u2f",
        lambda m: u2f(m.ceremony, sig=ecdsa(OTHER_KEY, u2f_signed(m.ceremony))),
        "attestation_fido_u2f_signature_invalid",
        **U2F_DATA,
    ),
    case(
        "two certificates",
        "fido-u2f",
        lambda m: u2f(m.ceremony, x5c=[leaf(m).der] * 2),
        "attestation_fido_u2f_certificate_count",
        **U2F_DATA,
    ),
    case(
        "another key than P-256's",
        "fido-u2f",
        lambda m: u2f(m.ceremony),
        "attestation_fido_u2f_public_key_unsuitable",
        alg=-35,
        **U2F_DATA,
    ),
]


def fido_vendor() -> Issued:
    """FIDO's own vendor of TPMs, which its tools are."""
    return aik_certificate(names=(tpm_names(vendor=["id:FFFFF1D0"]), True))


def named_otherwise(made: Made) -> Any:
    """The attested name by another hash than the public area says."""
    area = public_area(made.ceremony)
    return tpm(made.ceremony, info={"name": b"\x00\x0c" + hashlib.sha384(area).digest()})


TPM = [
    case("P-1 SHA-256, an RSA key", "tpm", lambda m: tpm(m.ceremony), "ok", alg=-257),
    case("P-1 SHA-256, an elliptic curve's key", "tpm", lambda m: tpm(m.ceremony), "ok"),
    case(
        "P-1 of the vendor of FIDO's tools", "tpm", lambda m: tpm(m.ceremony, certificate=fido_vendor()), "ok"
    ),
    case(
        "P-2 SHA-1",
        "tpm",
        lambda m: tpm(m.ceremony, hash_name="sha1", certificate=rsa_aik(), sign=rs1, alg=-65535),
        "ok",
        alg=-257,
    ),
    # The list has it succeed. WebAuthn L3 §8.3 asks for the name by the public area's own nameAlg: docs/conformance.md.
    case("P-3 named by another hash", "tpm", named_otherwise, "attestation_tpm_name_mismatch"),
    case(
        "F-1 certificates in another order",
        "tpm",
        lambda m: tpm(m.ceremony, x5c=[INTERMEDIATE.der, aik_certificate(issuer=INTERMEDIATE).der]),
        "attestation_tpm_subject_not_empty",
    ),
    case(
        "F-2 another extraData",
        "tpm",
        lambda m: tpm(m.ceremony, info={"extra": bytes(32)}),
        "attestation_tpm_extra_data_mismatch",
    ),
    case(
        "F-3 another magic",
        "tpm",
        lambda m: tpm(m.ceremony, info={"magic": b"\x00TCG"}),
        "attestation_tpm_magic_unexpected",
    ),
    case(
        "F-4 another key in pubArea",
        "tpm",
        lambda m: tpm(m.ceremony, area=public_area(m.ceremony, key=OTHER_KEY)),
        "attestation_tpm_public_key_mismatch",
    ),
]
ANDROID_KEY = [
    case("P-1", "android-key", lambda m: android(m.ceremony), "ok"),
    case(
        "F-1 another challenge in it",
        "android-key",
        lambda m: android(
            m.ceremony,
            certificate=android_certificate(
                m.ceremony, extension=description(m.ceremony, challenge=bytes(32))
            ),
        ),
        "attestation_android_key_challenge_mismatch",
    ),
    case(
        "F-2 another public key in it",
        "android-key",
        lambda m: android(m.ceremony, certificate=android_certificate(m.ceremony, key=OTHER_KEY)),
        "attestation_android_key_public_key_mismatch",
    ),
    case(
        "F-3 certificates in another order",
        "android-key",
        lambda m: android(
            m.ceremony, x5c=[INTERMEDIATE.der, android_certificate(m.ceremony, issuer=INTERMEDIATE).der]
        ),
        "attestation_android_key_signature_invalid",
    ),
]
SAFETYNET = [
    # The service was shut down: nobody can make one any more, and none is taken. P-1 would succeed by the list.
    case(
        "P-1 and F-1 to F-7",
        "android-safetynet",
        lambda m: {"ver": "1", "response": b"x"},
        "attestation_format_unsupported",
    )
]
BEYOND = [
    case("apple", "apple", lambda m: apple(m.ceremony), "ok"),
    case(
        "apple, with another nonce",
        "apple",
        lambda m: apple(m.ceremony, certificate=apple_certificate(m.ceremony, nonce=bytes(32))),
        "attestation_apple_nonce_mismatch",
    ),
    case(
        "compound",
        "compound",
        lambda m: compound(("none", {}), ("packed", full()(m))),
        "ok",
    ),
    case(
        "compound, one of them wrong",
        "compound",
        lambda m: compound(("none", {}), ("packed", full(sig=b"x")(m))),
        SIGNATURE,
    ),
    case("a format that is a number", 7, lambda m: {}, "attestation_object_unreadable"),
]
GROUPS = {
    "Resp-3 attStmt": STATEMENT,
    "Resp-5 packed full": FULL,
    "Resp-6 packed self": SELF,
    "Resp-7 none": NONE,
    "Resp-8 fido-u2f": U2F,
    "Resp-9 tpm": TPM,
    "Resp-A android-key": ANDROID_KEY,
    "Resp-B android-safetynet": SAFETYNET,
    "beyond the list": BEYOND,
}


@pytest.mark.parametrize(
    "tried",
    [pytest.param(*row.values, id=f"{group} {row.id}") for group, cases in GROUPS.items() for row in cases],
)
def test_a_statement(browser: Browser, tried: Case) -> None:
    """Correct for its format and led to an anchor of ours, or refused with the obligation that it failed."""
    options = browser.attestation_options(somebody(), **tried.asked)
    made = make(options, origin=browser.url, **{"flags": UP | UV, **tried.made_with})
    body = made.says(tried.statement(made), fmt=tried.fmt, envelope=having())
    assert browser.result("attestation", body).said == tried.said
