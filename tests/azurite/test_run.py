"""`make run STORAGE=azurite`: the app above a storage account, which goes with it; what was in it is there the next time."""

from __future__ import annotations

import asyncio
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from demo import ceremonies
from passkeys.blob_store import BlobStore
from passkeys.credentials import credential_name
from tests.azurite.__main__ import main
from tests.azurite.server import azurite
from tests.hosts import NEW_YEAR, READY_SECONDS, ROOT

ENVIRON = {k: v for k, v in os.environ.items() if not k.startswith(("PASSKEYS_", "LOCAL_HOST_", "WEBSITE_"))}


def test_people_enrol_and_sign_in_above_a_storage_account(tmp_path: Path) -> None:
    """With the link that is printed; SIGTERM ends all of it; the passkey is in the account, and nothing in a store beside it."""
    folder, state = tmp_path / "azurite", tmp_path / "state"
    link = f"{sys.executable} -m passkeys ticket issue --person ada --quiet"
    host = [sys.executable, "-m", "local_host", "--port", "0", "--state", str(state), "--on-ready", link]
    beside = [sys.executable, "-m", "tests.azurite", "--folder", str(folder), "--port", "0", "--", *host]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            beside, cwd=ROOT, env={**ENVIRON, **NEW_YEAR}, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        printed: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_read, args=(process, printed), daemon=True).start()
        account = _wait_for(r"BlobEndpoint=(http://127\.0\.0\.1:[0-9]+)", printed)
        url = _wait_for(r"READY (http://localhost:[0-9]+)", printed)
        ticket = _wait_for(r"#ticket=([A-Za-z0-9_-]+)", printed)
        passkey, registered = ceremonies.register(url, ticket)
        assert (registered.outcome, ceremonies.sign_in(url, passkey).outcome) == ("completed",) * 2
    finally:
        process.send_signal(signal.SIGTERM)
        exit_code = process.wait(READY_SECONDS)
    assert exit_code == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(account).port or 0)) != 0
    assert not (state / "store").exists()
    with azurite(folder=folder) as again:
        assert asyncio.run(_is_there(again.connection, credential_name(passkey.id)))


def test_the_command_says_how_it_ended(tmp_path: Path) -> None:
    """Its exit code is the command's, which had the account; without containers there is no command."""
    says = "import os, sys; sys.exit(7 if os.environ['PASSKEYS_STORE_CONNECTION'] else 1)"
    done = subprocess.run(
        [sys.executable, "-m", "tests.azurite", "--folder", str(tmp_path), "--port", "0", "--", sys.executable, "-c", says],
        cwd=ROOT, env=ENVIRON, capture_output=True, text=True, check=False, timeout=READY_SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (7, "")


def test_without_its_package_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So do the tests that need it: they fail with that sentence."""
    monkeypatch.setattr("tests.azurite.server.PACKAGE", tmp_path / "node_modules" / "azurite")
    before = signal.getsignal(signal.SIGINT)
    try:
        assert main(["--folder", str(tmp_path), "--", "true"]) == 1
    finally:
        signal.signal(signal.SIGINT, before)
    assert "azurite of the tests is not installed: run `make azurite`" in capsys.readouterr().err


def _read(process: subprocess.Popen[str], printed: queue.Queue[str]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            printed.put(line)


def _wait_for(pattern: str, printed: queue.Queue[str]) -> str:
    while True:
        found = re.search(pattern, printed.get(timeout=READY_SECONDS))
        if found is not None:
            return found[1]


async def _is_there(connection: str, name: str) -> bool:
    store = BlobStore(connection)
    try:
        return await store.get(name) is not None
    finally:
        await store.close()
