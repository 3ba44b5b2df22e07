"""The ceremonies over HTTP: start one, follow it, answer it, cancel it.

Each function takes every method of its route and answers 405 itself. Whoever holds an id may see and cancel that one
ceremony, and nothing else; answering it takes the proof key as well, if it was started with one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.audit import shard_name
from passkeys.authorization import Authorization, AuthorizationRefused, authorization_of
from passkeys.ceremony import Kind, Outcome, Stage, kind_of, new_ceremony_id
from passkeys.errors import MalformedResponse
from passkeys.proof import is_code_challenge
from passkeys.response import (
    AuthenticationResponse,
    RegistrationResponse,
    parse_authentication_response,
    parse_registration_response,
)
from passkeys.tickets import digest_of, find_ticket
from passkeys.usernames import MAX_USERNAME, token_of
from passkeys.world import World
from starters.answers import RETRY_AFTER_SECONDS, by_method, json_response
from starters.backlog import FULL_RETRY_AFTER_SECONDS, is_full
from starters.bearer import has_token, right_of_token
from starters.correlation import audited
from starters.leavers import leave_if_refused
from starters.limits import limits_for
from starters.oauth import OAuthError
from starters.problems import RefusedError
from starters.redeeming import redeemer_of
from starters.requests import ceremony_id, json_object, network_of, number, one_of
from starters.sessions import CONDITIONAL, demand_proof, session_of
from starters.views import (
    links,
    output_of,
    public_custom_status,
    start_of,
    status_path,
    status_response,
)
from starters.waiting import (
    ANSWER_WAIT_SECONDS,
    CANCEL_WAIT_SECONDS,
    MAX_POLL_WAIT_SECONDS,
    START_WAIT_SECONDS,
    is_finished,
    stage_of,
    status_when,
)

ORCHESTRATORS: Mapping[Kind, str] = {
    Kind.REGISTRATION: "register_passkey",
    Kind.AUTHENTICATION: "authenticate_passkey",
    Kind.RECOVERY: "recover_account",
}
_PARSERS: Mapping[Kind, Callable[[object], RegistrationResponse | AuthenticationResponse]] = {
    Kind.REGISTRATION: parse_registration_response,
    Kind.AUTHENTICATION: parse_authentication_response,
    Kind.RECOVERY: parse_authentication_response,  # it is answered as a sign-in is
}
RESPONSE_EVENT = "authenticator_response"
CANCEL_EVENT = "cancel"
_MODAL = "modal"
MEDIATIONS = (_MODAL, CONDITIONAL)
MAX_TICKET_LENGTH = 256


async def registrations(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /registrations: start a registration, for who holds an enrolment ticket, a fresh session, or an issuer's token."""

    async def post() -> HttpResponse:
        body = json_object(req)
        ticket, mediation, code_challenge = body.get("ticket"), _mediation(body), code_challenge_of(body)
        by_token = has_token(world, req)
        by_session = "authorization" in req.headers and not by_token
        if "authorization" in req.headers and ticket is not None:
            raise RefusedError("request_malformed", "Send a `ticket` or an Authorization header, not both.")
        # Who holds a ticket, or a token, has not shown who they are here: what is made without a prompt is for who just has.
        if mediation == CONDITIONAL and not (by_session and world.settings.conditional_create):
            raise RefusedError("conditional_create_off")
        if by_token:
            right = await right_of_token(world, req, body.get("issuer"))
        elif by_session:
            right = await _right_of_session(world, req, client)
        else:
            right = await _right_of_ticket(world, ticket)
        return await start_ceremony(
            world, req, client, Kind.REGISTRATION, mediation=mediation, code_challenge=code_challenge, **right
        )

    return await by_method(req, {"POST": post})


async def _right_of_ticket(world: World, ticket: object) -> dict[str, Any]:
    """Who may register by this ticket, and by what right. Raises RefusedError."""
    if not isinstance(ticket, str) or not 0 < len(ticket) <= MAX_TICKET_LENGTH:
        raise RefusedError("request_malformed", "`ticket` is the text of an enrolment ticket.")
    digest = digest_of(ticket)
    found = await find_ticket(world.store, digest, now=world.clock())
    if found is None:  # unknown, expired and used ones look alike
        raise RefusedError("ticket_invalid")
    return {"person": found.person, "ticket": digest, "recovery": found.recovery}


async def _right_of_session(world: World, req: HttpRequest, client: Any) -> dict[str, Any]:
    """Who may register by this session, and by what right. Raises RefusedError."""
    session = await session_of(world, req, client, fresh=True)
    return {
        "person": session.person,
        "session": session.ceremony_id,
        "session_credential": session.credential_id,
        "session_at": session.at.isoformat(),
    }


