"""Verifications a second on one core, beside bare `webauthn` and bare signatures: `python -m bench.verification` (minutes).

Every row is a ceremony that all sides accept, judged under the default policy but for what W3C's vectors need. The sides take
turns in batches of milliseconds, round after round, so that whatever else the machine does falls on all of them; what is told
is the median of the rounds, in CPU time of this thread. `--write` puts it into docs/performance.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import cbor2
import webauthn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from webauthn.helpers import parse_authentication_credential_json, parse_registration_credential_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import AttestationFormat
from webauthn.helpers.tpm.structs import TPM_MANUFACTURERS

from passkeys.algorithms import ALGORITHMS, load_public_key
from passkeys.attestation import Lenience, TrustAnchors
from passkeys.attestation.anchors import CERTIFIED_FORMATS
from passkeys.offer import AuthenticationOffer, RegistrationOffer
from passkeys.policy import policy_of
from passkeys.response import (
    encode_base64url,
    parse_authentication_response,
    parse_registration_response,
)
from passkeys.settings import load
from passkeys.verification import KnownCredential, verify_authentication, verify_registration

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
VECTORS = ROOT / "tests" / "vectors" / "webauthn-l3.json"
BEGIN, END = "<!-- bench-verification: begin -->", "<!-- bench-verification: end -->"
# What the additional checks may cost over webauthn, for a sign-in with ES256.
MOST = 0.15

ORIGIN, RP_ID = "https://example.org", "example.org"
CHALLENGE, CREDENTIAL_ID, USER_HANDLE = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
UP_UV, AT = 0x05, 0x40
NOW = datetime(2026, 11, 25, tzinfo=UTC)

Json = dict[str, Any]
Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One ceremony and its sides, by column; a side that refuses it is not there."""

    name: str
    sides: Mapping[str, Run]


OURS, THEIRS, SIGNATURE = "this app", "`webauthn`", "signatures alone"
OURS_JSON, THEIRS_JSON = "this app, from JSON", "`webauthn`, from JSON"
COLUMNS = (OURS, THEIRS, SIGNATURE, OURS_JSON, THEIRS_JSON)


# --- what is verified ---


@dataclass(frozen=True, slots=True)
class Root:
    """The vectors' trust anchor."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def of(cls, vector: Json) -> Root:
        """As the vectors publish it, private key and all."""
        return cls(
            x509.load_der_x509_certificate(bytes.fromhex(vector["certificate_der"]["hex"])),
            ec.derive_private_key(int(vector["private_key"]["hex"], 16), ec.SECP256R1()),
        )

    @property
    def der(self) -> bytes:
        """The certificate's."""
        return self.certificate.public_bytes(Encoding.DER)

    def issue(self, leaf: x509.Certificate, extension: x509.UnrecognizedExtension) -> bytes:
        """That certificate, with that extension alone."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(leaf.subject)
            .issuer_name(self.certificate.subject)
            .public_key(leaf.public_key())
            .serial_number(leaf.serial_number)
            .not_valid_before(leaf.not_valid_before_utc)
            .not_valid_after(leaf.not_valid_after_utc)
            .add_extension(extension, critical=False)
        )
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class Signer:
    """A credential's key: as COSE has it, and what signs and verifies by it alone."""

    cose_key: Json
    sign: Callable[[bytes], bytes]
    verify: Callable[[bytes, bytes], None]


def _ecdsa(alg: int, crv: int, curve: ec.EllipticCurve, hash_: HashAlgorithm) -> Signer:
    key = ec.generate_private_key(curve)
    numbers, size = key.public_key().public_numbers(), (curve.key_size + 7) // 8
    x, y = (number.to_bytes(size, "big") for number in (numbers.x, numbers.y))
    public, algorithm = key.public_key(), ec.ECDSA(hash_)
    return Signer(
        {1: 2, 3: alg, -1: crv, -2: x, -3: y},  # type: ignore[dict-item] # COSE's labels are numbers
        lambda data: key.sign(data, algorithm),
        lambda signature, data: public.verify(signature, data, algorithm),
    )


