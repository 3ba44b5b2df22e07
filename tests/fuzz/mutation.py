"""Changes that keep the structure of what they change, so that what is changed gets past the parser.

Every function takes a source of chance and bytes, and returns bytes; what it cannot read it changes blindly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import cbor2

from passkeys.authenticator_data import _end_of_item

# Of a handful of bytes its reader makes, if it follows references (tags 28 and 29), lists of lists by the million.
LAUGHTER = b"\x98\x20" + b"".join(
    b"\xd8\x1c\x88" + (b"\xd8\x1d" + bytes([number - 1])) * 8 if number else b"\xd8\x1c\x88" + b"\x00" * 8
    for number in range(20)
)


def loads(data: bytes) -> Any:
    """CBOR for us to change; tags are for those to read who must withstand them. Raises what it likes."""
    _end_of_item(data, 0)
    return cbor2.loads(data)


Mutator = Callable[[Random, bytes], bytes]

WORDS = (
    "", "type", "challenge", "origin", "crossOrigin", "topOrigin", "tokenBinding", "webauthn.create", "webauthn.get",
    "https://example.org", "https://example.com", "https://example.org/", "https://example.org:443", "null", "public-key",
    "fmt", "attStmt", "authData", "alg", "sig", "x5c", "ver", "2.0", "certInfo", "pubArea", "response", "none", "packed",
    "tpm", "android-key", "apple", "fido-u2f", "compound", "credProps", "rk", "prf", "enabled", "results", "first",
    "largeBlob", "supported", "blob", "credProtect", "minPinLength", "usb", "internal", "platform", "cross-platform",
    "\x00", "\ud83d", "é", "A" * 200, "AQID", "__proto__",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2, 3, 4, 6, 7, 8, -2, -3, -7, -8, -9, -19, -35, -36, -37, -48, -49, -50, -51, -52, -53, -257, -65535,
    23, 24, 63, 64, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**53, 2**63, 2**64 - 1, -(2**63), -(2**64), 2**64, 2**520,
)  # fmt: skip
BYTES = (
    b"",
    b"\x00",
    b"\x30\x00",
    b"\x30\x80\x00\x00",
    b"\x04\x10" + bytes(16),
    bytes(16),
    bytes(32),
    b"\xff" * 32,
    b"\x01" + bytes(31),
    bytes(57),
    bytes(65),
    bytes(256),
    b"\xffTCG\x80\x17",
)
OTHERS = (None, True, False, 0.0, -0.0, 1.5, float("inf"), float("nan"), [], {})


def blind(chance: Random, data: bytes) -> bytes:
    """Some bytes changed, cut, doubled or added."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0 | 1 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 2 if at < len(changed):
                changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 3:
                del changed[at : at + chance.choice((1, 1, 2, 4, 16, 64))]
            case 4:
                changed[at:at] = changed[at : at + chance.choice((1, 2, 8, 32))]
            case _:
                changed[at:at] = chance.choice(BYTES) or chance.randbytes(chance.choice((1, 2, 4)))
    return bytes(changed)


