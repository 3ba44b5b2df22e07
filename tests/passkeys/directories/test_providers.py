"""What is each provider's own: Graph's batch, Okta's proofs, pages and limits, PingOne's roles, SCIM's filters."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from passkeys.directories import asking
from passkeys.directories.asking import Answer
from passkeys.directories.client_credentials import LONGEST_LIFE, RENEWED_BEFORE, UNSAID_LIFE
from passkeys.directory import PersonStatus
from passkeys.errors import DirectoryExhausted, DirectoryMisconfigured, DirectoryUnavailable
from passkeys.leavers import leaving_of
from tests.fakes.graph import TOKEN, Graph
from tests.fakes.oauth_service import OAuthService
from tests.fakes.okta import ORG, Okta
from tests.fakes.pingone import PingOne
from tests.fakes.scim import Scim
from tests.fakes.trouble import throttled
from tests.passkeys.directories.houses import OPERATORS, ROLES, House, house
from tests.passkeys.worlds import Clock

WANTED_CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}'
CLAIMS_CHALLENGE = base64.b64encode(WANTED_CLAIMS.encode()).decode()
pytestmark = pytest.mark.usefixtures("no_pauses")


async def entra(folder: Path, **configured: Any) -> tuple[House, Graph]:
    company = await house("entra", folder, Clock(), **configured)
    assert isinstance(company.provider, Graph)
    return company, company.provider


async def test_graph_is_asked_once_for_everything(tmp_path: Path) -> None:
    """One batch a question: the user, and twenty groups at a time; with the priority of who waits, and nothing beside."""
    groups = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(45)]
    company, graph = await entra(tmp_path, roles={"operator": groups[:30], "auditor": groups[25:]})
    graph.groups[groups[44]] = {company.grace}
    grace = await company.directory.find(company.grace)
    assert grace is not None
    assert grace.claims == {"roles": ["auditor"]}
    (question,) = graph.asked
    requests = json.loads(question.body or b"")["requests"]
    assert [one["id"] for one in requests] == ["user", "groups-0", "groups-20", "groups-40"]
    assert [len(one["body"]["groupIds"]) for one in requests[1:]] == [20, 20, 5]
    assert question.headers["x-ms-throttle-priority"] == "high"
    assert "mail" not in requests[0]["url"]


async def test_somebody_in_a_thousand_groups_is_asked_about_like_anybody(tmp_path: Path) -> None:
    """What no token can hold: only the groups that roles are mapped to are asked for."""
    company, graph = await entra(tmp_path)
    for number in range(1000):
        graph.groups[f"{number:08x}-aaaa-4000-8000-000000000000"] = {company.ada}
    graph.groups[OPERATORS].add(company.ada)
    ada = await company.directory.find(company.ada)
    assert ada is not None
    assert ada.claims == {"roles": ["operator"]}


async def test_entra_says_since_when_sessions_count(tmp_path: Path) -> None:
    """Whoever's sessions were revoked there is told by the time, and by the name they sign in with."""
    company, graph = await entra(tmp_path)
    graph.users[company.ada]["signInSessionsValidFromDateTime"] = "2026-01-01T11:00:00Z"
    ada = await company.directory.find(company.ada)
    assert ada is not None
    assert ada.sessions_valid_from == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert ada.username == "ada@example.com"
    graph.users[company.ada]["signInSessionsValidFromDateTime"] = None
    ada = await company.directory.find(company.ada)
    assert ada is not None
    assert ada.sessions_valid_from is None


@pytest.mark.parametrize("which", ["user", "groups-0"])
@pytest.mark.parametrize(("after", "paused"), [({"Retry-After": "1"}, [1.0]), ({}, None)])
async def test_a_throttle_inside_the_batch_is_one(
    which: str, after: dict[str, str], paused: list[float] | None, tmp_path: Path, no_pauses: list[float]
) -> None:
    """200 outside and 429 within: the batch is asked again, after the pause that is told within."""
    company, graph = await entra(tmp_path)
    graph.inner = {which: (429, after)}
    assert await company.directory.find(company.ada) is not None
    assert len(graph.asked) == 2
    assert len(no_pauses) == 1
    assert paused is None or no_pauses == paused


