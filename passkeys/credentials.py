"""What the store keeps of credentials: the records, their names, and how they become bytes.

    credentials/{credential}.json       CredentialRecord   write-once, by registration
    usage/{credential}.json             Usage              compare-and-swap, by authentication
    standing/{credential}.json          Standing           compare-and-swap, by acts and the metadata's re-judging
    people/{person}.json                the user handle    write-once, by registration
    people/{person}/{credential}.json   CredentialDescriptor: one small marker each, listed by prefix; its name by
                                        compare-and-swap, by acts

{credential} is the credential id in base64url; of an id too long for a name, its SHA-256 after "sha256=".
{person} is the person's id in base64url.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from passkeys import documents
from passkeys.response import decode_base64url, encode_base64url

# A part of a document's name holds 200 characters (passkeys.store); ".json" takes five.
_LONGEST_NAMED = 190
# How many ceremonies a usage document remembers the verdicts of: see `Usage`.
REMEMBERED_VERDICTS = 16


@dataclass(frozen=True, slots=True)
class Attestation:
    """What the attestation proved, and no more.

    `type`: none | self | basic | attca | anonca (WebAuthn L3 §6.5.4); of older records also certificate, for any of
    the last three. `chain_verified`: the certificates lead to a trust anchor that we held. Without it they are
    anybody's. `model_proven`: that chain vouches for the AAGUID (of fido-u2f, which has none, for the model that
    metadata knows by its certificate's key). Without it the AAGUID is a hint. `model`: what the statement's
    certificates speak of, as metadata names it: an AAGUID or, of fido-u2f, a key identifier in hex; None if of nothing.
    """

    format: str
    type: str
    chain_verified: bool
    model_proven: bool
    model: str | None = None  # absent from records that were written before


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """WebAuthn L3 §4, credential record: what was true at registration. Ids and keys in base64url.

    `extensions` are the outputs that were asked for and checked: JSON-native, and no secret.
    """

    credential_id: str
    person: str
    user_handle: str
    public_key: str
    algorithm: int
    sign_count: int
    aaguid: str
    transports: tuple[str, ...]
    backup_eligible: bool
    backup_state: bool
    user_verified: bool
    attestation: Attestation
    ceremony_id: str
    created_at: str
    extensions: Mapping[str, Any] = field(
        default_factory=dict
    )  # absent from records that were written before


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one authentication ceremony concluded, in the words of its result."""

    ceremony_id: str
    sign_count: int
    backup_state: bool
    user_verified: bool
    clone_suspected: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """What authentications have seen of a credential.

    `sign_count` is the highest ever seen. `verdicts` are those of the last few ceremonies, newest first: a
    verification that runs again for the same ceremony, after a crash behind the write, must say the same and
    not take its own trace for a clone's.
    """

    sign_count: int
    backup_state: bool
    last_used_at: str
    verdicts: tuple[Verdict, ...]


class StandingState(StrEnum):
    """Whether a credential may be used."""

    ACTIVE = "active"
    DISABLED = "disabled"  # by an operator, or because its model is: sign-in is rejected
    STEP_UP = "step_up"  # its model is: sign-in completes, and is good for managing passkeys alone
    REMOVED = "removed"  # for good


@dataclass(frozen=True, slots=True)
class Standing:
    """What has been decided about a credential since it was registered.

    `by` is a person's id or "metadata"; `at` is RFC 3339. A removed credential's is its tombstone: it holds no personal
    data, stays, and its id can never be registered again. `removal` is the act that has removed it or, of one that is
    not removed, the act that is about to. `overruled` is the metadata's reason that an operator has last enabled it in
    spite of. `holder`, of a tombstone alone, is by what its authenticator is known again: see `holder_of`.
    """

    state: StandingState
    reason: str | None
    by: str | None
    at: str
    removal: str | None = None
    overruled: str | None = None
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class CredentialDescriptor:
    """As much of a credential as excludeCredentials needs, and what its person calls it."""

    id: bytes
    transports: tuple[str, ...]
    name: str | None = None


def credential_name(credential_id: str) -> str:
    """Where the record of a credential is. `credential_id` must be base64url."""
    return f"credentials/{_named(credential_id)}.json"


def usage_name(credential_id: str) -> str:
    """Where the use of a credential is."""
    return f"usage/{_named(credential_id)}.json"


def standing_name(credential_id: str) -> str:
    """Where the standing of a credential is. None there: it is active."""
    return f"standing/{_named(credential_id)}.json"


def person_name(person: str) -> str:
    """Where a person's user handle is."""
    return f"people/{encode_base64url(person.encode())}.json"


