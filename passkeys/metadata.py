"""What the FIDO Metadata Service says of authenticator models, and what follows from it for a credential.

A *model* is known by its AAGUID or, where it makes U2F credentials, by the key identifiers of its attestation
certificates. It has trust anchors for attestation, and *status reports*: certified, compromised, revoked. What
a report means now is decided here, by two tables: SUPERSEDED_BY and the rules of `judge_model`.

Section numbers are those of FIDO Metadata Service 3.1 (MDS) and FIDO Metadata Statement 3.1. What arrives as
a signed BLOB is verified in `passkeys.metadata_blob`; what the store keeps of it is read in `passkeys.models`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

from passkeys import documents
from passkeys.errors import RejectionCode

# MDS §3.1.4.1: the levels of FIDO's certification, the lowest first. FIDO_CERTIFIED is what there was before levels.
CERTIFICATION_LEVELS = (
    "FIDO_CERTIFIED",
    "FIDO_CERTIFIED_L1",
    "FIDO_CERTIFIED_L1plus",
    "FIDO_CERTIFIED_L2",
    "FIDO_CERTIFIED_L2plus",
    "FIDO_CERTIFIED_L3",
    "FIDO_CERTIFIED_L3plus",
)
# MDS §3.1.4: every status that there is. A BLOB may hold others, of a later version: they mean nothing here.
STATUSES = (
    "NOT_FIDO_CERTIFIED",
    "SELF_ASSERTION_SUBMITTED",
    *CERTIFICATION_LEVELS,
    "FIPS140_CERTIFIED_L1",
    "FIPS140_CERTIFIED_L2",
    "FIPS140_CERTIFIED_L3",
    "FIPS140_CERTIFIED_L4",
    "USER_VERIFICATION_BYPASS",
    "ATTESTATION_KEY_COMPROMISE",
    "USER_KEY_REMOTE_COMPROMISE",
    "USER_KEY_PHYSICAL_COMPROMISE",
    "UPDATE_AVAILABLE",
    "RETIRED",
    "REVOKED",
)
# What nobody should register with, unless an operator says otherwise.
PROHIBITED_BY_DEFAULT = (
    "REVOKED",
    "USER_KEY_REMOTE_COMPROMISE",
    "USER_KEY_PHYSICAL_COMPROMISE",
    "USER_VERIFICATION_BYPASS",
    "ATTESTATION_KEY_COMPROMISE",
)

_CERTIFIED = frozenset(CERTIFICATION_LEVELS)
# MDS §3.1.3: the latest report reflects the current status; an update is meant to address every issue reported before.
_REMEDY = _CERTIFIED | {"UPDATE_AVAILABLE"}
SUPERSEDED_BY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "USER_VERIFICATION_BYPASS": _REMEDY,
        "USER_KEY_REMOTE_COMPROMISE": _REMEDY,
        "USER_KEY_PHYSICAL_COMPROMISE": _REMEDY,
        "UPDATE_AVAILABLE": _CERTIFIED,
        "NOT_FIDO_CERTIFIED": _CERTIFIED,
        "SELF_ASSERTION_SUBMITTED": _CERTIFIED,
        **dict.fromkeys(_CERTIFIED, frozenset({"NOT_FIDO_CERTIFIED", "REVOKED"})),
        # REVOKED, RETIRED and ATTESTATION_KEY_COMPROMISE have no row: no update of the authenticator makes a fraud
        # honest or a leaked attestation key secret again. They end when the report is gone, or at its sunset.
    }
)
"""For each status, the ones which, reported later, put an end to it."""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """MDS §3.1.3: one thing that was found out about a model. No `effective_on`: since always.

    `expires_on` is the sunset date, the first day on which it no longer counts. `version` is that of the
    authenticator's firmware: kept for people, and not judged by, since no credential tells its own.
    """

    status: str
    effective_on: date | None
    expires_on: date | None
    version: int | None


@dataclass(frozen=True, slots=True)
class Model:
    """One model of authenticators. Either `aaguid` or `key_identifiers` (hex) name it; `name` may be empty.

    `icon` is the SHA-256 of its PNG, which is kept apart; `roots` are trust anchors for its attestation, in DER.
    `statuses` are in the BLOB's order.
    """

    aaguid: str | None
    key_identifiers: tuple[str, ...]
    name: str
    icon: str | None
    statuses: tuple[StatusReport, ...]
    roots: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """Every model of one BLOB, by AAGUID and by key identifier (lower-case hex)."""

    no: int
    next_update: date
    models: Mapping[str, Model]

    def is_stale(self, at: datetime) -> bool:
        """Whether a newer BLOB should have been there by now (MDS §3.1.5, nextUpdate: the latest day for it)."""
        return _day(at) > self.next_update


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """Which models are welcome. `allowed` empty: all. `certification` None: any level, and none."""

    prohibited: frozenset[str]
    allowed: frozenset[str]
    denied: frozenset[str]
    unknown_allowed: bool
    certification: str | None


def anchors_of(metadata: Metadata | None) -> Mapping[str, tuple[bytes, ...]]:
    """The trust anchors of each model, of some none: TrustAnchors.by_model, keyed as `Metadata.models` is."""
    models = metadata.models if metadata else {}
    return {key: model.roots for key, model in models.items()}


def judge_model(
    aaguid: str, model: Model | None, policy: ModelPolicy, *, at: datetime
) -> RejectionCode | None:
    """Why a new credential of this model is not welcome, or None. `model` None: the metadata knows none."""
    return _first(_RULES, aaguid, model, policy, at)


def judge_stored_model(
    aaguid: str, model: Model | None, policy: ModelPolicy, *, at: datetime
) -> RejectionCode | None:
    """Why a stored credential of this model must no longer be used, or None.

    By the rules that are about what is wrong with the model. Those about who may enter (allow-list, unknown
    models, certification) are of registration: made stricter, they must not lock out everybody overnight.
    """
    return _first(_RULES_FOR_STORED, aaguid, model, policy, at)


def prohibiting_status(model: Model, policy: ModelPolicy, *, at: datetime) -> str | None:
    """The status that makes a model prohibited at this time: the one reported last, or None."""
    found = [report.status for report in current_reports(model, at) if report.status in policy.prohibited]
    return found[-1] if found else None


def certification_level(model: Model, at: datetime) -> str | None:
    """The highest level that the model is certified at at this time, or None.

    The highest, not the last: one certification may be reported under both its old and its new name, in either order.
    """
    found = {report.status for report in current_reports(model, at)}
    return next((level for level in reversed(CERTIFICATION_LEVELS) if level in found), None)


def current_reports(model: Model, at: datetime) -> Iterator[StatusReport]:
    """The model's reports that are in effect on this day and not superseded, in their order."""
    today = _day(at)
    effective = [
        (position, report)
        for position, report in enumerate(model.statuses)
        if (report.effective_on is None or report.effective_on <= today)
        and (report.expires_on is None or today < report.expires_on)
    ]
    for position, report in effective:
        ends = SUPERSEDED_BY.get(report.status, frozenset())
        if not any(
            other.status in ends and _is_later(other, behind, report, position) for behind, other in effective
        ):
            yield report


