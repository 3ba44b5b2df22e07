"""An app whose code changes between two runs: APP_VERSION chooses the body of each orchestrator."""

import os

import azure.durable_functions as df

app = df.DFApp()
CHANGED = os.environ.get("APP_VERSION") == "2"


@app.activity_trigger(input_name="payload")
def first(payload):
    return f"first {payload}"


@app.activity_trigger(input_name="payload")
def second(payload):
    return f"second {payload}"


@app.activity_trigger(input_name="payload")
def renamed(payload):
    return f"renamed {payload}"


@app.orchestration_trigger(context_name="context")
def child(context):
    return context.get_input()


@app.orchestration_trigger(context_name="context")
def renames(context):
    value = yield context.call_activity("renamed" if CHANGED else "first", 1)
    yield context.wait_for_external_event("go")
    return value


@app.orchestration_trigger(context_name="context")
def reorders(context):
    names = ["second", "first"] if CHANGED else ["first", "second"]
    values = []
    for name in names:
        values.append((yield context.call_activity(name, 1)))
    yield context.wait_for_external_event("go")
    return values


@app.orchestration_trigger(context_name="context")
def changes_kind(context):
    if CHANGED:
        yield context.create_timer(context.current_utc_datetime)
    else:
        yield context.call_activity("first", 1)
    yield context.wait_for_external_event("go")


@app.orchestration_trigger(context_name="context")
def changes_child(context):
    if CHANGED:
        yield context.call_activity("first", 1)
    else:
        yield context.call_sub_orchestrator("child", 1)
    yield context.wait_for_external_event("go")


@app.orchestration_trigger(context_name="context")
def drops_a_call(context):
    if not CHANGED:
        yield context.call_activity("first", 1)
    yield context.wait_for_external_event("go")


@app.orchestration_trigger(context_name="context")
def appends_a_call(context):
    value = yield context.call_activity("first", 1)
    yield context.wait_for_external_event("go")
    if CHANGED:
        value = yield context.call_activity("second", value)
    return value


@app.orchestration_trigger(context_name="context")
def changes_an_input(context):
    value = yield context.call_activity("first", 2 if CHANGED else 1)
    yield context.wait_for_external_event("go")
    return value


@app.orchestration_trigger(context_name="context")
def changes_the_case(context):
    value = yield context.call_activity("FIRST" if CHANGED else "first", 1)
    yield context.wait_for_external_event("go")
    return value
