"""Files of trust anchors: what they hold is read, and what else they hold is a mistake that is told."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from passkeys.attestation import AnchorsInvalid, read_anchors
from tests.passkeys.attestation.statements import PACKED, ROOT, judge, packed
from tests.passkeys.authorities import authority

PEM = ROOT.certificate.public_bytes(Encoding.PEM)
OTHER = authority("other")
KEY = ROOT.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = ROOT.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_each_file_holds_the_anchors_of_its_format() -> None:
    """One certificate or more a file, prose between them allowed; the anchors verify what they should."""
    both = b"# Vendor A\n" + PEM + b"\n# Vendor B\n" + OTHER.certificate.public_bytes(Encoding.PEM)
    anchors = read_anchors({"packed.pem": both, "fido-u2f.pem": PEM})
    assert anchors.by_format == {"packed": (ROOT.der, OTHER.der), "fido-u2f": (ROOT.der,)}
    assert judge(PACKED, packed(), anchors=anchors).chain_verified


def test_no_files_are_no_anchors() -> None:
    """An empty folder trusts nobody."""
    assert read_anchors({}).by_format == {}


@pytest.mark.parametrize(
    "content", [b"", b"text", ROOT.der, PUBLIC, KEY, PEM + KEY, PEM[:-40], PEM + PEM[:200]]
)
def test_a_file_that_holds_anything_else_is_a_mistake(content: bytes) -> None:
    """Nothing, DER, keys, half a certificate: told with the file's name, and what to do."""
    with pytest.raises(AnchorsInvalid) as invalid:
        read_anchors({"packed.pem": content})
    [mistake] = invalid.value.mistakes
    assert mistake.startswith("packed.pem ")
    assert "BEGIN CERTIFICATE" in mistake
    assert "PRIVATE" not in mistake


def test_every_mistake_is_told() -> None:
    """Names that are no format's, and bad contents: all at once, in order."""
    with pytest.raises(AnchorsInvalid) as invalid:
        read_anchors({"tpm.pem": b"", "none.pem": PEM, "packed": PEM, "apple.pem": PEM})
    told = [mistake.partition(" ")[0] for mistake in invalid.value.mistakes]
    assert told == ["none.pem", "packed", "tpm.pem"]
    assert "fido-u2f.pem" in invalid.value.mistakes[0]
