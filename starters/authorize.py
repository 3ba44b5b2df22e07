"""GET /authorize: the page on which a person signs in to an application, or says no, and goes back to it (RFC 6749 §4.1).

The request is judged here; the page gets what is good of it as data, and starts the ceremony with it. The code that it goes
back with is the ceremony's id: worthless without the application's code_verifier.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from azure.functions import HttpRequest, HttpResponse

from passkeys.authorization import AuthorizationFault
from passkeys.authorization_request import (
    AuthorizationRequest,
    RequestFault,
    RequestRefused,
    answer_uri,
    request_of,
)
from passkeys.world import World
from starters.answers import by_method
from starters.headers import API_HEADERS
from starters.pages import filled

PAGE = "authorize.html"


async def authorize(world: World, req: HttpRequest) -> HttpResponse:
    """GET /authorize: the page; 303 to the application for a request that it has made wrongly; 400 for nobody's."""

    async def get() -> HttpResponse:
        issuer = world.settings.issuer
        try:
            found = request_of(world.applications, urlsplit(req.url).query)
        except RequestFault as fault:
            return filled(PAGE, {"authorization": _fault(fault.code)}, status=400)
        except RequestRefused as refused:
            told = {"error": refused.code, "error_description": refused.description}
            location = answer_uri(refused.redirect_uri, issuer=issuer, state=refused.state, **told)
            return HttpResponse(status_code=303, headers={**API_HEADERS, "Location": location})
        return filled(PAGE, {"authorization": json.dumps(_told(found, issuer))})

    return await by_method(req, {"GET": get})


def _fault(code: AuthorizationFault) -> str:
    return json.dumps({"fault": code.value})


def _told(found: AuthorizationRequest, issuer: str) -> dict[str, Any]:
    """What the page goes by: who asks, what it starts the ceremony with, and how it answers."""
    asked = found.authorization
    start = {
        "client_id": asked.client_id,
        "redirect_uri": found.redirect_uri,
        "resource": asked.audience,
        "application_challenge": asked.code_challenge,
        "dpop_jkt": asked.dpop_jkt,
        "acr_values": " ".join(asked.acr_values) or None,
    }
    return {
        "name": found.application.name,
        "roles": bool(found.application.roles),
        "host": urlsplit(found.redirect_uri).netloc,
        "start": {name: value for name, value in start.items() if value is not None},
        "redirect_uri": found.redirect_uri,
        "state": found.state,
        "iss": issuer,
        "login_hint": found.login_hint,
    }
