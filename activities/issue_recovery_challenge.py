"""Issue the challenge of a recovery: whoever signs it has signed what it is for."""

from datetime import timedelta

from activities.retries import Json
from passkeys import options
from passkeys.recoveries import NONCE_BYTES, Details, challenge_for
from passkeys.world import World


async def issue_recovery_challenge(world: World, request: Json) -> Json:
    """Make PublicKeyCredentialRequestOptionsJSON, for any operator's passkey, with a challenge that commits to the details.

    request: {"ceremony_id", "deadline_seconds", "details"}; result: {"publicKey", "expires_at"}. It asks nobody, so it
    cannot fail. Run again, it makes another challenge; the one that the history kept counts.
    """
    deadline_seconds: int = request["deadline_seconds"]
    public_key = options.request_options(
        world.settings,
        challenge=challenge_for(Details(**request["details"]), nonce=world.random_bytes(NONCE_BYTES)),
        deadline_seconds=deadline_seconds,
    )
    # Whatever is policy for signing in: here a person decides about another, and not whoever holds their device.
    public_key["userVerification"] = "required"
    expires_at = world.clock() + timedelta(seconds=deadline_seconds)
    return {"publicKey": public_key, "expires_at": expires_at.isoformat()}
