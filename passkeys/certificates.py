"""Whether a certificate chain ends at one of our trust anchors: X.509 path validation, and nothing else.

Trust comes from the anchors alone. What arrives in a chain, a self-signed root included, is material for the
path and never its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError, X509StoreFlags

from passkeys.errors import PasskeysError, raised_as

# The longest genuine chains (Android's remotely provisioned keys) have five. Each link costs a signature check.
MAX_CERTIFICATES = 8
# A genuine certificate has one or two KiB; one with an ML-DSA-87 key and signature would have eight.
MAX_CERTIFICATE_BYTES = 16 * 1024

# NIST SP 800-131A: too weak for signatures and keys. OpenSSL's store takes them at its security level 0, the only one
# that pyOpenSSL can set. An anchor's own signature is never relied on, so it may be as old as it likes.
_WEAK_HASHES = frozenset({"md5", "sha1"})
_LEAST_RSA_BITS = 2048
_LEAST_CURVE_BITS = 256


class ChainInvalid(PasskeysError):
    """The chain does not lead to a trust anchor, or not at that time."""

    code = "chain_invalid"


def verify_chain(
    chain: Sequence[bytes], *, anchors: Sequence[bytes], at: datetime, exact: bool = False
) -> bytes:
    """Follow `chain` (DER, leaf first) to an anchor (DER), and return that anchor. Raises ChainInvalid alone.

    RFC 5280 §6.1, by OpenSSL: signatures, names, validity of every certificate at `at` (the anchor's too), CA
    flags, path length, key usage of issuers, critical extensions. WebAuthn L3 §7.1 step 24: an anchor need not
    be a root, and may be the leaf itself. The order of the others, and repeats, do not matter; unless `exact`: then
    they are the path, in its order, and the anchor is not among them.

    Not checked: revocation (of models, the metadata tells), and what the leaf may be used for.
    """
    with _refused(lambda error: f"the chain cannot be read: {type(error).__name__}"):
        if not 1 <= len(chain) <= MAX_CERTIFICATES:
            raise ChainInvalid(f"{len(chain)} certificates, not 1 to {MAX_CERTIFICATES}")
        if any(not isinstance(der, bytes) or len(der) > MAX_CERTIFICATE_BYTES for der in chain):
            raise ChainInvalid(f"a certificate is not bytes, or longer than {MAX_CERTIFICATE_BYTES}")
        if not anchors:
            raise ChainInvalid("there is no trust anchor to lead to")
        leaf, *intermediates = [_certificate(der) for der in chain]
        path = _path(leaf, intermediates, _rounds(anchors), at)
        links = _up_to_an_anchor(path, anchors)
        for certificate in links[:-1]:
            _check_signature_hash(certificate)
        for certificate in links:
            _check_key_size(certificate)
        below = [certificate.public_bytes(Encoding.DER) for certificate in links[: max(1, len(links) - 1)]]
        if exact and list(chain) != below:
            raise ChainInvalid("the chain is not the path below its anchor, in its order")
        return links[-1].public_bytes(Encoding.DER)


def _refused(why: Callable[[BaseException], str]) -> AbstractContextManager[None]:
    return raised_as(lambda error: ChainInvalid(why(error)), but=ChainInvalid)


def _path(
    leaf: X509, intermediates: Sequence[X509], rounds: Sequence[Sequence[X509]], at: datetime
) -> list[x509.Certificate]:
    """The path that OpenSSL finds from the leaf on, with the anchors of the first round that has one."""
    for number, anchors in enumerate(rounds, start=1):
        try:
            found = X509StoreContext(_store(anchors, at), leaf, intermediates).get_verified_chain()
        except X509StoreContextError as error:
            if number == len(rounds):
                raise ChainInvalid(str(error)) from error
        else:
            return [certificate.to_cryptography() for certificate in found]
    raise ChainInvalid("there is no trust anchor to lead to")


def _rounds(anchors: Sequence[bytes]) -> list[list[X509]]:
    """The anchors, no two of one name in a round: of such OpenSSL tries one and, without key identifiers, the wrong one."""
    rounds: list[list[X509]] = []
    seen: Counter[bytes] = Counter()
    for der in anchors:
        anchor = x509.load_der_x509_certificate(der)
        name = anchor.subject.public_bytes()
        if seen[name] == len(rounds):
            rounds.append([])
        rounds[seen[name]].append(X509.from_cryptography(anchor))
        seen[name] += 1
    return rounds


def _up_to_an_anchor(
    path: Sequence[x509.Certificate], anchors: Sequence[bytes]
) -> Sequence[x509.Certificate]:
    """The path to its first anchor. OpenSSL goes on behind one as far as the chain leads, be it to nobody."""
    for number, certificate in enumerate(path, start=1):
        if certificate.public_bytes(Encoding.DER) in anchors:
            return path[:number]
    raise ChainInvalid("no certificate of the path is a trust anchor")


def _store(anchors: Sequence[X509], at: datetime) -> X509Store:
    store = X509Store()
    # The store reads the fields of a time and ignores its zone.
    store.set_time(at.astimezone(UTC))
    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
    for anchor in anchors:
        store.add_cert(anchor)
    return store


def _certificate(der: bytes) -> X509:
    """One certificate in DER, and nothing behind it."""
    return X509.from_cryptography(x509.load_der_x509_certificate(der))


def _check_signature_hash(certificate: x509.Certificate) -> None:
    algorithm = certificate.signature_hash_algorithm
    # None: Ed25519, Ed448 and ML-DSA bring their own.
    if algorithm is not None and algorithm.name in _WEAK_HASHES:
        raise ChainInvalid(f"a certificate is signed with {algorithm.name}")


def _check_key_size(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        raise ChainInvalid(f"an RSA key of {key.key_size} bits")
    if isinstance(key, EllipticCurvePublicKey) and key.key_size < _LEAST_CURVE_BITS:
        raise ChainInvalid(f"an elliptic curve of {key.key_size} bits")
