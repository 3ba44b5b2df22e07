"""The OpenAPI 3.1 document: every route, method, status code, header and body that can come back.

Made from the same tables as the answers themselves (problems, stages, outcomes, limits), so that it cannot drift from them.
"""

from typing import Any

from passkeys.ceremony import CEREMONY_ID, Stage
from starters.authenticators import AAGUID
from starters.openapi_authorize import AUTHORIZE_PATHS
from starters.openapi_conformance import CONFORMANCE_PATHS, CONFORMANCE_SCHEMAS
from starters.openapi_oauth import OAUTH_PATHS, OAUTH_SCHEMAS, redeeming
from starters.openapi_schemas import PERSON_ID, SCHEMAS
from starters.problems import MEDIA_TYPE, PROBLEMS
from starters.waiting import MAX_POLL_WAIT_SECONDS

Json = dict[str, Any]


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _header(description: str, **schema: object) -> Json:
    return {"description": description, "required": True, "schema": {"type": "string", **schema}}


NO_STORE = {"Cache-Control": _header("Nothing of the API is for a cache.", const="no-store")}
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
LOCATION = {"Location": _header("Where to ask again, relative to this service.", pattern=r"^/ceremonies/")}
ALLOW = {"Allow": _header("The methods of this route.")}
ETAG = {
    "ETag": _header("Names this version of the file."),
    "Cache-Control": _header("Kept, and asked about each time.", const="no-cache"),
}
WWW_AUTHENTICATE = {
    "WWW-Authenticate": _header("How to prove who is asking.", pattern="^(Ceremony|Bearer)( |$)")
}
# What a problem's answer carries beside the document.
_PROBLEM_HEADERS: dict[str, Json] = {
    "session_invalid": WWW_AUTHENTICATE,
    "session_stale": WWW_AUTHENTICATE,
    "token_invalid": WWW_AUTHENTICATE,
    "token_stale": WWW_AUTHENTICATE,
    "proof_required": WWW_AUTHENTICATE,
    "method_not_allowed": ALLOW,
    "rate_limited": RETRY_AFTER,
    "unavailable": RETRY_AFTER,
}


def _problems(*codes: str) -> Json:
    """The responses for `codes`: one entry a status, which names each code that it may carry."""
    responses: Json = {}
    for status in sorted({PROBLEMS[code].status for code in codes}):
        here = [code for code in codes if PROBLEMS[code].status == status]
        schema = {
            "allOf": [_ref("Problem"), {"properties": {"code": {"enum": here}, "status": {"const": status}}}]
        }
        headers = {name: header for code in here for name, header in _PROBLEM_HEADERS.get(code, {}).items()}
        responses[str(status)] = {
            "description": " Or: ".join(PROBLEMS[code].title for code in here) + ".",
            "headers": {**NO_STORE, **headers},
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
    return responses


def _json(description: str, schema: str, headers: Json | None = None) -> Json:
    return {
        "description": description,
        "headers": {**NO_STORE, **(headers or {})},
        "content": {"application/json": {"schema": _ref(schema)}},
    }


def _body(schema: str) -> Json:
    return {"required": True, "content": {"application/json": {"schema": _ref(schema)}}}


_STATUS = {
    "200": _json("The ceremony has ended.", "CeremonyEnded"),
    "202": _json("The ceremony is running.", "CeremonyRunning", {**LOCATION, **RETRY_AFTER}),
}
_BODY_PROBLEMS = ("body_malformed", "request_malformed", "body_too_large", "media_type_unsupported")
_SESSION_PROBLEMS = ("session_invalid", "unavailable")
_UNAUTHORIZED = {
    "401": {"description": "The function key is missing or wrong. The host answers, without content."}
}
_OPERATOR_PROBLEMS = (
    *_SESSION_PROBLEMS,
    "step_up_required",
    "operator_required",
    "user_verification_required",
)


def _start(tag: str, request: str, summary: str, *problems: str) -> Json:
    started = _json("Started; usually with the options.", "CeremonyStarted", {**LOCATION, **RETRY_AFTER})
    started["links"] = {
        name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
        for name, operation in (
            ("status", "getCeremony"),
            ("response", "answerCeremony"),
            ("cancel", "cancelCeremony"),
        )
    }
    return {
        "operationId": f"start{tag.capitalize()}",
        "tags": ["ceremonies"],
        "summary": summary,
        "requestBody": _body(request),
        "responses": {
            "202": started,
            **_problems(*_BODY_PROBLEMS, *problems, "method_not_allowed", "rate_limited", "unavailable"),
        },
    }


def _get(
    operation_id: str, tag: str, summary: str, responses: Json, parameters: list[Json] | None = None
) -> Json:
    """A GET, and the HEAD that goes with it: the same headers, no content (RFC 9110 §9.3.2)."""
    get: Json = {"operationId": operation_id, "tags": [tag], "summary": summary, "responses": responses}
    if parameters:
        get["parameters"] = parameters
    bare = {
        status: {key: value for key, value in answer.items() if key not in {"content", "links"}}
        for status, answer in responses.items()
    }
    head = {
        **get,
        "operationId": f"{operation_id}Head",
        "summary": f"{summary} Headers only.",
        "responses": bare,
    }
    return {"get": get, "head": head}


def _query(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The ceremony's id. Whoever holds it may see and cancel this one ceremony.",
    "schema": {"type": "string", "pattern": f"^{CEREMONY_ID.pattern.removesuffix(chr(92) + 'Z')}$"},
}
_CREDENTIAL_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The credential's id, in base64url.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{2,1364}$"},
}
_AAGUID = {
    "name": "aaguid",
    "in": "path",
    "required": True,
    "description": "The model of the authenticator.",
    "schema": {"type": "string", "pattern": f"^{AAGUID.pattern}$"},
}
_PATH = {
    "name": "path",
    "in": "path",
    "required": True,
    "description": "A file of the pages.",
    "schema": {"type": "string"},
}
_FILE = {"schema": {"type": "string"}}


