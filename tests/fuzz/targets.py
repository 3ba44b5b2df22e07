"""The targets: what each is fuzzed from, how its inputs are changed, and what it runs.

A run is one execution: it returns what came of it, "accepted" or the code of the refusal, and raises whatever must not be.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from random import Random
from types import MappingProxyType
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from passkeys.attestation import ALL_FORMATS, STRICT, TrustAnchors, verify_statement
from passkeys.authenticator_data import read_authenticator_data
from passkeys.certificates import MAX_CERTIFICATES, ChainInvalid, verify_chain
from passkeys.errors import MalformedResponse, MetadataInvalid, Rejection, RejectionCode
from passkeys.extensions import EXTENSIONS, creation_inputs, request_inputs
from passkeys.metadata import Model, ModelPolicy, StatusReport, dump_metadata, judge_model, load_metadata
from passkeys.metadata_blob import verify_blob
from passkeys.offer import AuthenticationOffer, RegistrationOffer
from passkeys.policy import Policy
from passkeys.response import (
    encode_base64url,
    parse_authentication_response,
    parse_registration_response,
)
from passkeys.verification import verify_authentication, verify_registration
from tests import metadata_kit
from tests.fuzz import ceremonies, inputs, mutation, oracle
from tests.passkeys.attestation.statements import NOBODY, ROOT, ROOTED, W3C
from tests.passkeys.authorities import authority, issue
from tests.passkeys.resigned import LAX, NOW, OFFERED, REQUESTED, USER_HANDLE
from tests.passkeys.resigned import STRICT as STRICT_POLICY

Json = dict[str, Any]
ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Target:
    """`parts`: what changes each part of an input; `weights`: how often. `again`: the bits that mean something."""

    seeds: Callable[[], tuple[bytes, ...]]
    parts: tuple[mutation.Mutator, ...]
    weights: tuple[int, ...]
    run: Callable[[bytes], str]
    again: int

    def mutate(self, chance: Random, data: bytes, blind: Callable[[bytes], bytes]) -> bytes:
        """One input made of another: a choice made anew, or one part changed, by structure or blindly.

        As often as not the other parts become what they are in a seed again: what is wrong in several points at once is
        refused for the first, and hides the others.
        """
        given = inputs.read(data, len(self.parts))
        policy, again, parts = given.policy, given.again, list(given.parts)
        (number,) = chance.choices(range(len(parts)), self.weights)
        part = parts[number]
        if chance.random() < 0.6:
            good = chance.choice(_seeds_by_scene(self.seeds).get(given.scene) or _all_seeds(self.seeds))
            parts = list(good.parts)
            if chance.random() < 0.2:
                part = parts[number]
        match int(chance.random() * 24):
            case 0:
                policy = chance.randrange(256)
            case 1:
                again = chance.choice((0, self.again, chance.randrange(256)))
            case 2:
                part = blind(part)
            case 3:
                # Of another scene, and so signed by another key.
                part = chance.choice(_all_seeds(self.seeds)).parts[number]
            case _:
                part = self.parts[number](chance, part)
                if chance.random() < 0.7:
                    again = self.again
        parts[number] = part
        return inputs.write(given.scene, policy, again, parts)


@cache
def _all_seeds(seeds: Callable[[], tuple[bytes, ...]]) -> tuple[inputs.Input, ...]:
    # As many parts as the first has.
    count, left = 0, seeds()[0][inputs.CHOICES :]
    while left:
        left, count = left[2 + int.from_bytes(left[:2], "big") :], count + 1
    return tuple(inputs.read(seed, count) for seed in seeds())


@cache
def _seeds_by_scene(seeds: Callable[[], tuple[bytes, ...]]) -> dict[int, list[inputs.Input]]:
    found: dict[int, list[inputs.Input]] = {}
    for seed in _all_seeds(seeds):
        found.setdefault(seed.scene, []).append(seed)
    return found


# --- registration ---

ASKED = creation_inputs(EXTENSIONS, protection_required=False)
ENFORCED = creation_inputs(EXTENSIONS, protection_required=True)
DEFAULT_ANCHORS = dict(ROOTED.by_format)
# Of packed.ES256, as metadata would know it.
MODEL = "876ca4f5-2071-c3e9-b255-09ef2cdf7ed6"
BY_MODEL = TrustAnchors(
    by_format=MappingProxyType(DEFAULT_ANCHORS), by_model=MappingProxyType({MODEL: (ROOT.der,)})
)


def models_with(*statuses: str) -> Mapping[str, Model]:
    """Metadata of that model alone, with these reports."""
    reports = tuple(StatusReport(status, None, None, None) for status in statuses)
    return {MODEL: Model(MODEL, (), "a model", None, reports, (ROOT.der,))}


def with_models(**changed: Any) -> Policy:
    return dataclasses.replace(LAX, models=dataclasses.replace(LAX.models, **changed))


ANYBODY = (ROOT.der,)


@dataclass(frozen=True, slots=True)
class Stance:
    """A policy with what was offered under it."""

    policy: Any = LAX
    offered: RegistrationOffer = OFFERED
    mediation: str = "modal"
    anchors: TrustAnchors = ROOTED
    models: Mapping[str, Model] = field(default_factory=dict)


STANCES = (
    Stance(),
    Stance(offered=dataclasses.replace(OFFERED, extensions=ASKED), anchors=NOBODY),
    Stance(offered=dataclasses.replace(OFFERED, extensions=ENFORCED)),
    Stance(policy=STRICT_POLICY),
    Stance(policy=dataclasses.replace(STRICT_POLICY, user_verification_required=False)),
    Stance(policy=STRICT_POLICY, mediation="conditional"),
    Stance(policy=dataclasses.replace(LAX, attestation_trusted_only=True)),
    Stance(policy=dataclasses.replace(LAX, token_binding_checked=True, chains_exact=True)),
    Stance(policy=with_models(denied=frozenset({MODEL}))),
    Stance(policy=with_models(allowed=frozenset({MODEL})), anchors=BY_MODEL),
    Stance(policy=with_models(), models=models_with("FIDO_CERTIFIED", "REVOKED")),
    Stance(policy=with_models(certification="FIDO_CERTIFIED_L1"), models=models_with("FIDO_CERTIFIED_L2")),
    Stance(policy=with_models(unknown_allowed=False), models=models_with("FIDO_CERTIFIED_L2")),
    Stance(policy=dataclasses.replace(LAX, backup_eligible_allowed=False), anchors=NOBODY),
    Stance(policy=dataclasses.replace(LAX, transports_allowed=frozenset({"usb"})), anchors=NOBODY),
    Stance(policy=dataclasses.replace(LAX, attestation_formats=frozenset({"none", "packed", "compound"}))),
    Stance(offered=dataclasses.replace(OFFERED, algorithms=(-7, -257), attachment="cross-platform")),
    Stance(offered=dataclasses.replace(OFFERED, user_verification_required=True), anchors=NOBODY),
)
TOLD = {"response": {"transports": ["internal", "usb"]}, "authenticatorAttachment": "platform"}
OUTPUTS = {
    "credProps": {"rk": True},
    "prf": {"enabled": True, "results": {"first": "AAAA"}},
    "largeBlob": {"supported": True, "blob": "AAAA"},
}


@cache
def registration_seeds() -> tuple[bytes, ...]:
    return tuple(
        inputs.write(
            number,
            policy,
            again,
            [
                ceremonies.envelope(scene.credential_id, **TOLD, clientExtensionResults=outputs),
                scene.client_data,
                scene.attestation_object,
            ],
        )
        for number, scene in enumerate(ceremonies.new_credentials())
        for policy, again, outputs in ((0, 0, {}), (1, ceremonies.EVERYTHING, OUTPUTS))
    )


def run_registration(data: bytes) -> str:
    given = inputs.read(data, 3)
    scenes = ceremonies.new_credentials()
    scene = scenes[given.scene % len(scenes)]
    stance = STANCES[given.policy % len(STANCES)]
    told, client_data, attestation_object = given.parts
    if given.again & ~ceremonies.NAME:
        attestation_object = ceremonies.signed_again(scene, given.again, client_data, attestation_object)
    value = _value(told)
    if isinstance(value, dict) and isinstance(value.get("response"), dict):
        value["response"]["clientDataJSON"] = encode_base64url(client_data)
        value["response"]["attestationObject"] = encode_base64url(attestation_object)
        if given.again & ceremonies.NAME:
            value["id"] = value["rawId"] = encode_base64url(_attested_id(attestation_object))
    try:
        response = parse_registration_response(value)
    except MalformedResponse as malformed:
        return malformed.member
    try:
        verified = verify_registration(
            response,
            challenge=scene.challenge,
            origins=["https://example.org"],
            rp_id="example.org",
            policy=stance.policy,
            offered=stance.offered,
            mediation=stance.mediation,
            trust_anchors=stance.anchors,
            models=stance.models,
            at=NOW,
        )
    except Rejection as rejection:
        return _named(rejection)
    oracle.check_registration(
        response,
        verified,
        challenge=scene.challenge,
        policy=stance.policy,
        offered=stance.offered,
        mediation=stance.mediation,
        anchors=() if stance.anchors is NOBODY else ANYBODY,
        models=stance.models,
        at=NOW,
    )
    return ACCEPTED


def _named(rejection: Rejection) -> str:
    # The nets under the obligations: whatever falls there has no code of its own, and that is a finding.
    nets = (RejectionCode.RESPONSE_UNREADABLE, RejectionCode.ATTESTATION_INVALID)
    assert rejection.code not in nets, f"no obligation says this: {rejection!r}"
    return rejection.code.value


def _attested_id(attestation_object: bytes) -> bytes:
    try:
        return bytes(ceremonies.attested_id(mutation.loads(attestation_object)["authData"]))[:1100]
    except Exception:
        return b""


def _value(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


# --- authentication ---

ALLOWED = AuthenticationOffer(
    (b"\x01" * 16,),
    user_verification_required=False,
    extensions=request_inputs(EXTENSIONS, rp_id="example.org"),
    person="ada",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A policy with what was asked for under it. `allowed`: the credential is the one that was asked for."""

    policy: Any = LAX
    offered: AuthenticationOffer = REQUESTED
    allowed: bool = False