async def authentications(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /authentications: start a sign-in, with a user name or without."""

    async def post() -> HttpResponse:
        body = json_object(req)
        username, code_challenge = _username(body), code_challenge_of(body)
        try:
            authorization = authorization_of(world.applications, body, code_challenge=code_challenge)
        except AuthorizationRefused as refused:
            raise RefusedError(refused.code, refused.detail) from None
        return await start_ceremony(
            world,
            req,
            client,
            Kind.AUTHENTICATION,
            mediation=_mediation(body),
            code_challenge=code_challenge,
            authorization=authorization,
            # The name itself goes no further: what is typed there is often a password.
            username=None if username is None else token_of(await world.decoy_key(), username),
        )

    return await by_method(req, {"POST": post})


async def ceremony(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /ceremonies/{id}: the status contract, held back up to `wait` seconds. DELETE: cancel."""

    async def get() -> HttpResponse:
        found = ceremony_id(req)
        wait = number(req, "wait", default=0, lowest=0, highest=MAX_POLL_WAIT_SECONDS)
        after = one_of(req, "after", tuple(Stage))

        def moved_on(status: Any) -> bool:
            return after is not None and stage_of(status) not in (None, after)

        status = _known(await status_when(client, found, moved_on, seconds=wait))
        await leave_if_refused(world, client, found, status)  # it may have ended behind the answer's own wait
        return status_response(found, status)

    async def delete() -> HttpResponse:
        found = ceremony_id(req)
        status = await _raise_event(client, found, CANCEL_EVENT, {"by": "holder"})
        if status is None:
            status = _known(await status_when(client, found, is_finished, seconds=CANCEL_WAIT_SECONDS))
        if is_finished(status) and output_of(found, status)["outcome"] != Outcome.CANCELED:
            raise RefusedError("ceremony_finished")  # it ended otherwise before the cancellation reached it
        return status_response(found, status)

    return await by_method(req, {"GET": get, "DELETE": delete})


async def ceremony_response(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """POST /ceremonies/{id}/response: hand the authenticator's answer over, and wait a while for the outcome."""

    async def post() -> HttpResponse:
        found = ceremony_id(req)
        kind = kind_of(found)
        assert kind is not None  # ceremony_id has seen to it
        shown = req.headers.get("authorization", "")
        response = json_object(req)
        try:
            at_once = one_of(req, "redeem", ("true",)) and await redeemer_of(world, req, client, found)
        except OAuthError as refused:
            return refused.response()
        status = await hand_over(client, found, kind, response, authorization=shown)
        await leave_if_refused(world, client, found, status)
        return await at_once.response(status) if at_once else status_response(found, status)

    return await by_method(req, {"POST": post})


async def hand_over(client: Any, found: str, kind: Kind, response: object, *, authorization: str = "") -> Any:
    """Give the ceremony the authenticator's answer; its status as soon as it has ended, or after a while.

    `authorization`: the header by which its starter proves themselves. Raises RefusedError: response_malformed and
    proof_required, which burn nothing; ceremony_unknown, ceremony_finished.
    """
    try:
        answer = _PARSERS[kind](response)
    except MalformedResponse as malformed:
        raise RefusedError("response_malformed", str(malformed)) from None
    # A recovery is answered by another than who has started it, and that is what it is for.
    if kind is not Kind.RECOVERY:
        await _demand_starter(client, found, authorization)
    # Only what verification uses goes on: client extension results may hold secrets, and the task hub is at rest.
    if await _raise_event(client, found, RESPONSE_EVENT, answer.to_json()) is not None:
        raise RefusedError("ceremony_finished")
    return _known(await status_when(client, found, is_finished, seconds=ANSWER_WAIT_SECONDS))


async def _demand_starter(client: Any, found: str, authorization: str) -> None:
    """See that who answers is who started, where the start said how to tell. Raises RefusedError."""
    status = _known(await client.get_status(found, show_input=True))
    if is_finished(status):
        raise RefusedError("ceremony_finished")
    start = start_of(status)
    # What cannot be read proves nobody: closed, not open.
    code_challenge = None if start is None else start.get("code_challenge")
    if start is None or code_challenge is not None:
        demand_proof(authorization, found, code_challenge)


def _mediation(body: Mapping[str, Any]) -> str:
    """What the client is about to do, as it says now: the ceremony remembers it. Raises RefusedError."""
    mediation: object = body.get("mediation", _MODAL)
    if not isinstance(mediation, str) or mediation not in MEDIATIONS:
        raise RefusedError("request_malformed", f"`mediation` is one of: {', '.join(MEDIATIONS)}.")
    return mediation


def _username(body: Mapping[str, Any]) -> str | None:
    """The name as it was typed, if it was. Raises RefusedError, for what no name can be, whoever is known."""
    username: object = body.get("username")
    if username is None:
        return None
    if not isinstance(username, str) or not 1 <= len(username) <= MAX_USERNAME:
        raise RefusedError("request_malformed", f"`username` is a text of 1 to {MAX_USERNAME} characters.")
    return username


def code_challenge_of(body: Mapping[str, Any]) -> str | None:
    """The client's proof key, if it has one. Raises RefusedError."""
    code_challenge: str | None = body.get("code_challenge")
    if code_challenge is not None and not is_code_challenge(code_challenge):
        raise RefusedError(
            "request_malformed",
            "`code_challenge` is the SHA-256 of the code_verifier in base64url, unpadded.",
        )
    return code_challenge


async def open_ceremony(
    world: World,
    req: HttpRequest,
    client: Any,
    kind: Kind,
    *,
    person: str | None = None,
    ticket: str | None = None,
    mediation: str | None = None,
    code_challenge: str | None = None,
    username: str | None = None,
    session: str | None = None,
    session_credential: str | None = None,
    session_at: str | None = None,
    recovery: str | None = None,
    token: str | None = None,
    identity: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    wishes: Mapping[str, Any] | None = None,
    authorization: Authorization | None = None,
    limits: Sequence[Mapping[str, Any]] = (),
    deadline_seconds: int | None = None,
) -> tuple[str, Any]:
    """Start the orchestration, and wait briefly for its options: the ceremony's id, and its status or nothing yet.

    What is not said is null: see the input in orchestrators/ceremony.py. `limits` are asked beside those of every start;
    `deadline_seconds` is the kind's own, where it has one. Raises RefusedError: audit_full before anything began, and for a
    ceremony that ended before it had options.
    """
    settings = world.settings
    if await is_full(world, client):
        raise RefusedError("audit_full", headers={"Retry-After": str(FULL_RETRY_AFTER_SECONDS)})
    started = new_ceremony_id(kind, world.random_bytes)
    network = network_of(req, hops=settings.forwarded_hops)
    request = {
        "v": 1,
        "kind": kind.value,
        "ceremony_id": started,
        "person": person,
        "ticket": ticket,
        "network": network,
        "deadline_seconds": deadline_seconds or settings.ceremony_seconds,
        "limits": [
            *limits,
            *limits_for(settings, ceremony_id=started, network=network, person=person, username=username),
        ],
        "audit_shard": shard_name(started, settings.audit_shards),
        "audit": audited(world),
        "mediation": mediation,
        "code_challenge": code_challenge,
        "username": username,
        "session": session,
        "session_credential": session_credential,
        "session_at": session_at,
        "recovery": recovery,
        "token": token,
        "identity": identity,
        "details": details,
        "wishes": wishes,
        "client_id": authorization.client_id if authorization else None,
        "authorization": authorization.to_members() if authorization else None,
    }
    await client.start_new(ORCHESTRATORS[kind], started, request)

    def has_options(status: Any) -> bool:
        return stage_of(status) not in (None, Stage.ADMITTING, Stage.CHALLENGING)

    status = await status_when(client, started, has_options, seconds=START_WAIT_SECONDS, started=True)
    if status and is_finished(status):
        _refuse_unless_open(output_of(started, status))
    return started, status


async def start_ceremony(
    world: World, req: HttpRequest, client: Any, kind: Kind, **said: Any
) -> HttpResponse:
    """Open a ceremony, and answer with its options if they are there, so that the usual client needs one round trip."""
    started, status = await open_ceremony(world, req, client, kind, **said)
    shown = public_custom_status(status.custom_status) if status else None
    body: dict[str, Any] = {"id": started, "kind": kind.value}
    if shown is not None:
        body["status"] = {name: shown[name] for name in ("v", "stage")}
        body |= {name: shown[name] for name in ("publicKey", "expiresAt") if name in shown}
    headers = {"Location": status_path(started), "Retry-After": str(RETRY_AFTER_SECONDS)}
    return json_response({**body, **links(started)}, status=202, headers=headers)


def _refuse_unless_open(output: Mapping[str, Any]) -> None:
    """A ceremony that ended before it had options: say why, since nobody can answer it."""
    if output["outcome"] == Outcome.RATE_LIMITED:
        raise RefusedError("rate_limited", headers={"Retry-After": str(output["retry_after_seconds"])})
    if output["outcome"] == Outcome.FAILED:
        raise RefusedError("unavailable", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


async def _raise_event(client: Any, found: str, name: str, data: Mapping[str, Any]) -> Any | None:
    """Raise the event; None when it was accepted, the status when the ceremony had ended already.

    Raises RefusedError(ceremony_unknown), and whatever the client raised when the ceremony is there and running.
    """
    try:
        await client.raise_event(found, name, data)
    except Exception:  # the SDK tells unknown (404) from finished (410) by text alone: look instead
        status = _known(await client.get_status(found))
        if not is_finished(status):
            raise
        return status
    return None


def _known(status: Any) -> Any:
    """The status of an instance that the task hub knows. Raises RefusedError(ceremony_unknown)."""
    if not status:  # falsy, never None
        raise RefusedError("ceremony_unknown")
    return status
