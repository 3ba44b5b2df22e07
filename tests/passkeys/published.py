"""Signatures that others have published, by row of the algorithm table: read from the package `cryptography-vectors`.

    ES256, ES384, ES512   NIST's ECDSA responses of FIPS 186-3 (SigVer), good and bad; points of PKV
    EdDSA                 the signatures of Ed25519's authors (sign.input)
    Ed448                 RFC 8032 §7.4; those with a context are bad here: WebAuthn sets none
    RS256                 NIST's PKCS#1 v1.5 responses of FIPS 186-3 (SigVer15, SigVer15EMTest), good and bad
    PS256                 the self-signatures of two certificates; NIST's PSS responses of FIPS 186-3 (SigVerPSS) are all
                          bad here: their salt is shorter than the hash
    ML-DSA-44, -65, -87   keys and seeds of the known answers of FIPS 204. Their signatures all have a context, and so are
                          bad here; the good ones are made with the published seeds, without one

`altered` makes bad signatures of a good one where the files hold none: out of range, in another encoding, cut, changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography_vectors import open_vector_file

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Published:
    """A signature, and whether it is one of this key. `parts` are the byte strings of the COSE key by label."""

    name: str
    parts: dict[int, bytes]
    data: bytes
    signature: bytes
    valid: bool
    context: bytes = b""


@dataclass(frozen=True, slots=True)
class Ecdsa:
    section: str
    curve: ec.EllipticCurve

    @property
    def size(self) -> int:
        return (self.curve.key_size + 7) // 8


ECDSA = {
    "ES256": Ecdsa("P-256,SHA-256", ec.SECP256R1()),
    "ES384": Ecdsa("P-384,SHA-384", ec.SECP384R1()),
    "ES512": Ecdsa("P-521,SHA-512", ec.SECP521R1()),
}
ML_DSA = {
    "ML-DSA-44": ("44", mldsa.MLDSA44PrivateKey),
    "ML-DSA-65": ("65", mldsa.MLDSA65PrivateKey),
    "ML-DSA-87": ("87", mldsa.MLDSA87PrivateKey),
}
NAMES = (*ECDSA, "EdDSA", "Ed448", "RS256", "PS256", *ML_DSA)


@cache
def signatures(name: str) -> tuple[Published, ...]:
    """All that is published for that row."""
    if name in ECDSA:
        return tuple(_ecdsa(ECDSA[name]))
    if name in ML_DSA:
        return tuple(_ml_dsa(*ML_DSA[name]))
    return tuple(_OTHERS[name]())


def points(name: str) -> Iterator[tuple[bytes, bytes, str]]:
    """NIST's points of that curve, x and y as written (too long ones among them), with "P" or why they are none."""
    section = ECDSA[name].section.partition(",")[0]
    size = ECDSA[name].size
    for members in _records("asymmetric/ECDSA/FIPS_186-3/PKV.rsp", "Result"):
        if members["section"] == section:
            x, y = (_even(members[part]).rjust(size, b"\x00") for part in ("Qx", "Qy"))
            yield x, y, members["Result"]


