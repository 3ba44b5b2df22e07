"""The commands of `python -m passkeys`. They use the same settings and the same store as the app.

Exit codes: 0 done; 1 the audit trail, a recovery, a metadata BLOB or a copy of a store does not verify; 2 the command or the settings are wrong; 3 the store
or the keys cannot be used. Each failure is one sentence on stderr, with the next step.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from passkeys import cli_audit, cli_keys, cli_metadata, cli_storage, recoveries, tickets
from passkeys.directories.asking import Sender
from passkeys.directories.configuration import Surroundings, load_directory
from passkeys.errors import (
    DirectoryUnavailable,
    KeysUnavailable,
    SettingsError,
    StoreDamaged,
    StoreError,
)
from passkeys.holdings import is_credential_id, record_of
from passkeys.sealing_keys import origin_of
from passkeys.settings import Settings, load
from passkeys.store import Store
from passkeys.world import is_made, open_keys, opened_store

# Whoever finds an old link may enrol as its person: links for ever are not made.
MAX_TICKET_SECONDS = 30 * 86_400


def main(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    clock: Callable[[], datetime],
    random_bytes: Callable[[int], bytes],
) -> int:
    """Run one command; return its exit code."""
    arguments = _parser().parse_args(argv)
    if (arguments.command, arguments.action) == ("metadata", "check"):
        return cli_metadata.check(arguments, now=clock())
    if cli_audit.is_offline(arguments):
        return cli_audit.run_offline(arguments)
    try:
        settings = load(environ)
        if arguments.state is not None:
            settings = replace(settings, store=str(arguments.state / "store"), store_connection="")
            if not environ.get("PASSKEYS_KEYS"):
                settings = replace(settings, keys=str(arguments.state / "keys"))
        commands: Mapping[str, Callable[[], Coroutine[Any, Any, int]]] = {
            "ticket": lambda: _issue_ticket(settings, arguments, clock, random_bytes),
            "recovery": lambda: _verify_recoveries(settings),
            "metadata": lambda: cli_metadata.forget(settings),
            "storage": lambda: cli_storage.run(arguments, settings),
            "keys": lambda: _keys(settings, arguments, clock),
            "audit": lambda: _audit(settings, arguments),
        }
        return asyncio.run(commands[arguments.command]())
    except SettingsError as error:
        return _fail(2, str(error))
    except (StoreError, KeysUnavailable) as error:
        return _fail(3, str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m passkeys", description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    state = argparse.ArgumentParser(add_help=False)
    state.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="the app's state directory (default: $LOCAL_HOST_STATE, else .local)",
    )

    ticket = commands.add_parser("ticket", help="the right to enrol").add_subparsers(
        dest="action", required=True
    )
    issue = ticket.add_parser(
        "issue", parents=[state], help="make an enrolment link for one person, good once"
    )
    issue.add_argument("--person", required=True, help="the person's id in the directory")
    issue.add_argument(
        "--seconds", type=int, help="how long it is good, at most 30 days (default: PASSKEYS_TICKET_SECONDS)"
    )
    issue.add_argument("--quiet", action="store_true", help="print the link alone")

    confirmed = commands.add_parser("recovery", help="the confirmed recoveries").add_subparsers(
        dest="action", required=True
    )
    confirmed.add_parser(
        "verify",
        parents=[state],
        help="check what each confirmation has signed; exit 1 if one does not prove it",
    )

    cli_metadata.add_commands(commands, state)
    cli_keys.add_commands(commands, state)
    cli_storage.add_commands(commands, state)

    cli_audit.add_commands(commands, state)
    return parser


async def _issue_ticket(
    settings: Settings,
    arguments: argparse.Namespace,
    clock: Callable[[], datetime],
    random_bytes: Callable[[int], bytes],
) -> int:
    seconds: int = settings.ticket_seconds if arguments.seconds is None else arguments.seconds
    if not 1 <= seconds <= MAX_TICKET_SECONDS:
        return _fail(
            2,
            f"--seconds must be between 1 and {MAX_TICKET_SECONDS} (30 days). A ticket is a right to enrol.",
        )
    senders: list[Sender] = []

    def sender(tls: ssl.SSLContext | None) -> Sender:
        senders.append(Sender(tls=tls))
        return senders[-1]

    around = Surroundings(open_keys(settings.keys), clock, random_bytes, sender=sender)
    try:
        person = await load_directory(settings.directory, around).find(arguments.person)
    except DirectoryUnavailable as away:
        return _fail(3, str(away))
    finally:
        for used in senders:
            await used.close()
    if person is None:
        return _fail(
            2, f"The directory knows no {arguments.person!r}. See PASSKEYS_DIRECTORY in docs/settings.md."
        )
    async with opened_store(settings) as store:
        secret = await tickets.issue_ticket(
            store, person.id, seconds=seconds, now=clock(), random_bytes=random_bytes
        )
    link = tickets.link_of(secret, origin=settings.origins[0])
    if arguments.quiet:
        print(link)
    else:
        print(
            f"Enrolment link for {person.display_name} ({person.id}), good once, for {_duration(seconds)}:\n  {link}"
        )
    return 0


async def _keys(settings: Settings, arguments: argparse.Namespace, clock: Callable[[], datetime]) -> int:
    async with opened_store(settings) as store:
        return await cli_keys.run(arguments, settings, store, open_keys(settings.keys), clock=clock)


async def _audit(settings: Settings, arguments: argparse.Namespace) -> int:
    if not is_made(settings):
        return _no_store(settings)
    async with opened_store(settings) as store:
        if arguments.action == "key":
            origin = origin_of(settings.issuer)
            return await cli_audit.run_key(arguments, store, open_keys(settings.keys), origin=origin)
        return await cli_audit.run(arguments, store)


async def _verify_recoveries(settings: Settings) -> int:
    if not is_made(settings):
        return _no_store(settings)
    broken = False
    async with opened_store(settings) as store:
        async for name in store.list(recoveries.PREFIX):
            try:
                proven, told = await _judge_recovery(store, name)
            except StoreDamaged as damaged:
                proven, told = False, str(damaged)
            broken |= not proven
            print(f"{'proven' if proven else 'BROKEN'}  {told}")
    if broken:
        return _fail(
            1, "What was recorded is not what was signed. Keep this store, and compare it with the audit."
        )
    return 0


async def _judge_recovery(store: Store, name: str) -> tuple[bool, str]:
    """Whether a recovery is proven by what is kept of it, and what it says. Raises StoreDamaged.

    Where the passkey is still there, its record must say the same of key and person.
    """
    document = await store.get(name)
    recovery = recoveries.load_recovery(name, document.data if document else b"")
    details, confirmation = recovery.details, recovery.confirmation
    ticket = "no ticket taken" if recovery.ticket is None else f"ticket taken at {recovery.ticket.issued_at}"
    told = (
        f"{name}: {details.person}, started by {details.started_by}, "
        f"confirmed by {confirmation.by} at {confirmation.at}, {ticket}"
    )
    if not is_credential_id(confirmation.credential_id):
        return False, told
    credential = await record_of(store, confirmation.credential_id)
    same = credential is None or (
        (credential.public_key, credential.person) == (confirmation.public_key, confirmation.by)
    )
    return same and recoveries.is_proven(recovery), told


def _duration(seconds: int) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % size == 0 and seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def _no_store(settings: Settings) -> int:
    return _fail(3, f"There is no store in {settings.store}. Name the app's state directory with --state.")


def _fail(code: int, sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return code
