"""Metadata BLOBs, verified: one that is right in everything, and each obligation broken alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from passkeys import metadata_blob
from passkeys.errors import MetadataFault, MetadataInvalid
from passkeys.metadata import StatusReport, anchors_of
from passkeys.metadata_blob import MAX_ENTRIES, MAX_ICON, MAX_STATUSES, Blob, verify_blob
from tests.metadata_kit import (
    AAGUID,
    CHAIN,
    INTERMEDIATE,
    KEY_IDENTIFIER,
    LEAF,
    NOW,
    OTHER,
    PNG,
    ROOT,
    SIGNER,
    Json,
    blob,
    entry,
    for_host,
    payload,
    rsa_leaf,
    sign,
    status,
)
from tests.passkeys.authorities import authority, issue, named

Fault = MetadataFault


def verified(data: bytes, *, at: datetime = NOW, signer: str = SIGNER, roots: Any = (ROOT.der,)) -> Blob:
    return verify_blob(data, roots=roots, signer=signer, at=at)


def fault(data: bytes, **expected: Any) -> MetadataFault:
    with pytest.raises(MetadataInvalid) as caught:
        verified(data, **expected)
    assert str(caught.value).startswith(caught.value.code)
    return caught.value.code


def test_a_good_blob_says_what_it_holds() -> None:
    """Number, next update, models by AAGUID and by key identifier, statuses, anchors, icons."""
    reports = (
        status("FIDO_CERTIFIED_L1", "2020-05-12", authenticatorVersion=2, sunsetDate="2030-01-01"),
        status("NOT_FIDO_CERTIFIED", None),
    )
    found = verified(
        blob(
            entry(AAGUID, *reports, roots=[ROOT.der, ROOT.der, INTERMEDIATE.der]),
            entry(None, keys=[KEY_IDENTIFIER.upper()], name="An old key", icon=None),
            {"aaid": "1234#5678", "statusReports": [], "timeOfLastStatusChange": "2020-01-01"},
        )
    )
    metadata = found.metadata
    assert (metadata.no, metadata.next_update) == (42, date(2026, 12, 1))
    assert set(metadata.models) == {AAGUID, KEY_IDENTIFIER}
    model = metadata.models[AAGUID]
    assert (model.aaguid, model.name, model.key_identifiers) == (AAGUID, "A key of the tests", ())
    assert model.statuses == (
        StatusReport("FIDO_CERTIFIED_L1", date(2020, 5, 12), date(2030, 1, 1), 2),
        StatusReport("NOT_FIDO_CERTIFIED", None, None, None),
    )
    assert anchors_of(metadata) == {AAGUID: (ROOT.der, INTERMEDIATE.der), KEY_IDENTIFIER: ()}
    assert model.icon is not None
    assert found.icons == {model.icon: PNG}
    old = metadata.models[KEY_IDENTIFIER]
    assert (old.aaguid, old.name, old.icon, old.key_identifiers) == (
        None,
        "An old key",
        None,
        (KEY_IDENTIFIER,),
    )
    assert (found.others, found.unreadable_roots, found.algorithm, found.signer) == (1, 0, "ES256", SIGNER)


def test_what_fido_writes_is_read_as_it_is_meant() -> None:
    """An RSA signer, a line feed at the end of the file, spaces in base64, a root of its own in the chain."""
    leaf = rsa_leaf()
    one = entry(roots=[ROOT.der])
    one["metadataStatement"]["attestationRootCertificates"][0] += "\n"
    one["metadataStatement"]["icon"] = (
        one["metadataStatement"]["icon"][:40] + "\n" + one["metadataStatement"]["icon"][40:]
    )
    for algorithm in ("RS256", "RS512", "PS256"):
        found = verified(sign(payload(one), chain=(leaf, INTERMEDIATE, ROOT), algorithm=algorithm) + b"\n")
        assert found.metadata.models[AAGUID].roots == (ROOT.der,)
        assert list(found.icons.values()) == [PNG]


def test_a_blob_without_entries_is_one() -> None:
    """It says that nothing is known, and says it signed."""
    assert dict(verified(blob()).metadata.models) == {}


def test_past_its_next_update_a_blob_is_stale_and_says_what_it_said() -> None:
    """The last day is not late. A stale one is verified like any other: who uses it must say so."""
    found = verified(blob(entry(), next_update="2026-11-25")).metadata
    assert not found.is_stale(NOW)
    assert not found.is_stale(datetime(2026, 11, 25, 23, 59, 59, tzinfo=UTC))
    assert found.is_stale(datetime(2026, 11, 26, tzinfo=UTC))
    assert verified(blob(entry(), next_update="2020-01-01")).metadata.is_stale(NOW)


def cut(data: bytes, at: float) -> bytes:
    return data[: int(len(data) * at)]


def with_part(data: bytes, index: int, change: Callable[[bytes], bytes]) -> bytes:
    parts = data.split(b".")
    parts[index] = change(parts[index])
    return b".".join(parts)


def flipped(part: bytes) -> bytes:
    """One bit of its first byte is another."""
    raw = base64.urlsafe_b64decode(part + b"==")
    return base64.urlsafe_b64encode(bytes([raw[0] ^ 1]) + raw[1:]).rstrip(b"=")


def encoded(value: Any) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


GOOD = blob(entry())
STRANGER = authority("A root for metadata")  # of the same name as ours
EXPIRED = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC))
NOT_YET = (datetime(2026, 11, 26, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))


def chain_of(leaf_name: str = SIGNER, **leaf: Any) -> tuple[Any, ...]:
    return issue("FIDO", issuer=INTERMEDIATE, extensions=[for_host(leaf_name)], **leaf), INTERMEDIATE


def of_a_stranger() -> bytes:
    """A whole chain that ends in a root of its own, and brings it along."""
    middle = authority("An intermediate", issuer=STRANGER)
    leaf = issue("FIDO", issuer=middle, extensions=[for_host(SIGNER)])
    return sign(payload(entry()), chain=(leaf, middle, STRANGER))


def none_algorithm(signature: bytes = b"") -> bytes:
    return b".".join(
        [encoded({"alg": "none", "typ": "JWT", "x5c": []}), encoded(payload(entry())), signature]
    )


def hmac_with_public_key() -> bytes:
    """The old trick: a MAC under what everybody knows, for a verifier that takes whatever key fits the header."""
    return with_part(
        GOOD, 0, lambda _: encoded({"alg": "HS256", "x5c": [base64.b64encode(LEAF.der).decode()]})
    )


BROKEN: dict[str, tuple[Callable[[], bytes], MetadataFault]] = {
    "nothing": (lambda: b"", Fault.MALFORMED),
    "a web page": (lambda: b"<html><body>moved</body></html>", Fault.MALFORMED),
    "cut in the header": (lambda: cut(GOOD, 0.1), Fault.MALFORMED),
    "cut in the payload": (lambda: cut(GOOD, 0.8), Fault.MALFORMED),
    "cut before the signature": (lambda: GOOD.rpartition(b".")[0], Fault.MALFORMED),
    "four parts": (lambda: GOOD + b".x", Fault.MALFORMED),
    "a header that is no JSON": (lambda: with_part(GOOD, 0, lambda _: b"AAAA"), Fault.MALFORMED),
    "a header that is a list": (lambda: with_part(GOOD, 0, lambda _: encoded([1])), Fault.MALFORMED),
    "a header that is no base64": (lambda: with_part(GOOD, 0, lambda part: part + b"!"), Fault.MALFORMED),
    "a header as big as a book": (
        lambda: with_part(GOOD, 0, lambda _: encoded({"alg": "ES256", "x": "y" * 70_000})),
        Fault.MALFORMED,
    ),
    "critical extensions": (
        lambda: sign(payload(entry()), header={"crit": ["b64"], "b64": True}),
        Fault.MALFORMED,
    ),
    "alg none": (none_algorithm, Fault.ALGORITHM_REFUSED),
    "alg none with a signature": (lambda: none_algorithm(b"AAAA"), Fault.ALGORITHM_REFUSED),
    "a MAC": (hmac_with_public_key, Fault.ALGORITHM_REFUSED),
    "no alg": (lambda: with_part(GOOD, 0, lambda _: encoded({"typ": "JWT"})), Fault.ALGORITHM_REFUSED),
    "alg is a list": (
        lambda: with_part(GOOD, 0, lambda _: encoded({"alg": ["ES256"]})),
        Fault.ALGORITHM_REFUSED,
    ),
    "an algorithm for another kind of key": (
        lambda: with_part(
            GOOD,
            0,
            lambda _: encoded({"alg": "RS256", "x5c": [base64.b64encode(c.der).decode() for c in CHAIN]}),
        ),
        Fault.ALGORITHM_REFUSED,
    ),
    "certificates by address": (
        lambda: sign(payload(entry()), header={"x5u": "https://mds.fidoalliance.org/chain.pem"}),
        Fault.CHAIN_REMOTE,
    ),
    "certificates by address alone": (
        lambda: sign(payload(entry()), header={"x5c": None, "x5u": "https://evil.example/"}),
        Fault.CHAIN_REMOTE,
    ),
    "no certificates": (lambda: sign(payload(entry()), header={"x5c": None}), Fault.CHAIN_MISSING),
    "an empty chain": (lambda: sign(payload(entry()), header={"x5c": []}), Fault.CHAIN_MISSING),
    "certificates that are numbers": (
        lambda: with_part(GOOD, 0, lambda _: encoded({"alg": "ES256", "x5c": [1]})),
        Fault.CHAIN_MISSING,
    ),
    "a certificate that is no base64": (
        lambda: sign(payload(entry()), header={"x5c": ["!!"]}),
        Fault.CHAIN_UNTRUSTED,
    ),
    "a certificate that is none": (
        lambda: sign(payload(entry()), header={"x5c": ["AAAA"]}),
        Fault.CHAIN_UNTRUSTED,
    ),
    "another root, brought along": (of_a_stranger, Fault.CHAIN_UNTRUSTED),
    "the intermediate is missing": (lambda: sign(payload(entry()), chain=(LEAF,)), Fault.CHAIN_UNTRUSTED),
    "the signer has expired": (
        lambda: sign(payload(entry()), chain=chain_of(valid=EXPIRED)),
        Fault.CHAIN_UNTRUSTED,
    ),
    "the signer is not valid yet": (
        lambda: sign(payload(entry()), chain=chain_of(valid=NOT_YET)),
        Fault.CHAIN_UNTRUSTED,
    ),
    "another customer of the same CA": (
        lambda: sign(payload(entry()), chain=chain_of("shop.example")),
        Fault.SIGNER_UNEXPECTED,
    ),
    "a name that begins like ours": (
        lambda: sign(payload(entry()), chain=chain_of(SIGNER + ".evil.example")),
        Fault.SIGNER_UNEXPECTED,
    ),
    "the right common name beside a wrong DNS name": (
        lambda: sign(
            payload(entry()),
            chain=(
                issue(named(SIGNER), issuer=INTERMEDIATE, extensions=[for_host("shop.example")]),
                INTERMEDIATE,
            ),
        ),
        Fault.SIGNER_UNEXPECTED,
    ),
    "no signature": (lambda: GOOD.rpartition(b".")[0] + b".", Fault.UNSIGNED),
    "the signature is another's": (
        lambda: sign(payload(entry()), key=ec.generate_private_key(ec.SECP256R1())),
        Fault.SIGNATURE_INVALID,
    ),
    "one bit of the payload": (lambda: with_part(GOOD, 1, flipped), Fault.SIGNATURE_INVALID),
    "one bit of the signature": (lambda: with_part(GOOD, 2, flipped), Fault.SIGNATURE_INVALID),
    "another payload": (
        lambda: with_part(GOOD, 1, lambda _: encoded(payload(entry(), no=43))),
        Fault.SIGNATURE_INVALID,
    ),
    "a signature cut short": (lambda: GOOD[:-10], Fault.SIGNATURE_INVALID),
    "a payload that is no base64": (
        lambda: with_part(GOOD, 1, lambda part: part + b"!"),
        Fault.SIGNATURE_INVALID,
    ),
    "a payload that is no JSON": (lambda: sign(b"\xff\xfe"), Fault.PAYLOAD_MALFORMED),
    "a payload in UTF-16": (lambda: sign(json.dumps(payload()).encode("utf-16")), Fault.PAYLOAD_MALFORMED),
    "NaN": (lambda: sign(b'{"no": NaN}'), Fault.PAYLOAD_MALFORMED),
    "a payload too deep": (lambda: sign(b"[" * 200_000), Fault.PAYLOAD_MALFORMED),
    "a payload that is a list": (lambda: sign(b"[]"), Fault.PAYLOAD_MALFORMED),
    "no number": (lambda: blob(no=None), Fault.PAYLOAD_MALFORMED),
    "a number below zero": (lambda: blob(no=-1), Fault.PAYLOAD_MALFORMED),
    "a number without end": (lambda: blob(no=10**30), Fault.PAYLOAD_MALFORMED),
    "a number that is true": (lambda: blob(no=True), Fault.PAYLOAD_MALFORMED),
    "a next update that is a number": (lambda: blob(next_update=20261201), Fault.PAYLOAD_MALFORMED),
    "a next update of another calendar": (lambda: blob(next_update="2026-W48-2"), Fault.PAYLOAD_MALFORMED),
    "a next update that is no day": (lambda: blob(next_update="2026-02-30"), Fault.PAYLOAD_MALFORMED),
    "entries by name": (lambda: sign({**payload(), "entries": {}}), Fault.PAYLOAD_MALFORMED),
    "too many entries": (
        lambda: sign({**payload(), "entries": [{}] * (MAX_ENTRIES + 1)}),
        Fault.PAYLOAD_MALFORMED,
    ),
    "one AAGUID twice": (lambda: blob(entry(), entry(AAGUID.upper())), Fault.ENTRY_REPEATED),
    "one key identifier twice": (
        lambda: blob(entry(None, keys=[KEY_IDENTIFIER]), entry(OTHER, keys=[KEY_IDENTIFIER])),
        Fault.ENTRY_REPEATED,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_blob_that_is_wrong_in_one_point_is_refused_with_that_point(name: str) -> None:
    """Everything else about it is right, so that it is this point and no other."""
    make, expected = BROKEN[name]
    assert fault(make()) is expected


def test_every_fault_is_made_here_or_where_serials_are_kept() -> None:
    """No code of the table is for show."""
    made = {expected for _, expected in BROKEN.values()}
    assert made | {
        Fault.TOO_LARGE,
        Fault.ENTRY_MALFORMED,
        Fault.ROLLED_BACK,
        Fault.SERIAL_REUSED,
    } == set(Fault)


def test_a_huge_blob_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its length alone."""
    monkeypatch.setattr(metadata_blob, "MAX_BLOB", len(GOOD) - 1)
    assert fault(GOOD) is Fault.TOO_LARGE


