"""Proofs over HTTP: for operators of any entry, for a person of their own, good by the public key alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.functions import HttpResponse

from passkeys.log_proofs import check_consistency, check_entry
from passkeys.store import Store
from passkeys.world import World
from starters import proofs
from starters.openapi import document
from starters.proofs import operations_consistency, operations_proof, proof_of_own
from tests.passkeys.stores import MemoryStore
from tests.starters.administering import Administering
from tests.starters.fakes import AUTHENTICATION, body_of, request
from tests.starters.people import VERIFIER, has_ended, has_passkey
from tests.starters.test_openapi import fits
from tests.trails import Sealer, content

BY_ADA = f"Ceremony {AUTHENTICATION}:{VERIFIER}"
ADAS, GRACES, UNSEALED = (content(number)["ceremony_id"] for number in (0, 5, 10))


@pytest.fixture
def sealer(tmp_path: Path) -> Iterator[Sealer]:
    """Two sealed days, the first Ada's; and an entry of Grace's that is not sealed yet."""
    made = Sealer(tmp_path / "trail")
    made.record({"00": 2, "01": 3}, person="ada")
    made.seal()
    made.record({"00": 2, "01": 3}, person="grace")
    made.seal()
    made.record({"00": 1}, person="ada")
    yield made
    made.close()


@pytest.fixture(params=["the files", "a copy"])
async def sealed_world(world: World, sealer: Sealer, request: pytest.FixtureRequest) -> World:
    """The trail is read where it lies; of another store, by a copy."""
    store: Store = sealer.store
    if request.param == "a copy":
        store = MemoryStore()
        async for name in sealer.store.list(""):
            document = await sealer.store.get(name)
            assert document is not None
            await (
                store.append(name, document.data, position=0)
                if name.endswith(".jsonl")
                else store.create(name, document.data)
            )
    return replace(world, store=store)


@pytest.fixture
async def client(sealed_world: World) -> Administering:
    """Ada has signed in."""
    made = Administering(world=sealed_world)
    await has_passkey(sealed_world, "ada", "YWRhcw", used=True)
    has_ended(made, AUTHENTICATION)
    return made


async def asked(
    world: World, client: Administering, function: Any, path: str, found: str, header: str | None = None
) -> HttpResponse:
    headers = {} if header is None else {"authorization": header}
    req = request("GET", "/", headers=headers, route={path.partition("{")[2].rstrip("}"): found})
    response: HttpResponse = await function(world, req, client)
    if response.status_code == 200:
        assert list(document()["paths"][path]["get"]["responses"]["200"]["content"]) == ["text/plain"]
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    else:
        fits(response, path, "get")
    return response


async def for_operators(world: World, client: Administering, found: str) -> HttpResponse:
    return await asked(world, client, operations_proof, "/operations/audit/proofs/{id}", found)


async def own(world: World, client: Administering, found: str, header: str | None = BY_ADA) -> HttpResponse:
    return await asked(world, client, proof_of_own, "/proofs/{id}", found, header)


async def since(world: World, client: Administering, number: str) -> HttpResponse:
    return await asked(
        world, client, operations_consistency, "/operations/audit/consistency/{number}", number
    )


async def test_operators_get_a_proof_of_any_sealed_entry(
    sealed_world: World, client: Administering, sealer: Sealer
) -> None:
    """That the key alone shows to be good; of what is not sealed yet, and of what is no id, there is none."""
    for found in (ADAS, GRACES):
        response = await for_operators(sealed_world, client, found)
        proven = check_entry(response.get_body(), [sealer.verifier])
        assert (proven.entry["ceremony_id"], proven.checkpoint.size) == (found, 10)
    for found in (UNSEALED, content(99)["ceremony_id"], f"act-{'0' * 32}", "..", "", f"{ADAS}\n"):
        response = await for_operators(sealed_world, client, found)
        assert body_of(response)["code"] == "entry_unknown", found


async def test_a_person_gets_their_own_alone(
    sealed_world: World, client: Administering, sealer: Sealer
) -> None:
    """By a session; somebody else's entry and none are alike."""
    response = await own(sealed_world, client, ADAS)
    assert check_entry(response.get_body(), [sealer.verifier]).entry["person"] == "ada"
    others = [(await own(sealed_world, client, found)) for found in (GRACES, content(99)["ceremony_id"])]
    assert {response.get_body() for response in others} == {others[0].get_body()}
    assert body_of(others[0])["code"] == "entry_unknown"
    assert (await own(sealed_world, client, ADAS, None)).status_code == 401


async def test_operators_get_a_proof_that_the_trail_goes_on(
    sealed_world: World, client: Administering, sealer: Sealer
) -> None:
    """From a checkpoint that was kept to the newest; of one that is not there, none."""
    for number in (0, 1):
        response = await since(sealed_world, client, str(number))
        later = check_consistency(response.get_body(), sealer.checkpoint(number), [sealer.verifier])
        assert later.number == 1
    for wrong in ("2", "-1", "01", "x", "", "9" * 20):
        assert body_of(await since(sealed_world, client, wrong))["code"] == "checkpoint_unknown", wrong


async def test_of_a_trail_that_is_not_what_was_sealed_nothing_is_proven(
    world: World, sealer: Sealer, caplog: pytest.LogCaptureFixture
) -> None:
    """503, and the log says why; before anything is sealed there is nothing to prove."""
    client = Administering(world=world)
    assert body_of(await for_operators(world, client, ADAS))["code"] == "entry_unknown"
    segment = next((sealer.folder / "01").glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b'"completed"', b'"cOmpleted"', 1))
    changed = replace(world, store=sealer.store)
    assert body_of(await for_operators(changed, client, ADAS))["code"] == "unavailable"
    assert body_of(await since(changed, client, "0"))["code"] == "unavailable"
    assert "root_mismatch" in caplog.text
    assert "forked" in caplog.text


async def test_one_is_read_at_a_time_and_none_that_takes_long(
    sealed_world: World, client: Administering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks beside it may come back; a long trail is for the command."""
    async with proofs._reading:
        response = await for_operators(sealed_world, client, ADAS)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    monkeypatch.setattr(proofs, "MAX_TRAIL", 100)
    assert body_of(await for_operators(sealed_world, client, ADAS))["code"] == "proof_offline"
