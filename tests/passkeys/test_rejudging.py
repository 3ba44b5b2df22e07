"""The re-judging's rule: it speaks where nobody has, changes its own mind, and touches nobody else's word."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from passkeys.acts import BY_METADATA
from passkeys.credentials import Attestation, CredentialRecord, Standing, StandingState
from passkeys.directory import PERSON_ID
from passkeys.metadata import Metadata, by_key
from passkeys.rejudging import is_of_this_run, model_of, reason_against, revised
from tests.metadata_kit import AAGUID, KEY_IDENTIFIER, NOW, OTHER
from tests.passkeys.test_metadata import ANY, model

ACTIVE, DISABLED, STEP_UP, REMOVED = StandingState
REVOKED, BYPASS, DENIED = (
    "model_prohibited:REVOKED",
    "model_prohibited:USER_VERIFICATION_BYPASS",
    "aaguid_denied",
)
THEN, AT = "2026-11-24T03:00:00.000Z", "2026-11-25T03:00:00.000Z"


def standing(state: StandingState, by: str | None, reason: str | None = None, **rest: str) -> Standing:
    return Standing(state, reason, by, THEN, **rest)


def ours(state: StandingState, reason: str | None = REVOKED, **rest: str) -> Standing:
    return standing(state, BY_METADATA, reason, **rest)


@pytest.mark.parametrize(
    ("before", "reason", "known", "consequence", "after"),
    [
        # Nobody has said anything.
        (None, None, True, DISABLED, None),
        (None, REVOKED, True, DISABLED, DISABLED),
        (None, REVOKED, True, STEP_UP, STEP_UP),
        (None, DENIED, False, DISABLED, DISABLED),
        (None, None, False, DISABLED, None),
        # A removal that is announced says nothing about the model.
        (standing(ACTIVE, None, removal="act-1"), REVOKED, True, DISABLED, DISABLED),
        (standing(ACTIVE, None, removal="act-1"), None, True, DISABLED, None),
        # Its own word: kept while the reason holds, changed with the policy, taken back when the model is clear.
        (ours(DISABLED), REVOKED, True, DISABLED, None),
        (ours(DISABLED), BYPASS, True, DISABLED, None),
        (ours(DISABLED), REVOKED, True, STEP_UP, STEP_UP),
        (ours(STEP_UP), REVOKED, True, DISABLED, DISABLED),
        (ours(DISABLED), None, True, DISABLED, ACTIVE),
        (ours(STEP_UP), None, True, DISABLED, ACTIVE),
        (ours(ACTIVE, None), None, True, DISABLED, None),
        (ours(ACTIVE, None), REVOKED, True, DISABLED, DISABLED),
        # A model that is no longer listed was not cleared by that; one that is no longer denied was.
        (ours(DISABLED), None, False, DISABLED, None),
        (ours(DISABLED, DENIED), None, False, DISABLED, ACTIVE),
        # An operator's word stands.
        (standing(DISABLED, "grace", "lost"), REVOKED, True, STEP_UP, None),
        (standing(DISABLED, "grace", "lost"), None, True, DISABLED, None),
        (standing(ACTIVE, "grace", overruled=REVOKED), REVOKED, True, DISABLED, None),
        # But an operator who enabled it said nothing about what was found out later.
        (standing(ACTIVE, "grace", "found again"), REVOKED, True, DISABLED, DISABLED),
        (standing(ACTIVE, "grace", overruled=BYPASS), REVOKED, True, DISABLED, DISABLED),
        (standing(ACTIVE, "grace"), None, True, DISABLED, None),
        # What is removed is nobody's to judge.
        (standing(REMOVED, None, removal="act-1"), REVOKED, True, DISABLED, None),
        (standing(REMOVED, None, removal="act-1"), None, True, DISABLED, None),
    ],
)
def test_what_becomes_of_a_standing(
    before: Standing | None,
    reason: str | None,
    known: bool,
    consequence: StandingState,
    after: StandingState | None,
) -> None:
    """None: it stays. Else the new state, with the reason, by the metadata, at the time of the run."""
    found = revised(before, reason=reason, model_known=known, consequence=consequence, at=AT)
    if after is None:
        assert found is None
        return
    assert found == Standing(
        after,
        reason if after is not ACTIVE else None,
        BY_METADATA,
        AT,
        removal=before.removal if before else None,
        overruled=before.overruled if before else None,
    )


def test_a_run_knows_its_own_traces() -> None:
    """By its time, and not an operator's of the same instant."""
    assert is_of_this_run(replace(ours(DISABLED), at=AT), AT)
    assert not is_of_this_run(ours(DISABLED), AT)
    assert not is_of_this_run(replace(standing(DISABLED, "grace"), at=AT), AT)
    assert not is_of_this_run(None, AT)


def record(aaguid: str, model: str | None = None) -> CredentialRecord:
    attestation = Attestation("none", "none", chain_verified=False, model_proven=False, model=model)
    return CredentialRecord(
        "AQID", "ada", "AA", "AA", -7, 0, aaguid, (), False, False, True, attestation, "registration-1", THEN
    )


def test_the_reason_names_the_rule_and_the_status() -> None:
    """So that an operator reads why, and another status of the same model is another reason."""
    assert reason_against(record(AAGUID), model("RETIRED", "REVOKED"), ANY, NOW) == REVOKED
    assert reason_against(record(AAGUID), None, ANY, NOW) is None
    assert reason_against(record(OTHER), None, replace(ANY, denied=frozenset({OTHER})), NOW) == DENIED


def test_a_stored_credentials_model_is_the_one_that_its_registration_was_judged_by() -> None:
    """By what its attestation spoke of, of a U2F key the key identifier; else by its AAGUID."""
    one, old_key = model("REVOKED"), model(aaguid=None, keys=(KEY_IDENTIFIER,))
    metadata = Metadata(1, date(2026, 12, 1), by_key((one, old_key)))
    zero = "00000000-0000-0000-0000-000000000000"
    assert model_of(record(AAGUID), metadata) == one
    assert model_of(record(zero, KEY_IDENTIFIER), metadata) == old_key
    assert model_of(record(zero), metadata) is None
    assert model_of(record(OTHER), metadata) is None


def test_no_person_can_be_taken_for_the_metadata() -> None:
    """Else an operator of that name could lift, and be lifted."""
    assert not PERSON_ID.match(BY_METADATA)