def json_text(chance: Random, data: bytes) -> bytes:
    """JSON with one node changed; now and then written in an odd way."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return blind(chance, data)
    tree = _tree(chance, tree, keys=WORDS, binary=False)
    try:
        text = json.dumps(tree, separators=chance.choice(((",", ":"), (", ", ": "))))
        written = text.encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return blind(chance, data)
    match chance.randrange(40):
        case 0:
            return b"\xef\xbb\xbf" + written
        case 1:
            return written.replace(b"{", b'{"type":"webauthn.get",', 1)
        case 2:
            return written.replace(b"{", b'{"challenge":null,', 1)
        case 3:
            return written + chance.choice((b" ", b"\n", b"\x00", b"{}", b","))
        case 4:
            return text.encode("utf-16")
        case 5:
            return written.replace(b":", b":" + b"[" * chance.choice((10, 500)), 1)
        case 6:
            return blind(chance, written)
        case _:
            return written


def cbor(chance: Random, data: bytes) -> bytes:
    """CBOR with one node changed; now and then written in an odd way, as CTAP2 does not."""
    try:
        tree = loads(data)
    except Exception:
        return blind(chance, data)
    try:
        written = cbor2.dumps(_tree(chance, tree, keys=WORDS + NUMBERS[:20], binary=True))
    except Exception:
        return blind(chance, data)
    match chance.randrange(40):
        case 0:
            return written + chance.choice((b"\x00", b"\xf6", b"\xff"))
        case 1:
            return written[:-1]
        case 2 if written and written[0] >> 5 in (4, 5):  # of indefinite length
            return bytes([written[0] | 0x1F]) + written[1:] + b"\xff"
        case 3 if (
            written and written[0] >> 5 == 5 and written[0] & 0x1F < 22
        ):  # a key more, perhaps there already
            return (
                bytes([written[0] + 1])
                + chance.choice((b"\x01\x02", b"\x63fmt\x60", b"\x03\x26"))
                + written[1:]
            )
        case 4:
            return (
                chance.choice(
                    (bytes([0xC0 | chance.randrange(24)]), b"\xd8\x1c", b"\xd8\x1d\x00", b"\xd8\x23")
                )
                + written
            )
        case 5:
            return b"\x81" * chance.choice((9, 300)) + written
        case 6:
            return blind(chance, written)
        case 7:
            return written[:1] + LAUGHTER + written[2:] if chance.randrange(2) else LAUGHTER
        case _:
            return written


def authenticator_data(chance: Random, data: bytes) -> bytes:
    """WebAuthn L3 §6.1: one field changed, the others left where they are."""
    if len(data) < 37:
        return blind(chance, data)
    head, flags, count, rest = data[:32], data[32], data[33:37], data[37:]
    match chance.randrange(12):
        case 0 | 1 | 2:
            flags ^= 1 << chance.randrange(8)
        case 3:
            flags = chance.randrange(256)
        case 4:
            count = chance.choice((bytes(4), b"\x00\x00\x00\x01", b"\xff" * 4, chance.randbytes(4)))
        case 5:
            head = blind(chance, head)[:32].ljust(32, b"\x00")
        case 6:
            flags |= 0x80
            outputs = {
                chance.choice(WORDS): chance.choice((*NUMBERS, *OTHERS)) for _ in range(chance.randrange(3))
            }
            rest += chance.choice((_dumped(outputs), _dumped({"credProtect": chance.randrange(5)}), b"\xa0"))
        case 7:
            rest = blind(chance, rest)
        case _ if flags & 0x40 and len(rest) >= 18:
            rest = _attested(chance, rest)
        case _:
            rest += chance.choice((b"", b"\x00", b"\xa0"))
    return head + bytes([flags]) + count + rest


def _dumped(value: Any) -> bytes:
    try:
        return cbor2.dumps(value)
    except Exception:  # half of a surrogate pair has no UTF-8
        return b"\xa0"


def _attested(chance: Random, rest: bytes) -> bytes:
    """§6.5.2: AAGUID, length and id of the credential, key, and what is behind."""
    length = int.from_bytes(rest[16:18], "big")
    aaguid, identifier, behind = rest[:16], rest[18 : 18 + length], rest[18 + length :]
    match chance.randrange(8):
        case 0:
            aaguid = chance.choice((bytes(16), blind(chance, aaguid)[:16].ljust(16, b"\x00")))
        case 1:
            length = chance.choice((0, 1, length - 1, length + 1, 1023, 1024, 0xFFFF)) % 0x10000
        case 2:
            identifier = chance.choice((b"", bytes(1023), bytes(1024), blind(chance, identifier)))
            length = len(identifier)
        case _:
            behind = first_of(chance, behind, cbor)
    return aaguid + length.to_bytes(2, "big") + identifier + behind


def first_of(chance: Random, data: bytes, change: Mutator) -> bytes:
    """The first item of a sequence of CBOR changed, what is behind it kept."""
    try:
        end = _end_of_item(data, 0)
    except (ValueError, IndexError):
        return blind(chance, data)
    return change(chance, data[:end]) + data[end:]


def attestation_object(chance: Random, data: bytes) -> bytes:
    """WebAuthn L3 §6.5.4: authenticator data changed, or a certificate, or something else in it."""
    try:
        tree = loads(data)
        where = chance.randrange(10)
        if where < 4:
            tree["authData"] = authenticator_data(chance, tree["authData"])
            return cbor2.dumps(tree)
        if where < 9:
            tree["attStmt"] = _statement(chance, tree["attStmt"])
            return cbor2.dumps(tree)
    except Exception:
        return cbor(chance, data)
    return cbor(chance, data)


def statement(chance: Random, data: bytes) -> bytes:
    """An attestation statement: a certificate changed, or something else in it."""
    try:
        return cbor2.dumps(_statement(chance, loads(data)))
    except Exception:
        return cbor(chance, data)


def _statement(chance: Random, tree: Any) -> Any:
    if isinstance(tree, list) and tree and chance.randrange(4):
        part = chance.choice(tree)
        part["attStmt"] = _statement(chance, part["attStmt"])
    elif isinstance(tree, dict) and tree.get("x5c") and chance.randrange(2):
        number = chance.randrange(len(tree["x5c"]))
        tree["x5c"][number] = der(chance, tree["x5c"][number])
    else:
        return _tree(chance, tree, keys=WORDS, binary=True)
    return tree


# A node of DER: its tag, and its content, either bytes or nodes.
_Node = list[Any]


def der(chance: Random, data: bytes) -> bytes:
    """DER with one node changed, and the lengths around it made right."""
    try:
        nodes = _nodes(data, 0)
    except IndexError:
        return blind(chance, data)
    if not nodes:
        return blind(chance, data)
    siblings, at = nodes, 0
    # Down at random: what is deeper, there is more of.
    while isinstance(siblings[at][1], list) and siblings[at][1] and chance.randrange(6):
        siblings = siblings[at][1]
        at = chance.randrange(len(siblings))
    node = siblings[at]
    match chance.randrange(10):
        case 0:
            node[0] = chance.choice(
                (
                    0x01,
                    0x02,
                    0x03,
                    0x04,
                    0x05,
                    0x06,
                    0x0C,
                    0x13,
                    0x17,
                    0x18,
                    0x30,
                    0x31,
                    0xA0,
                    0xA3,
                    node[0] ^ 0x20,
                )
            )
        case 1:
            del siblings[at]
        case 2:
            siblings.insert(at, node)
        case 3 if len(siblings) > 1:
            other = chance.randrange(len(siblings))
            siblings[at], siblings[other] = siblings[other], siblings[at]
        case 4:
            node[1] = chance.choice(BYTES)
        case 5:
            siblings.insert(at, [chance.choice((0x02, 0x04, 0x05, 0x30)), chance.choice(BYTES)])
        case 6:
            written = _written(nodes)
            return blind(chance, written)
        case _:
            content = node[1] if isinstance(node[1], bytes) else _written(node[1])
            node[1] = blind(chance, content)
    return _written(nodes)


def _nodes(data: bytes, depth: int) -> list[_Node]:
    """Raises IndexError: this is no DER."""
    nodes, at = [], 0
    while at < len(data):
        tag, length, start = data[at], data[at + 1], at + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[at + 2 : start], "big")
        end = start + length
        if end > len(data):
            raise IndexError
        content: Any = data[start:end]
        # Octet strings of certificates' extensions hold DER too.
        if depth < 12 and content and (tag & 0x20 or tag == 0x04):
            try:
                content = _nodes(content, depth + 1)
            except IndexError:
                pass
        nodes.append([tag, content])
        at = end
    return nodes


def _written(nodes: list[_Node]) -> bytes:
    written = []
    for tag, content in nodes:
        inner = content if isinstance(content, bytes) else _written(content)
        length = len(inner)
        if length < 0x80:
            size = bytes([length])
        else:
            octets = (length.bit_length() + 7) // 8
            size = bytes([0x80 | octets]) + length.to_bytes(octets, "big")
        written.append(bytes([tag]) + size + inner)
    return b"".join(written)


def _tree(chance: Random, tree: Any, *, keys: tuple[Any, ...], binary: bool) -> Any:
    """The tree with one node changed, found by going down at random."""
    holder, slot = [tree], 0
    root = holder
    while True:
        value = holder[slot]
        if isinstance(value, dict) and value and chance.randrange(5):
            holder, slot = value, chance.choice(list(value))
        elif isinstance(value, list) and value and chance.randrange(5):
            holder, slot = value, chance.randrange(len(value))
        else:
            break
    match chance.randrange(8):
        case 0:
            holder[slot] = _strange(chance, keys, binary=binary)
        case 1 if holder is not root:
            del holder[slot]
        case 2 if isinstance(holder, dict):
            holder[chance.choice(keys)] = holder.pop(slot)
        case 3 if isinstance(holder, dict):
            holder[chance.choice(keys)] = _strange(chance, keys, binary=binary)
        case 4 if isinstance(holder, dict):
            holder[slot] = holder[chance.choice(list(holder))]
        case 5 if isinstance(holder, list) and holder is not root:
            holder.insert(slot, holder[slot])
        case _:
            holder[slot] = _alike(chance, holder[slot], keys, binary=binary)
    return root[0]


def _strange(chance: Random, keys: tuple[Any, ...], *, binary: bool) -> Any:
    match chance.randrange(6 if binary else 4):
        case 0:
            return chance.choice(WORDS)
        case 1:
            return chance.choice(NUMBERS)
        case 2:
            value = chance.choice(OTHERS)
            return type(value)() if isinstance(value, (list, dict)) else value
        case 3:
            return (
                {chance.choice(keys): chance.choice(WORDS)}
                if chance.randrange(2)
                else [chance.choice(NUMBERS)]
            )
        case _:
            return chance.choice(BYTES)


def _alike(chance: Random, value: Any, keys: tuple[Any, ...], *, binary: bool) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return chance.choice((value + 1, value - 1, -value, chance.choice(NUMBERS)))
        case bytes():
            return der(chance, value) if value[:1] == b"\x30" else blind(chance, value)
        case str():
            at = chance.randrange(len(value) + 1)
            return (
                value[:at]
                + chance.choice(("", "A", "_", "=", "/", "\x00", "é", "."))
                + value[at + chance.randrange(2) :]
            )
        case _:
            return _strange(chance, keys, binary=binary)
