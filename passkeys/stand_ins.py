"""What is looked at in place of a credential that is nobody's, so that looking takes as long as at somebody's.

Its record is read and its key verifies the answer, as a stored one's would; whatever comes of it, the answer is refused. The
keys are P-256's and Ed25519's base points and an RSA modulus with many factors: anybody may sign for them, and gains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import cbor2

from passkeys.credentials import Attestation, CredentialRecord, dump_credential
from passkeys.decoys import EDDSA, ES256, RS256, model_of
from passkeys.response import encode_base64url

# Whom the directory is asked for on behalf of such a credential. What it says is not used.
NOBODY = "nobody@invalid"

PUBLIC_KEYS: Mapping[int, bytes] = MappingProxyType(
    {
        ES256: cbor2.dumps(
            {
                1: 2,
                3: ES256,
                -1: 1,
                -2: bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
                -3: bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
            }
        ),
        EDDSA: cbor2.dumps({1: 1, 3: EDDSA, -1: 6, -2: b"\x58" + b"\x66" * 31}),
        RS256: cbor2.dumps({1: 3, 3: RS256, -1: b"\xff" * 256, -2: b"\x01\x00\x01"}),
    }
)


def _record(algorithm: int, *, synced: bool) -> CredentialRecord:
    return CredentialRecord(
        credential_id=encode_base64url(bytes(32)),
        person=NOBODY,
        user_handle=encode_base64url(bytes(32)),
        public_key=encode_base64url(PUBLIC_KEYS[algorithm]),
        algorithm=algorithm,
        sign_count=0,
        aaguid="00000000-0000-0000-0000-000000000000",
        transports=("hybrid", "internal"),
        backup_eligible=synced,
        backup_state=synced,
        user_verified=True,
        attestation=Attestation("none", "none", chain_verified=False, model_proven=False),
        ceremony_id="registration-" + "0" * 32,
        created_at="2026-01-01T00:00:00.000000+00:00",
    )


_DOCUMENTS: Mapping[tuple[int, bool], bytes] = MappingProxyType(
    {
        (algorithm, synced): dump_credential(_record(algorithm, synced=synced))
        for algorithm in PUBLIC_KEYS
        for synced in (False, True)
    }
)


def stand_in_document(key: bytes, credential_id: bytes, offered: Sequence[int]) -> bytes:
    """The document of a record to look at for this id, such as a credential with it would have.

    `key` is that of the decoys; `offered` are the algorithms that registrations are offered: of those, the first that its
    model can. Verification takes as long as the algorithm does.
    """
    model = model_of(key, credential_id)
    algorithm = next((alg for alg in offered if alg in model.algorithms), ES256)
    return _DOCUMENTS[algorithm, model.synced]
