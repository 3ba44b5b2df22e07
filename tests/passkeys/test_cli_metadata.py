"""The metadata's commands, as an operator runs them: what they print, and their exit codes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from passkeys.cli import main
from passkeys.embedded import EmbeddedStore
from passkeys.metadata_blob import verify_blob
from passkeys.models import CURRENT, current_pointer, keep
from tests.metadata_kit import (
    AAGUID,
    KEY_IDENTIFIER,
    LEAF,
    NOW,
    OTHER,
    ROOT,
    SIGNER,
    blob,
    entry,
    status,
    write_root,
)
from tests.passkeys.authorities import authority
from tests.passkeys.worlds import Clock, CountedBytes


def run(*argv: str, **environ: str) -> int:
    return main(argv, environ=environ, clock=Clock(NOW), random_bytes=CountedBytes())


def check(tmp_path: Path, data: bytes, *more: str) -> int:
    (tmp_path / "blob.jwt").write_bytes(data)
    root = write_root(tmp_path / "root.pem")
    return run("metadata", "check", str(tmp_path / "blob.jwt"), "--root", str(root), *more)


DATA = blob(
    entry(AAGUID, status("REVOKED"), name="A bad key"),
    entry(OTHER, status("FIDO_CERTIFIED_L1"), status("FIDO_CERTIFIED")),
    entry(None, keys=[KEY_IDENTIFIER]),
    {"aaid": "1234#5678", "statusReports": []},
)


def test_a_good_blob_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Number, dates, signer, what it holds, what is prohibited and why, and FIDO's terms."""
    assert check(tmp_path, DATA) == 0
    told = capsys.readouterr()
    assert told.err == ""
    for text in (
        "number 42, next update 2026-12-01",
        f"by {SIGNER} (ES256), whose certificate expires {LEAF.certificate.not_valid_after_utc:%Y-%m-%d}",
        "2 models with an AAGUID, 1 of U2F, 1 entries of other kinds, 1 icons",
        "    2 FIDO_CERTIFIED_L1",
        f"prohibited by default: {AAGUID}  REVOKED  A bad key",
        "terms    Retrieval",
    ):
        assert text in told.out, text


def test_a_stale_blob_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be used; whoever watches the errors sees it."""
    assert check(tmp_path, blob(entry(), next_update="2026-11-01")) == 0
    assert "STALE    a newer one should have come by 2026-11-01." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "more", "code"),
    [
        (DATA[:-10], (), "metadata_signature_invalid"),
        (b"<html>", (), "metadata_malformed"),
        (DATA, ("--signer", "mds.example"), "metadata_signer_unexpected"),
    ],
)
def test_a_bad_blob_is_refused_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, more: tuple[str, ...], code: str
) -> None:
    """Exit 1, and nothing about what it claims to hold."""
    assert check(tmp_path, data, *more) == 1
    told = capsys.readouterr()
    assert f"INVALID  {code}" in told.err
    assert told.out == ""


def test_another_root_does_not_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The root is the operator's, and no default."""
    (tmp_path / "blob.jwt").write_bytes(DATA)
    root = write_root(tmp_path / "other.pem", authority("Another root"))
    assert run("metadata", "check", str(tmp_path / "blob.jwt"), "--root", str(root)) == 1
    assert "metadata_chain_untrusted" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["blob.jwt", "root.pem"])
def test_files_that_are_not_there_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    """Exit 2, with what to do."""
    (tmp_path / "blob.jwt").write_bytes(DATA)
    write_root(tmp_path / "root.pem")
    (tmp_path / missing).unlink()
    assert run("metadata", "check", str(tmp_path / "blob.jwt"), "--root", str(tmp_path / "root.pem")) == 2
    assert missing in capsys.readouterr().err


def test_to_check_needs_no_settings(tmp_path: Path) -> None:
    """Wrong ones, even, are no hindrance: it is what is done before they are made."""
    (tmp_path / "blob.jwt").write_bytes(DATA)
    root = write_root(tmp_path / "root.pem")
    command = ("metadata", "check", str(tmp_path / "blob.jwt"), "--root", str(root))
    assert run(*command, PASSKEYS_RP_ID="!") == 0


def test_to_forget_lets_a_lower_number_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a service that was tried with test metadata could never go over to FIDO's own."""

    async def kept(data: bytes) -> int | None:
        store = EmbeddedStore(tmp_path / "store")
        try:
            await keep(store, verify_blob(data, roots=[ROOT.der], signer=SIGNER, at=NOW), at="t")
            pointer = await current_pointer(store)
            return pointer.no if pointer else None
        finally:
            store.close()

    assert asyncio.run(kept(blob(entry(), no=42))) == 42
    assert run("metadata", "forget", "--state", str(tmp_path)) == 0
    assert "number 42 is forgotten" in capsys.readouterr().out
    assert run("metadata", "forget", "--state", str(tmp_path)) == 0
    assert "There was no metadata" in capsys.readouterr().out
    assert asyncio.run(kept(blob(entry(), no=7))) == 7


def test_to_forget_mends_a_damaged_pointer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can register while it is there, and no refresh dares to write over it."""

    async def damage() -> None:
        store = EmbeddedStore(tmp_path / "store")
        await store.create(CURRENT, b"{")
        store.close()

    asyncio.run(damage())
    assert run("metadata", "forget", "--state", str(tmp_path)) == 0
    assert "Damaged metadata is forgotten" in capsys.readouterr().out
