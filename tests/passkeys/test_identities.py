"""Whose an identity is, for good; and that a token enrols once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from passkeys.directory import IdentityKey
from passkeys.errors import StoreDamaged
from passkeys.identities import Enrolled, forget_tokens, is_used, person_bound_to, use_token
from passkeys.store import Document
from tests.passkeys.stores import MemoryStore
from tests.passkeys.tokens import ADA, ENTRA_ISSUER, TENANT

KEY = IdentityKey(ENTRA_ISSUER, TENANT, ADA)
TOKEN, OTHER_TOKEN = "a" * 64, "b" * 64
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


async def used(store: MemoryStore, **changed: object) -> Enrolled:
    given: dict[str, object] = {
        "token": TOKEN,
        "identity": KEY,
        "person": "ada",
        "ceremony_id": "registration-1",
        "credential_id": "AQID",
        "now": NOW,
    }
    return await use_token(store, **{**given, **changed})  # type: ignore[arg-type]


async def test_a_token_is_used_once_and_again_for_the_same() -> None:
    """For its credential of its ceremony as often as it is run; for any other never."""
    store = MemoryStore()
    assert not await is_used(store, TOKEN)
    for _ in range(2):
        assert await used(store) is Enrolled.ENROLLED
    before = dict(store.documents)
    assert await used(store, ceremony_id="registration-2") is Enrolled.USED
    assert await used(store, credential_id="BAUG") is Enrolled.USED
    assert store.documents == before
    assert await is_used(store, TOKEN)
    assert not await is_used(store, OTHER_TOKEN)


async def test_an_identity_is_one_persons_for_good() -> None:
    """The first to record has it; whoever comes as somebody else is refused, and their token is not used up."""
    store = MemoryStore()
    assert await person_bound_to(store, KEY) is None
    assert await used(store) is Enrolled.ENROLLED
    assert await person_bound_to(store, KEY) == "ada"
    assert await used(store, token=OTHER_TOKEN, person="grace") is Enrolled.TAKEN
    assert not await is_used(store, OTHER_TOKEN)
    assert await used(store, token=OTHER_TOKEN, ceremony_id="registration-2") is Enrolled.ENROLLED


@pytest.mark.parametrize(
    "other",
    [
        IdentityKey(ENTRA_ISSUER, None, ADA),
        IdentityKey(ENTRA_ISSUER, "9188040d-6c67-4c5b-b112-36a304b66dad", ADA),
        IdentityKey(ENTRA_ISSUER + "/", TENANT, ADA),
        IdentityKey(ENTRA_ISSUER + TENANT, "", ADA),
        IdentityKey(ENTRA_ISSUER, TENANT + ADA, ""),
        IdentityKey(ENTRA_ISSUER, TENANT, ADA.upper()),
        IdentityKey("https://op.example.com", TENANT, ADA),
    ],
)
async def test_the_same_subject_elsewhere_is_somebody_else(other: IdentityKey) -> None:
    """Issuer and tenant are of the key, and no part of it can run into the next."""
    store = MemoryStore()
    assert await used(store) is Enrolled.ENROLLED
    assert await person_bound_to(store, other) is None
    assert await used(store, token=OTHER_TOKEN, identity=other, person="grace") is Enrolled.ENROLLED


async def test_of_many_at_once_one_is_first() -> None:
    """One token, twenty ceremonies: one credential. One identity, twenty people: one person."""
    for changed in (
        [{"ceremony_id": f"registration-{n}", "credential_id": f"id{n}"} for n in range(20)],
        [{"person": f"person-{n}", "token": f"{n:064x}"} for n in range(20)],
    ):
        store = MemoryStore()
        outcomes = await asyncio.gather(*(used(store, **one) for one in changed))
        assert outcomes.count(Enrolled.ENROLLED) == 1


async def test_what_is_stored_names_neither_token_nor_address() -> None:
    """Digests for names; the key as it is; when, and by which ceremony."""
    store = MemoryStore()
    await used(store)
    (binding,) = (document for name, document in store.documents.items() if name.startswith("identities/"))
    assert json.loads(binding.data) == {
        "v": 1,
        "issuer": ENTRA_ISSUER,
        "tenant": TENANT,
        "subject": ADA,
        "person": "ada",
        "ceremony_id": "registration-1",
        "at": "2026-01-01T12:00:00+00:00",
    }
    assert not any(ADA in name for name in store.documents)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"v": 1}', b'{"v": 1, "person": "ada"}', b'{"v": 2}'])
async def test_a_damaged_binding_lets_nobody_in(data: bytes) -> None:
    """It is an error that needs a person, and never an identity that is free."""
    store = MemoryStore()
    await used(store)
    (name,) = (name for name in store.documents if name.startswith("identities/"))
    store.documents[name] = Document(data, "x")
    with pytest.raises(StoreDamaged):
        await person_bound_to(store, KEY)
    with pytest.raises(StoreDamaged):
        await used(store)


async def test_used_tokens_are_forgotten_after_a_while_and_bindings_never() -> None:
    """By when they were used; whose an identity is, stays for good."""
    store = MemoryStore()
    assert await used(store) is Enrolled.ENROLLED
    later = NOW + timedelta(hours=1)
    assert await used(store, token=OTHER_TOKEN, ceremony_id="registration-2", now=later) is Enrolled.ENROLLED
    assert await forget_tokens(store, now=NOW + timedelta(hours=2), after=timedelta(hours=3)) == 0
    assert await forget_tokens(store, now=NOW + timedelta(minutes=90), after=timedelta(hours=1)) == 1
    assert not await is_used(store, TOKEN)
    assert await is_used(store, OTHER_TOKEN)
    assert await person_bound_to(store, KEY) == "ada"