REQUESTS = (
    Request(),
    Request(
        offered=dataclasses.replace(REQUESTED, extensions=request_inputs(EXTENSIONS, rp_id="example.org"))
    ),
    Request(offered=dataclasses.replace(REQUESTED, person="ada"), allowed=True),
    Request(offered=dataclasses.replace(REQUESTED, person="grace")),
    Request(offered=ALLOWED),
    Request(policy=STRICT_POLICY),
    Request(policy=dataclasses.replace(STRICT_POLICY, user_verification_required=False)),
    Request(policy=dataclasses.replace(LAX, sign_count_only_flagged=True), allowed=True),
    Request(policy=dataclasses.replace(LAX, top_origins=frozenset())),
)


@cache
def authentication_seeds() -> tuple[bytes, ...]:
    handle = encode_base64url(USER_HANDLE)
    return tuple(
        inputs.write(
            number,
            policy,
            again,
            [
                ceremonies.envelope(
                    scene.stored.credential_id,
                    response={"userHandle": handle},
                    clientExtensionResults=outputs,
                ),
                scene.client_data,
                scene.auth_data,
                scene.sign(scene.auth_data + hashlib.sha256(scene.client_data).digest()),
                scene.stored.public_key,
            ],
        )
        for number, scene in enumerate(ceremonies.sign_ins())
        for policy, again, outputs in ((0, 0, {}), (1, ceremonies.SIGN | ceremonies.DEARLY, OUTPUTS))
    )


