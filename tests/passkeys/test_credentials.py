"""Records and their names: what is written is read back, what is not ours is damage, and every name can be kept."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from passkeys.credentials import (
    REMEMBERED_VERDICTS,
    Attestation,
    CredentialDescriptor,
    CredentialRecord,
    Standing,
    StandingState,
    Usage,
    Verdict,
    credential_name,
    dump_credential,
    dump_marker,
    dump_standing,
    dump_usage,
    dump_user_handle,
    load_credential,
    load_marker,
    load_standing,
    load_usage,
    load_user_handle,
    marker_name,
    person_name,
    person_prefix,
    remembered,
    standing_name,
    usage_name,
    used,
)
from passkeys.errors import StoreDamaged
from passkeys.response import MAX_CREDENTIAL_ID, decode_base64url, encode_base64url
from passkeys.store import checked_name

RECORD = CredentialRecord(
    credential_id="AQID",
    person="ada",
    user_handle="YWRh",
    public_key="oA",
    algorithm=-7,
    sign_count=0,
    aaguid="00000000-0000-0000-0000-000000000000",
    transports=("internal", "hybrid"),
    backup_eligible=True,
    backup_state=False,
    user_verified=True,
    attestation=Attestation("packed", "self", chain_verified=False, model_proven=False),
    ceremony_id="registration-" + "0" * 32,
    created_at="2026-01-01T00:00:00+00:00",
    extensions={"credProps": {"rk": True}},
)
STANDING = Standing(StandingState.DISABLED, "lost", "grace", "2026-01-01T00:00:00+00:00")
VERDICT = Verdict(
    "authentication-" + "0" * 32, 1, backup_state=False, user_verified=True, clone_suspected=False
)


def test_records_round_trip() -> None:
    """Each record is the same after the store."""
    usage = used(None, VERDICT, "2026-01-01T00:00:00+00:00")
    descriptor = CredentialDescriptor(b"\x01\x02", ("usb",), "blue key")
    assert load_credential("n", dump_credential(RECORD)) == RECORD
    assert load_usage("n", dump_usage(usage)) == usage
    assert load_marker("n", dump_marker(descriptor)) == descriptor
    for standing in (
        STANDING,
        replace(STANDING, state=StandingState.REMOVED, reason=None, by=None, removal="act-1"),
    ):
        assert load_standing("n", dump_standing(standing)) == standing
    assert load_user_handle("n", dump_user_handle(b"\x01" * 32)) == b"\x01" * 32


def test_documents_from_before_are_read() -> None:
    """A record without extensions, also with the attestation type of then; a marker without a name."""
    members = json.loads(dump_credential(RECORD))
    del members["extensions"]
    members["attestation"]["type"] = "certificate"
    record = load_credential("n", json.dumps(members).encode())
    attestation = Attestation("packed", "certificate", chain_verified=False, model_proven=False)
    assert record == replace(RECORD, extensions={}, attestation=attestation)
    marker = b'{"v":1,"credential_id":"AQI","transports":["usb"]}'
    assert load_marker("n", marker) == CredentialDescriptor(b"\x01\x02", ("usb",), None)


@pytest.mark.parametrize("state", ["gone", "", None, 7])
def test_a_standing_that_we_do_not_know_is_damage(state: object) -> None:
    """Not one that is taken for active."""
    data = json.dumps({**json.loads(dump_standing(STANDING)), "state": state}).encode()
    with pytest.raises(StoreDamaged, match="the/name"):
        load_standing("the/name", data)


@pytest.mark.parametrize("load", [load_credential, load_usage, load_standing, load_marker, load_user_handle])
@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"v":1}', b'{"v":1,"more":1}', b'{"v":null}']
)
def test_what_was_not_written_by_us_is_damage(load, data: bytes) -> None:
    """A document of another shape is StoreDamaged, which names it, and never half a record."""
    with pytest.raises(StoreDamaged, match="the/name"):
        load("the/name", data)


def test_a_newer_record_is_not_misread() -> None:
    """A record of a newer version says so."""
    with pytest.raises(StoreDamaged, match="Run the newer program"):
        load_credential("n", dump_credential(RECORD).replace(b'"v":1', b'"v":2'))


@pytest.mark.parametrize("length", [1, 16, 32, 142, 143, 500, MAX_CREDENTIAL_ID])
def test_every_credential_id_has_a_name_that_every_home_can_keep(length: int) -> None:
    """From the shortest to the longest that the specification allows."""
    credential_id = encode_base64url(b"\xfb" * length)
    names = [
        credential_name(credential_id),
        usage_name(credential_id),
        standing_name(credential_id),
        marker_name("a@b.example" * 5, credential_id),
    ]
    assert [checked_name(name) for name in names] == names
    assert len(set(names)) == 4


def test_names_are_as_documented() -> None:
    """Operators look for them."""
    assert credential_name("AQID") == "credentials/AQID.json"
    assert usage_name("AQID") == "usage/AQID.json"
    assert standing_name("AQID") == "standing/AQID.json"
    assert person_name("ada") == "people/YWRh.json"
    assert marker_name("ada", "AQID") == "people/YWRh/AQID.json"
    assert marker_name("ada", "AQID").startswith(person_prefix("ada"))
    assert not person_name("ada").startswith(person_prefix("ada"))


def test_long_ids_do_not_share_a_name() -> None:
    """Two long ids that begin alike are two documents."""
    first, second = encode_base64url(b"\x01" * 1023), encode_base64url(b"\x01" * 1022 + b"\x02")
    assert credential_name(first) != credential_name(second)


def test_no_short_id_takes_a_long_ones_name() -> None:
    """An id is whatever its authenticator likes, also one that is spelled as another's hash."""
    long_one = encode_base64url(b"\x01" * 1023)
    name = credential_name(long_one).removeprefix("credentials/").removesuffix(".json")
    with pytest.raises(ValueError, match="without padding"):  # whatever the hash is
        decode_base64url(name)


def test_a_sign_count_is_never_lowered() -> None:
    """Whatever a synced copy says, the highest stays."""
    usage = used(None, replace(VERDICT, sign_count=9), "t")
    assert used(usage, replace(VERDICT, ceremony_id="x", sign_count=3), "t").sign_count == 9


def test_the_last_few_verdicts_are_remembered() -> None:
    """Each of the last ceremonies finds its own verdict; the document does not grow for ever."""
    usage: Usage | None = None
    ceremonies = REMEMBERED_VERDICTS + 6
    for number in range(ceremonies):
        usage = used(usage, replace(VERDICT, ceremony_id=str(number), sign_count=number), "t")
    assert usage is not None
    assert len(usage.verdicts) == REMEMBERED_VERDICTS >= 16
    for number in range(ceremonies):
        found = remembered(usage, str(number))
        assert (found is not None) == (number >= ceremonies - REMEMBERED_VERDICTS)
        assert found is None or found.sign_count == number
    assert remembered(None, "0") is None
