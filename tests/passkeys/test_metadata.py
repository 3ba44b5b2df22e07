"""What status reports mean on a day, and which models are welcome: table against table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from passkeys.errors import RejectionCode, StoreDamaged
from passkeys.metadata import (
    CERTIFICATION_LEVELS,
    PROHIBITED_BY_DEFAULT,
    STATUSES,
    SUPERSEDED_BY,
    Metadata,
    Model,
    ModelPolicy,
    StatusReport,
    anchors_of,
    by_key,
    certification_level,
    current_reports,
    dump_metadata,
    judge_model,
    judge_stored_model,
    load_metadata,
    prohibiting_status,
)
from tests.metadata_kit import AAGUID, KEY_IDENTIFIER, NOW, OTHER

ANY = ModelPolicy(
    prohibited=frozenset(PROHIBITED_BY_DEFAULT),
    allowed=frozenset(),
    denied=frozenset(),
    unknown_allowed=True,
    certification=None,
)
BYPASS, REMOTE, UPDATE = "USER_VERIFICATION_BYPASS", "USER_KEY_REMOTE_COMPROMISE", "UPDATE_AVAILABLE"
Code = RejectionCode


def model(*reports: Any, aaguid: str | None = AAGUID, **members: Any) -> Model:
    """A model with reports, each a status or (status, effective day, sunset day)."""
    statuses = tuple(
        StatusReport(name, day(effective), day(sunset), None)
        for name, effective, sunset in (
            (report, None, None) if isinstance(report, str) else (*report, None)[:3] for report in reports
        )
    )
    return Model(aaguid, members.get("keys", ()), "A key", None, statuses, members.get("roots", ()))


def day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


@pytest.mark.parametrize(
    ("reports", "prohibited"),
    [
        ([], None),
        (["FIDO_CERTIFIED_L1"], None),
        (["REVOKED"], "REVOKED"),
        ([("REVOKED", "2026-11-25")], "REVOKED"),
        # From its day on, in UTC.
        ([("REVOKED", "2026-11-26")], None),
        # Until its sunset.
        ([(BYPASS, "2026-01-01", "2026-11-26")], BYPASS),
        ([(BYPASS, "2026-01-01", "2026-11-25")], None),
        # A remedy ends what was reported before it, wherever in the list it stands: FIDO's lists are in either order.
        ([(BYPASS, "2026-01-01"), (UPDATE, "2026-02-01")], None),
        ([(UPDATE, "2026-02-01"), (BYPASS, "2026-01-01")], None),
        ([(REMOTE, "2026-01-01"), ("FIDO_CERTIFIED_L1", "2026-02-01")], None),
        (["USER_KEY_PHYSICAL_COMPROMISE", UPDATE], None),
        # Not what was reported after it, nor on the same day.
        ([(UPDATE, "2026-01-01"), (BYPASS, "2026-02-01")], BYPASS),
        ([(BYPASS, "2026-02-01"), (UPDATE, "2026-01-01")], BYPASS),
        ([(BYPASS, "2026-01-01"), (UPDATE, "2026-01-01")], BYPASS),
        ([UPDATE, BYPASS], BYPASS),
        ([("FIDO_CERTIFIED_L2", "2020-01-01"), (REMOTE, "2026-01-01")], REMOTE),
        # Not yet, and no longer.
        ([(BYPASS, "2026-01-01"), (UPDATE, "2026-12-01")], BYPASS),
        ([(BYPASS, "2026-01-01"), (UPDATE, "2026-02-01", "2026-03-01")], BYPASS),
        # Nothing mends these.
        ([("REVOKED", "2020-01-01"), (UPDATE, "2021-01-01"), ("FIDO_CERTIFIED_L3", "2022-01-01")], "REVOKED"),
        (
            [("ATTESTATION_KEY_COMPROMISE", "2020-01-01"), (UPDATE, "2021-01-01")],
            "ATTESTATION_KEY_COMPROMISE",
        ),
        # Each issue by itself: the update came between the two.
        ([(BYPASS, "2026-01-01"), (UPDATE, "2026-02-01"), (REMOTE, "2026-03-01")], REMOTE),
        # Unknown ones, and those that policy does not prohibit.
        (["QUANTUM_BROKEN", "RETIRED", "NOT_FIDO_CERTIFIED"], None),
    ],
)
def test_which_status_prohibits_a_model(reports: list[Any], prohibited: str | None) -> None:
    """The effective ones, until a later report that their row names; for registration and for stored ones alike."""
    found = model(*reports)
    assert prohibiting_status(found, ANY, at=NOW) == prohibited
    expected = Code.MODEL_PROHIBITED if prohibited else None
    assert judge_model(AAGUID, found, ANY, at=NOW) == expected
    assert judge_stored_model(AAGUID, found, ANY, at=NOW) == expected


def test_what_is_prohibited_is_the_operators_choice() -> None:
    """Any status can be, and the default ones need not."""
    policy = replace(ANY, prohibited=frozenset({"RETIRED", "NOT_FIDO_CERTIFIED"}))
    assert judge_model(AAGUID, model("REVOKED"), policy, at=NOW) is None
    assert judge_model(AAGUID, model("RETIRED"), policy, at=NOW) is Code.MODEL_PROHIBITED
    certified = model(("NOT_FIDO_CERTIFIED", "2020-01-01"), ("FIDO_CERTIFIED_L1", "2021-01-01"))
    assert judge_model(AAGUID, certified, policy, at=NOW) is None


@pytest.mark.parametrize(
    ("reports", "level"),
    [
        ([], None),
        (["NOT_FIDO_CERTIFIED"], None),
        (["FIDO_CERTIFIED"], "FIDO_CERTIFIED"),
        # As FIDO writes most of them: one certification under two names, the newer name first.
        ([("FIDO_CERTIFIED_L1", "2020-05-12"), ("FIDO_CERTIFIED", "2020-05-12")], "FIDO_CERTIFIED_L1"),
        ([("FIDO_CERTIFIED", "2018-11-08"), ("FIDO_CERTIFIED_L1", "2020-11-19")], "FIDO_CERTIFIED_L1"),
        ([("FIDO_CERTIFIED_L2", "2021-03-05"), ("FIDO_CERTIFIED_L1", "2019-12-04")], "FIDO_CERTIFIED_L2"),
        ([("FIDO_CERTIFIED_L1", "2020-12-21"), ("NOT_FIDO_CERTIFIED", "2020-08-10")], "FIDO_CERTIFIED_L1"),
        ([("FIDO_CERTIFIED_L2", "2020-01-01"), ("NOT_FIDO_CERTIFIED", "2021-01-01")], None),
        ([("FIDO_CERTIFIED_L2", "2020-01-01"), ("REVOKED", "2021-01-01")], None),
        (
            [("FIDO_CERTIFIED_L2", "2020-01-01", "2025-01-01"), ("FIDO_CERTIFIED_L1", "2019-01-01")],
            "FIDO_CERTIFIED_L1",
        ),
        ([("FIDO_CERTIFIED_L3", "2027-01-01")], None),
        (["FIPS140_CERTIFIED_L3"], None),
    ],
)
def test_the_level_that_a_model_is_certified_at(reports: list[Any], level: str | None) -> None:
    """The highest that is in effect and was not taken back."""
    assert certification_level(model(*reports), NOW) == level


@pytest.mark.parametrize("wanted", CERTIFICATION_LEVELS)
def test_a_level_is_reached_by_itself_and_by_what_is_above_it(wanted: str) -> None:
    """In the order of MDS §3.1.4.1; an unknown model and an uncertified one reach none."""
    policy = replace(ANY, certification=wanted)
    for level in CERTIFICATION_LEVELS:
        enough = CERTIFICATION_LEVELS.index(level) >= CERTIFICATION_LEVELS.index(wanted)
        expected = None if enough else Code.MODEL_NOT_CERTIFIED
        assert judge_model(AAGUID, model(level), policy, at=NOW) == expected
    assert judge_model(AAGUID, model(), policy, at=NOW) is Code.MODEL_NOT_CERTIFIED
    assert judge_model(AAGUID, None, policy, at=NOW) is Code.MODEL_NOT_CERTIFIED


GOOD, BAD = model("FIDO_CERTIFIED_L1"), model("REVOKED")


@pytest.mark.parametrize(
    ("found", "changes", "new", "stored"),
    [
        (GOOD, {}, None, None),
        (None, {}, None, None),
        (BAD, {}, Code.MODEL_PROHIBITED, Code.MODEL_PROHIBITED),
        (GOOD, {"denied": frozenset({AAGUID})}, Code.AAGUID_DENIED, Code.AAGUID_DENIED),
        (None, {"denied": frozenset({AAGUID})}, Code.AAGUID_DENIED, Code.AAGUID_DENIED),
        (GOOD, {"denied": frozenset({OTHER})}, None, None),
        (GOOD, {"allowed": frozenset({AAGUID})}, None, None),
        (GOOD, {"allowed": frozenset({OTHER})}, Code.AAGUID_NOT_ALLOWED, None),
        (BAD, {"allowed": frozenset({AAGUID})}, Code.MODEL_PROHIBITED, Code.MODEL_PROHIBITED),
        (BAD, {"allowed": frozenset({OTHER})}, Code.AAGUID_NOT_ALLOWED, Code.MODEL_PROHIBITED),
        (None, {"unknown_allowed": False}, Code.MODEL_UNKNOWN, None),
        (GOOD, {"unknown_allowed": False}, None, None),
        (GOOD, {"certification": "FIDO_CERTIFIED_L2"}, Code.MODEL_NOT_CERTIFIED, None),
        (
            GOOD,
            {"allowed": frozenset({AAGUID}), "denied": frozenset({AAGUID})},
            Code.AAGUID_DENIED,
            Code.AAGUID_DENIED,
        ),
    ],
)
def test_the_rules_in_their_order(
    found: Model | None, changes: dict[str, Any], new: Code | None, stored: Code | None
) -> None:
    """A new credential meets all of them, a stored one those about what is wrong with its model."""
    policy = replace(ANY, **changes)
    assert judge_model(AAGUID, found, policy, at=NOW) == new
    assert judge_stored_model(AAGUID, found, policy, at=NOW) == stored


def test_the_day_is_utc() -> None:
    """A report is effective from midnight in UTC, wherever the server stands."""
    found = model(("REVOKED", "2026-11-26"))
    assert prohibiting_status(found, ANY, at=datetime.fromisoformat("2026-11-26T01:00:00+02:00")) is None
    assert prohibiting_status(found, ANY, at=datetime.fromisoformat("2026-11-25T23:00:00-02:00")) == "REVOKED"


def test_the_tables_speak_of_statuses_that_there_are() -> None:
    """A misspelt one would be a rule that never holds."""
    named = {*SUPERSEDED_BY, *(status for row in SUPERSEDED_BY.values() for status in row)}
    assert named | set(PROHIBITED_BY_DEFAULT) <= set(STATUSES)
    assert len(set(STATUSES)) == len(STATUSES)


def test_reports_are_told_in_their_order() -> None:
    """Those that count today."""
    found = model(("FIDO_CERTIFIED", "2018-01-01"), ("REVOKED", "2027-01-01"), "RETIRED")
    assert [report.status for report in current_reports(found, NOW)] == ["FIDO_CERTIFIED", "RETIRED"]


def metadata(*models: Model) -> Metadata:
    return Metadata(no=7, next_update=date(2026, 12, 1), models=by_key(models))


FULL = metadata(
    model(("REVOKED", "2026-01-01", "2027-01-01"), "RETIRED", roots=(b"one", b"two")),
    model(aaguid=None, keys=(KEY_IDENTIFIER, "0" * 40), roots=(b"two",)),
    model("FIDO_CERTIFIED", aaguid=OTHER),
)


def test_metadata_survives_its_document() -> None:
    """Models with all they have, under all their keys, anchors shared; the same bytes for the same metadata."""
    data = dump_metadata(FULL)
    assert load_metadata("x", data) == FULL
    assert dump_metadata(load_metadata("x", data)) == data
    assert data.count(b"dHdv") == 1  # "two", once


def test_the_anchors_of_each_model() -> None:
    """By AAGUID and by key identifier. One that has none is there: nobody vouches for it, anchors of its format included."""
    assert anchors_of(FULL) == {
        AAGUID: (b"one", b"two"),
        KEY_IDENTIFIER: (b"two",),
        "0" * 40: (b"two",),
        OTHER: (),
    }
    assert anchors_of(None) == {}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"v":1}',
        b'{"v":1,"no":1,"next_update":"x","roots":[],"models":[]}',
        b'{"v":1,"no":1,"next_update":"2026-01-01","roots":[],"models":[{}]}',
    ],
)
def test_a_damaged_document_is_told(data: bytes) -> None:
    """Half a list of models is none."""
    with pytest.raises(StoreDamaged):
        load_metadata("metadata/models/x.json", data)


def test_stale_from_the_day_after_the_next_update() -> None:
    """The clock decides, not the refresh."""
    assert not FULL.is_stale(datetime(2026, 12, 1, 23, tzinfo=UTC))
    assert FULL.is_stale(datetime(2026, 12, 2, tzinfo=UTC))
