"""The enrolment page: a person logs in at their company's identity provider and makes a passkey here, without a link from anybody.

The page is the OAuth client, and a public one: the provider's answer comes to it, and so does the token, which it shows at
POST /registrations once. Nothing of it passes through here before that.
"""

import json
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from azure.functions import HttpRequest, HttpResponse

from passkeys.world import World
from starters.answers import by_method, json_response
from starters.headers import PAGE_HEADERS
from starters.pages import filled
from starters.problems import RefusedError

PAGE = "enrol.html"


async def enrolment(world: World, req: HttpRequest) -> HttpResponse:
    """GET /enrolment: the company accounts that enrol people in a browser, and how."""

    async def get() -> HttpResponse:
        return json_response({"accounts": _accounts(world)})

    return await by_method(req, {"GET": get})


async def enrol_page(world: World, req: HttpRequest) -> HttpResponse:
    """GET /enrol: the page."""

    async def get() -> HttpResponse:
        return _page(_accounts(world))

    return await by_method(req, {"GET": get})


async def enrol_answer_page(world: World, req: HttpRequest) -> HttpResponse:
    """GET /enrol/{issuer}: the same page, to which that issuer's provider sends people back.

    A redirect address of its own for each, so that the answer of one can never be taken for another's (RFC 9700 §4.4.2).
    """

    async def get() -> HttpResponse:
        accounts = _accounts(world)
        if req.route_params.get("issuer") not in {account["issuer"] for account in accounts}:
            raise RefusedError("page_unknown")
        return _page(accounts)

    return await by_method(req, {"GET": get})


def _page(accounts: list[dict[str, Any]]) -> HttpResponse:
    page = filled(PAGE, {"accounts": json.dumps(accounts)})
    page.headers["Content-Security-Policy"] = _policy(accounts)
    return page


def _accounts(world: World) -> list[dict[str, Any]]:
    """One for each issuer that has a client for the page, in the order of the file."""
    return [
        {"issuer": name, "iss": source.issuer.profile.issuer, **asdict(client)}
        for name, source in world.issuers.items()
        if (client := source.issuer.enrolment) is not None
    ]


def _policy(accounts: list[dict[str, Any]]) -> str:
    """The pages' policy, which lets this one ask the providers' token endpoints too (CSP3 §6.1.2)."""
    parts = [urlsplit(account["token_endpoint"]) for account in accounts]
    origins = sorted({f"{part.scheme}://{part.netloc}" for part in parts})
    own = PAGE_HEADERS["Content-Security-Policy"]
    return own.replace("connect-src 'self'", " ".join(["connect-src 'self'", *origins]))
