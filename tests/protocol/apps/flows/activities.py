"""Activities, sync and async: echo, slow ones, failing ones, and a journal that tells when each ran."""

import asyncio
import time

import azure.durable_functions as df

blueprint = df.Blueprint()

attempts = {}
journal = {}


class Money:
    """A class that the SDK carries across the wire by `to_json` and `from_json`."""

    def __init__(self, pence):
        self.pence = pence

    @staticmethod
    def to_json(value):
        return value.pence

    @staticmethod
    def from_json(data):
        return Money(data)


@blueprint.activity_trigger(input_name="payload")
def say(payload):
    return f"hello {payload}"


@blueprint.activity_trigger(input_name="anything")
def echo(anything):
    return anything


@blueprint.activity_trigger(input_name="payload")
async def echo_async(payload):
    await asyncio.sleep(0)
    return payload


@blueprint.activity_trigger(input_name="payload")
async def slow(payload):
    """Wait `seconds`, then return `value`."""
    await asyncio.sleep(payload["seconds"])
    return payload["value"]


@blueprint.activity_trigger(input_name="payload")
def note(payload):
    """Write down when it ran, under `key`; runs count up."""
    journal.setdefault(payload["key"], []).append([payload["value"], time.time()])
    return len(journal[payload["key"]])


@blueprint.activity_trigger(input_name="text")
def fail(text):
    raise ValueError(text)


@blueprint.activity_trigger(input_name="nothing")
async def fail_silently(nothing):
    raise ValueError


@blueprint.activity_trigger(input_name="payload")
def flaky(payload):
    """Fail the first `fails` times for this `key`, then say how many attempts it took."""
    attempts[payload["key"]] = attempts.get(payload["key"], 0) + 1
    if attempts[payload["key"]] <= payload["fails"]:
        raise RuntimeError(f"attempt {attempts[payload['key']]}")
    return attempts[payload["key"]]


@blueprint.activity_trigger(input_name="nothing")
def not_json(nothing):
    return object()


@blueprint.activity_trigger(input_name="pence")
def price(pence):
    return Money(pence)


@blueprint.activity_trigger(input_name="money")
def double(money):
    return Money(money.pence * 2)


@blueprint.activity_trigger(input_name="payload", activity="Alias")
def under_an_alias(payload):
    return f"alias {payload}"
