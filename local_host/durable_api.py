"""The Durable extension's HTTP API, as a table of handlers over the engine.

The same table serves the SDK's client (RPC listener, no key) and operators (public webhooks, system key). Handlers know
neither sockets nor keys: a `Call` goes in, an `Answer` comes out.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from local_host.client_binding import INSTANCE_ID, Site, management_links
from local_host.durable_requests import (
    CONTINUATION,
    BadRequest,
    Call,
    compact_json,
    entity_key,
    flag,
    instance_filter,
    instant,
    is_json,
    json_text,
    page_size,
    plain_text,
    wait_seconds,
)
from local_host.engine import Engine
from local_host.log import Log
from local_host.model import ACTIVE, FINISHED, EngineError, Instance
from local_host.views import entity_entry, history_view, status_text

JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
# How long a settled status read may take: longer than any step of a lean app, shorter than anyone's patience.
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, ready to send."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Api:
    """What the handlers need. `links` is the text of every instance's links with INSTANCEID in the place of its id."""

    engine: Engine
    site: Site
    log: Log
    settled_reads: bool
    default_version: str
    # The JSON before and after the id. Hidden in a repr: it holds the key.
    links: tuple[str, str] = field(repr=False)


def make_api(engine: Engine, site: Site, log: Log, *, settled_reads: bool, default_version: str = "") -> Api:
    """The API of one engine at one site."""
    text = json.dumps(management_links(site, INSTANCE_ID))
    head, tail = text.split(json.dumps(INSTANCE_ID), 1)
    return Api(engine, site, log, settled_reads, default_version, (head, tail))


async def handle(api: Api, call: Call) -> Answer:
    """Answer one call. Never raises for what a caller or the engine does: that is a status and an error body."""
    handler = HANDLERS.get((call.method, shape(call.parts)))
    if handler is None:
        return Answer(404)
    try:
        _check_hub(api, call.query.get("taskhub"))
        return await handler(api, call)
    except BadRequest as error:
        return error_answer(400, "System.ArgumentException", str(error))
    except EngineError as error:
        if error.http_status in {404, 410}:
            return Answer(error.http_status)
        kind = "System.ArgumentException" if error.http_status == 400 else "System.InvalidOperationException"
        return error_answer(error.http_status, kind, str(error))
    except Exception as error:  # noqa: BLE001 -- the boundary: the caller gets a 500, the operator the reason
        api.log.error(  # noqa: TRY400 -- our own log
            "durable_api_failed", error=error, method=call.method, path="/".join(call.parts[:1])
        )
        return error_answer(
            500, "System.Exception", "The host failed to process the request. Its log has the reason."
        )


def _check_hub(api: Api, hub: str | None) -> None:
    if hub and hub.lower() != api.site.hub_name.lower():
        raise BadRequest(f"This host has one task hub, {api.site.hub_name}; there is none named {hub}.")


def error_answer(status: int, kind: str, message: str) -> Answer:
    """The extension's error body. No stack: it would tell strangers about the machine."""
    body = {
        "Message": "Something went wrong while processing your request",
        "ExceptionMessage": message,
        "ExceptionType": kind,
        "StackTrace": "",
    }
    return _json(status, body)


def shape(parts: tuple[str, ...]) -> str:
    """The path with every name replaced by a star: the key of the handler table."""
    match parts:
        case (collection,):
            return collection.lower()
        case (collection, _):
            return collection.lower() + "/*"
        case ("instances", _, operation):
            return "instances/*/" + operation.lower()
        case (collection, _, operation):
            return collection.lower() + (
                "/*/" + operation.lower() if collection.lower() == "instances" else "/*/*"
            )
        case (collection, _, operation, _):
            return f"{collection.lower()}/*/{operation.lower()}/*"
    return ""


# --- starting -----------------------------------------------------------------------------------------------------------


