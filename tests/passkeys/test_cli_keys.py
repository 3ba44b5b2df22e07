"""`python -m passkeys keys`: seen, rotated and removed from a terminal, with the state of the app."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from passkeys.cli import main

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
LINE = re.compile(r"(signing|published|retired) +([A-Za-z0-9_-]{43})  (since|signs from) (\S+)")


def run(tmp_path: Path, *arguments: str, now: datetime = NOW) -> int:
    return main(
        ["keys", *arguments, "--state", str(tmp_path)],
        environ={},
        clock=lambda: now,
        random_bytes=lambda count: b"x" * count,
    )


def shown(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, ...]]:
    return [match.groups() for match in LINE.finditer(capsys.readouterr().out)]


def test_the_ring_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each key with its state and since when; the first is made if there is none. The keys are beside the store, not in it."""
    assert run(tmp_path, "list") == 0
    ((state, key, _, at),) = shown(capsys)
    assert (state, at) == ("signing", "2026-01-01T12:00:00Z")
    assert (tmp_path / "keys" / "signing" / f"{key}.pem").is_file()


def test_a_rotation_publishes_the_next_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the time from which it signs."""
    run(tmp_path, "list")
    capsys.readouterr()
    assert run(tmp_path, "rotate") == 0
    assert [(state, word, at) for state, _, word, at in shown(capsys)] == [
        ("signing", "since", "2026-01-01T12:00:00Z"),
        ("published", "signs from", "2026-01-03T12:00:00Z"),
    ]


def test_a_removal_lets_another_key_sign_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And leaves nothing of the old one behind."""
    run(tmp_path, "list")
    ((_, old, *_),) = shown(capsys)
    assert run(tmp_path, "remove", old) == 0
    ((state, new, *_),) = shown(capsys)
    assert state == "signing"
    assert new != old
    assert [file.stem for file in (tmp_path / "keys" / "signing").iterdir()] == [new]


def test_a_key_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command that shows those that are; the exit code says so too."""
    assert run(tmp_path, "remove", "A" * 43) == 2
    assert "keys list" in capsys.readouterr().err


def test_keys_that_cannot_be_used_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3 and one sentence."""
    (tmp_path / "keys").write_text("a file")
    assert run(tmp_path, "list") == 3
    assert "PASSKEYS_KEYS" in capsys.readouterr().err