def run_authentication(data: bytes) -> str:
    given = inputs.read(data, 5)
    scenes = ceremonies.sign_ins()
    scene = scenes[given.scene % len(scenes)]
    request = REQUESTS[given.policy % len(REQUESTS)]
    told, client_data, auth_data, signature, public_key = given.parts
    stored = scene.stored
    if public_key != stored.public_key:
        # What is stored has been through registration; a damaged record must not do harm all the same.
        stored = dataclasses.replace(stored, public_key=public_key)
    offered = request.offered
    if request.allowed:
        offered = dataclasses.replace(offered, allowed_credentials=(stored.credential_id,))
    if given.again & ceremonies.SIGN and (given.again & ceremonies.DEARLY or not scene.dear):
        signature = scene.sign(auth_data + hashlib.sha256(client_data).digest())
    value = _value(told)
    if isinstance(value, dict) and isinstance(value.get("response"), dict):
        value["response"]["clientDataJSON"] = encode_base64url(client_data)
        value["response"]["authenticatorData"] = encode_base64url(auth_data)
        value["response"]["signature"] = encode_base64url(signature)
    try:
        response = parse_authentication_response(value)
    except MalformedResponse as malformed:
        return malformed.member
    try:
        verified = verify_authentication(
            response,
            challenge=scene.challenge,
            origins=["https://example.org"],
            rp_id="example.org",
            policy=request.policy,
            offered=offered,
            credential=stored,
        )
    except Rejection as rejection:
        return _named(rejection)
    oracle.check_authentication(
        response,
        verified,
        challenge=scene.challenge,
        policy=request.policy,
        offered=offered,
        credential=stored,
    )
    return ACCEPTED


