"""Signed notes (c2sp.org/signed-note): a text, and who has signed it. ECDSA over P-256 and SHA-256, signature type 0x02.

    text, each line with its newline
    (an empty line)
    — name base64(key id, 4 bytes || signature, DER)

A verifier key is one line of text, name+hex(key id)+base64(0x02 || public key): what an auditor is given, by another
way than the notes. The key id of this type is not that of Ed25519: the first bytes of SHA-256 over the public key alone.
Public keys are SubjectPublicKeyInfo in DER, uncompressed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from joserfc.jwk import ECKey

from passkeys.errors import CheckpointFault, CheckpointRefused
from passkeys.key_home import Jwk

ECDSA_TYPE = b"\x02"
# Sixteen signatures must be taken, of keys that may be post-quantum ones of 5 kB: this is more.
MAX_NOTE = 256 * 1024
_KEY_ID_BYTES = 4
_COORDINATE_BYTES = 32
_DASH = "— "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key that notes are verified by: its name, its id, and the key."""

    name: str
    id: bytes
    public: EllipticCurvePublicKey

    def __str__(self) -> str:
        """The line that `read_key` reads."""
        return f"{self.name}+{self.id.hex()}+{_base64(ECDSA_TYPE + _der(self.public))}"


def verifier_key(name: str, jwk: Jwk) -> VerifierKey:
    """The verifier key of a key home's key under a name. Raises ValueError for a name that no note can have."""
    if not _is_name(name):
        raise ValueError(f"{name!r} cannot name a key: no spaces, no +, not empty.")
    public = ECKey.import_key(dict(jwk)).public_key
    return VerifierKey(name, sha256(_der(public)).digest()[:_KEY_ID_BYTES], public)


def read_key(line: str) -> VerifierKey:
    """The verifier key in a line. Raises CheckpointRefused (malformed) for all but ECDSA over P-256 with its own id."""
    parts = line.split("+", 2)
    key = _from_base64(parts[2]) if len(parts) == 3 else None
    if key is None or not _is_name(parts[0]) or not key.startswith(ECDSA_TYPE):
        raise _refused(CheckpointFault.MALFORMED, "a verifier key is name+id+key, and the key of type 0x02")
    try:
        public = load_der_public_key(key[1:])
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refused(CheckpointFault.MALFORMED, "the verifier key is no public key") from error
    if not isinstance(public, EllipticCurvePublicKey) or not isinstance(public.curve, SECP256R1):
        raise _refused(CheckpointFault.MALFORMED, "the verifier key is not one of ECDSA over P-256")
    found = VerifierKey(parts[0], sha256(_der(public)).digest()[:_KEY_ID_BYTES], public)
    if str(found) != line:
        raise _refused(CheckpointFault.MALFORMED, "the verifier key's id is another key's")
    return found


def read_keys(text: str) -> tuple[VerifierKey, ...]:
    """The verifier keys in a text, one a line. Raises CheckpointRefused (malformed), also for none."""
    keys = tuple(read_key(line) for line in text.splitlines() if line)
    if not keys:
        raise _refused(CheckpointFault.MALFORMED, "there is no verifier key")
    return keys


def signed_note(text: str, key: VerifierKey, signature: bytes) -> bytes:
    """The note of `text`, whose last line has its end. `signature`: a key home's, over the text: r and s, 32 bytes each."""
    r, s = signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:]
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    return f"{text}\n{_DASH}{key.name} {_base64(key.id + der)}\n".encode()


def split_note(note: bytes) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    """The text, and each signature: the key's name, its id and the signature. Nothing of it is verified.

    Raises CheckpointRefused: too_large, malformed.
    """
    if len(note) > MAX_NOTE:
        raise _refused(CheckpointFault.TOO_LARGE, f"a note has at most {MAX_NOTE} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError as error:
        raise _refused(CheckpointFault.MALFORMED, "a note is UTF-8") from error
    text, separator, signed = whole.rpartition("\n\n")
    if any(sign < " " and sign != "\n" for sign in whole) or not separator or not signed.endswith("\n"):
        raise _refused(CheckpointFault.MALFORMED, "a note is a text, an empty line, and lines of signatures")
    return text + "\n", tuple(map(_signature, signed[:-1].split("\n")))


def open_note(note: bytes, keys: Iterable[VerifierKey]) -> tuple[str, VerifierKey]:
    """The text, and a known key that has signed it. Signatures of unknown keys are passed over.

    Raises CheckpointRefused: too_large, malformed, key_unknown, signature_invalid if a known key has not signed this.
    """
    text, signatures = split_note(note)
    known = {(key.name, key.id): key for key in keys}
    signers = []
    for name, signature in signatures:
        key = known.get((name, signature[:_KEY_ID_BYTES]))
        if key is None:
            continue
        try:
            key.public.verify(signature[_KEY_ID_BYTES:], text.encode(), ECDSA(SHA256()))
        except InvalidSignature as error:
            raise _refused(
                CheckpointFault.SIGNATURE_INVALID, f"the signature of {name} is over another text"
            ) from error
        signers.append(key)
    if not signers:
        named = ", ".join(sorted({f"{name}+{signature[:4].hex()}" for name, signature in signatures}))
        raise _refused(CheckpointFault.KEY_UNKNOWN, f"no known key has signed it: it is signed by {named}")
    return text, signers[0]


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    signature = _from_base64(encoded)
    if not (line.startswith(_DASH) and space and _is_name(name) and signature):
        raise _refused(CheckpointFault.MALFORMED, "a line of a signature is a dash, a name and base64")
    if len(signature) <= _KEY_ID_BYTES:
        raise _refused(CheckpointFault.MALFORMED, "a signature begins with the key's id of 4 bytes")
    return name, signature


def _is_name(name: str) -> bool:
    return bool(name) and not any(sign.isspace() or sign == "+" or sign < " " for sign in name)


def _der(public: EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes | None:
    """The bytes, or None if the text is not the one that writes them (RFC 4648 §4)."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _base64(data) == text else None


def _refused(code: CheckpointFault, detail: str) -> CheckpointRefused:
    return CheckpointRefused(code, f"{detail}.")
