"""How strongly somebody has signed in, in the words of tokens, and how long a session by it may last.

acr: `phr`, phishing-resistant; `phrh`, with a hardware-protected key besides (OpenID EAP ACR Values 1.0). A sign-in without
user verification has none: it shows a device, and no person. amr: RFC 8176 §2; `pin`, `fpt` and `face` are never claimed,
since nothing proves which it was.

Lifetimes: NIST SP 800-63B-4, AAL3 for a key that cannot leave its authenticator, AAL2 for a synced one.
"""

from __future__ import annotations

from dataclasses import dataclass

from passkeys.credentials import CredentialRecord

PHR, PHRH = "phr", "phrh"
ACR_VALUES = (PHR, PHRH)
# What an acr is good for when a client asks for one: itself, and what is weaker.
SATISFIES = {PHR: frozenset({PHR}), PHRH: frozenset({PHR, PHRH})}


@dataclass(frozen=True, slots=True)
class Assurance:
    """acr (None: none can be claimed), amr, and how long a session may idle and last in all, in seconds. 0: no session."""

    acr: str | None
    amr: tuple[str, ...]
    idle_seconds: int
    absolute_seconds: int


_BY_DEVICE = (15 * 60, 8 * 3600)
_SYNCED = (60 * 60, 12 * 3600)


def assurance_of(credential: CredentialRecord, *, user_verified: bool) -> Assurance:
    """What a sign-in with the credential may claim; `user_verified`: whether this one was (WebAuthn L3 §6.1, UV).

    Hardware is claimed only of a model that the attestation has proven, by certificates that lead to a trust anchor held here.
    """
    bound = not credential.backup_eligible
    proven = bound and credential.attestation.chain_verified and credential.attestation.model_proven
    key = "hwk" if proven else "swk"
    if not user_verified:
        return Assurance(None, (key, "user"), 0, 0)
    idle, absolute = _BY_DEVICE if bound else _SYNCED
    return Assurance(PHRH if proven else PHR, (key, "user", "mfa"), idle, absolute)


def meets(acr: str | None, wanted: tuple[str, ...]) -> bool:
    """Whether the acr is, or is stronger than, one of those wanted. Nothing wanted is always met."""
    return not wanted or (acr is not None and not SATISFIES.get(acr, frozenset({acr})).isdisjoint(wanted))
