"""PASSKEYS_DIRECTORY as a company directory: a JSON file with a `provider`; every mistake in it is told, not just the first.

A file without a `provider` lists people (passkeys/directory.py). docs/entra-id.md, docs/okta.md and docs/ping.md have a page
for each, with what to do there.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from passkeys.directories import entra, okta
from passkeys.directories.asking import Answer, Asking, Question, Sender, misconfigured
from passkeys.directories.by_identity import asked_by_identity
from passkeys.directories.client_credentials import Client, ClientCredentials, authorized
from passkeys.directories.entra import EntraDirectory
from passkeys.directories.okta import OktaDirectory
from passkeys.directories.pingone import PingOneDirectory
from passkeys.directories.reading import GUID
from passkeys.directories.scim import ScimDirectory
from passkeys.directory import ROLE, Directory, load_static
from passkeys.errors import SettingsError
from passkeys.issuers import tls_roots
from passkeys.key_home import KeyHome
from passkeys.managed_identity import Token, credential_of, tokens_of
from passkeys.strict_json import object_of

_WORD = re.compile(r"[!#-\[\]-~]{1,255}")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{43}")
# https://developer.pingidentity.com/pingone-api: the domain of each region.
_REGIONS = ("asia", "ca", "com", "com.au", "eu", "sg")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an adapter needs of the world: keys, time, chance; and who sends, and who gives tokens, in place of the real ones."""

    keys: KeyHome
    clock: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    sender: Callable[[ssl.SSLContext | None], Any] = lambda tls: Sender(tls=tls)
    token: Callable[[str | None], Token] = lambda client_id: tokens_of(credential_of(client_id))

    def chance(self) -> float:
        """A number from 0 to 1."""
        return int.from_bytes(self.random_bytes(4), "big") / 2**32


def load_directory(path: Path | None, around: Surroundings) -> Directory:
    """The directory of the file. Nothing is asked yet. Raises SettingsError with every mistake in the file."""
    provider = None if path is None else _provider_in(path)
    if path is None or provider is None:
        return load_static(path)
    entry = object_of(path.read_bytes())
    where = "PASSKEYS_DIRECTORY"
    if provider not in _PROVIDERS:
        raise SettingsError((f"{where}: provider={provider!r}: must be " + ", ".join(_PROVIDERS) + ".",))
    kind = _PROVIDERS[provider]
    mistakes = [
        f"{name}: there is no such member of {provider}" for name in entry.keys() - kind.members - _COMMON
    ]
    members: dict[str, Any] = {}
    for name, parse in _MEMBERS.items():
        if name not in entry or name not in kind.members | _COMMON:
            continue
        try:
            members[name] = parse(entry[name])
        except ValueError as error:
            mistakes.append(f"{name}={entry[name]!r:.200}: {error}")
    mistakes += [f"{name} is missing" for name in kind.required - entry.keys()]
    mistakes += [] if mistakes else kind.contradicts(members)
    if mistakes:
        raise SettingsError(tuple(f"{where}: {mistake}." for mistake in sorted(mistakes)))
    return kind.make(members, around)


def _provider_in(path: Path) -> str | None:
    """What the file says its provider is; None for what is no such file, which `load_static` judges."""
    try:
        provider = object_of(path.read_bytes()).get("provider")
    except (OSError, ValueError, RecursionError):
        return None
    return provider if isinstance(provider, str) else None


def _asking(
    name: str,
    members: Mapping[str, Any],
    around: Surroundings,
    unwrap: Callable[[Answer], Answer] = lambda answer: answer,
) -> Asking:
    roots = members.get("tls_roots")
    tls = ssl.create_default_context(cadata=roots) if roots else None
    return Asking(name, around.sender(tls), chance=around.chance, unwrap=unwrap)


def _credentials(client: Client, asking: Asking, around: Surroundings) -> ClientCredentials:
    return ClientCredentials(
        client, asking.beside(), around.keys, clock=around.clock, random_bytes=around.random_bytes
    )


