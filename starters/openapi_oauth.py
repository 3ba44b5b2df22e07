"""What the OpenAPI document says of the endpoints for applications: forms in, RFC 6749's JSON out."""

from typing import Any

from passkeys.assurance import ACR_VALUES
from passkeys.client_assertions import TYPE
from starters.oauth import CLIENT_SCHEME
from starters.server_metadata import GRANT_TYPES, metadata

Json = dict[str, Any]

_NO_STORE: Json = {
    "Cache-Control": {"required": True, "schema": {"type": "string", "const": "no-store"}},
    "Vary": {"required": True, "schema": {"type": "string", "const": "Origin"}},
}
_ALLOW: Json = {"Allow": {"required": True, "schema": {"type": "string"}}}
_RETRY_AFTER: Json = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
_WWW_AUTHENTICATE: Json = {
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": CLIENT_SCHEME}}
}
_NONCE: Json = {
    "DPoP-Nonce": {
        "description": "For the next proof (RFC 9449 §8).",
        "required": False,
        "schema": {"type": "string", "maxLength": 256},
    }
}
_TEXT: Json = {"type": "string", "minLength": 1}
# Of every form: who asks. Parameters that no endpoint knows are ignored (RFC 6749 §3.2).
_CLIENT: Json = {
    "client_id": {**_TEXT, "description": "Needed of a public application."},
    "client_assertion_type": {"const": TYPE},
    "client_assertion": {**_TEXT, "description": "A back end's, by its key (RFC 7523)."},
}
_PROOF_ERRORS = ("invalid_dpop_proof", "use_dpop_nonce")
_ERRORS = {
    "token": (
        "invalid_request",
        "invalid_grant",
        "invalid_target",
        "unsupported_grant_type",
        "unauthorized_client",
        *_PROOF_ERRORS,
    ),
    "other": ("invalid_request", "unauthorized_client"),
}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _error(description: str, codes: tuple[str, ...], headers: Json | None = None) -> Json:
    schema = {"allOf": [_ref("OAuthError"), {"properties": {"error": {"enum": list(codes)}}}]}
    return {
        "description": description,
        "headers": {**_NO_STORE, **(headers or {})},
        "content": {"application/json": {"schema": schema}},
    }


def _post(operation_id: str, summary: str, request: str, success: Json, codes: tuple[str, ...]) -> Json:
    return {
        "operationId": operation_id,
        "tags": ["applications"],
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": _ref(request)}},
        },
        "responses": {
            "200": success,
            "400": _error("The request is not good.", codes, _NONCE),
            "401": _error("The application is not who it says.", ("invalid_client",), _WWW_AUTHENTICATE),
            "405": _error("This method is not allowed here.", ("invalid_request",), _ALLOW),
            "413": _error("The body is too large.", ("invalid_request",)),
            "503": _error("Something cannot be reached.", ("temporarily_unavailable",), _RETRY_AFTER),
        },
    }


def _json(description: str, schema: str, headers: Json | None = None) -> Json:
    return {
        "description": description,
        "headers": {**_NO_STORE, **(headers or {})},
        "content": {"application/json": {"schema": _ref(schema)}},
    }


