"""Drives an entity function through the SDK's real handle, batch by batch, as the Durable extension does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure.durable_functions import Entity

NOTHING = object()


@dataclass
class DrivenEntity:
    """One entity with its durable state. `run` is one batch; it returns each operation's result, or its error."""

    function: Callable[[Any], None]
    key: str
    state: str | None = None
    exists: bool = False

    def run(self, *operations: tuple[str, Any]) -> list[Any]:
        """Each operation is (name, input); NOTHING as input is a call without one."""
        batch = [
            # An operation's input is JSON text of JSON text; without one it is the text of null.
            {
                "name": name,
                "input": json.dumps(json.dumps(value if value is not NOTHING else None)),
                "isSignal": False,
            }
            for name, value in operations
        ]
        request = {
            "self": {"name": self.function.__name__, "key": self.key},
            "exists": self.exists,
            "state": self.state,
            "batch": batch,
        }
        response = json.loads(Entity.create(self.function)(json.dumps(request)))
        self.exists, self.state = response["entityExists"], response["entityState"]
        return [
            RuntimeError(result["result"]) if result["isError"] else json.loads(result["result"])
            for result in response["results"]
        ]

    def ask(self, name: str, value: Any = NOTHING) -> Any:
        """One operation in a batch of its own."""
        return self.run((name, value))[0]

    @property
    def kept(self) -> Any:
        """The state as it is stored."""
        return None if self.state is None else json.loads(self.state)
