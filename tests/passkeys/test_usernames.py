"""User names: many spellings, one token, and no trace of what was typed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passkeys.errors import StoreDamaged
from passkeys.store import Document
from passkeys.usernames import find, normal_form, remember, token_of
from tests.passkeys.stores import MemoryStore

KEY = bytes(range(32))
TYPED = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@pytest.mark.parametrize(
    "spelling",
    ["ada", "Ada", " ADA\t", "\u3000ada\u00a0", "\uff41\uff44\uff41", "\U0001d504da"],
    ids=["plain", "capital", "spaces", "wide spaces", "wide letters", "letterlike"],
)
def test_spellings_of_a_name_are_one(spelling: str) -> None:
    """What a keyboard, a phone's capital or a form's space makes of a name does not make another name of it."""
    assert normal_form(spelling) == "ada"
    assert token_of(KEY, spelling) == token_of(KEY, "ada")


@pytest.mark.parametrize("other", ["adá", "a da", "ada\0", "ad", "\u0430da"])
def test_other_names_are_others(other: str) -> None:
    """An accent, a space within and a letter of another script are another name."""
    assert token_of(KEY, other) != token_of(KEY, "ada")


@given(TYPED)
def test_the_form_of_a_form_is_itself(typed: str) -> None:
    """One step and no more: there is no name whose form has another token than the name."""
    assert normal_form(normal_form(typed)) == normal_form(typed)
    assert token_of(KEY, normal_form(typed)) == token_of(KEY, typed)


@given(TYPED)
def test_case_does_not_matter(typed: str) -> None:
    """Folded is folded, whatever the alphabet."""
    assert normal_form(typed.casefold()) == normal_form(typed)


def test_a_token_tells_nothing_without_the_key() -> None:
    """Another key, another token: no list of names tells whose it is. For one key it is this one for ever."""
    assert token_of(KEY, "ada") == "39ac67cdd2a254c2b7f3551ce0a5f60e"
    assert token_of(bytes(32), "ada") != token_of(KEY, "ada")


async def test_a_name_is_found_by_its_token() -> None:
    """Remembered once, it is whose it was first; an unknown one is nobody's."""
    store = MemoryStore()
    token = token_of(KEY, "ada")
    assert await find(store, token) is None
    await remember(store, token, "ada")
    await remember(store, token, "Ada")
    assert await find(store, token) == "ada"
    assert await find(store, token_of(KEY, "grace")) is None
    assert all(re.fullmatch(r"names/[0-9a-f]{32}\.json", name) for name in store.documents)


async def test_a_damaged_name_is_told() -> None:
    """What cannot be read is our fault, and is not taken for nobody."""
    token = token_of(KEY, "ada")
    store = MemoryStore(documents={f"names/{token}.json": Document(b"{}", "1")})
    with pytest.raises(StoreDamaged):
        await find(store, token)
