"""X.509 chains, right and wrong: what leads to an anchor, what does not, and that nothing else ever comes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from hypothesis import given
from hypothesis import strategies as st

from passkeys.certificates import MAX_CERTIFICATE_BYTES, MAX_CERTIFICATES, ChainInvalid, verify_chain
from tests.passkeys.authorities import NOW, authority, issue, named, signed_with_sha1

EXPIRED = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
ROOT = authority("root")
INTERMEDIATE = authority("intermediate", issuer=ROOT)
LEAF = issue("leaf", issuer=INTERMEDIATE)
VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "webauthn-l3.json").read_text())


def refused(chain: object, anchors: object, at: datetime = NOW) -> str:
    with pytest.raises(ChainInvalid) as refusal:
        verify_chain(chain, anchors=anchors, at=at)  # type: ignore[arg-type]
    return str(refusal.value)


def test_a_chain_leads_to_its_anchor() -> None:
    """Leaf, intermediate, anchor: it verifies, and says which of the anchors it ended at."""
    other = authority("another root")
    assert verify_chain([LEAF.der, INTERMEDIATE.der], anchors=[other.der, ROOT.der], at=NOW) == ROOT.der


def test_a_chain_may_bring_the_root_along() -> None:
    """Android's chains carry their root: allowed, as long as it is an anchor of ours too."""
    chain = [LEAF.der, INTERMEDIATE.der, ROOT.der]
    assert verify_chain(chain, anchors=[ROOT.der], at=NOW) == ROOT.der
    assert "self-signed" in refused(chain, [authority("another root").der])


def test_an_exact_chain_is_the_path_below_its_anchor() -> None:
    """As FIDO's tools ask: in order, without repeats, without the anchor, and nothing besides; or the anchor alone."""

    def exactly(chain: list[bytes], anchor: bytes = ROOT.der) -> bool:
        try:
            return verify_chain(chain, anchors=[anchor], at=NOW, exact=True) == anchor
        except ChainInvalid:
            return False

    lowest = authority("lowest", issuer=INTERMEDIATE)
    leaf = issue("leaf", issuer=lowest)
    assert exactly([leaf.der, lowest.der, INTERMEDIATE.der])
    assert exactly([leaf.der, lowest.der], INTERMEDIATE.der)
    assert exactly([leaf.der], leaf.der)
    assert not exactly([leaf.der, INTERMEDIATE.der, lowest.der])
    assert not exactly([leaf.der, lowest.der, INTERMEDIATE.der, ROOT.der])
    assert not exactly([leaf.der, lowest.der, lowest.der, INTERMEDIATE.der])
    assert not exactly([leaf.der, lowest.der, INTERMEDIATE.der, authority("besides").der])
    assert not exactly([leaf.der, lowest.der], leaf.der)


def test_a_root_in_the_chain_is_never_an_anchor() -> None:
    """GHSA-6hxq-p678-4hr2: a self-signed root smuggled in x5c proves nothing, alone, under a leaf, or under our name."""
    impostor = authority("root")
    leaf = issue("leaf", issuer=impostor)
    refused([impostor.der], [ROOT.der])
    refused([leaf.der, impostor.der], [ROOT.der])
    refused([leaf.der], [ROOT.der])


def test_an_anchor_need_not_be_a_root() -> None:
    """A partial chain: an intermediate may be the anchor, with its issuer unknown."""
    assert verify_chain([LEAF.der], anchors=[INTERMEDIATE.der], at=NOW) == INTERMEDIATE.der
    assert verify_chain([LEAF.der, INTERMEDIATE.der], anchors=[INTERMEDIATE.der], at=NOW) == INTERMEDIATE.der


def test_the_leaf_may_be_the_anchor() -> None:
    """WebAuthn L3 §7.1 step 24: an attestation certificate may itself be acceptable, self-signed or not."""
    alone = issue("alone")
    for leaf in (LEAF, alone):
        assert verify_chain([leaf.der], anchors=[leaf.der], at=NOW) == leaf.der
    refused([issue("alone").der], [alone.der])


def test_the_anchor_told_is_one_that_was_given() -> None:
    """A chain that goes on behind its anchor, to nobody: what is returned is the anchor, not the end."""
    assert verify_chain([LEAF.der, INTERMEDIATE.der], anchors=[LEAF.der], at=NOW) == LEAF.der
    assert verify_chain([LEAF.der, INTERMEDIATE.der], anchors=[LEAF.der, ROOT.der], at=NOW) == LEAF.der
    assert verify_chain([LEAF.der], anchors=[INTERMEDIATE.der, ROOT.der], at=NOW) == INTERMEDIATE.der


