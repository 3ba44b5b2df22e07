"""POST /token: a sign-in becomes tokens once, refresh goes on while the directory vouches, and every misuse is told alike."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passkeys import families
from passkeys.access_tokens import own_profile, validate_claims
from passkeys.acts import Act
from passkeys.audit import canonical, segment_name, shard_name
from passkeys.credentials import StandingState
from passkeys.directory import DEMO_PEOPLE, Person, PersonStatus
from passkeys.dpop import thumbprint
from passkeys.errors import AuditUnavailable, DirectoryMisconfigured, DirectoryUnavailable
from passkeys.proof import challenge_of
from passkeys.world import World
from starters.sweeps import sweep_families
from starters.token import token
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.tokens import EC, ED, jwk
from tests.passkeys.worlds import Clock
from tests.starters.applications import (
    APPLICATIONS,
    ISSUER,
    LEDGER_API,
    ORIGIN,
    SHOP_API,
    assertion,
    dpop,
    error_of,
    post,
    with_applications,
)
from tests.starters.fakes import AUTHENTICATION, NOW, FakeClient, body_of, request
from tests.starters.people import ADAS, CHALLENGE, RECORD, has_ended, has_passkey, stands
from tests.starters.test_openapi import fits

VERIFIER = "v" * 43
CALLBACK = f"{ORIGIN}/callback"
CODE = {
    "grant_type": "authorization_code",
    "client_id": "shop",
    "code": AUTHENTICATION,
    "code_verifier": VERIFIER,
    "redirect_uri": CALLBACK,
}
ASKED: dict[str, Any] = {
    "client_id": "shop",
    "redirect_uri": CALLBACK,
    "audience": SHOP_API,
    "code_challenge": challenge_of(VERIFIER),
    "dpop_jkt": None,
    "acr_values": [],
}
JKT = thumbprint(jwk(EC, None))


class Directory:
    """Says what the test says of everybody: a person, None, or that it cannot be asked."""

    def __init__(self) -> None:
        self.answer: Person | DirectoryUnavailable | None = replace(
            DEMO_PEOPLE["grace"], id="ada", claims={"roles": ["operator", "auditor"]}
        )
        self.asked = 0

    async def find(self, person: str) -> Person | None:
        self.asked += 1
        if isinstance(self.answer, DirectoryUnavailable):
            raise self.answer
        return self.answer

    async def person_of(self, identity: object) -> str | None:
        return None


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
async def shops(world: World, clock: Clock, directory: Directory, client: FakeClient) -> World:
    """Ada has a passkey, and has just signed in with it for the shop."""
    made: Any = replace(with_applications(world), clock=clock, directory=directory)
    await has_passkey(made, "ada", ADAS)
    signed_in(client)
    return made


def signed_in(client: FakeClient, authorization: dict[str, Any] | None = None, **members: Any) -> None:
    given = {"authorization": ASKED if authorization is None else authorization, **members}
    has_ended(client, AUTHENTICATION, **{"code_challenge": CHALLENGE, **given})


async def asked(
    world: World,
    client: FakeClient,
    form: dict[str, Any],
    *,
    key: Any = EC,
    proof: dict[str, str] | None = None,
) -> Any:
    headers = await dpop(world, "/token", key=key) if proof is None else proof
    response = await token(world, post("/token", form, headers), client)
    fits(response, "/token", "post")
    return response


async def redeemed(world: World, client: FakeClient, **changed: Any) -> dict[str, Any]:
    response = await asked(world, client, {**CODE, **changed})
    assert response.status_code == 200, response.get_body()
    found: dict[str, Any] = body_of(response)
    return found


async def refreshed(world: World, client: FakeClient, shown: str, **changed: Any) -> Any:
    form = {"grant_type": "refresh_token", "client_id": "shop", "refresh_token": shown, **changed}
    return await asked(world, client, form)


async def claims_of(world: World, access: str, audience: str = SHOP_API) -> dict[str, Any]:
    profile = own_profile(issuer=ISSUER, audiences=frozenset({audience}))
    _, claims = validate_claims(access, profile=profile, keys=await world.signing.key_set(), at=world.clock())
    return dict(claims)


NO_TIMER: Any = None


def entries(client: FakeClient) -> list[dict[str, Any]]:
    return [call[3] for call in client.calls if call[0] == "signal_entity" and call[2] == "record"]


def acts(client: FakeClient) -> list[tuple[str, str | None]]:
    return [(one["act"], one["code"]) for one in entries(client)]


async def test_a_sign_in_becomes_tokens(shops: World, client: FakeClient) -> None:
    """For the one audience, bound to the key that was shown, with the roles that the application may see, and no name."""
    response = await asked(shops, client, CODE)
    body = body_of(response)
    assert (body["token_type"], body["expires_in"], len(body["refresh_token"])) == ("DPoP", 300, 92)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["DPoP-Nonce"]
    claims = await claims_of(shops, body["access_token"])
    now = int(NOW.timestamp())
    assert claims.pop("jti")
    assert claims.pop("sid")
    assert claims == {
        "iss": ISSUER,
        "aud": SHOP_API,
        "sub": "ada",
        "client_id": "shop",
        "iat": now,
        "exp": now + 300,
        "auth_time": now - 5,
        "acr": "phr",
        "amr": ["swk", "user", "mfa"],
        "roles": ["operator"],
        "cnf": {"jkt": JKT},
    }
    assert acts(client) == [(Act.TOKENS_ISSUED, None)]


async def test_a_back_end_has_tokens_without_a_proof(shops: World, client: FakeClient) -> None:
    """By its assertion; started by itself, so without a redirect."""
    signed_in(client, {**ASKED, "client_id": "shop-api", "redirect_uri": None})
    form = {**CODE, "client_id": None, "redirect_uri": None, **assertion(shops, "shop-api")}
    body = body_of(await asked(shops, client, form, proof={}))
    assert body["token_type"] == "Bearer"
    assert "cnf" not in await claims_of(shops, body["access_token"])
    again = {
        "grant_type": "refresh_token",
        "refresh_token": body["refresh_token"],
        **assertion(shops, "shop-api"),
    }
    # With a proof, its access token is bound to that key; its refresh token is bound by who it is.
    other = body_of(await asked(shops, client, again, key=ED))
    assert other["token_type"] == "DPoP"
    assert (await claims_of(shops, other["access_token"]))["cnf"] == {"jkt": thumbprint(jwk(ED, None))}


async def test_pairwise_subjects_differ_and_stay(shops: World, client: FakeClient) -> None:
    """By sector, the same at every refresh, and nobody's id."""
    signed_in(client, {**ASKED, "client_id": "ledger", "redirect_uri": None, "audience": LEDGER_API})
    body = await redeemed(shops, client, client_id="ledger", redirect_uri=None)
    first = (await claims_of(shops, body["access_token"], LEDGER_API))["sub"]
    response = await refreshed(shops, client, body["refresh_token"], client_id="ledger")
    second = (await claims_of(shops, body_of(response)["access_token"], LEDGER_API))["sub"]
    assert first == second != "ada"