async def start(api: Api, call: Call) -> Answer:
    """POST orchestrators/{name}[/{id}]: 202 with links, or, with timeout and pollingInterval, the outcome."""
    name = call.parts[1]
    instance_id = call.parts[2] if len(call.parts) > 2 else None
    wait_s = wait_seconds(call)
    version = call.query.get("version", api.default_version)
    started = await api.engine.start_instance(name, instance_id, json_text(call.body), version=version)
    if wait_s is not None:
        await api.engine.wait_finished(started, wait_s)
        instance = api.engine.get_instance(started)
        if instance is not None and instance.status == "Completed":
            return Answer(200, (instance.output or "null").encode(), JSON_HEADERS)
        if instance is not None and instance.status in FINISHED:
            return _status_answer(api, call, instance)
    return _accepted(api, started)


def _accepted(api: Api, instance_id: str) -> Answer:
    quoted = quote(instance_id, safe="@:")
    head, tail = api.links
    tail = tail.replace(INSTANCE_ID, quoted)
    location = f"{api.site.public_url}/runtime/webhooks/durabletask/instances/{quoted}"
    query = f"?taskHub={api.site.hub_name}&connection=Storage&code={quote(api.site.key, safe='')}"
    headers = {**JSON_HEADERS, "Location": location + query, "Retry-After": "10"}
    return Answer(202, (head + json.dumps(instance_id) + tail).encode(), headers)


# --- one instance -------------------------------------------------------------------------------------------------------


async def get_status(api: Api, call: Call) -> Answer:
    """GET instances/{id}. On the RPC listener, with settled reads, after the work under way is done."""
    instance_id = call.parts[1]
    if api.settled_reads and call.url is None:
        await api.engine.settled(instance_id, SETTLE_S)
    instance = api.engine.get_instance(instance_id)
    return Answer(404) if instance is None else _status_answer(api, call, instance)


def _status_answer(api: Api, call: Call, instance: Instance) -> Answer:
    history = None
    if flag(call, "showhistory", default=False):
        events = api.engine.get_history(instance.instance_id)
        history = history_view(events, show_output=flag(call, "showhistoryoutput", default=False))
    text = status_text(instance, show_input=flag(call, "showinput", default=True), history=history)
    if instance.status in ACTIVE:
        if call.url is None or call.method != "GET":  # nobody polls the RPC listener by its links
            return Answer(202, text.encode(), {**JSON_HEADERS, "Retry-After": "5"})
        return Answer(202, text.encode(), {**JSON_HEADERS, "Location": call.url, "Retry-After": "5"})
    failed = instance.status == "Failed" and flag(call, "returninternalservererroronfailure", default=False)
    return Answer(500 if failed else 200, text.encode(), JSON_HEADERS)


async def raise_event(api: Api, call: Call) -> Answer:
    """POST instances/{id}/raiseEvent/{name}: the body, which must be JSON, becomes the event's data."""
    if not is_json(call.content_type):
        raise BadRequest("Only application/json request content is supported.")
    await api.engine.raise_event(call.parts[1], call.parts[3], compact_json(call.body) or "null")
    return Answer(202)


async def terminate(api: Api, call: Call) -> Answer:
    """POST instances/{id}/terminate?reason="""
    await api.engine.terminate(call.parts[1], call.query.get("reason", ""))
    return Answer(202)


async def suspend(api: Api, call: Call) -> Answer:
    """POST instances/{id}/suspend?reason="""
    await api.engine.suspend(call.parts[1], call.query.get("reason", ""))
    return Answer(202)


async def resume(api: Api, call: Call) -> Answer:
    """POST instances/{id}/resume?reason="""
    await api.engine.resume(call.parts[1], call.query.get("reason", ""))
    return Answer(202)


async def rewind(api: Api, call: Call) -> Answer:
    """POST instances/{id}/rewind?reason="""
    await api.engine.rewind(call.parts[1], call.query.get("reason", ""))
    return Answer(202)


async def restart(api: Api, call: Call) -> Answer:
    """POST instances/{id}/restart?restartWithNewInstanceId=true"""
    fresh = flag(call, "restartwithnewinstanceid", default=True)
    return _accepted(api, await api.engine.restart(call.parts[1], new_instance_id=fresh))


