"""The ticket of a confirmed recovery, issued once. What comes this way is its digest: the secret is with who asked.

A host that dies in the middle leaves a ticket that nobody has seen, on the record, and not one that nobody knows of.
"""

from azure.durable_functions import DurableOrchestrationContext

from orchestrators.act import Doing, act
from orchestrators.steps import Step

# `recovery`: its ceremony's id; `ticket`: the digest; `expires_at`: when the ticket does, as its asker was told.
ISSUANCE = Doing(
    activity="redeem_recovery",
    given=("act_id", "recovery", "ticket", "expires_at", "by"),
    recorded=("recovery",),
)


def issue_recovery_ticket(context: DurableOrchestrationContext) -> Step:
    """An act as every act; the input has `recovery`, `ticket` and `expires_at` besides."""
    return (yield from act(context, ISSUANCE))