BAD_CODES: dict[str, tuple[dict[str, Any], str]] = {
    "another verifier": ({"code_verifier": "w" * 43}, "invalid_grant"),
    "no verifier's form": ({"code_verifier": "short"}, "invalid_grant"),
    "the challenge": ({"code_verifier": challenge_of(VERIFIER)}, "invalid_grant"),
    "another redirect_uri": ({"redirect_uri": f"{CALLBACK}/"}, "invalid_grant"),
    "no redirect_uri": ({"redirect_uri": None}, "invalid_grant"),
    "another application": ({"client_id": "ledger"}, "invalid_grant"),
    "another resource": ({"resource": LEDGER_API}, "invalid_target"),
    "no ceremony": ({"code": "authentication-" + "9" * 32}, "invalid_grant"),
    "no ceremony's form": ({"code": "../x"}, "invalid_grant"),
    "a registration": ({"code": "registration-" + "1" * 32}, "invalid_grant"),
    "no code": ({"code": None}, "invalid_request"),
    "no verifier": ({"code_verifier": None}, "invalid_request"),
    "no grant": ({"grant_type": None}, "invalid_request"),
    "a password": ({"grant_type": "password"}, "unsupported_grant_type"),
    "an application's own": ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
}


@pytest.mark.parametrize("name", BAD_CODES)
async def test_a_bad_request_is_refused_and_costs_nothing(
    shops: World, client: FakeClient, name: str
) -> None:
    """Told alike, recorded as nothing; the right one still has its tokens afterwards."""
    changed, code = BAD_CODES[name]
    response = await asked(shops, client, {**CODE, **changed})
    assert (response.status_code, error_of(response)) == (400, code)
    assert acts(client) == []
    assert await redeemed(shops, client)


