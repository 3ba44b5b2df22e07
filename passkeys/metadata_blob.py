"""Whether a metadata BLOB is FIDO's own, and what it says. MDS 3.1 §3.1.7 and §3.2, as numbered obligations.

A BLOB is a JWS in compact form: a header with the signer's certificate chain, a payload with one entry for
each model, a signature. `verify_blob` takes bytes and returns everything that is worth keeping, or raises
MetadataInvalid; no other exception leaves it, whatever bytes come in. Everything expected is passed in.

What the caller still owes: the serial number `no` has not gone back (`passkeys.models` keeps the last one), and
a BLOB past its `next_update` is said to be stale.

Not done: the signer's revocation (§3.2 step 5 asks for CRLs). A signer that leaks is answered by a new root file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, deserialize_compact
from joserfc.util import urlsafe_b64decode

from passkeys.certificates import ChainInvalid, verify_chain
from passkeys.errors import MetadataFault, MetadataInvalid, raised_as
from passkeys.metadata import Metadata, Model, StatusReport, by_key

# FIDO's own had 10 MB, 500 entries and 39 roots in one of them in July 2026, and one MB and 98 entries in 2021. Three
# times the size and ten times the number of today leave room for years, and stay small beside a worker's memory.
MAX_BLOB = 32 * 1024 * 1024
MAX_ENTRIES = 5_000
MAX_STATUSES = 500
MAX_KEY_IDENTIFIERS = 1_000
MAX_ROOTS = 400
# Three certificates take 8 KiB.
MAX_HEADER = 64 * 1024
# The largest today has 77 KB.
MAX_ICON = 256 * 1024
MAX_NAME = 200  # Metadata Statement §5: the longest description
# JSON numbers are exact up to here; a serial number that counts weeks will not get near it.
MAX_NO = 2**53 - 1

# MDS §3.1.7: signed with a key of a certificate. So neither "none" nor a MAC; and nothing that our policy does not know.
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_EC = ("ES256", "ES384", "ES512")
ALGORITHMS = (*_RSA, *_EC)

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_URL = "data:image/png;base64,"
_AAGUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_KEY_IDENTIFIER = re.compile(r"[0-9a-f]{40}\Z")  # MDS §3.1.1: RFC 5280 §4.2.1.2 method 1, a SHA-1, in hex


class _Registry(JWSRegistry):
    """joserfc's own bounds are for tokens."""

    max_header_length = MAX_HEADER
    max_payload_length = MAX_BLOB
    max_signature_length = 4 * 1024


_REGISTRY = _Registry(
    algorithms=ALGORITHMS, strict_check_header=False
)  # RFC 7515 §4: unknown ones are ignored


@dataclass(frozen=True, slots=True)
class Blob:
    """A verified BLOB. `icons` are PNGs by their SHA-256; `digest` is the payload's, in hex.

    `others`: entries of authenticators that make no WebAuthn credentials (UAF); `unreadable_roots`: trust anchors that
    are no certificates, and left out.
    """

    metadata: Metadata
    icons: Mapping[str, bytes]
    digest: str
    algorithm: str
    signer: str
    signer_expires_at: datetime
    legal_header: str
    others: int
    unreadable_roots: int


