"""The function_app.py of the app with one rule broken, named by LEAK: what the study must find, or finding none means nothing.

delay       a name that is nobody's takes five milliseconds longer
no_decoys   a name that is nobody's is answered with no credentials
"""

import importlib.util
import os
import time
from typing import Any

from activities import issue_authentication_challenge as issuing
from passkeys import decoys
from passkeys.store import Store
from tests.hosts import ROOT

LEAK, _, milliseconds = os.environ["LEAK"].partition("=")


async def slowly(store: Store, count: int) -> None:
    """Stand in for the reads that nobody's name costs. Busy, since a loop's own timers are of whole milliseconds."""
    await whole_reads(store, count)
    until = time.perf_counter() + float(milliseconds) / 1000
    while time.perf_counter() < until:
        pass


def none(*_: Any) -> list[Any]:
    """Stand in for the decoys."""
    return []


if LEAK == "delay":
    whole_reads = issuing.read_as_many
    issuing.read_as_many = slowly
elif LEAK == "no_decoys":
    decoys.descriptors = none
else:
    raise ValueError(f"LEAK={LEAK}: there is no such leak")

spec = importlib.util.spec_from_file_location("whole_function_app", ROOT / "function_app.py")
assert spec is not None
assert spec.loader is not None
whole = importlib.util.module_from_spec(spec)
spec.loader.exec_module(whole)
app = whole.app
