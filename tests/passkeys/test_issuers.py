"""The file of issuers: each provider's profile by the table, and every mistake told at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from passkeys.errors import SettingsError
from passkeys.issuers import PROVIDERS, load_issuers
from passkeys.jwks import ALGORITHMS
from tests.passkeys.test_metadata_source import ROOT_PEM
from tests.passkeys.tokens import API, CLIENT, ENTRA_ISSUER, ENTRIES, GITHUB, OKTA, TENANT, configured

DOCUMENT = (Path(__file__).parents[2] / "docs" / "identity-providers.md").read_text()


def mistakes_of(entries: Any, tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "issuers.json"
    file.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    with pytest.raises(SettingsError) as error:
        load_issuers(file)
    return error.value.mistakes


def test_without_a_file_there_are_none() -> None:
    """Nothing is configured, nobody's token counts."""
    assert load_issuers(None) == {}


def test_every_provider_can_be_configured_with_the_least() -> None:
    """An entry for each, with what it must have; what is its own in all of them is asymmetric, and is for us."""
    found = configured({name.replace("_", "-"): entry for name, entry in ENTRIES.items()})
    assert {issuer.provider for issuer in found.values()} == set(PROVIDERS)
    for issuer in found.values():
        assert issuer.profile.algorithms == {"RS256"}
        assert issuer.profile.algorithms <= ALGORITHMS
        assert issuer.profile.audiences
        assert issuer.profile.max_age_seconds
        assert (issuer.discovery is None) is (issuer.jwks_uri is not None)
        if issuer.profile.people:
            assert issuer.profile.clients
            assert issuer.profile.scopes
        else:
            assert issuer.profile.conditions


def test_where_keys_are_looked_for() -> None:
    """Of a tenant, of many, and by OpenID Connect's discovery."""
    found = configured({name.replace("_", "-"): entry for name, entry in ENTRIES.items()})
    tail = "/.well-known/openid-configuration"
    assert found["entra"].discovery == ENTRA_ISSUER + tail
    assert found["entra-multitenant"].discovery == (
        "https://login.microsoftonline.com/organizations/v2.0" + tail
    )
    assert found["entra-multitenant"].metadata_issuer == "https://login.microsoftonline.com/{tenantid}/v2.0"
    assert found["okta"].discovery == OKTA["iss"] + tail
    assert found["github-actions"].metadata_issuer == GITHUB["iss"]
    assert found["entra"].authorization_uri == (
        f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize"
    )


def test_what_an_operator_may_choose(tmp_path: Path) -> None:
    """Algorithms, ages, contexts, types and claims where the provider leaves them open; another cloud; another root."""
    (tmp_path / "root.pem").write_bytes(ROOT_PEM)
    found = configured(
        {
            "government": {
                **ENTRIES["entra"],
                "authority": "https://login.microsoftonline.us",
                "contexts": ["c1"],
                "max_age_seconds": 120,
            },
            "own": {
                **ENTRIES["oidc"],
                "algorithms": ["ES256", "PS256"],
                "types": ["at+jwt", "none"],
                "subject_claim": "employee",
                "client_claim": "azp",
                "scope_claim": "scp",
                "max_authentication_seconds": 300,
                "tls_roots": str(tmp_path / "root.pem"),
                "conditions": {"department": ["it", "ops"]},
            },
        }
    )
    government, own = found["government"], found["own"]
    assert government.profile.issuer == f"https://login.microsoftonline.us/{TENANT}/v2.0"
    assert (government.profile.contexts, government.profile.max_age_seconds) == ({"c1"}, 120)
    assert own.profile.types == {"", "at+jwt"}
    assert own.profile.algorithms == {"ES256", "PS256"}
    assert (own.profile.subject_claim, own.profile.client_claim) == ("employee", "azp")
    assert own.profile.conditions == {"department": {"it", "ops"}}
    assert own.tls_roots == ROOT_PEM.decode()


def entra(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ENTRIES["entra"], **changed}.items() if value is not ...}


