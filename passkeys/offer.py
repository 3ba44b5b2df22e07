"""What a ceremony offered, read back from its own options: the response must match that, not the client's word.

The options are ours: they come from the ceremony's history, where nobody else can write. Older ceremonies, still running
when the app is replaced, may lack the newer members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from passkeys.response import decode_base64url


@dataclass(frozen=True, slots=True)
class RegistrationOffer:
    """Of PublicKeyCredentialCreationOptionsJSON. `attachment`: the only kind that was asked for, or None."""

    algorithms: tuple[int, ...]
    attachment: str | None
    resident_key_required: bool
    user_verification_required: bool
    extensions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuthenticationOffer:
    """Of PublicKeyCredentialRequestOptionsJSON. No `allowed_credentials`: whoever has a discoverable one.

    `person`: whom the ceremony was started for, or None where the authenticator is to say.
    """

    allowed_credentials: tuple[bytes, ...]
    user_verification_required: bool
    extensions: Mapping[str, Any]
    person: str | None


def registration_offer(options: Mapping[str, Any]) -> RegistrationOffer:
    """The offer in creation options."""
    selection = options["authenticatorSelection"]
    return RegistrationOffer(
        algorithms=tuple(offered["alg"] for offered in options["pubKeyCredParams"]),
        attachment=selection.get("authenticatorAttachment"),
        resident_key_required=selection["residentKey"] == "required",
        user_verification_required=selection["userVerification"] == "required",
        extensions=options.get("extensions", {}),
    )


def authentication_offer(options: Mapping[str, Any], *, person: str | None) -> AuthenticationOffer:
    """The offer in request options."""
    return AuthenticationOffer(
        allowed_credentials=tuple(decode_base64url(allowed["id"]) for allowed in options["allowCredentials"]),
        user_verification_required=options["userVerification"] == "required",
        extensions=options.get("extensions", {}),
        person=person,
    )
