"""What a page tells password managers, so that they offer what works and nothing else: the Signal API's payloads.

(WebAuthn L3 §5.1.10.) `unknownCredential` makes a password manager delete a passkey for good. So it is said only to who
started the ceremony in which the passkey was used, and only where the lookup itself found that there is no such
credential: never because it is disabled, because its signature was wrong, or because it was one of our decoys.
"""

from collections.abc import Sequence
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.credentials import StandingState
from passkeys.directory import Person
from passkeys.holdings import Holding, record_of, standing_of, state_of, user_handle_of
from passkeys.world import World
from starters.answers import by_method, json_response
from starters.requests import ceremony_id
from starters.sessions import invalid, proof_of


async def ceremony_signals(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /ceremonies/{id}/signals: what its starter should signal, by the proof key of this very ceremony.

    An ended one, however it ended. Each ceremony was admitted by the limits of a start, so these bound the answers too.
    """

    async def get() -> HttpResponse:
        found = ceremony_id(req)
        proof = await proof_of(world, req, client)
        if proof.ceremony_id != found:
            raise invalid()
        rp_id = world.settings.rp_id
        unknown: str | None = proof.output.get("unknown_credential_id")
        # Looked at again: what was being registered a moment ago is there now, and must not be deleted.
        if unknown is not None and await _is_there(world, unknown):
            unknown = None
        signal = None if unknown is None else {"rpId": rp_id, "credentialId": unknown}
        return json_response({"rpId": rp_id, "unknownCredential": signal})

    return await by_method(req, {"GET": get})


async def signals_of(world: World, person: Person, held: Sequence[Holding]) -> dict[str, Any]:
    """What the person's own page signals: all that they hold, and what they are called.

    Disabled ones are among them: one that is left out is hidden, by some for good, and may be enabled again.
    """
    handle = await user_handle_of(world.store, person.id)
    owner = {"rpId": world.settings.rp_id, "userId": handle}
    accepted = [holding.record.credential_id for holding in held]
    return {
        "allAcceptedCredentials": {**owner, "allAcceptedCredentialIds": accepted},
        "currentUserDetails": {**owner, "name": person.id, "displayName": person.display_name},
    }


async def _is_there(world: World, credential_id: str) -> bool:
    removed = state_of(await standing_of(world.store, credential_id)) is StandingState.REMOVED
    return not removed and await record_of(world.store, credential_id) is not None
