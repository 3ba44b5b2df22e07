"""Orchestrators: one small function for each pattern, and a few that report what the host told them."""

from datetime import timedelta

import azure.durable_functions as df

blueprint = df.Blueprint()


def orchestrator(function):
    """Register under the function's own name."""
    return blueprint.orchestration_trigger(context_name="context")(function)


def after(context, seconds):
    return context.current_utc_datetime + timedelta(seconds=seconds)


def told(context):
    """The raw history of this episode, as the host sent it."""
    return [
        {
            "type": int(event.event_type),
            "id": event.event_id,
            "played": event.is_played,
            "at": event.timestamp.isoformat(),
            **{
                name: value
                for name, value in vars(event).items()
                if not name.startswith("_") and value is not None
            },
        }
        for event in context.histories
    ]


# --- sequences and values ---------------------------------------------------------------------------------


@orchestrator
def two_steps(context):
    first = yield context.call_activity("say", "one")
    second = yield context.call_activity("say", first)
    return second


@orchestrator
def returns_input(context):
    return context.get_input()


@orchestrator
def carries(context):
    """The input through every path that encodes a value; a list of what came back."""
    value = context.get_input()
    entity = df.EntityId("ledger", f"carried-{context.instance_id}")
    through_activity = yield context.call_activity("echo", value)
    through_async = yield context.call_activity("echo_async", value)
    through_child = yield context.call_sub_orchestrator("returns_input", value)
    yield context.call_entity(entity, "set_only", value)
    through_entity = yield context.call_entity(entity, "get")
    return [through_activity, through_async, through_child, through_entity]


@orchestrator
def returns_value(context):
    """A plain return of whatever the input names, so that falsy outputs can be compared."""
    return {"none": None, "false": False, "zero": 0, "text": "", "list": [], "object": {}}[
        context.get_input()
    ]


@orchestrator
def carries_objects(context):
    price = yield context.call_activity("price", 125)
    doubled = yield context.call_activity("double", price)
    return [type(doubled).__name__, doubled.pence]


@orchestrator
def spy(context):
    """Run `n` activities one after the other and return the raw history of the last episode."""
    for step in range(context.get_input()):
        yield context.call_activity("say", step)
    return told(context)


@orchestrator
def facts(context):
    before = [context.new_uuid(), context.new_uuid(), str(context.new_guid())]
    status = {
        "instance_id": context.instance_id,
        "parent": context.parent_instance_id,
        "version": context.version,
        "before": before,
        "started": context.current_utc_datetime.isoformat(),
        "replaying_at_start": context.is_replaying,
    }
    context.set_custom_status(status)
    echoed = yield context.call_activity("slow", {"seconds": 0.05, "value": before})
    replaying_after = context.is_replaying
    later = context.current_utc_datetime.isoformat()
    return {**status, "echoed": echoed, "later": later, "replaying_after": replaying_after}


@orchestrator
def family(context):
    return (yield context.call_sub_orchestrator("facts", None, f"{context.instance_id}-child"))


@blueprint.orchestration_trigger(context_name="context", orchestration="AliasFlow")
def flow_under_an_alias(context):
    return (yield context.call_activity("Alias", context.get_input()))


# --- failures ---------------------------------------------------------------------------------------------


@orchestrator
def catches(context):
    """Call an activity by name with an input; report the exception as the orchestrator sees it."""
    name, given = context.get_input()
    try:
        return {"result": (yield context.call_activity(name, given))}
    except Exception as error:
        return {"type": type(error).__name__, "text": str(error)}


@orchestrator
def catches_child(context):
    name, given = context.get_input()
    try:
        return {"result": (yield context.call_sub_orchestrator(name, given))}
    except Exception as error:
        return {"type": type(error).__name__, "text": str(error)}


@orchestrator
def fails(context):
    raise ValueError(context.get_input())
    yield


@orchestrator
def fails_outside_a_generator(context):
    """Without a yield the SDK lets the exception through as it is."""
    raise ValueError(context.get_input())


@orchestrator
def fails_after_work(context):
    context.set_custom_status({"step": "working"})
    yield context.call_activity("say", "before")
    raise RuntimeError("after work")


@orchestrator
def fails_without_text(context):
    raise KeyError
    yield


@orchestrator
def lets_activity_fail(context):
    yield context.call_activity("fail", "uncaught")


@orchestrator
def yields_junk(context):
    yield 42


@orchestrator
def returns_junk(context):
    yield context.call_activity("say", "x")
    return object()


@orchestrator
def junk_status(context):
    context.set_custom_status(object())
    yield context.call_activity("say", "x")


@orchestrator
def calls(context):
    return (yield context.call_activity(context.get_input()))


