"""A small app to be killed: each activity writes to a file that it ran before it returns."""

import os
from datetime import timedelta

import azure.durable_functions as df

app = df.DFApp()


def wrote(line):
    """Append a line that survives the death of the process."""
    with open(os.environ["STEPS_FILE"], "a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


@app.activity_trigger(input_name="payload")
async def step(payload):
    wrote(payload)
    return f"{payload} done"


@app.orchestration_trigger(context_name="context")
def sequence(context):
    first = yield context.call_activity("step", f"{context.instance_id} one")
    second = yield context.call_activity("step", f"{context.instance_id} two")
    return [
        [first, second],
        [
            [int(event.event_type), event.event_id, getattr(event, "TaskScheduledId", None)]
            for event in context.histories
        ],
    ]


@app.orchestration_trigger(context_name="context")
def sleeper(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=context.get_input()))
    return (yield context.call_activity("step", f"{context.instance_id} woke"))


@app.orchestration_trigger(context_name="context")
def listener(context):
    context.set_custom_status("waiting")
    heard = yield context.wait_for_external_event("go")
    return heard


@app.orchestration_trigger(context_name="context")
def sender(context):
    """Signal the tally from a step of the sequence, then ask it."""
    tally = df.EntityId("tally", "shared")
    context.signal_entity(tally, "add", context.instance_id)
    yield context.call_activity("step", f"{context.instance_id} sent")
    context.signal_entity(tally, "add", f"{context.instance_id} again")
    return (yield context.call_entity(tally, "count"))


@app.orchestration_trigger(context_name="context")
def part(context):
    """A child: one step, then one entry in the tally."""
    done = yield context.call_activity("step", context.get_input())
    yield context.call_entity(df.EntityId("tally", "parts"), "add", context.get_input())
    return done


@app.orchestration_trigger(context_name="context")
def everything(context):
    """Fan-out with a child and a timer inside, an entity signalled and called, a step with retry, a new generation."""
    generation = context.get_input()
    name = f"{context.instance_id} {generation}"
    tally = df.EntityId("tally", "parts")
    context.signal_entity(tally, "add", f"{name} signal")
    pause = context.create_timer(context.current_utc_datetime + timedelta(milliseconds=30))
    child = context.call_sub_orchestrator(
        "part", f"{name} child", f"{context.instance_id}-{generation}-child"
    )
    done = yield context.task_all([child, pause, context.call_activity("step", f"{name} own")])
    retry = df.RetryOptions(20, 3)
    again = yield context.call_activity_with_retry("step", retry, f"{name} retried")
    count = yield context.call_entity(tally, "count")
    if generation == 1:
        context.continue_as_new(2)
        return None
    return [done[0], done[2], again, count]


@app.entity_trigger(context_name="context")
def tally(context):
    seen = context.get_state(list)
    if context.operation_name == "add":
        seen = [*seen, context.get_input()]
        context.set_state(seen)
    context.set_result(len(seen))


@app.activity_trigger(input_name="seconds")
async def long_work(seconds):
    import asyncio

    wrote("long_work began")
    await asyncio.sleep(seconds)
    wrote("long_work ended")
    return "worked"


@app.orchestration_trigger(context_name="context")
def worker(context):
    return (yield context.call_activity("long_work", context.get_input()))
