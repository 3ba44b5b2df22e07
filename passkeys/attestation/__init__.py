"""Whether an attestation statement is correct, and what it proves about the authenticator. WebAuthn L3 §6.5, §8.

One module a format, each a list of obligations with the section and step that asks for them; this one asks whom their
certificates lead to (§7.1 steps 21 to 24). Trust anchors come from the caller alone: a certificate that leads to
none of them is anybody's, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from webauthn.helpers.structs import AuthenticatorData

from passkeys.attestation import android_key, apple, compound, fido_u2f, none, packed, tpm
from passkeys.attestation.anchors import AnchorsInvalid, TrustAnchors, read_anchors
from passkeys.attestation.statement import STRICT, Lenience, Proof, Statement
from passkeys.certificates import ChainInvalid, verify_chain
from passkeys.credentials import Attestation
from passkeys.errors import Rejection, RejectionCode, rejected_as

__all__ = [
    "ALL_FORMATS",
    "STRICT",
    "AnchorsInvalid",
    "Lenience",
    "TrustAnchors",
    "read_anchors",
    "verify_statement",
]

# By identifier, as IANA registers them. android-safetynet is gone: its service was shut down.
FORMATS: Mapping[str, Callable[[Statement, Lenience], Proof]] = MappingProxyType(
    {
        "none": none.verify,
        "packed": packed.verify,
        "tpm": tpm.verify,
        "android-key": android_key.verify,
        "apple": apple.verify,
        "fido-u2f": fido_u2f.verify,
    }
)
ALL_FORMATS = (*FORMATS, "compound")


def verify_statement(
    *,
    fmt: str,
    att_stmt: Any,
    auth_data: bytes,
    authenticator_data: AuthenticatorData,
    client_data_hash: bytes,
    anchors: TrustAnchors,
    at: datetime,
    formats: Collection[str] = ALL_FORMATS,
    lenience: Lenience = STRICT,
    chains_exact: bool = False,
) -> Attestation:
    """Judge the statement about the credential in `auth_data`, which `authenticator_data` was read from.

    `att_stmt` is as CBOR gave it: a map, or of compound an array. Certificates are judged as of `at`. Only `formats`
    are taken, in a compound statement too. `chains_exact`: see `verify_chain`. Raises Rejection, and nothing else.

    What the caller still owes: whether a verdict as weak as "none", or a chain without an anchor, will do.
    """
    with rejected_as(RejectionCode.ATTESTATION_INVALID):
        # (1) We know the format, by its identifier, to the letter, and take it. L3 §7.1 step 21.
        if not isinstance(fmt, str) or fmt not in formats:
            raise Rejection(RejectionCode.ATTESTATION_FORMAT_UNSUPPORTED)
        if fmt == "compound":
            # L3 §8.9 steps 1 and 2.
            return compound.together(
                [
                    verify_statement(
                        fmt=part,
                        att_stmt=statement,
                        auth_data=auth_data,
                        authenticator_data=authenticator_data,
                        client_data_hash=client_data_hash,
                        anchors=anchors,
                        at=at,
                        formats=formats,
                        lenience=lenience,
                        chains_exact=chains_exact,
                    )
                    for part, statement in compound.parts(att_stmt)
                ]
            )
        attested = authenticator_data.attested_credential_data
        if attested is None:
            raise Rejection(RejectionCode.ATTESTED_CREDENTIAL_MISSING)
        statement = Statement(att_stmt, auth_data, authenticator_data.rp_id_hash, attested, client_data_hash)
        # (2) The statement is correct for its format. L3 §7.1 step 22.
        proof = FORMATS[fmt](statement, lenience)
        # (3) Its certificates lead to an anchor of ours, if there is any to lead to. L3 §7.1 steps 23 and 24.
        return _verdict(fmt, proof, anchors, at, chains_exact=chains_exact)


def _verdict(
    fmt: str, proof: Proof, anchors: TrustAnchors, at: datetime, *, chains_exact: bool
) -> Attestation:
    acceptable = anchors.acceptable(fmt, proof.model)
    if not proof.trust_path or not acceptable:
        return Attestation(fmt, proof.type, chain_verified=False, model_proven=False, model=proof.model)
    try:
        anchor = verify_chain(proof.trust_path, anchors=acceptable, at=at, exact=chains_exact)
    except ChainInvalid as invalid:
        raise Rejection(RejectionCode.ATTESTATION_CHAIN_INVALID, str(invalid)) from invalid
    # An anchor that several models share does not tell which of them this is. The certificate may, by the AAGUID in it,
    # or by being known to metadata itself.
    model_proven = (
        proof.certified
        or anchors.is_only(anchor, proof.model)
        or (proof.identified and proof.model in anchors.by_model)
    )
    return Attestation(fmt, proof.type, chain_verified=True, model_proven=model_proven, model=proof.model)