# --- the parsers alone ---


@cache
def response_seeds() -> tuple[bytes, ...]:
    seeds = []
    for given in (inputs.read(seed, 3) for seed in registration_seeds()):
        value = json.loads(given.parts[0])
        value["response"]["clientDataJSON"] = encode_base64url(given.parts[1])
        value["response"]["attestationObject"] = encode_base64url(given.parts[2])
        seeds.append(inputs.write(0, 0, 0, [json.dumps(value).encode()]))
    for given in (inputs.read(seed, 5) for seed in authentication_seeds()):
        value = json.loads(given.parts[0])
        for name, part in zip(
            ("clientDataJSON", "authenticatorData", "signature"), given.parts[1:4], strict=True
        ):
            value["response"][name] = encode_base64url(part)
        seeds.append(inputs.write(0, 0, 0, [json.dumps(value).encode()]))
    return tuple(seeds)


def run_responses(data: bytes) -> str:
    (text,) = inputs.read(data, 1).parts
    value = _value(text)
    outcome = ""
    for parse in (parse_registration_response, parse_authentication_response):
        try:
            response = parse(value)
        except MalformedResponse as malformed:
            outcome += f"{malformed.member} "
            continue
        outcome = ACCEPTED
        again = response.to_json()
        assert parse(again) == response, "what was parsed is not what is sent on"
        json.dumps(again, allow_nan=False)
        # Secrets end in the parser.
        outputs = json.dumps(again["clientExtensionResults"])
        assert '"first"' not in outputs and '"second"' not in outputs, "a PRF result got through"
    return outcome.strip()


# --- attestation statements alone ---


@cache
def statement_seeds() -> tuple[bytes, ...]:
    return tuple(
        inputs.write(number, policy, again, [cbor2.dumps(scene.att_stmt), scene.auth_data])
        for number, scene in enumerate(ceremonies.new_credentials())
        for policy, again in ((0, 0), (1, ceremonies.EVERYTHING))
    )


