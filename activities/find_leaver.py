"""Look what somebody still has whom the directory does not let in any more."""

from activities.retries import Json, retried
from passkeys import leavers
from passkeys.alerts import alert
from passkeys.world import World


@retried
async def find_leaver(world: World, request: Json) -> Json:
    """Ask the directory once more, so that nobody loses anything by one answer.

    request: {"person"}; result: {"leaving": person_disabled | person_unknown | null: they may come in, "doubtful": take nothing,
    "sessions": [{"session", "client_id", "credential_id"}, …], "credentials": [id, …] that can still sign in}.
    """
    found = await leavers.find_leaver(world, request["person"])
    if found is None:
        return {"leaving": None, "doubtful": False, "sessions": [], "credentials": []}
    if found.doubtful:
        alert(
            "directory_answers_doubtful",
            people=leavers.DOUBTED_AT,
            seconds=int(leavers.DOUBTED_WITHIN.total_seconds()),
        )
    return {
        "leaving": found.leaving.value,
        "doubtful": found.doubtful,
        "sessions": [
            {"session": family.sid, "client_id": family.client_id, "credential_id": family.credential_id}
            for family in found.sessions
        ],
        "credentials": [held.record.credential_id for held in found.credentials],
    }
