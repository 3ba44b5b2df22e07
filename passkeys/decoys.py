"""Credentials that nobody has: what a sign-in with a user name lists where there are no passkeys to list.

Whoever starts a sign-in for a name is answered with credential descriptors, whether or not anybody has that name. Those
of nobody are *decoys*. They are derived from a key and the name alone, so every instance tells the same, for ever; and
how many there are, how long their ids are and which transports they name is drawn from tables of what people really
have. Without the key they cannot be told from a real person's; with it, `is_decoy` can: the end of each decoy's id is a
MAC over the rest.

A change to the tables or to a derivation changes every decoy, and who asked before and after would see whose changed: the
names of nobody. Hence the tables are frozen, the tests hold fixed answers, and the label carries a version.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from passkeys.credentials import CredentialDescriptor

KEY_BYTES = 32
# By chance an id of a real authenticator ends with the right tag once in 2^48: its registration would be refused, and
# the next try makes another id. The rest of a 16-byte id has 80 bits: some 2^40 names until two decoys are equal.
TAG_BYTES = 6
SHORTEST_ID = 16

T = TypeVar("T")

# IANA COSE algorithms.
ES256, EDDSA, RS256 = -7, -8, -257

_LABEL = b"durable-passkeys decoys 1 "
_WHOLE = 1000


@dataclass(frozen=True, slots=True)
class Model:
    """A shape in which real credentials come.

    `weight`: how many of a thousand passkeys have it. `again`: how often, of a thousand, the next passkey of a person
    who has one is of this very model too. `algorithms`: those that it can, by their COSE numbers. `synced`: its credentials
    are backup eligible. `uuid`: the id is a random UUID (RFC 9562 §5.4), version and variant included.
    """

    name: str
    weight: int
    id_bytes: int
    transports: tuple[str, ...]
    again: int
    algorithms: tuple[int, ...] = (ES256,)
    synced: bool = False
    uuid: bool = False


# Lengths and transports are what the vendors' sources and recorded registrations show; transports in the order that
# WebAuthn L3 §5.2.1 prescribes for getTransports(). The weights are our judgement of a workforce that may use what it
# likes: platform and synced passkeys lead, security keys come in twos because one of them is the spare, and a synced
# provider holds one passkey a person, since excludeCredentials keeps it from taking a second.
MODELS: tuple[Model, ...] = (
    # The id is the SHA-1 of the public key, as the Keychain labels its items.
    Model("icloud-keychain", 290, 20, ("hybrid", "internal"), again=20, synced=True),
    # Chromium draws 16 bytes; so do 1Password and others that build on the same libraries.
    Model("google-password-manager", 230, 16, ("hybrid", "internal"), again=60, synced=True),
    # Of a machine, so a second machine has a second one. The TPM's keys are RSA keys.
    Model("windows-hello", 150, 32, ("internal",), again=250, algorithms=(RS256,)),
    Model("chrome-on-mac", 40, 32, ("internal",), again=250),
    Model("yubikey-nfc", 130, 48, ("nfc", "usb"), again=600, algorithms=(EDDSA, ES256)),
    Model("yubikey", 60, 48, ("usb",), again=500, algorithms=(EDDSA, ES256)),
    # Its extension names an item by a UUID, and tells browsers of one transport.
    Model("bitwarden", 40, 16, ("internal",), again=20, synced=True, uuid=True),
    # The private key, wrapped: many keys of other makers.
    Model("security-key-nfc", 40, 64, ("nfc", "usb"), again=500),
    Model("security-key", 20, 64, ("usb",), again=500),
)
# How many of a thousand people have so many. Most have one, the careful a spare; who has more than eight stands out.
COUNTS: tuple[tuple[int, int], ...] = (
    (1, 560),
    (2, 280),
    (3, 100),
    (4, 35),
    (5, 15),
    (6, 6),
    (7, 3),
    (8, 1),
)


def descriptors(key: bytes, name: str, models: Sequence[Model] = MODELS) -> list[CredentialDescriptor]:
    """The decoys of a name, in no order that says anything: always the same for one key, name and `models`.

    The name is taken as it is; whoever wants `Ada` and `ada` to be one makes them one before.
    """
    context = name.encode()
    made: list[CredentialDescriptor] = []
    model: Model | None = None
    for number in range(
        max(count for count, _ in COUNTS)
    ):  # all there may be: the time does not tell how many there are
        here = bytes([number]) + context
        if model is None or _number(key, b"again", here, _WHOLE) >= model.again:
            model = _drawn(key, b"model", here, tuple((other, other.weight) for other in models))
        made.append(CredentialDescriptor(_id(key, here, model), model.transports))
    return made[: _drawn(key, b"count", context, COUNTS)]


def is_decoy(key: bytes, credential_id: bytes) -> bool:
    """Whether this id is one of ours, of whatever name. Of a real authenticator's, once in 2^48."""
    rest, tag = credential_id[:-TAG_BYTES], credential_id[-TAG_BYTES:]
    return len(credential_id) >= SHORTEST_ID and hmac.compare_digest(_tag(key, rest), tag)


def model_of(key: bytes, credential_id: bytes) -> Model:
    """The model that a credential of nobody's would be of: always the same for one id, and for the ids of one length as
    often as of real ones.
    """
    length = len(credential_id)
    fitting = [model for model in MODELS if model.id_bytes == length] or MODELS
    return _drawn(key, b"model of id", credential_id, tuple((model, model.weight) for model in fitting))


def derived(key: bytes, purpose: bytes, context: bytes, length: int) -> bytes:
    """`length` bytes for one purpose: NIST SP 800-108r1 §4.1, counter mode, with HMAC-SHA-256 as the PRF."""
    fixed = _LABEL + purpose + b"\0" + context + (8 * length).to_bytes(4, "big")
    blocks = [
        hmac.digest(key, counter.to_bytes(4, "big") + fixed, "sha256")
        for counter in range(1, -(-length // 32) + 1)
    ]
    return b"".join(blocks)[:length]


def _id(key: bytes, context: bytes, model: Model) -> bytes:
    rest = bytearray(derived(key, b"id", context, model.id_bytes - TAG_BYTES))
    if model.uuid:
        rest[6] = 0x40 | rest[6] & 0x0F
        rest[8] = 0x80 | rest[8] & 0x3F
    return bytes(rest) + _tag(key, bytes(rest))


def _tag(key: bytes, rest: bytes) -> bytes:
    return derived(key, b"tag", rest, TAG_BYTES)


def _drawn(key: bytes, purpose: bytes, context: bytes, weighted: Sequence[tuple[T, int]]) -> T:
    """One of `weighted`, as often as its weight says."""
    left = _number(key, purpose, context, sum(weight for _, weight in weighted))
    for drawn, weight in weighted:
        left -= weight
        if left < 0:
            return drawn
    raise AssertionError("the number is below the sum of the weights")


def _number(key: bytes, purpose: bytes, context: bytes, below: int) -> int:
    # Of 64 bits: the bias towards small numbers is one in 2^54.
    return int.from_bytes(derived(key, purpose, context, 8), "big") % below
