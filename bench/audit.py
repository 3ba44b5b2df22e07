"""What the audit costs: sign-ins with and without it on both homes, and how fast entries are chained, appended and sealed.

`python -m bench.audit` (some minutes), which prints the tables of docs/performance.md.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.__main__ import percentiles
from bench.servers import Measured, serving, sign_ins, write_people
from bench.tickets import closed, issue_tickets
from passkeys.audit import EMPTY, Head, sealed, segment_name
from passkeys.blob_store import BlobStore
from passkeys.checkpoints import Checkpoint
from passkeys.embedded import EmbeddedStore
from passkeys.local_keys import LocalKeys
from passkeys.notes import verifier_key
from passkeys.sealing import SealingKey, seal
from passkeys.store import Store
from tests.azurite.server import azurite
from tests.trails import ORIGIN, content

SECONDS, ROUNDS = 4.0, 3
PEOPLE = (1, 8)
ENTRIES = 10_000
BATCH = 100  # one flush of a busy chain
HOMES = ("embedded", "Azurite")
MODULES: Mapping[str, Sequence[str]] = {"with": ("local_host",), "without": ("bench.unaudited_host",)}


def main() -> None:
    """Run everything, print it as Markdown."""
    with azurite() as account, tempfile.TemporaryDirectory(prefix="passkeys-bench-") as folder:
        lines = [
            *sign_ins_table(Path(folder), account.connection),
            "",
            *entries_table(Path(folder), account.connection),
        ]
    print("\n".join(lines))


def sign_ins_table(scratch: Path, connection: str) -> Iterator[str]:
    """Four hosts, in turns."""
    people_file = scratch / "people.json"
    people = write_people(people_file, max(PEOPLE))
    sides: list[tuple[str, Sequence[str], Mapping[str, str]]] = []
    for home in HOMES:
        for audit, module in MODULES.items():
            account = {"PASSKEYS_STORE_CONNECTION": connection, "PASSKEYS_STORE_PREFIX": f"{audit}-"}
            sides.append((f"{home}, {audit} audit", module, account if home == "Azurite" else {}))
    runs: dict[tuple[str, int], list[Measured]] = {}
    with ExitStack() as stack:
        servers = []
        for number, (name, module, settings) in enumerate(sides):
            if settings:
                asyncio.run(_with_containers(settings))
            made = serving(
                "durable", scratch / f"side-{number}", people_file, module=module, settings=settings
            )
            servers.append((name, stack.enter_context(made), settings))
        for count in PEOPLE:
            for _ in range(ROUNDS):
                for name, server, settings in servers:
                    tickets = issue_tickets(
                        server.state, people[:count], store=_opener(server.state, settings)
                    )
                    runs.setdefault((name, count), []).append(sign_ins(server, tickets, SECONDS))
    yield "| store, audit | people | sign-ins/s | whole sign-in p50 / p95 / p99 ms | CPU ms each |"
    yield "|---|--:|--:|--:|--:|"
    for (name, count), measured in sorted(runs.items(), key=lambda run: run[0][1]):
        rate = statistics.median(run.a_second for run in measured)
        cpu = statistics.median(run.cpu_ms for run in measured)
        times = [each for run in measured for each in run.sign_in]
        yield f"| {name} | {count} | {rate:.0f} | {percentiles(times)} | {cpu:.1f} |"


def entries_table(scratch: Path, connection: str) -> Iterator[str]:
    """Medians of ROUNDS."""
    yield f"| {ENTRIES:,} entries | embedded, a second | Azurite, a second |"
    yield "|---|--:|--:|"
    times: dict[str, list[tuple[float, float, float]]] = {home: [] for home in HOMES}
    for number in range(ROUNDS):
        for home, found in times.items():
            found.append(asyncio.run(_entries(scratch / f"entries-{number}", connection, home, number)))
    for index, what in enumerate(
        ("chained and hashed", f"appended, {BATCH} at a time", "sealed by a checkpoint")
    ):
        rates = [ENTRIES / statistics.median(each[index] for each in times[home]) for home in times]
        yield f"| {what} | " + " | ".join(f"{rate:,.0f}" for rate in rates) + " |"


async def _entries(folder: Path, connection: str, home: str, number: int) -> tuple[float, float, float]:
    store: EmbeddedStore | BlobStore
    if home == "embedded":
        store = EmbeddedStore(folder / "store")
    else:
        store = BlobStore(connection, prefix=f"entries-{number}-")
        await store.create_containers()
    try:
        return await _timed_entries(store, LocalKeys(folder / f"keys-{home}"))
    finally:
        await closed(store)


async def _timed_entries(store: Store, keys: LocalKeys) -> tuple[float, float, float]:
    began = time.perf_counter()
    lines, head = [], EMPTY
    for number in range(ENTRIES):
        line, head = _chained(number, head)
        lines.append(line)
    chained = time.perf_counter() - began
    began, position = time.perf_counter(), 0
    for first in range(0, ENTRIES, BATCH):
        data = "".join(line + "\n" for line in lines[first : first + BATCH]).encode()
        position = await store.append(segment_name("00", "2026-01-01"), data, position=position)
    appended = time.perf_counter() - began
    jwk = await keys.create()
    key = SealingKey(jwk["kid"], verifier_key(ORIGIN, jwk))
    began = time.perf_counter()
    checkpoint: Checkpoint | None = await seal(
        store, keys, key, now=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1)
    )
    if checkpoint is None or checkpoint.size != ENTRIES:
        raise RuntimeError("The entries were not sealed.")
    return chained, appended, time.perf_counter() - began


def _chained(number: int, head: Head) -> tuple[str, Head]:
    return sealed(content(number), shard="00", head=head)


async def _with_containers(settings: Mapping[str, str]) -> None:
    store = BlobStore(settings["PASSKEYS_STORE_CONNECTION"], prefix=settings["PASSKEYS_STORE_PREFIX"])
    await store.create_containers()
    await store.close()


def _opener(state: Path, settings: Mapping[str, str]) -> Callable[[], EmbeddedStore | BlobStore]:
    if settings:
        return lambda: BlobStore(
            settings["PASSKEYS_STORE_CONNECTION"], prefix=settings["PASSKEYS_STORE_PREFIX"]
        )
    return lambda: EmbeddedStore(state / "store")


if __name__ == "__main__":
    main()