def _is_later(one: StatusReport, one_position: int, other: StatusReport, other_position: int) -> bool:
    """Whether `one` was reported after `other`: on a later day; by the BLOB's order only where a day is missing.

    MDS §3.1.3 has the latest report last, and FIDO's own BLOBs have lists in either order. So of two on the same day
    neither is the later: whether an update came before or after what it mends is then not for us to guess.
    """
    if one.effective_on and other.effective_on:
        return one.effective_on > other.effective_on
    return one_position > other_position


def _day(at: datetime) -> date:
    """The BLOB's dates name no zone; FIDO's own would be one of several. UTC, as everywhere here."""
    return at.astimezone(UTC).date()


_Rule = tuple[RejectionCode, Callable[[str, Model | None, ModelPolicy, datetime], bool]]


def _is_prohibited(_: str, model: Model | None, policy: ModelPolicy, at: datetime) -> bool:
    return model is not None and prohibiting_status(model, policy, at=at) is not None


def _lacks_certification(_: str, model: Model | None, policy: ModelPolicy, at: datetime) -> bool:
    if policy.certification is None:
        return False
    level = certification_level(model, at) if model else None
    wanted = CERTIFICATION_LEVELS.index(policy.certification)
    return level is None or CERTIFICATION_LEVELS.index(level) < wanted


