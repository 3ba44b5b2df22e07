"""What the OpenAPI document says besides, while the door for FIDO's conformance tools is open."""

from typing import Any

from starters.conformance import ATTACHMENTS, CONVEYANCES, MAX_EXTENSIONS, MAX_NAME, REQUIREMENTS
from starters.problems import PROBLEMS

Json = dict[str, Any]

_NAME: Json = {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "description": "In bytes of UTF-8."}
_REQUIREMENT: Json = {"enum": [None, *REQUIREMENTS]}
_EXTENSIONS: Json = {"type": "object", "description": f"At most {MAX_EXTENSIONS} characters of JSON."}
_BODY = (
    "body_malformed",
    "request_malformed",
    "method_not_allowed",
    "body_too_large",
    "media_type_unsupported",
)
_OPTIONS = (*_BODY, "rate_limited", "audit_full", "unavailable")
_RESULT = (
    *_BODY,
    "response_malformed",
    "proof_required",
    "ceremony_unknown",
    "ceremony_finished",
    "unavailable",
)


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _post(operation_id: str, summary: str, request: str, codes: tuple[str, ...]) -> Json:
    failures = {
        str(status): _answer(
            " Or: ".join(PROBLEMS[code].title for code in codes if PROBLEMS[code].status == status) + ".",
            "ServerFailed",
        )
        for status in sorted({PROBLEMS[code].status for code in codes})
    }
    return {
        "post": {
            "operationId": operation_id,
            "tags": ["conformance"],
            "summary": summary,
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _ref(request)}},
            },
            "responses": {"200": _answer("Done.", "ServerOk"), **failures},
        }
    }


CONFORMANCE_PATHS: Json = {
    "/attestation/options": _post(
        "conformanceAttestationOptions",
        "Options to register, and a cookie that names the ceremony.",
        "ServerCreationRequest",
        _OPTIONS,
    ),
    "/attestation/result": _post(
        "conformanceAttestationResult",
        "The authenticator's answer to them, with that cookie.",
        "ServerCredential",
        _RESULT,
    ),
    "/assertion/options": _post(
        "conformanceAssertionOptions",
        "Options to sign in, and a cookie that names the ceremony.",
        "ServerGetRequest",
        _OPTIONS,
    ),
    "/assertion/result": _post(
        "conformanceAssertionResult",
        "The authenticator's answer to them, with that cookie.",
        "ServerCredential",
        _RESULT,
    ),
}

CONFORMANCE_SCHEMAS: Json = {
    "ServerCreationRequest": {
        "description": "ServerPublicKeyCredentialCreationOptionsRequest of FIDO's server profile.",
        "type": "object",
        "properties": {
            "username": _NAME,
            "displayName": _NAME,
            "authenticatorSelection": {
                "type": "object",
                "properties": {
                    "authenticatorAttachment": {"enum": [None, *ATTACHMENTS]},
                    "requireResidentKey": {"type": ["boolean", "null"]},
                    "residentKey": _REQUIREMENT,
                    "userVerification": _REQUIREMENT,
                },
            },
            "attestation": {"enum": [None, *CONVEYANCES]},
            "extensions": _EXTENSIONS,
        },
        "required": ["username", "displayName"],
    },
    "ServerGetRequest": {
        "description": "ServerPublicKeyCredentialGetOptionsRequest of FIDO's server profile.",
        "type": "object",
        "properties": {
            "username": _NAME,
            "userVerification": _REQUIREMENT,
            "extensions": _EXTENSIONS,
        },
        "required": ["username"],
    },
    "ServerCredential": {
        "description": "ServerPublicKeyCredential of FIDO's server profile.",
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "type": {"type": "string"},
            "response": {"type": "object"},
            "getClientExtensionResults": {"type": "object"},
        },
        "required": ["id", "type", "response"],
    },
    "ServerOk": {
        "description": "ServerResponse, with the options where it answers a request for them.",
        "type": "object",
        "properties": {"status": {"const": "ok"}, "errorMessage": {"const": ""}},
        "required": ["status", "errorMessage"],
    },
    "ServerFailed": {
        "description": "ServerResponse that says in one sentence what was wrong.",
        "type": "object",
        "properties": {"status": {"const": "failed"}, "errorMessage": {"type": "string", "minLength": 1}},
        "required": ["status", "errorMessage"],
        "additionalProperties": False,
    },
}
