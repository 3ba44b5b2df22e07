"""What this relying party accepts where WebAuthn leaves the choice to it. Made from the settings, passed to the verifier.

Every field is one setting, with its default and what it costs in docs/settings.md; docs/verification.md says which
obligation asks it. The default of each is the safe one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from passkeys.attestation import Lenience
from passkeys.decoys import MODELS, Model
from passkeys.metadata import ModelPolicy
from passkeys.models import model_policy_of
from passkeys.settings import Settings

_ANY = frozenset({"internal", "hybrid", "usb", "nfc", "ble", "smart-card", "cable"})
# WebAuthn L3 §6.2.1. A phone's passkey is a platform's on the phone, and cross-platform where it is reached from elsewhere.
_ATTACHED_BY = MappingProxyType({"platform": frozenset({"internal"}), "cross-platform": _ANY - {"internal"}})


@dataclass(frozen=True, slots=True)
class Policy:
    """The choices, in the order in which the verifier asks them. An empty list of what is allowed allows all."""

    cross_origin_allowed: bool
    top_origins: frozenset[str]
    user_verification_required: bool
    backup_eligible_allowed: bool
    attestation_formats: frozenset[str]
    attestation_trusted_only: bool
    lenience: Lenience
    models: ModelPolicy
    transports_allowed: frozenset[str]
    # False: a sign count that has not grown is tolerated of synced passkeys, whose copies count apart. True: of any.
    sign_count_only_flagged: bool
    # Beyond WebAuthn Level 3, for FIDO's conformance tools alone (passkeys/conformance.py): no setting has them.
    token_binding_checked: bool = False
    chains_exact: bool = False


def policy_of(settings: Settings) -> Policy:
    """The policy in the settings."""
    return Policy(
        cross_origin_allowed=settings.cross_origin == "allow",
        top_origins=frozenset(settings.top_origins),
        user_verification_required=settings.user_verification == "required",
        backup_eligible_allowed=settings.backup_eligible == "allow",
        attestation_formats=frozenset(settings.attestation_formats),
        attestation_trusted_only=settings.attestation_trust == "trusted",
        lenience=Lenience(
            tpm_vendors=frozenset(settings.attestation_tpm_vendors),
            **{word.replace("-", "_"): True for word in settings.attestation_lenience},
        ),
        models=model_policy_of(settings),
        transports_allowed=frozenset(settings.transports),
        sign_count_only_flagged=settings.sign_count == "flag",
    )


def expected_origins(settings: Settings) -> tuple[str, ...]:
    """Every origin that an answer may come from: pages, related ones too, and native apps as their systems name them."""
    return settings.origins + settings.related_origins + settings.native_origins


def decoy_models(settings: Settings) -> tuple[Model, ...]:
    """The models that decoys are of: those that the settings name and policy lets register; any, where that leaves none.

    A decoy of what nobody could have registered would be known for one.
    """
    named = [model for model in MODELS if not settings.decoy_models or model.name in settings.decoy_models]
    attached_by = _ATTACHED_BY.get(settings.attachment, _ANY)
    fitting = [
        model
        for model in named
        if not attached_by.isdisjoint(model.transports)
        and (not settings.transports or not set(settings.transports).isdisjoint(model.transports))
        and (not model.synced or settings.backup_eligible == "allow")
    ]
    return tuple(fitting or named)
