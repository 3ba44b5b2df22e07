"""The OpenAPI document is valid, and true: what the starters answer fits what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.functions import HttpResponse
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from passkeys.world import World
from starters.openapi import document
from starters.problems import PROBLEMS
from starters.service import openapi
from tests.hosts import ROOT
from tests.starters.fakes import AUTHENTICATION, WAITING, FakeClient, body_of, ended, instance, request
from tests.starters.test_ceremonies import REFUSALS


def fits(response: HttpResponse, path: str, method: str) -> None:
    """The status is one of the operation's, its headers are there, and the body is of the schema for its media type."""
    documented = document()
    answers = documented["paths"][path][method]["responses"]
    assert str(response.status_code) in answers, (path, method, response.status_code)
    answer = answers[str(response.status_code)]
    for name, header in answer.get("headers", {}).items():
        if header["required"] and not (name == "Retry-After" and response.status_code == 503):
            assert name in response.headers, name
    if "content" not in answer:  # a 401 that the host may give too, which has none
        assert response.status_code == 401
        return
    schema = answer["content"][response.headers["Content-Type"]]["schema"]
    Draft202012Validator({**schema, "components": documented["components"]}).validate(body_of(response))


def test_the_document_is_valid() -> None:
    """OpenAPI 3.1, by its own schema."""
    OpenAPIV31SpecValidator(document()).validate()


async def test_the_document_is_served(world: World) -> None:
    """As JSON, at /openapi.json."""
    response = await openapi(world, request("GET", "/openapi.json"))
    assert json.loads(response.get_body()) == document()


def test_every_operation_says_405_and_has_its_own_id() -> None:
    """Ids are unique; whatever the method, a wrong one is described."""
    operations = [
        operation
        for path in document()["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    ]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert all("405" in operation["responses"] for operation in operations)


def test_every_problem_is_described_somewhere() -> None:
    """No code can come back that the document does not name."""
    text = json.dumps(document()["paths"])
    assert [code for code in PROBLEMS if f'"{code}"' not in text] == []


PATHS = {
    "body_malformed": ("/authentications", "post"),
    "body_too_large": ("/authentications", "post"),
    "media_type_unsupported": ("/authentications", "post"),
    "request_malformed": ("/registrations", "post"),
    "ticket_invalid": ("/registrations", "post"),
    "session_invalid": ("/registrations", "post"),
    "session_stale": ("/registrations", "post"),
    "proof_required": ("/ceremonies/{id}/response", "post"),
    "conditional_create_off": ("/registrations", "post"),
    "rate_limited": ("/authentications", "post"),
    "unavailable": ("/authentications", "post"),
    "ceremony_unknown": ("/ceremonies/{id}", "get"),
    "parameter_invalid": ("/ceremonies/{id}", "get"),
    "ceremony_finished": ("/ceremonies/{id}", "delete"),
    "response_malformed": ("/ceremonies/{id}/response", "post"),
    "method_not_allowed": ("/ceremonies/{id}", "get"),
    "not_ready": ("/healthz", "get"),
}


@pytest.mark.parametrize("row", REFUSALS, ids=[f"{n}-{row[0]}" for n, row in enumerate(REFUSALS)])
async def test_every_refusal_fits_the_document(world: World, client: FakeClient, row: Any) -> None:
    """Each problem that the starters can answer is of the documented shape."""
    code, arrange, call, _ = row
    arrange(client)
    fits(await call(world, client), *PATHS[code])


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (instance(AUTHENTICATION, custom=WAITING), 202),
        (instance(AUTHENTICATION, "Pending"), 202),
        (
            ended(
                AUTHENTICATION, "completed", person={"id": "ada", "display_name": "Ada"}, credential_id="x"
            ),
            200,
        ),
        (ended(AUTHENTICATION, "rejected", "signature_invalid"), 200),
        (ended(AUTHENTICATION, "rate_limited", retry_after_seconds=3), 200),
        (instance(AUTHENTICATION, "Terminated", out="because"), 200),
        (instance(AUTHENTICATION, "Failed", out="Orchestrator function failed"), 200),
    ],
    ids=lambda value: str(value)[-30:],
)
async def test_every_status_fits_the_document(
    world: World, client: FakeClient, found: dict[str, Any], status: int
) -> None:
    """Running or ended, however: of the documented shape, for the holder and for the operator."""
    from starters.ceremonies import ceremony
    from starters.operations import operations_ceremonies, operations_ceremony

    client.instances[AUTHENTICATION] = found
    by_id = request("GET", "/", route={"id": AUTHENTICATION})
    response = await ceremony(world, by_id, client)
    assert response.status_code == status
    fits(response, "/ceremonies/{id}", "get")
    fits(await operations_ceremony(world, by_id, client), "/operations/ceremonies/{id}", "get")
    fits(await operations_ceremonies(world, request("GET", "/"), client), "/operations/ceremonies", "get")


async def test_a_start_fits_the_document(world: World, client: FakeClient) -> None:
    """With options, and without."""
    from starters.ceremonies import authentications

    fits(await authentications(world, request("POST", "/", {}), client), "/authentications", "post")
    client.on_start = lambda found: instance(found, "Pending")
    fits(await authentications(world, request("POST", "/", {}), client), "/authentications", "post")


def test_the_page_for_people_names_every_code_and_route() -> None:
    """docs/http-api.md has each problem with its status, and each route that is not a page's."""
    page = (ROOT / "docs" / "http-api.md").read_text("utf-8")
    assert [code for code, kind in PROBLEMS.items() if f"`{code}` | {kind.status}" not in page] == []
    routes = [path for path in document()["paths"] if not path.startswith("/assets")]
    assert [path for path in routes if path not in page] == []
