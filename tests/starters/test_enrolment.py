"""The enrolment page over HTTP: what it goes by, and whom it may ask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from passkeys.issuer_keys import IssuerKeys
from passkeys.world import World
from starters.enrolment import enrol_answer_page, enrol_page, enrolment
from starters.headers import PAGE_HEADERS
from tests.passkeys.test_issuers import mistakes_of
from tests.passkeys.tokens import API, CLIENT, ENTRIES, TENANT, configured
from tests.starters.fakes import body_of, request

ENROLS = {"client_id": CLIENT, "scope": f"api://{API}/enrol"}


def enrolling(world: World, **entries: Any) -> World:
    issuers = configured({name.replace("_", "-"): entry for name, entry in entries.items()})
    return replace(world, issuers={name: IssuerKeys(one, clock=world.clock) for name, one in issuers.items()})


async def test_without_a_client_for_it_there_is_no_account(world: World) -> None:
    """No issuers, or issuers whose tokens people bring themselves: an empty list, and a page that says so."""
    for made in (world, enrolling(world, entra=ENTRIES["entra"])):
        assert body_of(await enrolment(made, request("GET", "/enrolment"))) == {"accounts": []}
        page = await enrol_page(made, request("GET", "/enrol"))
        assert page.headers["Content-Security-Policy"] == PAGE_HEADERS["Content-Security-Policy"]


async def test_the_page_is_told_how_to_ask(world: World) -> None:
    """Endpoints follow from the provider; nothing else of the configuration is told."""
    made = enrolling(world, company={**ENTRIES["entra"], "enrolment": {**ENROLS, "label": "Acme"}})
    (account,) = body_of(await enrolment(made, request("GET", "/enrolment")))["accounts"]
    base = f"https://login.microsoftonline.com/{TENANT}"
    assert account == {
        "issuer": "company",
        "iss": f"{base}/v2.0",
        "label": "Acme",
        "client_id": CLIENT,
        "scope": f"api://{API}/enrol",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "resource": None,
        "authorization_response_iss_parameter_supported": False,
    }


@pytest.mark.parametrize(
    ("provider", "tails"),
    [
        ("okta", ("/v1/authorize", "/v1/token")),
        ("pingone", ("/authorize", "/token")),
        ("pingfederate", ("/as/authorization.oauth2", "/as/token.oauth2")),
    ],
)
async def test_each_provider_has_its_own_places(world: World, provider: str, tails: tuple[str, str]) -> None:
    """After its issuer, and elsewhere if the file says so."""
    entry = ENTRIES[provider]
    given = {"client_id": entry["clients"][0], "scope": "enrol"}
    made = enrolling(world, company={**entry, "enrolment": given})
    (account,) = body_of(await enrolment(made, request("GET", "/enrolment")))["accounts"]
    assert account["authorization_endpoint"] == entry["issuer"] + tails[0]
    assert account["token_endpoint"] == entry["issuer"] + tails[1]
    moved = {**given, "token_endpoint": "https://elsewhere.example.com/t"}
    made = enrolling(world, company={**entry, "enrolment": moved})
    (account,) = body_of(await enrolment(made, request("GET", "/enrolment")))["accounts"]
    assert account["token_endpoint"] == "https://elsewhere.example.com/t"


async def test_the_page_may_ask_the_token_endpoints_and_nobody_else(world: World) -> None:
    """One origin more for each, in `connect-src` alone; the other pages' policy stays as it is."""
    made = enrolling(world, company={**ENTRIES["entra"], "enrolment": ENROLS})
    page = await enrol_answer_page(made, request("GET", "/enrol/company", route={"issuer": "company"}))
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "connect-src 'self' https://login.microsoftonline.com;" in policy
    assert policy.replace(" https://login.microsoftonline.com", "") == PAGE_HEADERS["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


async def test_an_address_that_no_provider_was_given_is_none(world: World) -> None:
    """404, whatever its name; and other methods are not allowed."""
    made = enrolling(world, company={**ENTRIES["entra"], "enrolment": ENROLS}, other=ENTRIES["okta"])
    for name in ("other", "nobody", "../x"):
        page = await enrol_answer_page(made, request("GET", f"/enrol/{name}", route={"issuer": name}))
        assert (page.status_code, body_of(page)["code"]) == (404, "page_unknown")
    for page_of in (enrol_page, enrol_answer_page, enrolment):
        assert (await page_of(made, request("POST", "/enrol"))).status_code == 405


@pytest.mark.parametrize(
    ("enrolment", "said"),
    [
        ([], "must be an object"),
        ({}, "must have client_id"),
        ({"client_id": CLIENT}, "must have scope"),
        ({**ENROLS, "client_secret": "x"}, "has no member 'client_secret'"),
        ({**ENROLS, "token_endpoint": "http://x.example"}, "wrong token_endpoint"),
        ({**ENROLS, "scope": ""}, "wrong scope"),
        ({**ENROLS, "label": " "}, "wrong label"),
        ({**ENROLS, "authorization_response_iss_parameter_supported": "true"}, "must be true or false"),
        ({**ENROLS, "client_id": "another"}, "must be one of clients"),
    ],
)
def test_a_wrong_client_is_told_at_start(enrolment: Any, said: str, tmp_path: Path) -> None:
    """By the issuer and the member; no secret has a place there."""
    (mistake,) = mistakes_of({"company": {**ENTRIES["entra"], "enrolment": enrolment}}, tmp_path)
    assert mistake.startswith("PASSKEYS_ISSUERS: issuer 'company': enrolment")
    assert said in mistake


def test_a_provider_without_known_places_must_be_told_them(tmp_path: Path) -> None:
    """A generic issuer's endpoints are not guessed; a pipeline's issuer has no page at all."""
    entry = ENTRIES["oidc"]
    enrolment = {"client_id": entry["clients"][0], "scope": "enrol"}
    (mistake,) = mistakes_of({"company": {**entry, "enrolment": enrolment}}, tmp_path)
    assert "must have authorization_endpoint and token_endpoint" in mistake
    (mistake,) = mistakes_of({"ci": {**ENTRIES["github_actions"], "enrolment": enrolment}}, tmp_path)
    assert "there is no such member" in mistake