def verify_blob(data: bytes, *, roots: Sequence[bytes], signer: str, at: datetime) -> Blob:
    """Judge a BLOB at a time. `roots`: trust anchors in DER; `signer`: the DNS name that its certificate must have.

    Raises MetadataInvalid, and nothing else.
    """
    with _faulty(MetadataFault.MALFORMED, "cannot be read"):
        # (1) It is bounded, and a compact JWS: RFC 7515 §7.1. Files end in line feeds.
        if len(data) > MAX_BLOB:
            raise _invalid(MetadataFault.TOO_LARGE, f"{len(data)} bytes, not at most {MAX_BLOB}")
        text = data.strip()
        parts = text.split(b".")
        if len(parts) != 3 or not parts[0] or not parts[1]:
            raise _invalid(
                MetadataFault.MALFORMED, "not three parts with dots between: cut short, or no BLOB"
            )
        header = _header(parts[0])
        # (2) An algorithm of our list: never "none", never a MAC. RFC 8725 §3.1.
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise _invalid(
                MetadataFault.ALGORITHM_REFUSED, f"{algorithm!r:.40}, not one of {', '.join(ALGORITHMS)}"
            )
        # (3) The chain is in the BLOB itself. §3.2 step 4 would have us fetch an x5u: an address chosen by what we are
        # about to judge. FIDO uses x5c.
        if "x5u" in header:
            raise _invalid(MetadataFault.CHAIN_REMOTE, "the header names its certificates by address (x5u)")
        chain = _chain(header)
        # (4) It leads to a configured root, at this time. §3.2 step 5.
        try:
            verify_chain(chain, anchors=roots, at=at)
        except ChainInvalid as invalid:
            raise _invalid(MetadataFault.CHAIN_UNTRUSTED, str(invalid)) from invalid
        # (5) The signer is FIDO and not another customer of the same public CA: the chain alone would let in anybody
        # with a TLS certificate.
        certificate = x509.load_der_x509_certificate(chain[0])
        names = _names(certificate)
        if signer not in names:
            raise _invalid(
                MetadataFault.SIGNER_UNEXPECTED,
                f"the certificate is for {', '.join(names)!r:.200}, not {signer!r}",
            )
        # (6) Its key signed this. §3.2 step 6.
        payload = _signed_payload(text, certificate, algorithm)
        # (7) The payload is one of this version. §3.1.5.
        return _blob(payload, certificate, algorithm, signer)


def _invalid(code: MetadataFault, detail: str) -> MetadataInvalid:
    return MetadataInvalid(code, detail)


def _faulty(code: MetadataFault, detail: str) -> AbstractContextManager[None]:
    """Turn whatever goes wrong inside into this fault, but a fault that is named already."""
    return raised_as(lambda error: _invalid(code, f"{detail}: {type(error).__name__}"), but=MetadataInvalid)


def _header(part: bytes) -> dict[str, Any]:
    if len(part) > MAX_HEADER:
        raise _invalid(MetadataFault.MALFORMED, f"the header has {len(part)} bytes, not at most {MAX_HEADER}")
    with _faulty(MetadataFault.MALFORMED, "the header is not JSON in base64url"):
        header = json.loads(urlsafe_b64decode(part).decode())
        if not isinstance(header, dict):
            raise TypeError
    # RFC 7515 §4.1.11: what is critical must be understood, and we understand nothing that may be so.
    if "crit" in header:
        raise _invalid(MetadataFault.MALFORMED, "the header has critical extensions")
    return header


def _chain(header: Mapping[str, Any]) -> list[bytes]:
    """RFC 7515 §4.1.6: certificates in plain base64, the signer's first."""
    x5c = header.get("x5c")
    # §3.2 step 4 would take the trust anchor for the signer here. FIDO's root is a public CA: it signs no BLOBs.
    if not isinstance(x5c, list) or not x5c or not all(isinstance(one, str) for one in x5c):
        raise _invalid(MetadataFault.CHAIN_MISSING, "the header holds no certificates (x5c)")
    try:
        return [base64.b64decode(one, validate=True) for one in x5c]
    except binascii.Error:
        raise _invalid(MetadataFault.CHAIN_UNTRUSTED, "a certificate is not base64") from None


