"""The OpenAPI 3.1 document: every route, method, status code, header and body that can come back.

Made from the same tables as the answers themselves (problems, stages, outcomes, limits), so that it cannot drift from them.
"""

from passkeys.ceremony import CEREMONY_ID, Stage
from starters.authenticators import AAGUID
from starters.openapi_authorize import AUTHORIZE_PATHS
from starters.openapi_conformance import CONFORMANCE_PATHS, CONFORMANCE_SCHEMAS
from starters.openapi_enrolment import ENROLMENT_PATHS, ENROLMENT_SCHEMAS
from starters.openapi_oauth import OAUTH_PATHS, OAUTH_SCHEMAS, redeeming
from starters.openapi_parts import (
    BODY_PROBLEMS,
    ETAG,
    LOCATION,
    OPERATOR_PROBLEMS,
    RETRY_AFTER,
    SESSION_PROBLEMS,
    UNAUTHORIZED,
    Json,
    answers,
    body,
    by_operator,
    header,
    in_session,
    query,
    read,
    ref,
    refusals,
)
from starters.openapi_schemas import PERSON_ID, SCHEMAS
from starters.openapi_sessions import SESSION_PATHS, SESSION_SCHEMAS
from starters.waiting import MAX_POLL_WAIT_SECONDS

_STATUS = {
    "200": answers("The ceremony has ended.", "CeremonyEnded"),
    "202": answers("The ceremony is running.", "CeremonyRunning", {**LOCATION, **RETRY_AFTER}),
}


def _start(tag: str, request: str, summary: str, *problems: str) -> Json:
    started = answers("Started; usually with the options.", "CeremonyStarted", {**LOCATION, **RETRY_AFTER})
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
        "requestBody": body(request),
        "responses": {
            "202": started,
            **refusals(
                *BODY_PROBLEMS, *problems, "method_not_allowed", "rate_limited", "audit_full", "unavailable"
            ),
        },
    }


