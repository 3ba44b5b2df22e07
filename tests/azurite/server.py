"""Start Azurite on a free loopback port, and stop it: its blob service alone, in memory or in a folder.

What it does not do, and Azure does: immutability, roles, firewalls, and judging whom a token is of. It accepts the newest
version of the REST interface that it knows; Azure's client speaks a newer one, so the check of the version is off.
"""

from __future__ import annotations

import contextlib
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.node import node

FOLDER = Path(__file__).parent
PACKAGE = FOLDER / "node_modules" / "azurite"
READY_SECONDS = 40
# Published by Microsoft with Azurite: no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_LISTENS = re.compile(r"successfully listens on (https?://127\.0\.0\.1:[0-9]+)")


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account at `url`, which ends before the account's name."""

    url: str

    @property
    def connection(self) -> str:
        """Its connection string."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.url}/{ACCOUNT};"
        )


@contextmanager
def azurite(*, folder: Path | None = None, port: int = 0, tls: Path | None = None) -> Iterator[Account]:
    """Azurite, for as long as the block runs; what it keeps is in `folder`, or gone with it. Port 0 is any free one.

    `tls`: a file with a certificate and its key; then it takes tokens too, of its own audience, of which it judges the claims
    and no signature.
    """
    kept = ["--inMemoryPersistence"] if folder is None else ["--location", str(folder)]
    if tls is not None:
        kept += ["--oauth", "basic", "--cert", str(tls), "--key", str(tls)]
    # Longer than our client keeps a connection: else it is closed under a write now and then.
    options = ["--blobPort", str(port), "--blobKeepAliveTimeout", "60", "--silent"]
    program = [
        str(PACKAGE / "dist" / "src" / "blob" / "main.js"),
        "--disableTelemetry",
        "--skipApiVersionCheck",
    ]
    process = subprocess.Popen(
        [node(PACKAGE, target="azurite"), *program, *kept, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for who started it, who stops it last
    )
    try:
        yield Account(_address(process))
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait(5)
        if process.stdout is not None:
            process.stdout.close()


def _address(process: subprocess.Popen[str]) -> str:
    """Where it listens, once it says so."""
    said: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed meanwhile
            for line in process.stdout:
                said.put(line)
        said.put("")

    threading.Thread(target=listen, daemon=True).start()
    heard = ""
    while True:
        try:
            line = said.get(timeout=READY_SECONDS)
        except queue.Empty:
            line = ""
        heard += line
        found = _LISTENS.search(line)
        if found is not None:
            return found[1]
        if not line:
            raise AssertionError(f"Azurite did not start:\n{heard[-2000:]}")
