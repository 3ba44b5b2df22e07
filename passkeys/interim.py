"""Until passkeys.attestation is there: the package judges attestation statements, as before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from webauthn import verify_registration_response
from webauthn.helpers import decode_credential_public_key
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorAttestationResponse,
    RegistrationCredential,
)

from passkeys.authenticator_data import AttestationObject
from passkeys.credentials import Attestation
from passkeys.errors import RejectionCode, rejected_as
from passkeys.response import RegistrationResponse


def verify_statement(
    attestation_object: AttestationObject,
    *,
    response: RegistrationResponse,
    challenge: bytes,
    rp_id: str,
    origins: Collection[str],
    trust_anchors: Mapping[str, Sequence[bytes]],
) -> Attestation:
    """What the package makes of the statement."""
    name = attestation_object.fmt
    with rejected_as(RejectionCode.ATTESTATION_INVALID):
        attested = attestation_object.authenticator_data.attested_credential_data
        assert attested is not None
        if name == "none" and attestation_object.att_stmt == {}:
            return Attestation(format=name, type="none", chain_verified=False, model_proven=False)
        verify_registration_response(
            credential=RegistrationCredential(
                id=response.id,
                raw_id=response.raw_id,
                response=AuthenticatorAttestationResponse(
                    client_data_json=response.client_data_json,
                    attestation_object=response.attestation_object,
                ),
            ),
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=list(origins),
            require_user_presence=False,
            require_user_verification=False,
            supported_pub_key_algs=[decode_credential_public_key(attested.credential_public_key).alg],
            pem_root_certs_bytes_by_fmt={
                AttestationFormat(known): list(roots) for known, roots in trust_anchors.items()
            },
        )
        has_certificate = bool(attestation_object.att_stmt.get("x5c"))
        kind = "certificate" if has_certificate else "none" if name == "none" else "self"
        chain_verified = has_certificate and (
            name in ("android-key", "apple") or bool(trust_anchors.get(name))
        )
        return Attestation(format=name, type=kind, chain_verified=chain_verified, model_proven=False)