def _form(required: tuple[str, ...], **properties: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": {**_CLIENT, **properties}}


_PROOF: Json = {
    "name": "DPoP",
    "in": "header",
    "required": False,
    "description": "A proof of possession (RFC 9449); needed unless the application is registered with `dpop: optional`.",
    "schema": {"type": "string"},
}


def redeeming(answer: Json) -> Json:
    """The operation that takes an authenticator's answer, with what `?redeem=true` adds to it."""
    responses = {**answer["responses"]}
    refused = {"allOf": [_ref("OAuthError"), {"properties": {"error": {"enum": list(_PROOF_ERRORS)}}}]}
    responses["400"] = {
        **responses["400"],
        "content": {**responses["400"]["content"], "application/json": {"schema": refused}},
    }
    redeem = {
        "name": "redeem",
        "in": "query",
        "description": "`true`: the tokens with the outcome, for a public application that has started this sign-in itself.",
        "schema": {"enum": ["true"]},
    }
    return {**answer, "parameters": [*answer["parameters"], redeem, _PROOF], "responses": responses}


OAUTH_PATHS: Json = {
    "/token": {
        "post": {
            **_post(
                "token",
                "Redeem a completed ceremony once, or a refresh token, for tokens.",
                "TokenRequest",
                _json("Tokens.", "TokenAnswer", _NONCE),
                _ERRORS["token"],
            ),
            "parameters": [_PROOF],
        }
    },
    "/revoke": {
        "post": _post(
            "revoke",
            "End the session of a refresh or access token of one's own (RFC 7009).",
            "TokenQuestion",
            _json("It has ended, or there was none.", "Nothing"),
            _ERRORS["other"],
        )
    },
    "/introspect": {
        "post": _post(
            "introspect",
            "Whether a token is good, for an application that may ask (RFC 7662).",
            "TokenQuestion",
            _json("What it says, or that it is not active: never why.", "Introspection"),
            _ERRORS["other"],
        )
    },
    "/.well-known/oauth-authorization-server": {
        "get": {
            "operationId": "serverMetadata",
            "tags": ["applications"],
            "summary": "Where each endpoint is, and what it takes (RFC 8414).",
            "responses": {
                "200": {
                    "description": "The metadata.",
                    "headers": {
                        "Cache-Control": {
                            "required": True,
                            "schema": {"type": "string", "pattern": "^public, "},
                        },
                        "Access-Control-Allow-Origin": {"required": True, "schema": {"const": "*"}},
                    },
                    "content": {"application/json": {"schema": _ref("ServerMetadata")}},
                },
                "405": {
                    "description": "This method is not allowed here.",
                    "headers": _ALLOW,
                    "content": {
                        "application/problem+json": {
                            "schema": {
                                "allOf": [
                                    _ref("Problem"),
                                    {"properties": {"code": {"enum": ["method_not_allowed"]}}},
                                ]
                            }
                        }
                    },
                },
            },
        }
    },
}

_SECONDS: Json = {"type": "integer", "minimum": 0}
_CONFIRMATION: Json = {
    "type": "object",
    "required": ["jkt"],
    "properties": {"jkt": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}},
}

OAUTH_SCHEMAS: Json = {
    "Nothing": {"type": "object", "maxProperties": 0},
    "OAuthError": {
        "type": "object",
        "required": ["error", "error_description"],
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        "additionalProperties": False,
    },
    "TokenRequest": _form(
        ("grant_type",),
        grant_type={"enum": list(GRANT_TYPES)},
        code={**_TEXT, "description": "The id of the ceremony."},
        code_verifier={"type": "string", "pattern": "^[A-Za-z0-9._~-]{43,128}$"},
        redirect_uri={**_TEXT, "description": "As the start had it."},
        refresh_token=_TEXT,
        resource={**_TEXT, "description": "One of the application's audiences (RFC 8707)."},
    ),
    "TokenAnswer": {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": {"type": "string", "description": "A JWT for one audience (RFC 9068)."},
            "token_type": {"enum": ["Bearer", "DPoP"]},
            "expires_in": _SECONDS,
            "refresh_token": {"type": "string", "description": "Good once; the answer to it has the next."},
        },
    },
    "TokenQuestion": _form(
        ("token",),
        token={**_TEXT, "description": "A refresh token or an access token."},
        token_type_hint={"type": "string", "description": "Not needed; both kinds are looked for."},
    ),
    "Introspection": {
        "type": "object",
        "required": ["active"],
        "properties": {
            "active": {"type": "boolean"},
            "iss": {"type": "string"},
            "aud": {"type": "string"},
            "sub": {"type": "string"},
            "client_id": {"type": "string"},
            "iat": _SECONDS,
            "exp": _SECONDS,
            "jti": {"type": "string"},
            "sid": {"type": "string"},
            "auth_time": _SECONDS,
            "acr": {"enum": list(ACR_VALUES)},
            "amr": {"type": "array", "items": {"type": "string"}},
            "roles": {"type": "array", "items": {"type": "string"}},
            "cnf": _CONFIRMATION,
            "token_type": {"enum": ["Bearer", "DPoP"]},
        },
        "additionalProperties": False,
    },
    "ServerMetadata": {"type": "object", "required": sorted(metadata(""))},
}
