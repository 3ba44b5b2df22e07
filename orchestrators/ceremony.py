"""The one shape of every ceremony: admission and challenge, the wait, verification and claims, the record.

Obligations of this file, because it runs again from the top at every episode:
1. The same history gives the same calls in the same order. No I/O, no chance, no clock but `current_utc_datetime`.
2. Hops that may run side by side do: each round trip through the task hub costs a person a tenth of a second.
3. Verdicts count in the order of the table in `passkeys/ceremony.py`, whatever order they arrived in.
4. Each event name is waited for once; the timer that lost is cancelled before the next yield.
5. Whatever the outcome, one signal to the audit log, in the same episode as the output.

A change to the calls or to their order needs a new orchestrator name; recorded histories in tests/orchestrators catch it.

Input: {"v", "kind", "ceremony_id", "person", "ticket", "network", "deadline_seconds", "limits", "audit_shard"} and, each of
them null or, in an instance that began before there was such a member, absent:
    mediation           "modal" | "conditional": what the client was told to do, as the start said it
    code_challenge      what the start was given to prove itself by, later (passkeys/proof.py)
    username            the token of the name that a sign-in began with (passkeys/usernames.py)
    session             the ceremony whose session authorized a registration
    session_credential  the credential that it was made with
    session_at          when that ceremony ended
    details             what is being approved; shown to whoever holds the id
    recovery            the recovery that the ticket was issued for
    token               the digest of the access token that authorized a registration (passkeys/access_tokens.py)
    identity            whose it was: {"issuer", "tenant", "subject", "client"}
    client_id           the application that it is for, and `authorization`, what that may redeem (passkeys/authorization.py)
    wishes              what the conformance door was asked to offer; no other start has any (passkeys/conformance.py)
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.durable_functions import DurableOrchestrationContext, EntityId

from orchestrators.steps import DependencyError, Json, Step, all_of, give_back, instant, take_from_limits
from passkeys.acts import Leaving
from passkeys.audit import canonical
from passkeys.ceremony import FIRST_STAGE, Event, Outcome, State, advance
from passkeys.errors import RejectionCode

RESPONSE_EVENT = "authenticator_response"
CANCEL_EVENT = "cancel"

# A custom status of more than 16 KiB in UTF-16 fails the instance, without an outcome and without a record. Options that
# long are for the activity to prevent; here they end the ceremony as `failed`, on the record.
MAX_OPTIONS = 7_500
# What verification may tell the audit beside its verdict, in bytes: an entry has 16 KiB, and must be recorded.
MAX_FACTS = 4_096
# What the activities learn of the start, where it was said. Not the proof key: it is for who asks afterwards.
_TOLD = ("ceremony_id", "person", "username", "mediation", "details", "wishes")
# What the audit learns of the start, where it was said. Not the user name's token: it tells an auditor nothing.
_RECORDED = ("mediation", "session", "identity", "recovery", "details", "client_id")


def _new_credential(request: Json, answer: Json, verdict: Json) -> Json:  # noqa: ARG001 -- the verdict holds all of it
    """A credential, and the right by which it may be: a ticket, a session, or a token."""
    right = {
        "ticket": request["ticket"],
        **_said(request, ("session", "session_credential", "session_at", "token", "identity")),
    }
    return {**_said(request, _TOLD), **right, "credential": verdict["credential"]}


@dataclass(frozen=True, slots=True)
class Activities:
    """What differs between kinds: the activities' names, and what is put into them and read from their results."""

    issue: str
    verify: str
    record: str | None  # None: the verification itself records the use of the credential
    # What is recorded, of the ceremony's input, of what was verified, and of the verdict.
    to_record: Callable[[Json, Json, Json], Json] = _new_credential


