"""Whose tokens count here: one profile for each issuer, out of one JSON file, by a table of what each provider's are like.

The file, `{"<name>": {"provider": "entra", …}, …}`, says what only its operator knows: the issuer, our audience there, the
clients and scopes. What every token of a provider's is like stands in PROVIDERS, and no file can loosen it. Every mistake
in the file is found, not just the first. docs/identity-providers.md has a section for each provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from passkeys.access_tokens import TENANT, Profile
from passkeys.errors import SettingsError
from passkeys.jwks import ALGORITHMS

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_WELL_KNOWN = "/.well-known/openid-configuration"
# What a person is called may be given to the next one. The claims that OIDC Core §5.1 and Entra have for that:
_MUTABLE = frozenset(
    {"email", "preferred_username", "upn", "unique_name", "name", "nickname", "phone_number", "login"}
)
MAX_FILE = 256 * 1024
_JWT, _ACCESS_TOKEN, _NO_TYPE = "jwt", "at+jwt", ""
_DEFAULT_AGE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class EnrolmentClient:
    """How the enrolment page gets such a token: RFC 6749 §4.1 with RFC 7636, as a public client. `label` is on its button;
    `resource` is what it asks the token for (RFC 8707), None where the scope says that. The last member is RFC 9207 §3's: the
    provider's answers have `iss`, and one without it is none.
    """

    client_id: str
    scope: str
    authorization_endpoint: str
    token_endpoint: str
    label: str
    resource: str | None
    authorization_response_iss_parameter_supported: bool


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer as it is configured: what its tokens must be, and where its keys are.

    `discovery` is the address of its metadata, which must say that it is `metadata_issuer`'s; None where `jwks_uri` is
    given. `tls_roots` is PEM, None for the certificates that Python trusts. `authorization_uri` is where Entra's clients
    are sent with a claims challenge. `enrolment` None: people bring their token themselves.
    """

    name: str
    provider: str
    profile: Profile
    discovery: str | None
    metadata_issuer: str
    jwks_uri: str | None
    tls_roots: str | None
    authorization_uri: str | None = None
    enrolment: EnrolmentClient | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """What all tokens of a provider's are like; which members its entries have besides the common ones; where things are.

    `profile` has everything but what the entry says. `narrowed_by` are the claims of which the conditions must have one:
    without it anybody in the world who uses the provider would do. `places` gives issuer, metadata address and its issuer.
    """

    profile: Profile
    members: frozenset[str]
    required: frozenset[str]
    places: Callable[[Mapping[str, Any]], tuple[str, str, str]]
    narrowed_by: frozenset[str] = frozenset()


_COMMON = frozenset(
    {
        "provider",
        "audiences",
        "algorithms",
        "discovery",
        "jwks_uri",
        "tls_roots",
        "conditions",
        "max_age_seconds",
    }
)
_PEOPLE = frozenset({"clients", "scopes", "contexts", "max_authentication_seconds", "enrolment"})
_CLAIMS = frozenset({"types", "subject_claim", "client_claim", "scope_claim"})