@orchestrator
def calls_child(context):
    return (yield context.call_sub_orchestrator(context.get_input()))


@orchestrator
def calls_entity(context):
    name, operation = context.get_input()
    return (yield context.call_entity(df.EntityId(name, "k"), operation))


@orchestrator
def signals_entity(context):
    name, operation = context.get_input()
    context.signal_entity(df.EntityId(name, "k"), operation)
    yield context.call_activity("say", "signalled")


# --- retries ----------------------------------------------------------------------------------------------


def retry(given):
    return df.RetryOptions(given.get("interval_ms", 10), given["attempts"])


@orchestrator
def retries(context):
    """One activity with retry, then a plain one; what came out and the raw history."""
    given = context.get_input()
    work = {"key": context.instance_id, "fails": given["fails"]}
    try:
        outcome = yield context.call_activity_with_retry("flaky", retry(given), work)
    except Exception as error:
        outcome = str(error)
    then = yield context.call_activity("say", "then")
    return {"outcome": outcome, "then": then, "told": told(context)}


@orchestrator
def retries_in_parallel(context):
    given = context.get_input()
    tasks = [
        context.call_activity_with_retry(
            "flaky", df.RetryOptions(10, 5), {"key": f"{context.instance_id}-{n}", "fails": n}
        )
        for n in given
    ]
    return (yield context.task_all(tasks))


@orchestrator
def flaky_child(context):
    given = context.get_input()
    return (yield context.call_activity("flaky", given))


@orchestrator
def retries_child(context):
    given = context.get_input()
    work = {"key": context.instance_id, "fails": given["fails"]}
    try:
        outcome = yield context.call_sub_orchestrator_with_retry("flaky_child", retry(given), work)
    except Exception as error:
        outcome = str(error)
    return {"outcome": outcome, "told": told(context)}


# --- compounds --------------------------------------------------------------------------------------------


def slow(context, seconds, value):
    return context.call_activity("slow", {"seconds": seconds, "value": value})


@orchestrator
def fans_out(context):
    waits = context.get_input()
    return (yield context.task_all([slow(context, seconds, n) for n, seconds in enumerate(waits)]))


@orchestrator
def waits_for_nothing(context):
    nothing = yield context.task_all([])
    then = yield context.call_activity("say", "then")
    return [nothing, then]


@orchestrator
def races(context):
    tasks = [slow(context, seconds, seconds) for seconds in context.get_input()]
    winner = yield context.task_any(tasks)
    return [tasks.index(winner), winner.result]


@orchestrator
def failed_winner(context):
    failing = context.call_activity("fail", "lost the race")
    winner = yield context.task_any([failing, slow(context, 0.3, "slow")])
    raised = None
    try:
        yield winner
    except Exception as error:
        raised = str(error)
    return {"winner_failed": winner is failing, "result": str(winner.result), "raised": raised}


@orchestrator
def nests(context):
    """Any and all inside each other, with an event, timers, a child and an entity among the leaves."""
    timer = context.create_timer(after(context, 0.05))
    race = context.task_any([timer, context.wait_for_external_event("never")])
    batch = context.task_all([slow(context, 0.02, "a"), context.call_sub_orchestrator("returns_input", "b")])
    entity = context.call_entity(df.EntityId("ledger", context.instance_id), "add", 5)
    winner, pair, total = yield context.task_all([race, batch, entity])
    then = yield context.call_activity("say", "then")
    return [winner is timer, pair, total, then]


@orchestrator
def compensates(context):
    """Fan out, one fails at once, one is slow; the compensation writes down when it ran."""
    key = context.instance_id
    try:
        yield context.task_all([context.call_activity("fail", "at once"), slow(context, 0.5, "slow")])
    except Exception:
        yield context.call_activity("note", {"key": key, "value": "compensated"})
    return "compensated"


@orchestrator
def uses_pending_activity_again(context):
    old = slow(context, 0.4, "old")
    quick = yield context.task_any([old, slow(context, 0.05, "quick")])
    both = yield context.task_all([old, context.call_activity("say", "new")])
    return [quick.result, both]


@orchestrator
def uses_pending_timer_again(context):
    """One long timer, a fresh event each turn: the pattern that hangs on Azure."""
    timer = context.create_timer(after(context, context.get_input()))
    for turn in range(3):
        context.set_custom_status(f"turn {turn}")
        winner = yield context.task_any([timer, context.wait_for_external_event(f"turn{turn}")])
        if winner is timer:
            return "deadline"
    return "all turns"


@orchestrator
def leaves_a_loser_running(context):
    """An activity that lost stays open and holds the end back."""
    winner = yield context.task_any([slow(context, 0.02, "quick"), slow(context, 0.8, "slow")])
    yield context.call_activity("note", {"key": context.instance_id, "value": "won"})
    return winner.result