def test_a_root_smuggled_into_the_chain_is_no_anchor() -> None:
    """A stranger's root beside our own chain changes nothing, for the better or the worse."""
    assert verified(sign(payload(entry()), chain=(*CHAIN, STRANGER))).metadata.no == 42
    mixed = sign(
        payload(entry()),
        chain=(issue("FIDO", issuer=STRANGER, extensions=[for_host(SIGNER)]), STRANGER, ROOT),
    )
    assert fault(mixed) is Fault.CHAIN_UNTRUSTED


def test_the_time_is_the_callers() -> None:
    """The same BLOB is good while its signer is valid, and no longer."""
    data = sign(payload(entry()), chain=chain_of(valid=EXPIRED))
    assert verified(data, at=NOW - timedelta(days=2)).metadata.no == 42
    assert fault(data) is Fault.CHAIN_UNTRUSTED


def test_several_roots_may_be_trusted_while_fido_changes_them() -> None:
    """In August 2026 the root changed from one day to the next: both can be in the file."""
    assert verified(GOOD, roots=(authority("The root before").der, ROOT.der)).metadata.no == 42


def test_without_dns_names_the_common_name_counts() -> None:
    """RFC 6125 §6.4.4: as FIDO's test certificates are."""
    chain = (issue(SIGNER, issuer=INTERMEDIATE), INTERMEDIATE)
    assert verified(sign(payload(entry()), chain=chain)).signer == SIGNER
    assert fault(sign(payload(entry()), chain=chain), signer="fake.example") is Fault.SIGNER_UNEXPECTED


