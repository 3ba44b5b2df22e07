"""What the OpenAPI document is put together from: answers, refusals by the table of problems, and who may ask."""

from typing import Any

from starters.problems import MEDIA_TYPE, PROBLEMS

Json = dict[str, Any]


def ref(name: str) -> Json:
    """The schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def header(description: str, **schema: object) -> Json:
    """A header that every such answer has."""
    return {"description": description, "required": True, "schema": {"type": "string", **schema}}


NO_STORE = {"Cache-Control": header("Nothing of the API is for a cache.", const="no-store")}
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
LOCATION = {"Location": header("Where to ask again, relative to this service.", pattern=r"^/ceremonies/")}
ALLOW = {"Allow": header("The methods of this route.")}
ETAG = {
    "ETag": header("Names this version of the file."),
    "Cache-Control": header("Kept, and asked about each time.", const="no-cache"),
}
WWW_AUTHENTICATE = {
    "WWW-Authenticate": header("How to prove who is asking.", pattern="^(Ceremony|Bearer)( |$)")
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
    "audit_full": RETRY_AFTER,
    "unavailable": RETRY_AFTER,
}


def refusals(*codes: str) -> Json:
    """The responses for `codes`: one entry a status, which names each code that it may carry."""
    responses: Json = {}
    for status in sorted({PROBLEMS[code].status for code in codes}):
        here = [code for code in codes if PROBLEMS[code].status == status]
        schema = {
            "allOf": [ref("Problem"), {"properties": {"code": {"enum": here}, "status": {"const": status}}}]
        }
        headers = {name: header for code in here for name, header in _PROBLEM_HEADERS.get(code, {}).items()}
        responses[str(status)] = {
            "description": " Or: ".join(PROBLEMS[code].title for code in here) + ".",
            "headers": {**NO_STORE, **headers},
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
    return responses


def answers(description: str, schema: str, headers: Json | None = None) -> Json:
    """An answer in JSON, of the schema of that name."""
    return {
        "description": description,
        "headers": {**NO_STORE, **(headers or {})},
        "content": {"application/json": {"schema": ref(schema)}},
    }


def body(schema: str) -> Json:
    """A request's body in JSON, of the schema of that name."""
    return {"required": True, "content": {"application/json": {"schema": ref(schema)}}}


BODY_PROBLEMS = ("body_malformed", "request_malformed", "body_too_large", "media_type_unsupported")
SESSION_PROBLEMS = ("session_invalid", "unavailable")
UNAUTHORIZED = {
    "401": {"description": "The function key is missing or wrong. The host answers, without content."}
}
OPERATOR_PROBLEMS = (
    *SESSION_PROBLEMS,
    "step_up_required",
    "operator_required",
    "user_verification_required",
)


def read(
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


def query(name: str, description: str, schema: Json) -> Json:
    """A parameter of the query, which may be left out."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def in_session(methods: Json) -> Json:
    """The operations, for whoever shows a session."""
    return {method: {**operation, "security": [{"session": []}]} for method, operation in methods.items()}


def by_operator(methods: Json) -> Json:
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
