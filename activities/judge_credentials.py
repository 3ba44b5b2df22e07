"""Judge one page of stored credentials by what is known of their models now."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from activities.retries import Json, retried
from passkeys.credentials import (
    CredentialRecord,
    Standing,
    StandingState,
    dump_standing,
    load_credential,
    load_standing,
    standing_name,
)
from passkeys.errors import AlreadyExists, Changed, StoreDamaged
from passkeys.metadata import Metadata, ModelPolicy
from passkeys.models import model_policy_of
from passkeys.rejudging import is_of_this_run, model_of, reason_against, revised
from passkeys.store import Store
from passkeys.world import World

# So many reads take a second or two on Azure Blob Storage, and a few milliseconds here.
PAGE = 200
# Each change is one signal of the orchestrator's episode: no more of them than a message carries with ease.
ENOUGH_CHANGES = 25
AT_ONCE = 20

PREFIX = "credentials/"
# The first characters that a credential's name can have, in the order of their bytes. The port lists by prefix alone, so
# that going on behind a name means passing over those before it: of its shelf, and not of the whole store.
SHELVES = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_CONSEQUENCES = {"disable": StandingState.DISABLED, "step-up": StandingState.STEP_UP}

log = logging.getLogger("activities.judge_credentials")


@dataclass(frozen=True, slots=True)
class _Judge:
    """What a page is judged by."""

    world: World
    metadata: Metadata
    policy: ModelPolicy
    at: str
    moment: datetime


@retried
async def judge_credentials(world: World, request: Json) -> Json:
    """Judge the credentials whose names follow `cursor`, some hundreds, and set the standing of those that need another.

    request: {"at": when this refresh began, RFC 3339, "cursor": "" | of the page before}; result: {"cursor": text | null
    at the end, "judged": how many, "damaged": how many could not be read, "changes": [{"credential_id", "person",
    "state", "reason" | null}, …]}.

    Run again, it tells the changes of its first try again and makes none twice: it knows its own by `at`.
    """
    result: Json = {"cursor": None, "judged": 0, "damaged": 0, "changes": []}
    metadata = await world.models.current()
    if metadata is None:
        return result
    at: str = request["at"]
    judge = _Judge(world, metadata, model_policy_of(world.settings), at, datetime.fromisoformat(at))
    batch: list[str] = []
    async for name in _names_behind(world.store, request["cursor"]):
        if len(batch) == AT_ONCE:
            await _judge_batch(judge, batch, result)
            if result["judged"] >= PAGE or len(result["changes"]) >= ENOUGH_CHANGES:
                return {**result, "cursor": batch[-1]}
            batch = []
        batch.append(name)
    await _judge_batch(judge, batch, result)
    return result


async def _names_behind(store: Store, cursor: str) -> AsyncIterator[str]:
    """The names of credentials that follow `cursor`, in the order of their bytes."""
    for shelf in SHELVES:
        prefix = PREFIX + shelf
        if cursor[: len(prefix)] > prefix:
            continue
        async for name in store.list(prefix):
            if name > cursor:
                yield name


async def _judge_batch(judge: _Judge, names: list[str], result: Json) -> None:
    """Judge these, side by side, and add to the result. One that is damaged is counted and left; the others go on."""
    verdicts = await asyncio.gather(*(_judge_one(judge, name) for name in names), return_exceptions=True)
    for verdict in verdicts:
        if isinstance(verdict, StoreDamaged):
            log.error("A credential is not judged: %s", verdict)
            result["damaged"] += 1
        elif isinstance(verdict, BaseException):
            raise verdict
        elif verdict is not None:
            result["changes"].append(verdict)
    result["judged"] += len(names)


async def _judge_one(judge: _Judge, name: str) -> Json | None:
    """The change that this run makes, or has made in a try before, of one credential. Raises StoreDamaged."""
    store = judge.world.store
    document = await store.get(name)
    if document is None:
        return None  # removed meanwhile
    record = load_credential(name, document.data)
    model = model_of(record, judge.metadata)
    reason = reason_against(record, model, judge.policy, judge.moment)
    where = standing_name(record.credential_id)
    while True:
        found = await store.get(where)
        standing = load_standing(where, found.data) if found else None
        if standing is not None and is_of_this_run(standing, judge.at):
            return _change(record, standing)
        decided = revised(
            standing,
            reason=reason,
            model_known=model is not None,
            consequence=_CONSEQUENCES[judge.world.settings.revoked_credentials],
            at=judge.at,
        )
        if decided is None:
            return None
        try:
            if found is None:
                await store.create(where, dump_standing(decided))
            else:
                await store.replace(where, dump_standing(decided), etag=found.etag)
        except (AlreadyExists, Changed):
            continue  # an operator or the person was quicker: decide again by what they said
        return _change(record, decided)


def _change(record: CredentialRecord, standing: Standing) -> Json:
    return {
        "credential_id": record.credential_id,
        "person": record.person,
        "state": standing.state.value,
        "reason": standing.reason,
    }