# In the order in which they are told: the operator's own word first.
_RULES: tuple[_Rule, ...] = (
    (RejectionCode.AAGUID_DENIED, lambda aaguid, _, policy, __: aaguid in policy.denied),
    (
        RejectionCode.AAGUID_NOT_ALLOWED,
        lambda aaguid, _, policy, __: bool(policy.allowed) and aaguid not in policy.allowed,
    ),
    (RejectionCode.MODEL_PROHIBITED, _is_prohibited),
    (RejectionCode.MODEL_UNKNOWN, lambda _, model, policy, __: model is None and not policy.unknown_allowed),
    (RejectionCode.MODEL_NOT_CERTIFIED, _lacks_certification),
)
_RULES_FOR_STORED = tuple(
    rule for rule in _RULES if rule[0] in {RejectionCode.AAGUID_DENIED, RejectionCode.MODEL_PROHIBITED}
)


def _first(
    rules: tuple[_Rule, ...], aaguid: str, model: Model | None, policy: ModelPolicy, at: datetime
) -> RejectionCode | None:
    return next((code for code, breaks in rules if breaks(aaguid, model, policy, at)), None)


def by_key(models: tuple[Model, ...]) -> Mapping[str, Model]:
    """The models as `Metadata.models` has them. No two of them share a key: `passkeys.metadata_blob` sees to it."""
    return MappingProxyType(
        {
            key: model
            for model in models
            for key in (*((model.aaguid,) if model.aaguid else ()), *model.key_identifiers)
        }
    )


def dump_metadata(metadata: Metadata) -> bytes:
    """The document of the metadata: each trust anchor once, since models share them. The same for the same."""
    models = tuple(dict.fromkeys(metadata.models.values()))
    roots = tuple(dict.fromkeys(root for model in models for root in model.roots))
    number = {root: index for index, root in enumerate(roots)}
    return documents.dump(
        {
            "no": metadata.no,
            "next_update": metadata.next_update.isoformat(),
            "roots": [base64.b64encode(root).decode() for root in roots],
            "models": [
                {
                    "aaguid": model.aaguid,
                    "key_identifiers": model.key_identifiers,
                    "name": model.name,
                    "icon": model.icon,
                    "statuses": [
                        [report.status, _text(report.effective_on), _text(report.expires_on), report.version]
                        for report in model.statuses
                    ],
                    "roots": [number[root] for root in model.roots],
                }
                for model in models
            ],
        }
    )


def load_metadata(name: str, data: bytes) -> Metadata:
    """The metadata in a document. Raises StoreDamaged."""
    return documents.load(name, data, _metadata)


def _metadata(members: dict[str, Any]) -> Metadata:
    roots = [base64.b64decode(root) for root in members["roots"]]
    return Metadata(
        no=members["no"],
        next_update=date.fromisoformat(members["next_update"]),
        models=by_key(
            tuple(
                Model(
                    aaguid=model["aaguid"],
                    key_identifiers=tuple(model["key_identifiers"]),
                    name=model["name"],
                    icon=model["icon"],
                    statuses=tuple(
                        StatusReport(status, _date(effective_on), _date(expires_on), version)
                        for status, effective_on, expires_on, version in model["statuses"]
                    ),
                    roots=tuple(roots[index] for index in model["roots"]),
                )
                for model in members["models"]
            )
        ),
    )


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
