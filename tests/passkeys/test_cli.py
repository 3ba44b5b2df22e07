"""The commands, as an operator runs them: what they print, and their exit codes."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from activities.record_recovery import record_recovery
from passkeys.audit import EMPTY, sealed
from passkeys.cli import main
from passkeys.credentials import credential_name
from passkeys.embedded import EmbeddedStore
from passkeys.recoveries import recovery_name
from passkeys.tickets import digest_of, find_ticket
from tests.activities.scenes import enrolled
from tests.activities.test_recovery import confirmation
from tests.passkeys.test_audit import content
from tests.passkeys.worlds import Clock, CountedBytes, world_of

LINK = re.compile(r"http://localhost:7071/#ticket=([A-Za-z0-9_-]{43})")


def run(*argv: str, state: Path, **environ: str) -> int:
    return main(
        argv, environ={"LOCAL_HOST_STATE": str(state), **environ}, clock=Clock(), random_bytes=CountedBytes()
    )


def ticket_in(text: str, state: Path, seconds_later: float = 0) -> str | None:
    """The person of the ticket in the printed link, as the app would find it."""
    link = LINK.search(text)
    assert link is not None, text
    clock = Clock()
    clock.advance(seconds_later)

    async def find() -> str | None:
        store = EmbeddedStore(state / "store")
        ticket = await find_ticket(store, digest_of(link[1]), now=clock())
        store.close()
        return None if ticket is None else ticket.person

    return asyncio.run(find())


def test_a_ticket_is_issued_as_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The link is for the person, for a day, and the app finds its ticket."""
    assert run("ticket", "issue", "--person", "ada", state=tmp_path) == 0
    printed = capsys.readouterr().out
    assert "Ada Lovelace" in printed
    assert "24 hours" in printed
    assert ticket_in(printed, tmp_path, 86_399) == "ada"
    assert ticket_in(printed, tmp_path, 86_400) is None


def test_quiet_prints_the_link_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts."""
    assert run("ticket", "issue", "--person", "ada", "--seconds", "90", "--quiet", state=tmp_path) == 0
    printed = capsys.readouterr().out
    assert LINK.fullmatch(printed.strip())
    assert ticket_in(printed, tmp_path, 90) is None


def test_the_state_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--state counts before the environment."""
    assert (
        run("ticket", "issue", "--person", "ada", "--state", str(tmp_path / "b"), state=tmp_path / "a") == 0
    )
    assert ticket_in(capsys.readouterr().out, tmp_path / "b") == "ada"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("argv", "environ", "told"),
    [
        (["ticket", "issue", "--person", "nobody"], {}, "knows no 'nobody'"),
        (["ticket", "issue", "--person", "ada", "--seconds", "0"], {}, "between 1 and 2592000"),
        (["ticket", "issue", "--person", "ada", "--seconds", "2592001"], {}, "(30 days)"),
        (["ticket", "issue", "--person", "ada", "--seconds", "9" * 30], {}, "(30 days)"),
        (["ticket", "issue", "--person", "ada"], {"PASSKEYS_RP_ID": "!"}, "PASSKEYS_RP_ID"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], environ: dict[str, str], told: str
) -> None:
    """Exit code 2, a sentence on stderr, and nothing made."""
    assert run(*argv, state=tmp_path / "s", **environ) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.out == ""
    assert not (tmp_path / "s").exists()


def trail(state: Path, counts: dict[str, int]) -> None:
    """Write an audit trail, in two segments a shard."""

    async def write() -> None:
        store = EmbeddedStore(state / "store")
        for shard, count in counts.items():
            head, ends = EMPTY, {"2026-01-01": 0, "2026-01-02": 0}
            for number in range(count):
                line, head = sealed(content(100 * int(shard) + number), shard=shard, head=head)
                day = "2026-01-01" if number < count // 2 else "2026-01-02"
                ends[day] = await store.append(
                    f"audit/{shard}/{day}.jsonl", line.encode() + b"\n", position=ends[day]
                )
        store.close()

    asyncio.run(write())