def _page(operation_id: str, summary: str) -> Json:
    page = {"description": "The page.", "headers": ETAG, "content": {"text/html; charset=utf-8": _FILE}}
    return _get(
        operation_id,
        "pages",
        summary,
        {
            "200": page,
            "304": {"description": "The caller has this version.", "headers": ETAG},
            **_problems("page_unknown", "method_not_allowed"),
        },
    )


def _paths() -> Json:
    wait = _query(
        "wait",
        "Hold the answer back up to this many seconds, until the ceremony has ended or `after` is past.",
        {"type": "integer", "minimum": 0, "maximum": MAX_POLL_WAIT_SECONDS, "default": 0},
    )
    after = _query("after", "The stage that the caller knows already.", {"enum": list(Stage)})
    limit = _query(
        "limit", "At most this many.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    )
    cancel = {
        "operationId": "cancelCeremony",
        "tags": ["ceremonies"],
        "summary": "Cancel the ceremony. Repeating it does no harm.",
        "responses": {**_STATUS, **_problems("ceremony_unknown", "method_not_allowed", "ceremony_finished")},
    }
    answer = {
        "operationId": "answerCeremony",
        "tags": ["ceremonies"],
        "summary": "Hand over the authenticator's answer: PublicKeyCredential.toJSON().",
        "parameters": [_ID],
        "requestBody": _body("AuthenticatorResponse"),
        # Needed where the start had a code_challenge.
        "security": [{}, {"session": []}],
        "responses": {
            **_STATUS,
            **_problems(
                "body_malformed",
                "request_malformed",
                "parameter_invalid",
                "unavailable",
                "response_malformed",
                "proof_required",
                "ceremony_unknown",
                "method_not_allowed",
                "ceremony_finished",
                "body_too_large",
                "media_type_unsupported",
            ),
        },
    }
    ready = {
        "200": _json("Everything can be reached.", "Ready"),
        **_problems("method_not_allowed", "not_ready"),
    }
    itself = {"200": _json("This document.", "Anything"), **_problems("method_not_allowed")}
    found = {"200": _json("The ceremony.", "OperatorCeremony"), **_UNAUTHORIZED}
    listed = {"200": _json("The most recent ceremonies.", "OperatorCeremonies"), **_UNAUTHORIZED}
    file = {
        "description": "The file.",
        "headers": ETAG,
        "content": {"*/*": _FILE},
    }
    return {
        "/registrations": {
            "post": {
                **_start(
                    "registration",
                    "StartRegistration",
                    "Start a registration, with an enrolment ticket, in a fresh session, or with an access token.",
                    "ticket_invalid",
                    "token_invalid",
                    "token_stale",
                    "token_scope_insufficient",
                    "identity_unknown",
                    "conditional_create_off",
                    *_SESSION_PROBLEMS,
                    "session_stale",
                ),
                "security": [{}, {"session": []}, {"accessToken": []}],
            }
        },
        "/authentications": {
            "post": _start(
                "authentication",
                "StartAuthentication",
                "Start a sign-in, with a user name or without; for an application, or for this service's own page.",
                "client_unknown",
                "redirect_uri_unregistered",
                "resource_unregistered",
            )
        },
        "/ceremonies/{id}": {
            "parameters": [_ID],
            **_get(
                "getCeremony",
                "ceremonies",
                "The ceremony's status.",
                {**_STATUS, **_problems("parameter_invalid", "ceremony_unknown", "method_not_allowed")},
                [wait, after],
            ),
            "delete": cancel,
        },
        "/ceremonies/{id}/response": {"post": redeeming(answer)},
        "/operations/ceremonies": _operator(
            _get(
                "listCeremonies",
                "operations",
                "The most recent ceremonies.",
                {**listed, **_problems("parameter_invalid", "method_not_allowed")},
                [limit],
            )
        ),
        "/operations/ceremonies/{id}": {
            "parameters": [_ID],
            **_operator(
                _get(
                    "traceCeremony",
                    "operations",
                    "One ceremony, every step with its time.",
                    {**found, **_problems("ceremony_unknown", "method_not_allowed")},
                )
            ),
        },
        "/operations/metadata": _operator(
            _get(
                "getMetadata",
                "operations",
                "The metadata of authenticators that counts now, and its last refresh.",
                {
                    "200": _json("What is known.", "OperatorMetadata"),
                    **_UNAUTHORIZED,
                    **_problems("method_not_allowed"),
                },
            )
        ),
        "/healthz": _get("getReadiness", "service", "Whether the service is ready.", ready),
        "/openapi.json": _get("getOpenapi", "service", "This document.", itself),
        "/": _page("getHome", "The page to register and sign in."),
        "/operations": _page("getOperationsPage", "The operator's page."),
        "/assets/{path}": {
            "parameters": [_PATH],
            **_get(
                "getAsset",
                "pages",
                "A file of the pages.",
                {
                    "200": file,
                    "304": {"description": "The caller has this version.", "headers": ETAG},
                    **_problems("page_unknown", "method_not_allowed"),
                },
            ),
        },
    }


def _life_paths() -> Json:
    """The life of a credential."""
    rename = {
        "operationId": "renameCredential",
        "tags": ["credentials"],
        "summary": "Give one's passkey a name.",
        "requestBody": _body("RenameCredential"),
        "responses": {
            "200": _json("The passkey.", "Credential"),
            **_problems(
                *_BODY_PROBLEMS,
                *_SESSION_PROBLEMS,
                "step_up_required",
                "credential_unknown",
                "method_not_allowed",
                "rate_limited",
            ),
        },
    }
    remove = {
        "operationId": "removeCredential",
        "tags": ["credentials"],
        "summary": "Remove one's passkey, for good.",
        "parameters": [_query("confirm", "`last`: also the last one that can sign in.", {"const": "last"})],
        "responses": {
            "200": _json("Removed.", "CredentialRemoved"),
            **_problems(
                "parameter_invalid",
                *_SESSION_PROBLEMS,
                "session_stale",
                "credential_unknown",
                "method_not_allowed",
                "last_credential",
                "rate_limited",
            ),
        },
    }
    icon = {
        "200": {
            "description": "The picture.",
            "headers": {"Cache-Control": _header("The same for everybody.", pattern="^public")},
            "content": {"image/png": {"schema": {}}},
        },
        **_problems("icon_unknown", "method_not_allowed", "unavailable"),
    }
    return {
        "/ceremonies/{id}/signals": {
            "parameters": [_ID],
            **_in_session(
                _get(
                    "getSignals",
                    "ceremonies",
                    "What the starter of an ended ceremony should signal to password managers.",
                    {
                        "200": _json("The signals.", "CeremonySignals"),
                        **_problems(*_SESSION_PROBLEMS, "ceremony_unknown", "method_not_allowed"),
                    },
                )
            ),
        },
        "/credentials": _in_session(
            _get(
                "listCredentials",
                "credentials",
                "One's own passkeys.",
                {
                    "200": _json("The passkeys, oldest first.", "Credentials"),
                    **_problems(*_SESSION_PROBLEMS, "method_not_allowed"),
                },
            )
        ),
        "/credentials/{id}": {
            "parameters": [_CREDENTIAL_ID],
            **_in_session({"patch": rename, "delete": remove}),
        },
        "/authenticators/{aaguid}/icon": {
            "parameters": [_AAGUID],
            **_get("getAuthenticatorIcon", "credentials", "A picture of an authenticator's model.", icon),
        },
        "/.well-known/jwks.json": _get(
            "getKeys",
            "tokens",
            "The public keys of the tokens that are issued here (RFC 7517 §5), the next one included.",
            {
                "200": {
                    "description": "The key set. For caches, and for pages of any origin.",
                    "headers": {
                        "Cache-Control": _header(
                            "How long it may be kept.", pattern="^public, max-age=[0-9]+$"
                        ),
                        "Access-Control-Allow-Origin": _header("Anybody.", const="*"),
                    },
                    "content": {"application/json": {"schema": _ref("KeySet")}},
                },
                **_problems("method_not_allowed", "unavailable"),
            },
        ),
        "/.well-known/webauthn": _get(
            "getRelatedOrigins",
            "service",
            "The related origins (WebAuthn L3 §5.11).",
            {
                "200": _json("The origins.", "RelatedOrigins"),
                **_problems("page_unknown", "method_not_allowed"),
            },
        ),
        "/.well-known/passkey-endpoints": _get(
            "getPasskeyEndpoints",
            "service",
            "Where people add passkeys and manage them.",
            {"200": _json("The pages.", "PasskeyEndpoints"), **_problems("method_not_allowed")},
        ),
        "/operations/credentials": _by_operator(
            _get(
                "listCredentialsOf",
                "operations",
                "A person's passkeys, and what has been decided about each.",
                {
                    "200": _json("The passkeys, oldest first.", "OperatorCredentials"),
                    **_problems("parameter_invalid", *_OPERATOR_PROBLEMS, "method_not_allowed"),
                },
                [{**_query("person", "The person's id in the directory.", PERSON_ID), "required": True}],
            )
        ),
        **{
            f"/operations/credentials/{{id}}/{verb}": {
                "parameters": [_CREDENTIAL_ID],
                **_by_operator({"post": _decision(verb, summary)}),
            }
            for verb, summary in (
                ("disable", "Take a passkey out of use: sign-in with it is refused, its sessions are over."),
                ("enable", "Take a passkey back into use."),
            )
        },
    }


def _recovery_paths() -> Json:
    """Recovery, by operators."""
    start = _start(
        "recovery",
        "StartRecovery",
        "Start a recovery of a person who has lost their passkeys, for another operator to confirm.",
        *_OPERATOR_PROBLEMS,
        "session_stale",
        "person_unknown",
    )
    ticket = {
        "operationId": "takeRecoveryTicket",
        "tags": ["operations"],
        "summary": "Take the enrolment ticket of a recovery that was confirmed: once, by who started it.",
        "requestBody": _body("TakeTicket"),
        "responses": {
            "200": _json("The ticket. It is shown this once.", "Ticket"),
            **_problems(
                *_BODY_PROBLEMS,
                *_OPERATOR_PROBLEMS,
                "session_stale",
                "recovery_not_yours",
                "ceremony_unknown",
                "method_not_allowed",
                "recovery_not_confirmed",
                "recovery_expired",
                "ticket_shown",
                "rate_limited",
            ),
        },
    }
    return {
        "/operations/recoveries": _by_operator({"post": start}),
        "/operations/recoveries/{id}/ticket": {"parameters": [_ID], **_by_operator({"post": ticket})},
    }


def _decision(verb: str, summary: str) -> Json:
    return {
        "operationId": f"{verb}Credential",
        "tags": ["operations"],
        "summary": summary,
        "requestBody": _body("Reason"),
        "responses": {
            "200": _json("The passkey as it stands now.", "OperatorCredential"),
            **_problems(
                *_BODY_PROBLEMS,
                *_OPERATOR_PROBLEMS,
                "session_stale",
                "credential_unknown",
                "method_not_allowed",
                "rate_limited",
            ),
        },
    }


def _in_session(methods: Json) -> Json:
    return {method: {**operation, "security": [{"session": []}]} for method, operation in methods.items()}


def _by_operator(methods: Json) -> Json:
    """Two ask: the host for the key, whose 401 has no content, and we for the session, whose 401 is a problem."""
    unauthorized = {
        "description": (
            "The function key is missing or wrong: the host answers, without content. "
            "Or the problem `session_invalid` or `session_stale`, with WWW-Authenticate."
        )
    }
    return {
        method: {
            **operation,
            "responses": {**operation["responses"], "401": unauthorized},
            "security": [{"functionKey": [], "session": []}],
        }
        for method, operation in methods.items()
    }


def _operator(methods: Json) -> Json:
    return {method: {**operation, "security": [{"functionKey": []}]} for method, operation in methods.items()}


def document(*, conformance: bool = False) -> Json:
    """The whole document. `conformance`: with the door for FIDO's conformance tools, which is there only when opened."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Durable Passkeys",
            "version": "1",
            "summary": "Passwordless FIDO2 sign-in as durable workflows.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            **_paths(),
            **_life_paths(),
            **_recovery_paths(),
            **AUTHORIZE_PATHS,
            **OAUTH_PATHS,
            **(CONFORMANCE_PATHS if conformance else {}),
        },
        "components": {
            "schemas": {**SCHEMAS, **OAUTH_SCHEMAS, **(CONFORMANCE_SCHEMAS if conformance else {})},
            "securitySchemes": {
                "functionKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-functions-key",
                    "description": "A function key of the app, for operators.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": (
                        "`Ceremony <id>:<code_verifier>`: a completed registration or sign-in that was started with the "
                        "verifier's `code_challenge` (RFC 7636, S256), for some minutes after its end. To answer a ceremony: "
                        "that ceremony itself."
                    ),
                },
                "accessToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": (
                        "An access token for this API of an issuer that PASSKEYS_ISSUERS names: fresh, and good for one "
                        "registration. Without such an issuer, no token is."
                    ),
                },
            },
        },
    }