def _by_issuer(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    # OIDC Discovery §4.1: one "/" at the end is dropped before the path is added.
    return entry["issuer"], entry["issuer"].removesuffix("/") + _WELL_KNOWN, entry["issuer"]


def _by_tenant(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    issuer = f"{entry['authority']}/{entry['tenant']}/v2.0"
    return issuer, issuer + _WELL_KNOWN, issuer


def _by_template(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    issuer = f"{entry['authority']}/{TENANT}/v2.0"
    return issuer, f"{entry['authority']}/organizations/v2.0{_WELL_KNOWN}", issuer


def _profile(**given: Any) -> Profile:
    """A profile that accepts nothing yet."""
    bare = Profile(
        issuer="",
        audiences=frozenset(),
        algorithms=frozenset({"RS256"}),
        types=frozenset({_JWT, _ACCESS_TOKEN}),
        subject_claim="sub",
        people=True,
        scope_claim="scope",
        client_claim="client_id",
        max_age_seconds=_DEFAULT_AGE_SECONDS,
    )
    return replace(bare, **given)


_ENTRA = _profile(
    subject_claim="oid",  # `sub` differs from application to application, so it could be matched with no directory
    tenant_claim="tid",
    client_claim="azp",
    scope_claim="scp",
    version=("ver", "2.0"),
    context_claim="acrs",
)
_ANY_TYPE = frozenset({_NO_TYPE, _JWT, _ACCESS_TOKEN})
_WORKLOAD = _profile(people=False, client_claim=None, scope_claim=None, types=frozenset({_NO_TYPE, _JWT}))

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "entra": Provider(
            _ENTRA,
            _COMMON | _PEOPLE | {"tenant", "authority"},
            frozenset({"tenant", "audiences", "clients", "scopes"}),
            _by_tenant,
        ),
        "entra_multitenant": Provider(
            _ENTRA,
            _COMMON | _PEOPLE | {"tenants", "authority"},
            frozenset({"tenants", "audiences", "clients", "scopes"}),
            _by_template,
        ),
        # `sub` is the login, which changes. A token that a client got for itself has no `uid`.
        "okta": Provider(
            _profile(subject_claim="uid", client_claim="cid", scope_claim="scp", types=_ANY_TYPE),
            _COMMON | _PEOPLE | {"issuer"},
            frozenset({"issuer", "audiences", "clients", "scopes"}),
            _by_issuer,
        ),
        # `typ` is optional until March 2027, and `at+jwt` always from then on.
        "pingone": Provider(
            _profile(types=_ANY_TYPE),
            _COMMON | _PEOPLE | {"issuer"},
            frozenset({"issuer", "audiences", "clients", "scopes"}),
            _by_issuer,
        ),
        # Whoever runs it names the claims, and may sign with a shared secret: neither is guessed, the latter never taken.
        "pingfederate": Provider(
            _profile(types=_ANY_TYPE),
            _COMMON | _PEOPLE | _CLAIMS | {"issuer"},
            frozenset({"issuer", "audiences", "clients", "scopes"}),
            _by_issuer,
        ),
        # RFC 9068, by the letter.
        "oidc": Provider(
            _profile(types=frozenset({_ACCESS_TOKEN})),
            _COMMON | _PEOPLE | _CLAIMS | {"issuer"},
            frozenset({"issuer", "audiences", "clients", "scopes"}),
            _by_issuer,
        ),
        # Names of repositories and owners may be taken by the next one; these ids are not.
        "github_actions": Provider(
            replace(_WORKLOAD, tenant_claim="repository_owner_id"),
            _COMMON | {"issuer"},
            frozenset({"audiences", "conditions"}),
            _by_issuer,
            narrowed_by=frozenset({"repository_id", "repository_owner_id"}),
        ),
        "azure_devops": Provider(
            replace(_WORKLOAD, tenant_claim="org_id"),
            _COMMON | {"issuer"},
            frozenset({"issuer", "conditions"}),
            _by_issuer,
            narrowed_by=frozenset({"sub", "prj_id"}),
        ),
        # The kubelet renews a token when four fifths of its hour are over, and its age is no sign of anything.
        "kubernetes": Provider(
            replace(_WORKLOAD, max_age_seconds=3600),
            _COMMON | {"issuer"},
            frozenset({"issuer", "audiences", "conditions"}),
            _by_issuer,
            narrowed_by=frozenset({"sub"}),
        ),
    }
)
# What an entry of a provider's may leave out.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "entra": {"authority": "https://login.microsoftonline.com"},
    "entra_multitenant": {"authority": "https://login.microsoftonline.com"},
    "github_actions": {"issuer": "https://token.actions.githubusercontent.com"},
    # The only one that its tokens have: see docs/identity-providers.md for what follows from that.
    "azure_devops": {"audiences": frozenset({"api://AzureADTokenExchange"})},
}
# What an issuer of a provider's looks like, where not any https address will do; and what to do about one that does not.
_ISSUERS: Mapping[str, tuple[re.Pattern[str], str]] = {
    # Tokens of the org server, `https://acme.okta.com`, are opaque to anybody but Okta.
    "okta": (
        re.compile(r"https://[^/]+/oauth2/[A-Za-z0-9]+"),
        "of a custom server: https://…/oauth2/<its id>",
    ),
    "pingone": (
        re.compile(rf"https://[^/]+(?:/{_GUID})?/as"),
        "such as https://auth.pingone.eu/<environment>/as",
    ),
    "azure_devops": (
        re.compile(rf"https://vstoken\.dev\.azure\.com/{_GUID}"),
        "of one organization: https://vstoken.dev.azure.com/<its id>",
    ),
}