def test_an_intact_trail_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shard with its count and its head; the heads it prints are heads it takes."""
    trail(tmp_path, {"00": 5, "03": 8})
    assert run("audit", "verify", state=tmp_path) == 0
    printed = capsys.readouterr().out
    assert "shard 00: 5 entries" in printed
    assert "shard 03: 8 entries" in printed
    heads = [argument for head in re.findall(r"head (\S+)", printed) for argument in ("--head", head)]
    assert len(heads) == 4
    assert run("audit", "verify", *heads, state=tmp_path) == 0


def test_a_trail_of_nothing_is_not_said_to_be_intact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store without an entry yet: that is all there is to say."""
    trail(tmp_path, {})
    assert run("audit", "verify", state=tmp_path) == 0
    assert capsys.readouterr().out == "Nothing is recorded yet.\n"


@pytest.mark.parametrize("counts", [{}, {"00": 4}], ids=["no chain", "beside a chain"])
@pytest.mark.parametrize("name", ["00/2026-01-09.jsonl", "09/2026-01-01.jsonl", "note.txt"])
def test_a_file_that_the_store_does_not_know_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: dict[str, int], name: str
) -> None:
    """Entries that were copied in, or are left of a store whose index is gone, are not the trail."""
    trail(tmp_path, counts)
    file = tmp_path / "store/audit" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"stray\n")
    assert run("audit", "verify", state=tmp_path) == 1
    assert f"BROKEN  audit/{name}: 6 bytes" in capsys.readouterr().out


def test_bytes_behind_the_recorded_end_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The store does not read them; another reader of the file would."""
    trail(tmp_path, {"00": 4})
    with (tmp_path / "store/audit/00/2026-01-02.jsonl").open("ab") as file:
        file.write(b"{}\n")
    assert run("audit", "verify", state=tmp_path) == 1
    assert "BROKEN  audit/00/2026-01-02.jsonl: 3 bytes" in capsys.readouterr().out


def test_one_shard_has_one_known_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two heads one would be passed over in silence."""
    trail(tmp_path, {"00": 4})
    heads = ("--head", f"00:1:{'0' * 64}", "--head", f"00:3:{'0' * 64}")
    assert run("audit", "verify", *heads, state=tmp_path) == 2
    assert "names a shard twice" in capsys.readouterr().err


def test_a_store_that_is_not_there_is_no_trail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verifying nothing must not pass for verifying something, nor make a store."""
    assert run("audit", "verify", state=tmp_path / "none") == 3
    assert "There is no store" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def drop_line(file: Path, number: int) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(line for index, line in enumerate(lines) if index != number))


def alter(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"ada"', b'"eve"', 1))


def swap(file: Path) -> None:
    first, second, *rest = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([second, first, *rest]))


TAMPERINGS = {
    "altered": (alter, "entry 0: altered"),
    "removed": (lambda file: drop_line(file, 1), "entry 1: removed"),
    "reordered": (swap, "entry 0: reordered"),
    "cut off": (lambda file: os.truncate(file, file.stat().st_size // 2), "truncated"),
    "whole day removed": (lambda file: file.unlink(), "removed"),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_tampered_trail_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tampering: str
) -> None:
    """Exit code 1; the shard and the entry are named, and the intact shards are still said to be intact."""
    trail(tmp_path, {"00": 6, "01": 6})
    tamper, told = TAMPERINGS[tampering]
    tamper(tmp_path / "store/audit/00/2026-01-01.jsonl")
    assert run("audit", "verify", state=tmp_path) == 1
    printed = capsys.readouterr().out
    assert f"BROKEN  Audit shard 00, {told}" in printed or (
        told in printed and "BROKEN  Audit shard 00" in printed
    )
    assert "intact  shard 01" in printed


@pytest.mark.parametrize("lines", [1, 3])
def test_the_end_cut_off_is_found_by_what_the_store_remembers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: int
) -> None:
    """The last entries, or the whole last day, removed from the file: the store knows how long it was."""
    trail(tmp_path, {"00": 6})
    file = tmp_path / "store/audit/00/2026-01-02.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-lines]))
    assert run("audit", "verify", state=tmp_path) == 1
    assert f"entry {6 - lines}: truncated" in capsys.readouterr().out


def test_a_known_head_that_is_gone_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole store put back to an older copy: only who kept a head can tell, and can."""
    trail(tmp_path / "old", {"00": 3})
    trail(tmp_path / "new", {"00": 6})
    run("audit", "verify", state=tmp_path / "new")
    head = re.search(r"head (\S+)", capsys.readouterr().out)
    assert head is not None
    assert run("audit", "verify", "--head", head[1], state=tmp_path / "old") == 1
    assert "entry 3: truncated" in capsys.readouterr().out