async def test_a_long_throttle_inside_the_batch_ends_it(tmp_path: Path) -> None:
    """And Graph is left alone for as long as it says."""
    company, graph = await entra(tmp_path)
    graph.inner = {"groups-0": (429, {"Retry-After": "90"})}
    for _ in range(3):
        with pytest.raises(DirectoryExhausted):
            await company.directory.find(company.ada)
    assert len(graph.asked) == 1


@pytest.mark.parametrize("which", ["user", "groups-0"])
@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refusal_inside_the_batch_is_a_fault_of_configuration(
    which: str, status: int, tmp_path: Path
) -> None:
    """A permission is missing: closed, and told."""
    company, graph = await entra(tmp_path)
    graph.inner = {which: (status, {})}
    with pytest.raises(DirectoryMisconfigured, match="permissions"):
        await company.directory.find(company.ada)


@pytest.mark.parametrize(
    "wrong",
    [
        {"responses": []},
        {"responses": {}},
        {"responses": [{"id": "user", "status": "200", "body": {}}]},
        {"responses": [{"id": "user", "status": 200, "body": []}]},
        {"responses": [{"id": "user", "status": 200, "body": {}}]},
        {"responses": [{"id": "user", "status": 200, "body": {"id": "other", "accountEnabled": True}}]},
        {"value": 7},
        [],
    ],
    ids=str,
)
async def test_a_batch_that_is_none_is_no_answer(wrong: Any, tmp_path: Path) -> None:
    """Whatever is in it, nobody is let in by it."""
    company, graph = await entra(tmp_path, roles={})
    graph.trouble.extend([Answer(200, {}, wrong)] * 3)
    with pytest.raises(DirectoryUnavailable):
        await company.directory.find(company.ada)


@pytest.mark.parametrize(
    "group",
    [None, {"status": 200, "body": {}}, {"status": 200, "body": {"value": None}}],
    ids=str,
)
async def test_a_batch_without_its_groups_is_no_answer(group: Any, tmp_path: Path) -> None:
    """Whoever's groups are not told has not no roles: it is not known."""
    company, graph = await entra(tmp_path)
    listed = [{"id": "user", "status": 200, "body": graph.users[company.ada]}]
    listed += [] if group is None else [{"id": "groups-0", **group}]
    graph.trouble.append(Answer(200, {}, {"responses": listed}))
    with pytest.raises(DirectoryExhausted):
        await company.directory.find(company.ada)


@pytest.mark.parametrize(
    ("challenge", "claims"),
    [
        ("", None),
        ('Bearer realm="", error="invalid_token"', None),
        (f'Bearer error="insufficient_claims", claims="{CLAIMS_CHALLENGE}"', WANTED_CLAIMS),
        (f'Bearer claims="{CLAIMS_CHALLENGE.rstrip("=")}"', WANTED_CLAIMS),
        ('Bearer error="insufficient_claims", claims="=="', None),
        ('Bearer error="insufficient_claims", claims="A"', None),
        ('Bearer error="insufficient_claims", claims="' + "A" * 5000 + '"', None),
    ],
)
async def test_a_token_that_graph_does_not_take_any_more_is_replaced(
    challenge: str, claims: str | None, tmp_path: Path
) -> None:
    """Asked for anew, with the claims that Graph wants in it, and once: a second refusal is told."""
    company, graph = await entra(tmp_path)
    graph.good, graph.challenge = "another-token-of-the-test", challenge
    assert await company.directory.find(company.ada) is not None
    assert graph.renewed == [(TOKEN, claims)]
    graph.trouble.extend([Answer(401, {}, {}), Answer(401, {}, {})])
    with pytest.raises(DirectoryMisconfigured, match="status 401"):
        await company.directory.find(company.ada)


