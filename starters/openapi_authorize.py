"""What the OpenAPI document says of the page on which people sign in to applications."""

from typing import Any

Json = dict[str, Any]

_HTML: Json = {"text/html; charset=utf-8": {"schema": {"type": "string"}}}
_HEADERS: Json = {
    "Cache-Control": {"required": True, "schema": {"type": "string", "const": "no-store"}},
    "Content-Security-Policy": {"required": True, "schema": {"type": "string"}},
}
# What is missing or wrong is told at the redirect URI, so that none but the first two decides about the status.
_PARAMETERS: tuple[tuple[str, str], ...] = (
    ("client_id", "The application."),
    ("redirect_uri", "One of its redirect URIs, character by character."),
    ("response_type", "`code`."),
    ("response_mode", "`query`, or nothing."),
    ("code_challenge", "The SHA-256 of the application's code_verifier, in base64url (RFC 7636)."),
    ("code_challenge_method", "`S256`."),
    ("state", "At most 1024 printable characters, which come back as they are."),
    ("resource", "One of the application's audiences (RFC 8707); the first without it."),
    ("acr_values", "Of which one must be met: `phr`, `phrh`."),
    ("dpop_jkt", "The thumbprint of the key that the tokens are to be bound to (RFC 9449 §10)."),
    ("login_hint", "A user name to begin with."),
    ("prompt", "`none` is refused with `login_required`: every sign-in takes the person."),
)


def _operation(operation_id: str, summary: str, *, content: bool) -> Json:
    bodies = {"content": _HTML} if content else {}
    problem = {
        "application/problem+json": {
            "schema": {
                "allOf": [
                    {"$ref": "#/components/schemas/Problem"},
                    {"properties": {"code": {"enum": ["method_not_allowed"]}}},
                ]
            }
        }
    }
    return {
        "operationId": operation_id,
        "tags": ["applications"],
        "summary": summary,
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": told,
                "schema": {"type": "string"},
            }
            for name, told in _PARAMETERS
        ],
        "responses": {
            "200": {"description": "The page.", "headers": _HEADERS, **bodies},
            "303": {
                "description": "The request is wrong, and the application is told: `error`, `state`, `iss` (RFC 9207).",
                "headers": {"Location": {"required": True, "schema": {"type": "string"}}},
            },
            "400": {
                "description": "No such application, or a redirect URI that is none of its: a page, and no redirect.",
                "headers": _HEADERS,
                **bodies,
            },
            "405": {
                "description": "This method is not allowed here.",
                "headers": {"Allow": {"required": True, "schema": {"type": "string"}}},
                **({"content": problem} if content else {}),
            },
        },
    }


AUTHORIZE_PATHS: Json = {
    "/authorize": {
        "get": _operation(
            "authorize",
            "The page on which somebody signs in to an application (RFC 6749 §4.1).",
            content=True,
        ),
        "head": _operation(
            "authorizeHead", "The page on which somebody signs in. Headers only.", content=False
        ),
    }
}
