"""What can be asked about instances and entities: straight from the state file, so always what is committed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, TypeVar

from local_host.database import Database, from_us, to_us
from local_host.history import Event, entity_id, to_json
from local_host.model import EntityInfo, Instance, InstanceFilter, InvalidArgument
from local_host.queries import statements

SQL = statements("turn.sql")
READS = statements("reads.sql")
_T = TypeVar("_T")
_LAST = "\U0010ffff"  # sorts behind every text that begins with the same prefix


def get_instance(database: Database, instance_id: str) -> Instance | None:
    """One instance; an entity is one too, under its id `@name@key`."""
    if instance_id.startswith("@"):
        canonical = entity_id(instance_id)
        found = database.row(SQL["entity_by_id"], (canonical,))
        return None if found is None else _entity_instance((canonical, *found[1:]))
    found = database.row(SQL["instance_by_id"], (instance_id,))
    return None if found is None else _instance((found[1], *found[3:4], *found[5:11]))


def get_history(database: Database, instance_id: str) -> list[Event]:
    """Every event of the current execution, oldest first; empty when there is none."""
    found = database.row(SQL["instance_by_id"], (instance_id,))
    if found is None:
        return []
    pieces = database.rows(SQL["instance_history"], (found[0],))
    return [event for _sequence, text in pieces for event in json.loads(text)]


def list_instances(
    database: Database, wanted: InstanceFilter, *, top: int, continuation: str | None
) -> tuple[list[Instance], str | None]:
    """One page in the order of the ids, entities among them, and the token of the next page, if there is one.

    Raises InvalidArgument for a token that is not ours.
    """
    parameters = _parameters(wanted, top=top + 1, after=_after(continuation))
    statement = "list_instances" if wanted.created_from is None else "list_recent_instances"
    found = [_instance(row) for row in database.rows(READS[statement], parameters)]
    if wanted.statuses is None or "Running" in wanted.statuses:
        prefix = wanted.prefix or "@"
        if prefix.startswith("@"):
            entity_parameters = parameters | {
                "prefix": prefix,
                "prefix_end": prefix + _LAST,
                "updated_from_us": None,
                "updated_to_us": None,
            }
            found += [
                _entity_instance(row) for row in database.rows(READS["list_entities"], entity_parameters)
            ]
            found.sort(key=lambda instance: instance.instance_id)
    return _page(found, top, lambda instance: instance.instance_id)


def list_entities(
    database: Database,
    name: str | None,
    *,
    updated_from_us: int | None,
    updated_to_us: int | None,
    top: int,
    continuation: str | None,
) -> tuple[list[EntityInfo], str | None]:
    """One page of entities, of one name or all, and the token of the next page."""
    prefix = "@" if name is None else f"@{name.lower()}@"
    parameters = {
        "after": _after(continuation),
        "prefix": prefix,
        "prefix_end": prefix + _LAST,
        "updated_from_us": updated_from_us,
        "updated_to_us": updated_to_us,
        "created_from_us": None,
        "created_to_us": None,
        "top": top + 1,
    }
    found = []
    for written, state, _created_us, updated_us in database.rows(READS["list_entities"], parameters):
        entity_name, _, key = written[1:].partition("@")
        found.append(EntityInfo(entity_name, key, state, from_us(updated_us)))
    return _page(found, top, lambda entity: f"@{entity.name}@{entity.key}")


def purgeable(database: Database, wanted: InstanceFilter, *, top: int) -> list[str]:
    """Ids of ended instances of a span of creation times, oldest first."""
    parameters = _parameters(wanted, top=top, after="")
    parameters["created_from_us"] = parameters["created_from_us"] or 0
    return [instance_id for _row, instance_id in database.rows(READS["finished_created_between"], parameters)]


def _parameters(wanted: InstanceFilter, *, top: int, after: str) -> dict[str, Any]:
    return {
        "after": after,
        "prefix": wanted.prefix,
        "prefix_end": None if wanted.prefix is None else wanted.prefix + _LAST,
        "created_from_us": None if wanted.created_from is None else to_us(wanted.created_from),
        "created_to_us": None if wanted.created_to is None else to_us(wanted.created_to),
        "statuses": None if wanted.statuses is None else json.dumps(wanted.statuses),
        "top": top,
    }


def _page(found: list[_T], top: int, key: Callable[[_T], str]) -> tuple[list[_T], str | None]:
    if len(found) <= top:
        return found, None
    last = key(found[top - 1]) if top else ""
    return found[:top], base64.urlsafe_b64encode(last.encode()).decode()


def _after(continuation: str | None) -> str:
    if not continuation:
        return ""
    try:
        return base64.b64decode(continuation.encode(), b"-_", validate=True).decode()
    except ValueError:
        raise InvalidArgument("The continuation token is not one that this host gave.") from None


def _instance(row: tuple[Any, ...]) -> Instance:
    return Instance(*(*row[:6], from_us(row[6]), from_us(row[7])))


def _entity_instance(row: tuple[Any, ...]) -> Instance:
    written, state, created_us, updated_us = row
    # As on Azure: the state is in the input, the scheduler's view in the custom status.
    return Instance(
        instance_id=written,
        name=f"@{written[1:].partition('@')[0]}",
        status="Running",
        input=to_json({"exists": True, "state": state}),
        custom_status=to_json({"entityExists": True, "queueSize": 0, "lockedBy": None}),
        output=None,
        created_at=from_us(created_us),
        updated_at=from_us(updated_us),
    )
