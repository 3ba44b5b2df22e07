"""Signed notes: what C2SP says of their form, and nothing else is one."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from passkeys.errors import CheckpointFault, CheckpointRefused
from passkeys.local_keys import LocalKeys
from passkeys.notes import (
    MAX_NOTE,
    VerifierKey,
    open_note,
    read_key,
    read_keys,
    signed_note,
    split_note,
    verifier_key,
)

NAME, TEXT = "example.com/log", "one line\n\nand one after an empty one\n"


class Signer:
    def __init__(self, folder: Path, name: str = NAME) -> None:
        self.keys = LocalKeys(folder)
        self.jwk = asyncio.run(self.keys.create())
        self.key = verifier_key(name, self.jwk)

    def sign(self, text: str = TEXT) -> bytes:
        return signed_note(text, self.key, asyncio.run(self.keys.sign(self.jwk["kid"], text.encode())))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("keys") / "keys")


def fault_of(note: bytes, *keys: VerifierKey) -> CheckpointFault | None:
    try:
        open_note(note, keys)
    except CheckpointRefused as refused:
        return refused.code
    return None


def test_a_note_says_its_text_and_who_has_signed_it(signer: Signer) -> None:
    """The text may have empty lines: the last one ends it. The key is found again from its line."""
    note = signer.sign()
    assert open_note(note, [signer.key]) == (TEXT, signer.key)
    assert note.decode().startswith(TEXT + "\n— example.com/log ")
    known = read_key(str(signer.key))
    assert (known.name, known.id, str(known)) == (NAME, signer.key.id, str(signer.key))
    assert open_note(note, [known])[0] == TEXT
    assert [str(key) for key in read_keys(f"{signer.key}\n\n{signer.key}\n")] == [str(signer.key)] * 2


def test_signatures_of_strangers_are_passed_over(signer: Signer, tmp_path: Path) -> None:
    """Also where they share the name or the id with a known key; alone, they sign nothing."""
    other = Signer(tmp_path / "other")
    note, foreign = signer.sign(), other.sign()
    both = foreign + note.decode().removeprefix(TEXT + "\n").encode()
    assert open_note(both, [signer.key])[0] == TEXT
    assert fault_of(foreign, signer.key) is CheckpointFault.KEY_UNKNOWN
    renamed = VerifierKey("example.com/other", signer.key.id, signer.key.public)
    assert fault_of(note, renamed) is CheckpointFault.KEY_UNKNOWN
    assert fault_of(note) is CheckpointFault.KEY_UNKNOWN


def test_sixteen_signatures_are_taken_however_long(signer: Signer) -> None:
    """As many as a verifier must take, of post-quantum size; a note without end is not read."""
    long = "".join(
        f"— w{number} {base64.b64encode(bytes([number] * 5000)).decode()}\n" for number in range(15)
    )
    assert open_note(signer.sign() + long.encode(), [signer.key])[0] == TEXT
    assert fault_of(b"x" * (MAX_NOTE + 1), signer.key) is CheckpointFault.TOO_LARGE


def test_a_known_key_that_has_signed_another_text_refuses_the_note(signer: Signer) -> None:
    """Though another known key's signature would do."""
    note = signer.sign()
    changed = note.replace(b"one line", b"two line")
    assert fault_of(changed, signer.key) is CheckpointFault.SIGNATURE_INVALID
    bad = signer.sign("another\n").decode().removeprefix("another\n\n").encode()
    assert fault_of(note + bad, signer.key) is CheckpointFault.SIGNATURE_INVALID
    garbage = base64.b64encode(signer.key.id + b"no DER").decode()
    assert fault_of(f"{TEXT}\n— {NAME} {garbage}\n".encode(), signer.key) is CheckpointFault.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAA=",  # no end of the line
        b"text\n\n- name AAAAAAA=\n",  # a hyphen
        b"text\n\n\xe2\x80\x94 AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94  AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 a+b AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 a\xc2\xa0b AAAAAAA=\n",  # a space of Unicode
        b"text\n\n\xe2\x80\x94 name AAAAAA==\n",  # an id and no signature
        b"text\n\n\xe2\x80\x94 name AAAAAAB=\n",  # bits behind the end
        b"text\n\n\xe2\x80\x94 name AAAA_AA=\n",
        b"text\n\n\xe2\x80\x94 name AAAA AAA=\n",
        b"te\rxt\n\n\xe2\x80\x94 name AAAAAAA=\n",
        b"te\x00xt\n\n\xe2\x80\x94 name AAAAAAA=\n",
        b"te\xffxt\n\n\xe2\x80\x94 name AAAAAAA=\n",
    ],
)
def test_what_is_no_note_is_malformed(note: bytes, signer: Signer) -> None:
    """Line by line, byte by byte."""
    assert fault_of(note, signer.key) is CheckpointFault.MALFORMED


def test_any_bit_that_is_changed_is_found(signer: Signer) -> None:
    """Of text, name, id or signature, each one: never the note that was signed."""
    whole = signer.sign()
    for place in range(8 * len(whole)):
        note = bytearray(whole)
        note[place // 8] ^= 1 << place % 8
        assert fault_of(bytes(note), signer.key) is not None


def test_keys_of_another_kind_or_id_are_refused(signer: Signer) -> None:
    """ECDSA over P-256 alone, spelt in one way, with the id that follows from it."""
    name, key_id, key = str(signer.key).split("+", 2)
    der = base64.b64decode(key)[1:]

    def line(public: bytes) -> str:
        return f"{name}+{key_id}+{base64.b64encode(public).decode()}"

    p384 = generate_private_key(SECP384R1()).public_key()
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for bad in (
        "",
        name,
        f"{name}+00000000+{key}",
        f"{name}+{key_id.upper()}x+{key}",
        f"+{key_id}+{key}",
        f"a b+{key_id}+{key}",
        line(b"\x01" + der),
        line(b"\x02" + der[:-1]),
        line(b"\x02" + p384.public_bytes(*spki)),
        line(b"\x02" + Ed25519PrivateKey.generate().public_key().public_bytes(*spki)),
        f"{signer.key} ",
    ):
        with pytest.raises(CheckpointRefused) as refused:
            read_key(bad)
        assert refused.value.code is CheckpointFault.MALFORMED
    with pytest.raises(CheckpointRefused, match="no verifier key"):
        read_keys("\n")
    with pytest.raises(ValueError, match="cannot name"):
        verifier_key("a b", signer.jwk)
    assert split_note(signer.sign())[1][0][0] == NAME