def _entra(members: Mapping[str, Any], around: Surroundings) -> Directory:
    authority = members.get("authority", "https://login.microsoftonline.com")
    return EntraDirectory(
        asking=_asking("entra", members, around, entra.unwrapped),
        token=around.token(members.get("client_id")),
        graph=members.get("graph", "https://graph.microsoft.com"),
        tenant=members["tenant"],
        issuer=f"{authority}/{members['tenant']}/v2.0",
        roles=members.get("roles", {}),
    )


def _okta(members: Mapping[str, Any], around: Surroundings) -> Directory:
    roles = members.get("roles", {})
    asking = _asking("okta", members, around, okta.by_reset(around.clock))
    scope = "okta.users.read okta.groups.read" if roles else "okta.users.read"
    client = Client(f"{members['org']}/oauth2/v1/token", members["client_id"], members["key_id"], scope)
    return OktaDirectory(
        asking=asking,
        credentials=_credentials(client, asking, around),
        org=members["org"],
        issuers=members.get("issuers", frozenset()),
        roles=roles,
        active=members.get("statuses", frozenset({"ACTIVE"})),
    )


def _pingone(members: Mapping[str, Any], around: Surroundings) -> Directory:
    asking = _asking("pingone", members, around)
    environment = members["environment"]
    auth = f"{members.get('auth', 'https://auth.pingone.' + members['region'])}/{environment}/as"
    api = members.get("api", "https://api.pingone." + members["region"])
    client = Client(f"{auth}/token", members["client_id"], members["key_id"], None)
    return PingOneDirectory(
        asking=asking,
        credentials=_credentials(client, asking, around),
        api=f"{api}/v1/environments/{environment}",
        issuer=members.get("issuer", auth),
        roles=members.get("roles", {}),
    )


def _scim(members: Mapping[str, Any], around: Surroundings) -> Directory:
    asking = _asking("scim", members, around)
    if "endpoint" in members:
        client = Client(members["endpoint"], members["client_id"], members["key_id"], members.get("scope"))
        credentials = _credentials(client, asking, around)

        async def get(url: str) -> Answer:
            return await authorized(asking, credentials, url)

    else:
        token = around.token(members.get("client_id"))

        async def get(url: str) -> Answer:
            def question(shown: str) -> Question:
                headers = {"Authorization": f"Bearer {shown}", "Accept": "application/scim+json"}
                return Question("GET", url, headers)

            answer = await asked_by_identity(asking, token, members["scope"], question)
            if answer.status not in (200, 404):
                raise misconfigured("scim", f"status {answer.status}: see what the identity may do there")
            return answer

    return ScimDirectory(
        asking=asking,
        get=get,
        base=members["base"],
        issuers=members.get("issuers", frozenset()),
        by_external_id=members.get("subject", "id") == "externalId",
        roles=members.get("roles", {}),
    )


def _groups_in(members: Mapping[str, Any]) -> set[str]:
    return {group for having in members.get("roles", {}).values() for group in having}


def _no_guids(members: Mapping[str, Any]) -> list[str]:
    """Names in the place of ids would be groups that nobody is ever in."""
    return [
        f"roles: {group!r} is no group's id, which is a GUID in lower case"
        for group in sorted(_groups_in(members))
        if not GUID.match(group)
    ]


def _no_batch(members: Mapping[str, Any]) -> list[str]:
    if (count := len(_groups_in(members))) > entra.MAX_GROUPS:
        return [f"roles: names {count} groups; one question can be about {entra.MAX_GROUPS}"]
    return _no_guids(members)


def _who_asks(members: Mapping[str, Any]) -> list[str]:
    """A key of ours at a token endpoint, or the managed identity: one of the two, whole."""
    by_key = {"endpoint", "key_id"} & members.keys()
    if by_key and not {"endpoint", "key_id", "client_id"} <= members.keys():
        return ["endpoint, client_id and key_id: all of them, or none for the managed identity"]
    if not by_key and "scope" not in members:
        return ["scope is missing: what the managed identity asks a token for, such as api://…/.default"]
    return []


