"""What the holder of a ceremony's id may see of it: the members of the Durable status contract, and of those a fixed few.

The extension's own answers carry the instance's input and management URLs whose key opens the whole task hub. Nothing
is copied from them but what is named here.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from azure.functions import HttpResponse

from passkeys.ceremony import Outcome, kind_of, public_reason
from starters.answers import RETRY_AFTER_SECONDS, json_response
from starters.waiting import is_finished

_CUSTOM_STATUS_MEMBERS = ("v", "stage", "publicKey", "expiresAt", "details")


def status_path(ceremony_id: str) -> str:
    """The status-query URL of one ceremony, relative to this service, and good for this ceremony alone."""
    return f"/ceremonies/{ceremony_id}"


def links(ceremony_id: str) -> dict[str, str]:
    """The three URLs of one ceremony. Relative: built from no header that a caller could have chosen."""
    path = status_path(ceremony_id)
    return {
        "statusQueryGetUri": path,
        "sendResponsePostUri": f"{path}/response",
        "cancelDeleteUri": path,
    }


def status_response(ceremony_id: str, status: Any, more: Mapping[str, Any] | None = None) -> HttpResponse:
    """The status contract over HTTP: 200 when the ceremony has ended, else 202 with where and when to ask again.

    `more`: further members.
    """
    body = {**ceremony_view(ceremony_id, status), **(more or {})}
    if is_finished(status):
        return json_response(body)
    headers = {"Location": status_path(ceremony_id), "Retry-After": str(RETRY_AFTER_SECONDS)}
    return json_response(body, status=202, headers=headers)


def ceremony_view(ceremony_id: str, status: Any) -> dict[str, Any]:
    """The body of every answer about one ceremony."""
    return {
        "name": kind_of(ceremony_id),
        "instanceId": ceremony_id,
        "runtimeStatus": status.runtime_status.value,
        "customStatus": public_custom_status(status.custom_status),
        "output": public_output(ceremony_id, status) if is_finished(status) else None,
        "createdTime": instant(status.created_time),
        "lastUpdatedTime": instant(status.last_updated_time),
    }


def public_custom_status(shown: object) -> dict[str, Any] | None:
    """The stage, and while they are to be answered the options, and what is being approved."""
    if not isinstance(shown, dict):
        return None
    return {name: shown[name] for name in _CUSTOM_STATUS_MEMBERS if name in shown}


def output_of(ceremony_id: str, status: Any) -> Mapping[str, Any]:
    """The ceremony's own output; or, where the engine ended the instance and left text, what that amounts to."""
    output = status.output
    if isinstance(output, dict) and output.get("outcome") in set(Outcome):
        return output
    # Terminated by an operator, or failed in the engine. The text is for operators: it may quote code and data.
    terminated = status.runtime_status.value in {"Terminated", "Canceled"}
    return {
        "v": 1,
        "kind": kind_of(ceremony_id),
        "outcome": Outcome.CANCELED if terminated else Outcome.FAILED,
        "reason": "terminated" if terminated else "engine_failed",
        "person": None,
        "credential_id": None,
        "retry_after_seconds": None,
        "step_up": False,
        "user_verified": False,
        "code_challenge": None,
        "mediation": None,
        "unknown_credential_id": None,
        "at": instant(status.last_updated_time),
    }


def start_of(status: Any) -> dict[str, Any] | None:
    """What the ceremony was started with, out of a status that shows it; None for what cannot be read."""
    start = status.input_ if status else None
    if isinstance(start, str):  # as the SDK's client has sent it: a JSON text, inside the JSON of the status
        try:
            start = json.loads(start)
        except ValueError:
            return None
    return start if isinstance(start, dict) else None


def public_output(ceremony_id: str, status: Any) -> dict[str, Any]:
    """The output with the reason that is told outside: every rejection looks alike, and so does every refusal."""
    output = output_of(ceremony_id, status)
    outcome = Outcome(output["outcome"])
    completed = outcome is Outcome.COMPLETED
    # The id of a sign-in for an application is its code: who holds that learns from the tokens who it is, by the subject that
    # is for them, and by no name and no id of ours.
    told = completed and output.get("authorization") is None
    return {
        "v": 1,
        "kind": output["kind"],
        "outcome": outcome,
        "reason": public_reason(outcome),
        "person": output["person"] if told else None,
        "credential_id": output["credential_id"] if told else None,
        # Nothing of what the service asks itself later: mediation, user verification, the proof key's challenge. Nor an unknown credential's id: who proves themselves may ask for the latter.
        "step_up": output.get("step_up", False) if completed else None,
        "retry_after_seconds": output["retry_after_seconds"],
        "at": output["at"],
    }


def instant(at: datetime | None) -> str | None:
    """RFC 3339 in UTC; the SDK's times may be in any zone."""
    return (
        None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