def run_statement(data: bytes) -> str:
    given = inputs.read(data, 2)
    scenes = ceremonies.new_credentials()
    scene = scenes[given.scene % len(scenes)]
    fmt, anchors, lenience = (
        scene.fmt,
        (ROOTED, NOBODY)[given.policy & 1],
        (W3C, STRICT)[given.policy >> 1 & 1],
    )
    if given.policy & 0x80:
        fmt = ALL_FORMATS[given.policy % len(ALL_FORMATS)]
    encoded, auth_data = given.parts
    try:
        parsed = read_authenticator_data(auth_data)
    except Rejection as rejection:
        return _named(rejection)
    try:
        statement = mutation.loads(encoded)
    except Exception:
        return "unreadable"
    if given.again:
        try:
            statement = ceremonies.statement_again(
                scene, given.again, scene.client_data, auth_data, fmt, statement
            )
        except Exception:
            pass
    hashed = hashlib.sha256(scene.client_data).digest()
    try:
        proven = verify_statement(
            fmt=fmt,
            att_stmt=statement,
            auth_data=auth_data,
            authenticator_data=parsed,
            client_data_hash=hashed,
            anchors=anchors,
            at=NOW,
            lenience=lenience,
        )
    except Rejection as rejection:
        return _named(rejection)
    roots = ANYBODY if anchors is ROOTED else ()
    oracle.check_attestation(
        proven, fmt, statement, auth_data, auth_data + hashed, anchors=roots, formats=ALL_FORMATS, at=NOW
    )
    return ACCEPTED


# --- certificate chains ---

_KEYS = [ec.derive_private_key(number, ec.SECP256R1()) for number in (3, 5, 7)]


@cache
def links() -> tuple[bytes, ...]:
    """Leaf, intermediate, intermediate, root, by keys that are the same every time."""
    upper = authority("upper", issuer=ROOT, key=_KEYS[2])
    lower = authority("lower", issuer=upper, key=_KEYS[1])
    return issue("leaf", issuer=lower, key=_KEYS[0]).der, lower.der, upper.der, ROOT.der


SIGNERS = (*map(ceremonies.ecdsa, (_KEYS[1], _KEYS[2], ROOT.key, ROOT.key)),)


@cache
def chain_seeds() -> tuple[bytes, ...]:
    leaf, lower, upper, root = links()
    chains = (
        [leaf, lower, upper, root],
        [leaf, upper, lower, b""],
        [lower, upper, b"", b""],
        [root, b"", b"", b""],
    )
    return tuple(
        inputs.write(0, policy, again, chain) for chain in chains for policy in range(3) for again in (0, 15)
    )


def run_chain(data: bytes) -> str:
    given = inputs.read(data, 4)
    chain = []
    for number, der in enumerate(given.parts):
        link = der
        if der and given.again >> number & 1:
            try:
                link = ceremonies.certified(der, SIGNERS[number])
            except Exception:
                link = der
        if link:
            chain.append(link)
    chain *= 1 + given.scene % 3
    anchors = ((ROOT.der,), (links()[2],), (links()[0], ROOT.der))[given.policy % 3]
    try:
        anchor = verify_chain(chain, anchors=anchors, at=NOW, exact=bool(given.policy & 0x80))
    except ChainInvalid:
        return "chain_invalid"
    assert anchor in anchors, "an anchor that was not asked for"
    assert len(chain) <= MAX_CERTIFICATES, "too long a chain"
    assert oracle.leads(chain, anchors, NOW), "the chain leads nowhere"
    return ACCEPTED


# --- metadata ---

_MDS_KEYS = [ec.derive_private_key(number, ec.SECP256R1()) for number in (11, 13)]
_BY_LEAF = ceremonies.ecdsa(_MDS_KEYS[1])
_RAW = 64  # RFC 7518 §3.4: R and S of ES256, one behind the other
_WELCOME = ModelPolicy(
    frozenset({"REVOKED"}), frozenset(), frozenset(), unknown_allowed=False, certification="FIDO_CERTIFIED_L1"
)


@cache
def signer() -> tuple[bytes, bytes]:
    """Root and leaf."""
    root = authority("A root for metadata", key=_MDS_KEYS[0])
    leaf = issue(
        "FIDO", issuer=root, key=_MDS_KEYS[1], extensions=[metadata_kit.for_host(metadata_kit.SIGNER)]
    )
    return root.der, leaf.der