@dataclass(frozen=True, slots=True)
class _Provider:
    """What the file of a provider may have, what it must, what contradicts, and the directory that comes of it."""

    members: frozenset[str]
    required: frozenset[str]
    make: Callable[[Mapping[str, Any], Surroundings], Directory]
    contradicts: Callable[[Mapping[str, Any]], list[str]] = lambda _: []


_COMMON = frozenset({"provider", "roles", "tls_roots"})
_KEY = frozenset({"client_id", "key_id"})
_PROVIDERS: Mapping[str, _Provider] = {
    "entra": _Provider(
        frozenset({"tenant", "authority", "graph", "client_id"}),
        frozenset({"tenant"}),
        _entra,
        _no_batch,
    ),
    "okta": _Provider(_KEY | {"org", "issuers", "statuses"}, _KEY | {"org"}, _okta),
    "pingone": _Provider(
        _KEY | {"region", "environment", "api", "auth", "issuer"},
        _KEY | {"region", "environment"},
        _pingone,
        _no_guids,
    ),
    "scim": _Provider(
        _KEY | {"base", "issuers", "subject", "endpoint", "scope"}, frozenset({"base"}), _scim, _who_asks
    ),
}


def _https(value: object) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        parts.port  # noqa: B018 -- raises for one that is none
        fine = parts.scheme == "https" and bool(parts.hostname) and not ({"@", "?", "#"} & set(str(value)))
    except ValueError:
        fine = False
    if not fine or not isinstance(value, str) or not _WORD.fullmatch(value) or value.endswith("/"):
        raise ValueError("must be an https address without a query and without / at its end")
    return value


def _origin(value: object) -> str:
    origin = _https(value)
    if urlsplit(origin).path:
        raise ValueError("must be an https origin, such as https://acme.okta.com")
    return origin


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {what}")
        return value

    return parse


def _one_of(*allowed: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError("must be one of " + ", ".join(allowed))
        return value

    return parse


def _texts(value: object) -> frozenset[str]:
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(one, str) and _WORD.fullmatch(one) for one in value)
        or len(set(value)) != len(value)
    ):
        raise ValueError("must be a list of texts without blanks, each once, at least one")
    return frozenset(value)


def _issuers(value: object) -> frozenset[str]:
    return frozenset(map(_https, _texts(value)))


def _statuses(value: object) -> frozenset[str]:
    found = _texts(value)
    if not found <= okta.STATUSES:
        raise ValueError("must be a list of " + ", ".join(sorted(okta.STATUSES)))
    return found


def _roles(value: object) -> Mapping[str, frozenset[str]]:
    if not isinstance(value, dict) or not all(ROLE.match(role) for role in value):
        raise ValueError("must be an object of our role names, each with the list of group ids that have it")
    return {role: _texts(groups) for role, groups in value.items()}


_MEMBERS: Mapping[str, Callable[[object], Any]] = {
    "tenant": _matching(GUID, "a GUID in lower case"),
    "environment": _matching(GUID, "a GUID in lower case"),
    "authority": _origin,
    "graph": _origin,
    "org": _origin,
    "api": _origin,
    "auth": _origin,
    "issuer": _https,
    "base": _https,
    "endpoint": _https,
    "region": _one_of(*_REGIONS),
    "client_id": _matching(_WORD, "the client's id there"),
    "key_id": _matching(_KEY_ID, "the id of a key, as `python -m passkeys keys create` prints it"),
    "scope": _matching(re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*"), "scopes with one blank between"),
    "subject": _one_of("id", "externalId"),
    "issuers": _issuers,
    "statuses": _statuses,
    "roles": _roles,
    "tls_roots": tls_roots,
}
