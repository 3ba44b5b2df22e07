"""The seam to the SDK: equal timestamps, and every kind of answer."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from dateutil.parser import parse as dateutil_parse

from local_host.history import parse_timestamp, timestamp
from local_host.sdk import ERROR_LABEL, fast_parser, run_orchestrator

ODD = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.1234567Z",
    "2026-01-01T00:00:00.123456+02:00",
    "2026-01-01 00:00:00.123456Z",
    "2026-W01-1T00:00:00.123456Z"[:27],
    "2026-01-01T24:00:00.000000Z",
    "Thu Jan  1 00:00:00 2026 Z",
]


def result_of(parse, text):
    try:
        found = parse(text)
    except Exception as error:
        return type(error)
    return found, type(found.tzinfo), found.utcoffset()


def test_the_fast_parser_equals_dateutil_for_this_hosts_timestamps():
    """Same instant, same kind of time zone, for any instant from year 1000 to 9999."""
    chance = random.Random(1)
    fast = fast_parser()
    for _ in range(2000):
        moment = datetime(1000, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=chance.randrange(8999 * 365 * 86400 * 10**6)
        )
        text = timestamp(parse_timestamp(moment.isoformat()))
        assert result_of(fast, text) == result_of(dateutil_parse, text)
        assert fast(text) == moment


@pytest.mark.parametrize("text", ODD)
def test_every_other_text_is_dateutils(text: str):
    """Other forms, and forms that are no timestamps, give what dateutil gives: value or error."""
    assert result_of(fast_parser(), text) == result_of(dateutil_parse, text)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "GMT0BST"])
def test_the_time_zone_of_the_machine_changes_nothing(zone: str):
    """dateutil may answer with the local zone where that is called UTC; so does the fast parser."""
    code = (
        "from dateutil.parser import parse; from local_host.sdk import fast_parser; t='2026-07-01T10:00:00.000001Z';"
        "a,b=parse(t),fast_parser()(t); assert a==b and repr(a)==repr(b), (a,b)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"TZ": zone})


@pytest.mark.parametrize("us", [0, 1, 999_999, 1_767_225_600_000_000, 253_402_300_799_999_999])
def test_timestamps_have_one_form_and_come_back_exactly(us: int):
    """27 characters, to the microsecond, both ways."""
    assert len(timestamp(us)) == 27
    assert parse_timestamp(timestamp(us)) == us


def state(**members) -> str:
    return json.dumps({"isDone": False, "schemaVersion": 2, "actions": [[]]} | members)


def answers(text: str):
    return lambda _request: text


def raises(text: str):
    def handle(_request):
        raise Exception(text)

    return handle


def test_an_answer_is_read():
    """Output and custom status become compact JSON texts; null is none."""
    response = run_orchestrator(answers(state(isDone=True, output={"a": 1}, customStatus="s")), "{}")
    assert (response.is_done, response.output, response.custom_status) == (True, '{"a":1}', '"s"')
    response = run_orchestrator(answers(state()), "{}")
    assert (response.output, response.custom_status, response.error) == (None, None, None)


@pytest.mark.parametrize("output", [False, 0, "", [], {}])
def test_falsy_outputs_are_outputs(output):
    """Only None is nothing."""
    assert json.loads(run_orchestrator(answers(state(output=output)), "{}").output) == output


def test_an_error_travels_inside_the_exception():
    """After the label comes the state: its actions are walked, its error is the error."""
    response = run_orchestrator(raises(f"bad\n\n{ERROR_LABEL}{state(error='bad', customStatus='s')}"), "{}")
    assert (response.error, response.custom_status, response.walked) == ("bad", '"s"', True)


@pytest.mark.parametrize("text", ["plain", f"plain\n\n{ERROR_LABEL}not JSON", f"plain\n\n{ERROR_LABEL}{{}}"])
def test_an_exception_without_a_readable_state_is_the_error_itself(text: str):
    """Nothing is walked."""
    response = run_orchestrator(raises(text), "{}")
    assert (response.error, response.walked, response.actions) == ("plain", False, [])


def test_another_schema_is_refused():
    """An SDK that answers otherwise than this host reads is not half understood."""
    with pytest.raises(ValueError, match="schema version 1"):
        run_orchestrator(answers(state(schemaVersion=1)), "{}")
