"""The durable engine: what the Durable extension and its storage do, in one thread on one asyncio loop.

Requests, activity results and due timers are collected; as soon as there is something, one turn works off everything
that is ready and commits once for all. Only then are the requests answered and the new activities launched: what was
answered is durable, and what was not durable has no effect outside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

from local_host import engine_reads, history
from local_host.database import Database, to_us
from local_host.engine_loop import TurnLoop
from local_host.engine_state import SQL, OperationMessage
from local_host.engine_turn import Turn
from local_host.history import Event, storable
from local_host.log import Log
from local_host.model import (
    EngineOptions,
    EntityInfo,
    Functions,
    Instance,
    InstanceExists,
    InstanceFilter,
    InstanceFinished,
    InvalidArgument,
    UnknownFunction,
    UnknownInstance,
    WrongState,
)

_MAX_ID_LENGTH = 256
_FORBIDDEN_IN_ID = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_PURGE_AT_ONCE = 500


class Engine:
    """The engine of one open state file. Every method is called from the loop's thread."""

    def __init__(
        self,
        database: Database,
        functions: Functions,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        options: EngineOptions,
        log: Log,
    ) -> None:
        self._database = database
        self._functions = functions
        self._new_id = new_id
        self._options = options
        self._turns = TurnLoop(database, functions, clock=clock, new_id=new_id, options=options, log=log)

    async def start(self) -> None:
        """Take up what earlier runs left: void their leases, make waiting messages ready, fire what is overdue."""
        await self._turns.start()

    async def drain(self, timeout_s: float) -> None:
        """Accept nothing more, let running activities finish (at most so long), and commit their results.

        What does not finish in time is cancelled and executed again by the next run.
        """
        await self._turns.drain(timeout_s)

    def poke(self) -> None:
        """Look at the clock and at what is ready, soon. Needed only when the clock is set from outside."""
        self._turns.poke()

    # -- instances -----------------------------------------------------------------------------------------------------

    async def start_instance(
        self, name: str, instance_id: str | None, input_text: str | None, *, version: str = ""
    ) -> str:
        """Start an orchestration; its id. `input_text` is JSON.

        Raises UnknownFunction, InvalidArgument, InstanceExists.
        """
        if name.lower() not in self._functions.orchestrators:
            raise UnknownFunction(_missing(name, "orchestrator"))
        chosen = self._new_id() if instance_id is None else _valid_id(instance_id)
        _check_storable(version, input_text)
        return str(
            await self._turns.submit(lambda turn: self._start(turn, name, chosen, input_text, version))
        )

    def _start(self, turn: Turn, name: str, instance_id: str, input_text: str | None, version: str) -> str:
        existing = turn.state.find(instance_id)
        if existing is not None:
            if existing.is_active and self._options.overridable_states != "AnyState":
                raise InstanceExists(existing.status)
            turn.state.remove(existing)
        turn.start(name, instance_id, input_text, version)
        return instance_id

    async def raise_event(self, instance_id: str, name: str, input_text: str) -> None:
        """Raise an external event. `input_text` is JSON. Raises UnknownInstance, InstanceFinished, InvalidArgument."""
        _check_storable(name, input_text)
        await self._send(instance_id, lambda turn: history.event_raised(turn.at, name, input_text))

    async def terminate(self, instance_id: str, reason: str) -> None:
        """End an instance from outside; `reason` becomes its output. Raises UnknownInstance, InstanceFinished."""
        _check_storable(reason)
        await self._send(instance_id, lambda turn: history.execution_terminated(turn.at, reason))

    async def suspend(self, instance_id: str, reason: str) -> None:
        """Let an instance stand still. Raises UnknownInstance, InstanceFinished, WrongState when it does already."""
        await self._send(
            instance_id, lambda turn: history.execution_suspended(turn.at, reason), suspended=False
        )

    async def resume(self, instance_id: str, reason: str) -> None:
        """Let a suspended instance go on. Raises UnknownInstance, InstanceFinished, WrongState when it is not."""
        await self._send(instance_id, lambda turn: history.execution_resumed(turn.at, reason), suspended=True)

    async def _send(
        self, instance_id: str, event: Callable[[Turn], Event], *, suspended: bool | None = None
    ) -> None:
        def apply(turn: Turn) -> None:
            execution = turn.state.find(instance_id)
            if execution is None:
                raise UnknownInstance(instance_id)
            if not execution.is_active:
                raise InstanceFinished(instance_id, execution.status)
            if suspended is not None and (execution.status == "Suspended") is not suspended:
                raise WrongState(f"The instance {instance_id!r} is {execution.status}.")
            turn.state.deliver(execution, event(turn))

        await self._turns.submit(apply)

    async def rewind(self, instance_id: str, reason: str) -> None:
        """Run a failed instance again from its last good state.

        Raises UnknownInstance, InstanceFinished (it ended well or was terminated), WrongState (it is running).
        """
        await self._turns.submit(lambda turn: _rewind(turn, instance_id, reason))

    async def restart(self, instance_id: str, *, new_instance_id: bool) -> str:
        """Start the same orchestrator with the same input, under a new id or the same; the id.

        Raises UnknownInstance (status 400), InstanceExists when the same id is still running.
        """

        def apply(turn: Turn) -> str:
            old = turn.state.find(instance_id)
            if old is None:
                raise UnknownInstance(instance_id, http_status=400)
            if old.name.lower() not in self._functions.orchestrators:
                raise UnknownFunction(_missing(old.name, "orchestrator"))
            chosen = self._new_id() if new_instance_id else instance_id
            return self._start(turn, old.name, chosen, old.input, old.version)

        return str(await self._turns.submit(apply))

    async def purge(self, instance_id: str) -> int:
        """Delete an instance or entity and everything of it, whatever its state; how many there were (0 or 1)."""

        def apply(turn: Turn) -> int:
            if instance_id.startswith("@"):
                return _purge_entity(turn, instance_id)
            execution = turn.state.find(instance_id)
            if execution is None:
                return 0
            turn.state.remove(execution)
            return 1

        return int(await self._turns.submit(apply))

    async def purge_where(self, wanted: InstanceFilter) -> int:
        """Delete the ended instances that match; how many. In pieces, so that nobody waits long."""
        purged = 0
        while ids := engine_reads.purgeable(self._database, wanted, top=_PURGE_AT_ONCE):
            count = int(await self._turns.submit(partial(_purge_ended, instance_ids=ids)))
            if count == 0:
                break  # rewound or replaced meanwhile
            purged += count
        return purged

    # -- entities ------------------------------------------------------------------------------------------------------

    async def signal_entity(self, name: str, key: str, operation: str, input_text: str | None) -> None:
        """Queue an operation for an entity. `input_text` is JSON. Raises UnknownFunction, InvalidArgument."""
        if name.lower() not in self._functions.entities:
            raise UnknownFunction(_missing(name, "entity"))
        _check_storable(key, operation, input_text)

        def apply(turn: Turn) -> None:
            entity = turn.state.entity(f"@{name.lower()}@{key}", turn.now_us)
            turn.state.enqueue(entity, OperationMessage(operation, input_text))

        await self._turns.submit(apply)

    def read_entity(self, name: str, key: str) -> str | None:
        """The state of an entity as JSON text, or None when it does not exist."""
        found = self._database.row(SQL["entity_by_id"], (f"@{name.lower()}@{key}",))
        return None if found is None else found[1]

    def list_entities(
        self,
        name: str | None = None,
        *,
        updated_from: datetime | None = None,
        updated_to: datetime | None = None,
        top: int = 100,
        continuation: str | None = None,
    ) -> tuple[list[EntityInfo], str | None]:
        """One page of entities, of one name or all, and the token of the next page."""
        return engine_reads.list_entities(
            self._database,
            name,
            updated_from_us=None if updated_from is None else to_us(updated_from),
            updated_to_us=None if updated_to is None else to_us(updated_to),
            top=top,
            continuation=continuation,
        )

    # -- reading and waiting -------------------------------------------------------------------------------------------

    def get_instance(self, instance_id: str) -> Instance | None:
        """One instance as it is committed, or None."""
        return engine_reads.get_instance(self._database, instance_id)

    def get_history(self, instance_id: str) -> list[Event]:
        """Every event of an instance's current execution, oldest first."""
        return engine_reads.get_history(self._database, instance_id)

    def list_instances(
        self, wanted: InstanceFilter, *, top: int = 100, continuation: str | None = None
    ) -> tuple[list[Instance], str | None]:
        """One page of instances in the order of their ids, and the token of the next page."""
        return engine_reads.list_instances(self._database, wanted, top=top, continuation=continuation)

    async def settled(self, instance_id: str, timeout_s: float) -> None:
        """Wait until nothing is under way for an instance, at most so long."""
        await self._turns.wait(instance_id, timeout_s, finished=False)

    async def wait_finished(self, instance_id: str, timeout_s: float) -> None:
        """Wait until an instance is over, at most so long."""
        await self._turns.wait(instance_id, timeout_s, finished=True)


