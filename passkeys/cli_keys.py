"""`python -m passkeys keys`: show the ring of signing keys, have the next one published, remove one in an emergency.

What it changes is recorded in the audit by the app's next turn of the keys (PASSKEYS_KEY_SCHEDULE).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import datetime

from passkeys.key_home import KeyHome
from passkeys.settings import Settings
from passkeys.signing_keys import BY_COMMAND, KeyState, Ring, SigningKeys
from passkeys.store import Store


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], state: argparse.ArgumentParser
) -> None:
    """Add `keys` and its actions to the parser's commands."""
    actions = commands.add_parser("keys", help="the keys that sign tokens").add_subparsers(
        dest="action", required=True
    )
    actions.add_parser("list", parents=[state], help="show every key and where it is on its way")
    actions.add_parser(
        "rotate",
        parents=[state],
        help="publish the next key now; it signs as soon as everybody can have it (PASSKEYS_KEY_PUBLISH_SECONDS)",
    )
    actions.add_parser(
        "create",
        parents=[state],
        help="make a key for a directory's client, and print the public half to register there",
    )
    removing = actions.add_parser(
        "remove", parents=[state], help="remove a key at once: tokens that it has signed count no more"
    )
    removing.add_argument("key", metavar="KID", help="the key's id, as `keys list` shows it")


async def run(
    arguments: argparse.Namespace,
    settings: Settings,
    store: Store,
    keys: KeyHome,
    *,
    clock: Callable[[], datetime],
) -> int:
    """Run one action. Exit code 0: done; 2: there is no such key. Raises StoreError, KeysUnavailable."""
    if arguments.action == "create":
        print(json.dumps({"keys": [await keys.create()]}, indent=2))
        return 0
    signing = SigningKeys(store, keys, settings, clock=clock)
    if arguments.action == "list":
        ring = await signing.ring()
    elif arguments.action == "rotate":
        ring = await signing.advance(by=BY_COMMAND, rotate=True)
    else:
        try:
            ring = await signing.remove(arguments.key, by=BY_COMMAND)
        except KeyError:
            print(f"There is no key {arguments.key!r} in the ring. See `keys list`.", file=sys.stderr)
            return 2
        print(
            "Removed. Instances that run stop using it within 30 seconds; applications keep the old set for a while:"
        )
        print("have them fetch /.well-known/jwks.json anew if the key is in somebody else's hands.")
    _show(ring)
    return 0


def _show(ring: Ring) -> None:
    for key in ring.keys:
        print(f"{key.state:<9}  {key.key_id}  {_when(key.state)} {_time(key.retired_at or key.signs_at)}")


def _when(state: KeyState) -> str:
    return {KeyState.PUBLISHED: "signs from", KeyState.SIGNING: "since", KeyState.RETIRED: "since"}[state]


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
