"""Decoys: the same for ever, of the shapes that people have, and ours to recognise alone."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from passkeys.credentials import CredentialDescriptor
from passkeys.decoys import (
    COUNTS,
    MODELS,
    SHORTEST_ID,
    TAG_BYTES,
    descriptors,
    is_decoy,
    model_of,
)
from passkeys.policy import decoy_models
from passkeys.response import encode_base64url
from passkeys.settings import load

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
NAMES = [f"nobody{number}" for number in range(20_000)]


@pytest.fixture(scope="module")
def everybody() -> list[list[CredentialDescriptor]]:
    return [descriptors(KEY, name) for name in NAMES]


def told(decoys: Sequence[CredentialDescriptor]) -> list[tuple[str, str]]:
    return [(encode_base64url(decoy.id), " ".join(decoy.transports)) for decoy in decoys]


# Whoever asked last year compares with what is told this year. Never change these: see the module.
FIXED = {
    "ada": [("-zvodlgnQOe-F8OO8b7iOA", "internal")],
    "grace": [("8rAp4f5kJ9K_fu8I-RILkNE2zS6DvZwsRu22soUdZoyf_AF-6cXD_lEJ8Jn9lWgR", "nfc usb")],
    "éa": [("tl63c-43zd6OcvDAXkRJTA", "hybrid internal")],
    "nobody5": [
        ("ftwF8-KmUDTwDsOkB6Hm-kzGgCU", "hybrid internal"),
        ("NHShMZtwIwKsCAdrYnI6Xg", "hybrid internal"),
    ],
    "nobody17": [
        ("OYR9fXe23RnUvbbtRjv8Ko_Ar9XrdhvPMCfeTt9CM6I", "internal"),
        (
            "0ThKNmUgXCJB1AmOMOvG-rWCshJYHn1U912lxd-hXonSW9fAUsmsRJeRVSsryLScqRrDFjpitu0HBZTPotoMtg",
            "nfc usb",
        ),
    ],
}


@pytest.mark.parametrize("name", FIXED)
def test_a_names_decoys_are_these_for_ever(name: str) -> None:
    """For one key and one name, the answer of every release and every instance."""
    assert told(descriptors(KEY, name)) == FIXED[name]


def test_another_name_or_another_key_has_others() -> None:
    """No id is shared between two names, or between two stores."""
    of_key = {decoy.id for name in NAMES[:2000] for decoy in descriptors(KEY, name)}
    of_other = {decoy.id for name in NAMES[:2000] for decoy in descriptors(OTHER_KEY, name)}
    assert len(of_key) == sum(len(descriptors(KEY, name)) for name in NAMES[:2000])
    assert not of_key & of_other


def test_every_decoy_is_recognised(everybody: list[list[CredentialDescriptor]]) -> None:
    """By its id alone, whatever name it was made for."""
    assert all(is_decoy(KEY, decoy.id) for decoys in everybody for decoy in decoys)


def test_nothing_else_is_taken_for_a_decoy(everybody: list[list[CredentialDescriptor]]) -> None:
    """Not a real id, not a decoy of another store, not one with a single bit changed, cut short or drawn out."""
    chance = random.Random(1)
    assert not any(is_decoy(KEY, chance.randbytes(model.id_bytes)) for model in MODELS for _ in range(20_000))
    for decoy in (decoys[0] for decoys in everybody[:200]):
        assert not is_decoy(OTHER_KEY, decoy.id)
        assert not is_decoy(KEY, decoy.id[:-1])
        assert not is_decoy(KEY, decoy.id + b"\0")
        bit = chance.randrange(8 * len(decoy.id))
        assert not is_decoy(
            KEY, (int.from_bytes(decoy.id, "big") ^ (1 << bit)).to_bytes(len(decoy.id), "big")
        )


@pytest.mark.parametrize("short", [b"", b"x", bytes(TAG_BYTES), bytes(SHORTEST_ID - 1)])
def test_what_is_too_short_is_no_decoy(short: bytes) -> None:
    """An id with no room for what a decoy needs is somebody's, if anybody's."""
    assert not is_decoy(KEY, short)


def test_the_tables_are_whole() -> None:
    """Weights are of a thousand, no two models are alike in everything, and every id has room for chance and tag."""
    assert sum(model.weight for model in MODELS) == sum(weight for _, weight in COUNTS) == 1000
    alike = [(model.id_bytes, model.transports, model.uuid, model.algorithms) for model in MODELS]
    assert len(set(alike)) == len(alike)
    for model in MODELS:
        assert model.id_bytes >= SHORTEST_ID
        assert list(model.transports) == sorted(set(model.transports))  # WebAuthn L3 §5.2.1
        assert 0 <= model.again <= 1000


def chi_squared(seen: Counter[object], expected: dict[object, float]) -> float:
    assert not seen.keys() - expected.keys()
    return sum((seen[value] - often) ** 2 / often for value, often in expected.items())


def test_counts_follow_their_table(everybody: list[list[CredentialDescriptor]]) -> None:
    """As many names have one, two, ... as the table says. (The key is fixed: so is the figure.)"""
    seen: Counter[object] = Counter(len(decoys) for decoys in everybody)
    expected: dict[object, float] = {count: weight * len(NAMES) / 1000 for count, weight in COUNTS}
    assert chi_squared(seen, expected) < 24.3  # 7 degrees of freedom, p = 0.001


def test_first_models_follow_their_table(everybody: list[list[CredentialDescriptor]]) -> None:
    """Shapes come as often as the table says."""
    seen: Counter[object] = Counter((len(decoys[0].id), decoys[0].transports) for decoys in everybody)
    expected: dict[object, float] = Counter()
    for model in MODELS:
        expected[model.id_bytes, model.transports] += model.weight * len(NAMES) / 1000
    assert chi_squared(seen, expected) < 24.3


def test_security_keys_come_in_twos(everybody: list[list[CredentialDescriptor]]) -> None:
    """Who has a YubiKey and a second passkey has a second such key more often than not; a second iCloud hardly ever."""
    twos = [[len(decoy.id) for decoy in decoys] for decoys in everybody if len(decoys) == 2]
    for id_bytes, low, high in ((48, 0.6, 0.75), (20, 0.25, 0.4)):
        second = [two[1] == id_bytes for two in twos if two[0] == id_bytes]
        assert low < sum(second) / len(second) < high


def test_ids_look_random(everybody: list[list[CredentialDescriptor]]) -> None:
    """Every bit of every length is set in half of the ids, those of the tag too; UUIDs are what RFC 9562 wants."""
    for model in MODELS:
        ids = [
            int.from_bytes(decoy.id, "big")
            for decoys in everybody
            for decoy in decoys
            if (len(decoy.id), decoy.transports) == (model.id_bytes, model.transports)
        ]  # where two models have one shape, of both
        assert len(ids) > 400
        fixed = {}
        if model.uuid:
            fixed = {8 * 6: 0, 8 * 6 + 1: 1, 8 * 6 + 2: 0, 8 * 6 + 3: 0, 8 * 8: 1, 8 * 8 + 1: 0}
        for bit in range(8 * model.id_bytes):
            share = sum(number >> (8 * model.id_bytes - 1 - bit) & 1 for number in ids) / len(ids)
            if bit in fixed:
                assert share == fixed[bit]
            else:
                assert abs(share - 0.5) < 4.5 * 0.5 / len(ids) ** 0.5  # 2,000 bits are looked at


def test_an_ids_model_is_one_for_ever_and_as_often_as_of_real_ones(
    everybody: list[list[CredentialDescriptor]],
) -> None:
    """Of the ids of one length, each model has its share; of a strange length, any."""
    for length in {model.id_bytes for model in MODELS}:
        ids = [decoy.id for decoys in everybody for decoy in decoys if len(decoy.id) == length]
        seen: Counter[object] = Counter(model_of(KEY, decoy).name for decoy in ids)
        assert [model_of(KEY, decoy) for decoy in ids] == [model_of(KEY, decoy) for decoy in ids]
        fitting = {model.name: model.weight for model in MODELS if model.id_bytes == length}
        whole = sum(fitting.values())
        expected: dict[object, float] = {name: weight * len(ids) / whole for name, weight in fitting.items()}
        assert chi_squared(seen, expected) < 16.3  # 3 degrees of freedom at the most, p = 0.001
    strange = [bytes([number]) * length for number in range(200) for length in (1, 17, 1023)]
    assert {model_of(KEY, one) for one in strange} == set(MODELS)


def test_no_half_of_an_id_is_ever_met_again(everybody: list[list[CredentialDescriptor]]) -> None:
    """Neither the rest nor the tag repeats where it has room not to: nothing common to look for."""
    ids = [decoy.id for decoys in everybody for decoy in decoys]
    assert len({decoy[:10] for decoy in ids}) == len(ids)
    assert len({decoy[-TAG_BYTES:] for decoy in ids}) == len(
        ids
    )  # 30,000 of 2^48: a repeat once in half a million


def test_other_models_make_other_decoys() -> None:
    """Where policy admits some models alone, no decoy is of another."""
    roaming = [model for model in MODELS if "usb" in model.transports]
    for name in NAMES[:500]:
        assert all("usb" in decoy.transports for decoy in descriptors(KEY, name, roaming))
    (only,) = [replace(roaming[0], weight=7)]
    assert {decoy.transports for decoy in descriptors(KEY, "ada", [only])} == {only.transports}


def test_the_longest_answer_fits(everybody: list[list[CredentialDescriptor]]) -> None:
    """Eight of the longest are far below what a custom status can carry."""
    longest = max(MODELS, key=lambda model: model.id_bytes)
    one = {
        "id": encode_base64url(bytes(longest.id_bytes)),
        "type": "public-key",
        "transports": longest.transports,
    }
    assert max(count for count, _ in COUNTS) * (len(json.dumps(one)) + 2) < 5_000


@pytest.mark.parametrize(
    ("settings", "lengths"),
    [
        ({}, {16, 20, 32, 48, 64}),
        ({"PASSKEYS_DECOY_MODELS": "yubikey,yubikey-nfc"}, {48}),
        ({"PASSKEYS_BACKUP_ELIGIBLE": "refuse"}, {32, 48, 64}),
        ({"PASSKEYS_ATTACHMENT": "platform"}, {16, 20, 32}),
        ({"PASSKEYS_ATTACHMENT": "cross-platform"}, {16, 20, 48, 64}),
        ({"PASSKEYS_ATTACHMENT": "cross-platform", "PASSKEYS_BACKUP_ELIGIBLE": "refuse"}, {48, 64}),
        ({"PASSKEYS_TRANSPORTS": "nfc"}, {48, 64}),
        # Nothing is left: then what was named, or anything, rather than no decoys.
        ({"PASSKEYS_TRANSPORTS": "nfc", "PASSKEYS_DECOY_MODELS": "windows-hello"}, {32}),
        ({"PASSKEYS_TRANSPORTS": "ble"}, {16, 20, 32, 48, 64}),
    ],
)
def test_decoys_are_of_what_policy_lets_register(settings: dict[str, str], lengths: set[int]) -> None:
    """A decoy of what nobody here could have would be known for one."""
    models = decoy_models(load(settings))
    found = {len(decoy.id) for name in NAMES[:2000] for decoy in descriptors(KEY, name, models)}
    assert found == lengths
