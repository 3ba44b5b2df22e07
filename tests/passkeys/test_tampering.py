"""Every attack on a single entry of a sealed trail is found, at its place, wherever it is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tampering import ATTACKS, Trail, Try, judged


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Trail:
    """Twelve chains of 12 entries, sealed in three parts."""
    folder: Path = tmp_path_factory.mktemp("tampering")
    return Trail(folder, shards=12, days=3, each=4)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_found_wherever_it_is_made(trail: Trail, name: str) -> None:
    """At each entry of a chain; the other chains are not blamed, and put back the trail is whole."""
    attack = ATTACKS[name]
    assert judged(trail, [Try(name, at) for at in trail.places(attack)]) == []
    assert trail.whole() == ()
