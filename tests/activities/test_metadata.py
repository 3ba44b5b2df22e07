"""Loading the metadata, and judging stored credentials by it: each once, whatever fails and whoever is quicker."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from activities import judge_credentials as judging
from activities import load_metadata as loading
from activities.change_credential import change_credential
from activities.judge_credentials import PREFIX, SHELVES, judge_credentials
from activities.load_metadata import load_metadata
from passkeys.acts import BY_METADATA
from passkeys.credentials import (
    Attestation,
    CredentialRecord,
    Standing,
    StandingState,
    credential_name,
    dump_credential,
    dump_standing,
    load_standing,
    standing_name,
)
from passkeys.embedded import EmbeddedStore
from passkeys.errors import StoreUnavailable
from passkeys.metadata_blob import verify_blob
from passkeys.models import keep
from passkeys.response import encode_base64url
from passkeys.store import Document, Store
from passkeys.world import World
from tests.metadata_kit import AAGUID, NOW, OTHER, ROOT, SIGNER, Json, blob, entry, status, write_root
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import Clock, world_of

AT, LATER = "2026-11-25T12:00:00.000Z", "2026-11-26T12:00:00.000Z"
REVOKED = blob(entry(AAGUID, status("REVOKED")), no=43)
UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Where the BLOB is read: a good one."""
    write_root(tmp_path / "root.pem")
    path = tmp_path / "blob.jwt"
    path.write_bytes(blob(entry(), entry(OTHER)))
    return path


def a_world(source: Path, store: Store | None = None, **settings: str) -> World:
    return world_of(
        store,
        clock=Clock(NOW),
        PASSKEYS_METADATA=str(source),
        PASSKEYS_METADATA_ROOT=str(source.parent / "root.pem"),
        **settings,
    )


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a file to come back."""
    monkeypatch.setattr(loading, "PAUSES_S", (0.0, 0.0))


FIRST = {
    "outcome": "updated",
    "reason": None,
    "detail": "",
    "no": 42,
    "next_update": "2026-12-01",
    "stale": False,
    "models": 2,
}


async def test_a_good_blob_is_kept_and_told(source: Path) -> None:
    """In numbers that fit a history: the models themselves stay in the store."""
    world = a_world(source)
    assert await load_metadata(world, {"at": AT}) == FIRST
    known = await world.models.current()
    assert known is not None
    assert set(known.models) == {AAGUID, OTHER}


async def test_the_same_blob_again_is_unchanged_and_the_same_run_again_is_not(source: Path) -> None:
    """Run again, the activity must say what it said: its first result may be lost with the host."""
    world = a_world(source)
    await load_metadata(world, {"at": AT})
    assert await load_metadata(world, {"at": AT}) == FIRST
    assert await load_metadata(world, {"at": "another"}) == {**FIRST, "outcome": "unchanged"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (blob(entry(), no=41), "metadata_rolled_back"),
        (blob(entry(AAGUID, status("REVOKED")), no=42), "metadata_serial_reused"),
        (REVOKED[:-10], "metadata_signature_invalid"),
        (b"<html>", "metadata_malformed"),
    ],
)
async def test_a_blob_that_must_not_be_relied_on_leaves_what_was_known(
    source: Path, data: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused with its code, the log has it for the alert, and the old one stays in use."""
    world = a_world(source)
    await load_metadata(world, {"at": AT})
    source.write_bytes(data)
    told = await load_metadata(world, {"at": LATER})
    assert (told["outcome"], told["reason"], told["no"], told["models"]) == ("refused", reason, 42, 2)
    assert reason in caplog.text


async def test_a_source_that_is_gone_leaves_what_was_known(source: Path) -> None:
    """After some tries: it may be being replaced."""
    world = a_world(source)
    await load_metadata(world, {"at": AT})
    source.unlink()
    told = await load_metadata(world, {"at": LATER})
    assert (told["outcome"], told["reason"], told["no"]) == ("failed", "metadata_unreachable", 42)