def _rewind(turn: Turn, instance_id: str, reason: str) -> None:
    execution = turn.state.find(instance_id)
    if execution is None:
        raise UnknownInstance(instance_id)
    if execution.is_active:
        raise WrongState(
            f"The instance {instance_id!r} is {execution.status}; only a failed one can be rewound."
        )
    if execution.status != "Failed":
        raise InstanceFinished(instance_id, execution.status)
    turn.rewind(execution, reason)


def _purge_entity(turn: Turn, entity_id: str) -> int:
    entity = turn.state.entity(entity_id, turn.now_us)
    existed = entity.exists
    entity.executed_rows += [operation.row for operation in entity.queue if operation.row is not None]
    entity.queue.clear()
    turn.state.ready_entities.pop(entity_id, None)
    entity.exists, entity.state, entity.changed = False, None, True
    turn.state.dirty_entities[entity_id] = entity
    return int(existed)


def _purge_ended(turn: Turn, instance_ids: list[str]) -> int:
    purged = 0
    for instance_id in instance_ids:
        execution = turn.state.find(instance_id)
        if execution is not None and not execution.is_active:
            turn.state.remove(execution)
            purged += 1
    return purged


def _valid_id(instance_id: str) -> str:
    """Extension: at most 256 characters, not an entity's id, nothing that would change a URL or a blob name."""
    if not 0 < len(instance_id) <= _MAX_ID_LENGTH:
        raise InvalidArgument(
            f"An instance id has 1 to {_MAX_ID_LENGTH} characters, this one {len(instance_id)}."
        )
    if instance_id.startswith("@"):
        raise InvalidArgument("An instance id must not begin with '@': such ids belong to entities.")
    if _FORBIDDEN_IN_ID.search(instance_id):
        raise InvalidArgument("An instance id must not contain '/', '\\', '#', '?' or control characters.")
    _check_storable(instance_id)
    return instance_id


def _check_storable(*texts: str | None) -> None:
    if not all(text is None or storable(text) for text in texts):
        raise InvalidArgument("The text holds half a character (a lone surrogate) and cannot be stored.")


def _missing(name: str, kind: str) -> str:
    return f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function."
