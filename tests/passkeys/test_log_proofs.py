"""Proofs of the audit trail: what they prove, to us and to a verifier in another language, and that no change passes either."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from passkeys.cli import main
from passkeys.cli_audit import progress
from passkeys.errors import CheckpointFault, CheckpointRefused
from passkeys.log_proofs import check_consistency, check_entry, prove_consistency, prove_entry
from passkeys.trail import log_lines, read_checkpoints, trail_in
from tests.hosts import ROOT
from tests.node import node
from tests.oidc_provider.provider import FOLDER
from tests.trails import Sealer

DAYS = ({"00": 4, "02": 3}, {"00": 2, "01": 5}, {"00": 3, "01": 1, "02": 2})


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealer]:
    """A sealed trail of 20 entries, and one that is not sealed."""
    folder = tmp_path_factory.mktemp("sealed")
    made = Sealer(folder).days(*DAYS)
    made.record({"00": 1})
    (folder / "key").write_text(f"{made.verifier}\n")
    yield made
    made.close()


def ids(sealer: Sealer) -> list[str]:
    trail = trail_in(sealer.folder)
    return [json.loads(line)["ceremony_id"] for line in log_lines(trail, read_checkpoints(trail))]


def proof_of(sealer: Sealer, subject: str) -> bytes:
    proof = prove_entry(trail_in(sealer.folder), subject)
    assert proof is not None
    return proof


def independently(sealer: Sealer, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the verifier in JavaScript says of each case."""
    found = node(FOLDER / "node_modules" / "oidc-provider", target="identity-provider")
    asked = [
        {
            **case,
            "key": case.get("key", str(sealer.verifier)),
            **{name: base64.b64encode(case[name]).decode() for name in ("file", "kept") if name in case},
        }
        for case in cases
    ]
    done = subprocess.run(
        [found, str(ROOT / "tests/log_verifier/verify.mjs")],
        input=json.dumps(asked).encode(),
        capture_output=True,
        check=True,
    )
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def changed(data: bytes) -> Iterator[bytes]:
    """One bit of each byte turned, each byte left out, and something put behind the end."""
    for at in range(len(data)):
        yield data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        yield data[:at] + data[at + 1 :]
    yield data + b"\n"


def test_every_sealed_entry_is_proven(sealer: Sealer) -> None:
    """To us and to the other verifier, by the key alone: the very entry, in the log of the newest checkpoint."""
    subjects = ids(sealer)
    proofs = [proof_of(sealer, subject) for subject in subjects]
    for index, (subject, proof) in enumerate(zip(subjects, proofs, strict=True)):
        proven = check_entry(proof, [sealer.verifier])
        assert (proven.entry["ceremony_id"], proven.index, proven.checkpoint.number) == (subject, index, 2)
    told = independently(sealer, [{"kind": "inclusion", "file": proof} for proof in proofs])
    assert [json.loads(one["entry"])["ceremony_id"] for one in told] == subjects
    assert {one["size"] for one in told} == {20}


def test_every_checkpoint_goes_on_from_each_before(sealer: Sealer) -> None:
    """Proven to us and to the other verifier, of any that was kept; it reads each checkpoint too."""
    notes = [sealer.note(number).read_bytes() for number in range(3)]
    proofs = [prove_consistency(trail_in(sealer.folder), sealer.checkpoint(number)) for number in range(3)]
    for number, proof in enumerate(proofs):
        assert check_consistency(proof, sealer.checkpoint(number), [sealer.verifier]).number == 2
    told = independently(
        sealer,
        [{"kind": "checkpoint", "file": note} for note in notes]
        + [
            {"kind": "consistency", "file": proof, "kept": note}
            for proof, note in zip(proofs, notes, strict=True)
        ],
    )
    assert [one.get("size") for one in told] == [7, 14, 20, 20, 20, 20]


def test_no_changed_byte_passes(sealer: Sealer) -> None:
    """Of a checkpoint, of a proof of an entry and of one of consistency: both verifiers refuse each change."""
    kept, note = sealer.checkpoint(0), sealer.note(0).read_bytes()
    entry = proof_of(sealer, ids(sealer)[9])
    consistency = prove_consistency(trail_in(sealer.folder), kept)
    cases = [
        *({"kind": "checkpoint", "file": file} for file in changed(note)),
        *({"kind": "inclusion", "file": file} for file in changed(entry)),
        *({"kind": "consistency", "file": file, "kept": note} for file in changed(consistency)),
    ]
    passed = [
        case["file"]
        for case, told in zip(cases, independently(sealer, cases), strict=True)
        if "refused" not in told
    ]
    assert passed == []
    for file in changed(entry):
        with pytest.raises(CheckpointRefused):
            check_entry(file, [sealer.verifier])
    for file in changed(consistency):
        with pytest.raises(CheckpointRefused):
            check_consistency(file, kept, [sealer.verifier])


