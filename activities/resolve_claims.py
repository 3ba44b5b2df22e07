"""Ask the directory who the person is now, and whether they may."""

from activities.retries import Json, retried
from passkeys.credentials import credential_name, load_credential
from passkeys.errors import DirectoryUnavailable
from passkeys.response import MAX_CREDENTIAL_ID, decode_base64url, encoded_length
from passkeys.stand_ins import NOBODY, stand_in_document
from passkeys.world import World


async def resolve_claims(world: World, request: Json) -> Json:
    """The person's claims now, by person or by credential.

    request: {"person": id | null, "credential_id": text | null}; result: {"person": id | null, "status":
    "active" | "disabled" | "unknown" | "unreachable", "display_name", "claims"}.

    Given a credential id it finds the owner itself, so that it can run beside verification: an answer about
    somebody not verified yet, which counts only if verification says the same person. Of a credential that is
    nobody's it asks about nobody, so that it takes as long. Reads only.
    """
    try:
        return await _resolved(world, request)
    except DirectoryUnavailable:  # still, after the retries: fail closed
        return _answer(request["person"], "unreachable")


@retried
async def _resolved(world: World, request: Json) -> Json:
    person = request["person"] or await _owner(world, request["credential_id"])
    found = await world.directory.find(NOBODY if person is None else person)
    if person is None or found is None:
        return _answer(person, "unknown")
    return {
        **_answer(found.id, found.status.value),
        "display_name": found.display_name,
        "claims": dict(found.claims),
    }


async def _owner(world: World, credential_id: object) -> str | None:
    # As it came from outside, and not yet judged: anything at all.
    if not isinstance(credential_id, str) or not 1 <= len(credential_id) <= encoded_length(MAX_CREDENTIAL_ID):
        return None
    try:
        raw_id = decode_base64url(credential_id)
    except ValueError:
        return None
    name = credential_name(credential_id)
    document = await world.store.get(name)
    stand_in = stand_in_document(await world.decoy_key(), raw_id, world.settings.algorithms)
    record = load_credential(name, stand_in if document is None else document.data)
    return None if document is None else record.person


def _answer(person: str | None, status: str) -> Json:
    return {"person": person, "status": status, "display_name": None, "claims": {}}
