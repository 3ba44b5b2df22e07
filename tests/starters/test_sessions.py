"""Sessions: whose proof counts, for how long, and every way of not being one."""

from __future__ import annotations

from typing import Any

import pytest

from passkeys.credentials import StandingState, credential_name
from passkeys.errors import DirectoryUnavailable, StoreUnavailable
from passkeys.world import World
from starters.credentials import credentials
from starters.problems import RefusedError
from starters.sessions import Session, operator_of, session_of
from tests.starters.fakes import AUTHENTICATION, NOW, REGISTRATION, FakeClient, body_of, instance, request
from tests.starters.people import ADAS, CHALLENGE, GRACES, VERIFIER, has_ended, has_passkey, stands

OTHER = "authentication-" + "3" * 32


@pytest.fixture(autouse=True)
async def people(world: World) -> None:
    await has_passkey(world, "ada", ADAS)
    await has_passkey(world, "grace", GRACES)


async def ask(
    world: World, client: FakeClient, header: str | None, *, fresh: bool = False, operator: bool = False
) -> Session | dict[str, Any]:
    """The session, or the problem with its headers."""
    req = request("GET", "/credentials", headers={} if header is None else {"authorization": header})
    try:
        return await (operator_of if operator else session_of)(world, req, client, fresh=fresh)
    except RefusedError as refused:
        answer = refused.response()
        return {**body_of(answer), "challenge": answer.headers.get("WWW-Authenticate")}


async def code_of(*args: Any, **kwargs: Any) -> str:
    asked = await ask(*args, **kwargs)
    return "session" if isinstance(asked, Session) else str(asked["code"])


@pytest.mark.parametrize("ceremony_id", [AUTHENTICATION, REGISTRATION])
async def test_a_completed_ceremony_and_its_verifier_are_a_session(
    world: World, client: FakeClient, ceremony_id: str
) -> None:
    """Person, credential, time: those of the ceremony; the scheme's name in any case (RFC 9110 §11.1)."""
    header = has_ended(client, ceremony_id)
    for spelled in (
        header,
        header.replace("Ceremony", "ceremony"),
        header.replace("Ceremony ", "CEREMONY   "),
    ):
        session = await ask(world, client, spelled, fresh=True)
        assert isinstance(session, Session)
        assert (session.person, session.ceremony_id, session.credential_id) == ("ada", ceremony_id, ADAS)
        assert (session.step_up, session.known.display_name) == (False, "Ada Lovelace")
        assert (NOW - session.at).total_seconds() == 5


HEADERS = [
    None,
    "",
    "Ceremony",
    "Ceremony ",
    f"Ceremony {AUTHENTICATION}",
    f"Ceremony {AUTHENTICATION}:",
    f"Ceremony {AUTHENTICATION}:{VERIFIER[:-1]}l",
    f"Ceremony {AUTHENTICATION}:{VERIFIER[:42]}",
    f"Ceremony {AUTHENTICATION}:{CHALLENGE}",
    f"Ceremony {AUTHENTICATION}:{VERIFIER}, Ceremony {AUTHENTICATION}:{VERIFIER}",
    f"Ceremony {AUTHENTICATION}:{VERIFIER} ",
    f"Ceremony {AUTHENTICATION}:{VERIFIER}\n",
    f" Ceremony {AUTHENTICATION}:{VERIFIER}",
    f"Ceremony\t{AUTHENTICATION}:{VERIFIER}",
    f"Ceremony {AUTHENTICATION} :{VERIFIER}",
    f"Ceremony {AUTHENTICATION.upper()}:{VERIFIER}",
    f"Ceremony {OTHER}:{VERIFIER}",
    f"Ceremony act-{'2' * 32}:{VERIFIER}",
    f"Ceremony @audit_log@00:{VERIFIER}",
    f"Bearer {AUTHENTICATION}:{VERIFIER}",
    f"Basic {AUTHENTICATION}:{VERIFIER}",
    "Ceremony " + "x" * 10_000,
    f"Ceremony {AUTHENTICATION}:{VERIFIER * 4}",
    f"Ceremony {AUTHENTICATION}:{VERIFIER[:-1]}é",
]


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
async def test_whatever_else_stands_there_is_none(
    world: World, client: FakeClient, header: str | None
) -> None:
    """401 with the scheme to use, and one body for all: nobody learns whether the ceremony was known."""
    has_ended(client, AUTHENTICATION)
    asked = await ask(world, client, header)
    assert asked == {**(await ask(world, client, None)), "status": 401, "challenge": "Ceremony"}  # type: ignore[dict-item]