def test_anchors_of_one_name_are_each_tried() -> None:
    """Makers renew a root under its old name, without key identifiers: whichever signed is found, in any order."""
    old, new, newest = (authority("renewed") for _ in range(3))
    for issuer in (old, new, newest):
        leaf = issue("leaf", issuer=issuer)
        for anchors in ([old, new, newest, ROOT], [ROOT, newest, new, old]):
            assert verify_chain([leaf.der], anchors=[one.der for one in anchors], at=NOW) == issuer.der
    refused([issue("leaf", issuer=authority("renewed")).der], [old.der, new.der, newest.der])


def test_a_leaf_that_is_an_anchor_vouches_for_no_other() -> None:
    """An anchor without the CA flag is acceptable itself, and issues nothing."""
    refused([issue("child", issuer=LEAF).der], [LEAF.der])


@pytest.mark.parametrize("link", ["leaf", "intermediate", "root"])
def test_every_certificate_must_be_valid_then(link: str) -> None:
    """An expired leaf, intermediate or anchor is refused, and accepted at a time when it was valid."""
    root = authority("root", **({"valid": EXPIRED} if link == "root" else {}))
    intermediate = authority(
        "intermediate", issuer=root, **({"valid": EXPIRED} if link == "intermediate" else {})
    )
    leaf = issue("leaf", issuer=intermediate, **({"valid": EXPIRED} if link == "leaf" else {}))
    chain = [leaf.der, intermediate.der]
    assert "expired" in refused(chain, [root.der])
    assert verify_chain(chain, anchors=[root.der], at=datetime(2024, 6, 1, tzinfo=UTC)) == root.der
    assert "not yet valid" in refused(chain, [root.der], datetime(2019, 1, 1, tzinfo=UTC))


def test_the_time_is_read_with_its_zone() -> None:
    """A moment is the same moment in any zone."""
    end = datetime(2025, 1, 1, tzinfo=UTC)
    leaf = issue("leaf", issuer=ROOT, valid=(end - timedelta(days=9), end))
    far_east = timezone(timedelta(hours=14))
    verify_chain([leaf.der], anchors=[ROOT.der], at=(end - timedelta(minutes=1)).astimezone(far_east))
    refused([leaf.der], [ROOT.der], (end + timedelta(minutes=1)).astimezone(timezone(timedelta(hours=-11))))


def test_the_issuer_must_have_signed() -> None:
    """The right issuer's name over the wrong issuer's signature is refused; so is another's name."""
    stranger = authority("intermediate")
    forged = issue("leaf", issuer=stranger)
    assert "signature failure" in refused([forged.der, INTERMEDIATE.der], [ROOT.der])
    misnamed = issue("leaf", issuer=INTERMEDIATE, issuer_name=named("somebody else"))
    refused([misnamed.der, INTERMEDIATE.der], [ROOT.der])


@pytest.mark.parametrize("constraints", [x509.BasicConstraints(ca=False, path_length=None), None])
def test_only_an_authority_issues(constraints: x509.BasicConstraints | None) -> None:
    """An intermediate whose CA flag is false or missing vouches for nobody."""
    end_entity = issue("intermediate", issuer=ROOT, constraints=constraints)
    leaf = issue("leaf", issuer=end_entity)
    refused([leaf.der, end_entity.der], [ROOT.der])


def test_an_issuer_must_be_allowed_to_sign_certificates() -> None:
    """A CA certificate whose key usage leaves out keyCertSign vouches for nobody."""
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    crippled = authority("intermediate", issuer=ROOT, extensions=[(usage, True)])
    refused([issue("leaf", issuer=crippled).der, crippled.der], [ROOT.der])


def test_the_path_length_is_kept() -> None:
    """A path length of 0 allows a leaf below, and no further authority."""
    root = authority("root", path_length=0)
    below = authority("intermediate", issuer=root)
    verify_chain([issue("leaf", issuer=root).der], anchors=[root.der], at=NOW)
    assert "path length" in refused([issue("leaf", issuer=below).der, below.der], [root.der])


def test_order_and_repeats_do_not_matter_behind_the_leaf() -> None:
    """Intermediates may come in any order and twice: they are material, and the leaf comes first."""
    second = authority("second", issuer=INTERMEDIATE)
    leaf = issue("leaf", issuer=second)
    for others in (
        [INTERMEDIATE, second],
        [second, INTERMEDIATE, second, INTERMEDIATE],
        [second, INTERMEDIATE],
    ):
        chain = [leaf.der, *(other.der for other in others)]
        assert verify_chain(chain, anchors=[ROOT.der], at=NOW) == ROOT.der
    assert verify_chain([LEAF.der, LEAF.der, INTERMEDIATE.der], anchors=[ROOT.der], at=NOW) == ROOT.der


def test_a_gap_is_not_bridged() -> None:
    """A missing intermediate is not fetched from anywhere."""
    assert "issuer" in refused([LEAF.der], [ROOT.der])