@pytest.mark.parametrize("enabled", ["true", 1, None])
async def test_what_is_no_status_lets_nobody_in(enabled: Any, tmp_path: Path) -> None:
    """True is true, and nothing else is."""
    company, graph = await entra(tmp_path)
    graph.users[company.ada]["accountEnabled"] = enabled
    with pytest.raises(DirectoryUnavailable):
        await company.directory.find(company.ada)


async def okta(folder: Path, clock: Clock | None = None, **configured: Any) -> tuple[House, Okta]:
    company = await house("okta", folder, clock or Clock(), **configured)
    assert isinstance(company.provider, Okta)
    return company, company.provider


async def test_a_token_is_asked_for_once_and_renewed_in_time(tmp_path: Path) -> None:
    """Whoever waits for it; and a minute before its hour is over."""
    clock = Clock()
    company, fake = await okta(tmp_path, clock)
    await asyncio.gather(*(company.directory.find(company.ada) for _ in range(10)))
    assert fake.given == 1
    clock.advance(3500)
    await company.directory.find(company.ada)
    assert fake.given == 1
    clock.advance(60)
    await company.directory.find(company.ada)
    assert fake.given == 2


async def test_a_token_that_was_revoked_is_replaced(tmp_path: Path) -> None:
    """A 401 costs one more question, and nobody their sign-in."""
    company, fake = await okta(tmp_path, roles={})
    await company.directory.find(company.ada)
    fake.trouble.append(Answer(401, {}, {"errorCode": "E0000011"}))
    assert await company.directory.find(company.ada) is not None
    assert fake.given == 2


@pytest.mark.parametrize("kind", ["okta", "pingone"])
async def test_a_token_that_is_revoked_under_several_questions_costs_nobody_their_sign_in(
    kind: str, tmp_path: Path
) -> None:
    """Each hears of its own token's refusal, whoever heard first; the new token is asked for once, and stays."""
    company = await house(kind, tmp_path, Clock())
    assert isinstance(company.provider, OAuthService)
    await company.directory.find(company.ada)
    company.provider.given += 1  # the one that is kept counts no more
    given = company.provider.given
    people = [company.ada, company.grace, company.ada, company.grace]
    found = await asyncio.gather(*map(company.directory.find, people))
    assert [one.id for one in found if one] == people
    assert company.provider.given == given + 1


@pytest.mark.parametrize(
    ("answer", "kept_for"),
    [
        ({"access_token": "t", "expires_in": 10**400}, LONGEST_LIFE),
        ({"access_token": "t", "expires_in": -5}, 0),
        ({"access_token": "t", "expires_in": 1.5}, UNSAID_LIFE),
        ({"access_token": "t"}, UNSAID_LIFE),
        ({"access_token": "ä", "token_type": "DPoP"}, None),
        ({"access_token": "a b"}, None),
        ({"access_token": ""}, None),
        ({"access_token": ["t"]}, None),
    ],
    ids=str,
)
async def test_a_token_is_what_a_header_can_hold_and_kept_no_longer_than_a_day(
    answer: dict[str, Any], kept_for: int | None, tmp_path: Path
) -> None:
    """Whatever an endpoint answers: a token, or a fault of configuration, and nothing else."""
    clock = Clock()
    company, fake = await okta(tmp_path, clock=clock, roles={})
    fake.trouble.append(Answer(200, {}, answer))
    if kept_for is None:
        with pytest.raises(DirectoryMisconfigured):
            await company.directory.find(company.ada)
        return
    fake.trouble.append(Answer(200, {}, fake.users[company.ada]))
    assert await company.directory.find(company.ada) is not None
    clock.advance(max(0, kept_for - RENEWED_BEFORE))
    await company.directory.find(company.ada)
    assert fake.given == 1