async def purge(api: Api, call: Call) -> Answer:
    """DELETE instances/{id}: whatever its status."""
    return _purged(await api.engine.purge(call.parts[1]))


# --- many instances -----------------------------------------------------------------------------------------------------


async def list_instances(api: Api, call: Call) -> Answer:
    """GET instances: one page, filtered; the next page's token is in the header."""
    instances, token = api.engine.list_instances(
        instance_filter(call), top=page_size(call), continuation=call.continuation or None
    )
    show_input = flag(call, "showinput", default=True)
    texts = (status_text(instance, show_input=show_input) for instance in instances)
    return _page("[" + ", ".join(texts) + "]", token)


async def purge_many(api: Api, call: Call) -> Answer:
    """DELETE instances?createdTimeFrom=…: finished ones only."""
    if not call.query.get("createdtimefrom"):
        raise BadRequest("Please provide value for 'createdTimeFrom' parameter.")
    return _purged(await api.engine.purge_where(instance_filter(call)))


def _purged(count: int) -> Answer:
    return _json(200, {"instancesDeleted": count}) if count else Answer(404)


def _page(text: str, token: str | None) -> Answer:
    return Answer(
        200, text.encode(), JSON_HEADERS if token is None else {**JSON_HEADERS, CONTINUATION: token}
    )


# --- entities -----------------------------------------------------------------------------------------------------------


async def read_entity(api: Api, call: Call) -> Answer:
    """GET entities/{name}/{key}: its state."""
    state = api.engine.read_entity(call.parts[1], entity_key(call))
    return Answer(404) if state is None else Answer(200, state.encode(), JSON_HEADERS)


async def signal_entity(api: Api, call: Call) -> Answer:
    """POST entities/{name}/{key}?op=…: the body is the operation's input, JSON or plain text."""
    text = compact_json(call.body) if not call.body or is_json(call.content_type) else plain_text(call.body)
    await api.engine.signal_entity(call.parts[1], entity_key(call), call.query.get("op", ""), text)
    return Answer(202)


async def delete_entity(api: Api, call: Call) -> Answer:
    """DELETE entities/{name}/{key}: the operation `delete`, which the entity's function has to know."""
    await api.engine.signal_entity(call.parts[1], entity_key(call), "delete", None)
    return Answer(202)


async def list_entities(api: Api, call: Call) -> Answer:
    """GET entities[/{name}]: one page; the state only with fetchState."""
    entities, token = api.engine.list_entities(
        call.parts[1] if len(call.parts) > 1 else None,
        updated_from=instant(call, "lastoperationtimefrom"),
        updated_to=instant(call, "lastoperationtimeto"),
        top=page_size(call),
        continuation=call.continuation or None,
    )
    with_state = flag(call, "fetchstate", default=False)
    return _page(json.dumps([entity_entry(entity, with_state=with_state) for entity in entities]), token)


def _json(status: int, value: object) -> Answer:
    return Answer(status, json.dumps(value).encode(), JSON_HEADERS)


Handler = Callable[[Api, Call], Awaitable[Answer]]
HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "orchestrators/*"): start,
    ("POST", "orchestrators/*/*"): start,
    ("GET", "instances"): list_instances,
    ("DELETE", "instances"): purge_many,
    ("GET", "instances/*"): get_status,
    ("DELETE", "instances/*"): purge,
    ("POST", "instances/*/raiseevent/*"): raise_event,
    ("POST", "instances/*/terminate"): terminate,
    ("POST", "instances/*/suspend"): suspend,
    ("POST", "instances/*/resume"): resume,
    ("POST", "instances/*/rewind"): rewind,
    ("POST", "instances/*/restart"): restart,
    ("GET", "entities"): list_entities,
    ("GET", "entities/*"): list_entities,
    ("GET", "entities/*/*"): read_entity,
    ("POST", "entities/*/*"): signal_entity,
    ("DELETE", "entities/*/*"): delete_entity,
}
