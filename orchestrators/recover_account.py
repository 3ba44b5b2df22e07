"""Recovery: an operator confirms, with a passkey of their own, that another person may enrol anew.

What is confirmed are the `details` of the start; the challenge commits to them. The ticket comes after the ceremony, and
is none of its business: see orchestrators/issue_recovery_ticket.py.
"""

from azure.durable_functions import DurableOrchestrationContext

from orchestrators.ceremony import Activities, ceremony
from orchestrators.steps import Json, Step


def _confirmation(request: Json, answer: Json, verdict: Json) -> Json:
    """The answer itself, because its signature is the proof; who gave it, and with which credential."""
    return {
        "ceremony_id": request["ceremony_id"],
        "details": request["details"],
        "response": answer["response"],
        "confirmed_by": verdict["person"],
        "credential_id": verdict["credential_id"],
        "step_up": verdict.get("step_up", False),
    }


RECOVERY = Activities(
    issue="issue_recovery_challenge",
    verify="verify_authentication",
    # A round of its own: whether this operator may confirm is judged there, with the record.
    record="record_recovery",
    to_record=_confirmation,
)


def recover_account(context: DurableOrchestrationContext) -> Step:
    """The ceremony of a recovery; input, custom status and output as every ceremony's. `person` is whoever confirmed."""
    return (yield from ceremony(context, RECOVERY))