_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The ceremony's id. Whoever holds it may see and cancel this one ceremony.",
    "schema": {"type": "string", "pattern": f"^{CEREMONY_ID.pattern.removesuffix(chr(92) + 'Z')}$"},
}
_SUBJECT = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The id of a ceremony, or of an act, as its entry in the audit has it.",
    "schema": {"type": "string", "pattern": "^[a-z]+-[0-9a-f]{32}$"},
}
_CHECKPOINT = {
    "name": "number",
    "in": "path",
    "required": True,
    "description": "The number of a checkpoint.",
    "schema": {"type": "string", "pattern": "^(0|[1-9][0-9]{0,9})$"},
}
_PROOF = {
    "description": "The proof, for `python -m passkeys audit check`.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
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
    return read(
        operation_id,
        "pages",
        summary,
        {
            "200": page,
            "304": {"description": "The caller has this version.", "headers": ETAG},
            **refusals("page_unknown", "method_not_allowed"),
        },
    )


def _paths() -> Json:
    wait = query(
        "wait",
        "Hold the answer back up to this many seconds, until the ceremony has ended or `after` is past.",
        {"type": "integer", "minimum": 0, "maximum": MAX_POLL_WAIT_SECONDS, "default": 0},
    )
    after = query("after", "The stage that the caller knows already.", {"enum": list(Stage)})
    limit = query(
        "limit", "At most this many.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    )
    cancel = {
        "operationId": "cancelCeremony",
        "tags": ["ceremonies"],
        "summary": "Cancel the ceremony. Repeating it does no harm.",
        "responses": {**_STATUS, **refusals("ceremony_unknown", "method_not_allowed", "ceremony_finished")},
    }
    answer = {
        "operationId": "answerCeremony",
        "tags": ["ceremonies"],
        "summary": "Hand over the authenticator's answer: PublicKeyCredential.toJSON().",
        "parameters": [_ID],
        "requestBody": body("AuthenticatorResponse"),
        # Needed where the start had a code_challenge.
        "security": [{}, {"session": []}],
        "responses": {
            **_STATUS,
            **refusals(
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
        "200": answers("Everything can be reached.", "Ready"),
        **refusals("method_not_allowed", "not_ready"),
    }
    itself = {"200": answers("This document.", "Anything"), **refusals("method_not_allowed")}
    found = {"200": answers("The ceremony.", "OperatorCeremony"), **UNAUTHORIZED}
    listed = {"200": answers("The most recent ceremonies.", "OperatorCeremonies"), **UNAUTHORIZED}
    file = {
        "description": "The file.",
        "headers": ETAG,
        "content": {"*/*": _FILE},
    }
    proof = {
        "200": _PROOF,
        **UNAUTHORIZED,
        **refusals("entry_unknown", "method_not_allowed", "unavailable", "proof_offline"),
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
                    *SESSION_PROBLEMS,
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
            **read(
                "getCeremony",
                "ceremonies",
                "The ceremony's status.",
                {**_STATUS, **refusals("parameter_invalid", "ceremony_unknown", "method_not_allowed")},
                [wait, after],
            ),
            "delete": cancel,
        },
        "/ceremonies/{id}/response": {"post": redeeming(answer)},
        "/operations/ceremonies": _operator(
            read(
                "listCeremonies",
                "operations",
                "The most recent ceremonies.",
                {**listed, **refusals("parameter_invalid", "method_not_allowed")},
                [limit],
            )
        ),
        "/operations/ceremonies/{id}": {
            "parameters": [_ID],
            **_operator(
                read(
                    "traceCeremony",
                    "operations",
                    "One ceremony, every step with its time.",
                    {**found, **refusals("ceremony_unknown", "method_not_allowed")},
                )
            ),
        },
        "/operations/audit": _operator(
            read(
                "getAudit",
                "operations",
                "How far the audit trail's files are behind what has been recorded.",
                {
                    "200": answers("What waits, chain by chain.", "OperatorAudit"),
                    **UNAUTHORIZED,
                    **refusals("method_not_allowed"),
                },
            )
        ),
        "/operations/audit/proofs/{id}": {
            "parameters": [_SUBJECT],
            **_operator(read("getProof", "operations", "A proof that the audit has an entry.", proof)),
        },
        "/operations/audit/consistency/{number}": {
            "parameters": [_CHECKPOINT],
            **_operator(
                read(
                    "getConsistencyProof",
                    "operations",
                    "A proof that the audit goes on from a checkpoint that was kept.",
                    {
                        "200": _PROOF,
                        **UNAUTHORIZED,
                        **refusals(
                            "checkpoint_unknown", "method_not_allowed", "unavailable", "proof_offline"
                        ),
                    },
                )
            ),
        },
        "/operations/housekeeping": _operator(
            read(
                "getHousekeeping",
                "operations",
                "What each sweep did last.",
                {
                    "200": answers("The sweeps that have run.", "OperatorHousekeeping"),
                    **UNAUTHORIZED,
                    **refusals("method_not_allowed"),
                },
            )
        ),
        "/operations/metadata": _operator(
            read(
                "getMetadata",
                "operations",
                "The metadata of authenticators that counts now, and its last refresh.",
                {
                    "200": answers("What is known.", "OperatorMetadata"),
                    **UNAUTHORIZED,
                    **refusals("method_not_allowed"),
                },
            )
        ),
        "/healthz": read("getReadiness", "service", "Whether the service is ready.", ready),
        "/openapi.json": read("getOpenapi", "service", "This document.", itself),
        "/": _page("getHome", "The page to register and sign in."),
        "/operations": _page("getOperationsPage", "The operator's page."),
        "/assets/{path}": {
            "parameters": [_PATH],
            **read(
                "getAsset",
                "pages",
                "A file of the pages.",
                {
                    "200": file,
                    "304": {"description": "The caller has this version.", "headers": ETAG},
                    **refusals("page_unknown", "method_not_allowed"),
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
        "requestBody": body("RenameCredential"),
        "responses": {
            "200": answers("The passkey.", "Credential"),
            **refusals(
                *BODY_PROBLEMS,
                *SESSION_PROBLEMS,
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
        "parameters": [query("confirm", "`last`: also the last one that can sign in.", {"const": "last"})],
        "responses": {
            "200": answers("Removed.", "CredentialRemoved"),
            **refusals(
                "parameter_invalid",
                *SESSION_PROBLEMS,
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
            "headers": {"Cache-Control": header("The same for everybody.", pattern="^public")},
            "content": {"image/png": {"schema": {}}},
        },
        **refusals("icon_unknown", "method_not_allowed", "unavailable"),
    }
    return {
        "/ceremonies/{id}/signals": {
            "parameters": [_ID],
            **in_session(
                read(
                    "getSignals",
                    "ceremonies",
                    "What the starter of an ended ceremony should signal to password managers.",
                    {
                        "200": answers("The signals.", "CeremonySignals"),
                        **refusals(*SESSION_PROBLEMS, "ceremony_unknown", "method_not_allowed"),
                    },
                )
            ),
        },
        "/proofs/{id}": {
            "parameters": [_SUBJECT],
            **in_session(
                read(
                    "getOwnProof",
                    "credentials",
                    "A proof that the audit has an entry about oneself.",
                    {
                        "200": _PROOF,
                        **refusals(
                            *SESSION_PROBLEMS,
                            "entry_unknown",
                            "method_not_allowed",
                            "unavailable",
                            "proof_offline",
                        ),
                    },
                )
            ),
        },
        "/credentials": in_session(
            read(
                "listCredentials",
                "credentials",
                "One's own passkeys.",
                {
                    "200": answers("The passkeys, oldest first.", "Credentials"),
                    **refusals(*SESSION_PROBLEMS, "method_not_allowed"),
                },
            )
        ),
        "/credentials/{id}": {
            "parameters": [_CREDENTIAL_ID],
            **in_session({"patch": rename, "delete": remove}),
        },
        "/authenticators/{aaguid}/icon": {
            "parameters": [_AAGUID],
            **read("getAuthenticatorIcon", "credentials", "A picture of an authenticator's model.", icon),
        },
        "/.well-known/jwks.json": read(
            "getKeys",
            "tokens",
            "The public keys of the tokens that are issued here (RFC 7517 §5), the next one included.",
            {
                "200": {
                    "description": "The key set. For caches, and for pages of any origin.",
                    "headers": {
                        "Cache-Control": header(
                            "How long it may be kept.", pattern="^public, max-age=[0-9]+$"
                        ),
                        "Access-Control-Allow-Origin": header("Anybody.", const="*"),
                    },
                    "content": {"application/json": {"schema": ref("KeySet")}},
                },
                **refusals("method_not_allowed", "unavailable"),
            },
        ),
        "/.well-known/webauthn": read(
            "getRelatedOrigins",
            "service",
            "The related origins (WebAuthn L3 §5.11).",
            {
                "200": answers("The origins.", "RelatedOrigins"),
                **refusals("page_unknown", "method_not_allowed"),
            },
        ),
        "/.well-known/passkey-endpoints": read(
            "getPasskeyEndpoints",
            "service",
            "Where people add passkeys and manage them.",
            {"200": answers("The pages.", "PasskeyEndpoints"), **refusals("method_not_allowed")},
        ),
        "/operations/credentials": by_operator(
            read(
                "listCredentialsOf",
                "operations",
                "A person's passkeys, and what has been decided about each.",
                {
                    "200": answers("The passkeys, oldest first.", "OperatorCredentials"),
                    **refusals("parameter_invalid", *OPERATOR_PROBLEMS, "method_not_allowed"),
                },
                [{**query("person", "The person's id in the directory.", PERSON_ID), "required": True}],
            )
        ),
        **{
            f"/operations/credentials/{{id}}/{verb}": {
                "parameters": [_CREDENTIAL_ID],
                **by_operator({"post": _decision(verb, summary)}),
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
        *OPERATOR_PROBLEMS,
        "session_stale",
        "person_unknown",
    )
    ticket = {
        "operationId": "takeRecoveryTicket",
        "tags": ["operations"],
        "summary": "Take the enrolment ticket of a recovery that was confirmed: once, by who started it.",
        "requestBody": body("TakeTicket"),
        "responses": {
            "200": answers("The ticket. It is shown this once.", "Ticket"),
            **refusals(
                *BODY_PROBLEMS,
                *OPERATOR_PROBLEMS,
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
        "/operations/recoveries": by_operator({"post": start}),
        "/operations/recoveries/{id}/ticket": {"parameters": [_ID], **by_operator({"post": ticket})},
    }


def _decision(verb: str, summary: str) -> Json:
    return {
        "operationId": f"{verb}Credential",
        "tags": ["operations"],
        "summary": summary,
        "requestBody": body("Reason"),
        "responses": {
            "200": answers("The passkey as it stands now.", "OperatorCredential"),
            **refusals(
                *BODY_PROBLEMS,
                *OPERATOR_PROBLEMS,
                "session_stale",
                "credential_unknown",
                "method_not_allowed",
                "rate_limited",
            ),
        },
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
            **ENROLMENT_PATHS,
            **SESSION_PATHS,
            **OAUTH_PATHS,
            **(CONFORMANCE_PATHS if conformance else {}),
        },
        "components": {
            "schemas": {
                **SCHEMAS,
                **SESSION_SCHEMAS,
                **ENROLMENT_SCHEMAS,
                **OAUTH_SCHEMAS,
                **(CONFORMANCE_SCHEMAS if conformance else {}),
            },
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