def _https(value: object) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        fine = (
            parts.scheme == "https"
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and not parts.fragment
        )
        parts.port  # noqa: B018 -- raises for one that is none
    except ValueError:
        fine = False
    if not fine or not isinstance(value, str) or not re.fullmatch(r"[!#-\[\]-~]{1,512}", value):
        raise ValueError("must be an https address")
    return value


def _issuer(value: object) -> str:
    issuer = _https(value)
    if "?" in issuer or TENANT in issuer:  # OIDC Core §2: no query
        raise ValueError("must be an https address without a query, exactly as the tokens' `iss` has it")
    return issuer


def _origin(value: object) -> str:
    origin = _https(value)
    if urlsplit(origin).path or urlsplit(origin).query:
        raise ValueError("must be an https origin, such as https://login.microsoftonline.us")
    return origin


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not value or not all(_is_word(one) for one in value):
        raise ValueError("must be a list of texts, at least one")
    if len(set(value)) != len(value):
        raise ValueError("must name each text once")
    return frozenset(value)


def _tokens(value: object) -> frozenset[str]:
    # RFC 6749 §3.3: they are told in a header, in quotes, with blanks between.
    tokens = _texts(value)
    if not all(re.fullmatch(r"[!#-\[\]-~]+", one) for one in tokens):
        raise ValueError("must be a list of words without blanks, quotes and backslashes")
    return tokens


def _is_word(value: object) -> bool:
    return (
        isinstance(value, str) and 1 <= len(value) <= 512 and value.isprintable() and value == value.strip()
    )


def _guid(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_GUID, value):
        raise ValueError("must be a GUID in lower case")
    return value


def _guids(value: object) -> frozenset[str]:
    return frozenset(map(_guid, _texts(value)))


def _algorithms(value: object) -> frozenset[str]:
    algorithms = _texts(value)
    if not algorithms <= ALGORITHMS:
        raise ValueError("must be a list of " + ", ".join(sorted(ALGORITHMS)))
    return algorithms


def _types(value: object) -> frozenset[str]:
    types = _texts(value)
    if not types <= {"at+jwt", "jwt", "none"}:
        raise ValueError("must be a list of at+jwt, jwt, none")
    return frozenset(_NO_TYPE if one == "none" else one for one in types)