@pytest.mark.parametrize("nonce", [None, "nonce-1"])
async def test_an_app_that_demands_proofs_gets_them(nonce: str | None, tmp_path: Path) -> None:
    """DPoP is not asked for in the configuration: the provider says so, with its nonces."""
    company, fake = await okta(tmp_path)
    fake.demands_proof, fake.nonce = True, nonce
    grace = await company.directory.find(company.grace)
    assert grace is not None
    assert grace.claims == {"roles": ["operator"]}
    if nonce is not None:
        fake.nonce = "nonce-2"
        assert await company.directory.find(company.ada) is not None
    assert fake.given == 1


async def test_a_provider_that_comes_back_is_found_though_the_token_has_ended_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question that finds out needs a new token first, and may ask for it."""
    clock = Clock()
    company, fake = await okta(tmp_path, clock)
    await company.directory.find(company.ada)
    original = fake.answer

    async def away(question: Any) -> Answer:
        return Answer(503)

    monkeypatch.setattr(fake, "answer", away)
    clock.advance(7200)
    for _ in range(asking.OPENS_AFTER + 1):
        with pytest.raises(DirectoryUnavailable):
            await company.directory.find(company.ada)
    monkeypatch.setattr(fake, "answer", original)
    monkeypatch.setattr(asking, "OPEN_SECONDS", 0.0)
    real = company.directory
    for one in (real.asking, real.credentials._asking):  # type: ignore[attr-defined]
        if one._closed_until:
            one._closed_until = 1.0  # long ago
    assert await company.directory.find(company.ada) is not None


async def test_a_key_that_is_not_registered_is_a_fault_of_configuration(tmp_path: Path) -> None:
    """Said with the client, and without its assertion."""
    company, fake = await okta(tmp_path)
    from tests.passkeys.key_homes import MemoryKeys

    fake.key = await MemoryKeys().create()
    with pytest.raises(
        DirectoryMisconfigured, match="no token for client 0oaclient: status 401 invalid_client"
    ):
        await company.directory.find(company.ada)


async def test_groups_are_read_page_by_page_and_not_without_end(tmp_path: Path) -> None:
    """A role of the last page counts; more pages than a person can wait for are a fault of configuration."""
    company, fake = await okta(tmp_path)
    fake.page = 2
    fake.groups[company.ada] = ["00ga", "00gb", "00gc", OPERATORS]
    ada = await company.directory.find(company.ada)
    assert ada is not None
    assert ada.claims == {"roles": ["operator"]}
    fake.page = 1
    fake.groups[company.ada] = [f"00g{number}" for number in range(9)]
    with pytest.raises(DirectoryMisconfigured, match="map roles to fewer"):
        await company.directory.find(company.ada)


async def test_a_page_at_another_host_is_not_asked_for(tmp_path: Path) -> None:
    """A token goes to the org alone."""
    company, fake = await okta(tmp_path)
    fake.page = 1
    fake.groups[company.ada] = ["00ga", "00gb"]
    original = fake.resource

    def elsewhere(question: Any) -> Answer:
        answer = original(question)
        link = answer.headers.get("link", "").replace(ORG, "https://evil.example.com")
        return replace(answer, headers={**answer.headers, "link": link})

    fake.resource = elsewhere  # type: ignore[method-assign]
    with pytest.raises(DirectoryMisconfigured, match="another host"):
        await company.directory.find(company.ada)
    assert all(question.url.startswith(ORG) for question in fake.asked)


@pytest.mark.parametrize(("seconds", "known"), [(1, True), (60, False)])
async def test_oktas_own_word_for_when_a_limit_ends_is_heard(
    seconds: int, known: bool, tmp_path: Path, no_pauses: list[float]
) -> None:
    """A time, and not a duration: soon is waited for, and later is not."""
    clock = Clock()
    company, fake = await okta(tmp_path, clock, roles={})
    await company.directory.find(company.ada)
    reset = str(int(clock.now.timestamp()) + seconds)
    fake.trouble.append(throttled(x_rate_limit_reset=reset))
    if known:
        assert await company.directory.find(company.ada) is not None
        assert no_pauses == [1.0]
    else:
        with pytest.raises(DirectoryExhausted):
            await company.directory.find(company.ada)


@pytest.mark.parametrize("reset", ["²", "soon", "1" * 12, "-5", ""])
async def test_what_is_no_time_of_a_limits_end_is_passed_over(reset: str, tmp_path: Path) -> None:
    """Then it is asked again as if nothing had been said."""
    company, fake = await okta(tmp_path, roles={})
    await company.directory.find(company.ada)
    fake.trouble.append(throttled(x_rate_limit_reset=reset))
    assert await company.directory.find(company.ada) is not None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("ACTIVE", "active"),
        ("PASSWORD_EXPIRED", "active"),
        ("LOCKED_OUT", "locked"),
        ("DEPROVISIONED", "disabled"),
        ("STAGED", "disabled"),
    ],
)
async def test_which_statuses_may_sign_in_is_configured(status: str, expected: str, tmp_path: Path) -> None:
    """ACTIVE, and what is named beside it."""
    company, fake = await okta(tmp_path, statuses=["ACTIVE", "PASSWORD_EXPIRED"])
    fake.users[company.ada]["status"] = status
    ada = await company.directory.find(company.ada)
    assert ada is not None
    assert ada.status == expected


async def test_without_roles_groups_are_not_asked_for(tmp_path: Path) -> None:
    """Okta's scope, and PingOne's powerful role, are then not needed."""
    company, fake = await okta(tmp_path, roles={})
    await company.directory.find(company.ada)
    assert not [question for question in fake.asked if "groups" in question.url]
    assert b"okta.groups.read" not in (fake.asked[0].body or b"")
    ping = await house("pingone", tmp_path, Clock(), roles={})
    assert isinstance(ping.provider, PingOne)
    ping.provider.may_read_groups = False
    assert await ping.directory.find(ping.ada) is not None


async def test_a_worker_that_may_not_read_groups_is_a_fault_of_configuration(tmp_path: Path) -> None:
    """With roles configured, PingOne's 403 is told as what it is."""
    company = await house("pingone", tmp_path, Clock())
    assert isinstance(company.provider, PingOne)
    company.provider.may_read_groups = False
    with pytest.raises(DirectoryMisconfigured, match="status 403"):
        await company.directory.find(company.ada)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, PersonStatus.ACTIVE),
        ({"enabled": False}, PersonStatus.DISABLED),
        ({"account": {"canAuthenticate": False, "status": "OK"}}, PersonStatus.DISABLED),
        ({"account": {"canAuthenticate": True, "status": "LOCKED"}}, PersonStatus.LOCKED),
        ({"account": {"canAuthenticate": False, "status": "LOCKED"}}, PersonStatus.LOCKED),
        ({"enabled": False, "account": {"canAuthenticate": True, "status": "LOCKED"}}, PersonStatus.DISABLED),
        ({"enabled": False, "account": None}, PersonStatus.DISABLED),
    ],
    ids=str,
)
async def test_pingones_three_ways_of_being_barred(
    members: dict[str, Any], expected: PersonStatus, tmp_path: Path
) -> None:
    """Enabled, allowed to authenticate, and not locked: all of them, said in so many words."""
    company = await house("pingone", tmp_path, Clock())
    assert isinstance(company.provider, PingOne)
    company.provider.users[company.ada].update(members)
    ada = await company.directory.find(company.ada)
    assert ada is not None
    assert ada.status is expected


