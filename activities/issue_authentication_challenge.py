"""Issue the challenge of an authentication ceremony."""

from datetime import timedelta

from activities.own_credentials import own_credentials, read_as_many
from activities.retries import Json, retried
from passkeys import decoys, options, usernames
from passkeys.conformance import as_wished, wishes_in
from passkeys.credentials import CredentialDescriptor
from passkeys.policy import decoy_models
from passkeys.world import World


@retried
async def issue_authentication_challenge(world: World, request: Json) -> Json:
    """Make PublicKeyCredentialRequestOptionsJSON with a fresh challenge.

    request: {"ceremony_id", "deadline_seconds", "username": token, "wishes"}; result: {"publicKey", "expires_at"}. Without
    `username`, for any passkey of this RP; it then asks nobody, so it cannot fail. With it, for those of the person whose
    name that is, or for the name's decoys. Run again, it makes another challenge; the one that the history kept counts.
    """
    deadline_seconds: int = request["deadline_seconds"]
    username: str | None = request.get("username")
    public_key = options.request_options(
        world.settings,
        challenge=options.new_challenge(world.random_bytes),
        deadline_seconds=deadline_seconds,
        allow=() if username is None else await _listed(world, username),
    )
    expires_at = world.clock() + timedelta(seconds=deadline_seconds)
    wished = as_wished(public_key, wishes_in(request, world.settings))
    return {"publicKey": wished, "expires_at": expires_at.isoformat()}


async def _listed(world: World, username: str) -> list[CredentialDescriptor]:
    """The passkeys of the person with this name, or what stands in for them; at the same cost.

    The directory is not asked: whom it has disabled is answered as before, and learns so when signing in.
    """
    key = await world.decoy_key()
    # For everybody, since it takes time.
    made = decoys.descriptors(key, username, decoy_models(world.settings))
    person = await usernames.find(world.store, username)
    own = await own_credentials(world.store, username if person is None else person)
    if own:
        return own
    await read_as_many(world.store, len(made))
    return made