# What stands there, and a word of each mistake in it.
WRONG: dict[str, tuple[Any, tuple[str, ...]]] = {
    "no object": (7, ("provider",)),
    "no provider": ({}, ("provider",)),
    "an unknown provider": ({"provider": "auth0"}, ("provider",)),
    "a list for a provider": ({"provider": ["entra"]}, ("provider",)),
    "nothing but a provider": (
        {"provider": "entra"},
        ("audiences is missing", "clients is missing", "scopes is missing", "tenant is missing"),
    ),
    "a member of another's": (entra(issuer="https://x.example"), ("issuer: there is no such member",)),
    "a misspelt member": (entra(audience=[API], audiences=...), ("audience: ", "audiences is missing")),
    "a domain for a tenant": (entra(tenant="acme.onmicrosoft.com"), ("tenant=",)),
    "a GUID in capitals": (entra(tenant=TENANT.upper()), ("tenant=",)),
    "a text for a list": (entra(audiences=API), ("audiences=",)),
    "an empty list": (entra(clients=[]), ("clients=",)),
    "a client twice": (entra(clients=[CLIENT, CLIENT]), ("clients=",)),
    "an empty text": (entra(scopes=[""]), ("scopes=",)),
    "two scopes in one": (entra(scopes=["enrol openid"]), ("scopes=",)),
    "a quote in a context": (entra(contexts=['c1", x="']), ("contexts=",)),
    "a secret to sign with": (entra(algorithms=["HS256"]), ("algorithms=",)),
    "no algorithm": (entra(algorithms=["none"]), ("algorithms=",)),
    "no age": (entra(max_age_seconds=0), ("max_age_seconds=",)),
    "a text for an age": (entra(max_age_seconds="600"), ("max_age_seconds=",)),
    "true for an age": (entra(max_age_seconds=True), ("max_age_seconds=",)),
    "plain http": ({**ENTRIES["oidc"], "issuer": "http://op.example.com"}, ("issuer=",)),
    "a query": ({**ENTRIES["oidc"], "issuer": "https://op.example.com?x=1"}, ("issuer=",)),
    "a user": ({**ENTRIES["oidc"], "issuer": "https://a@op.example.com"}, ("issuer=",)),
    "a port that is none": ({**ENTRIES["oidc"], "issuer": "https://op.example.com:x"}, ("issuer=",)),
    "a template of one's own": (
        {**ENTRIES["oidc"], "issuer": "https://op.example.com/{tenantid}"},
        ("issuer=",),
    ),
    "a path for an authority": (entra(authority="https://login.microsoftonline.com/common"), ("authority=",)),
    "Okta's org server": ({**ENTRIES["okta"], "issuer": "https://acme.okta.com"}, ("issuer=",)),
    "PingOne without as": ({**ENTRIES["pingone"], "issuer": "https://auth.pingone.eu/x"}, ("issuer=",)),
    "Azure DevOps by name": (
        {**ENTRIES["azure_devops"], "issuer": "https://vstoken.dev.azure.com/acme"},
        ("issuer=",),
    ),
    "a name for a subject": ({**ENTRIES["oidc"], "subject_claim": "email"}, ("subject_claim=",)),
    "a type of an ID token's": ({**ENTRIES["oidc"], "types": ["logout+jwt"]}, ("types=",)),
    "types where they are fixed": (entra(types=["at+jwt"]), ("types: there is no such member",)),
    "all of GitHub": (
        {**ENTRIES["github_actions"], "conditions": {"ref": ["refs/heads/main"]}},
        ("conditions: must have",),
    ),
    "GitHub by name": (
        {**ENTRIES["github_actions"], "conditions": {"repository": ["octo-org/octo-repo"]}},
        ("conditions: must have",),
    ),
    "no conditions": ({**ENTRIES["github_actions"], "conditions": {}}, ("conditions: must have",)),
    "conditions that are texts": ({**ENTRIES["kubernetes"], "conditions": {"sub": "x"}}, ("conditions=",)),
    "two places for keys": (
        entra(jwks_uri="https://x.example/a", discovery="https://x.example/b"),
        ("discovery: ",),
    ),
    "keys over http": (entra(jwks_uri="http://x.example/a"), ("jwks_uri=",)),
    "no such root": (entra(tls_roots="/nowhere/root.pem"), ("tls_roots=",)),
    "a root that is none": (entra(tls_roots=__file__), ("tls_roots=",)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_entry_is_told_with_what_it_must_be(name: str, tmp_path: Path) -> None:
    """Each mistake once, by the name of its issuer."""
    entry, words = WRONG[name]
    mistakes = mistakes_of({"company": entry}, tmp_path)
    assert len(mistakes) == len(words)
    for mistake, word in zip(mistakes, words, strict=True):
        assert mistake.startswith("PASSKEYS_ISSUERS: issuer 'company': ")
        assert word in mistake
        assert mistake.endswith(".")


def test_every_mistake_in_the_file_is_told(tmp_path: Path) -> None:
    """All wrong entries at once, and none of the right one's."""
    entries = {f"wrong-{n}": entry for n, (entry, _) in enumerate(WRONG.values())}
    mistakes = mistakes_of({**entries, "fine": ENTRIES["entra"], "Not a name": ENTRIES["okta"]}, tmp_path)
    assert len(mistakes) == sum(len(words) for _, words in WRONG.values()) + 1
    assert not any("'fine'" in mistake for mistake in mistakes)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "7", '{"a": {}, "a": {}}', "[" * 100_000, '"' + "x" * 300_000 + '"']
)
def test_what_is_no_file_of_issuers_is_told(text: str, tmp_path: Path) -> None:
    """No JSON, no object, none in it, a name twice, too large."""
    (mistake,) = mistakes_of(text, tmp_path)
    assert mistake.startswith("PASSKEYS_ISSUERS=")


def test_every_provider_and_member_has_its_place_in_the_page() -> None:
    """docs/identity-providers.md has a section for each provider, and a word on each member and each code."""
    from passkeys.errors import TokenRefusal

    for provider, row in PROVIDERS.items():
        assert f"`{provider}`" in DOCUMENT
        for member in row.members:
            assert f"`{member}`" in DOCUMENT, member
    for code in TokenRefusal:
        assert f"`{code.value}`" in DOCUMENT, code