@pytest.mark.parametrize("outcome", ["rejected", "refused", "rate_limited", "expired", "canceled", "failed"])
async def test_a_ceremony_that_ended_otherwise_is_none(
    world: World, client: FakeClient, outcome: str
) -> None:
    """Even one whose output names a person: only a completed one says who is asking."""
    assert await code_of(world, client, has_ended(client, AUTHENTICATION, outcome)) == "session_invalid"


async def test_an_approval_is_no_session(world: World, client: FakeClient) -> None:
    """Whoever approved a recovery has proved who they were for that alone; and its starter is not who answered it."""
    header = has_ended(client, "recovery-" + "4" * 32, person="grace", credential_id=GRACES)
    assert await code_of(world, client, header) == "session_invalid"
    assert await code_of(world, client, header, operator=True) == "session_invalid"


async def test_a_passkey_made_without_a_prompt_is_no_session(world: World, client: FakeClient) -> None:
    """Nobody need have been there. A sign-in by autofill is one as any: it has a person's gesture."""
    header = has_ended(client, REGISTRATION, mediation="conditional")
    assert await code_of(world, client, header) == "session_invalid"
    assert await code_of(world, client, has_ended(client, REGISTRATION, mediation="modal")) == "session"
    header = has_ended(client, AUTHENTICATION, mediation="conditional")
    assert await code_of(world, client, header, fresh=True) == "session"


async def test_a_running_ceremony_and_one_that_the_engine_ended_are_none(
    world: World, client: FakeClient
) -> None:
    """Nobody is asking yet; and a text that the engine left is no output of ours."""
    header = has_ended(client, AUTHENTICATION)
    completed = client.instances[AUTHENTICATION]
    for changed in ({"runtimeStatus": "Running"}, {"output": "completed"}, {"output": None}, {"output": []}):
        client.instances[AUTHENTICATION] = completed | changed
        assert await code_of(world, client, header) == "session_invalid"
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION, "Terminated", out="because")
    assert await code_of(world, client, header) == "session_invalid"


async def test_a_ceremony_without_a_proof_key_is_none(world: World, client: FakeClient) -> None:
    """Whoever started it gave no challenge; so did all that ended before there were any."""
    header = has_ended(client, AUTHENTICATION, code_challenge=None)
    assert await code_of(world, client, header) == "session_invalid"
    del client.instances[AUTHENTICATION]["output"]["code_challenge"]
    assert await code_of(world, client, header) == "session_invalid"


async def test_anothers_verifier_does_not_fit(world: World, client: FakeClient) -> None:
    """Each ceremony has its own: that of one is worth nothing with the id of another."""
    has_ended(client, AUTHENTICATION, code_challenge="A" * 43)
    own = has_ended(client, OTHER, person="grace", credential_id=GRACES)
    assert await code_of(world, client, own) == "session"
    assert await code_of(world, client, own.replace(OTHER, AUTHENTICATION)) == "session_invalid"


@pytest.mark.parametrize(
    ("age", "reading", "changing"),
    [
        (0, "session", "session"),
        (300, "session", "session"),
        (301, "session", "session_stale"),
        (900, "session", "session_stale"),
        (901, "session_invalid", "session_invalid"),
        (-5, "session", "session"),
        (-901, "session_invalid", "session_invalid"),
    ],
)
async def test_a_session_ages(
    world: World, client: FakeClient, age: float, reading: str, changing: str
) -> None:
    """Good for changes for a while, for reading a little longer, then for nothing."""
    header = has_ended(client, AUTHENTICATION, age=age)
    assert await code_of(world, client, header) == reading
    assert await code_of(world, client, header, fresh=True) == changing


async def test_a_stale_one_is_told_how_fresh_it_must_be(world: World, client: FakeClient) -> None:
    """RFC 9470: the client knows that another sign-in helps, and how recent. Only who has the verifier learns it."""
    header = has_ended(client, AUTHENTICATION, age=400)
    stale = await ask(world, client, header, fresh=True)
    assert isinstance(stale, dict)
    assert stale["challenge"] == 'Ceremony error="insufficient_user_authentication", max_age=300'
    assert await code_of(world, client, header[:-1] + "l", fresh=True) == "session_invalid"