def statement(**members: Any) -> Json:
    one = entry()
    one["metadataStatement"] |= members
    return one


MALFORMED_ENTRIES: dict[str, Any] = {
    "not an object": "x",
    "null": None,
    "an AAGUID that is a number": entry(aaguid=7),  # type: ignore[arg-type]
    "an AAGUID without dashes": entry(AAGUID.replace("-", "")),
    "an AAGUID of another kind": entry("{" + AAGUID + "}"),
    "no status reports": {k: v for k, v in entry().items() if k != "statusReports"},
    "status reports that are null": entry(statusReports=None),
    "status reports by name": entry(statusReports={"status": "REVOKED"}),
    "a report that is a text": entry(AAGUID, "REVOKED"),  # type: ignore[arg-type]
    "a report without a status": entry(AAGUID, {"effectiveDate": "2020-01-01"}),
    "a status that is a number": entry(AAGUID, {"status": 1}),
    "a day that is a number": entry(AAGUID, {"status": "REVOKED", "effectiveDate": 20200101}),
    "a day that is none": entry(AAGUID, status("REVOKED", "2020-13-01")),
    "a day with a time": entry(AAGUID, status("REVOKED", "2020-01-01T00:00:00Z")),
    "a sunset that is none": entry(AAGUID, status("REVOKED", sunsetDate="never")),
    "a version that is a text": entry(AAGUID, status("REVOKED", authenticatorVersion="1")),
    "a version that is true": entry(AAGUID, status("REVOKED", authenticatorVersion=True)),
    "too many reports": entry(AAGUID, *[status("REVOKED")] * (MAX_STATUSES + 1)),
    "a statement that is a list": entry(metadataStatement=[]),
    "key identifiers that are one": entry(attestationCertificateKeyIdentifiers=KEY_IDENTIFIER),
    "a key identifier that is a number": entry(None, keys=[7]),  # type: ignore[list-item]
    "a key identifier that is too short": entry(None, keys=["abcd"]),
    "a key identifier that is no hex": entry(None, keys=["g" * 40]),
    "roots that are one": statement(attestationRootCertificates="AAAA"),
}