class _Progress:
    """Where the ceremony is, what it has shown, and what it will leave behind."""

    def __init__(self, context: DurableOrchestrationContext, request: Mapping[str, Any]) -> None:
        self.context = context
        self.state: State = FIRST_STAGE
        self.started_at = instant(context.current_utc_datetime)
        self.stages: list[list[str]] = [[FIRST_STAGE.value, self.started_at]]
        # What is known of the answer so far. Only a verified one says anything about person and credential.
        self.facts: Json = {"person": request["person"], "credential_id": None, "clone_suspected": False}
        self.told: Json = {}  # what verification told beside its verdict, for the audit
        self.reason: str | None = None
        self.unknown_credential_id: str | None = None
        self.step_up = False
        self.user_verified = False
        self.retry_after_seconds: int | None = None
        self.display_name: str | None = None
        self.refused_person: str | None = None
        context.set_custom_status({"v": 1, "stage": self.state.value})

    def move(self, event: Event, **shown: object) -> State:
        """Take the move of the table, note its time, and show the new state. Raises IllegalMove."""
        self.state = advance(self.state, event)
        self.stages.append([self.state.value, instant(self.context.current_utc_datetime)])
        self.context.set_custom_status({"v": 1, "stage": self.state.value, **shown})
        return self.state


def ceremony(context: DurableOrchestrationContext, activities: Activities) -> Step:
    """Run one ceremony to its outcome; returns the output, and leaves one entry in the audit log."""
    request: Json = context.get_input()
    progress = _Progress(context, request)
    try:
        yield from _steps(context, activities, request, progress)
    except DependencyError:
        progress.reason = Event.DEPENDENCY_FAILED.value
        progress.move(Event.DEPENDENCY_FAILED)
    output = _output(request, progress)
    context.signal_entity(
        EntityId("audit_log", request["audit_shard"]),
        "record",
        _audit_entry(request, progress, output),
    )
    return output


def _steps(
    context: DurableOrchestrationContext, activities: Activities, request: Json, progress: _Progress
) -> Step:
    """The sequence itself: every move of the table, once, in the table's order."""
    expires_at = context.current_utc_datetime.astimezone(UTC) + timedelta(seconds=request["deadline_seconds"])

    challenge = {**_said(request, _TOLD), "deadline_seconds": request["deadline_seconds"]}
    *admissions, issued = yield from all_of(
        context,
        [*take_from_limits(context, request["limits"]), context.call_activity(activities.issue, challenge)],
    )
    if not all(admission["admitted"] for admission in admissions):
        progress.retry_after_seconds = max(admission["retry_after_seconds"] for admission in admissions)
        give_back(context, request["limits"], admissions)
        return progress.move(Event.LIMIT_REACHED)
    progress.move(Event.ADMITTED)
    options, details = issued["publicKey"], _said(request, ("details",))
    if len(json.dumps(options)) + (len(json.dumps(details)) if details else 0) > MAX_OPTIONS:
        raise DependencyError("the options do not fit the custom status")
    progress.move(Event.CHALLENGE_ISSUED, publicKey=options, expiresAt=instant(expires_at), **details)

    event, response = yield from _first_event(context, expires_at)
    progress.move(event)
    if event is not Event.ANSWERED:
        return progress.state

    answer = {**_said(request, _TOLD), "publicKey": options, "response": response}
    verdict, claims = yield from all_of(
        context,
        [
            context.call_activity(activities.verify, answer),
            context.call_activity("resolve_claims", _whose_claims(request, response)),
        ],
    )
    progress.told = _recordable(verdict.get("facts", {}))
    event, progress.reason = _judge(verdict, claims, progress)
    if progress.reason == RejectionCode.CREDENTIAL_UNKNOWN:
        progress.unknown_credential_id = response["rawId"]  # as verification has read it and looked it up
    progress.move(event)
    if event is not Event.CLAIMS_RESOLVED:
        return progress.state

    if activities.record is not None:
        record = activities.to_record(request, answer, verdict)
        (recording,) = yield from all_of(context, [context.call_activity(activities.record, record)])
        if not recording["recorded"]:
            progress.reason = recording["reason"]
            return progress.move(Event.RECORDING_REFUSED)
    return progress.move(Event.RECORDED)


def _first_event(context: DurableOrchestrationContext, expires_at: datetime) -> Step:
    """What ends the wait: (ANSWERED, the response), (CANCELED, {}) or (DEADLINE_PASSED, {})."""
    answer = context.wait_for_external_event(RESPONSE_EVENT)
    cancel = context.wait_for_external_event(CANCEL_EVENT)
    deadline = context.create_timer(expires_at)
    first = yield context.task_any([answer, cancel, deadline])
    if first is not deadline:
        deadline.cancel()
    # An answer that was accepted in time and reached us late, after an outage, is late: the challenge is dead.
    if first is deadline or context.current_utc_datetime >= expires_at:
        return Event.DEADLINE_PASSED, {}
    return (Event.CANCELED, {}) if first is cancel else (Event.ANSWERED, _event_object(answer.result))


