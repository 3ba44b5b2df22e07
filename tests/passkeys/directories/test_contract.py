"""What every directory owes, whoever's it is: the same people, found by the same words, and closed when it cannot be asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from passkeys.directories import asking
from passkeys.directory import PERSON_ID, PersonStatus, has_role
from passkeys.errors import DirectoryExhausted, DirectoryMisconfigured
from passkeys.stand_ins import NOBODY
from tests.fakes.trouble import AWAY, NONSENSE, OUTAGE, SLOW, throttled
from tests.passkeys.directories.houses import House, house
from tests.passkeys.worlds import Clock

KINDS = ["static", "entra", "okta", "pingone", "scim"]
COMPANIES = KINDS[1:]


@pytest.fixture(params=KINDS)
async def company(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    return await house(request.param, tmp_path, Clock())


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries are as short as tests are patient."""
    monkeypatch.setattr(asking, "TRY_SECONDS", 0.02)

    async def no_sleep(_: float) -> None:
        pass

    monkeypatch.setattr(asking.Asking.__init__, "__kwdefaults__", {
        **asking.Asking.__init__.__kwdefaults__, "sleep": no_sleep
    })  # fmt: skip


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
    from passkeys.directories.asking import Answer

    company = await house(kind, tmp_path, Clock())
    assert company.provider is not None
    await company.directory.find(company.ada)
    company.provider.trouble.extend([Answer(403, {}, {})] * 4)
    with pytest.raises(DirectoryMisconfigured):
        await company.directory.find(company.ada)
    assert [record.message.split()[0] for record in caplog.records if record.levelname == "ERROR"][:1] == [
        "directory_misconfigured"
    ]