@pytest.mark.parametrize("name", MALFORMED_ENTRIES)
def test_an_entry_whose_judgement_cannot_be_read_refuses_the_blob(name: str) -> None:
    """Passed over, it might be the one that revokes; and what was known of the model would be forgotten."""
    assert fault(blob(entry(OTHER), MALFORMED_ENTRIES[name])) is Fault.ENTRY_MALFORMED


LENIENT: dict[str, Json] = {
    "no statement": {k: v for k, v in entry().items() if k != "metadataStatement"},
    "an icon that is an SVG": statement(icon="data:image/svg+xml;base64,PHN2Zy8+"),
    "an icon that says PNG and is none": statement(icon="data:image/png;base64,PHN2Zy8+"),
    "an icon that is no base64": statement(icon="data:image/png;base64,!"),
    "an icon by address": statement(icon="https://evil.example/x.png"),
    "an icon that is a number": statement(icon=7),
    "a huge icon": entry(icon=PNG + bytes(MAX_ICON)),
}


@pytest.mark.parametrize("name", LENIENT)
def test_what_only_decorates_may_be_wrong(name: str) -> None:
    """The model is there, without the icon."""
    found = verified(blob(LENIENT[name]))
    assert found.metadata.models[AAGUID].icon is None
    assert dict(found.icons) == {}