# --- timers -----------------------------------------------------------------------------------------------


@orchestrator
def sleeps(context):
    started = context.current_utc_datetime
    due = after(context, context.get_input())
    yield context.create_timer(due)
    woke = context.current_utc_datetime
    return {"early": woke < due, "slept": (woke - started).total_seconds(), "told": told(context)}


@orchestrator
def sleeps_in_turn(context):
    """Several timers at once, in the order they fire."""
    timers = {
        n: context.create_timer(after(context, seconds)) for n, seconds in enumerate(context.get_input())
    }
    order = []
    pending = list(timers.values())
    for _ in timers:
        winner = yield context.task_any(pending)
        number = next(n for n, timer in timers.items() if timer is winner)
        order.append(number)
        pending = [timer for timer in pending if timer is not winner]
    return order


@orchestrator
def naive_timer(context):
    yield context.create_timer(context.current_utc_datetime.replace(tzinfo=None))


@orchestrator
def approval(context):
    """Wait for `approve` or a time-out; `cancel` says whether the code cancels a timer that lost."""
    given = context.get_input()
    timer = context.create_timer(after(context, given["timeout"]))
    event = context.wait_for_external_event("approve")
    winner = yield context.task_any([event, timer])
    if winner is not event:
        return "timed out"
    if given["cancel"]:
        timer.cancel()
    return (yield context.call_activity("say", winner.result))


@orchestrator
def waits_for_days(context):
    """A timer beyond the longest short timer, against an event."""
    timer = context.create_timer(context.current_utc_datetime + timedelta(days=context.get_input()))
    event = context.wait_for_external_event("enough")
    winner = yield context.task_any([timer, event])
    return winner is event


# --- events -----------------------------------------------------------------------------------------------


@orchestrator
def waits(context):
    """Wait for `go` and return what it carried, with its type."""
    context.set_custom_status("waiting")
    value = yield context.wait_for_external_event("go")
    return [type(value).__name__, value]


@orchestrator
def works_then_waits(context):
    """Be busy for a while before the wait begins, so that an event can be early."""
    context.set_custom_status("working")
    yield slow(context, context.get_input() or 0.3, None)
    context.set_custom_status("waiting")
    value = yield context.wait_for_external_event("go")
    return value


@orchestrator
def works_then_waits_twice(context):
    yield slow(context, 0.3, None)
    first = yield context.wait_for_external_event("go")
    context.set_custom_status("second")
    second = yield context.wait_for_external_event("go")
    return [first, second]


@orchestrator
def waits_twice_at_once(context):
    context.set_custom_status("waiting")
    return (
        yield context.task_all([context.wait_for_external_event("go"), context.wait_for_external_event("go")])
    )


@orchestrator
def waits_for_either(context):
    context.set_custom_status("waiting")
    tasks = {name: context.wait_for_external_event(name) for name in ("left", "right")}
    winner = yield context.task_any(list(tasks.values()))
    return [next(name for name, task in tasks.items() if task is winner), winner.result]


@orchestrator
def waits_in_turn(context):
    seen = []
    for name in context.get_input():
        context.set_custom_status(f"waiting for {name}")
        seen.append((yield context.wait_for_external_event(name)))
    return seen


# --- continue as new --------------------------------------------------------------------------------------


@orchestrator
def generations(context):
    given = context.get_input()
    context.set_custom_status({"left": given["left"]})
    yield context.call_activity("say", given["left"])
    events = told(context)
    execution = next(event for event in events if event["type"] == 0)["OrchestrationInstance"]["ExecutionId"]
    seen = [*given["seen"], [execution, len(events)]]
    if given["left"]:
        context.continue_as_new({"left": given["left"] - 1, "seen": seen})
        return None
    return seen


@orchestrator
def drops_events(context):
    """First generation: be busy, then start over. Second: wait for the event that came too early."""
    if context.get_input() == "first":
        context.set_custom_status("first")
        yield slow(context, 0.4, None)
        context.continue_as_new("second")
        return None
    context.set_custom_status("second")
    event = context.wait_for_external_event("go")
    timer = context.create_timer(after(context, 0.5))
    winner = yield context.task_any([event, timer])
    if winner is event:
        timer.cancel()
        return "event"
    return "no event"


@orchestrator
def hands_over(context):
    """First generation: wait for `first`, then start over. Second: did `second` come along?"""
    if context.get_input() == "first":
        yield context.wait_for_external_event("first")
        context.continue_as_new("second")
        return None
    event = context.wait_for_external_event("second")
    timer = context.create_timer(after(context, 0.5))
    winner = yield context.task_any([event, timer])
    if winner is event:
        timer.cancel()
        return "carried"
    return "dropped"