BAD_SIGN_INS: dict[str, dict[str, Any]] = {
    "too long ago": {"age": 121},
    "in the future": {"age": -61},
    "rejected": {"outcome": "rejected"},
    "refused": {"outcome": "refused"},
    "for stepping up alone": {"step_up": True},
    "none of an application's": {"authorization": None},
}


@pytest.mark.parametrize("name", BAD_SIGN_INS)
async def test_a_sign_in_that_is_none_gives_nothing(shops: World, client: FakeClient, name: str) -> None:
    """Too old, not completed, of our own."""
    has_ended(client, AUTHENTICATION, **{"authorization": ASKED, **BAD_SIGN_INS[name]})
    response = await asked(shops, client, CODE)
    assert (response.status_code, error_of(response)) == (400, "invalid_grant")


async def test_a_key_that_was_named_at_the_start_is_the_only_one(shops: World, client: FakeClient) -> None:
    """RFC 9449 §10: a stolen code is worth nothing without it."""
    signed_in(client, {**ASKED, "dpop_jkt": JKT})
    assert error_of(await asked(shops, client, CODE, key=ED)) == "invalid_grant"
    assert (await asked(shops, client, CODE, key=EC)).status_code == 200


async def test_what_was_wanted_of_the_sign_in_is_not_downgraded(shops: World, client: FakeClient) -> None:
    """An acr that is not met is refused; without user verification there is none, and no refresh token."""
    signed_in(client, {**ASKED, "acr_values": ["phrh"]})
    assert error_of(await asked(shops, client, CODE)) == "invalid_grant"
    signed_in(client, user_verified=False)
    body = await redeemed(shops, client)
    assert "refresh_token" not in body
    claims = await claims_of(shops, body["access_token"])
    assert "acr" not in claims
    assert claims["amr"] == ["swk", "user"]


