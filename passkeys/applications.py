"""The applications that may have tokens: one JSON file, read at start; every mistake in it is told, not just the first.

    {"<client_id>": {"name": "…", "audiences": ["https://api.example.com"], "redirect_uris": ["https://app.example.com/callback"], …}}

What an application may see of a person is `roles`: names of ours, out of those that the directory maps its groups to.
docs/applications.md has every member.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from passkeys.directory import ROLE
from passkeys.errors import SettingsError
from passkeys.jwks import KeySet, KeySetMalformed, read_key_set
from passkeys.strict_json import object_of

CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
MAX_FILE = 256 * 1024
# RFC 8252 §7.3, §8.3: on the machine itself nobody listens in between.
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SECTOR = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}\Z")
# The algorithms of a client's assertion (passkeys/client_assertions.py).
_ASSERTION_ALGORITHMS = frozenset({"ES256", "PS256", "RS256", "Ed25519"})


@dataclass(frozen=True, slots=True)
class Application:
    """One application. `audiences`: what its tokens may be for, the first unless it says which (RFC 8707).

    `redirect_uris` and `origins` are compared whole. `roles`: those of ours that it may see. The refresh lifetimes only
    shorten those of passkeys/assurance.py; None: as there; an absolute one of 0: no refresh token. `keys`: those that it
    authenticates with (RFC 7523); None: it is public. `introspection`: it may ask about the tokens for its audiences.
    """

    client_id: str
    name: str
    audiences: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()
    access_seconds: int = 300
    refresh_idle_seconds: int | None = None
    refresh_absolute_seconds: int | None = None
    dpop_required: bool = True
    pairwise: bool = False
    sector: str = ""
    keys: KeySet | None = None
    introspection: bool = False


DEMO_APPLICATIONS: Mapping[str, Application] = MappingProxyType(
    {
        "sample": Application(
            client_id="sample",
            name="Sample application",
            audiences=("http://localhost:7080",),
            redirect_uris=("http://localhost:7080/callback",),
            origins=("http://localhost:7080",),
            roles=frozenset({"operator"}),
        )
    }
)


def load_applications(path: Path | None) -> Mapping[str, Application]:
    """The applications of the file by their client ids; for None the demo's. Raises SettingsError with every mistake."""
    if path is None:
        return DEMO_APPLICATIONS
    where = f"PASSKEYS_APPLICATIONS={str(path)!r}"
    try:
        data = path.read_bytes()
        listed = object_of(data) if len(data) <= MAX_FILE else {}
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError((f"{where}: cannot be read as one JSON object: {error}.",)) from error
    if not listed:
        raise SettingsError((f"{where}: must hold one JSON object, of applications by their client ids.",))
    applications: dict[str, Application] = {}
    mistakes: list[str] = []
    for client_id, entry in listed.items():
        found = _read(client_id, entry)
        if isinstance(found, Application):
            applications[client_id] = found
        else:
            mistakes += [f"PASSKEYS_APPLICATIONS: application {client_id!r}: {mistake}." for mistake in found]
    if mistakes:
        raise SettingsError(tuple(mistakes))
    return MappingProxyType(applications)


def _read(client_id: str, entry: object) -> Application | list[str]:
    """The application, or everything that is wrong with its entry."""
    if not CLIENT_ID.match(client_id):
        return [
            "a client id is 1 to 64 lower-case letters, digits or . _ -, and begins with a letter or digit"
        ]
    if not isinstance(entry, dict):
        return ["must be a JSON object"]
    mistakes = [f"{member}: there is no such member" for member in entry.keys() - _MEMBERS.keys()]
    members: dict[str, Any] = {}
    for member, parse in _MEMBERS.items():
        if member not in entry:
            continue
        try:
            members[member] = parse(entry[member])
        except ValueError as error:
            mistakes.append(f"{member}={entry[member]!r:.200}: {error}")
    mistakes += [f"{member} is missing" for member in ("audiences", "name") if member not in entry]
    mistakes += _contradictions(members) if not mistakes else []
    return sorted(mistakes) if mistakes else _made(client_id, members)


def _made(client_id: str, members: dict[str, Any]) -> Application:
    public = members.get("keys") is None
    dpop = members.pop("dpop", "required" if public else "optional")
    pairwise = members.pop("subject_type", "public") == "pairwise"
    sectors = [urlsplit(uri).hostname for uri in members.get("redirect_uris", ())]
    sector = members.pop("sector", sectors[0] if sectors else client_id)
    return Application(
        client_id=client_id, dpop_required=dpop == "required", pairwise=pairwise, sector=sector, **members
    )