def _edwards(alg: int, crv: int, key: ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) -> Signer:
    public = key.public_key()
    return Signer({1: 1, 3: alg, -1: crv, -2: public.public_bytes_raw()}, key.sign, public.verify)  # type: ignore[dict-item]


def _rsa(alg: int, padded: padding.AsymmetricPadding) -> Signer:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public, numbers = key.public_key(), key.public_key().public_numbers()
    return Signer(
        {1: 3, 3: alg, -1: numbers.n.to_bytes(256, "big"), -2: b"\x01\x00\x01"},  # type: ignore[dict-item]
        lambda data: key.sign(data, padded, SHA256()),
        lambda signature, data: public.verify(signature, data, padded, SHA256()),
    )


def _ml_dsa(
    alg: int, key: mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
) -> Signer:
    public = key.public_key()
    return Signer({1: 7, 3: alg, -1: public.public_bytes_raw()}, key.sign, public.verify)  # type: ignore[dict-item]


SIGNERS: Mapping[str, Callable[[], Signer]] = {
    "ES256": lambda: _ecdsa(-7, 1, ec.SECP256R1(), SHA256()),
    "EdDSA": lambda: _edwards(-8, 6, ed25519.Ed25519PrivateKey.generate()),
    "ES384": lambda: _ecdsa(-35, 2, ec.SECP384R1(), SHA384()),
    "ES512": lambda: _ecdsa(-36, 3, ec.SECP521R1(), SHA512()),
    "RS256": lambda: _rsa(-257, padding.PKCS1v15()),
    "PS256": lambda: _rsa(-37, padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=32)),
    "Ed448": lambda: _edwards(-53, 7, ed448.Ed448PrivateKey.generate()),
    "ML-DSA-44": lambda: _ml_dsa(-48, mldsa.MLDSA44PrivateKey.generate()),
    "ML-DSA-65": lambda: _ml_dsa(-49, mldsa.MLDSA65PrivateKey.generate()),
    "ML-DSA-87": lambda: _ml_dsa(-50, mldsa.MLDSA87PrivateKey.generate()),
}
# L3 §8: one row for each format, by the vector that is verified. "none" and self attestation are by the credential.
FORMATS = {
    "none": "none.ES256",
    "packed, by itself": "packed-self.ES256",
    "packed, by a certificate": "packed.ES256",
    "tpm": "tpm.ES256",
    "android-key": "android-key.ES256",
    "apple": "apple.ES256",
    "fido-u2f": "fido-u2f.ES256",
    "compound, of packed and none": "packed.ES256",
}
# §8.4, a key description as a trusted environment writes it: the challenge between, made there, for signing alone.
ANDROID_BEFORE = bytes.fromhex("3042 020104 0a0101 020104 0a0101 0420")
ANDROID_BEHIND = bytes.fromhex("0400 3000 300e a1053103020102 bf853e03020100")
ANDROID_KEY = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.1.17")

POLICY = dataclasses.replace(
    policy_of(load({})),
    user_verification_required=False,
    lenience=Lenience(
        tpm_vendors=frozenset({"id:00000000"}), tpm_unbound_keys=True, android_unspecified=True
    ),
)
OFFERED = RegistrationOffer(
    algorithms=tuple(ALGORITHMS),
    attachment=None,
    resident_key_required=True,
    user_verification_required=False,
    extensions={},
)
REQUESTED = AuthenticationOffer(
    allowed_credentials=(), user_verification_required=False, extensions={}, person=None
)


@contextmanager
def tpm_of_the_vectors() -> Iterator[None]:
    """Inside, the package takes L3's vectors, which are of a TPM of nobody. Ours does by a setting; the package has none."""
    known = cast("dict[str, Any]", TPM_MANUFACTURERS)
    known["id:00000000"] = known["id:414D4400"]
    try:
        yield
    finally:
        del known["id:00000000"]


def rows(vectors: Json) -> Iterator[tuple[str, list[Row]]]:
    """Every row, under its heading."""
    signers = {name: make() for name, make in SIGNERS.items()}
    yield "Sign-in, by algorithm", [sign_in(name, signer) for name, signer in signers.items()]
    by_name = {vector["name"]: vector["registration"] for vector in vectors["vectors"]}
    root = Root.of(vectors["attestation_trust_root"])
    yield (
        "Registration, by attestation format, with ES256",
        [attested(name, by_name[vector], root) for name, vector in FORMATS.items()],
    )
    yield (
        "Registration without attestation, by algorithm",
        [unattested(name, signer) for name, signer in signers.items()],
    )


