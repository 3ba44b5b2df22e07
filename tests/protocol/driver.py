"""Drive a running host from outside: raw HTTP, the durable client through the sample app, and patient waiting."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tests.hosts import FUNCTION_KEY, SYSTEM_KEY, RunningHost

WEBHOOKS = "/runtime/webhooks/durabletask"
FINISHED = frozenset({"Completed", "Failed", "Terminated", "Canceled"})
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response: status, headers, body bytes."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def json(self) -> Any:
        return json.loads(self.body)


def request(
    url: str,
    method: str,
    path: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    chunked: bool = False,
) -> Answer:
    """Send one request as given (path already encoded) on its own connection and read the whole answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=30)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}), encode_chunked=chunked)
        response = connection.getresponse()
        return Answer(status=response.status, headers=response.headers, body=response.read())
    finally:
        connection.close()


def until(probe: Callable[[], Any], what: str, *, within: float = PATIENCE_SECONDS) -> Any:
    """The first truthy answer of the probe; AssertionError naming what was awaited when there is none in time."""
    deadline = time.monotonic() + within
    pause = 0.01
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


class Raised(Exception):
    """What the durable client raised inside the sample app: the type's name, then the text."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A host that serves a sample app, as a test talks to it."""

    host: RunningHost

    # --- the app's HTTP functions -------------------------------------------------------------------------

    def http(self, method: str, path: str, **options: Any) -> Answer:
        """A request to the public listener."""
        return request(self.host.url, method, path, **options)

    def client(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Call the SDK's durable client inside the app (HTTP function `client` of the flows app). Raises Raised."""
        answer = self.http(
            "POST",
            f"/api/client/{operation}",
            body=json.dumps({"args": args, "kwargs": kwargs}),
            headers={"content-type": "application/json", "x-functions-key": FUNCTION_KEY},
        )
        assert answer.status == 200, f"client function answered {answer.status}: {answer.text}"
        result = answer.json()
        if "raised" in result:
            raise Raised(f"{result['raised']}: {result['text']}")
        return result["value"]

    # --- the extension's public API -----------------------------------------------------------------------

    def webhook(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = SYSTEM_KEY,
        **query: str,
    ) -> Answer:
        """A request to the Durable extension's webhook API; JSON content type whenever a body is given."""
        sent = {"content-type": "application/json"} if body is not None else {}
        sent.update(headers or {})
        if key is not None:
            query["code"] = key
        tail = f"?{urlencode(query)}" if query else ""
        return self.http(method, f"{WEBHOOKS}/{path}{tail}", body=body, headers=sent)

    def start(self, name: str, given: Any = None, *, instance_id: str | None = None) -> str:
        """Start an orchestration as the SDK's client does (the input is JSON inside a JSON string)."""
        body = None if given is None else json.dumps(json.dumps(given))
        path = f"orchestrators/{name}" + (f"/{quote(instance_id, safe='')}" if instance_id else "")
        answer = self.webhook("POST", path, body=body)
        assert answer.status == 202, f"start of {name} answered {answer.status}: {answer.text}"
        return str(answer.json()["id"])

    def raise_event(self, instance_id: str, name: str, data: Any = None) -> Answer:
        """Raise an event with a plain JSON body, as a raw HTTP caller does."""
        path = f"instances/{quote(instance_id, safe='')}/raiseEvent/{quote(name, safe='')}"
        return self.webhook("POST", path, body=json.dumps(data))

    def instance(self, instance_id: str, **query: str) -> dict[str, Any]:
        """The status body of an instance that exists."""
        answer = self.webhook("GET", f"instances/{quote(instance_id, safe='')}", **query)
        assert answer.status in {200, 202, 500}, f"status of {instance_id} answered {answer.status}"
        return dict(answer.json())

    def history(self, instance_id: str) -> list[dict[str, Any]]:
        """The history view, outputs included."""
        return list(self.instance(instance_id, showHistory="true", showHistoryOutput="true")["historyEvents"])

    def finished(self, instance_id: str, *, within: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The status body once the instance has ended."""

        def ended() -> dict[str, Any] | None:
            body = self.instance(instance_id)
            return body if body["runtimeStatus"] in FINISHED else None

        return dict(until(ended, f"{instance_id} has ended", within=within))

    def reached(
        self,
        instance_id: str,
        status: str = "Running",
        custom_status: Any = ...,
        *,
        within: float = PATIENCE_SECONDS,
    ) -> dict[str, Any]:
        """The status body once the instance has this runtime status (and custom status, when given)."""

        def there() -> dict[str, Any] | None:
            body = self.instance(instance_id)
            right = body["runtimeStatus"] == status
            return body if right and custom_status in (..., body["customStatus"]) else None

        return dict(until(there, f"{instance_id} is {status} {custom_status!r}", within=within))

    def output(self, name: str, given: Any = None, *, within: float = PATIENCE_SECONDS) -> Any:
        """Run an orchestration to its end and return its output; AssertionError unless it completed."""
        body = self.finished(self.start(name, given), within=within)
        assert body["runtimeStatus"] == "Completed", f"{name}: {body['runtimeStatus']}: {body['output']}"
        return body["output"]

    def failure(self, name: str, given: Any = None) -> str:
        """Run an orchestration that must fail and return its message."""
        body = self.finished(self.start(name, given))
        assert body["runtimeStatus"] == "Failed", f"{name}: {body['runtimeStatus']}: {body['output']}"
        return str(body["output"])

    # --- entities ------------------------------------------------------------------------------------------

    def signal(self, name: str, key: str, operation: str, given: Any = None) -> None:
        """Signal an entity as the SDK's client does."""
        body = None if given is None else json.dumps(json.dumps(given))
        path = f"entities/{name}/{quote(key, safe='')}"
        answer = self.webhook("POST", path, body=body, op=operation)
        assert answer.status == 202, f"signal answered {answer.status}: {answer.text}"

    def entity(self, name: str, key: str) -> Any:
        """The entity's state, or None when there is no such entity."""
        answer = self.webhook("GET", f"entities/{name}/{quote(key, safe='')}")
        return None if answer.status == 404 else answer.json()

    # --- logs ----------------------------------------------------------------------------------------------

    def log_lines(self) -> list[dict[str, Any]]:
        """The structured log so far: the JSON objects on stderr."""
        lines = (line.strip() for line in self.host.log().splitlines())
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def warnings_about(self, instance_id: str) -> str:
        """Every log line of level warning or worse that names the instance, as one text."""
        loud = (line for line in self.log_lines() if line["level"] in {"warning", "error", "critical"})
        return "\n".join(
            text for line in loud if instance_id in (text := json.dumps(line, ensure_ascii=False))
        )

    def warned(self, instance_id: str) -> str:
        """What the host logs, at warning or worse, about an instance that goes on."""
        return str(until(lambda: self.warnings_about(instance_id), f"a warning about {instance_id}"))

    def refused(self, instance_id: str) -> str:
        """The message of an instance that Azure would leave hanging: here it fails, and the log says so too."""
        body = self.finished(instance_id)
        assert body["runtimeStatus"] == "Failed", f"kinder than Azure: {body['output']!r}"
        assert self.warnings_about(instance_id), "the log says nothing"
        return str(body["output"])