@pytest.mark.parametrize("members", [{}, {"canAuthenticate": True}, {"status": "OK"}, None, "OK"], ids=str)
async def test_a_pingone_user_of_whom_it_is_not_said_is_nobodys_leaver(
    members: object, tmp_path: Path
) -> None:
    """Whoever is disabled loses their passkeys: by PingOne's word, not by its silence. Nobody is let in either."""
    company = await house("pingone", tmp_path, Clock())
    assert isinstance(company.provider, PingOne)
    company.provider.users[company.ada]["account"] = members
    with pytest.raises(DirectoryMisconfigured, match="does not say"):
        await company.directory.find(company.ada)


@pytest.mark.parametrize("said", [None, "true", 1], ids=str)
async def test_a_scim_user_of_whom_it_is_not_said_is_nobodys_leaver(said: object, tmp_path: Path) -> None:
    """The standard leaves `active` to the service. One that does not say it, or no more, lets nobody in, and takes nothing."""
    company = await house("scim", tmp_path, Clock())
    assert isinstance(company.provider, Scim)
    company.provider.users[company.ada]["active"] = said
    with pytest.raises(DirectoryMisconfigured, match="not said"):
        await company.directory.find(company.ada)


async def test_who_is_locked_out_at_okta_is_locked_here(tmp_path: Path) -> None:
    """Anybody can lock somebody out, by wrong passwords: they are not let in, and are no leaver."""
    company = await house("okta", tmp_path, Clock())
    assert isinstance(company.provider, Okta)
    company.provider.users[company.ada]["status"] = "LOCKED_OUT"
    ada = await company.directory.find(company.ada)
    assert ada is not None
    assert ada.status is PersonStatus.LOCKED
    assert leaving_of(ada) is None


