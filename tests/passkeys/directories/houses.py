"""Each directory with the fake behind it, in the same company: who is in it, and how its words are for what befalls people."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passkeys.directories.configuration import Surroundings, load_directory
from passkeys.directory import Directory, IdentityKey
from tests.fakes import graph, okta, pingone, scim
from tests.fakes.graph import Graph
from tests.fakes.okta import Okta
from tests.fakes.pingone import PingOne
from tests.fakes.scim import Scim
from tests.fakes.trouble import Provider
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.worlds import Clock, CountedBytes

TENANT = "6f9619ff-8b86-4011-b42d-00cf4fc964ff"
OPERATORS, AUDITORS = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ROLES = {"operator": [OPERATORS], "auditor": [AUDITORS]}


@dataclass
class House:
    """A company: Ada, in no group; Grace, an operator. `flip` disables somebody; `forget` removes them."""

    directory: Directory
    provider: Provider | None
    ada: str
    grace: str
    identity: IdentityKey
    flip: Callable[[str], None]
    forget: Callable[[str], None]


async def house(kind: str, folder: Path, clock: Clock, **configured: Any) -> House:
    """The house of a kind; `configured` are members over those of its file."""
    keys = MemoryKeys()
    jwk = await keys.create()
    makers: dict[str, Callable[..., House]] = {
        "static": _static,
        "entra": _entra,
        "okta": _okta,
        "pingone": _pingone,
        "scim": _scim,
    }
    return makers[kind](folder, keys, jwk, clock, configured)


def loaded(
    folder: Path,
    entry: dict[str, Any],
    provider: Provider | None,
    keys: MemoryKeys,
    clock: Clock,
    token: Any = None,
) -> Directory:
    """The directory of a file, with the fake in the place of the network."""
    file = folder / "directory.json"
    file.write_text(json.dumps(entry))
    around = Surroundings(
        keys, clock, CountedBytes(), sender=lambda _: provider, token=lambda _: token or _no_token
    )
    return load_directory(file, around)


async def _no_token(_: str) -> str:
    raise AssertionError("no identity is asked for here")


def _static(folder: Path, keys: Any, jwk: Any, clock: Clock, configured: Any) -> House:
    issuer = "https://op.example.com"
    people: dict[str, Any] = {
        "ada": {
            "display_name": "Ada Lovelace",
            "claims": {"roles": []},
            "identities": [{"issuer": issuer, "subject": "1"}],
        },
        "grace": {"display_name": "Grace Hopper", "claims": {"roles": ["operator"]}},
    }
    made = House(
        loaded(folder, people, None, keys, clock),
        None,
        "ada",
        "grace",
        IdentityKey(issuer, None, "1"),
        lambda who: change(who, status="disabled"),
        lambda who: change(who, None),
    )

    def change(who: str, entry: Any = "", **members: Any) -> None:
        # The file is read at start: a change of it is another directory.
        people[who] = {**people[who], **members}
        if entry is None:
            del people[who]
        made.directory = loaded(folder, people, None, keys, clock)

    return made


def _entra(folder: Path, keys: Any, jwk: Any, clock: Clock, configured: Any) -> House:
    ada, grace = "00000000-0000-4000-8000-0000000000ad", "00000000-0000-4000-8000-0000000000ae"
    fake = Graph(
        users={ada: graph.user(ada, "Ada Lovelace"), grace: graph.user(grace, "Grace Hopper")},
        # By a group within the group.
        groups={OPERATORS: {AUDITORS + "-inner"}, AUDITORS + "-inner": {grace}},
    )
    entry = {"provider": "entra", "tenant": TENANT, "roles": ROLES, **configured}
    return House(
        loaded(folder, entry, fake, keys, clock, fake.token),
        fake,
        ada,
        grace,
        IdentityKey(f"https://login.microsoftonline.com/{TENANT}/v2.0", TENANT, ada),
        lambda who: fake.users[who].update(accountEnabled=False),
        lambda who: fake.users.pop(who) and None,
    )


def _by_key(
    folder: Path,
    keys: MemoryKeys,
    clock: Clock,
    fake: Okta | PingOne | Scim,
    identity: IdentityKey,
    entry: dict[str, Any],
    **disabled: Any,
) -> House:
    """The house of a provider that knows us by a key: Ada and Grace are its users; `disabled` is what befalls one who is."""
    entry = {"client_id": fake.client_id, "key_id": fake.key["kid"], "roles": ROLES, **entry}
    ada, grace = fake.users
    return House(
        loaded(folder, entry, fake, keys, clock),
        fake,
        ada,
        grace,
        identity,
        lambda who: fake.users[who].update(disabled),
        lambda who: fake.users.pop(who) and None,
    )


def _okta(folder: Path, keys: Any, jwk: Any, clock: Clock, configured: Any) -> House:
    ada, grace = "00u" + "1" * 17, "00u" + "2" * 17
    issuer = f"{okta.ORG}/oauth2/default"
    fake = Okta(
        key=jwk,
        users={ada: okta.user(ada, "Ada Lovelace"), grace: okta.user(grace, "Grace Hopper")},
        groups={grace: ["00gother", OPERATORS]},
    )
    entry = {"provider": "okta", "org": okta.ORG, "issuers": [issuer], **configured}
    return _by_key(folder, keys, clock, fake, IdentityKey(issuer, None, ada), entry, status="SUSPENDED")


def _pingone(folder: Path, keys: Any, jwk: Any, clock: Clock, configured: Any) -> House:
    ada, grace = "00000000-0000-4000-8000-0000000000ad", "00000000-0000-4000-8000-0000000000ae"
    issuer = f"https://auth.pingone.eu/{pingone.ENVIRONMENT}/as"
    fake = PingOne(
        key=jwk,
        users={ada: pingone.user(ada, "Ada Lovelace"), grace: pingone.user(grace, "Grace Hopper")},
        groups={grace: [OPERATORS]},
    )
    entry = {"provider": "pingone", "region": "eu", "environment": pingone.ENVIRONMENT, **configured}
    return _by_key(folder, keys, clock, fake, IdentityKey(issuer, None, ada), entry, enabled=False)


def _scim(folder: Path, keys: Any, jwk: Any, clock: Clock, configured: Any) -> House:
    ada, grace = "2819c223", "7f3ab1c0"
    issuer = "https://sso.example.com"
    fake = Scim(
        key=jwk,
        users={ada: scim.user(ada, "Ada Lovelace"), grace: scim.user(grace, "Grace Hopper")},
        groups={grace: [OPERATORS]},
    )
    entry = {
        "provider": "scim",
        "base": scim.BASE,
        "issuers": [issuer],
        "endpoint": fake.endpoint,
        **configured,
    }
    return _by_key(folder, keys, clock, fake, IdentityKey(issuer, None, ada), entry, active=False)