def _judge(verdict: Json, claims: Json, progress: _Progress) -> tuple[Event, str | None]:
    """The two verdicts that arrived together, told in the table's order: claims count only after verification's yes."""
    if not verdict["verified"]:
        return Event.NOT_VERIFIED, verdict["reason"]
    progress.move(Event.VERIFIED)
    progress.facts = {
        "person": verdict["person"],
        "credential_id": _credential_id(verdict),
        "clone_suspected": verdict.get("clone_suspected", False),
    }
    progress.step_up = verdict.get("step_up", False)
    # A new credential's verdict says it of the credential.
    progress.user_verified = verdict.get("credential", verdict).get("user_verified", False)
    reason = _refusal(verdict, claims)
    if reason is not None:
        # Who has proved themselves by a passkey that they had before, and may not: their access is to end.
        known = "credential" not in verdict and claims["person"] == verdict["person"]
        progress.refused_person = verdict["person"] if known and reason in set(Leaving) else None
        return Event.CLAIMS_REFUSED, reason
    progress.display_name = claims["display_name"]
    return Event.CLAIMS_RESOLVED, None


def _said(request: Json, names: Sequence[str]) -> Json:
    """The members of the input with these names, as far as the start has said them."""
    return {name: request[name] for name in names if request.get(name) is not None}


def _recordable(facts: Json) -> Json:
    """`facts` if an entry can hold them, else none: an entry that cannot be recorded would be a ceremony without one."""
    try:
        return facts if len(canonical(facts)) <= MAX_FACTS else {}
    except ValueError:
        return {}


def _whose_claims(request: Json, response: Json) -> Json:
    """By person where the ceremony began with one; else by the credential, whose owner the activity finds itself."""
    if request["person"] is not None:
        return {"person": request["person"], "credential_id": None}
    return {"person": None, "credential_id": response.get("id")}


def _credential_id(verdict: Json) -> str:
    found: str = (
        verdict["credential"]["credential_id"] if "credential" in verdict else verdict["credential_id"]
    )
    return found


def _refusal(verdict: Json, claims: Json) -> str | None:
    """Why the claims do not count, or None: they are those of the verified person, who is active."""
    if claims["status"] != "active":
        return f"person_{claims['status']}"
    return None if claims["person"] == verdict["person"] else "person_mismatch"


def _event_object(data: object) -> Json:
    """The event's data: JSON text when it came through the SDK's client, parsed when raised over HTTP."""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            data = None
    return data if isinstance(data, dict) else {}


def _output(request: Json, progress: _Progress) -> Json:
    done = progress.state is Outcome.COMPLETED
    return {
        "v": 1,
        "kind": request["kind"],
        "outcome": progress.state.value,
        "reason": progress.reason,
        "person": {"id": progress.facts["person"], "display_name": progress.display_name} if done else None,
        "credential_id": progress.facts["credential_id"] if done else None,
        "retry_after_seconds": progress.retry_after_seconds,
        "step_up": progress.step_up if done else False,
        "user_verified": progress.user_verified if done else False,
        "code_challenge": request.get("code_challenge"),
        "mediation": request.get("mediation"),
        **_said(request, ("authorization",)),
        **({"refused_person": progress.refused_person} if progress.refused_person else {}),
        "unknown_credential_id": progress.unknown_credential_id,
        "at": progress.stages[-1][1],
    }


def _audit_entry(request: Json, progress: _Progress, output: Json) -> Json:
    return {
        **progress.told,  # first: no fact stands in for a member of the entry
        **_recordable(_said(request, _RECORDED)),
        **request.get("audit", {}),
        "v": 1,
        "ceremony_id": request["ceremony_id"],
        "kind": request["kind"],
        "outcome": output["outcome"],
        "reason": output["reason"],
        **progress.facts,
        "network": request["network"],
        "started_at": progress.started_at,
        "stages": progress.stages,
        "at": output["at"],
    }