def sign_in(name: str, signer: Signer) -> Row:
    """An assertion, by each side."""
    client_data = _client_data("webauthn.get", CHALLENGE)
    auth_data = _head(UP_UV, 1)
    signed = auth_data + hashlib.sha256(client_data).digest()
    signature = signer.sign(signed)
    text = _envelope(
        CREDENTIAL_ID,
        clientDataJSON=client_data,
        authenticatorData=auth_data,
        signature=signature,
        userHandle=USER_HANDLE,
    )
    public_key = cbor2.dumps(signer.cose_key)
    stored = KnownCredential(CREDENTIAL_ID, "ada", USER_HANDLE, public_key, 0, backup_eligible=False)
    ours = partial(
        verify_authentication,
        challenge=CHALLENGE,
        origins=(ORIGIN,),
        rp_id=RP_ID,
        policy=POLICY,
        offered=REQUESTED,
        credential=stored,
    )
    theirs = partial(
        webauthn.verify_authentication_response,
        expected_challenge=CHALLENGE,
        expected_origin=ORIGIN,
        expected_rp_id=RP_ID,
        credential_public_key=public_key,
        credential_current_sign_count=0,
    )
    response, credential = (
        parse_authentication_response(json.loads(text)),
        parse_authentication_credential_json(text),
    )
    return _row(
        name,
        {
            OURS: lambda: ours(response),
            THEIRS: lambda: theirs(credential=credential),
            SIGNATURE: lambda: signer.verify(signature, signed),
            OURS_JSON: lambda: ours(parse_authentication_response(json.loads(text))),
            THEIRS_JSON: lambda: theirs(credential=text),
        },
    )


def unattested(name: str, signer: Signer) -> Row:
    """A new credential without attestation. There is no signature in it: what stands beside is loading the key."""
    public_key = cbor2.dumps(signer.cose_key)
    attested_data = bytes(16) + len(CREDENTIAL_ID).to_bytes(2, "big") + CREDENTIAL_ID + public_key
    auth_data = _head(UP_UV | AT, 0) + attested_data
    attestation_object = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": auth_data})
    client_data = _client_data("webauthn.create", CHALLENGE)
    text = _envelope(CREDENTIAL_ID, clientDataJSON=client_data, attestationObject=attestation_object)
    sides = _registration_sides(text, CHALLENGE, None)
    return _row(name, {**sides, SIGNATURE: lambda: load_public_key(public_key)})


def attested(name: str, vector: Json, root: Root) -> Row:
    """A vector of L3, changed where it is not, so that both sides accept it. Both trust its root."""
    client_data = bytes.fromhex(vector["clientDataJSON"]["hex"])
    members = cbor2.loads(bytes.fromhex(vector["attestationObject"]["hex"]))
    fmt, statement, data = members["fmt"], dict(members["attStmt"]), members["authData"]
    if fmt == "android-key":
        # Its lists are empty, which the package cannot read; and the package takes the last certificate for the root.
        described = ANDROID_BEFORE + hashlib.sha256(client_data).digest() + ANDROID_BEHIND
        leaf = x509.load_der_x509_certificate(statement["x5c"][0])
        statement["x5c"] = [root.issue(leaf, x509.UnrecognizedExtension(ANDROID_KEY, described)), root.der]
    if fmt == "fido-u2f":
        # CTAP demands zeros for the AAGUID, which nothing signs here.
        data = data[:37] + bytes(16) + data[53:]
    signed = data + hashlib.sha256(client_data).digest()
    signatures = _bare_signatures(fmt, statement, data, signed, root)
    said: Any = statement
    if name.startswith("compound"):
        fmt, said = "compound", [{"fmt": fmt, "attStmt": statement}, {"fmt": "none", "attStmt": {}}]
    changed = cbor2.dumps({"fmt": fmt, "attStmt": said, "authData": data})
    end = 55 + int.from_bytes(data[53:55], "big")
    text = _envelope(data[55:end], clientDataJSON=client_data, attestationObject=changed)
    sides = _registration_sides(text, bytes.fromhex(vector["challenge"]["hex"]), root)
    return _row(name, {**sides, **signatures})


