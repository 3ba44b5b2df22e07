"""Authentication: whoever holds a credential is told apart from everybody else, without a user name."""

from azure.durable_functions import DurableOrchestrationContext

from orchestrators.ceremony import Activities, ceremony
from orchestrators.steps import Step

AUTHENTICATION = Activities(
    issue="issue_authentication_challenge",
    verify="verify_authentication",
    record=None,
)


def authenticate_passkey(context: DurableOrchestrationContext) -> Step:
    """The ceremony of WebAuthn's authentication; input, custom status and output as every ceremony's."""
    return (yield from ceremony(context, AUTHENTICATION))
