"""A sample app of HTTP triggers only: routes, methods, levels, bodies, answers, failures."""

import json
import os
import threading

import azure.functions as func
from bindings import Context

import entities

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(entities.blueprint)


def as_json(value, **options):
    return func.HttpResponse(json.dumps(value), mimetype="application/json", **options)


def told(req):
    """Everything the function can see of the request."""
    body = req.get_body()
    return {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "headers": dict(req.headers.items()),
        "body": body.decode("latin-1"),
        "length": len(body),
    }


@app.route(route="echo/{*rest}")
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    return as_json(told(req))


@app.route(route="sync/{name?}", methods=["GET"])
def sync(req: func.HttpRequest) -> func.HttpResponse:
    return as_json({"main_thread": threading.current_thread() is threading.main_thread(), **told(req)})


@app.route(route="length", methods=["POST"])
async def length(req: func.HttpRequest) -> func.HttpResponse:
    return as_json(len(req.get_body()))


@app.route(route="parsed", methods=["POST"])
async def parsed(req: func.HttpRequest) -> func.HttpResponse:
    try:
        return as_json(req.get_json())
    except ValueError:
        return func.HttpResponse("not JSON", status_code=400)


@app.route(route="form", methods=["POST"])
async def form(req: func.HttpRequest) -> func.HttpResponse:
    files = {name: file.read().decode("latin-1") for name, file in req.files.items()}
    return as_json({"form": dict(req.form), "files": files})


# One function for each constraint: the route names it, the answer shows the values.
CONSTRAINTS = {
    "int": "{x:int}",
    "bool": "{x:bool}",
    "datetime": "{x:datetime}",
    "decimal": "{x:decimal}",
    "double": "{x:double}",
    "float": "{x:float}",
    "guid": "{x:guid}",
    "long": "{x:long}",
    "alpha": "{x:alpha}",
    "regex": "{x:regex(^a+b$)}",
    "min": "{x:min(5)}",
    "max": "{x:max(5)}",
    "range": "{x:range(3,5)}",
    "length": "{x:length(3)}",
    "lengths": "{x:length(2,3)}",
    "minlength": "{x:minlength(3)}",
    "maxlength": "{x:maxlength(3)}",
    "required": "{x:required}",
    "chained": "{x:int:min(2):max(4)}",
    "optional": "{x?}",
    "optionalint": "{x:int?}",
    "default": "{x=seven}",
    "two": "{x}/{y:int}",
    "mixed": "file-{x}.{y}",
}


def add_constraint(name, template):
    async def constrained(req: func.HttpRequest) -> func.HttpResponse:
        return as_json(dict(req.route_params))

    constrained.__name__ = f"constraint_{name}"
    app.route(route=f"c/{name}/{template}", methods=["GET"])(constrained)


for constraint, template in CONSTRAINTS.items():
    add_constraint(constraint, template)


# Two routes that overlap: the function whose name comes first answers.
@app.route(route="overlap/{any}", methods=["GET"])
async def bbb_general(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("general")


@app.route(route="overlap/special", methods=["GET"])
async def ccc_special(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("special")


@app.route(route="verbs", methods=["GET"])
async def verbs_get(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("got")


@app.route(route="verbs", methods=["PUT", "DELETE"])
async def verbs_put(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.method)


@app.route(route="function-level", auth_level=func.AuthLevel.FUNCTION)
async def function_level(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")


@app.route(route="level-admin", auth_level=func.AuthLevel.ADMIN)
async def admin_level(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")


@app.route(route="switched-off")
async def switched_off(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")


@app.route(route="answers/{kind}")
async def answers(req: func.HttpRequest) -> func.HttpResponse:
    kind = req.route_params["kind"]
    if kind == "empty":
        return func.HttpResponse(status_code=204)
    if kind == "bytes":
        return func.HttpResponse(b"\x00\xff", mimetype="application/octet-stream")
    if kind == "text":
        return func.HttpResponse("žluť")
    if kind == "headers":
        return func.HttpResponse(
            "x", status_code=299, headers={"X-One": "1", "Location": "/else", "ETag": '"e"'}
        )
    if kind == "cookies":
        response = func.HttpResponse("x")
        response.headers.add("Set-Cookie", "one=1; Path=/; HttpOnly; SameSite=Strict; Secure")
        response.headers.add("Set-Cookie", "two=2; Max-Age=60; Domain=example.test")
        return response
    return func.HttpResponse("unknown", status_code=400)


@app.route(route="plain-text")
async def plain_text(req: func.HttpRequest) -> str:
    return "just text"


@app.route(route="raises")
async def raises(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("not for the caller: Password=hunter2")


@app.route(route="raises-sync")
def raises_sync(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("not for the caller")


@app.route(route="returns-none")
async def returns_none(req: func.HttpRequest) -> func.HttpResponse:
    return None


@app.route(route="returns-object")
async def returns_object(req: func.HttpRequest) -> func.HttpResponse:
    return object()


@app.route(route="context")
async def with_context(req: func.HttpRequest, context: Context) -> func.HttpResponse:
    names = ("function_name", "function_directory", "invocation_id")
    return as_json(
        {
            **{name: getattr(context, name) for name in names},
            "local": context.thread_local_storage is not None,
            "trace": hasattr(context, "trace_context"),
            "retry": hasattr(context, "retry_context"),
        }
    )


@app.function_name("renamed_function")
@app.route()
async def original_name(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("renamed")


@app.route(route="environment")
async def environment(req: func.HttpRequest) -> func.HttpResponse:
    names = (
        "WEBSITE_HOSTNAME",
        "AZURE_FUNCTIONS_ENVIRONMENT",
        "AzureWebJobsScriptRoot",
        "LOCAL_HOST_STATE",
        "FROM_SETTINGS",
        "FROM_BOTH",
    )
    return as_json({name: os.environ.get(name) for name in names})
