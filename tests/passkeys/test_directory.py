"""The static directory: the demo people, or a file read strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from passkeys.directory import DEMO_PEOPLE, Person, PersonStatus, has_role, load_static
from passkeys.errors import SettingsError


async def test_the_demo_people() -> None:
    """Three who may and one who may not, and nobody else; two of them are operators."""
    directory = load_static(None)
    ada, mallory = await directory.find("ada"), await directory.find("mallory")
    assert ada is not None
    assert mallory is not None
    assert (ada.display_name, ada.status) == ("Ada Lovelace", PersonStatus.ACTIVE)
    assert mallory.status is PersonStatus.DISABLED
    assert await directory.find("Ada") is None
    operators = {name for name, person in DEMO_PEOPLE.items() if has_role(person, "operator")}
    assert operators == {"grace", "katherine"}


@pytest.mark.parametrize(
    "claims",
    [{}, {"roles": []}, {"roles": "operator"}, {"roles": "operators"}, {"roles": {"operator": True}}, {"roles": None}, {"roles": ["Operator", "operators"]}, {"role": ["operator"]}],
    ids=str,
)  # fmt: skip
def test_a_role_is_a_word_in_a_list(claims: dict[str, object]) -> None:
    """Whatever else stands in the claims makes nobody an operator."""
    assert not has_role(Person("eve", "Eve", PersonStatus.ACTIVE, claims), "operator")
    assert has_role(Person("eve", "Eve", PersonStatus.ACTIVE, {"roles": ["x", "operator"]}), "operator")


async def test_a_file_of_people(tmp_path: Path) -> None:
    """Status and claims may be left out."""
    file = tmp_path / "people.json"
    file.write_text(
        json.dumps(
            {
                "lin": {"display_name": "Lin"},
                "sam@example.org": {
                    "display_name": "Sam",
                    "status": "disabled",
                    "claims": {"groups": ["ops"]},
                },
            }
        )
    )
    directory = load_static(file)
    lin, sam = await directory.find("lin"), await directory.find("sam@example.org")
    assert lin is not None
    assert sam is not None
    assert (lin.status, dict(lin.claims)) == (PersonStatus.ACTIVE, {})
    assert (sam.status, dict(sam.claims)) == (PersonStatus.DISABLED, {"groups": ["ops"]})


def test_every_mistake_in_the_file_is_told(tmp_path: Path) -> None:
    """All wrong entries at once, each by its id."""
    file = tmp_path / "people.json"
    wrong = {
        "a b": {"display_name": "x"},
        "no-object": 1,
        "no-name": {},
        "blank": {"display_name": " "},
        "status": {"display_name": "x", "status": "asleep"},
        "claims": {"display_name": "x", "claims": []},
        "more": {"display_name": "x", "password": "y"},
        "both": {"status": 1, "claims": 1},
    }
    file.write_text(json.dumps({"fine": {"display_name": "Fine"}, **wrong}))
    with pytest.raises(SettingsError) as error:
        load_static(file)
    for person in wrong:
        assert repr(person) in str(error.value)
    assert "fine" not in str(error.value)
    assert len(error.value.mistakes) == len(wrong) + 2


def test_two_people_cannot_share_a_user_name(tmp_path: Path) -> None:
    """Case does not count when a name is typed: ids that differ in nothing else are a mistake, told by both."""
    file = tmp_path / "people.json"
    file.write_text(json.dumps({person: {"display_name": "x"} for person in ("ada.l", "Ada.L", "grace")}))
    with pytest.raises(SettingsError, match=r"'ada\.l' and 'Ada\.L' are one user name") as error:
        load_static(file)
    assert len(error.value.mistakes) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"'])
def test_a_file_that_is_no_object_is_a_mistake(tmp_path: Path, text: str) -> None:
    """Not JSON, or not an object."""
    file = tmp_path / "people.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match="PASSKEYS_DIRECTORY"):
        load_static(file)


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    """It may vanish between the settings and the start."""
    with pytest.raises(SettingsError, match="cannot be read"):
        load_static(tmp_path / "none.json")
