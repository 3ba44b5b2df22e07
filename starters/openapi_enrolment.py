"""What the OpenAPI document says of enrolment by a company account: the page, and what it goes by."""

from typing import Any

from starters.openapi_parts import answers, read, refusals

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_ADDRESS: Json = {"type": "string", "format": "uri"}
_PAGE: Json = {
    "description": "The page.",
    "headers": {
        "Cache-Control": {"required": True, "schema": {"type": "string", "const": "no-store"}},
        "Content-Security-Policy": {"required": True, "schema": _TEXT},
    },
    "content": {"text/html; charset=utf-8": {"schema": _TEXT}},
}
_ISSUER: Json = {
    "name": "issuer",
    "in": "path",
    "required": True,
    "description": "The name of an issuer, as PASSKEYS_ISSUERS has it.",
    "schema": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"},
}
_ACCOUNT: Json = {
    "issuer": _TEXT,
    "iss": _ADDRESS,
    "label": _TEXT,
    "client_id": _TEXT,
    "scope": _TEXT,
    "authorization_endpoint": _ADDRESS,
    "token_endpoint": _ADDRESS,
    "resource": {"type": ["string", "null"]},
    "authorization_response_iss_parameter_supported": {"type": "boolean"},
}

ENROLMENT_SCHEMAS: Json = {
    "Enrolment": {
        "type": "object",
        "additionalProperties": False,
        "required": ["accounts"],
        "properties": {
            "accounts": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": list(_ACCOUNT),
                    "properties": _ACCOUNT,
                },
            }
        },
    }
}
ENROLMENT_PATHS: Json = {
    "/enrolment": read(
        "getEnrolment",
        "pages",
        "The company accounts by which people enrol in a browser.",
        {
            "200": answers("One for each issuer that has a client for it.", "Enrolment"),
            **refusals("method_not_allowed"),
        },
    ),
    "/enrol": read(
        "getEnrolPage",
        "pages",
        "The page to enrol by a company account.",
        {"200": _PAGE, **refusals("method_not_allowed")},
    ),
    "/enrol/{issuer}": {
        "parameters": [_ISSUER],
        **read(
            "getEnrolAnswerPage",
            "pages",
            "The same page, to which that issuer's provider sends people back (RFC 9700 §4.4.2).",
            {"200": _PAGE, **refusals("page_unknown", "method_not_allowed")},
        ),
    },
}
