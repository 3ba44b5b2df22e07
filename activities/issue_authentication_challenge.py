"""Issue the challenge of an authentication ceremony."""

from datetime import timedelta

from activities.retries import Json
from passkeys import options
from passkeys.world import World


async def issue_authentication_challenge(world: World, request: Json) -> Json:
    """Make PublicKeyCredentialRequestOptionsJSON with a fresh challenge, for any passkey of this RP.

    request: {"ceremony_id", "deadline_seconds"}; result: {"publicKey", "expires_at"}. It asks nobody, so it
    cannot fail. Run again, it makes another challenge; the one that the history kept counts.
    """
    deadline_seconds: int = request["deadline_seconds"]
    public_key = options.request_options(
        world.settings,
        challenge=options.new_challenge(world.random_bytes),
        deadline_seconds=deadline_seconds,
    )
    expires_at = world.clock() + timedelta(seconds=deadline_seconds)
    return {"publicKey": public_key, "expires_at": expires_at.isoformat()}
