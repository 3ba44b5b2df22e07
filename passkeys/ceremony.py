"""The ceremony's state machine. Every stage, event, outcome and allowed move is in this file.

1. A ceremony is at one `Stage` until it ends in one `Outcome`. Outcomes have no way out.
2. `TRANSITIONS` is the whole machine: what is not in the table raises `IllegalMove`.

One shape serves every kind. Hops may run side by side (admission beside the challenge, verification beside
the claims); the events are then told to the machine in the order of the table, so a verdict never counts
before the one that it depends on.

`mermaid()` draws the picture in docs/ceremony.md from the table; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType

from passkeys.errors import IllegalMove


class Kind(StrEnum):
    """What a ceremony is for."""

    REGISTRATION = "registration"
    AUTHENTICATION = "authentication"
    RECOVERY = "recovery"  # an operator confirms that a person may enrol anew


class Stage(StrEnum):
    """Where a running ceremony is. Told in the custom status."""

    ADMITTING = "admitting"
    CHALLENGING = "challenging"
    AWAITING_AUTHENTICATOR = "awaiting_authenticator"
    VERIFYING = "verifying"
    RESOLVING_CLAIMS = "resolving_claims"
    RECORDING = "recording"


class Outcome(StrEnum):
    """How a ceremony ended. Told in the output."""

    COMPLETED = "completed"
    REJECTED = "rejected"  # the answer was not genuine, not fresh or not the person's
    REFUSED = "refused"  # the answer was good; the person may not, or cannot be asked about
    RATE_LIMITED = "rate_limited"
    EXPIRED = "expired"
    CANCELED = "canceled"
    FAILED = "failed"  # a dependency of ours failed for longer than we retry


class Event(StrEnum):
    """What can happen to a ceremony: facts, in the past tense."""

    ADMITTED = "admitted"
    LIMIT_REACHED = "limit_reached"
    CHALLENGE_ISSUED = "challenge_issued"
    ANSWERED = "answered"
    DEADLINE_PASSED = "deadline_passed"
    CANCELED = "canceled"
    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"
    CLAIMS_RESOLVED = "claims_resolved"
    CLAIMS_REFUSED = "claims_refused"
    RECORDED = "recorded"
    RECORDING_REFUSED = (
        "recording_refused"  # a ticket used meanwhile, a credential id known, an operator who may not confirm
    )
    DEPENDENCY_FAILED = "dependency_failed"


State = Stage | Outcome

FIRST_STAGE = Stage.ADMITTING

TRANSITIONS: Mapping[tuple[Stage, Event], State] = MappingProxyType(
    {
        (Stage.ADMITTING, Event.ADMITTED): Stage.CHALLENGING,
        (Stage.ADMITTING, Event.LIMIT_REACHED): Outcome.RATE_LIMITED,
        (Stage.CHALLENGING, Event.CHALLENGE_ISSUED): Stage.AWAITING_AUTHENTICATOR,
        (Stage.AWAITING_AUTHENTICATOR, Event.ANSWERED): Stage.VERIFYING,
        (Stage.AWAITING_AUTHENTICATOR, Event.DEADLINE_PASSED): Outcome.EXPIRED,
        (Stage.AWAITING_AUTHENTICATOR, Event.CANCELED): Outcome.CANCELED,
        (Stage.VERIFYING, Event.VERIFIED): Stage.RESOLVING_CLAIMS,
        (Stage.VERIFYING, Event.NOT_VERIFIED): Outcome.REJECTED,
        (Stage.RESOLVING_CLAIMS, Event.CLAIMS_RESOLVED): Stage.RECORDING,
        (Stage.RESOLVING_CLAIMS, Event.CLAIMS_REFUSED): Outcome.REFUSED,
        (Stage.RECORDING, Event.RECORDED): Outcome.COMPLETED,
        (Stage.RECORDING, Event.RECORDING_REFUSED): Outcome.REFUSED,
        # Any stage that asks a dependency can fail with it. Waiting for the person asks nobody.
        (Stage.ADMITTING, Event.DEPENDENCY_FAILED): Outcome.FAILED,
        (Stage.CHALLENGING, Event.DEPENDENCY_FAILED): Outcome.FAILED,
        (Stage.VERIFYING, Event.DEPENDENCY_FAILED): Outcome.FAILED,
        (Stage.RESOLVING_CLAIMS, Event.DEPENDENCY_FAILED): Outcome.FAILED,
        (Stage.RECORDING, Event.DEPENDENCY_FAILED): Outcome.FAILED,
    }
)


def advance(stage: State, event: Event) -> State:
    """The state after `event`. Raises IllegalMove if the table has no such move."""
    moved = TRANSITIONS.get((stage, event)) if isinstance(stage, Stage) else None
    if moved is None:
        raise IllegalMove(
            f"A ceremony that is {stage.value} cannot take {event.value}: see TRANSITIONS in passkeys/ceremony.py."
        )
    return moved


# What the world may know of an outcome's reason. The exact one is for the audit and for operators. Outside, an unknown
# credential and a wrong signature look alike; so does every way to be refused, which only who gave a valid answer learns.
_PUBLIC_REASONS: Mapping[Outcome, str] = MappingProxyType(
    {Outcome.REJECTED: "not_verified", Outcome.REFUSED: "not_allowed"}
)


def public_reason(outcome: Outcome) -> str | None:
    """The one reason that is told outside for `outcome`, or None where the outcome says it all."""
    return _PUBLIC_REASONS.get(outcome)


CEREMONY_ID = re.compile(r"(registration|authentication|recovery)-([0-9a-f]{32})\Z")


def new_ceremony_id(kind: Kind, random_bytes: Callable[[int], bytes]) -> str:
    """A fresh id: the kind and 128 random bits. Whoever holds it may see and cancel this one ceremony."""
    return f"{kind.value}-{random_bytes(16).hex()}"


def kind_of(ceremony_id: str) -> Kind | None:
    """The kind that an id names, or None if it is no ceremony id at all (then ask no task hub about it)."""
    match = CEREMONY_ID.match(ceremony_id)
    return Kind(match[1]) if match else None


def mermaid() -> str:
    """The picture of TRANSITIONS, as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {FIRST_STAGE.value}"]
    lines += [
        f"    {stage.value} --> {state.value}: {event.value}" for (stage, event), state in TRANSITIONS.items()
    ]
    lines += [f"    {outcome.value} --> [*]" for outcome in Outcome]
    return "\n".join(lines) + "\n"