def _seconds(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 86_400:
        raise ValueError("must be a whole number from 1 to 86400")
    return value


def _claim(value: object) -> str:
    if not _is_word(value):
        raise ValueError("must be the name of a claim")
    return str(value)


def _subject_claim(value: object) -> str:
    if value in _MUTABLE:
        raise ValueError("must be a claim that stays with one person for good, never a name or an address")
    return _claim(value)


def _conditions(value: object) -> Mapping[str, frozenset[str]]:
    if not isinstance(value, dict) or not all(map(_is_word, value)):
        raise ValueError("must be an object of claims, each with the list of texts that it may be")
    return MappingProxyType({name: _texts(allowed) for name, allowed in value.items()})


def tls_roots(value: object) -> str:
    """The certificates in the PEM file at a path. Raises ValueError."""
    try:
        text = Path(value).read_text("ascii") if isinstance(value, str) else ""
        x509.load_pem_x509_certificates(text.encode())
    except (OSError, ValueError):
        raise ValueError("must be the path of a PEM file with one certificate or more") from None
    return text


def _enrolment(value: object) -> Mapping[str, Any]:
    """The members of an EnrolmentClient, as far as they are there."""
    if not isinstance(value, dict):
        raise ValueError("must be an object with client_id and scope")  # noqa: TRY004 -- as all of them
    if unknown := value.keys() - _ENROLMENT.keys():
        raise ValueError(f"has no member {min(unknown)!r}")
    if missing := {"client_id", "scope"} - value.keys():
        raise ValueError(f"must have {min(missing)}")
    found = {}
    for member, parse in _ENROLMENT.items():
        if member in value:
            try:
                found[member] = parse(value[member])
            except ValueError as error:
                raise ValueError(f"has a wrong {member}: it {error}") from None
    return MappingProxyType(found)


def _label(value: object) -> str:
    if not isinstance(value, str) or not _is_word(value) or len(value) > 64:
        raise ValueError("must be a text of 1 to 64 printable characters")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 -- as all of them
    return value


def _scope(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*", value):
        raise ValueError("must be words with a blank between")
    return value


_ENROLMENT: Mapping[str, Callable[[object], Any]] = {
    "client_id": _scope,
    "scope": _scope,
    "authorization_endpoint": _https,
    "token_endpoint": _https,
    "label": _label,
    "resource": _scope,
    "authorization_response_iss_parameter_supported": _flag,
}
# Where a provider's endpoints are, after its issuer. Of Entra, after the authority and the tenant.
_ENDPOINTS: Mapping[str, tuple[str, str]] = {
    "okta": ("/v1/authorize", "/v1/token"),
    "pingone": ("/authorize", "/token"),
    "pingfederate": ("/as/authorization.oauth2", "/as/token.oauth2"),
}
DEFAULT_LABEL = "your company account"

_MEMBERS: Mapping[str, Callable[[object], Any]] = {
    "issuer": _issuer,
    "authority": _origin,
    "tenant": _guid,
    "tenants": _guids,
    "audiences": _texts,
    "clients": _texts,
    "scopes": _tokens,
    "contexts": _tokens,
    "algorithms": _algorithms,
    "types": _types,
    "subject_claim": _subject_claim,
    "client_claim": _claim,
    "scope_claim": _claim,
    "conditions": _conditions,
    "max_age_seconds": _seconds,
    "max_authentication_seconds": _seconds,
    "discovery": _https,
    "jwks_uri": _https,
    "tls_roots": tls_roots,
    "enrolment": _enrolment,
}
# Members that go into the profile under their own names.
_OF_PROFILE = frozenset(Profile.__slots__) & _MEMBERS.keys() - {"issuer"}


def load_issuers(path: Path | None) -> Mapping[str, Issuer]:
    """The issuers of the file by their names; none for None. Raises SettingsError with every mistake in the file."""
    if path is None:
        return MappingProxyType({})
    where = f"PASSKEYS_ISSUERS={str(path)!r}"
    try:
        data = path.read_bytes()
        listed = json.loads(data, object_pairs_hook=_once) if len(data) <= MAX_FILE else None
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError((f"{where}: cannot be read as JSON: {error}.",)) from error
    if not isinstance(listed, dict) or not listed:
        raise SettingsError((f"{where}: must hold one JSON object, of issuers by their names.",))
    issuers: dict[str, Issuer] = {}
    mistakes: list[str] = []
    for name, entry in listed.items():
        found = _read(name, entry)
        if isinstance(found, Issuer):
            issuers[name] = found
        else:
            mistakes += [f"PASSKEYS_ISSUERS: issuer {name!r}: {mistake}." for mistake in found]
    if mistakes:
        raise SettingsError(tuple(mistakes))
    return MappingProxyType(issuers)


def _read(name: str, entry: object) -> Issuer | list[str]:
    """The issuer, or everything that is wrong with its entry."""
    if not NAME.match(name):
        return ["a name is 1 to 32 lower-case letters, digits or -, and begins with a letter"]
    word = entry.get("provider") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(word, str) or word not in PROVIDERS:
        return ["must be a JSON object with a provider: " + ", ".join(PROVIDERS)]
    provider = PROVIDERS[word]
    mistakes = [f"{member}: there is no such member of {word}" for member in entry.keys() - provider.members]
    members: dict[str, Any] = dict(_DEFAULTS.get(word, {}))
    for member, parse in _MEMBERS.items():
        if member not in entry or member not in provider.members:
            continue
        try:
            members[member] = parse(entry[member])
        except ValueError as error:
            mistakes.append(f"{member}={entry[member]!r:.200}: {error}")
    mistakes += [f"{member} is missing" for member in sorted(provider.required - entry.keys())]
    mistakes += _contradictions(word, provider, members)
    return sorted(mistakes) if mistakes else _made(name, word, provider, members)


def _contradictions(word: str, provider: Provider, members: Mapping[str, Any]) -> list[str]:
    """What each member alone cannot show."""
    mistakes = []
    pattern, form = _ISSUERS.get(word, (None, ""))
    if pattern is not None and "issuer" in members and not pattern.fullmatch(members["issuer"]):
        mistakes.append(f"issuer={members['issuer']!r}: must be {form}")
    if (
        provider.narrowed_by
        and "conditions" in members
        and provider.narrowed_by.isdisjoint(members["conditions"])
    ):
        mistakes.append(
            f"conditions: must have {' or '.join(sorted(provider.narrowed_by))}, or whoever uses {word} would do"
        )
    if "discovery" in members and "jwks_uri" in members:
        mistakes.append("discovery: says nothing beside jwks_uri; leave one of them out")
    enrolment = members.get("enrolment")
    if enrolment is not None and enrolment["client_id"] not in members.get("clients", ()):
        mistakes.append("enrolment: its client_id must be one of clients, or its own tokens would be refused")
    if (
        enrolment is not None
        and word not in {*_ENDPOINTS, "entra", "entra_multitenant"}
        and not {"authorization_endpoint", "token_endpoint"} <= enrolment.keys()
    ):
        mistakes.append("enrolment: must have authorization_endpoint and token_endpoint")
    return mistakes


def _made(name: str, word: str, provider: Provider, members: Mapping[str, Any]) -> Issuer:
    issuer, discovery, metadata_issuer = provider.places(members)
    chosen = {member: members[member] for member in _OF_PROFILE & members.keys()}
    if word == "entra":  # so that a token of it says of itself which tenant it is of, too
        chosen["tenants"] = frozenset({members["tenant"]})
    entra = word in {"entra", "entra_multitenant"}
    tenant = members.get("tenant", "organizations")
    return Issuer(
        name=name,
        provider=word,
        profile=replace(provider.profile, issuer=issuer, **chosen),
        discovery=None if "jwks_uri" in members else members.get("discovery", discovery),
        metadata_issuer=metadata_issuer,
        jwks_uri=members.get("jwks_uri"),
        tls_roots=members.get("tls_roots"),
        authorization_uri=f"{members['authority']}/{tenant}/oauth2/v2.0/authorize" if entra else None,
        enrolment=_enrolment_client(word, issuer, members, tenant) if "enrolment" in members else None,
    )


def _enrolment_client(word: str, issuer: str, members: Mapping[str, Any], tenant: str) -> EnrolmentClient:
    given = members["enrolment"]
    if word in _ENDPOINTS:
        authorize, token = (issuer + path for path in _ENDPOINTS[word])
    else:
        base = f"{members.get('authority')}/{tenant}/oauth2/v2.0"
        authorize, token = f"{base}/authorize", f"{base}/token"
    return EnrolmentClient(
        client_id=given["client_id"],
        scope=given["scope"],
        authorization_endpoint=given.get("authorization_endpoint", authorize),
        token_endpoint=given.get("token_endpoint", token),
        label=given.get("label", DEFAULT_LABEL),
        resource=given.get("resource"),
        authorization_response_iss_parameter_supported=given.get(
            "authorization_response_iss_parameter_supported", False
        ),
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is there twice")
    return members
