"""Whom we trust to vouch for authenticators: certificates from configuration and metadata, and from nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from passkeys.errors import PasskeysError, raised_as

# The formats whose statements carry certificates.
CERTIFIED_FORMATS = ("packed", "tpm", "android-key", "apple", "fido-u2f")
_NOBODY: Mapping[str, tuple[bytes, ...]] = MappingProxyType({})


class AnchorsInvalid(PasskeysError):
    """The files of trust anchors are wrong. `mistakes` has a sentence for each."""

    code = "anchors_invalid"

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__(" ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """Certificates in DER, each acceptable as the end of a chain, or as an attestation certificate itself.

    `by_model` is keyed by AAGUID in its text form, or, of a U2F model, by attestationCertificateKeyIdentifier in hex.
    A model that is there has its own anchors and no others, be they none.
    """

    by_format: Mapping[str, tuple[bytes, ...]] = field(default_factory=lambda: _NOBODY)
    by_model: Mapping[str, tuple[bytes, ...]] = field(default_factory=lambda: _NOBODY)

    def acceptable(self, fmt: str, model: str | None) -> tuple[bytes, ...]:
        """The anchors for a statement of that format about that model. Empty: nobody is trusted with it."""
        if model is not None and model in self.by_model:
            return self.by_model[model]
        return self.by_format.get(fmt, ())

    def is_only(self, anchor: bytes, model: str | None) -> bool:
        """Whether `anchor` is that model's, by its own entry, and no other model's: then it tells which it is."""
        owners = [owner for owner, anchors in self.by_model.items() if anchor in anchors]
        return owners == [model]


def read_anchors(files: Mapping[str, bytes]) -> TrustAnchors:
    """The anchors in files named <format>.pem, each with one certificate or more. Raises AnchorsInvalid."""
    mistakes: list[str] = []
    by_format: dict[str, tuple[bytes, ...]] = {}
    for name, pem in sorted(files.items()):
        fmt = name.removesuffix(".pem")
        if fmt == name or fmt not in CERTIFIED_FORMATS:
            known = ", ".join(f"{known}.pem" for known in CERTIFIED_FORMATS)
            mistakes.append(f"{name} is no file of trust anchors. Name it one of {known}.")
            continue
        try:
            by_format[fmt] = _certificates(pem)
        except AnchorsInvalid as invalid:
            mistakes.append(f"{name} {invalid}")
    if mistakes:
        raise AnchorsInvalid(tuple(mistakes))
    return TrustAnchors(by_format=MappingProxyType(by_format))


def _certificates(pem: bytes) -> tuple[bytes, ...]:
    problem = AnchorsInvalid(
        ("does not hold certificates in PEM, and nothing else. Write each as -----BEGIN CERTIFICATE-----.",)
    )
    with raised_as(lambda _: problem, but=AnchorsInvalid):
        certificates = x509.load_pem_x509_certificates(pem)
        # The reader passes over what is no whole certificate: a private key must not lie about here unnoticed.
        if len(certificates) != pem.count(b"-----BEGIN "):
            raise problem
        return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