@pytest.mark.parametrize("status", [None, [], {}, 7, "NEWER"], ids=str)
async def test_an_okta_user_without_a_status_is_an_answer_about_nobody(
    status: object, tmp_path: Path
) -> None:
    """Whatever stands there: the directory could not be asked, and nobody loses anything."""
    company = await house("okta", tmp_path, Clock())
    assert isinstance(company.provider, Okta)
    company.provider.users[company.ada]["status"] = status
    with pytest.raises(DirectoryExhausted):
        await company.directory.find(company.ada)


@pytest.mark.parametrize("filters", [True, False])
async def test_a_scim_identity_may_be_an_external_id(filters: bool, tmp_path: Path) -> None:
    """Found by a filter; where the service passes over filters, nobody is found by accident."""
    company = await house("scim", tmp_path, Clock(), subject="externalId")
    fake = company.provider
    assert isinstance(fake, Scim)
    fake.filters = filters
    known = replace(company.identity, subject=f"ext-{company.ada}")
    assert await company.directory.person_of(known) == company.ada
    assert await company.directory.person_of(replace(known, subject="ext-nobody")) is None
    assert await company.directory.person_of(replace(known, subject='" or id pr or id eq "')) is None
    fake.users[company.grace]["externalId"] = f"ext-{company.ada}"
    with pytest.raises(DirectoryMisconfigured, match="more than one"):
        await company.directory.person_of(known)


async def test_scim_by_a_managed_identity(tmp_path: Path) -> None:
    """No client and no key: the app's own identity, for the scope that is configured."""
    from tests.fakes.scim import BASE, user
    from tests.passkeys.directories.houses import loaded
    from tests.passkeys.key_homes import MemoryKeys

    scopes: list[str] = []

    async def token(scope: str, *, refused: str | None = None, claims: str | None = None) -> str:
        scopes.append(scope)
        if refused is not None:
            fake.given += 1
        return fake.token

    fake = Scim(users={"1": user("1", "Ada Lovelace")})
    entry = {"provider": "scim", "base": BASE, "scope": "api://people/.default", "roles": ROLES}
    directory = loaded(tmp_path, entry, fake, MemoryKeys(), Clock(), token)
    assert await directory.find("1") is not None
    assert scopes == ["api://people/.default"]
    fake.trouble.append(Answer(401, {}, {}))
    assert await directory.find("1") is not None
    assert fake.given == 1