def person_prefix(person: str) -> str:
    """What the names of a person's credential markers begin with."""
    return f"people/{encode_base64url(person.encode())}/"


def marker_name(person: str, credential_id: str) -> str:
    """Where the marker of one of a person's credentials is."""
    return f"{person_prefix(person)}{_named(credential_id)}.json"


def holder_of(credential_id: str, user_handle: bytes) -> str:
    """What a tombstone keeps of the user handle: enough to know who shows it again, for this credential alone.

    The handle is random, and told to nobody but the person's own authenticators. So the digest is nobody's data: it finds
    no person, and no other credential of theirs.
    """
    return hashlib.sha256(credential_id.encode() + b"\0" + user_handle).hexdigest()


def used(usage: Usage | None, verdict: Verdict, at: str) -> Usage:
    """`usage` after one more verified ceremony. The sign count is never lowered."""
    before = usage or Usage(0, backup_state=False, last_used_at=at, verdicts=())
    return Usage(
        sign_count=max(before.sign_count, verdict.sign_count),
        backup_state=verdict.backup_state,
        last_used_at=at,
        verdicts=(verdict, *before.verdicts)[:REMEMBERED_VERDICTS],
    )


def remembered(usage: Usage | None, ceremony_id: str) -> Verdict | None:
    """The verdict that this very ceremony has left, if it came so far before."""
    verdicts = usage.verdicts if usage else ()
    return next((verdict for verdict in verdicts if verdict.ceremony_id == ceremony_id), None)


def dump_credential(record: CredentialRecord) -> bytes:
    """The record's document."""
    return documents.dump(asdict(record))


def load_credential(name: str, data: bytes) -> CredentialRecord:
    """The record in a document. Raises StoreDamaged."""
    return documents.load(name, data, _credential)


def dump_usage(usage: Usage) -> bytes:
    """The use's document. Written out by hand: `asdict` costs more than all else between read and write."""
    return documents.dump(
        {
            "sign_count": usage.sign_count,
            "backup_state": usage.backup_state,
            "last_used_at": usage.last_used_at,
            "verdicts": [
                {
                    "ceremony_id": verdict.ceremony_id,
                    "sign_count": verdict.sign_count,
                    "backup_state": verdict.backup_state,
                    "user_verified": verdict.user_verified,
                    "clone_suspected": verdict.clone_suspected,
                }
                for verdict in usage.verdicts
            ],
        }
    )


def load_usage(name: str, data: bytes) -> Usage:
    """The use in a document. Raises StoreDamaged."""
    return documents.load(name, data, _usage)


def dump_standing(standing: Standing) -> bytes:
    """The standing's document."""
    return documents.dump(asdict(standing))


def load_standing(name: str, data: bytes) -> Standing:
    """The standing in a document. Raises StoreDamaged."""
    return documents.load(name, data, _standing)


def dump_marker(descriptor: CredentialDescriptor) -> bytes:
    """A marker's document."""
    return documents.dump(
        {
            "credential_id": encode_base64url(descriptor.id),
            "transports": descriptor.transports,
            "name": descriptor.name,
        }
    )


def load_marker(name: str, data: bytes) -> CredentialDescriptor:
    """The credential in a marker. Raises StoreDamaged."""
    return documents.load(name, data, _descriptor)


def dump_user_handle(user_handle: bytes) -> bytes:
    """The document of a person's user handle."""
    return documents.dump({"user_handle": encode_base64url(user_handle)})


def load_user_handle(name: str, data: bytes) -> bytes:
    """The user handle in a document. Raises StoreDamaged."""
    return documents.load(name, data, lambda members: decode_base64url(members["user_handle"]))


def _credential(members: dict[str, Any]) -> CredentialRecord:
    return CredentialRecord(
        **{
            **members,
            "transports": tuple(members["transports"]),
            "attestation": Attestation(**members["attestation"]),
        }
    )


def _usage(members: dict[str, Any]) -> Usage:
    return Usage(**{**members, "verdicts": tuple(Verdict(**verdict) for verdict in members["verdicts"])})


def _standing(members: dict[str, Any]) -> Standing:
    return Standing(**{**members, "state": StandingState(members["state"])})


def _descriptor(members: dict[str, Any]) -> CredentialDescriptor:
    return CredentialDescriptor(
        id=decode_base64url(members["credential_id"]),
        transports=tuple(members["transports"]),
        name=members.get("name"),  # absent from markers that were written before
    )


def _named(credential_id: str) -> str:
    if len(credential_id) <= _LONGEST_NAMED:
        return credential_id
    # base64url has no "=": no other credential's id can spell this name.
    return "sha256=" + hashlib.sha256(credential_id.encode()).hexdigest()