def _bare_signatures(fmt: str, statement: Json, data: bytes, signed: bytes, root: Root) -> Mapping[str, Run]:
    """The signatures of statement and certificate, by keys that are loaded already. Of "none" there are none."""
    checks: list[Run] = []
    _, key = load_public_key(data[55 + int.from_bytes(data[53:55], "big") :])
    if "x5c" in statement:
        leaf = x509.load_der_x509_certificate(statement["x5c"][0])
        issuer, algorithm = root.key.public_key(), ec.ECDSA(SHA256())
        tbs, by_root = leaf.tbs_certificate_bytes, leaf.signature
        checks.append(lambda: issuer.verify(by_root, tbs, algorithm))
        key = leaf.public_key()  # type: ignore[assignment] # of P-256, in every vector
    if "sig" in statement:
        point: Any = load_public_key(data[55 + int.from_bytes(data[53:55], "big") :])[1]
        numbers = point.public_numbers()
        u2f = (
            b"\x00" + data[:32] + signed[-32:] + data[55 : 55 + int.from_bytes(data[53:55], "big")]
            + b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
        )  # fmt: skip
        said = {"tpm": statement.get("certInfo"), "fido-u2f": u2f}.get(fmt, signed)
        by_key: Any = key
        checks.append(lambda: by_key.verify(statement["sig"], said, ec.ECDSA(SHA256())))

    def verify() -> None:
        for check in checks:
            check()

    return {SIGNATURE: verify} if checks else {}


def _registration_sides(text: str, challenge: bytes, root: Root | None) -> Mapping[str, Run]:
    by_format = dict.fromkeys(CERTIFIED_FORMATS, (root.der,)) if root else {}
    pem = root.certificate.public_bytes(Encoding.PEM) if root else b""
    ours = partial(
        verify_registration,
        challenge=challenge,
        origins=(ORIGIN,),
        rp_id=RP_ID,
        policy=POLICY,
        offered=OFFERED,
        mediation="modal",
        trust_anchors=TrustAnchors(by_format=by_format),
        models={},
        at=NOW,
    )
    theirs = partial(
        webauthn.verify_registration_response,
        expected_challenge=challenge,
        expected_origin=ORIGIN,
        expected_rp_id=RP_ID,
        supported_pub_key_algs=list(COSEAlgorithmIdentifier),
        pem_root_certs_bytes_by_fmt={AttestationFormat(fmt): [pem] for fmt in by_format},
    )
    response, credential = (
        parse_registration_response(json.loads(text)),
        parse_registration_credential_json(text),
    )
    return {
        OURS: lambda: ours(response),
        THEIRS: lambda: theirs(credential=credential),
        OURS_JSON: lambda: ours(parse_registration_response(json.loads(text))),
        THEIRS_JSON: lambda: theirs(credential=text),
    }


def _row(name: str, sides: Mapping[str, Run]) -> Row:
    """The row, without the package's sides where it refuses: it has no ES384 and no Ed448."""
    sides[OURS]()
    try:
        sides[THEIRS]()
    except Exception as refused:  # noqa: BLE001 - it raises what it likes
        tell(f"{name}: webauthn refuses it: {refused!r:.120}")
        sides = {column: run for column, run in sides.items() if column not in (THEIRS, THEIRS_JSON)}
    return Row(name, sides)


def _client_data(kind: str, challenge: bytes) -> bytes:
    told = {"type": kind, "challenge": encode_base64url(challenge), "origin": ORIGIN, "crossOrigin": False}
    return json.dumps(told, separators=(",", ":")).encode()


