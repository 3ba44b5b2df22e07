"""The shape of what an authenticator's client sends: RegistrationResponseJSON and AuthenticationResponseJSON.

(WebAuthn L3 §5.1, `PublicKeyCredential.toJSON()`.) Parsing judges shape and size alone, so that a caller's
mistake can be told apart from a wrong answer: the first is a 400 that burns no challenge, the second is a
verdict. What has the shape becomes bytes, and the type is the proof.

Members that verification does not use are tolerated and dropped. `to_json` gives back only what is used:
send that through the task hub, not what came in. It is smaller, and client extension results can hold
secrets (the PRF extension's are keys) that must never be at rest: they end in passkeys.extensions.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from passkeys.errors import MalformedResponse
from passkeys.extensions import parse_client_outputs

# WebAuthn L3 §4, credential ID: at most 1023 bytes.
MAX_CREDENTIAL_ID = 1023
# Client data is a challenge, two origins and a little: 4 KiB is ten times what browsers send.
MAX_CLIENT_DATA = 4 * 1024
# ML-DSA-87 with a chain of four certificates fits in 32 KiB; the whole body may have 64 KiB in base64url.
MAX_ATTESTATION_OBJECT = 32 * 1024
# 37 bytes, and extension outputs.
MAX_AUTHENTICATOR_DATA = 4 * 1024
# ML-DSA-87's is 4,627 bytes, the longest known.
MAX_SIGNATURE = 8 * 1024
# WebAuthn L3 §5.4.3, user handle: at most 64 bytes.
MAX_USER_HANDLE = 64
MAX_TRANSPORTS = 16
# Every word of the protocol ("public-key", "cross-platform", a transport) is shorter.
MAX_WORD = 32


@dataclass(frozen=True, slots=True)
class RegistrationResponse:
    """A new credential, as the client tells it. Nothing in it is verified."""

    id: str
    raw_id: bytes
    type: str
    client_data_json: bytes
    attestation_object: bytes
    transports: tuple[str, ...]
    authenticator_attachment: str | None
    extensions: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The same response with what verification uses, and nothing else."""
        return {
            "id": self.id,
            "rawId": encode_base64url(self.raw_id),
            "type": self.type,
            "response": {
                "clientDataJSON": encode_base64url(self.client_data_json),
                "attestationObject": encode_base64url(self.attestation_object),
                "transports": list(self.transports),
            },
            "authenticatorAttachment": self.authenticator_attachment,
            "clientExtensionResults": dict(self.extensions),
        }


@dataclass(frozen=True, slots=True)
class AuthenticationResponse:
    """An assertion, as the client tells it. Nothing in it is verified."""

    id: str
    raw_id: bytes
    type: str
    client_data_json: bytes
    authenticator_data: bytes
    signature: bytes
    user_handle: bytes | None
    authenticator_attachment: str | None
    extensions: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The same response with what verification uses, and nothing else."""
        return {
            "id": self.id,
            "rawId": encode_base64url(self.raw_id),
            "type": self.type,
            "response": {
                "clientDataJSON": encode_base64url(self.client_data_json),
                "authenticatorData": encode_base64url(self.authenticator_data),
                "signature": encode_base64url(self.signature),
                "userHandle": None if self.user_handle is None else encode_base64url(self.user_handle),
            },
            "authenticatorAttachment": self.authenticator_attachment,
            "clientExtensionResults": dict(self.extensions),
        }


def parse_registration_response(value: object) -> RegistrationResponse:
    """The response in a RegistrationResponseJSON. Raises MalformedResponse, and nothing else."""
    credential, response = _envelope(value)
    return RegistrationResponse(
        id=_text(credential, "id", encoded_length(MAX_CREDENTIAL_ID)),
        raw_id=_bytes(credential, "rawId", MAX_CREDENTIAL_ID),
        type=_text(credential, "type", MAX_WORD),
        client_data_json=_bytes(response, "clientDataJSON", MAX_CLIENT_DATA),
        attestation_object=_bytes(response, "attestationObject", MAX_ATTESTATION_OBJECT),
        transports=_transports(response.get("transports")),
        authenticator_attachment=_optional_text(credential, "authenticatorAttachment", MAX_WORD),
        extensions=parse_client_outputs(credential.get("clientExtensionResults", {})),
    )


def parse_authentication_response(value: object) -> AuthenticationResponse:
    """The response in an AuthenticationResponseJSON. Raises MalformedResponse, and nothing else."""
    credential, response = _envelope(value)
    has_user_handle = response.get("userHandle") is not None
    return AuthenticationResponse(
        id=_text(credential, "id", encoded_length(MAX_CREDENTIAL_ID)),
        raw_id=_bytes(credential, "rawId", MAX_CREDENTIAL_ID),
        type=_text(credential, "type", MAX_WORD),
        client_data_json=_bytes(response, "clientDataJSON", MAX_CLIENT_DATA),
        authenticator_data=_bytes(response, "authenticatorData", MAX_AUTHENTICATOR_DATA),
        signature=_bytes(response, "signature", MAX_SIGNATURE),
        user_handle=_bytes(response, "userHandle", MAX_USER_HANDLE) if has_user_handle else None,
        authenticator_attachment=_optional_text(credential, "authenticatorAttachment", MAX_WORD),
        extensions=parse_client_outputs(credential.get("clientExtensionResults", {})),
    )


def encode_base64url(data: bytes) -> str:
    """Base64url without padding (RFC 4648 §5), as every member of WebAuthn's JSON has it."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def decode_base64url(text: str) -> bytes:
    """The bytes in strict base64url: no padding, no other characters, no stray bits at the end.

    One text for one value, so that two spellings of one credential id cannot exist. Raises ValueError.
    """
    odd = len(text) % 4
    if odd == 1 or (odd and text[-1] not in _LAST[odd]):
        raise ValueError("must be base64url without padding, and with no stray bits at its end")
    try:
        standard = text.encode("ascii").translate(_FROM_URL)
        return binascii.a2b_base64(standard + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise ValueError("must be base64url without padding") from None


def encoded_length(length: int) -> int:
    """How many characters base64url makes of `length` bytes."""
    return -(-length * 4 // 3)


_TO_URL = bytes.maketrans(b"+/", b"-_")
# What is no character of base64url becomes one that is none of base64 either.
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")
# The last character stands for six bits, of which four or two are beyond the last byte, and zero.
_LAST: Mapping[int, frozenset[str]] = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}


def _envelope(value: object) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if not isinstance(value, dict):
        raise MalformedResponse("The response", "must be a JSON object")
    response = value.get("response")
    if not isinstance(response, dict):
        raise MalformedResponse("response", "must be a JSON object")
    return value, response


def _text(members: Mapping[str, Any], name: str, max_length: int) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= max_length:
        raise MalformedResponse(name, f"must be a text of 1 to {max_length} characters")
    if not value.isascii():
        raise MalformedResponse(name, "must be ASCII")
    return value


def _optional_text(members: Mapping[str, Any], name: str, max_length: int) -> str | None:
    return None if members.get(name) is None else _text(members, name, max_length)


def _bytes(members: Mapping[str, Any], name: str, max_length: int) -> bytes:
    try:
        return decode_base64url(_text(members, name, encoded_length(max_length)))
    except ValueError as error:
        raise MalformedResponse(name, str(error)) from None


def _transports(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_TRANSPORTS:
        raise MalformedResponse("transports", f"must be an array of at most {MAX_TRANSPORTS} words")
    # WebAuthn L3 §5.2.1: unknown transports are kept as they are; the browser reads them back.
    return tuple(_text({"transports": word}, "transports", MAX_WORD) for word in value)
