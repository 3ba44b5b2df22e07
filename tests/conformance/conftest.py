"""One host with the door open, for all the groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from passkeys.attestation.anchors import CERTIFIED_FORMATS
from tests.conformance.kit import attestation_key
from tests.conformance.tool import Browser
from tests.hosts import RunningHost, running_host
from tests.passkeys.attestation.statements import ROOT, subject
from tests.passkeys.authorities import issue

# The tools start hundreds of ceremonies in a minute, many of them for one name.
LIMITS = {
    "PASSKEYS_LIMIT_NETWORK": "100000/60",
    "PASSKEYS_LIMIT_PERSON": "100000/60",
    "PASSKEYS_LIMIT_GLOBAL": "100000/60",
    "PASSKEYS_LIMIT_USERNAME": "100000/60",
}

# A model whose attestation certificate nobody issued: it is its own anchor, as metadata may have it.
BATCH = issue(subject(), key=attestation_key())


@pytest.fixture(scope="package")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    state: Path = tmp_path_factory.mktemp("conformance") / "state"
    roots: Path = state.parent / "roots"
    roots.mkdir()
    pem = b"".join(one.certificate.public_bytes(Encoding.PEM) for one in (ROOT, BATCH))
    for fmt in CERTIFIED_FORMATS:
        (roots / f"{fmt}.pem").write_bytes(pem)
    env = {**LIMITS, "PASSKEYS_CONFORMANCE": "on", "PASSKEYS_ATTESTATION_ROOTS": str(roots)}
    with running_host(state=state, env=env) as running:
        yield running
        assert "Traceback" not in running.log(), "something unforeseen was raised: see the log"


@pytest.fixture
def browser(host: RunningHost) -> Browser:
    return Browser(host.url)