@pytest.mark.parametrize("root", ["AAAA", "!", "", 7, None])
def test_an_anchor_that_is_no_certificate_is_left_out_and_counted(root: Any) -> None:
    """Without it we trust less, never more."""
    one = entry(roots=[ROOT.der])
    one["metadataStatement"]["attestationRootCertificates"].append(root)
    found = verified(blob(one))
    assert (found.metadata.models[AAGUID].roots, found.unreadable_roots) == ((ROOT.der,), 1)


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"description": "  A   key\n of steel "}, "A key of steel"),
        ({"friendlyNames": {"en-US": "Steel", "fr": "Acier"}}, "Steel"),
        ({"friendlyNames": {"en-US": " "}}, "A key of the tests"),
        ({"friendlyNames": ["Steel"]}, "A key of the tests"),
        ({"description": "a\u202eb\u0000c"}, "abc"),
        ({"description": "x" * 1000}, "x" * 200),
        ({"description": 7}, ""),
    ],
)
def test_names_are_one_line_of_printable_text(members: Json, name: str) -> None:
    """From the names for people, else from the description."""
    assert verified(blob(statement(**members))).metadata.models[AAGUID].name == name


def test_an_unknown_status_is_kept_and_does_no_harm() -> None:
    """MDS §3.1.4: new ones come, and are ignored by who does not know them."""
    found = verified(blob(entry(AAGUID, status("QUANTUM_BROKEN"))))
    assert found.metadata.models[AAGUID].statuses[0].status == "QUANTUM_BROKEN"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=6,
)
MEMBERS = (
    ("no",),
    ("nextUpdate",),
    ("legalHeader",),
    ("entries",),
    ("entries", 0),
    ("entries", 0, "aaguid"),
    ("entries", 0, "attestationCertificateKeyIdentifiers"),
    ("entries", 0, "attestationCertificateKeyIdentifiers", 0),
    ("entries", 0, "metadataStatement"),
    ("entries", 0, "metadataStatement", "description"),
    ("entries", 0, "metadataStatement", "icon"),
    ("entries", 0, "metadataStatement", "friendlyNames"),
    ("entries", 0, "metadataStatement", "attestationRootCertificates"),
    ("entries", 0, "metadataStatement", "attestationRootCertificates", 0),
    ("entries", 0, "statusReports"),
    ("entries", 0, "statusReports", 0),
    ("entries", 0, "statusReports", 0, "status"),
    ("entries", 0, "statusReports", 0, "effectiveDate"),
    ("entries", 0, "statusReports", 0, "sunsetDate"),
    ("entries", 0, "statusReports", 0, "authenticatorVersion"),
)


