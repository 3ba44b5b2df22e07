"""The metadata service's group: packed full attestation of models that a BLOB tells of, on a host that has read it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from passkeys.embedded import EmbeddedStore
from passkeys.errors import MetadataInvalid
from passkeys.metadata import PROHIBITED_BY_DEFAULT
from passkeys.metadata_blob import verify_blob
from passkeys.models import keep
from tests import metadata_kit
from tests.conformance.conftest import LIMITS
from tests.conformance.kit import make, self_statement
from tests.conformance.tool import Browser, somebody
from tests.hosts import RunningHost, running_host
from tests.metadata_kit import SIGNER, blob, entry, status, write_root
from tests.passkeys.attestation.statements import ROOT, packed, packed_certificate
from tests.passkeys.authorities import authority

NOW = datetime.now(UTC)
STRANGER = authority("a stranger's root")
FAR = "2999-01-01"


def model(name: str) -> str:
    """An AAGUID of its own for each."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


CERTIFIED, BATCH_TWIN, STRANGERS, UNHEARD_OF = map(
    model, ("certified", "updated", "stranger's", "unheard of")
)
GOOD = blob(
    entry(CERTIFIED, roots=[ROOT.der]),
    entry(
        BATCH_TWIN,
        status("USER_VERIFICATION_BYPASS", "2020-01-01"),
        status("UPDATE_AVAILABLE", "2021-01-01"),
        status("FIDO_CERTIFIED_L1", "2021-01-02"),
        roots=[ROOT.der],
    ),
    entry(STRANGERS, roots=[STRANGER.der]),
    *(entry(model(word), status(word), roots=[ROOT.der]) for word in PROHIBITED_BY_DEFAULT),
    next_update=FAR,
)
# What the tools' other services serve: each tells of a model that only it knows.
FORGED = {
    "F-1, F-3 a payload that was not signed": blob(entry(model("a")), next_update=FAR)[:-4] + b"AAAA",
    "F-4 a chain to another root": blob(
        entry(model("b")), next_update=FAR, chain=[metadata_kit.issue("FIDO", issuer=STRANGER)]
    ),
    "F-4 a chain without its intermediate": blob(
        entry(model("c")), next_update=FAR, chain=metadata_kit.CHAIN[:1]
    ),
}


def verify(data: bytes) -> None:
    verify_blob(data, roots=(metadata_kit.ROOT.der,), signer=SIGNER, at=NOW)


@pytest.fixture(scope="module")
def informed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host whose store has the good BLOB, and that takes models which it tells of and no others."""
    folder: Path = tmp_path_factory.mktemp("metadata")
    (folder / "blob.jwt").write_bytes(GOOD)

    async def store_it() -> None:
        store = EmbeddedStore(folder / "state" / "store")
        found = verify_blob(GOOD, roots=(metadata_kit.ROOT.der,), signer=SIGNER, at=NOW)
        assert await keep(store, found, at=NOW.isoformat())
        store.close()

    asyncio.run(store_it())
    env = {
        **LIMITS,
        "PASSKEYS_CONFORMANCE": "on",
        "PASSKEYS_METADATA": str(folder / "blob.jwt"),
        "PASSKEYS_METADATA_ROOT": str(write_root(folder / "root.pem")),
        "PASSKEYS_UNKNOWN_MODELS": "refuse",
    }
    with running_host(state=folder / "state", env=env) as running:
        yield running


def registering(host: RunningHost, aaguid: str, *, full: bool = True) -> str:
    browser = Browser(host.url)
    made = make(browser.attestation_options(somebody()), origin=host.url, aaguid=uuid.UUID(aaguid).bytes)
    certificate = packed_certificate(made.ceremony)
    statement = packed(made.ceremony, certificate=certificate) if full else self_statement(made)
    return browser.result("attestation", made.says(statement)).said


def test_a_model_that_is_certified(informed: RunningHost) -> None:
    """P-1: its anchors are those of its own metadata; no folder of roots is needed."""
    assert registering(informed, CERTIFIED) == "ok"
    assert registering(informed, STRANGERS) == "attestation_chain_invalid"


@pytest.mark.parametrize("word", PROHIBITED_BY_DEFAULT)
def test_a_model_that_is_compromised(informed: RunningHost, word: str) -> None:
    """F-2, and REVOKED beside the four that the list names: full or self attested, it is refused."""
    assert registering(informed, model(word)) == "model_prohibited"
    assert registering(informed, model(word), full=False) == "model_prohibited"


def test_a_model_that_was_mended(informed: RunningHost) -> None:
    """A later certification puts an end to what was found before."""
    assert registering(informed, BATCH_TWIN) == "ok"


@pytest.mark.parametrize("name", FORGED)
def test_a_blob_that_cannot_be_verified_tells_of_nobody(informed: RunningHost, name: str) -> None:
    """F-1, F-3, F-4: it is refused whole, and whoever is in it alone is unknown."""
    with pytest.raises(MetadataInvalid):
        verify(FORGED[name])
    assert registering(informed, model("abc"[list(FORGED).index(name)])) == "model_unknown"
    assert registering(informed, UNHEARD_OF) == "model_unknown"
