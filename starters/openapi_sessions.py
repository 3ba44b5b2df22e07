"""What the OpenAPI document says of sessions with applications: a person's own, and for operators anybody's."""

from starters.application_sessions import MAX_SID
from starters.openapi_parts import (
    BODY_PROBLEMS,
    OPERATOR_PROBLEMS,
    SESSION_PROBLEMS,
    Json,
    answers,
    body,
    by_operator,
    in_session,
    query,
    read,
    ref,
    refusals,
)
from starters.openapi_schemas import PERSON_ID, object_of, or_null
from starters.operations_credentials import MAX_REASON

_TEXT: Json = {"type": "string"}
_INSTANT: Json = {"type": "string", "format": "date-time"}
_SID: Json = {
    "name": "sid",
    "in": "path",
    "required": True,
    "description": "The session's id: the `sid` of its access tokens.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_SID},
}
_REASON: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_REASON,
    "description": "Why, for those who read the audit.",
}
_LIST: Json = {"type": "array", "items": ref("Session")}
_ENDING = ("method_not_allowed", "rate_limited")

SESSION_SCHEMAS: Json = {
    "Session": object_of(
        {
            "id": {**_TEXT, "description": "The `sid` of its access tokens."},
            "application": object_of({"id": _TEXT, "name": _TEXT}),
            "signedInAt": _INSTANT,
            "lastUsedAt": {**_INSTANT, "description": "When it last had a new token."},
            "expiresAt": {**_INSTANT, "description": "When it ends unless it is used before."},
            "passkey": object_of({"id": _TEXT, "name": or_null(_TEXT)}),
            "current": {"type": "boolean", "description": "Opened by the very sign-in that asks."},
        }
    ),
    "Sessions": object_of({"sessions": _LIST}),
    "OperatorSessions": object_of({"person": _TEXT, "sessions": _LIST}),
    "EndSessions": object_of({"person": PERSON_ID, "reason": _REASON}, closed=False),
}


def _end(operation: str, summary: str, *problems: str) -> Json:
    return {
        "operationId": operation,
        "tags": ["sessions"],
        "summary": summary,
        "responses": {
            "200": answers("Where the person is still signed in.", "Sessions"),
            **refusals(*SESSION_PROBLEMS, *problems, *_ENDING),
        },
    }


def _end_by_operator(operation: str, summary: str, asked: str, *problems: str) -> Json:
    return {
        "operationId": operation,
        "tags": ["operations"],
        "summary": summary,
        "requestBody": body(asked),
        "responses": {
            "200": answers("Where the person is still signed in.", "OperatorSessions"),
            **refusals(*BODY_PROBLEMS, *OPERATOR_PROBLEMS, "session_stale", *problems, *_ENDING),
        },
    }


SESSION_PATHS: Json = {
    "/sessions": in_session(
        {
            **read(
                "listSessions",
                "sessions",
                "Where one is signed in: one's sessions with applications.",
                {
                    "200": answers("The sessions, the last used first.", "Sessions"),
                    **refusals(*SESSION_PROBLEMS, "method_not_allowed"),
                },
            ),
            "delete": _end("signOutEverywhere", "Sign out of every application, and here."),
        }
    ),
    "/sessions/{sid}": {
        "parameters": [_SID],
        **in_session({"delete": _end("endSession", "Sign out of one application.", "session_unknown")}),
    },
    "/operations/sessions": by_operator(
        read(
            "listSessionsOf",
            "operations",
            "Where a person is signed in.",
            {
                "200": answers("The sessions, the last used first.", "OperatorSessions"),
                **refusals("parameter_invalid", *OPERATOR_PROBLEMS, "method_not_allowed"),
            },
            [{**query("person", "The person's id in the directory.", PERSON_ID), "required": True}],
        )
    ),
    "/operations/sessions/{sid}/end": {
        "parameters": [_SID],
        **by_operator(
            {
                "post": _end_by_operator(
                    "endSessionOf", "Sign a person out of one application.", "Reason", "session_unknown"
                )
            }
        ),
    },
    "/operations/sessions/end": by_operator(
        {
            "post": _end_by_operator(
                "signOutPerson",
                "Sign a person out of every application, and here.",
                "EndSessions",
                "parameter_invalid",
            )
        }
    ),
}
