"""The door for FIDO's conformance tools, as far as the domain knows of it: its people, and what its requests may wish for.

Obligations of this file:
1. A person of a conformance run is `conformance.` and a digest of the name that the tool made up: nobody of the
   directory, whatever name that is, and nobody at all once the door is closed.
2. A wish changes what is offered. The response is then held against what was offered, as any other is.
3. The policy of these ceremonies leaves to the offer what the tools want to ask for. Beyond that it may be stricter
   than others', and never laxer than WebAuthn Level 3; it knows one TPM vendor more, which FIDO's tools are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from passkeys.algorithms import ALGORITHMS
from passkeys.attestation import ALL_FORMATS
from passkeys.directory import Directory, Person, PersonStatus
from passkeys.policy import Policy, policy_of
from passkeys.settings import Settings

Json = dict[str, Any]

PERSON_PREFIX = "conformance."
_PERSON = re.compile(re.escape(PERSON_PREFIX) + r"[0-9a-f]{32}\Z")

# In no list of the TCG's: what the tools' own TPMs call their manufacturer.
_FIDO_TPM_VENDOR = "id:FFFFF1D0"


def person_of(username: str) -> str:
    """The id of the person whom the tool calls by this name. 128 bits of digest: two names are two people."""
    return PERSON_PREFIX + hashlib.sha256(username.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ConformanceDirectory:
    """The company's directory and, beside it, everybody whom a conformance run may name: active, and with no claims."""

    directory: Directory

    async def find(self, person: str) -> Person | None:
        """The person, or None. Raises DirectoryUnavailable if the company's cannot be asked."""
        if _PERSON.match(person):
            return Person(person, person, PersonStatus.ACTIVE, MappingProxyType({}))
        return await self.directory.find(person)


def wishes_in(request: Mapping[str, Any], settings: Settings) -> Json | None:
    """The wishes of a ceremony, or None: without them, and when the door has been closed since it began."""
    wishes: Json | None = request.get("wishes")
    return wishes if settings.conformance else None


def policy_for(request: Mapping[str, Any], settings: Settings) -> Policy:
    """The policy by which the answer of this ceremony is judged: that of the settings, or the door's."""
    policy = policy_of(settings)
    if wishes_in(request, settings) is None:
        return policy
    return replace(
        policy,
        # As asked: "required" is held against the answer, whatever the settings demand of others.
        user_verification_required=False,
        attestation_formats=frozenset(ALL_FORMATS),
        lenience=replace(policy.lenience, tpm_vendors=policy.lenience.tpm_vendors | {_FIDO_TPM_VENDOR}),
        token_binding_checked=True,
        chains_exact=True,
    )


def as_wished(options: Json, wishes: Mapping[str, Any] | None) -> Json:
    """The options, creation's or request's, with what the start wished for instead of what the settings say.

    Wishes are members of the options; the user's are laid over their own, whose handle is none to choose. A
    registration's algorithms are all that we know, whatever the settings offer to others.
    """
    if wishes is None:
        return options
    wished = {**options, **wishes}
    if "user" in wishes:
        wished["user"] = {**options["user"], **wishes["user"]}
    if "pubKeyCredParams" in options:
        wished["pubKeyCredParams"] = [{"type": "public-key", "alg": alg} for alg in ALGORITHMS]
    return wished