def test_an_unknown_critical_extension_is_refused() -> None:
    """RFC 5280 §4.2: what is critical and not understood makes the certificate useless."""
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    verify_chain(
        [issue("leaf", issuer=ROOT, extensions=[(extension, False)]).der], anchors=[ROOT.der], at=NOW
    )
    assert "critical" in refused([issue("leaf", issuer=ROOT, extensions=[(extension, True)]).der], [ROOT.der])


def test_weak_signatures_are_refused_except_an_anchors_own() -> None:
    """SHA-1 vouches for nothing below an anchor; a root's signature on itself is not relied on."""
    root = authority("root", key=rsa.generate_private_key(65537, 2048))
    leaf = issue("leaf", issuer=root)
    verify_chain([leaf.der], anchors=[signed_with_sha1(root, issuer=root).der], at=NOW)
    assert "sha1" in refused([signed_with_sha1(leaf, issuer=root).der], [root.der])


def test_weak_keys_are_refused_anywhere() -> None:
    """An RSA key below 2048 bits or a curve below 256 could be anybody's, leaf's or anchor's."""
    small = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP224R1())
    assert "RSA" in refused([issue("leaf", issuer=ROOT, key=small).der], [ROOT.der])
    assert "curve" in refused([issue("leaf", issuer=ROOT, key=curve).der], [ROOT.der])
    weak = authority("root", key=small)
    assert "RSA" in refused([issue("leaf", issuer=weak).der], [weak.der])


@pytest.mark.parametrize("make", [ed25519.Ed25519PrivateKey.generate, mldsa.MLDSA87PrivateKey.generate])
def test_keys_that_bring_their_own_hash(make: object) -> None:
    """Ed25519 and the largest ML-DSA sign chains too, and fit the bounds."""
    root = authority("root", key=make(), hash_algorithm=None)  # type: ignore[operator]
    leaf = issue("leaf", issuer=root, key=make(), hash_algorithm=None)  # type: ignore[operator]
    assert verify_chain([leaf.der], anchors=[root.der], at=NOW) == root.der


def test_bounds() -> None:
    """Neither none, nor too many, nor one too long, whatever they are; and without anchors nothing is trusted."""
    assert "0 certificates" in refused([], [ROOT.der])
    assert verify_chain([LEAF.der, *[INTERMEDIATE.der] * (MAX_CERTIFICATES - 1)], anchors=[ROOT.der], at=NOW)
    assert "certificates" in refused([LEAF.der, *[INTERMEDIATE.der] * MAX_CERTIFICATES], [ROOT.der])
    padded = issue(
        "leaf",
        issuer=ROOT,
        extensions=[
            (
                x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(MAX_CERTIFICATE_BYTES)),
                False,
            )
        ],
    )
    assert "longer" in refused([padded.der], [ROOT.der])
    assert "no trust anchor" in refused([LEAF.der, INTERMEDIATE.der], [])


def test_bytes_behind_a_certificate_are_refused() -> None:
    """DER has one reading: a certificate with anything behind it is none."""
    refused([LEAF.der + b"\x00", INTERMEDIATE.der], [ROOT.der])


@pytest.mark.parametrize(
    "garbage", [b"", b"\x30", b"\x30\x82\xff\xff", "text", None, 7, [b""], {}, bytearray(9)]
)
def test_garbage_is_an_invalid_chain_and_nothing_else(garbage: object) -> None:
    """Whatever stands in for the chain, one certificate or an anchor: ChainInvalid, and no other exception."""
    refused(garbage, [ROOT.der])
    refused([garbage], [ROOT.der])
    refused([LEAF.der, garbage], [ROOT.der])
    refused([LEAF.der, INTERMEDIATE.der], [garbage])


@given(st.data())
def test_a_damaged_chain_is_an_invalid_chain_and_nothing_else(data: st.DataObject) -> None:
    """One byte changed anywhere in the leaf: refused, and nothing else comes out."""
    position = data.draw(st.integers(0, len(LEAF.der) - 1))
    damaged = bytearray(LEAF.der)
    damaged[position] ^= data.draw(st.integers(1, 255))
    refused([bytes(damaged), INTERMEDIATE.der], [ROOT.der])


def test_the_chains_of_the_vectors() -> None:
    """Every certificate in the vectors of WebAuthn L3 leads to their root, and to no other."""
    root = bytes.fromhex(VECTORS["attestation_trust_root"]["certificate_der"]["hex"])
    chains = [
        [bytes.fromhex(der) for der in vector["registration"]["att_stmt"]["x5c_der_hex"]]
        for vector in VECTORS["vectors"]
        if vector["registration"]["att_stmt"]["x5c_der_hex"]
    ]
    assert len(chains) == 10
    for chain in chains:
        assert verify_chain(chain, anchors=[root], at=NOW) == root
        refused(chain, [ROOT.der])
