"""A durable client whose acts are really done: by the real orchestrator and the real activity, at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from activities.change_credential import change_credential
from activities.change_session import change_session
from activities.redeem_recovery import redeem_recovery
from orchestrators.administer_credential import administer_credential
from orchestrators.administer_session import administer_session
from orchestrators.issue_recovery_ticket import issue_recovery_ticket
from passkeys.acts import Act
from passkeys.world import World
from starters import acts
from tests.orchestrators.context import RecordingContext
from tests.orchestrators.scenarios import NO, YES
from tests.starters.fakes import FakeClient, instance

ORCHESTRATORS: dict[str, Any] = {
    "administer_credential": administer_credential,
    "administer_session": administer_session,
    "issue_recovery_ticket": issue_recovery_ticket,
}
ACTIVITIES: dict[str, Any] = {
    "change_credential": change_credential,
    "change_session": change_session,
    "redeem_recovery": redeem_recovery,
}


@dataclass
class Administering(FakeClient):
    """`admits`: what the limiter says. `stalls`: the act is accepted, and nothing is heard of it."""

    world: World | None = None
    admits: bool = True
    stalls: bool = False
    entries: list[Any] = field(default_factory=list)

    async def start_new(
        self, orchestration_function_name: str, instance_id: str | None = None, client_input: Any = None
    ) -> str:
        if orchestration_function_name not in ORCHESTRATORS:
            return await super().start_new(orchestration_function_name, instance_id, client_input)
        self.calls.append(("start_new", orchestration_function_name, instance_id, client_input))
        assert instance_id is not None
        assert self.world is not None
        self.instances[instance_id] = instance(instance_id, "Running")
        if not self.stalls:
            self.instances[instance_id] = instance(
                instance_id, "Completed", out=await self._run(client_input)
            )
        return instance_id

    async def _run(self, request: dict[str, Any]) -> Any:
        assert self.world is not None
        context = RecordingContext(request)
        run = ORCHESTRATORS[acts.ORCHESTRATORS[Act(request["act"])]](context)
        try:
            task = next(run)
            while True:
                results = [
                    await ACTIVITIES[child.name](self.world, child.input)
                    if child.name in ACTIVITIES
                    else (YES if self.admits else NO)
                    for child in task.children
                ]
                task = run.send(results)
        except StopIteration as ended:
            self.entries += [entry for _, _, entry in context.signals]
            return ended.value
