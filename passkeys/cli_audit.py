"""`python -m passkeys audit`: verify the trail, prove an entry, check a proof, export. All offline.

The trail is that of the app's store, or of a folder: a copy of its documents. Of a store it is also known how long each file
must be. A checkpoint or a key is read from a file: the key's as `str(VerifierKey)` writes it, one a line.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from passkeys import audit, log_proofs, trail
from passkeys.checkpoints import Checkpoint, open_checkpoint, read_checkpoint
from passkeys.embedded import EmbeddedStore
from passkeys.errors import AuditBroken, CheckpointRefused
from passkeys.key_home import KeyHome
from passkeys.notes import VerifierKey, read_keys, split_note
from passkeys.sealing_keys import add_key, sealing_keys
from passkeys.store import Store

_HEAD = re.compile(r"([0-9]{2}):([0-9]{1,15}):([0-9a-f]{64})\Z")
_BAR = 40


def add_commands(commands: Any, state: argparse.ArgumentParser) -> None:
    """Add the commands of `audit` to the parser."""
    actions = commands.add_parser("audit", help="the audit trail").add_subparsers(
        dest="action", required=True
    )
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--folder", type=Path, metavar="DIR", help="a copy of the trail, instead of the store")

    verify = actions.add_parser(
        "verify",
        parents=[state, where],
        help="check every chain and checkpoint; exit 1 and say where one is broken",
    )
    verify.add_argument(
        "--key", type=Path, metavar="FILE", help="the public keys that checkpoints are signed by"
    )
    verify.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a checkpoint that was kept: the trail must still have it",
    )
    verify.add_argument(
        "--head",
        action="append",
        default=[],
        type=_head,
        metavar="SHARD:SEQ:HASH",
        help="a head that an earlier run printed: the chain must still reach it, unchanged",
    )
    prove = actions.add_parser(
        "prove", parents=[state, where], help="write a file that proves an entry by the key alone, to stdout"
    )
    what = prove.add_mutually_exclusive_group(required=True)
    what.add_argument("id", nargs="?", metavar="ID", help="the ceremony's or act's id")
    what.add_argument(
        "--since", type=Path, metavar="FILE", help="prove that the trail goes on from this checkpoint instead"
    )
    key = actions.add_parser(
        "key", parents=[state], help="print the public keys that checkpoints are signed by, for --key"
    )
    key.add_argument("--new", action="store_true", help="make another one first: it signs from now on")
    check = actions.add_parser("check", help="check such a file; exit 1 if it proves nothing")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument("--key", type=Path, required=True, metavar="FILE", help="the public keys")
    check.add_argument(
        "--since", type=Path, metavar="FILE", help="the checkpoint that it was made with --since of"
    )


def is_offline(arguments: argparse.Namespace) -> bool:
    """Whether the command reads files alone: no settings, no store."""
    return arguments.command == "audit" and (arguments.action == "check" or arguments.folder is not None)


def run_offline(arguments: argparse.Namespace) -> int:
    """Run one action on files. Exit code 0: done; 1: what was read proves nothing, or is broken; 2: no such file."""
    if arguments.action != "check":
        return _told(lambda: _run(arguments, trail.trail_in(arguments.folder), {}))
    return _told(lambda: _check(arguments))


async def run(arguments: argparse.Namespace, store: Store) -> int:
    """Run one action on the store. Exit codes as `run_offline`. Raises StoreError."""
    unrecorded = store.unrecorded("audit") if isinstance(store, EmbeddedStore) else {}
    async with trail.opened_trail(store) as found:
        return _told(lambda: _run(arguments, found, unrecorded))


async def run_key(arguments: argparse.Namespace, store: Store, keys: KeyHome, *, origin: str) -> int:
    """Print the keys; the first one is made if there is none. Raises StoreError, KeysUnavailable."""
    if arguments.new:
        found = await add_key(store, keys, origin=origin)
    else:
        found = await sealing_keys(store, keys, origin=origin)
    for verifier in found.verifiers:
        print(verifier)
    return 0


def _told(action: Callable[[], int]) -> int:
    """Run an action, and say on stderr what it raises."""
    try:
        return action()
    except (CheckpointRefused, AuditBroken) as error:
        return _fail(1, str(error))
    except (OSError, UnicodeDecodeError) as error:
        return _fail(2, f"A file cannot be read: {error}.")


def _run(arguments: argparse.Namespace, found: trail.Trail, unrecorded: dict[str, int]) -> int:
    actions = {
        "verify": lambda: _verify(arguments, found, unrecorded),
        "prove": lambda: _prove(arguments, found),
    }
    return actions[arguments.action]()


def _verify(arguments: argparse.Namespace, found: trail.Trail, unrecorded: dict[str, int]) -> int:
    known_heads: dict[str, audit.Head] = dict(arguments.head)
    if len(known_heads) < len(arguments.head):
        return _fail(2, "--head names a shard twice. Give one head for each shard, the latest.")
    if arguments.checkpoint and not arguments.key:
        return _fail(2, "--checkpoint needs --key: the key that it is signed by.")
    keys = _keys(arguments.key) if arguments.key else ()
    report = trail.check(
        found,
        keys,
        kept=[_checkpoint(path, keys) for path in arguments.checkpoint],
        known_heads=known_heads,
        told=progress(found.size, sys.stderr),
    )
    for line in _lines_of(report):
        print(line)
    for name, size in unrecorded.items():
        print(f"BROKEN  {name}: {size} bytes that the store has not recorded.")
    if report.faults or unrecorded:
        return _fail(
            1,
            "The audit trail is not what was written. Keep this store as it is, and compare it with a copy.",
        )
    if not report.heads:
        print("Nothing is recorded yet.")
        return 0
    print("Every chain is intact. Keep the heads: `--head` proves later that nothing was cut off the end.")
    if found.checkpoints and not keys:
        print(
            f"{len(found.checkpoints)} checkpoints were not looked at: `--key` names the key that signs them."
        )
    return 0


def _lines_of(report: trail.Report) -> Iterable[str]:
    broken = {fault.shard for fault in report.faults if isinstance(fault, AuditBroken)}
    for shard, head in report.heads.items():
        if shard not in broken:
            yield f"intact  shard {shard}: {head.seq + 1} entries, head {shard}:{head.seq}:{head.hash}"
    if report.sealed is not None:
        yield (
            f"sealed  {report.sealed.size} entries by checkpoint {report.sealed.number} of {report.sealed.at}; "
            f"{report.unsealed} behind it are not sealed yet"
        )
    for fault in report.faults:
        yield f"BROKEN  {fault}"


def _prove(arguments: argparse.Namespace, found: trail.Trail) -> int:
    if arguments.since is not None:
        # Whoever checks the proof has the key; here, what the file says is enough.
        kept = read_checkpoint(split_note(trail.read_note(trail.File(arguments.since)))[0])
        proof: bytes | None = log_proofs.prove_consistency(found, kept)
    else:
        proof = log_proofs.prove_entry(found, arguments.id)
    if proof is None:
        return _fail(2, f"No sealed entry is of {arguments.id!r}. It may be sealed by the next checkpoint.")
    _stdout().write(proof)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    keys = _keys(arguments.key)
    with arguments.file.open("rb") as opened:
        proof = opened.read(log_proofs.MAX_PROOF + 1)
    if arguments.since is not None:
        kept = _checkpoint(arguments.since, keys)
        later = log_proofs.check_consistency(proof, kept, keys)
        print(
            f"proven  {_named(later)} goes on from {_named(kept)}: its first {kept.size} entries are the same."
        )
        return 0
    proven = log_proofs.check_entry(proof, keys)
    print(f"proven  entry {proven.index} of {proven.checkpoint.size}, by {_named(proven.checkpoint)}:")
    print(json.dumps(proven.entry, indent=2, ensure_ascii=False))
    return 0


def _named(checkpoint: Checkpoint) -> str:
    return f"checkpoint {checkpoint.number} of {checkpoint.origin}, {checkpoint.at}"


def _keys(path: Path) -> Sequence[VerifierKey]:
    return read_keys(path.read_text("utf-8"))


def _checkpoint(path: Path, keys: Sequence[VerifierKey]) -> Checkpoint:
    return open_checkpoint(trail.read_note(trail.File(path)), keys)


def _head(text: str) -> tuple[str, audit.Head]:
    match = _HEAD.match(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not SHARD:SEQ:HASH as `audit verify` prints it")
    return match[1], audit.Head(int(match[2]), match[3])


def progress(total: int, terminal: TextIO) -> Callable[[int], None]:
    """A bar on a terminal that hears how many more bytes of `total` were read. Where there is no terminal, nothing."""
    read = 0
    shown = -1

    def told(size: int) -> None:
        nonlocal read, shown
        read += size
        percent = 100 if total == 0 else min(100, read * 100 // total)
        if percent != shown:
            shown = percent
            filled = "#" * (percent * _BAR // 100)
            end = "\n" if percent == 100 else ""
            terminal.write(f"\r[{filled:<{_BAR}}] {percent:3} %{end}")
            terminal.flush()

    return told if terminal.isatty() else lambda _: None


def _stdout() -> BinaryIO:
    sys.stdout.flush()
    return sys.stdout.buffer


def _fail(code: int, sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return code
