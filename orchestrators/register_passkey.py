"""Registration: a person with the right to enrol gets a credential."""

from azure.durable_functions import DurableOrchestrationContext

from orchestrators.ceremony import Activities, ceremony
from orchestrators.steps import Step

REGISTRATION = Activities(
    issue="issue_registration_challenge",
    verify="verify_registration",
    # A round of its own: no credential may be stored before the claims say yes.
    record="record_credential",
)


def register_passkey(context: DurableOrchestrationContext) -> Step:
    """The ceremony of WebAuthn's registration; input, custom status and output as every ceremony's."""
    return (yield from ceremony(context, REGISTRATION))