@given(st.sampled_from(MEMBERS), JSON_VALUES)
def test_whatever_stands_where_a_blob_is_read_or_refused(path: tuple[Any, ...], value: Any) -> None:
    """Any JSON in any place, correctly signed: a Blob or MetadataInvalid, and no other exception."""
    content = payload(entry(AAGUID, status("REVOKED"), roots=[ROOT.der], keys=[KEY_IDENTIFIER]))
    where: Any = content
    for step in path[:-1]:
        where = where[step]
    where[path[-1]] = value
    try:
        found = verified(sign(content))
    except MetadataInvalid:
        return
    assert all(
        isinstance(report.status, str)
        for model in found.metadata.models.values()
        for report in model.statuses
    )


@given(
    st.dictionaries(st.sampled_from(["alg", "x5c", "x5u", "crit", "b64", "typ", "jwk", "kid"]), JSON_VALUES)
)
def test_whatever_the_header_says_a_blob_is_read_or_refused(members: Json) -> None:
    """Any JSON in any member of the header: never another exception."""
    header = {"alg": "ES256", "x5c": [base64.b64encode(one.der).decode() for one in CHAIN], **members}
    with pytest.raises(MetadataInvalid):
        verified(with_part(GOOD, 0, lambda _: encoded(header)))


@given(st.binary(max_size=200))
def test_whatever_arrives_is_refused(data: bytes) -> None:
    """Any bytes at all."""
    with pytest.raises(MetadataInvalid):
        verified(data)


@given(st.integers(min_value=0, max_value=len(GOOD) - 1), st.integers(min_value=1, max_value=255))
def test_no_byte_can_be_another(position: int, change: int) -> None:
    """Every byte is under the signature, or of it."""
    with pytest.raises(MetadataInvalid):
        verified(GOOD[:position] + bytes([GOOD[position] ^ change]) + GOOD[position + 1 :])
