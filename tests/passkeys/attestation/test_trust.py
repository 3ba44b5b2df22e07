"""Whom an attestation leads to, and what that proves: trust comes from the anchors alone, and a model is not its name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from passkeys.attestation import Lenience, TrustAnchors, verify_statement
from passkeys.attestation.fido_u2f import key_identifier
from passkeys.errors import Rejection, RejectionCode
from tests.passkeys.attestation.cases import ACCEPTED
from tests.passkeys.attestation.statements import (
    ANDROID,
    NOBODY,
    PACKED,
    ROOT,
    ROOTED,
    SELF,
    U2F,
    aaguid_extension,
    android,
    ceremony,
    compound,
    judge,
    packed,
    packed_certificate,
    self_attested,
    u2f,
    u2f_certificate,
    with_aaguid,
)
from tests.passkeys.authorities import authority

MODEL = "876ca4f5-2071-c3e9-b255-09ef2cdf7ed6"
OTHER_MODEL = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
STRANGER = authority("another vendor's root")


def of_models(**anchors: list[bytes]) -> TrustAnchors:
    named = {"model": MODEL, "other": OTHER_MODEL}
    return TrustAnchors(by_model={named.get(name, name): tuple(roots) for name, roots in anchors.items()})


def refusal(*arguments: object, **rest: object) -> RejectionCode:
    with pytest.raises(Rejection) as rejection:
        judge(*arguments, **rest)  # type: ignore[arg-type]
    return rejection.value.code


@pytest.mark.parametrize("name", ACCEPTED)
def test_without_an_anchor_nothing_is_trusted(name: str) -> None:
    """A correct statement that leads to no anchor of ours is accepted as what it is: anybody's."""
    on, make = ACCEPTED[name]
    verdict = judge(on, make(), fmt=name.partition(",")[0].partition(" ")[0], anchors=NOBODY)
    assert (verdict.chain_verified, verdict.model_proven) == (False, False)


def test_a_genuine_certificate_of_one_model_is_refused_under_anothers_name() -> None:
    """A vendor's genuine key attests another AAGUID than its certificate's: refused, whatever the anchors."""
    genuine = packed_certificate(extensions=[aaguid_extension(PACKED.aaguid)])
    assert judge(PACKED, packed(certificate=genuine)).model_proven
    liar = with_aaguid(PACKED, bytes.fromhex(OTHER_MODEL.replace("-", "")))
    for anchors in (ROOTED, NOBODY, of_models(model=[ROOT.der], other=[ROOT.der])):
        code = refusal(liar, packed(liar, certificate=genuine), anchors=anchors)
        assert code is RejectionCode.ATTESTATION_PACKED_AAGUID_MISMATCH


def test_a_certificate_of_another_vendor_is_refused_under_a_known_models_name() -> None:
    """No AAGUID in the certificate: it must lead to the anchors of the model it claims, and to no others."""
    liar = with_aaguid(PACKED, bytes.fromhex(OTHER_MODEL.replace("-", "")))
    anchors = TrustAnchors(
        by_format={"packed": (ROOT.der,)},
        by_model={MODEL: (ROOT.der,), OTHER_MODEL: (STRANGER.der,)},
    )
    assert refusal(liar, packed(liar), anchors=anchors) is RejectionCode.ATTESTATION_CHAIN_INVALID
    assert judge(PACKED, packed(), anchors=anchors).chain_verified


def test_an_anchor_of_one_model_alone_proves_the_model() -> None:
    """A chain to an anchor that only this model has proves it; to one that others share, it does not."""
    assert judge(PACKED, packed(), anchors=of_models(model=[ROOT.der])).model_proven
    assert judge(PACKED, packed(), anchors=of_models(model=[STRANGER.der, ROOT.der])).model_proven
    shared = judge(PACKED, packed(), anchors=of_models(model=[ROOT.der], other=[ROOT.der]))
    assert (shared.chain_verified, shared.model_proven) == (True, False)
    assert not judge(PACKED, packed(), anchors=ROOTED).model_proven


def test_a_shared_anchor_and_the_aaguid_in_the_certificate_prove_the_model() -> None:
    """FIDO's extension tells apart the models below one root."""
    named = packed(certificate=packed_certificate(extensions=[aaguid_extension(PACKED.aaguid)]))
    assert judge(PACKED, named, anchors=of_models(model=[ROOT.der], other=[ROOT.der])).model_proven
    assert not judge(PACKED, named, anchors=NOBODY).model_proven


