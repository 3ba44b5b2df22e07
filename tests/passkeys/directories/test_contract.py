"""What every directory owes, whoever's it is: the same people, found by the same words, and closed when it cannot be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from passkeys.directories import asking
from passkeys.directories.asking import Answer, Question
from passkeys.directory import PERSON_ID, PersonStatus, has_role
from passkeys.errors import DirectoryExhausted, DirectoryMisconfigured, KeysUnavailable
from passkeys.stand_ins import NOBODY
from tests.fakes.trouble import AWAY, NONSENSE, OUTAGE, SLOW, throttled
from tests.passkeys.directories.houses import House, house
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.worlds import Clock

KINDS = ["static", "entra", "okta", "pingone", "scim"]
COMPANIES = KINDS[1:]


@pytest.fixture(params=KINDS)
async def company(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    return await house(request.param, tmp_path, Clock())


pytestmark = pytest.mark.usefixtures("no_pauses")
FOREIGN_404 = [
    Answer(404),
    Answer(404, {}, {"detail": "no route"}),
    Answer(404, {}, {"error": "x", "code": 5}),
]


@pytest.fixture(autouse=True)
def short_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries are as short as tests are patient."""
    monkeypatch.setattr(asking, "TRY_SECONDS", 0.02)


async def test_people_are_found_by_their_ids(company: House) -> None:
    """With a name to show, their status, and our own role names; ids fit everywhere that an id goes."""
    ada, grace = await company.directory.find(company.ada), await company.directory.find(company.grace)
    assert ada is not None
    assert grace is not None
    assert (ada.id, ada.display_name, ada.status) == (company.ada, "Ada Lovelace", PersonStatus.ACTIVE)
    assert (has_role(ada, "operator"), has_role(grace, "operator")) == (False, True)
    assert set(grace.claims) <= {"roles"}
    assert not has_role(grace, "auditor")
    assert PERSON_ID.match(ada.id)


@pytest.mark.parametrize(
    "person", ["nobody", NOBODY, "healthz", "ada@example.com", "..", "a/b", "$batch", "%2e"]
)
async def test_nobody_is_nobody(company: House, person: str) -> None:
    """An id that is nobody's, or no id at all: not found, and neither is whoever's name or address it is."""
    assert await company.directory.find(person) is None


@pytest.mark.parametrize("kind", COMPANIES)
async def test_asking_about_nobody_takes_as_many_questions(kind: str, tmp_path: Path) -> None:
    """Whoever has an answer's time in hand does not learn from it who is known."""
    company = await house(kind, tmp_path, Clock())
    assert company.provider is not None
    await company.directory.find(company.ada)
    before = len(company.provider.asked)
    await company.directory.find(company.ada)
    of_somebody = len(company.provider.asked) - before
    await company.directory.find(NOBODY)
    assert len(company.provider.asked) - before == 2 * of_somebody


async def test_a_disabled_person_is_told_at_the_next_question(company: House) -> None:
    """Nothing is kept of an answer."""
    company.flip(company.ada)
    person = await company.directory.find(company.ada)
    assert person is not None
    assert person.status is PersonStatus.DISABLED


async def test_a_person_who_is_gone_is_not_found(company: House) -> None:
    """Deleted is as never having been there."""
    company.forget(company.ada)
    assert await company.directory.find(company.ada) is None


async def test_an_identity_is_its_persons_and_no_other_issuers_is(company: House) -> None:
    """By issuer, tenant and subject, all three."""
    identity = company.identity
    assert await company.directory.person_of(identity) == company.ada
    for other in (
        replace(identity, issuer="https://evil.example.com"),
        replace(identity, tenant="6f9619ff-8b86-4011-b42d-00cf4fc964fe"),
        replace(identity, subject="../../x"),
    ):
        assert await company.directory.person_of(other) is None


@pytest.mark.parametrize("kind", COMPANIES)
@pytest.mark.parametrize("trouble", [AWAY, OUTAGE, SLOW, throttled(), throttled("1")], ids=str)
async def test_a_fault_that_passes_is_not_noticed(kind: str, trouble: object, tmp_path: Path) -> None:
    """One try that fails is followed by one that does not."""
    company = await house(kind, tmp_path, Clock())
    assert company.provider is not None
    company.provider.trouble.append(trouble)
    person = await company.directory.find(company.ada)
    assert person is not None


