"""Metadata BLOBs made and signed for the tests, right or wrong in one point. The makers of certificates are `authorities`."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, serialize_compact

from tests.passkeys.authorities import Issued, authority, issue

Json = dict[str, Any]

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SIGNER = "mds.fidoalliance.org"
AAGUID = "d0a6dd1e-5ab7-470a-9c3f-deb3ab1e0001"
"""The model of demo.authenticator."""
OTHER = "ee882879-721c-4913-9775-3dfcce97072a"
KEY_IDENTIFIER = "bf7bcaa0d0c6187a8c6abbdd16a15640e7c7bde2"
# A PNG of one pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def for_host(name: str) -> tuple[x509.ExtensionType, bool]:
    return x509.SubjectAlternativeName([x509.DNSName(name)]), False


ROOT = authority("A root for metadata")
INTERMEDIATE = authority("An intermediate for metadata", issuer=ROOT)
LEAF = issue("FIDO", issuer=INTERMEDIATE, extensions=[for_host(SIGNER)])
CHAIN = (LEAF, INTERMEDIATE)


def rsa_leaf() -> Issued:
    """A signer as FIDO's own is: RSA."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return issue("FIDO", issuer=INTERMEDIATE, key=key, extensions=[for_host(SIGNER)])


def status(name: str, effective: str | None = "2020-01-01", **rest: Any) -> Json:
    """One status report."""
    return {"status": name, **({"effectiveDate": effective} if effective else {}), **rest}


def entry(
    aaguid: str | None = AAGUID,
    *statuses: Json,
    name: str = "A key of the tests",
    roots: Sequence[bytes] = (),
    icon: bytes | None = PNG,
    keys: Sequence[str] = (),
    **members: Any,
) -> Json:
    """One entry, as FIDO writes them; by default certified, with an icon, without roots."""
    statement: Json = {
        "legalHeader": "https://fidoalliance.org/metadata/metadata-statement-legal-header/",
        "description": name,
        "authenticatorVersion": 2,
        "protocolFamily": "fido2" if aaguid else "u2f",
        "schema": 3,
        "attestationTypes": ["basic_full"],
        "attestationRootCertificates": [base64.b64encode(root).decode() for root in roots],
    }
    if icon is not None:
        statement["icon"] = "data:image/png;base64," + base64.b64encode(icon).decode()
    return {
        **({"aaguid": aaguid} if aaguid else {}),
        **({"attestationCertificateKeyIdentifiers": list(keys)} if keys else {}),
        "metadataStatement": statement,
        "statusReports": list(statuses) or [status("FIDO_CERTIFIED_L1")],
        "timeOfLastStatusChange": "2020-01-01",
        **members,
    }


def payload(*entries: Json, no: Any = 42, next_update: Any = "2026-12-01", **members: Any) -> Json:
    """The payload of a BLOB."""
    return {
        "legalHeader": "Retrieval and use of this BLOB indicates acceptance of the agreement.",
        "no": no,
        "nextUpdate": next_update,
        "entries": list(entries),
        **members,
    }


class _Unbounded(JWSRegistry):
    max_header_length = max_payload_length = 1 << 40


def sign(
    content: Json | bytes,
    *,
    chain: Sequence[Issued] = CHAIN,
    algorithm: str = "ES256",
    key: Any = None,
    header: Mapping[str, Any] | None = None,
) -> bytes:
    """The BLOB: `content` signed by the chain's first, or by `key`. `header` members replace; None leaves one out."""
    members = {
        "alg": algorithm,
        "typ": "JWT",
        "x5c": [base64.b64encode(one.der).decode() for one in chain],
        **(header or {}),
    }
    members = {name: value for name, value in members.items() if value is not None}
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    signing = key or chain[0].key
    jwk = (ECKey if algorithm.startswith("ES") else RSAKey).import_key(signing)
    registry = _Unbounded(algorithms=[algorithm], strict_check_header=False)
    return serialize_compact(members, data, jwk, registry=registry).encode()


def blob(*entries: Json, no: Any = 42, next_update: Any = "2026-12-01", **signing: Any) -> bytes:
    """A good BLOB with these entries."""
    return sign(payload(*entries, no=no, next_update=next_update), **signing)


def write_root(path: Path, *roots: Issued) -> Path:
    """The PEM file that PASSKEYS_METADATA_ROOT names."""
    path.write_bytes(b"".join(root.certificate.public_bytes(Encoding.PEM) for root in roots or (ROOT,)))
    return path