def _contradictions(members: Mapping[str, Any]) -> list[str]:
    """What each member alone cannot show."""
    mistakes = []
    if members.get("introspection") and "keys" not in members:
        mistakes.append("introspection: who may ask about tokens must prove who they are; add keys")
    idle, absolute = (members.get(f"refresh_{which}_seconds") for which in ("idle", "absolute"))
    if idle and absolute and idle > absolute:
        mistakes.append("refresh_idle_seconds: must not be more than refresh_absolute_seconds")
    hosts = {urlsplit(uri).hostname for uri in members.get("redirect_uris", ())}
    # OIDC Core §8.1: with hosts that are several, which sector it is must be said.
    if members.get("subject_type") == "pairwise" and len(hosts) > 1 and "sector" not in members:
        mistakes.append("sector is missing: the redirect_uris have more than one host")
    if "sector" in members and members.get("subject_type") != "pairwise":
        mistakes.append("sector: says nothing unless subject_type is 'pairwise'")
    return mistakes


def _text(value: object) -> str:
    if (
        not isinstance(value, str)
        or not value.isprintable()
        or value != value.strip()
        or not 1 <= len(value) <= 64
    ):
        raise ValueError("must be a text of 1 to 64 printable characters")
    return value


def _list_of(
    what: str, fits: Callable[[str], bool], *, some: bool = False
) -> Callable[[object], tuple[str, ...]]:
    def parse(value: object) -> tuple[str, ...]:
        if (
            not isinstance(value, list)
            or (some and not value)
            or not all(isinstance(one, str) and fits(one) for one in value)
            or len(set(value)) != len(value)
        ):
            raise ValueError(f"must be a list of {what}, each once" + (", at least one" if some else ""))
        return tuple(value)

    return parse


def _is_secure(text: str) -> bool:
    """An absolute address, https or on this machine, without a fragment (RFC 6749 §3.1.2) and without a user."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 -- raises for one that is none
    except ValueError:
        return False
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return (
        (parts.scheme == "https" or local)
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and "#" not in text
        and re.fullmatch(r"[!#-\[\]-~]{1,512}", text) is not None
    )


def _is_redirect_uri(text: str) -> bool:
    return _is_secure(text) and urlsplit(text).path.startswith("/")


def _is_origin(text: str) -> bool:
    return _is_secure(text) and text == f"{urlsplit(text).scheme}://{urlsplit(text).netloc}" == text.lower()


def _is_audience(text: str) -> bool:
    # RFC 8707 §2: an absolute address without a fragment; RFC 7519 §4.1.3 takes any text, but asks to be able to be named.
    return re.fullmatch(r"[a-z][a-z0-9+.-]{1,31}:[!$-\[\]-~]{1,254}", text) is not None


def _one_of(*allowed: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError("must be " + " or ".join(repr(word) for word in allowed))
        return value

    return parse


def _seconds(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return parse


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 -- a mistake in a file, as the others
    return value


def _sector(value: object) -> str:
    if not isinstance(value, str) or not _SECTOR.match(value):
        raise ValueError("must be a domain name in lower case")
    return value


def _public_keys(value: object) -> KeySet:
    try:
        keys = read_key_set(json.dumps(value).encode())
    except KeySetMalformed as malformed:
        raise ValueError(
            f"must be a JWK set of public keys with kid: {malformed}".removesuffix(".")
        ) from None
    listed = value["keys"] if isinstance(value, dict) else []
    if any({"d", "k", "p"} & one.keys() for one in listed if isinstance(one, dict)):
        raise ValueError("must hold public keys alone; one of these is private or shared: replace that key")
    if len(keys) != len(listed):
        raise ValueError("must hold keys for signatures alone, each with a kid of its own")
    if not all(key.algorithms & _ASSERTION_ALGORITHMS for found in keys.values() for key in found):
        raise ValueError("must hold keys for " + ", ".join(sorted(_ASSERTION_ALGORITHMS)))
    return keys


_MEMBERS: Mapping[str, Callable[[object], Any]] = {
    "name": _text,
    "audiences": _list_of("absolute addresses", _is_audience, some=True),
    "redirect_uris": _list_of(
        "https addresses (http for localhost alone) with a path and without a fragment", _is_redirect_uri
    ),
    "origins": _list_of("https origins (http for localhost alone) as browsers write them", _is_origin),
    "roles": lambda value: frozenset(_list_of("role names", lambda one: bool(ROLE.match(one)))(value)),
    "access_seconds": _seconds(60, 900),
    "refresh_idle_seconds": _seconds(60, 3_600),
    "refresh_absolute_seconds": _seconds(0, 43_200),
    "dpop": _one_of("required", "optional"),
    "subject_type": _one_of("public", "pairwise"),
    "sector": _sector,
    "keys": _public_keys,
    "introspection": _flag,
}
