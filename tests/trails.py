"""Audit trails for tests: entries of many shards, appended and sealed as the app does, in a store that keeps them in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from passkeys.audit import EMPTY, Head, sealed, segment_name
from passkeys.checkpoints import Checkpoint, checkpoint_name, open_checkpoint
from passkeys.embedded import EmbeddedStore
from passkeys.local_keys import LocalKeys
from passkeys.notes import VerifierKey, verifier_key
from passkeys.sealing import SealingKey, seal

ORIGIN = "passkeys.example.com/audit"
START = datetime(2026, 1, 1, tzinfo=UTC)


def content(number: int, **changed: Any) -> dict[str, Any]:
    """What a sign-in leaves."""
    return {
        "v": 1,
        "ceremony_id": f"authentication-{number:032x}",
        "kind": "authentication",
        "outcome": "completed",
        "reason": None,
        "person": "ada",
        "credential_id": "AQIDBAUGBwgJCgsMDQ4PEA",
        "network": "203.0.113.0-24",
        "started_at": "2026-01-01T00:00:00.000Z",
        "stages": [
            ["admitting", "2026-01-01T00:00:00.000Z"],
            ["challenging", "2026-01-01T00:00:00.010Z"],
            ["awaiting_authenticator", "2026-01-01T00:00:00.020Z"],
            ["verifying", "2026-01-01T00:00:00.900Z"],
        ],
        "at": "2026-01-01T00:00:01.000Z",
        **changed,
    }


class Sealer:
    """A store in `folder`/store, keys in `folder`/keys, and one key that seals."""

    def __init__(self, folder: Path, *, origin: str = ORIGIN) -> None:
        self.store = EmbeddedStore(folder / "store")
        self.folder = folder / "store" / "audit"
        self.keys = LocalKeys(folder / "keys")
        self.key = self.new_key(origin)
        self.now = START
        self.heads: dict[str, Head] = {}
        self.number = 0
        self._ends: dict[str, int] = {}

    def new_key(self, origin: str = ORIGIN) -> SealingKey:
        jwk = asyncio.run(self.keys.create())
        return SealingKey(jwk["kid"], verifier_key(origin, jwk))

    @property
    def verifier(self) -> VerifierKey:
        return self.key.verifier

    def record(self, counts: Mapping[str, int], **changed: Any) -> None:
        """So many entries more of each shard, each of a ceremony of its own."""
        for shard, count in counts.items():
            lines, head = [], self.heads.get(shard, EMPTY)
            for _ in range(count):
                line, head = sealed(content(self.number, **changed), shard=shard, head=head)
                lines.append(line + "\n")
                self.number += 1
            self.heads[shard] = head
            name = segment_name(shard, f"{self.now:%Y-%m-%d}")
            data = "".join(lines).encode()
            position = self._ends.get(name, 0)
            self._ends[name] = asyncio.run(self.store.append(name, data, position=position))

    def seal(self) -> Checkpoint | None:
        return asyncio.run(seal(self.store, self.keys, self.key, now=self.now))

    def days(self, *days: Mapping[str, int]) -> Sealer:
        """A day after the other: record, seal."""
        for counts in days:
            self.record(counts)
            self.seal()
            self.now += timedelta(days=1)
        return self

    def note(self, number: int) -> Path:
        return self.folder.parent / checkpoint_name(number)

    def checkpoint(self, number: int) -> Checkpoint:
        return open_checkpoint(self.note(number).read_bytes(), [self.verifier])

    def close(self) -> None:
        self.store.close()
