"""One HTTP function for each way of using the durable client: by name, the check-status responses, the binding."""

import json
from datetime import datetime

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions.models.DurableOrchestrationStatus import DurableOrchestrationStatus

import activities

blueprint = df.Blueprint()


def entity_id(pair):
    return df.EntityId(*pair)


def instant(text):
    return datetime.fromisoformat(text)


def statuses(names):
    return [df.OrchestrationRuntimeStatus(name) for name in names]


ARGUMENTS = {
    "entityId": entity_id,
    "created_time_from": instant,
    "created_time_to": instant,
    "runtime_status": statuses,
}


def as_json(value):
    """Whatever a client operation returns, as JSON."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, DurableOrchestrationStatus):
        known = {
            "exists": bool(value),
            "name": value.name,
            "instance_id": value.instance_id,
            "runtime_status": value.runtime_status.name if value.runtime_status else None,
            "input": value.input_,
            "output": value.output,
            "custom_status": value.custom_status,
            "created_time": value.created_time.isoformat() if value.created_time else None,
            "history": value.history,
        }
        return {**known, "historyEvents": getattr(value, "historyEvents", None)}
    if hasattr(value, "instances_deleted"):
        return value.instances_deleted
    if hasattr(value, "entity_exists"):
        return {"exists": value.entity_exists, "state": value.entity_state}
    if isinstance(value, func.HttpResponse):
        return {
            "status": value.status_code,
            "headers": dict(value.headers),
            "body": value.get_body().decode("utf-8"),
        }
    return value


@blueprint.route(route="client/{operation}", methods=["POST"])
@blueprint.durable_client_input(client_name="client")
async def call_client(req: func.HttpRequest, client) -> func.HttpResponse:
    """Call one operation of the durable client; answers {"value"} or {"raised", "text"}."""
    given = req.get_json()
    named = {name: ARGUMENTS.get(name, lambda value: value)(value) for name, value in given["kwargs"].items()}
    try:
        value = await getattr(client, req.route_params["operation"])(*given["args"], **named)
        answer = {"value": as_json(value)}
    except Exception as error:
        answer = {"raised": type(error).__name__, "text": str(error)}
    return func.HttpResponse(json.dumps(answer), mimetype="application/json")


@blueprint.route(route="responses/{kind}/{id}", methods=["GET"])
@blueprint.durable_client_input(client_name="client")
async def check_status(req: func.HttpRequest, client) -> func.HttpResponse:
    """The SDK's own check-status responses, unchanged."""
    instance_id = req.route_params["id"]
    if req.route_params["kind"] == "check":
        return client.create_check_status_response(req, instance_id)
    if req.route_params["kind"] == "payload":
        links = client.create_http_management_payload(instance_id)
        return func.HttpResponse(json.dumps(links), mimetype="application/json")
    return await client.wait_for_completion_or_create_check_status_response(
        req, instance_id, int(req.params["timeout"]), 50
    )


@blueprint.route(route="binding", methods=["GET"])
@blueprint.generic_input_binding(arg_name="client", type="durableClient")
async def binding_text(req: func.HttpRequest, client) -> func.HttpResponse:
    """The text that the durable client binding hands over, unchanged."""
    return func.HttpResponse(str(client), mimetype="application/json")


@blueprint.route(route="journal/{key}", methods=["GET"])
async def read_journal(req: func.HttpRequest) -> func.HttpResponse:
    """What the `note` activity wrote under a key: [[value, seconds], ...]."""
    return func.HttpResponse(
        json.dumps(activities.journal.get(req.route_params["key"], [])), mimetype="application/json"
    )
