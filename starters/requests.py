"""Reading a request: everything that arrives is bounded in size, depth and form before anybody looks at it.

What does not fit is refused with a code of `starters.problems`; what comes out is a plain JSON object, an id of the right
form, or a number in its range.
"""

import ipaddress
import json
import math
import re
from collections.abc import Iterable
from typing import Any

from azure.functions import HttpRequest

from passkeys.ceremony import kind_of
from starters.problems import RefusedError

MAX_BODY_BYTES = 64 * 1024  # an attestation with a long certificate chain stays under 10 KiB
MAX_DEPTH = 16  # the deepest answer of the WebAuthn API, extensions included, has 6 levels
UNKNOWN_NETWORK = "unknown"
_JSON_MEDIA_TYPE = re.compile(r"""application/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?""", re.IGNORECASE)


def json_object(req: HttpRequest) -> dict[str, Any]:
    """The body as one JSON object (RFC 8259), strictly read.

    Raises RefusedError: body_too_large, media_type_unsupported, body_malformed.
    """
    body = req.get_body()
    if len(body) > MAX_BODY_BYTES:
        raise RefusedError("body_too_large")
    if not _JSON_MEDIA_TYPE.fullmatch(req.headers.get("content-type", "").strip()):
        raise RefusedError("media_type_unsupported")
    if req.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise RefusedError("media_type_unsupported")
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object_without_repeats,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        _check_depth(value, MAX_DEPTH)
        # A lone surrogate (RFC 8259 §8.2) passes the parser and fails wherever the text is next written down.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (
        ValueError,
        RecursionError,
    ):  # the decoders' errors are ValueErrors; the parser's own depth is bounded
        raise RefusedError("body_malformed") from None
    if not isinstance(value, dict):
        raise RefusedError("body_malformed")
    return value


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # RFC 8259 §4: readers disagree about which one counts
        raise ValueError("a name is repeated")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number is out of range")
    return number


def _check_depth(value: Any, levels: int) -> None:
    children: Iterable[Any] = ()
    if isinstance(value, dict):
        children = value.values()
    elif isinstance(value, list):
        children = value
    else:
        return
    if levels == 0:
        raise ValueError("too deep")
    for child in children:
        _check_depth(child, levels - 1)


def ceremony_id(req: HttpRequest) -> str:
    """The id in the path. Raises RefusedError(ceremony_unknown) for anything that no start can have given out."""
    found: str = req.route_params.get("id", "")
    if kind_of(found) is None:
        raise RefusedError("ceremony_unknown")
    return found


def number(req: HttpRequest, name: str, *, default: int, lowest: int, highest: int) -> int:
    """A whole number from the query. Raises RefusedError(parameter_invalid)."""
    text = req.params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,6}", text) or not lowest <= int(text) <= highest:
        raise RefusedError("parameter_invalid", f"`{name}` is a whole number from {lowest} to {highest}.")
    return int(text)


def one_of(req: HttpRequest, name: str, allowed: Iterable[str]) -> str | None:
    """A word from the query, or None when it is absent. Raises RefusedError(parameter_invalid)."""
    text: str | None = req.params.get(name)
    if text is not None and text not in (words := tuple(allowed)):
        raise RefusedError("parameter_invalid", f"`{name}` is one of: {', '.join(words)}.")
    return text


def network_of(req: HttpRequest, *, hops: int) -> str:
    """The caller's network, coarse enough to be no personal identifier: an IPv4 /24 or an IPv6 /48.

    The address is the entry that the nearest trusted proxy appended to X-Forwarded-For: the last one with one hop, the
    last but one with two; with none, nobody is believed. What stands left of it was written by the caller. Callers
    whose address cannot be told share one network, and therefore one limit.
    """
    entries = [entry.strip() for entry in req.headers.get("x-forwarded-for", "").split(",")]
    if not 0 < hops <= len(entries):
        return UNKNOWN_NETWORK
    address = _address(entries[-hops])
    if address is None:
        return UNKNOWN_NETWORK
    prefix = 24 if address.version == 4 else 48
    # "-" and not "/": the key becomes part of an entity's id, and that of a URL.
    return str(ipaddress.ip_network((address, prefix), strict=False)).replace("/", "-")


def _address(entry: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """`192.0.2.1`, `192.0.2.1:443`, `2001:db8::1` or `[2001:db8::1]:443`; None for anything else."""
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::\d+)?", entry)
    with_port = re.fullmatch(r"([0-9.]+):\d+", entry)
    match = bracketed or with_port
    try:
        address = ipaddress.ip_address(match.group(1) if match else entry)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
