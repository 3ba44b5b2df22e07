"""`python -m passkeys storage`: make a storage account's containers, and copy one store into another."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from passkeys.blob_store import BlobStore
from passkeys.errors import SettingsError
from passkeys.moving import copy
from passkeys.settings import Settings, store_home
from passkeys.world import is_made, opened_store

# How a command line names the account of that setting: whoever lists the processes of a machine reads its arguments.
CONNECTION = "PASSKEYS_STORE_CONNECTION"
# An append document may be large, and nobody waits for an answer.
COPY_SECONDS = 120.0
PROGRESS_EVERY = 1024


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], state: argparse.ArgumentParser
) -> None:
    """Add `storage` and its actions to the parser's commands."""
    actions = commands.add_parser("storage", help="where documents are kept").add_subparsers(
        dest="action", required=True
    )
    actions.add_parser("create", parents=[state], help="make the store's containers that are not there yet")
    copying = actions.add_parser(
        "copy", help="copy a store into another, and compare every byte; broken off, run it again"
    )
    copying.set_defaults(state=None)
    homes = f"a directory, the address of a storage account, or the word {CONNECTION}: the account of that setting"
    copying.add_argument("--from", dest="source", required=True, metavar="STORE", help=homes)
    copying.add_argument("--to", dest="target", required=True, metavar="STORE", help="the same")


async def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run one action. Exit code 0: done; 1: the copy is not the same; 2: no such store. Raises StoreError, SettingsError."""
    if arguments.action == "create":
        return await _create(settings)
    source, target = (_home(settings, given) for given in (arguments.source, arguments.target))
    if arguments.source == arguments.target:
        return _fail(2, "--from and --to are the same store.")
    if not is_made(source):
        return _fail(2, f"There is no store in {source.store}.")
    return await _copy(source, target)


async def _create(settings: Settings) -> int:
    async with opened_store(settings) as store:
        if not isinstance(store, BlobStore):
            print(f"The store in {settings.store} is there.")
            return 0
        for name, made in await store.create_containers():
            print(f"{'made  ' if made else 'there '} {name}")
    return 0


async def _copy(source: Settings, target: Settings) -> int:
    def progress(done: int, names: int) -> None:
        if done % PROGRESS_EVERY == 0 or done == names:
            print(f"{done} of {names} documents", file=sys.stderr)

    async with (
        opened_store(source, seconds=COPY_SECONDS) as here,
        opened_store(target, seconds=COPY_SECONDS) as there,
    ):
        found = await copy(here, there, progress=progress)
    for outcome, name in found.wrong:
        print(f"{outcome.upper()}  {name}")
    print(f"{found.copied} copied, {found.there} there already, {len(found.wrong)} not the same.")
    if found.wrong:
        return _fail(1, "The stores are not the same. Nothing was written over: see docs/storage.md.")
    return 0


def _home(settings: Settings, given: str) -> Settings:
    """The settings with that store. Raises SettingsError."""
    if given == CONNECTION:
        if not settings.store_connection:
            raise SettingsError((f"{CONNECTION}: must be set, since the command names it.",))
        return settings
    try:
        return replace(settings, store=store_home(given), store_connection="")
    except ValueError as error:
        raise SettingsError((f"{given!r}: {error}.",)) from None


def _fail(code: int, sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return code
