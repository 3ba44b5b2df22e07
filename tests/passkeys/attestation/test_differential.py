"""Our verdicts beside those of `webauthn` 3.0.1 on the same statements: every difference is named, and we are the stricter.

An upgrade of the package that closes a gap, or opens one, fails here.
"""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from webauthn import verify_registration_response
from webauthn.helpers import bytes_to_base64url, parse_client_data_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorAttestationResponse,
    RegistrationCredential,
)

from passkeys.errors import RejectionCode as Code
from tests.passkeys.attestation.cases import ACCEPTED, CASES, Case
from tests.passkeys.attestation.statements import FORMATS, ROOT, VECTORS, W3C, Ceremony, ceremony, judge
from tests.passkeys.attestation.test_obligations import format_of

# What the package accepts and we refuse: by code, where it accepts every case of it; otherwise by case.
THEY_ACCEPT = {
    Code.ATTESTATION_PACKED_CERTIFICATE_VERSION: "it checks nothing of §8.2.1",
    Code.ATTESTATION_PACKED_SUBJECT_COUNTRY: "it checks nothing of §8.2.1",
    Code.ATTESTATION_PACKED_SUBJECT_ORGANIZATION: "it checks nothing of §8.2.1",
    Code.ATTESTATION_PACKED_SUBJECT_UNIT: "it checks nothing of §8.2.1",
    Code.ATTESTATION_PACKED_SUBJECT_NAME: "it checks nothing of §8.2.1",
    Code.ATTESTATION_PACKED_CERTIFICATE_AUTHORITY: "it checks nothing of §8.2.1",
    "attestation_packed_firmware_malformed: negative": "it checks nothing of §8.2.1",
    "attestation_packed_firmware_malformed: no INTEGER": "it checks nothing of §8.2.1",
    "attestation_packed_firmware_malformed: bytes behind it": "it checks nothing of §8.2.1",
    Code.ATTESTATION_PACKED_ENTERPRISE_UNASKED: "it does not look for §8.2.2",
    Code.ATTESTATION_PACKED_AAGUID_MALFORMED: "it never compares the certificate's AAGUID",
    Code.ATTESTATION_PACKED_AAGUID_MISMATCH: "it never compares the certificate's AAGUID",
    Code.ATTESTATION_TPM_AAGUID_MISMATCH: "it never compares the certificate's AAGUID",
    "attestation_packed_malformed: a member too many": "it ignores members that it does not know",
    "attestation_packed_malformed: an early draft's ecdaaKeyId instead of x5c": "it takes it for self attestation",
    "attestation_tpm_malformed: a member too many": "it ignores members that it does not know",
    "attestation_apple_malformed: a member too many": "it ignores members that it does not know",
    "attestation_apple_malformed: alg is a text": "it ignores members that it does not know",
    "attestation_fido_u2f_malformed: a member too many": "it ignores members that it does not know",
    "attestation_none_not_empty: an empty array": "any statement without known members will do",
    "attestation_tpm_public_key_mismatch: a curve that is not P-256 either": "it takes BN_P256 for P-256",
    "attestation_tpm_public_key_mismatch: coordinates cut elsewhere": "it compares x and y run together",
    "attestation_tpm_public_key_mismatch: bytes behind it": "its reader looks at no end",
    "attestation_tpm_public_key_mismatch: another size": "it does not look at keyBits",
    Code.ATTESTATION_TPM_KEY_NOT_BOUND: "WebAuthn does not ask for it; we do",
    "attestation_tpm_signature_invalid: right, by no algorithm of a TPM": "it hashes with SHA-256 where alg has no hash",
    "attestation_tpm_alternative_name: not critical": "it does not look",
    "attestation_tpm_alternative_name: two vendors": "the last one counts",
    "attestation_tpm_cert_info_unreadable: bytes behind it": "its reader looks at no end",
    "attestation_tpm_cert_info_unreadable: cut short": "its reader looks at no end",
    "attestation_tpm_name_mismatch: by another algorithm than pubArea's": "it takes the algorithm from the name itself",
    "attestation_apple_nonce_mismatch: in another wrapping": "it skips the first six bytes, whatever they are",
}
# What the package refuses and we accept.
THEY_REFUSE = {
    "tpm, with more usages": "it looks at the first usage only; §8.3.1 says 'contain'",
    "android-key": "it takes the last certificate for the root, and then has none left",
    "android-key, saying more": "the same; and its schema refuses a root of trust of the first versions",
    "compound": "it does not know the format",
    # Vectors, with the exemptions that W3C needs.
    "tpm.ES256": "it has no argument for further vendors",
    "android-key.ES256": "it takes the last certificate for the root, and then has none left",
    "fido-u2f.ES256": "it has no argument for an AAGUID",
}
# It has no ES384 and no Ed448 credential keys; the statements about them it never gets to.
UNKNOWN_KEYS = ("packed.ES384", "packed.Ed448")
# What it raises besides its own errors, which ours must not.
ESCAPES = (KeyError, TypeError, AttributeError, ValueError)


def accepted_by_webauthn(on: Ceremony, statement: Any, fmt: Any) -> bool:
    response = AuthenticatorAttestationResponse(
        client_data_json=on.client_data,
        attestation_object=cbor2.dumps({"fmt": fmt, "attStmt": statement, "authData": on.auth_data}),
    )
    client_data = parse_client_data_json(on.client_data)
    try:
        verify_registration_response(
            credential=RegistrationCredential(
                id=bytes_to_base64url(on.credential_id), raw_id=on.credential_id, response=response
            ),
            expected_challenge=client_data.challenge,
            expected_rp_id="example.org",
            expected_origin="https://example.org",
            supported_pub_key_algs=list(COSEAlgorithmIdentifier),
            pem_root_certs_bytes_by_fmt={
                AttestationFormat(named): [ROOT.certificate.public_bytes(Encoding.PEM)] for named in FORMATS
            },
        )
    except (WebAuthnException, *ESCAPES):
        return False
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_we_refuse(case: Case) -> None:
    """The package refuses it too, unless the table says why not."""
    named = case.code in THEY_ACCEPT or case.id in THEY_ACCEPT
    assert accepted_by_webauthn(case.on, case.make(), format_of(case)) is named


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_we_accept(name: str) -> None:
    """The package accepts it too, unless the table says why not."""
    on, make = ACCEPTED[name]
    fmt = name.partition(",")[0].partition(" ")[0]
    assert accepted_by_webauthn(on, make(), fmt) is (name not in THEY_REFUSE)


@pytest.mark.parametrize("name", [name for name in VECTORS if name not in UNKNOWN_KEYS])
def test_the_vectors(name: str) -> None:
    """With W3C's exemptions we accept all; the package accepts them too, unless the table says why not."""
    vector = ceremony(name)
    assert judge(vector, vector.att_stmt, lenience=W3C)
    assert accepted_by_webauthn(vector, vector.att_stmt, vector.fmt) is (name not in THEY_REFUSE)


def test_no_difference_is_named_that_is_not_there() -> None:
    """Every row of the tables is of a code, a case, a statement or a vector that exists."""
    known = {case.id for case in CASES} | {case.code for case in CASES} | set(ACCEPTED) | set(VECTORS)
    assert {*THEY_ACCEPT, *THEY_REFUSE} <= known