async def test_a_credential_that_is_no_longer_good_ends_its_sessions(
    world: World, client: FakeClient
) -> None:
    """Disabled, removed, or gone: at once, not when the session would have ended by itself."""
    header = has_ended(client, AUTHENTICATION)
    await stands(world.store, ADAS, StandingState.DISABLED)
    assert await code_of(world, client, header) == "session_invalid"
    await stands(world.store, ADAS, StandingState.ACTIVE)
    assert await code_of(world, client, header) == "session"
    await stands(world.store, ADAS, StandingState.REMOVED)
    assert await code_of(world, client, header) == "session_invalid"
    await stands(world.store, ADAS, StandingState.ACTIVE)
    await world.store.delete(credential_name(ADAS))
    assert await code_of(world, client, header) == "session_invalid"


async def test_a_credential_of_somebody_else_is_none(world: World, client: FakeClient) -> None:
    """Should an output ever name a person and another's credential, it names nobody."""
    header = has_ended(client, AUTHENTICATION, credential_id=GRACES)
    assert await code_of(world, client, header) == "session_invalid"


@pytest.mark.parametrize("person", ["mallory", "nobody"])
async def test_a_person_who_is_not_active_has_none(world: World, client: FakeClient, person: str) -> None:
    """Disabled at the directory, or unknown to it since."""
    await has_passkey(world, person, "bWFsbG9yeQ")
    header = has_ended(client, AUTHENTICATION, person=person, credential_id="bWFsbG9yeQ")
    assert await code_of(world, client, header) == "session_invalid"


@pytest.mark.parametrize("failing", ["directory", "store"])
async def test_who_cannot_be_asked_about_may_not(
    world: World, client: FakeClient, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail closed, and say that it is ours: 503, and when to come back."""

    async def fail(*_: object) -> None:
        raise DirectoryUnavailable("away") if failing == "directory" else StoreUnavailable("x", "away")

    target = type(world.directory) if failing == "directory" else type(world.store)
    monkeypatch.setattr(target, "find" if failing == "directory" else "get", fail)
    header = {"authorization": has_ended(client, AUTHENTICATION)}
    answer = await credentials(world, request("GET", "/credentials", headers=header), client)
    assert (answer.status_code, body_of(answer)["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"


async def test_a_session_that_is_to_be_stepped_up_says_so(world: World, client: FakeClient) -> None:
    """By its ceremony's verdict, or because its credential's model has fallen since."""
    session = await ask(world, client, has_ended(client, AUTHENTICATION, step_up=True))
    assert isinstance(session, Session)
    assert session.step_up
    await stands(world.store, ADAS, StandingState.STEP_UP)
    session = await ask(world, client, has_ended(client, AUTHENTICATION, step_up=False))
    assert isinstance(session, Session)
    assert session.step_up


async def test_operators_have_a_role_and_no_doubtful_passkey(world: World, client: FakeClient) -> None:
    """The directory's role, a fresh session where asked, and none that is to be stepped up."""
    ada = has_ended(client, AUTHENTICATION)
    grace = has_ended(client, OTHER, person="grace", credential_id=GRACES)
    assert await code_of(world, client, ada, operator=True) == "operator_required"
    assert await code_of(world, client, grace, operator=True, fresh=True) == "session"
    assert await code_of(world, client, None, operator=True) == "session_invalid"
    has_ended(client, OTHER, person="grace", credential_id=GRACES, age=301)
    assert await code_of(world, client, grace, operator=True, fresh=True) == "session_stale"
    has_ended(client, OTHER, person="grace", credential_id=GRACES, step_up=True)
    assert await code_of(world, client, grace, operator=True) == "step_up_required"


@pytest.mark.parametrize(
    "said", [{"user_verified": False}, {"user_verified": None}, {"user_verified": "yes"}, {}]
)
async def test_operators_have_been_verified_by_their_passkey(
    world: World, client: FakeClient, said: dict[str, Any]
) -> None:
    """403 with what to do, for who was only present, or signed in before the output told; a session for oneself it is."""
    grace = has_ended(client, OTHER, person="grace", credential_id=GRACES)
    del client.instances[OTHER]["output"]["user_verified"]
    client.instances[OTHER]["output"] |= said
    refused = await ask(world, client, grace, operator=True)
    assert isinstance(refused, dict)
    assert (refused["status"], refused["code"]) == (403, "user_verification_required")
    assert "PIN" in refused["detail"]
    assert await code_of(world, client, grace, fresh=True) == "session"
    ada = has_ended(client, AUTHENTICATION, user_verified=False)
    assert await code_of(world, client, ada, operator=True) == "operator_required"