@cache
def metadata_seeds() -> tuple[bytes, ...]:
    status = metadata_kit.status
    payloads = (
        metadata_kit.payload(),
        metadata_kit.payload(metadata_kit.entry()),
        metadata_kit.payload(
            metadata_kit.entry(
                metadata_kit.AAGUID,
                status("FIDO_CERTIFIED_L2"),
                status("USER_VERIFICATION_BYPASS", "2021-01-01"),
                status("UPDATE_AVAILABLE", "2022-01-01", authenticatorVersion=3),
                roots=(ROOT.der,),
            ),
            metadata_kit.entry(
                metadata_kit.OTHER,
                status("REVOKED", None, sunsetDate="2030-01-01"),
                friendlyNames={"en-US": "A key"},
            ),
            metadata_kit.entry(None, keys=[metadata_kit.KEY_IDENTIFIER]),
            metadata_kit.entry(None, aaid="0001#0001"),
        ),
    )
    return tuple(
        inputs.write(0, 0, again, [b'{"alg":"ES256","typ":"JWT"}', json.dumps(payload).encode(), bytes(_RAW)])
        for payload in payloads
        for again in (3, 1)
    )


def run_metadata(data: bytes) -> str:
    given = inputs.read(data, 3)
    header, payload, signature = given.parts
    root, leaf = signer()
    if given.again & 1:
        members = _value(header)
        if isinstance(members, dict):
            members.setdefault("x5c", [base64.b64encode(leaf).decode()])
            header = json.dumps(members).encode()
    signed = b".".join(encode_base64url(part).encode() for part in (header, payload))
    if given.again & 2:
        r, s = oracle.numbers_of(_BY_LEAF(signed))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    blob = signed + b"." + encode_base64url(signature).encode()
    try:
        accepted = verify_blob(blob, roots=(root,), signer=metadata_kit.SIGNER, at=NOW)
    except MetadataInvalid as invalid:
        return invalid.code.value
    members, metadata = json.loads(payload), accepted.metadata
    assert oracle.is_raw_signature(x509.load_der_x509_certificate(leaf).public_key(), signature, signed), (
        "signature"
    )
    assert (metadata.no, metadata.next_update.isoformat()) == (members["no"], members["nextUpdate"]), (
        "no, nextUpdate"
    )
    named = {entry["aaguid"].lower() for entry in members["entries"] if entry.get("aaguid") is not None}
    assert named == {model.aaguid for model in metadata.models.values() if model.aaguid}, "models"
    assert load_metadata("metadata", dump_metadata(metadata)) == metadata, (
        "what is stored is not what is read"
    )
    for key, model in metadata.models.items():
        judge_model(key, model, _WELCOME, at=NOW)
    return ACCEPTED


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "registration": Target(
            registration_seeds,
            (mutation.json_text, mutation.json_text, mutation.attestation_object),
            (1, 2, 5),
            run_registration,
            ceremonies.EVERYTHING,
        ),
        "authentication": Target(
            authentication_seeds,
            (
                mutation.json_text,
                mutation.json_text,
                mutation.authenticator_data,
                mutation.blind,
                mutation.cbor,
            ),
            (2, 4, 4, 1, 1),
            run_authentication,
            ceremonies.SIGN,
        ),
        "responses": Target(response_seeds, (mutation.json_text,), (1,), run_responses, 0),
        "statement": Target(
            statement_seeds,
            (mutation.statement, mutation.authenticator_data),
            (3, 1),
            run_statement,
            ceremonies.EVERYTHING,
        ),
        "chain": Target(chain_seeds, (mutation.der,) * 4, (2, 2, 2, 1), run_chain, 15),
        "metadata": Target(
            metadata_seeds,
            (mutation.json_text, mutation.json_text, mutation.blind),
            (2, 8, 1),
            run_metadata,
            3,
        ),
    }
)
