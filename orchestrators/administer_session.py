"""The end of one session with an application, or of all of a person's, by themselves or by an operator."""

from azure.durable_functions import DurableOrchestrationContext

from orchestrators.act import Doing, act
from orchestrators.steps import Step

# `session`: which | null: all of the person's.
ADMINISTRATION = Doing(
    activity="change_session", given=("act_id", "act", "session", "person"), recorded=("session",)
)


def administer_session(context: DurableOrchestrationContext) -> Step:
    """An act as every act; the input has `session` besides."""
    return (yield from act(context, ADMINISTRATION))