@orchestrator
def eternal(context):
    """An eternal orchestration: each generation waits for one `tick` and counts it."""
    count = context.get_input()
    context.set_custom_status({"count": count})
    name = f"tick{count}"
    yield context.wait_for_external_event(name)
    context.continue_as_new(count + 1)


@orchestrator
def starts_over_with_timer_open(context):
    if context.get_input() == "second":
        return "second"
    timer = context.create_timer(after(context, 0.6))
    yield context.task_any([timer, context.call_activity("say", "x")])
    context.continue_as_new("second")
    return None


# --- custom status ----------------------------------------------------------------------------------------


@orchestrator
def sets_status(context):
    """Set the given status, wait for `go`, set the second one, wait again."""
    first, second = context.get_input()
    context.set_custom_status(first)
    yield context.wait_for_external_event("go")
    context.set_custom_status(second)
    yield context.wait_for_external_event("on")
    return "done"


@orchestrator
def long_status(context):
    """Set a status of `count` times `character`."""
    given = context.get_input()
    context.set_custom_status(given["character"] * given["count"])
    yield context.call_activity("say", "x")
    return "done"


# --- sub-orchestrations -----------------------------------------------------------------------------------


@orchestrator
def runs_child(context):
    """Run `name` with `input` under `id` (or the default) and return its result and the raw history."""
    given = context.get_input()
    result = yield context.call_sub_orchestrator(given["name"], given.get("input"), given.get("id"))
    return {"result": result, "told": told(context)}


@orchestrator
def runs_children(context):
    tasks = [context.call_sub_orchestrator("facts", None, f"{context.instance_id}-{n}") for n in range(3)]
    results = yield context.task_all(tasks)
    return [[result["instance_id"], result["parent"]] for result in results]


@orchestrator
def names_child_after_itself(context):
    return (yield context.call_sub_orchestrator("returns_input", 1, context.instance_id))


@orchestrator
def names_child_like_an_entity(context):
    return (yield context.call_sub_orchestrator("returns_input", 1, "@ledger@stolen"))


# --- entities ---------------------------------------------------------------------------------------------


def operate(context, name, key, operation, given):
    return context.call_entity(df.EntityId(name, key), operation, given)


@orchestrator
def operates(context):
    """Call the ledger once for each [operation, input], one after the other; what each gave or raised."""
    given = context.get_input()
    answers = []
    for operation, value in given["operations"]:
        try:
            answers.append(
                {
                    "result": (
                        yield operate(context, given.get("name", "ledger"), given["key"], operation, value)
                    )
                }
            )
        except Exception as error:
            answers.append({"raised": str(error)})
    return answers


@orchestrator
def operates_at_once(context):
    """Call the ledger with all operations in one episode, so that they make one batch; all results."""
    given = context.get_input()
    tasks = [
        operate(context, "ledger", given["key"], operation, value) for operation, value in given["operations"]
    ]
    return (yield context.task_all(tasks))


@orchestrator
def signals_then_calls(context):
    """Signals and calls from one sender keep their order."""
    entity = df.EntityId("ledger", context.get_input())
    for number in range(5):
        context.signal_entity(entity, "append", number)
    yield context.call_entity(entity, "append", "called")
    context.signal_entity(entity, "append", "last")
    items = yield context.call_entity(entity, "get")
    return {"items": items, "told": told(context)}


@orchestrator
def signals_many(context):
    """Send `count` signals `append` to one entity, in one episode."""
    given = context.get_input()
    for number in range(given["count"]):
        context.signal_entity(df.EntityId("ledger", given["key"]), "append", [context.instance_id, number])
    yield context.call_activity("say", "sent")


@orchestrator
def odd(context):
    """Put half a character where the input says."""
    half = "\ud800"
    place = context.get_input()["in"]
    if place == "status":
        context.set_custom_status(half)
    if place == "activity":
        yield context.call_activity("say", half)
    if place == "activity error":
        yield context.call_activity("fail", half)
    if place == "entity":
        yield context.call_entity(df.EntityId("ledger", context.instance_id), "set_only", half)
    if place == "name":
        timer = context.create_timer(after(context, 0.05))
        yield context.task_any([timer, context.wait_for_external_event(half)])
    if place == "error":
        raise ValueError(half)
    yield context.call_activity("say", "odd")
    return half


# --- call_http --------------------------------------------------------------------------------------------


@orchestrator
def fetches(context):
    given = context.get_input()
    answer = yield context.call_http(
        given["method"], given["uri"], given.get("content"), given.get("headers"), is_raw_str=False
    )
    return answer
