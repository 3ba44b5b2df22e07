"""One administrative change of one credential: rename, remove, disable or enable it."""

from azure.durable_functions import DurableOrchestrationContext

from orchestrators.act import Doing, act
from orchestrators.steps import Step

# `name`: what to call it | null; `last`: the person has said that the last one may go.
ADMINISTRATION = Doing(
    activity="change_credential",
    given=("act_id", "act", "credential_id", "person", "by", "reason", "name", "last"),
)


def administer_credential(context: DurableOrchestrationContext) -> Step:
    """An act as every act; the input has `name` and `last` besides."""
    return (yield from act(context, ADMINISTRATION))