def test_another_key_and_another_log_prove_nothing(sealer: Sealer, tmp_path: Path) -> None:
    """Neither another's signature, nor a proof that is of another checkpoint than the one kept."""
    other = Sealer(tmp_path).days({"00": 2}, {"00": 7})
    entry = proof_of(sealer, ids(sealer)[0])
    with pytest.raises(CheckpointRefused) as refused:
        check_entry(entry, [other.verifier])
    assert refused.value.code is CheckpointFault.KEY_UNKNOWN
    proof = prove_consistency(trail_in(sealer.folder), sealer.checkpoint(0))
    for kept in (sealer.checkpoint(1), other.checkpoint(0)):
        with pytest.raises(CheckpointRefused) as refused:
            check_consistency(proof, kept, [sealer.verifier])
        assert refused.value.code is CheckpointFault.PROOF_INVALID
    with pytest.raises(CheckpointRefused) as refused:
        prove_consistency(trail_in(sealer.folder), other.checkpoint(1))
    assert refused.value.code is CheckpointFault.FORKED
    told = independently(
        sealer,
        [
            {"kind": "inclusion", "file": entry, "key": str(other.verifier)},
            {"kind": "consistency", "file": proof, "kept": sealer.note(1).read_bytes()},
        ],
    )
    assert all("refused" in one for one in told)
    other.close()


def test_what_is_not_sealed_or_was_changed_is_not_proven(sealer: Sealer, tmp_path: Path) -> None:
    """No file for an entry behind the newest checkpoint, and none from a trail that is not what was sealed."""
    unsealed = f"authentication-{sealer.number - 1:032x}"
    assert prove_entry(trail_in(sealer.folder), unsealed) is None
    shutil.copytree(sealer.folder, tmp_path / "audit")
    file = min((tmp_path / "audit/00").glob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b'"person":"ada"', b'"person":"eve"', 1))
    with pytest.raises(CheckpointRefused) as refused:
        prove_entry(trail_in(tmp_path), ids(sealer)[9])
    assert refused.value.code is CheckpointFault.ROOT_MISMATCH


def run(*argv: object) -> int:
    return main(
        list(map(str, argv)), environ={}, clock=lambda: datetime(2026, 1, 9, tzinfo=UTC), random_bytes=bytes
    )


def test_the_commands_prove_and_check(
    sealer: Sealer, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """From a folder to a file, and from that and the key to the entry; what is wrong has an exit code of its own."""
    folder, key, proof = sealer.folder.parent, sealer.folder.parent.parent / "key", tmp_path / "proof"
    subject = ids(sealer)[3]
    assert run("audit", "prove", subject, "--folder", folder) == 0
    proof.write_bytes(capsysbinary.readouterr().out)
    assert run("audit", "check", proof, "--key", key) == 0
    assert subject.encode() in capsysbinary.readouterr().out
    assert run("audit", "prove", "--since", sealer.note(0), "--folder", folder) == 0
    since = tmp_path / "since"
    since.write_bytes(capsysbinary.readouterr().out)
    assert run("audit", "check", since, "--since", sealer.note(0), "--key", key) == 0
    assert b"goes on from" in capsysbinary.readouterr().out
    assert run("audit", "check", since, "--key", key) == 1
    assert run("audit", "check", tmp_path / "none", "--key", key) == 2
    assert run("audit", "prove", "nobody", "--folder", folder) == 2
    verify = ("audit", "verify", "--folder", folder, "--key", key, "--checkpoint", sealer.note(1))
    assert run(*verify) == 0
    assert b"1 behind it are not sealed yet" in capsysbinary.readouterr().out
    assert run(*verify[:4], "--checkpoint", sealer.note(1)) == 2


class Terminal(io.StringIO):
    """Written to, and looked at."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is() -> None:
    """To the end, once for each percent; what is no terminal sees nothing."""
    terminal, file = Terminal(), io.StringIO()
    for target in (terminal, file):
        told = progress(1000, target)
        for _ in range(1000):
            told(1)
    assert terminal.getvalue().count("\r") == 101
    assert terminal.getvalue().endswith("100 %\n")
    assert file.getvalue() == ""