async def test_a_source_that_comes_back_is_read(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the pauses."""
    data = source.read_bytes()
    source.unlink()
    world = a_world_without_checks(source)
    asked = 0

    async def sleep(seconds: float) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            source.write_bytes(data)

    monkeypatch.setattr(loading.asyncio, "sleep", sleep)
    assert (await load_metadata(world, {"at": AT}))["outcome"] == "updated"


def a_world_without_checks(source: Path) -> World:
    """The settings want the file to be there at the start, and it was."""
    source.touch()
    world = a_world(source)
    source.unlink()
    return world


async def test_stale_metadata_is_used_said_and_logged(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What it says has not become untrue; that nothing newer came is what somebody must see to."""
    source.write_bytes(blob(entry(), next_update="2026-11-01"))
    told = await load_metadata(a_world(source), {"at": AT})
    assert (told["outcome"], told["stale"]) == ("updated", True)
    assert "Metadata is stale: number 42" in caplog.text


async def test_without_metadata_there_is_nothing_to_load() -> None:
    """Whatever the store still holds of former days."""
    store = MemoryStore()
    kept = verify_blob(REVOKED, roots=[ROOT.der], signer=SIGNER, at=NOW)
    await keep(store, kept, at=AT)
    told = await load_metadata(world_of(store), {"at": AT})
    assert (told["outcome"], told["no"]) == ("off", None)
    assert (await judge_credentials(world_of(store), {"at": AT, "cursor": ""}))["judged"] == 0


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("write", [1, 2, 3])
async def test_a_fault_in_keeping_changes_nothing(source: Path, write: int, kept: bool) -> None:
    """The retries make it good, and the result is the one without the fault."""
    faults = Faults(at=write, kept=kept)
    assert await load_metadata(a_world(source, MemoryStore(faults)), {"at": AT}) == FIRST


# -- judging ------------------------------------------------------------------------------------------------------------


def a_record(number: int, aaguid: str = AAGUID, credential_id: str | None = None) -> CredentialRecord:
    identifier = credential_id or encode_base64url(number.to_bytes(3, "big") + b"x")
    attestation = Attestation("none", "none", chain_verified=False, model_proven=False)
    return CredentialRecord(
        identifier,
        f"p{number}",
        "AA",
        "AA",
        -7,
        0,
        aaguid,
        (),
        False,
        False,
        True,
        attestation,
        "registration-1",
        AT,
    )


async def stored(store: Store, *records: CredentialRecord) -> None:
    for record in records:
        await store.create(credential_name(record.credential_id), dump_credential(record))


async def judged_world(
    source: Path, *records: CredentialRecord, store: Store | None = None, **settings: str
) -> World:
    """A world that knows of the revoked model, with these credentials."""
    world = a_world(source, store, **settings)
    await stored(world.store, *records)
    await keep(world.store, verify_blob(REVOKED, roots=[ROOT.der], signer=SIGNER, at=NOW), at=AT)
    return world


async def standing(store: Store, record: CredentialRecord) -> Standing | None:
    name = standing_name(record.credential_id)
    found = await store.get(name)
    return load_standing(name, found.data) if found else None


async def all_pages(world: World, at: str = AT) -> tuple[list[Json], list[Json]]:
    """(every page, every change) of one run."""
    pages, cursor = [], ""
    while cursor is not None:
        pages.append(await judge_credentials(world, {"at": at, "cursor": cursor}))
        assert pages[-1]["cursor"] is None or pages[-1]["cursor"] > cursor
        cursor = pages[-1]["cursor"]
    return pages, [change for page in pages for change in page["changes"]]


@pytest.mark.parametrize(("setting", "state"), [("disable", "disabled"), ("step-up", "step_up")])
async def test_credentials_of_a_revoked_model_are_found(source: Path, setting: str, state: str) -> None:
    """Disabled or stepped up by policy, with the reason; those of other models are left alone."""
    bad, other, unknown = a_record(1), a_record(2, OTHER), a_record(3, UNKNOWN)
    world = await judged_world(source, bad, other, unknown, PASSKEYS_REVOKED_CREDENTIALS=setting)
    result = await judge_credentials(world, {"at": AT, "cursor": ""})
    change = {
        "credential_id": bad.credential_id,
        "person": "p1",
        "state": state,
        "reason": "model_prohibited:REVOKED",
    }
    assert result == {"cursor": None, "judged": 3, "damaged": 0, "changes": [change]}
    assert await standing(world.store, bad) == Standing(
        StandingState(state), "model_prohibited:REVOKED", BY_METADATA, AT
    )
    assert await standing(world.store, other) is None


async def test_the_next_run_finds_nothing_new_and_the_same_run_tells_it_again(source: Path) -> None:
    """Each change is told by the run that made it, however often that runs, and by no other."""
    world = await judged_world(source, a_record(1))
    first = await judge_credentials(world, {"at": AT, "cursor": ""})
    assert await judge_credentials(world, {"at": AT, "cursor": ""}) == first
    assert (await judge_credentials(world, {"at": LATER, "cursor": ""}))["changes"] == []


async def test_a_model_that_is_clear_again_lifts_what_the_metadata_set_alone(source: Path) -> None:
    """Not what an operator did."""
    lifted, operators = a_record(1), a_record(2)
    world = await judged_world(source, lifted, operators)
    word = Standing(StandingState.DISABLED, "lost", "grace", AT)
    await world.store.create(standing_name(operators.credential_id), dump_standing(word))
    await all_pages(world)
    clear = blob(
        entry(
            AAGUID, status("USER_VERIFICATION_BYPASS", "2026-01-01"), status("UPDATE_AVAILABLE", "2026-02-01")
        ),
        no=44,
    )
    await keep(world.store, verify_blob(clear, roots=[ROOT.der], signer=SIGNER, at=NOW), at=LATER)
    _, changes = await all_pages(world, LATER)
    assert [(change["credential_id"], change["state"]) for change in changes] == [
        (lifted.credential_id, "active")
    ]
    assert await standing(world.store, operators) == word


async def test_a_denied_model_is_found_though_the_metadata_does_not_know_it(source: Path) -> None:
    """The operator's list counts for what is stored, too; the allow-list does not: it is about who may come in."""
    record = a_record(1, UNKNOWN)
    world = await judged_world(source, record, a_record(2, OTHER), PASSKEYS_AAGUID_DENY=UNKNOWN)
    _, changes = await all_pages(world)
    assert [change["reason"] for change in changes] == ["aaguid_denied"]


async def test_a_status_counts_from_its_day(source: Path) -> None:
    """The refresh's own time decides, so that a run which takes long judges all alike."""
    tomorrow = blob(entry(AAGUID, status("REVOKED", "2026-11-26")), no=50)
    world = a_world(source)
    await stored(world.store, a_record(1))
    await keep(world.store, verify_blob(tomorrow, roots=[ROOT.der], signer=SIGNER, at=NOW), at=AT)
    assert (await judge_credentials(world, {"at": "2026-11-25T23:59:59.000Z", "cursor": ""}))["changes"] == []
    assert (
        len((await judge_credentials(world, {"at": "2026-11-26T00:00:00.000Z", "cursor": ""}))["changes"])
        == 1
    )


async def test_pages_go_through_all_once(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the ids begin with, long ones too, in pages of bounded size; nobody twice, nobody left out."""
    monkeypatch.setattr(judging, "PAGE", 20)
    monkeypatch.setattr(judging, "AT_ONCE", 10)
    records = [a_record(number, OTHER) for number in range(64)]
    records += [a_record(1000 + n, credential_id=first + "AAA") for n, first in enumerate(SHELVES)]
    records += [a_record(2000, credential_id="A" * 400)]
    world = await judged_world(source, *{record.credential_id: record for record in records}.values())
    pages, changes = await all_pages(world)
    names = [name async for name in world.store.list(PREFIX)]
    assert sum(page["judged"] for page in pages) == len(names)
    assert max(page["judged"] for page in pages) <= 20
    told = [change["credential_id"] for change in changes]
    bad = {record.credential_id for record in records if record.aaguid == AAGUID}
    assert len(told) == len(set(told))
    assert set(told) == bad


async def test_a_page_with_many_changes_ends_early(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it returns goes through the task hub, and each change is a message."""
    monkeypatch.setattr(judging, "AT_ONCE", 5)
    monkeypatch.setattr(judging, "ENOUGH_CHANGES", 8)
    world = await judged_world(source, *(a_record(number) for number in range(40)))
    pages, changes = await all_pages(world)
    assert len(changes) == 40
    assert all(len(page["changes"]) < 8 + 5 for page in pages)


def test_the_shelves_are_the_alphabet_in_the_order_of_its_bytes() -> None:
    """Every first character of base64url, and of the names of long ids."""
    assert list(SHELVES) == sorted(set(SHELVES))
    assert len(SHELVES) == 64
    assert credential_name("A" * 400).removeprefix(PREFIX)[0] in SHELVES


async def test_a_damaged_credential_is_counted_and_the_others_go_on(source: Path) -> None:
    """One broken document must not keep revoked ones in use."""
    world = await judged_world(source, a_record(1), a_record(2))
    await world.store.create("credentials/AAAA.json", b"{")
    broken = a_record(3)
    await stored(world.store, broken)
    await world.store.create(standing_name(broken.credential_id), b"{}")
    pages, changes = await all_pages(world)
    assert (len(changes), pages[0]["damaged"], pages[0]["judged"]) == (2, 2, 4)


@dataclass
class Interrupted(MemoryStore):
    """Somebody else writes a standing between the look and the write, once."""

    word: Standing | None = None
    target: str = ""

    async def _meddle(self, name: str) -> None:
        if name == self.target and self.word is not None:
            word, self.word = self.word, None
            found = self.documents.get(name)
            if found is None:
                await super().create(name, dump_standing(word))
            else:
                await super().replace(name, dump_standing(word), etag=found.etag)

    async def create(self, name: str, data: bytes) -> str:
        await self._meddle(name)
        return await super().create(name, data)

    async def replace(self, name: str, data: bytes, *, etag: str) -> str:
        await self._meddle(name)
        return await super().replace(name, data, etag=etag)


@pytest.mark.parametrize("before", [None, Standing(StandingState.ACTIVE, None, None, AT, removal="act-1")])
async def test_an_operator_who_is_quicker_is_not_overwritten(source: Path, before: Standing | None) -> None:
    """Compare-and-swap: whoever lost looks again, and leaves it."""
    record = a_record(1)
    name = standing_name(record.credential_id)
    store = Interrupted(target="")
    world = await judged_world(source, record, store=store)
    if before is not None:
        await store.create(name, dump_standing(before))
    word = Standing(StandingState.DISABLED, "lost", "grace", "now")
    store.target, store.word = name, word
    assert (await judge_credentials(world, {"at": AT, "cursor": ""}))["changes"] == []
    assert await standing(store, record) == word


async def test_a_credential_that_is_removed_meanwhile_is_passed_over(source: Path) -> None:
    """Listed, and gone when it is read."""

    @dataclass
    class Vanishing(MemoryStore):
        gone: set[str] = field(default_factory=set)

        async def get(self, name: str) -> Document | None:
            return None if name in self.gone else await super().get(name)

    record = a_record(1)
    store = Vanishing()
    world = await judged_world(source, record, a_record(2), store=store)
    store.gone.add(credential_name(record.credential_id))
    result = await judge_credentials(world, {"at": AT, "cursor": ""})
    assert (result["judged"], len(result["changes"])) == (2, 1)


@pytest.mark.parametrize("home", ["memory", "embedded"])
@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("write", [1, 2, 3])
async def test_a_crash_at_any_write_is_made_good_by_running_again(
    source: Path, tmp_path: Path, home: str, write: int, kept: bool
) -> None:
    """Every change is told in the end, with its document, and none is made twice."""
    faults = Faults()
    store: Store = (
        MemoryStore(faults) if home == "memory" else EmbeddedStore(tmp_path / "s", on_commit=faults.on_commit)
    )
    records = [a_record(number) for number in range(3)]
    world = await judged_world(source, *records, store=store)
    faults.at, faults.kept = faults.writes + write, kept
    with suppress(StoreUnavailable):
        await judge_credentials.__wrapped__(world, {"at": AT, "cursor": ""})  # type: ignore[attr-defined]
    result = await judge_credentials(world, {"at": AT, "cursor": ""})
    assert sorted(change["credential_id"] for change in result["changes"]) == sorted(
        r.credential_id for r in records
    )
    for record in records:
        found = await standing(store, record)
        assert found is not None
        assert (found.state, found.at) == (StandingState.DISABLED, AT)
    if isinstance(store, EmbeddedStore):
        store.close()


async def test_a_store_that_stays_away_is_an_exception(source: Path) -> None:
    """The orchestrator asks again: no page is passed over."""
    faults = Faults()
    world = await judged_world(source, a_record(1), store=MemoryStore(faults))
    faults.at, faults.for_ever = faults.writes + 1, True
    with pytest.raises(StoreUnavailable):
        await judge_credentials(world, {"at": AT, "cursor": ""})


async def test_a_page_is_judged_by_what_counts_now(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another BLOB may come to count while a run is under way, by hand or by another host."""
    monkeypatch.setattr(judging, "PAGE", 20)
    world = await judged_world(source, *(a_record(number) for number in range(30)))
    first = await judge_credentials(world, {"at": AT, "cursor": ""})
    await keep(
        world.store, verify_blob(blob(entry(), no=44), roots=[ROOT.der], signer=SIGNER, at=NOW), at=LATER
    )
    second = await judge_credentials(world, {"at": AT, "cursor": first["cursor"]})
    assert (len(first["changes"]), second["judged"], second["changes"]) == (20, 10, [])


async def test_an_operator_who_enables_one_is_not_contradicted_every_night(source: Path) -> None:
    """What the metadata had against it then counts no more for it; what is found out later does."""
    record = a_record(1)
    world = await judged_world(source, record)
    await all_pages(world)
    enabling = {"act_id": "act-" + "0" * 32, "act": "enable", "credential_id": record.credential_id}
    said = {"person": None, "by": "grace", "reason": "seen and tested", "name": None, "last": False}
    assert (await change_credential(world, {**enabling, **said}))["changed"]
    _, changes = await all_pages(world, LATER)
    assert changes == []
    found = await standing(world.store, record)
    assert found is not None
    assert (found.state, found.by) == (StandingState.ACTIVE, "grace")
    worse = blob(entry(AAGUID, status("USER_KEY_REMOTE_COMPROMISE")), no=44)
    await keep(world.store, verify_blob(worse, roots=[ROOT.der], signer=SIGNER, at=NOW), at=LATER)
    _, changes = await all_pages(world, "2026-11-27T12:00:00.000Z")
    assert [change["reason"] for change in changes] == ["model_prohibited:USER_KEY_REMOTE_COMPROMISE"]


async def test_two_runs_of_the_same_page_at_once_make_one_change(source: Path) -> None:
    """As after a host that was thought dead: both tell it, and the document is one."""
    world = await judged_world(source, a_record(1))
    one, two = await asyncio.gather(*(judge_credentials(world, {"at": AT, "cursor": ""}) for _ in range(2)))
    assert one == two
    assert len(one["changes"]) == 1
