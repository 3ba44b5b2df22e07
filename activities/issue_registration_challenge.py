"""Issue the challenge of a registration ceremony."""

from contextlib import suppress
from datetime import timedelta

from activities.own_credentials import own_credentials
from activities.retries import Json, retried
from passkeys import credentials, options, usernames
from passkeys.conformance import as_wished, wishes_in
from passkeys.errors import AlreadyExists, DirectoryUnavailable
from passkeys.world import World


@retried
async def issue_registration_challenge(world: World, request: Json) -> Json:
    """Make PublicKeyCredentialCreationOptionsJSON with a fresh challenge.

    request: {"ceremony_id", "person", "deadline_seconds", "wishes"}; result: {"publicKey", "expires_at"}. Run again,
    it makes another challenge; the ceremony knows the one whose result the history kept, and no other counts.
    """
    person: str = request["person"]
    name, display_name = await _names(world, person)
    public_key = options.creation_options(
        world.settings,
        challenge=options.new_challenge(world.random_bytes),
        deadline_seconds=request["deadline_seconds"],
        user_handle=await _user_handle(world, person),
        name=name,
        display_name=display_name,
        exclude=await own_credentials(world.store, person),
        mediation=request.get("mediation", "modal"),
    )
    expires_at = world.clock() + timedelta(seconds=request["deadline_seconds"])
    wished = as_wished(public_key, wishes_in(request, world.settings))
    return {"publicKey": wished, "expires_at": expires_at.isoformat()}


async def _user_handle(world: World, person: str) -> bytes:
    """The person's user handle, made at their first registration and the same ever after."""
    await _remember_username(world, person)
    name = credentials.person_name(person)
    known = await world.store.get(name)
    if known is None:
        made = credentials.dump_user_handle(options.new_user_handle(world.random_bytes))
        # Another ceremony of theirs may be first, or our own try before was kept: then that one counts.
        with suppress(AlreadyExists):
            await world.store.create(name, made)
        known = await world.store.get(name)
    if known is None:
        raise KeyError(f"{name} vanished while a ceremony was using it")
    return credentials.load_user_handle(name, known.data)


async def _remember_username(world: World, person: str) -> None:
    """Let the person be found by what they type as their name: their id, in any case."""
    token = usernames.token_of(await world.decoy_key(), person)
    if await usernames.find(world.store, token) is None:
        await usernames.remember(world.store, token, person)


async def _names(world: World, person: str) -> tuple[str, str]:
    """What the browser shows: what they are called to sign in, and what they are called. Whether the person may register is asked later, when it counts."""
    try:
        known = await world.directory.find(person)
    except DirectoryUnavailable:
        known = None
    if known is None:
        return person, person
    return known.username or person, known.display_name