@pytest.mark.parametrize("kind", COMPANIES)
@pytest.mark.parametrize("trouble", [AWAY, OUTAGE, SLOW, NONSENSE, throttled("3")], ids=str)
async def test_a_provider_that_stays_away_is_unavailable(kind: str, trouble: object, tmp_path: Path) -> None:
    """An error, never a person and never nobody; and what is said of it names neither person nor token."""
    company = await house(kind, tmp_path, Clock())
    assert company.provider is not None
    await company.directory.find(company.ada)
    company.provider.trouble.extend([trouble] * 12)
    with pytest.raises((DirectoryExhausted, DirectoryMisconfigured)) as told:
        await company.directory.find(company.ada)
    assert company.ada not in str(told.value)
    assert "token" not in str(told.value)


@pytest.mark.parametrize("kind", COMPANIES)
async def test_a_provider_that_refuses_us_is_misconfigured(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """401 or 403 all the same, after a fresh token: closed, not asked again, and told to operators by one code."""
    company = await house(kind, tmp_path, Clock())
    assert company.provider is not None
    await company.directory.find(company.ada)
    company.provider.trouble.extend([Answer(403, {}, {})] * 4)
    with pytest.raises(DirectoryMisconfigured):
        await company.directory.find(company.ada)
    assert [record.message.split()[0] for record in caplog.records if record.levelname == "ERROR"][:1] == [
        "directory_misconfigured"
    ]


@pytest.mark.parametrize("kind", COMPANIES)
@pytest.mark.parametrize("answer", FOREIGN_404, ids=str)
@pytest.mark.parametrize("of", ["somebody", "nobody"])
async def test_a_404_of_somebody_else_makes_nobody_unknown(
    kind: str, answer: Answer, of: str, tmp_path: Path
) -> None:
    """A proxy's page, or another service at a wrong address: who is unknown loses their passkeys, so it must be the provider's word."""
    company = await house(kind, tmp_path, Clock())
    assert company.provider is not None
    await company.directory.find(company.ada)
    company.provider.trouble.extend([answer] * 4)
    with pytest.raises(DirectoryMisconfigured):
        await company.directory.find(company.ada if of == "somebody" else NOBODY)


@pytest.mark.parametrize("kind", COMPANIES)
async def test_a_person_waits_for_all_of_it_no_longer_than_for_one_question(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However many questions it takes: here each is answered in time, and all together are not. That counts as a failure."""
    company = await house(kind, tmp_path, Clock())
    assert company.provider is not None
    await company.directory.find(company.ada)
    monkeypatch.setattr(asking, "TRY_SECONDS", 5.0)
    monkeypatch.setattr(asking, "TOTAL_SECONDS", 0.02)
    answer = company.provider.answer

    async def slow(question: Question) -> Answer:
        await asyncio.sleep(0.05)
        return await answer(question)

    monkeypatch.setattr(company.provider, "answer", slow)
    monkeypatch.setattr(asking.Asking, "_tries", _once)
    for _ in range(asking.OPENS_AFTER):
        with pytest.raises(DirectoryExhausted, match="not in time"):
            await company.directory.find(company.ada)
    with pytest.raises(DirectoryExhausted, match="not asked just now"):
        await company.directory.find(company.ada)
    assert "directory_closed" in caplog.text


async def _once(self: asking.Asking, question: Callable[[], Awaitable[Question]]) -> Answer:
    """A question without an end of its own, so that only the end of the whole can come."""
    return await self._send(await question())


@pytest.mark.parametrize("kind", ["okta", "pingone", "scim"])
async def test_a_key_that_cannot_be_used_is_a_directory_that_cannot_be_asked(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The home of keys is away: one more way of not being asked, by the name that the port has for it."""

    async def away(*_: object) -> bytes:
        raise KeysUnavailable("The vault does not answer.")

    monkeypatch.setattr(MemoryKeys, "sign", away)
    company = await house(kind, tmp_path, Clock())
    with pytest.raises(DirectoryExhausted, match="key: .*The vault does not answer"):
        await company.directory.find(company.ada)
