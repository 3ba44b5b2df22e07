"""What the browser is asked for: PublicKeyCredentialCreationOptionsJSON and PublicKeyCredentialRequestOptionsJSON.

Always discoverable credentials (so that a person can sign in without a name), a timeout that is the ceremony's deadline,
and the rest as the settings say. What a ceremony offered is read back from its options by passkeys.offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from webauthn import generate_authentication_options, generate_registration_options
from webauthn.helpers import options_to_json_dict
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorAttachment,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialHint,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from passkeys.credentials import CredentialDescriptor
from passkeys.extensions import creation_inputs, request_inputs
from passkeys.settings import Settings

# WebAuthn L3 §13.4.3: at least 16. Ours must hold against a search for as long as a ceremony lives: 32.
CHALLENGE_BYTES = 32
USER_HANDLE_BYTES = 32

_TRANSPORTS = frozenset(transport.value for transport in AuthenticatorTransport)


def new_challenge(random_bytes: Callable[[int], bytes]) -> bytes:
    """A challenge for one ceremony. Never used for another."""
    return random_bytes(CHALLENGE_BYTES)


def new_user_handle(random_bytes: Callable[[int], bytes]) -> bytes:
    """A user handle for one person, kept for good. Random: it tells nothing of the person (WebAuthn L3 §14.6.1)."""
    return random_bytes(USER_HANDLE_BYTES)


def creation_options(
    settings: Settings,
    *,
    challenge: bytes,
    deadline_seconds: int,
    user_handle: bytes,
    name: str,
    display_name: str,
    exclude: Iterable[CredentialDescriptor],
    mediation: str = "modal",
) -> dict[str, Any]:
    """Options to create a passkey. `exclude` are the person's own, so that no authenticator takes a second one.

    `mediation` "conditional": without a prompt, so that user verification can only be preferred (WebAuthn L3 §5.1.3: where
    it is required and cannot be had, the browser gives up).
    """
    user_verification = settings.user_verification if mediation == "modal" else "preferred"
    options = options_to_json_dict(
        generate_registration_options(
            rp_id=settings.rp_id,
            rp_name=settings.rp_name,
            user_id=user_handle,
            user_name=name,
            user_display_name=display_name,
            challenge=challenge,
            timeout=deadline_seconds * 1000,
            attestation=AttestationConveyancePreference(settings.attestation),
            authenticator_selection=AuthenticatorSelectionCriteria(
                authenticator_attachment=(
                    None if settings.attachment == "any" else AuthenticatorAttachment(settings.attachment)
                ),
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement(user_verification),
            ),
            exclude_credentials=[_excluded(credential) for credential in exclude],
            hints=[PublicKeyCredentialHint(hint) for hint in settings.hints],
        )
    )
    # The package can name only the algorithms that it knows itself, and no extensions.
    options["pubKeyCredParams"] = [{"type": "public-key", "alg": alg} for alg in settings.algorithms]
    options["extensions"] = creation_inputs(
        settings.extensions, protection_required=settings.credential_protection == "require"
    )
    return options


def request_options(
    settings: Settings,
    *,
    challenge: bytes,
    deadline_seconds: int,
    allow: Iterable[CredentialDescriptor] = (),
) -> dict[str, Any]:
    """Options to sign in with one of `allow`; with none, by any passkey of this RP: none is named, so none is told.

    In order of their ids, and their transports as getTransports() sorts them: what is told of a passkey is no other for
    having been registered earlier, or by a client that says things in an order of its own.
    """
    options = options_to_json_dict(
        generate_authentication_options(
            rp_id=settings.rp_id,
            challenge=challenge,
            timeout=deadline_seconds * 1000,
            user_verification=UserVerificationRequirement(settings.user_verification),
            allow_credentials=[_allowed(credential) for credential in sorted(allow, key=lambda one: one.id)],
        )
    )
    # WebAuthn L3 §5.5; the package has neither for requests.
    options["hints"] = list(settings.hints)
    options["extensions"] = request_inputs(settings.extensions, rp_id=settings.rp_id)
    return options


def _allowed(credential: CredentialDescriptor) -> PublicKeyCredentialDescriptor:
    return _excluded(replace(credential, transports=tuple(sorted(set(credential.transports)))))


def _excluded(credential: CredentialDescriptor) -> PublicKeyCredentialDescriptor:
    # Only words that the package knows; a transport left out costs nothing but a hint.
    known = [AuthenticatorTransport(word) for word in credential.transports if word in _TRANSPORTS]
    return PublicKeyCredentialDescriptor(id=credential.id, transports=known or None)