def _names(certificate: x509.Certificate) -> list[str]:
    """The DNS names of a certificate. RFC 6125 §6.4.4: the common name only where there are no others."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return [name.lower() for name in found.value.get_values_for_type(x509.DNSName)]
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(name.value).lower() for name in common]


def _signed_payload(text: bytes, certificate: x509.Certificate, algorithm: str) -> bytes:
    if text.endswith(b"."):
        raise _invalid(MetadataFault.UNSIGNED, "the signature is empty")
    public_key = certificate.public_key()
    key: RSAKey | ECKey
    if algorithm in _RSA and isinstance(public_key, RSAPublicKey):
        key = RSAKey.import_key(public_key)
    elif algorithm in _EC and isinstance(public_key, EllipticCurvePublicKey):
        key = ECKey.import_key(public_key)
    else:
        raise _invalid(MetadataFault.ALGORITHM_REFUSED, f"{algorithm} is not for the signer's kind of key")
    try:
        return deserialize_compact(text, key, registry=_REGISTRY).payload
    except JoseError as error:
        raise _invalid(MetadataFault.SIGNATURE_INVALID, str(error)) from error


def _blob(payload: bytes, certificate: x509.Certificate, algorithm: str, signer: str) -> Blob:
    with _faulty(MetadataFault.PAYLOAD_MALFORMED, "not JSON"):
        members = json.loads(payload.decode(), parse_constant=_refuse_constant)
    if not isinstance(members, dict):
        raise _invalid(MetadataFault.PAYLOAD_MALFORMED, "not an object")
    no, next_update, entries = members.get("no"), members.get("nextUpdate"), members.get("entries")
    if type(no) is not int or not 0 <= no <= MAX_NO:
        raise _invalid(MetadataFault.PAYLOAD_MALFORMED, "`no` is not a serial number")
    if not isinstance(next_update, str) or (next_day := _day(next_update)) is None:
        raise _invalid(MetadataFault.PAYLOAD_MALFORMED, "`nextUpdate` is not a date")
    if not isinstance(entries, list) or len(entries) > MAX_ENTRIES:
        raise _invalid(MetadataFault.PAYLOAD_MALFORMED, f"`entries` is not a list of at most {MAX_ENTRIES}")
    read = [_entry(number, entry) for number, entry in enumerate(entries)]
    found = [one for one in read if one is not None]
    models = tuple(one.model for one in found)
    _check_repeats(models)
    legal_header = members.get("legalHeader")
    return Blob(
        metadata=Metadata(no=no, next_update=next_day, models=by_key(models)),
        icons=MappingProxyType({one.model.icon: one.icon for one in found if one.model.icon and one.icon}),
        digest=hashlib.sha256(payload).hexdigest(),
        algorithm=algorithm,
        signer=signer,
        signer_expires_at=certificate.not_valid_after_utc,
        legal_header=legal_header if isinstance(legal_header, str) else "",
        others=len(entries) - len(models),
        unreadable_roots=sum(one.unreadable_roots for one in found),
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    model: Model
    icon: bytes | None
    unreadable_roots: int


class _EntryError(Exception):
    """What is wrong with the entry under way."""


def _entry(number: int, entry: object) -> _Entry | None:
    """The model of one entry, or None where it is of no WebAuthn authenticator. §3.1.1.

    Strict in what decides (who it is, what was reported), since a report that is passed over may be the one that
    revokes; lenient in what only decorates or, left out, can only make us trust less: a name, an icon, an anchor.
    """
    try:
        return _read_entry(entry)
    except _EntryError as error:
        raise _invalid(MetadataFault.ENTRY_MALFORMED, f"entry {number}: {error}") from None


def _read_entry(entry: object) -> _Entry | None:
    if not isinstance(entry, dict):
        raise _EntryError("not an object")
    aaguid = _aaguid(entry)
    key_identifiers = _key_identifiers(entry)
    statuses = _statuses(entry)
    if aaguid is None and not key_identifiers:
        return None
    statement = entry.get("metadataStatement", {})
    if not isinstance(statement, dict):
        raise _EntryError("`metadataStatement` is not an object")
    roots, unreadable = _roots(statement)
    icon = _icon(statement)
    model = Model(
        aaguid=aaguid,
        key_identifiers=key_identifiers,
        name=_name(statement),
        icon=hashlib.sha256(icon).hexdigest() if icon else None,
        statuses=statuses,
        roots=roots,
    )
    return _Entry(model, icon, unreadable)


def _aaguid(entry: Mapping[str, Any]) -> str | None:
    text = entry.get("aaguid")
    if text is None:
        return None
    if not isinstance(text, str) or not _AAGUID.match(text.lower()):
        raise _EntryError("`aaguid` is not an AAGUID")
    return text.lower()


def _key_identifiers(entry: Mapping[str, Any]) -> tuple[str, ...]:
    found = _list(entry, "attestationCertificateKeyIdentifiers", MAX_KEY_IDENTIFIERS)
    texts = tuple(one.lower() if isinstance(one, str) else "" for one in found)
    if not all(map(_KEY_IDENTIFIER.match, texts)):
        raise _EntryError("a key identifier is not 40 hex digits")
    return texts


def _statuses(entry: Mapping[str, Any]) -> tuple[StatusReport, ...]:
    if "statusReports" not in entry:  # §3.1.1: required, and the point of it all
        raise _EntryError("`statusReports` is missing")
    return tuple(_status(report) for report in _list(entry, "statusReports", MAX_STATUSES))


def _status(report: object) -> StatusReport:
    if not isinstance(report, dict) or not isinstance(report.get("status"), str):
        raise _EntryError("a status report has no `status`")
    version = report.get("authenticatorVersion")
    if version is not None and type(version) is not int:
        raise _EntryError("`authenticatorVersion` is not a whole number")
    return StatusReport(
        # One that we do not know is kept: §3.1.4 has it ignored, and an operator may look.
        status=report["status"][:MAX_NAME],
        effective_on=_optional_day(report, "effectiveDate"),
        expires_on=_optional_day(report, "sunsetDate"),
        version=version,
    )


def _optional_day(report: Mapping[str, Any], name: str) -> date | None:
    text = report.get(name)
    if text is None:
        return None
    day = _day(text) if isinstance(text, str) else None
    if day is None:
        raise _EntryError(f"`{name}` is not a date")
    return day


def _roots(statement: Mapping[str, Any]) -> tuple[tuple[bytes, ...], int]:
    """The trust anchors that are certificates, each once, and how many are not. Metadata Statement §5."""
    listed = _list(statement, "attestationRootCertificates", MAX_ROOTS)
    roots = [root for root in map(_certificate, listed) if root is not None]
    return tuple(dict.fromkeys(roots)), len(listed) - len(roots)


def _certificate(text: object) -> bytes | None:
    try:
        # Some of FIDO's have line feeds in them.
        der = base64.b64decode("".join(text.split()), validate=True) if isinstance(text, str) else b""
        with _faulty(MetadataFault.ENTRY_MALFORMED, "not a certificate"):
            x509.load_der_x509_certificate(der)
    except (ValueError, MetadataInvalid):
        return None
    return der


def _name(statement: Mapping[str, Any]) -> str:
    """What people call it: §5 friendlyNames (3.1), else the description. Text for a page to escape."""
    friendly = statement.get("friendlyNames")
    named = friendly.get("en-US") if isinstance(friendly, dict) else None
    text = named if isinstance(named, str) and named.strip() else statement.get("description")
    if not isinstance(text, str):
        return ""
    # Printable: no control or formatting characters, which could turn a line of the page around.
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:MAX_NAME].strip()


def _icon(statement: Mapping[str, Any]) -> bytes | None:
    """Metadata Statement §5, icon: a PNG in a data URL. Anything else (SVG can hold scripts) is none at all."""
    url = statement.get("icon")
    if not isinstance(url, str) or not url.startswith(_PNG_URL) or len(url) > 2 * MAX_ICON:
        return None
    try:
        png = base64.b64decode("".join(url.removeprefix(_PNG_URL).split()), validate=True)
    except ValueError:
        return None
    return png if png.startswith(_PNG) and len(png) <= MAX_ICON else None


def _check_repeats(models: tuple[Model, ...]) -> None:
    """No two entries speak of one model: readers would disagree about which one counts."""
    seen: set[str] = set()
    for key in (key for model in models for key in (model.aaguid, *model.key_identifiers) if key):
        if key in seen:
            raise _invalid(MetadataFault.ENTRY_REPEATED, f"two entries are of {key}")
        seen.add(key)


def _list(members: Mapping[str, Any], name: str, longest: int) -> list[Any]:
    found = members.get(name, [])
    if not isinstance(found, list) or len(found) > longest:
        raise _EntryError(f"`{name}` is not a list of at most {longest}")
    return found


def _day(text: str) -> date | None:
    """§3.1.3: an ISO 8601 date; in this form alone, of the several that there are."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
