"""What the re-judging of stored credentials makes of one of them: a rule, and no more.

A credential's standing has several authors. This one acts on its own word and where nobody has spoken; it never touches
what an operator has decided, and takes back only what it said itself.
"""

from __future__ import annotations

from datetime import datetime

from passkeys.acts import BY_METADATA
from passkeys.credentials import CredentialRecord, Standing, StandingState
from passkeys.errors import RejectionCode
from passkeys.holdings import state_of
from passkeys.metadata import Metadata, Model, ModelPolicy, judge_stored_model, prohibiting_status


def model_of(record: CredentialRecord, metadata: Metadata) -> Model | None:
    """What the metadata knows of a stored credential's model: as its attestation named it, else by its AAGUID."""
    return metadata.models.get(record.attestation.model or record.aaguid)


def reason_against(
    record: CredentialRecord, model: Model | None, policy: ModelPolicy, at: datetime
) -> str | None:
    """Why a stored credential must no longer be used, by its model: the rule's code, and the status if it was one."""
    code = judge_stored_model(record.aaguid, model, policy, at=at)
    if code is None:
        return None
    if model is None or code is not RejectionCode.MODEL_PROHIBITED:
        return code.value
    return f"{code}:{prohibiting_status(model, policy, at=at)}"


def revised(
    standing: Standing | None,
    *,
    reason: str | None,
    model_known: bool,
    consequence: StandingState,
    at: str,
) -> Standing | None:
    """The standing that a credential gets at `at`, or None: it stays as it is.

    `reason`: what is against its model now. `consequence`: what policy does then.
    """
    state = state_of(standing)
    is_ours = standing is not None and standing.by == BY_METADATA
    is_an_operators = standing is not None and standing.by is not None and not is_ours
    if state is StandingState.REMOVED:
        return None
    if is_an_operators and state is not StandingState.ACTIVE:
        return None
    if reason is None:
        # A model that is no longer listed has not been cleared: what was said of it still is the last that is known.
        forgotten = (
            standing is not None
            and not model_known
            and (standing.reason or "").startswith(RejectionCode.MODEL_PROHIBITED)
        )
        lifted = is_ours and state is not StandingState.ACTIVE and not forgotten
        return _decided(standing, StandingState.ACTIVE, None, at) if lifted else None
    if is_ours and state is consequence:
        return None
    # Enabled by an operator in spite of this very reason. Another one, found since, is news.
    if standing is not None and standing.overruled == reason:
        return None
    return _decided(standing, consequence, reason, at)


def is_of_this_run(standing: Standing | None, at: str) -> bool:
    """Whether the run at `at` has decided this standing already, in a try whose result was lost."""
    return standing is not None and standing.by == BY_METADATA and standing.at == at


def _decided(before: Standing | None, state: StandingState, reason: str | None, at: str) -> Standing:
    return Standing(
        state=state,
        reason=reason,
        by=BY_METADATA,
        at=at,
        removal=before.removal if before else None,
        overruled=before.overruled if before else None,
    )