def test_a_models_anchors_win_over_its_formats() -> None:
    """A model that metadata knows is judged by its own anchors, be they none; others by the format's."""
    per_format = {"packed": (ROOT.der,)}
    foreign = TrustAnchors(by_format=per_format, by_model={MODEL: (STRANGER.der,)})
    assert refusal(PACKED, packed(), anchors=foreign) is RejectionCode.ATTESTATION_CHAIN_INVALID
    none = judge(PACKED, packed(), anchors=TrustAnchors(by_format=per_format, by_model={MODEL: ()}))
    assert (none.chain_verified, none.model_proven) == (False, False)
    others = TrustAnchors(by_format=per_format, by_model={OTHER_MODEL: (STRANGER.der,)})
    assert judge(PACKED, packed(), anchors=others).chain_verified


def test_an_anchor_is_for_its_format() -> None:
    """A root that is trusted with one format vouches for no other."""
    anchors = TrustAnchors(by_format={"packed": (ROOT.der,)})
    assert not judge(ANDROID, android(), anchors=anchors).chain_verified


def test_the_attestation_certificate_may_be_the_anchor() -> None:
    """L3 §7.1 step 24: a model's metadata may list the attestation certificate itself."""
    certificate = packed_certificate(issuer=STRANGER)
    anchors = of_models(model=[certificate.der])
    assert judge(PACKED, packed(certificate=certificate), anchors=anchors).model_proven


def test_self_attestation_proves_no_model() -> None:
    """Whatever AAGUID stands there, and whatever anchors it has: nobody but the credential says so."""
    anchors = of_models(**{"df850e09-db6a-fbdf-ab51-697791506cfc": [ROOT.der]})
    verdict = judge(SELF, self_attested(), anchors=anchors)
    assert (verdict.type, verdict.chain_verified, verdict.model_proven) == ("self", False, False)


def test_a_u2f_model_is_known_by_its_key() -> None:
    """U2F has no AAGUID: metadata knows the model by the key in its attestation certificate, and anchors by that."""
    certificate = u2f_certificate(key=U2F.attestation_key)
    identifier = key_identifier(U2F.attestation_key.public_key())
    statement = u2f(certificate=certificate)
    both = {identifier: [ROOT.der], MODEL: [ROOT.der]}
    assert judge(U2F, statement, anchors=of_models(**both)).model_proven
    assert not judge(U2F, statement, anchors=ROOTED).model_proven
    foreign = TrustAnchors(by_format={"fido-u2f": (ROOT.der,)}, by_model={identifier: (STRANGER.der,)})
    assert refusal(U2F, statement, anchors=foreign) is RejectionCode.ATTESTATION_CHAIN_INVALID


def test_an_aaguid_that_u2f_does_not_sign_proves_nothing() -> None:
    """Where an AAGUID is let pass in a U2F statement, its metadata is not asked, and no model is proven."""
    named = ceremony("fido-u2f.ES256")
    anchors = TrustAnchors(
        by_format={"fido-u2f": (ROOT.der,)},
        by_model={"afb3c2ef-c054-df42-5013-d5c88e79c3c1": (ROOT.der,)},
    )
    verdict = judge(named, u2f(named), anchors=anchors, lenience=Lenience(u2f_aaguid=True))
    assert (verdict.chain_verified, verdict.model_proven) == (True, False)


def test_certificates_are_judged_as_of_the_time_that_is_passed_in() -> None:
    """The same statement, before its root began, now, and after it ended: nobody's clock is read."""
    from webauthn.helpers import parse_authenticator_data

    def at(year: int) -> bool:
        return verify_statement(
            fmt="packed",
            att_stmt=PACKED.att_stmt,
            auth_data=PACKED.auth_data,
            authenticator_data=parse_authenticator_data(PACKED.auth_data),
            client_data_hash=PACKED.client_data_hash,
            anchors=ROOTED,
            at=datetime(year, 6, 1, tzinfo=UTC),
        ).chain_verified

    assert at(2024)
    assert at(3023)
    for year in (2023, 3024):
        with pytest.raises(Rejection) as rejection:
            at(year)
        assert rejection.value.code is RejectionCode.ATTESTATION_CHAIN_INVALID


def test_compound_proves_what_its_strongest_part_does() -> None:
    """Every part must be right; together they have proven what any of them has."""
    named = packed(certificate=packed_certificate(extensions=[aaguid_extension(PACKED.aaguid)]))
    verdict = judge(PACKED, compound(("none", {}), ("packed", packed()), ("packed", named)), fmt="compound")
    assert (verdict.format, verdict.type) == ("compound", "basic")
    assert (verdict.chain_verified, verdict.model_proven) == (True, True)
    weak = judge(SELF, compound(("none", {}), ("none", {})), fmt="compound")
    assert (weak.type, weak.chain_verified, weak.model_proven) == ("none", False, False)
