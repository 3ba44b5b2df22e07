"""Requests made up from the OpenAPI document itself: the app keeps every promise in it and never answers 5xx."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo.ceremonies import call
from tests.hosts import FUNCTION_KEY, running_host

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)
EXAMPLES = 16
ENV = {
    "PASSKEYS_LIMIT_NETWORK": "1000000/60",
    "PASSKEYS_LIMIT_PERSON": "1000000/60",
    "PASSKEYS_LIMIT_GLOBAL": "1000000/60",
    "PASSKEYS_CEREMONY_SECONDS": "5",
    "PASSKEYS_CONFORMANCE": "on",
}


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """A bounded run over every operation of /openapi.json, with the function key, reports no failure; the host lives."""
    with running_host(state=tmp_path / "state", env=ENV) as host:
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{host.url}/openapi.json",
            *("--checks", ",".join(CHECKS)),
            *("--max-examples", str(EXAMPLES)),
            *("--phases", "examples,coverage,fuzzing"),
            *("--seed", "1"),
            *("--suppress-health-check", "all"),
            *("--request-timeout", "30"),
            *("--header", f"x-functions-key: {FUNCTION_KEY}"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert call(host.url, "GET", "/healthz").status == 200
        assert "Traceback" not in host.log()
