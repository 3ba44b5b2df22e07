"""What ends somebody's access, step by step: looked up once more, sessions ended, passkeys out of use."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from activities.change_credential import change_credential
from activities.end_sessions import end_sessions
from activities.find_leaver import find_leaver
from passkeys import families
from passkeys.acts import BY_DIRECTORY
from passkeys.credentials import StandingState
from passkeys.holdings import standing_of
from tests.passkeys.test_leavers import DISABLED, NOBODY, has_everything
from tests.passkeys.worlds import world_of


async def test_a_leaver_is_looked_up_and_loses_what_they_have() -> None:
    """JSON-native, and idempotent: after it, nothing is left to end, and an operator may put a passkey back into use."""
    world = world_of()
    await has_everything(world)
    gone = replace(world, directory=DISABLED)
    (family,) = await families.list_families(world, "ada")
    assert await find_leaver(gone, {"person": "ada"}) == {
        "leaving": "person_disabled",
        "doubtful": False,
        "sessions": [{"session": family.sid, "client_id": "shop", "credential_id": "AQID"}],
        "credentials": ["AQID"],
    }
    for ended in (1, 0):
        assert await end_sessions(gone, {"person": "ada", "reason": "person_disabled"}) == {"ended": ended}
    asked = {
        "act_id": f"act-{'0' * 32}",
        "credential_id": "AQID",
        "person": None,
        "name": None,
        "last": False,
    }
    disable = {**asked, "act": "disable", "by": BY_DIRECTORY, "reason": "person_disabled"}
    assert (await change_credential(gone, disable))["changed"]
    standing = await standing_of(world.store, "AQID")
    assert standing is not None
    assert (standing.state, standing.by, standing.reason) == (
        StandingState.DISABLED,
        BY_DIRECTORY,
        "person_disabled",
    )
    left = await find_leaver(gone, {"person": "ada"})
    assert (left["sessions"], left["credentials"]) == ([], [])
    assert (await change_credential(world, {**asked, "act": "enable", "by": "grace", "reason": "is back"}))[
        "changed"
    ]


async def test_who_may_come_in_after_all_loses_nothing() -> None:
    """One answer of a directory ends nobody's access: it is asked once more."""
    world = world_of()
    await has_everything(world)
    assert await find_leaver(world, {"person": "ada"}) == {
        "leaving": None,
        "doubtful": False,
        "sessions": [],
        "credentials": [],
    }


async def test_a_doubtful_directory_is_an_alert(caplog: pytest.LogCaptureFixture) -> None:
    """One line a leaver whose access is not ended, of a stable beginning, that names nobody."""
    world = world_of(directory=NOBODY)
    for number in range(6):
        await find_leaver(world, {"person": f"person-{number}"})
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert told == ["alert directory_answers_doubtful people=5 seconds=3600"] * 2
