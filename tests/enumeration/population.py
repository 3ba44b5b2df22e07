"""People with passkeys of all sorts, people without, people disabled, and names that are nobody's.

Everybody is enrolled through the activities themselves, with software authenticators, before the host opens the store. The
shapes of their passkeys are drawn from the tables of passkeys/decoys.py by plain chance, not by the decoys' derivation: that
people's passkeys are like the tables is what the comparison takes for granted, and docs/enumeration.md says so.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from activities.issue_registration_challenge import issue_registration_challenge
from activities.record_credential import record_credential
from activities.verify_registration import verify_registration
from demo.authenticator import HONEST_FLAGS, Flags, Lie, Passkey, create
from passkeys.credentials import Standing, StandingState, dump_standing, standing_name
from passkeys.decoy_key import KEY_NAME
from passkeys.decoys import COUNTS, ES256, KEY_BYTES, MODELS, Model
from passkeys.directory import StaticDirectory
from passkeys.documents import dump
from passkeys.embedded import EmbeddedStore
from passkeys.response import encode_base64url
from passkeys.settings import load
from passkeys.tickets import digest_of, issue_ticket
from passkeys.world import World
from tests.passkeys.key_homes import MemoryKeys

ORIGIN = "http://localhost:7071"


class Kind(Enum):
    """What a name is. Only the first two have passkeys to be listed."""

    SOMEBODY = "a person with passkeys"
    DISABLED = "a disabled person with passkeys, the first of them disabled too"
    BARE = "a person without passkeys"
    NOBODY = "nobody's name"


@dataclass(slots=True)
class Named:
    """A name, what it is, and the passkeys that its person holds."""

    name: str
    kind: Kind
    passkeys: list[Passkey] = field(default_factory=list)


def settle(state: Path, directory: Path, counts: Mapping[Kind, int], *, seed: int) -> list[Named]:
    """Fill the store below `state` and write the directory file; all names, in random order.

    With one seed everything that an answer can show is the same in every run: the key of the decoys too.
    """
    chance = random.Random(seed)
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    chance.shuffle(kinds)
    everybody = [Named(f"name{number:05}", kind) for number, kind in enumerate(kinds)]
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.write_text(
        json.dumps(
            {
                named.name: {
                    "display_name": named.name,
                    "status": "disabled" if named.kind is Kind.DISABLED else "active",
                }
                for named in everybody
                if named.kind is not Kind.NOBODY
            }
        )
    )
    asyncio.run(_enrol_all(EmbeddedStore(state / "store"), everybody, chance))
    return everybody


def portfolio(chance: random.Random) -> list[Model]:
    """The models of one person's passkeys."""
    counts, weights = zip(*COUNTS, strict=True)
    models: list[Model] = []
    for _ in range(chance.choices(counts, weights)[0]):
        if not models or chance.randrange(1000) >= models[-1].again:
            models.append(chance.choices(MODELS, [model.weight for model in MODELS])[0])
        else:
            models.append(models[-1])
    return models


async def _enrol_all(store: EmbeddedStore, everybody: Sequence[Named], chance: random.Random) -> None:
    world = World(
        settings=load({}),
        store=store,
        directory=StaticDirectory({}),
        clock=lambda: datetime.now(UTC),
        random_bytes=secrets.token_bytes,
        keys=MemoryKeys(),
    )
    try:
        await store.create(KEY_NAME, dump({"key": encode_base64url(chance.randbytes(KEY_BYTES))}))
        plans = [(named, portfolio(chance)) for named in everybody]
        random_parts = [[_credential_id(model, chance) for model in models] for _, models in plans]
        # Many at a time, so that they share their flushes to disk.
        for first in range(0, len(plans), 100):
            await asyncio.gather(
                *(
                    _enrol(world, named, list(zip(models, ids, strict=True)))
                    for (named, models), ids in zip(
                        plans[first : first + 100], random_parts[first : first + 100], strict=True
                    )
                )
            )
    finally:
        store.close()


async def _enrol(world: World, named: Named, shapes: Sequence[tuple[Model, bytes]]) -> None:
    if named.kind is Kind.NOBODY:
        return
    begun = {"ceremony_id": f"registration-{named.name}", "person": named.name}
    if named.kind is Kind.BARE:  # who has got as far as the prompt, and no farther
        await issue_registration_challenge(world, {**begun, "deadline_seconds": 300})
        return
    for number, (model, credential_id) in enumerate(shapes):
        begun["ceremony_id"] = f"registration-{named.name}-{number}"
        issued = await issue_registration_challenge(world, {**begun, "deadline_seconds": 300})
        offered = [entry["alg"] for entry in issued["publicKey"]["pubKeyCredParams"]]
        passkey, response = create(
            issued["publicKey"],
            origin=ORIGIN,
            algorithm=next(alg for alg in offered if alg in model.algorithms),
            flags=HONEST_FLAGS | (Flags.BACKUP_ELIGIBLE if model.synced else 0),
            counts=not model.synced,
            transports=model.transports[:: 1 if credential_id[1] % 2 else -1],  # clients sort, or do not
            lie=Lie(credential_id=credential_id),
        )
        answered = {**begun, "publicKey": issued["publicKey"], "response": response}
        verdict = await verify_registration(world, answered)
        assert verdict["verified"], verdict
        ticket = await issue_ticket(
            world.store, named.name, seconds=600, now=world.clock(), random_bytes=world.random_bytes
        )
        recording = {**begun, "ticket": digest_of(ticket), "credential": verdict["credential"]}
        assert await record_credential(world, recording) == {"recorded": True}
        named.passkeys.append(passkey)
        if named.kind is Kind.DISABLED and number == 0:
            disabled = Standing(StandingState.DISABLED, "lost", "operator", world.clock().isoformat())
            await world.store.create(standing_name(passkey.id), dump_standing(disabled))


def _credential_id(model: Model, chance: random.Random) -> bytes:
    if model.uuid:
        return uuid.UUID(bytes=chance.randbytes(16), version=4).bytes
    return chance.randbytes(model.id_bytes)


def stranger() -> Passkey:
    """An attacker's own passkey, which is registered nowhere."""
    options = {
        "rp": {"id": "localhost"},
        "user": {"id": encode_base64url(secrets.token_bytes(32))},
        "challenge": "AA",
        "pubKeyCredParams": [{"type": "public-key", "alg": ES256}],
    }
    return replace(create(options, origin=ORIGIN)[0], counts=False)