def altered(name: str, good: Published) -> Iterator[tuple[str, bytes]]:
    """Signatures that are none of that key over that data, each with what is wrong."""
    signature = good.signature
    yield "empty", b""
    yield "cut", signature[:-1]
    yield "cut at its front", signature[1:]
    yield "one byte more", signature + b"\x00"
    yield "one byte more at its front", b"\x00" + signature
    yield "zeros", bytes(len(signature))
    yield "ones", b"\xff" * len(signature)
    yield "twice", signature * 2
    for position in range(0, len(signature), max(1, len(signature) // 16)):
        changed = bytearray(signature)
        changed[position] ^= 0x01
        yield f"a bit of byte {position}", bytes(changed)
    if name in ECDSA:
        yield from _altered_ecdsa(ECDSA[name], signature)
    elif name in EDWARDS_ORDER:
        order, half = EDWARDS_ORDER[name], len(signature) // 2
        number = int.from_bytes(signature[half:], "little") + order
        # RFC 8032 §5.1.7 and §5.2.7: S below the order, or there are several signatures of one message.
        yield "S beyond the order", signature[:half] + number.to_bytes(half, "little")
        yield "S of zero", signature[:half] + bytes(half)
        yield "R of the identity, S of zero", b"\x01" + bytes(len(signature) - 1)
    elif name in ("RS256", "PS256"):
        modulus = int.from_bytes(good.parts[-1], "big")
        number = int.from_bytes(signature, "big") + modulus
        yield "beyond the modulus", number.to_bytes((number.bit_length() + 7) // 8, "big")
        yield "one", b"\x01".rjust(len(signature), b"\x00")
        yield "the modulus less one", (modulus - 1).to_bytes(len(signature), "big")
        yield "negated", (modulus - number % modulus).to_bytes(len(signature), "big")


# RFC 8032 §5.1 and §5.2: the order L of the base point.
EDWARDS_ORDER = {
    "EdDSA": 2**252 + 27742317777372353535851937790883648493,
    "Ed448": 2**446 - 13818066809895115352007386748515426880336692474882178609894547503885,
}


def _altered_ecdsa(of: Ecdsa, signature: bytes) -> Iterator[tuple[str, bytes]]:
    r, s = decode_dss_signature(signature)
    order = of.curve.group_order
    for what, pair in {
        "r of zero": (0, s),
        "s of zero": (r, 0),
        "r and s of zero": (0, 0),
        "r and s of one": (1, 1),
        "r of the order": (order, s),
        "s of the order": (r, order),
        "r beyond the order": (r + order, s),
        "s beyond the order": (r, s + order),
        "r negative": (r - order, s),
        "s negative": (r, s - order),
        "r and s exchanged": (s, r),
    }.items():
        yield what, _der(*pair)
    plain = _integer(r) + _integer(s)
    # RFC 3279 §2.2.3: DER, of which there is one encoding alone.
    yield "a length in more bytes than it needs", b"\x30\x82" + len(plain).to_bytes(2, "big") + plain
    yield "of indefinite length", b"\x30\x80" + plain + b"\x00\x00"
    padded = b"\x02" + bytes([len(_content(r)) + 1]) + b"\x00" + _content(r)
    yield "r with a zero too many", _sequence(padded + _integer(s))
    yield "a third number", _sequence(plain + _integer(1))
    yield "bytes behind it", _der(r, s) + b"\x05\x00"
    yield "a set", b"\x31" + _der(r, s)[1:]
    yield "r as bytes", _sequence(b"\x04" + _integer(r)[1:] + _integer(s))
    # IEEE P1363: how COSE writes signatures. WebAuthn L3 §6.5.6 has DER.
    yield "r and s run together", r.to_bytes(of.size, "big") + s.to_bytes(of.size, "big")


def _content(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def _integer(number: int) -> bytes:
    content = _content(number)
    return b"\x02" + bytes([len(content)]) + content


def _sequence(content: bytes) -> bytes:
    length = len(content)
    return b"\x30" + (bytes([length]) if length < 128 else bytes([0x81, length])) + content


def _der(r: int, s: int) -> bytes:
    return _sequence(_integer(r) + _integer(s))


def _ecdsa(of: Ecdsa) -> Iterator[Published]:
    for number, members in enumerate(_records("asymmetric/ECDSA/FIPS_186-3/SigVer.rsp", "Result")):
        if members["section"] != of.section:
            continue
        x, y = (int(members[part], 16).to_bytes(of.size, "big") for part in ("Qx", "Qy"))
        yield Published(
            name=f"SigVer {number}, {members['Result']}",
            parts={-2: x, -3: y},
            data=bytes.fromhex(members["Msg"]),
            signature=encode_dss_signature(int(members["R"], 16), int(members["S"], 16)),
            valid=members["Result"].startswith("P"),
        )


def _ed25519() -> Iterator[Published]:
    # One line each: private and public key; public key; message; signature and message.
    with open_vector_file("asymmetric/Ed25519/sign.input", "r") as file:
        for number, line in enumerate(file):
            _, public, message, signed = map(bytes.fromhex, line.split(":")[:4])
            yield Published(f"sign.input {number}", {-2: public}, message, signed[:64], valid=True)


def _ed448() -> Iterator[Published]:
    for members in _records("asymmetric/Ed448/rfc8032.txt", "SIGNATURE"):
        context = bytes.fromhex(members.get("CONTEXT", ""))
        yield Published(
            name=f"RFC 8032 {members['COUNT']}",
            parts={-2: bytes.fromhex(members["PUBLIC"])},
            data=bytes.fromhex(members["MESSAGE"]),
            signature=bytes.fromhex(members["SIGNATURE"]),
            valid=not context,
            context=context,
        )


def _rs256() -> Iterator[Published]:
    for file in ("FIPS_186-2/SigVer15_186-3.rsp", "SigVer15EMTest.txt"):
        yield from _rsa(f"asymmetric/RSA/{file}", accepted="P")


def _ps256() -> Iterator[Published]:
    for file in ("rsa_pss_cert", "rsa_pss_sha256_no_null"):
        with open_vector_file(f"x509/custom/{file}.pem", "rb") as pem:
            certificate = x509.load_pem_x509_certificate(pem.read())
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        numbers = key.public_numbers()
        parts = {-1: _bytes(numbers.n), -2: _bytes(numbers.e)}
        yield Published(file, parts, certificate.tbs_certificate_bytes, certificate.signature, valid=True)
    yield from _rsa("asymmetric/RSA/FIPS_186-2/SigVerPSS_186-3.rsp", accepted=None)


def _rsa(file: str, *, accepted: str | None) -> Iterator[Published]:
    modulus = ""
    for number, members in enumerate(_records(file, "n", "Result")):
        modulus = members.get("n", modulus)
        if members.get("SHAAlg") != "SHA256" or "Result" not in members:
            continue
        yield Published(
            name=f"{file.rpartition('/')[2]} {number}, {members['section']}, {members['Result']}",
            parts={-1: _even(modulus), -2: _bytes(int(members["e"], 16))},
            data=bytes.fromhex(members["Msg"]),
            signature=bytes.fromhex(members["S"]),
            valid=members["Result"] == accepted,
        )


def _ml_dsa(size: str, kind: Any) -> Iterator[Published]:
    for members in _records(f"asymmetric/MLDSA/kat_MLDSA_{size}_det_pure.rsp", "ctx"):
        public, data = bytes.fromhex(members["pk"]), bytes.fromhex(members["msg"])
        signed = bytes.fromhex(members["sm"])
        name, context = f"FIPS 204 {members['count']}", bytes.fromhex(members["ctx"])
        yield Published(name, {-1: public}, data, signed[: -len(data)], valid=False, context=context)
        # FIPS 204 §6.1: the published seed makes the published key.
        private = kind.from_seed_bytes(bytes.fromhex(members["xi"]))
        assert private.public_key().public_bytes_raw() == public
        yield Published(f"{name}, signed anew", {-1: public}, data, private.sign(data), valid=True)


_OTHERS = {"EdDSA": _ed25519, "Ed448": _ed448, "RS256": _rs256, "PS256": _ps256}


def _records(file: str, *last: str) -> Iterator[Json]:
    """The records of a file in NIST's form, each up to a member of `last`; `section` is what stood in brackets."""
    section, members = "", {}
    with open_vector_file(file, "r") as lines:
        for line in lines:
            if bracketed := re.match(r"\[(.+)\]", line):
                section = bracketed[1]
            elif written := re.match(r"(\w+) ?=(.*)", line):
                members[written[1]] = written[2].strip()
                if written[1] in last:
                    yield {"section": section, **members}
                    members = {}


def _even(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.rjust(len(hexadecimal) + len(hexadecimal) % 2, "0"))


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
