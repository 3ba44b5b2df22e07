"""A durable client without a task hub, and requests as the worker builds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from azure.durable_functions import EntityId
from azure.durable_functions.models.DurableOrchestrationStatus import DurableOrchestrationStatus
from azure.durable_functions.models.EntityStateResponse import EntityStateResponse
from azure.durable_functions.models.PurgeHistoryResult import PurgeHistoryResult
from azure.functions import HttpResponse
from azure.functions.http import HttpRequest

from passkeys.directory import load_static
from passkeys.embedded import EmbeddedStore
from passkeys.settings import Settings, load
from passkeys.world import World
from tests.passkeys.key_homes import MemoryKeys

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
REGISTRATION = "registration-" + "1" * 32
AUTHENTICATION = "authentication-" + "2" * 32
OPTIONS = {"challenge": "x" * 43, "rpId": "localhost"}
WAITING = {
    "v": 1,
    "stage": "awaiting_authenticator",
    "publicKey": OPTIONS,
    "expiresAt": "2026-01-01T12:05:00.000Z",
}


def output(outcome: str, reason: str | None = None, **members: Any) -> dict[str, Any]:
    """A ceremony's output."""
    return {
        "v": 1,
        "kind": "authentication",
        "outcome": outcome,
        "reason": reason,
        "person": None,
        "credential_id": None,
        "retry_after_seconds": None,
        "at": "2026-01-01T12:00:05.000Z",
        **members,
    }


def instance(
    instance_id: str, runtime: str = "Running", *, custom: Any = None, out: Any = None, **more: Any
) -> dict[str, Any]:
    """An instance as the extension tells it."""
    return {
        "name": "authenticate_passkey",
        "instanceId": instance_id,
        "runtimeStatus": runtime,
        "input": json.dumps({"ticket": "the input is nobody's business"}),
        "customStatus": custom,
        "output": out,
        "createdTime": "2026-01-01T12:00:00Z",
        "lastUpdatedTime": "2026-01-01T12:00:05Z",
        **more,
    }


def ended(instance_id: str, outcome: str, reason: str | None = None, **members: Any) -> dict[str, Any]:
    """A completed instance with its outcome."""
    out = output(outcome, reason, **members)
    return instance(instance_id, "Completed", custom={"v": 1, "stage": outcome}, out=out)


@dataclass
class FakeClient:
    """Has the methods of DurableOrchestrationClient that starters use, over a dict of instances.

    `on_start` and `on_event` say what the orchestrator makes of a start and of an event.
    """

    instances: dict[str, dict[str, Any]] = field(default_factory=dict)
    entities: dict[str, Any] = field(default_factory=dict)
    on_start: Callable[[str], dict[str, Any]] = lambda instance_id: instance(instance_id, custom=WAITING)
    on_event: Callable[[str], dict[str, Any]] = lambda instance_id: ended(instance_id, "completed")
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    broken: bool = False

    async def start_new(
        self, orchestration_function_name: str, instance_id: str | None = None, client_input: Any = None
    ) -> str:
        self.calls.append(("start_new", orchestration_function_name, instance_id, client_input))
        assert instance_id is not None
        if instance_id in self.instances and self.instances[instance_id]["runtimeStatus"] == "Running":
            raise Exception({"Message": "exists"})
        self.instances[instance_id] = self.on_start(instance_id)
        return instance_id

    async def get_status(
        self,
        instance_id: str,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool = False,
    ) -> DurableOrchestrationStatus:
        if self.broken:
            raise OSError("the task hub is gone")
        found = self.instances.get(instance_id)
        if found is None:
            return DurableOrchestrationStatus.from_json("")
        return DurableOrchestrationStatus.from_json(found if show_input else {**found, "input": None})

    async def raise_event(self, instance_id: str, event_name: str, event_data: Any = None) -> None:
        self.calls.append(("raise_event", instance_id, event_name, event_data))
        found = self.instances.get(instance_id)
        if self.broken or found is None or found["runtimeStatus"] != "Running":
            raise Exception("No instance, or gone")
        self.instances[instance_id] = self.on_event(instance_id)

    async def get_status_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: list[Any] | None = None,
        instance_id_prefix: str | None = None,
    ) -> list[DurableOrchestrationStatus]:
        self.calls.append(("get_status_by", created_time_from, instance_id_prefix))
        found = [
            DurableOrchestrationStatus.from_json(one)
            for name, one in self.instances.items()
            if name.startswith(instance_id_prefix or "")
        ]
        return [one for one in found if created_time_from is None or one.created_time >= created_time_from]

    async def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: list[Any] | None = None,
    ) -> PurgeHistoryResult:
        """As the extension does: both ends belong to the window; what runs is not purged, whatever is asked."""
        if self.broken:
            raise OSError("the task hub is gone")
        assert created_time_from is not None
        assert created_time_to is not None
        self.calls.append(("purge_instance_history_by", created_time_from, created_time_to))
        asked = {str(status.value) for status in runtime_status or ()}
        gone = [
            name
            for name, one in self.instances.items()
            if one["runtimeStatus"] in asked - {"Running", "Pending"}
            and created_time_from <= datetime.fromisoformat(one["createdTime"]) <= created_time_to
        ]
        for name in gone:
            del self.instances[name]
        return PurgeHistoryResult(len(gone))

    async def read_entity_state(self, entityId: EntityId) -> EntityStateResponse:
        state = self.entities.get(f"{entityId.name}/{entityId.key}")
        return EntityStateResponse(state is not None, state)

    async def signal_entity(
        self, entityId: EntityId, operation_name: str, operation_input: Any = None
    ) -> None:
        self.calls.append(
            ("signal_entity", f"{entityId.name}/{entityId.key}", operation_name, operation_input)
        )


def request(
    method: str,
    url: str,
    body: object = None,
    *,
    headers: Mapping[str, str] | None = None,
    route: Mapping[str, str] | None = None,
) -> HttpRequest:
    """A request as the worker builds it: lower-case headers, parameters without empty values, raw bytes."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"content-type": "application/json"} if body is not None else {}
    return HttpRequest(
        method,
        f"http://localhost:7071{url}",
        headers={"x-forwarded-for": "203.0.113.7:50000", **given, **(headers or {})},
        params=dict(parse_qsl(urlsplit(url).query)),
        route_params=dict(route or {}),
        body_type="bytes",
        body=raw,
    )


def body_of(response: HttpResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(response.get_body())


def settings(**environ: str) -> Settings:
    return load({**environ})


def world(tmp_path: Any, **environ: str) -> World:
    """The world of the local profile, with a fixed clock and counting bytes."""
    found = settings(PASSKEYS_STORE=str(tmp_path / "store"), **environ)
    counter = iter(range(1, 1000))
    return World(
        settings=found,
        store=EmbeddedStore(Path(found.store)),
        directory=load_static(None),
        clock=lambda: NOW,
        random_bytes=lambda n: next(counter).to_bytes(n, "big"),
        keys=MemoryKeys(),
    )