async def recover(state: Path) -> None:
    """Two confirmed recoveries, of which the passkey of the second is gone."""
    store = EmbeddedStore(state / "store")
    world = world_of(store)
    for number in (1, 2):
        passkey = await enrolled(world, "katherine", number)
        asked = await confirmation(world, passkey, ceremony_id=f"recovery-{number:032x}")
        assert await record_recovery(world, asked) == {"recorded": True}
    await store.delete(credential_name(passkey.id))
    store.close()


def test_confirmed_recoveries_prove_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each by its own record, also when the passkey is gone; exit 0, and who confirmed what."""
    assert run("recovery", "verify", state=tmp_path) == 3
    asyncio.run(recover(tmp_path))
    assert run("recovery", "verify", state=tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["proven", "proven"]
    assert all("ada, started by grace, confirmed by katherine" in line for line in lines)


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        ('"person":"ada"', '"person":"mallory"'),
        ('"reason":"lost', '"reason":"found'),
        ('"by":"katherine"', '"by":"grace"'),
        ('"signature":"M', '"signature":"N'),
        ('"credential_id":"', '"credential_id":"../'),
        ('"public_key":"', '"public_key":"\\ud800'),
        ('"client_data":"e', '"client_data":7,"x":"e'),
        ('{"v":1', '{"v":2'),
        ('{"v":1', '{"v'),
    ],
)
def test_a_recovery_that_was_altered_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, instead: str
) -> None:
    """Another person, reason or operator than was signed for, or another signature: exit 1, and which."""
    asyncio.run(recover(tmp_path))

    async def alter() -> None:
        store = EmbeddedStore(tmp_path / "store")
        name = recovery_name(f"recovery-{1:032x}")
        document = await store.get(name)
        assert document is not None
        data = document.data.replace(what.encode(), instead.encode())
        assert data != document.data
        await store.replace(name, data, etag=document.etag)
        store.close()

    asyncio.run(alter())
    assert run("recovery", "verify", state=tmp_path) == 1
    broken, proven = capsys.readouterr().out.splitlines()
    assert broken.startswith(f"BROKEN  recoveries/recovery-{1:032x}.json")
    assert proven.startswith("proven")


@pytest.mark.parametrize(
    "argv", [[], ["ticket"], ["ticket", "issue"], ["audit", "verify", "--head", "x"], ["nonsense"]]
)
def test_usage_is_exit_code_two(argv: list[str]) -> None:
    """As every command-line program."""
    with pytest.raises(SystemExit) as stopped:
        main(argv, environ={}, clock=Clock(), random_bytes=CountedBytes())
    assert stopped.value.code == 2


def test_it_runs_as_a_module(tmp_path: Path) -> None:
    """`python -m passkeys`, with the real clock and real randomness."""
    command = [sys.executable, "-m", "passkeys", "ticket", "issue", "--person", "grace", "--quiet"]
    environ = {**os.environ, "LOCAL_HOST_STATE": str(tmp_path)}
    links = {
        subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=60).stdout
        for _ in range(2)
    }
    assert len(links) == 2
    assert all(LINK.fullmatch(link.strip()) for link in links)