async def test_a_code_is_good_once(
    shops: World, client: FakeClient, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Again at once, by the same: the same tokens' family, the same refresh token. Later: everything is dead, and an alert."""
    body = await redeemed(shops, client)
    again = await redeemed(shops, client)
    assert again["refresh_token"] == body["refresh_token"]
    assert again["access_token"] != body["access_token"]
    clock.advance(11)
    assert error_of(await asked(shops, client, CODE)) == "invalid_grant"
    assert error_of(await refreshed(shops, client, body["refresh_token"])) == "invalid_grant"
    assert acts(client) == [
        (Act.TOKENS_ISSUED, None),
        (Act.TOKENS_ISSUED, None),
        (Act.REFRESH_REUSED, "code_reused"),
    ]
    assert "alert refresh_reused" in caplog.text


async def test_no_act_is_told_twice(shops: World, client: FakeClient) -> None:
    """Whatever is given again is another act, numbered: the audit's memory of ids is short, and a second one is a fault."""
    body = await redeemed(shops, client)
    await redeemed(shops, client)
    for _ in range(3):
        await refreshed(shops, client, body["refresh_token"])
    told = entries(client)
    assert len({entry["act_id"] for entry in told}) == len(told) == 5
    assert [(entry["generation"], entry.get("again")) for entry in told] == [
        (1, None),
        (1, 1),
        (2, None),
        (2, 1),
        (2, 2),
    ]
    (key,) = {entry["key_id"] for entry in told}
    assert key in {each["kid"] for each in await shops.signing.published()}


async def test_a_code_by_another_key_kills_what_was_issued(shops: World, client: FakeClient) -> None:
    """Who has verifier and code but not the key has stolen both."""
    body = await redeemed(shops, client)
    assert error_of(await asked(shops, client, CODE, key=ED)) == "invalid_grant"
    assert error_of(await refreshed(shops, client, body["refresh_token"])) == "invalid_grant"


async def test_a_code_that_comes_again_much_later_ends_its_session(
    shops: World, client: FakeClient, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has it has the verifier too; one that was never redeemed is merely too old."""
    body = await redeemed(shops, client)
    clock.advance(1000)
    assert error_of(await asked(shops, client, CODE)) == "invalid_grant"
    assert "alert refresh_reused" in caplog.text
    assert acts(client)[-1] == (Act.REFRESH_REUSED, "code_reused")
    assert error_of(await refreshed(shops, client, body["refresh_token"])) == "invalid_grant"
    told = len(acts(client))
    code = "authentication-" + "3" * 32
    has_ended(client, code, authorization=ASKED)
    for again in (CODE, {**CODE, "code": code}):
        assert error_of(await asked(shops, client, again)) == "invalid_grant"
    assert len(acts(client)) == told
    assert [name async for name in shops.store.list("sessions/")] != []


async def test_refresh_goes_on(shops: World, client: FakeClient, clock: Clock, directory: Directory) -> None:
    """Each token once; within five minutes by the directory's last word, then asked again, and roles follow."""
    body = await redeemed(shops, client)
    assert directory.asked == 1
    clock.advance(200)
    body = body_of(await refreshed(shops, client, body["refresh_token"]))
    assert directory.asked == 1
    clock.advance(200)
    directory.answer = replace(DEMO_PEOPLE["ada"], claims={"roles": ["auditor"]})
    body = body_of(await refreshed(shops, client, body["refresh_token"]))
    assert directory.asked == 2
    assert "roles" not in await claims_of(shops, body["access_token"])
    assert [act for act, _ in acts(client)] == [Act.TOKENS_ISSUED, Act.TOKENS_REFRESHED, Act.TOKENS_REFRESHED]


async def test_the_one_before_has_the_same_successor_and_later_kills(
    shops: World, client: FakeClient, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A lost answer is had again; a copy is an alert, and the end of the session."""
    first = (await redeemed(shops, client))["refresh_token"]
    second = body_of(await refreshed(shops, client, first))["refresh_token"]
    assert body_of(await refreshed(shops, client, first))["refresh_token"] == second
    clock.advance(11)
    assert error_of(await refreshed(shops, client, first)) == "invalid_grant"
    assert error_of(await refreshed(shops, client, second)) == "invalid_grant"
    assert acts(client)[-1] == (Act.REFRESH_REUSED, "refresh_reused")
    assert "alert refresh_reused" in caplog.text


async def test_a_token_in_wrong_hands_is_recorded_and_kills_nothing(shops: World, client: FakeClient) -> None:
    """Another application's, or without the key: once an hour each."""
    mine = (await redeemed(shops, client))["refresh_token"]
    for _ in range(2):
        assert error_of(await refreshed(shops, client, mine, client_id="ledger")) == "invalid_grant"
        form = {"grant_type": "refresh_token", "client_id": "shop", "refresh_token": mine}
        assert error_of(await asked(shops, client, form, key=ED)) == "invalid_grant"
    for nothing in ("x", "A" * 92):
        assert error_of(await refreshed(shops, client, nothing)) == "invalid_grant"
    assert acts(client)[1:] == [
        (Act.TOKENS_REFUSED, "refresh_client_mismatch"),
        (Act.TOKENS_REFUSED, "refresh_key_mismatch"),
    ]
    assert (await refreshed(shops, client, mine)).status_code == 200


@pytest.mark.parametrize("answer", [None, replace(DEMO_PEOPLE["ada"], status=PersonStatus.DISABLED)])
async def test_who_is_gone_has_nothing_more(
    shops: World, client: FakeClient, clock: Clock, directory: Directory, answer: Person | None
) -> None:
    """Unknown or disabled: no redemption, no refresh, and their access ends: asked once more, and not by this alone."""
    body = await redeemed(shops, client)
    clock.advance(301)
    directory.answer = answer
    for _ in range(2):
        assert error_of(await refreshed(shops, client, body["refresh_token"])) == "invalid_grant"
    assert [call[1] for call in client.calls if call[0] == "start_new"] == ["end_access"]
    assert len(await families.list_families(shops, "ada")) == 1
    code = "authentication-" + "3" * 32
    has_ended(client, code, authorization=ASKED, age=-301)
    assert error_of(await asked(shops, client, {**CODE, "code": code})) == "invalid_grant"


async def test_a_directory_that_cannot_be_asked(
    shops: World, client: FakeClient, clock: Clock, directory: Directory
) -> None:
    """At redemption 503; at refresh its word of 15 minutes ago counts, and is said to; no longer. Nothing is lost by it."""
    known, directory.answer = directory.answer, DirectoryUnavailable("the test says so")
    response = await asked(shops, client, CODE)
    assert (response.status_code, error_of(response)) == (503, "temporarily_unavailable")
    directory.answer = known
    body = await redeemed(shops, client)
    directory.answer = DirectoryUnavailable("the test says so")
    clock.advance(890)
    body = body_of(await refreshed(shops, client, body["refresh_token"]))
    entry = [call[3] for call in client.calls if call[0] == "signal_entity"][-1]
    assert entry["claims_stale"] is True
    clock.advance(20)
    response = await refreshed(shops, client, body["refresh_token"])
    assert (response.status_code, error_of(response)) == (503, "temporarily_unavailable")
    directory.answer = known
    assert (await refreshed(shops, client, body["refresh_token"])).status_code == 200


async def test_a_directory_that_does_not_answer_to_us_fails_closed(
    shops: World, client: FakeClient, clock: Clock, directory: Directory
) -> None:
    """A permission that is gone is not an outage: its last word counts for nothing."""
    body = await redeemed(shops, client)
    known, directory.answer = directory.answer, DirectoryMisconfigured("the test says so")
    clock.advance(301)
    assert (await refreshed(shops, client, body["refresh_token"])).status_code == 503
    directory.answer = known
    assert (await refreshed(shops, client, body["refresh_token"])).status_code == 200


async def test_who_must_sign_in_again_by_the_directorys_word_must(
    shops: World, client: FakeClient, clock: Clock, directory: Directory
) -> None:
    """Sessions of before are over there, and here; what is signed in to afterwards is not."""
    body = await redeemed(shops, client)
    assert isinstance(directory.answer, Person)
    directory.answer = replace(directory.answer, sessions_valid_from=NOW)
    clock.advance(301)
    assert error_of(await refreshed(shops, client, body["refresh_token"])) == "invalid_grant"
    assert await families.list_families(shops, "ada") == []
    assert acts(client)[-1] == (Act.SESSION_REVOKED, "signed_out_there")
    code = "authentication-" + "3" * 32
    has_ended(client, code, authorization=ASKED, age=-300)
    assert await redeemed(shops, client, code=code)


@pytest.mark.parametrize("state", [StandingState.DISABLED, StandingState.STEP_UP])
async def test_a_passkey_that_is_good_no_more_ends_its_session(
    shops: World, client: FakeClient, state: StandingState
) -> None:
    """Disabled, or to be stepped up: neither redemption nor refresh, whatever the directory says."""
    body = await redeemed(shops, client)
    await stands(shops.store, ADAS, state)
    assert error_of(await refreshed(shops, client, body["refresh_token"])) == "invalid_grant"
    assert acts(client)[-1] == (Act.SESSION_REVOKED, "credential_unusable")
    assert error_of(await asked(shops, client, CODE)) == "invalid_grant"
    assert await families.list_families(shops, "ada") == []


@pytest.mark.parametrize("how", ["refused", "reused"])
async def test_an_end_that_could_not_be_recorded_is_made_good(
    shops: World, client: FakeClient, clock: Clock, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever ends a session dies before the audit is told: the session is over, and the sweep tells it, once."""
    body = await redeemed(shops, client)
    if how == "refused":
        await stands(shops.store, ADAS, StandingState.DISABLED)
    else:
        await refreshed(shops, client, body["refresh_token"])
        clock.advance(11)
    told = client.signal_entity

    async def broken(*_: Any) -> None:
        raise OSError("the task hub is gone")

    client.signal_entity = broken  # type: ignore[method-assign]
    assert (await refreshed(shops, client, body["refresh_token"])).status_code == 503
    client.signal_entity = told  # type: ignore[method-assign]
    assert error_of(await refreshed(shops, client, body["refresh_token"])) == "invalid_grant"
    assert await families.list_families(shops, "ada") == []
    before, ended_at = len(acts(client)), clock.now
    clock.advance(601)
    caplog.clear()
    for _ in range(2):
        await sweep_families(shops, NO_TIMER, client)
        assert acts(client)[before:] == [
            (Act.SESSION_REVOKED, "credential_unusable")
            if how == "refused"
            else (Act.REFRESH_REUSED, "refresh_reused")
        ]
    assert ("alert refresh_reused" in caplog.text) == (how == "reused")
    assert entries(client)[-1]["at"] == ended_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("where", ["pending", "flushed"])
async def test_an_end_that_was_recorded_is_not_told_again(
    shops: World, client: FakeClient, clock: Clock, where: str
) -> None:
    """However many acts the audit has heard of since: the sweep looks into the trail, and notes that it is there."""
    body = await redeemed(shops, client)
    await stands(shops.store, ADAS, StandingState.DISABLED)
    await refreshed(shops, client, body["refresh_token"])
    entry = entries(client)[-1]
    shard, line = shard_name(entry["act_id"], shops.settings.audit_shards), canonical(entry).decode()
    if where == "pending":
        client.entities[f"audit_log/{shard}"] = {"pending": [[entry["at"][:10], line]]}
    else:
        await shops.store.append(segment_name(shard, entry["at"][:10]), f"{line}\n".encode(), position=0)
    told = len(acts(client))
    clock.advance(601)
    await sweep_families(shops, NO_TIMER, client)
    client.entities.clear()
    await sweep_families(shops, NO_TIMER, client)
    assert len(acts(client)) == told


async def test_what_the_application_lost_is_lost(shops: World, client: FakeClient) -> None:
    """An audience that it has no more gives no tokens; a role that it may see no more is in none."""
    body = await redeemed(shops, client)
    shop = APPLICATIONS["shop"]
    blind = replace(shops, applications={"shop": replace(shop, roles=frozenset())})
    body = body_of(await refreshed(blind, client, body["refresh_token"]))
    assert "roles" not in await claims_of(shops, body["access_token"])
    other = replace(shops, applications={"shop": replace(shop, audiences=(LEDGER_API,))})
    assert error_of(await refreshed(other, client, body["refresh_token"])) == "invalid_grant"
    assert error_of(await asked(other, client, CODE)) == "invalid_grant"
    # And nothing is had that the start did not ask for; the session lives.
    both = replace(shops, applications={"shop": replace(shop, audiences=(SHOP_API, LEDGER_API))})
    response = await refreshed(both, client, body["refresh_token"], resource=LEDGER_API)
    assert error_of(response) == "invalid_target"
    assert (await refreshed(both, client, body["refresh_token"], resource=SHOP_API)).status_code == 200


async def test_each_limit_is_the_last_good_moment(
    shops: World, client: FakeClient, clock: Clock, directory: Directory
) -> None:
    """The code's 120 seconds, the minute of slow clocks, five minutes of the directory's word, fifteen without it."""
    assert isinstance(directory.answer, Person)
    directory.answer = replace(directory.answer, sessions_valid_from=NOW - timedelta(seconds=120))
    signed_in(client, age=120)
    body = await redeemed(shops, client)
    for age, code in ((-60, "authentication-" + "3" * 32), (120, "authentication-" + "4" * 32)):
        has_ended(client, code, authorization=ASKED, age=age)
        assert await redeemed(shops, client, code=code)
    before = directory.asked
    clock.advance(300)
    body = body_of(await refreshed(shops, client, body["refresh_token"]))
    assert directory.asked == before
    directory.answer = DirectoryUnavailable("the test says so")
    clock.advance(600)
    assert (await refreshed(shops, client, body["refresh_token"])).status_code == 200


async def test_an_application_only_shortens(shops: World, client: FakeClient, clock: Clock) -> None:
    """Its own lifetimes, where they are less; the last access token ends with the session."""
    short = replace(
        APPLICATIONS["shop"], refresh_idle_seconds=60, refresh_absolute_seconds=100, access_seconds=90
    )
    made = replace(shops, applications={"shop": short})
    body = await redeemed(made, client)
    assert body["expires_in"] == 90
    clock.advance(50)
    body = body_of(await refreshed(made, client, body["refresh_token"]))
    assert (await families.list_families(made, "ada"))[0].idle_expires_at == clock.now + timedelta(seconds=60)
    # 100 seconds from the sign-in, which was 5 before.
    assert body["expires_in"] == 45
    clock.advance(45)
    assert error_of(await refreshed(made, client, body["refresh_token"])) == "invalid_grant"
    signed_in(client, age=-95)
    none = replace(shops, applications={"shop": replace(short, refresh_absolute_seconds=0)})
    code = "authentication-" + "3" * 32
    has_ended(client, code, authorization=ASKED, age=-95)
    assert "refresh_token" not in await redeemed(none, client, code=code)


async def test_a_device_bound_passkey_has_shorter_sessions(
    shops: World, client: FakeClient, clock: Clock
) -> None:
    """Fifteen minutes unless it is used; eight hours in all."""
    await has_passkey(shops, "ada", "ZGV2aWNl", backup_eligible=False)
    has_ended(client, AUTHENTICATION, authorization=ASKED, credential_id="ZGV2aWNl")
    await redeemed(shops, client)
    family = (await families.list_families(shops, "ada"))[0]
    assert family.idle_expires_at - NOW == timedelta(minutes=15)
    assert family.expires_at - family.auth_time == timedelta(hours=8)
    assert RECORD.backup_eligible


@pytest.mark.parametrize("what", ["audit", "keys"])
async def test_what_cannot_be_reached_loses_nothing(shops: World, client: FakeClient, what: str) -> None:
    """503; asked again, it is the same answer."""
    if what == "keys":
        sign, away = shops.keys.sign, MemoryKeys(away=True)
        assert isinstance(shops.keys, MemoryKeys)
        shops.keys.sign = away.sign  # type: ignore[method-assign]
        response = await asked(shops, client, CODE)
        shops.keys.sign = sign  # type: ignore[method-assign]
    else:
        signal = client.signal_entity

        async def lost(*_: object) -> None:
            raise AuditUnavailable("the test says so")

        client.signal_entity = lost  # type: ignore[method-assign]
        response = await asked(shops, client, CODE)
        client.signal_entity = signal  # type: ignore[method-assign]
    assert (response.status_code, error_of(response)) == (503, "temporarily_unavailable")
    body = await redeemed(shops, client)
    assert (await refreshed(shops, client, body["refresh_token"])).status_code == 200


async def test_without_a_proof_a_public_application_has_nothing(shops: World, client: FakeClient) -> None:
    """Nor with one of another request, or by GET."""
    response = await asked(shops, client, CODE, proof={})
    assert error_of(response) == "invalid_dpop_proof"
    response = await token(shops, request("GET", "/token"), client)
    fits(response, "/token", "post")
    assert response.status_code == 405


async def test_what_asks_for_nothing_that_there_is_is_not_written_down(
    shops: World, client: FakeClient
) -> None:
    """A proof anybody can make, a token that we have not made, a code that is none: refused, and the store is as it was."""
    before = [name async for name in shops.store.list("")]
    for nothing in ("x", "A" * 92):
        assert error_of(await refreshed(shops, client, nothing)) == "invalid_grant"
    for changed in ({"code": "authentication-" + "9" * 32}, {"code_verifier": "w" * 43}):
        assert error_of(await asked(shops, client, {**CODE, **changed})) == "invalid_grant"
    assert [name async for name in shops.store.list("")] == before


@given(
    form=st.dictionaries(
        st.sampled_from(
            [*CODE, "refresh_token", "resource", "scope", "client_assertion", "client_assertion_type"]
        ),
        st.text(max_size=30) | st.sampled_from([*CODE.values(), "refresh_token", "A" * 92]),
        max_size=6,
    )
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_form_is_a_fault_of_ours(shops: World, client: FakeClient, form: dict[str, Any]) -> None:
    """Whatever the parameters hold: tokens, or an error of the RFC's, as the document says."""
    response = await asked(shops, client, form)
    assert response.status_code in {200, 400, 401}


async def test_a_proof_is_good_once(shops: World, client: FakeClient) -> None:
    """With a code or a refresh token that there is: shown again, the whole request is refused, and kills nothing."""
    proof = await dpop(shops, "/token")
    body = body_of(await asked(shops, client, CODE, proof=proof))
    assert error_of(await asked(shops, client, CODE, proof=proof)) == "invalid_dpop_proof"
    form = {"grant_type": "refresh_token", "client_id": "shop", "refresh_token": body["refresh_token"]}
    proof = await dpop(shops, "/token")
    second = body_of(await asked(shops, client, form, proof=proof))
    assert error_of(await asked(shops, client, form, proof=proof)) == "invalid_dpop_proof"
    assert (await refreshed(shops, client, second["refresh_token"])).status_code == 200


async def test_no_secret_is_anywhere_but_in_the_answer(
    shops: World, client: FakeClient, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Verifier, proof, access token, refresh token: in no log, no document, no signal; after good and bad requests."""
    caplog.set_level(logging.DEBUG)
    proof = await dpop(shops, "/token")
    first = body_of(await asked(shops, client, CODE, proof=proof))
    second = body_of(await refreshed(shops, client, first["refresh_token"]))
    clock.advance(11)
    await refreshed(shops, client, first["refresh_token"])
    await asked(shops, client, {**CODE, "code_verifier": "w" * 43})
    names = [name async for name in shops.store.list("")]
    documents = [await shops.store.get(name) for name in names]
    kept = "".join(names) + "".join(found.data.decode() for found in documents if found)
    kept += caplog.text + json.dumps(
        [call for call in client.calls if call[0] != "get_status_by"], default=str
    )
    secrets = [VERIFIER, "w" * 43, first["refresh_token"], second["refresh_token"]]
    secrets += first["access_token"].split(".") + second["access_token"].split(".") + proof["dpop"].split(".")
    assert "sessions/" in kept
    for secret in secrets:
        assert secret not in kept