def _head(flags: int, count: int) -> bytes:
    return hashlib.sha256(RP_ID.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")


def _envelope(credential_id: bytes, **response: bytes) -> str:
    encoded = encode_base64url(credential_id)
    return json.dumps(
        {
            "id": encoded,
            "rawId": encoded,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {name: encode_base64url(value) for name, value in response.items()},
        }
    )


# --- how it is timed ---


def timed(row: Row, rounds: int, batch_ns: int) -> Mapping[str, list[float]]:
    """Nanoseconds each, by side, of every round; the sides take turns, there and back."""
    sizes = {column: _batch(run, batch_ns) for column, run in row.sides.items()}
    times: dict[str, list[float]] = {column: [] for column in row.sides}
    for turn in range(rounds):
        for column in list(row.sides) if turn % 2 else reversed(list(row.sides)):
            times[column].append(_run(row.sides[column], sizes[column]))
    return times


def _run(run: Run, count: int) -> float:
    began = time.thread_time_ns()
    for _ in range(count):
        run()
    return (time.thread_time_ns() - began) / count


def _batch(run: Run, batch_ns: int) -> int:
    """How many make a batch; they warm it up too."""
    return max(1, int(batch_ns / max(1, min(_run(run, 10) for _ in range(3)))))


def over(mine: Sequence[float], other: Sequence[float]) -> float:
    """How much more one costs than another: the median over the rounds, in each of which they ran side by side."""
    return statistics.median(a / b for a, b in zip(mine, other, strict=True)) - 1


# --- what is told ---


def main() -> int:
    """Print it as Markdown. 1: the additional checks cost more than they may."""
    parser = argparse.ArgumentParser(prog="python -m bench.verification", description=__doc__)
    parser.add_argument("--rounds", type=int, default=31, help="of each row (31)")
    parser.add_argument("--milliseconds", type=float, default=10, help="of each batch (10)")
    parser.add_argument("--write", action="store_true", help=f"put the result into {PAGE.relative_to(ROOT)}")
    chosen = parser.parse_args()
    lines, measured = report(chosen.rounds, int(chosen.milliseconds * 1e6))
    text = "\n".join(lines)
    print(text)
    if chosen.write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")
    return 0 if measured <= MOST else 1


@tpm_of_the_vectors()
def report(rounds: int, batch_ns: int) -> tuple[list[str], float]:
    """The lines, and what our checks cost over webauthn for a sign-in with ES256."""
    lines: list[str] = []
    cost = float("nan")
    for heading, listed in rows(json.loads(VECTORS.read_text("utf-8"))):
        columns = [column for column in COLUMNS if any(column in row.sides for row in listed)]
        said = {SIGNATURE: "the key loaded"} if heading.startswith("Registration without") else {}
        lines += ["", f"### {heading}", ""]
        lines.append(
            f"| | {' | '.join(said.get(one, one) for one in columns)} | over `webauthn` | from JSON |"
        )
        lines.append(f"|---|{'--:|' * (len(columns) + 2)}")
        for row in listed:
            tell(f"{heading}: {row.name}")
            times = timed(row, rounds, batch_ns)
            rates = [
                f"{1e9 / statistics.median(times[one]):,.0f}" if one in times else "—" for one in columns
            ]
            costs = [
                over(times[ours], times[theirs]) if theirs in times else None
                for ours, theirs in ((OURS, THEIRS), (OURS_JSON, THEIRS_JSON))
            ]
            if heading.startswith("Sign-in") and row.name == "ES256":
                assert costs[0] is not None
                cost = costs[0]
            told = ["—" if one is None else f"{one:+.0%}" for one in costs]
            lines.append(f"| {row.name} | {' | '.join(rates)} | {' | '.join(told)} |")
    return [*machine(rounds), *lines], cost


def machine(rounds: int) -> Iterator[str]:
    """What it ran on."""
    yield f"Measured {datetime.now(UTC):%Y-%m-%d}: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, one of them used,"
    yield f"Python {platform.python_version()}, webauthn {version('webauthn')}, cryptography {version('cryptography')}; medians of {rounds} rounds."
    yield f"Verifications a second of CPU time. Load average of the machine meanwhile: {os.getloadavg()[0]:.0f}; beyond 1, others' work"
    yield "has made caches cold, and both sides slower."


def tell(what: str) -> None:
    """Say what is going on, beside the result."""
    print(f"  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
