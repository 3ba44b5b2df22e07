"""What an acceptance implies, read from the bytes again by other means than the verifier's. Anything missing is an AssertionError.

Small on purpose: `json`, `cbor2` into plain dicts, slices of authenticator data, `cryptography` for signatures. Nothing of
`passkeys` but the values that it was asked with and answered with, and nothing of `webauthn`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from passkeys.metadata import Model
from passkeys.offer import AuthenticationOffer, RegistrationOffer
from passkeys.policy import Policy
from passkeys.response import AuthenticationResponse, RegistrationResponse
from passkeys.verification import KnownCredential, VerifiedAuthentication, VerifiedRegistration

_CURVES = {1: ec.SECP256R1(), 2: ec.SECP384R1(), 3: ec.SECP521R1()}
_ECDSA = {-7: SHA256(), -9: SHA256(), -35: SHA384(), -51: SHA384(), -36: SHA512(), -52: SHA512()}
_ML_DSA = {-48: mldsa.MLDSA44PublicKey, -49: mldsa.MLDSA65PublicKey, -50: mldsa.MLDSA87PublicKey}


def check_client_data(
    data: bytes, kind: str, *, challenge: bytes, origins: Collection[str], policy: Policy
) -> None:
    """Type, challenge, origin, framing."""
    members = json.loads(data.decode("utf-8-sig"))
    assert members["type"] == kind, "type"
    text = members["challenge"]
    assert base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) == challenge, "challenge"
    assert members["origin"] in origins, "origin"
    framed = members.get("crossOrigin") or "topOrigin" in members
    assert policy.cross_origin_allowed or not framed, "framed"
    assert "topOrigin" not in members or members["topOrigin"] in policy.top_origins, "topOrigin"


def check_registration(
    response: RegistrationResponse,
    verified: VerifiedRegistration,
    *,
    challenge: bytes,
    policy: Policy,
    offered: RegistrationOffer,
    mediation: str,
    anchors: Sequence[bytes],
    models: Mapping[str, Model],
    at: datetime,
) -> None:
    """Everything that an accepted registration claims."""
    check_client_data(
        response.client_data_json,
        "webauthn.create",
        challenge=challenge,
        origins=["https://example.org"],
        policy=policy,
    )
    tree = cbor2.loads(response.attestation_object)
    data = tree["authData"]
    flags = data[32]
    assert data[:32] == hashlib.sha256(b"example.org").digest(), "rp id"
    asked = mediation != "conditional"
    assert flags & 0x01 or not asked, "user present"
    wanted = asked and (policy.user_verification_required or offered.user_verification_required)
    assert flags & 0x04 or not wanted, "user verified"
    assert flags & 0x08 or not flags & 0x10, "backup state without eligibility"
    assert policy.backup_eligible_allowed or not flags & 0x08, "backup eligible"
    assert flags & 0x40, "attested"
    end = 55 + int.from_bytes(data[53:55], "big")
    credential_id, rest = data[55:end], data[end:]
    assert 1 <= len(credential_id) <= 1023, "length of the credential id"
    assert credential_id == response.raw_id == verified.credential_id, "credential id"
    assert base64.urlsafe_b64encode(credential_id).rstrip(b"=").decode() == response.id, "id"
    assert response.type == "public-key", "type of credential"
    stream = BytesIO(rest)
    key = cbor2.load(stream)
    assert cbor2.loads(verified.public_key) == key, "public key"
    if flags & 0x80:
        assert isinstance(cbor2.load(stream), dict), "extensions"
    assert stream.tell() == len(rest), "bytes behind"
    assert key[3] == verified.algorithm and key[3] in offered.algorithms, "algorithm"
    assert public_key(key) is not None, "the key is one"
    assert verified.aaguid == str(uuid.UUID(bytes=data[37:53])), "aaguid"
    assert verified.aaguid not in policy.models.denied, "denied model"
    if policy.models.allowed:
        assert verified.aaguid in policy.models.allowed and verified.attestation.model_proven, "model"
    known = models.get(verified.attestation.model or verified.aaguid)
    assert known or (policy.models.unknown_allowed and not policy.models.certification), "unknown model"
    statuses = {report.status for report in known.statuses} if known else set()
    assert not statuses & policy.models.prohibited, "prohibited model"
    assert verified.sign_count == int.from_bytes(data[33:37], "big"), "sign count"
    told = (verified.user_present, verified.user_verified, verified.backup_eligible, verified.backup_state)
    assert told == tuple(bool(flags & bit) for bit in (0x01, 0x04, 0x08, 0x10)), "flags told"
    assert offered.attachment in (None, response.authenticator_attachment), "attachment"
    assert not policy.transports_allowed or policy.transports_allowed & set(response.transports), "transports"
    assert set(verified.extensions) <= {"credProps", "prf", "largeBlob", "credProtect", "minPinLength"}, (
        "extensions"
    )
    proven = verified.attestation
    assert proven.format == tree["fmt"], "format"
    assert proven.chain_verified or not policy.attestation_trusted_only, "trusted"
    signed = data + hashlib.sha256(response.client_data_json).digest()
    check_attestation(
        proven,
        tree["fmt"],
        tree["attStmt"],
        data,
        signed,
        anchors=anchors,
        formats=policy.attestation_formats,
        at=at,
    )


def check_attestation(
    proven: Any,
    fmt: str,
    statement: Any,
    data: bytes,
    signed: bytes,
    *,
    anchors: Sequence[bytes],
    formats: Collection[str],
    at: datetime,
) -> None:
    """What was said about the attestation, by its format."""
    assert fmt in formats, "format not taken"
    assert proven.chain_verified or not proven.model_proven, "a model proven without a chain"
    if fmt == "compound":
        assert 2 <= len(statement), "compound of one"
        for part in statement:
            assert part["fmt"] != "compound" and part["fmt"] in formats, "compound within"
            check_statement(part["fmt"], part["attStmt"], data, signed)
        parts = [part["attStmt"] for part in statement if "x5c" in part["attStmt"]]
        assert not proven.chain_verified or any(leads(part["x5c"], anchors, at) for part in parts), "chain"
        return
    check_statement(fmt, statement, data, signed)
    types = {"none": "none", "tpm": "attca", "apple": "anonca"}
    own = "basic" if "x5c" in statement else "self"
    assert proven.type == types.get(fmt, own), "type of attestation"
    assert not proven.chain_verified or leads(statement["x5c"], anchors, at), "chain"


def check_statement(fmt: str, statement: Any, data: bytes, signed: bytes) -> None:
    """The statement is about these data, and signed."""
    if fmt == "none":
        assert statement == {}, "none says something"
        return
    key = cbor2.load(BytesIO(data[55 + int.from_bytes(data[53:55], "big") :]))
    if "x5c" not in statement:
        assert fmt == "packed" and statement["alg"] == key[3], "self attestation"
        assert verifies(public_key(key), key[3], statement["sig"], signed), "self signature"
        return
    der = statement["x5c"][0]
    leaf = x509.load_der_x509_certificate(der).public_key()
    if fmt == "apple":
        assert hashlib.sha256(signed).digest() in der, "nonce"
        assert leaf == public_key(key), "certified key"
        return
    if fmt == "android-key":
        assert signed[-32:] in der, "challenge of the key"
        assert leaf == public_key(key), "certified key"
    alg, said = statement.get("alg", -7), signed
    if fmt == "tpm":
        said = statement["certInfo"]
        assert said.startswith(b"\xffTCG\x80\x17"), "certInfo"
        name = {-65535: "sha1", -7: "sha256", -257: "sha256"}.get(alg)
        assert name is None or hashlib.new(name, signed).digest() in said, "extraData"
        area = statement["pubArea"]
        names = [hashlib.new(name, area).digest() for name in ("sha256", "sha384", "sha512")]
        assert any(name in said for name in names), "name"
        # TPMv2-Part2 §11.2.4: the public key stands at the end of pubArea.
        public = public_key(key)
        assert public is not None
        numbers = public.public_numbers()
        last = numbers.n if isinstance(numbers, rsa.RSAPublicNumbers) else numbers.y
        assert int.from_bytes(area[-((last.bit_length() + 7) // 8) :], "big") == last, "public area"
    if fmt == "fido-u2f":
        public = public_key(key)
        assert isinstance(public, ec.EllipticCurvePublicKey)
        point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        identifier = data[55 : 55 + int.from_bytes(data[53:55], "big")]
        said = b"\x00" + data[:32] + signed[-32:] + identifier + point
    assert verifies(leaf, alg, statement["sig"], said), "signature of the statement"


def check_authentication(
    response: AuthenticationResponse,
    verified: VerifiedAuthentication,
    *,
    challenge: bytes,
    policy: Policy,
    offered: AuthenticationOffer,
    credential: KnownCredential,
) -> None:
    """Everything that an accepted authentication claims."""
    check_client_data(
        response.client_data_json,
        "webauthn.get",
        challenge=challenge,
        origins=["https://example.org"],
        policy=policy,
    )
    data = response.authenticator_data
    flags, count = data[32], int.from_bytes(data[33:37], "big")
    assert data[:32] == hashlib.sha256(b"example.org").digest(), "rp id"
    assert flags & 0x01, "user present"
    wanted = policy.user_verification_required or offered.user_verification_required
    assert flags & 0x04 or not wanted, "user verified"
    assert flags & 0x08 or not flags & 0x10, "backup state without eligibility"
    assert bool(flags & 0x08) == credential.backup_eligible, "backup eligibility changed"
    assert response.raw_id == credential.credential_id, "credential id"
    assert base64.urlsafe_b64encode(response.raw_id).rstrip(b"=").decode() == response.id, "id"
    assert response.type == "public-key", "type of credential"
    allowed = offered.allowed_credentials
    assert not allowed or credential.credential_id in allowed, "allowed credentials"
    assert offered.person in (None, credential.person), "owner"
    assert allowed or response.user_handle is not None, "nobody is named"
    assert response.user_handle in (None, credential.user_handle), "user handle"
    key = cbor2.loads(credential.public_key)
    signed = data + hashlib.sha256(response.client_data_json).digest()
    assert verifies(public_key(key), key[3], response.signature, signed), "signature"
    grown = count > credential.sign_count or not (count or credential.sign_count)
    assert grown or credential.backup_eligible or policy.sign_count_only_flagged, "sign count"
    assert verified.clone_suspected is not grown, "clone suspected"
    assert verified.sign_count == max(count, credential.sign_count), "sign count told"
    assert (verified.user_verified, verified.backup_state) == (bool(flags & 0x04), bool(flags & 0x10)), (
        "flags told"
    )
    assert set(verified.extensions) <= {"prf", "largeBlob"}, "extensions"


def public_key(key: dict[int, Any]) -> Any:
    """The key of a COSE_Key."""
    if key[1] == 2:
        point = b"\x04" + key[-2] + key[-3]
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[key[-1]], point)
    if key[1] == 1:
        kind = ed25519.Ed25519PublicKey if key[-1] == 6 else ed448.Ed448PublicKey
        return kind.from_public_bytes(key[-2])
    if key[1] == 3:
        numbers = (int.from_bytes(key[label], "big") for label in (-2, -1))
        return rsa.RSAPublicNumbers(*numbers).public_key()
    return _ML_DSA[key[3]].from_public_bytes(key[-1])


def verifies(key: Any, alg: int, signature: bytes, data: bytes) -> bool:
    """Whether it is a signature of that key by that algorithm."""
    try:
        if alg in _ECDSA:
            key.verify(signature, data, ec.ECDSA(_ECDSA[alg]))
        elif alg == -257:
            key.verify(signature, data, padding.PKCS1v15(), SHA256())
        elif alg == -65535:
            key.verify(signature, data, padding.PKCS1v15(), SHA1())
        elif alg == -37:
            key.verify(signature, data, padding.PSS(padding.MGF1(SHA256()), salt_length=32), SHA256())
        else:
            key.verify(signature, data)
    except Exception:
        return False
    return True


def leads(chain: Sequence[bytes], anchors: Sequence[bytes], at: datetime) -> bool:
    """Whether the first certificate is an anchor, or issued by one, or by another of the chain that leads there."""
    trusted = [x509.load_der_x509_certificate(der) for der in anchors]
    others = [x509.load_der_x509_certificate(der) for der in chain]
    reached, grown = others[:1], True
    while grown:
        grown = False
        for one in list(reached):
            if not one.not_valid_before_utc <= at <= one.not_valid_after_utc:
                continue
            if one in trusted or any(_issued(one, anchor) for anchor in trusted):
                return True
            for other in others[1:]:
                if other not in reached and _issued(one, other):
                    reached.append(other)
                    grown = True
    return False


def _issued(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        # RFC 5280 §7.1: names are compared without regard to case and repeated spaces, which `cryptography` does not do.
        if _folded(one.issuer) != _folded(issuer.subject):
            return False
        key: Any = issuer.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(one.signature, one.tbs_certificate_bytes, ec.ECDSA(one.signature_hash_algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            padded = one.signature_algorithm_parameters
            key.verify(one.signature, one.tbs_certificate_bytes, padded, one.signature_hash_algorithm)
        else:
            key.verify(one.signature, one.tbs_certificate_bytes)
    except Exception:
        return False
    return True


def _folded(name: x509.Name) -> list[tuple[str, str]]:
    return [(one.oid.dotted_string, " ".join(str(one.value).casefold().split())) for one in name]


def numbers_of(signature: bytes) -> tuple[int, int]:
    """R and S of an ECDSA signature in DER."""
    return decode_dss_signature(signature)


def is_raw_signature(key: Any, signature: bytes, data: bytes) -> bool:
    """RFC 7518 §3.4: ES256, R and S one behind the other."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    return len(signature) == 64 and verifies(key, -7, encode_dss_signature(r, s), data)
