"""Entities: a ledger whose operations show each rule (and each leak) of the SDK's entity functions."""

import azure.durable_functions as df

blueprint = df.Blueprint()


def set_only(context):
    context.set_state(context.get_input())


def get(context):
    context.set_result(context.get_state())


def add(context):
    total = context.get_state(lambda: 0) + context.get_input()
    context.set_state(total)
    context.set_result(total)


def append(context):
    items = [*context.get_state(list), context.get_input()]
    context.set_state(items)
    context.set_result(len(items))


def set_then_raise(context):
    context.set_state(context.get_input())
    raise ValueError("spoilt after the change")


def quiet(context):
    """No result, no state."""


def read_input(context):
    context.set_result({"input": context.get_input()})


def destruct(context):
    context.set_result("gone")
    context.destruct_on_exit()


def whoami(context):
    context.set_result([context.entity_name, context.entity_key, context.operation_name])


def boom(context):
    raise ValueError("boom")


OPERATIONS = {
    "set_only": set_only,
    "get": get,
    "add": add,
    "append": append,
    "set_then_raise": set_then_raise,
    "quiet": quiet,
    "read_input": read_input,
    "destruct": destruct,
    "delete": destruct,
    "whoami": whoami,
    "boom": boom,
}


@blueprint.entity_trigger(context_name="context")
def ledger(context):
    OPERATIONS[context.operation_name](context)


@blueprint.entity_trigger(context_name="context", entity_name="Renamed")
def under_another_name(context):
    OPERATIONS[context.operation_name](context)
