"""The harness of `make fuzz`, run for some twenty seconds, the same every time; and that it would see what it looks for.

Here it runs without atheris, on every platform alike: the inputs come from a source of chance that begins the same. That
`make fuzz` itself works, guided by coverage where atheris is installed and without where it is not, is the last test.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import cbor2
import pytest

from passkeys.response import AuthenticationResponse, RegistrationResponse
from passkeys.verification import VerifiedAuthentication, VerifiedRegistration
from tests.fuzz import ceremonies, inputs, mutation, oracle, plain, targets
from tests.fuzz.targets import ACCEPTED, TARGETS
from tests.hosts import ROOT
from tests.passkeys.resigned import LAX, NOW, OFFERED, REQUESTED

# Executions, and how many different outcomes there are at least to be seen among them.
RUNS = {
    "registration": (12_000, 65),
    "authentication": (16_000, 30),
    "statement": (6_000, 40),
    "responses": (8_000, 15),
    "chain": (2_000, 2),
    "metadata": (2_000, 8),
}


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    """`cryptography` warns of certificates that it takes all the same; as an error the warning would hide what follows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_every_target_is_run() -> None:
    """No target is left out of the short run."""
    assert set(RUNS) == set(TARGETS)


@pytest.mark.parametrize("name", RUNS)
def test_a_short_run(name: str) -> None:
    """Changed ceremonies, right and wrong: a verdict or the one refusal each, no acceptance that the oracle denies."""
    runs, least = RUNS[name]
    outcomes = Counter(outcome for _, outcome in plain.fuzz(TARGETS[name], runs, seed=1))
    assert outcomes.total() == runs
    # It got everywhere: what is refused early hides what is behind it.
    assert len(outcomes) >= least
    assert outcomes[ACCEPTED] >= runs / 20


@pytest.mark.parametrize("name", ["registration", "authentication", "statement"])
def test_the_seeds_are_accepted(name: str) -> None:
    """The control: what is changed is right before, as published and signed again."""
    for seed in TARGETS[name].seeds():
        assert TARGETS[name].run(seed) == ACCEPTED


def test_the_same_inputs_every_time() -> None:
    """A run with the same seed is the same run, signatures included."""
    first, second = (
        [data for data, _ in plain.fuzz(TARGETS["authentication"], 300, seed=5)] for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    "mutate",
    [
        mutation.json_text,
        mutation.cbor,
        mutation.authenticator_data,
        mutation.attestation_object,
        mutation.statement,
        mutation.der,
        mutation.blind,
    ],
    ids=lambda mutate: mutate.__name__,
)
def test_any_bytes_can_be_changed(mutate: mutation.Mutator) -> None:
    """A mutation takes what others have left, garbage too, and gives bytes."""
    chance, data = Random(3), ceremonies.new_credentials()[5].attestation_object
    for _ in range(2_000):
        data = mutate(chance, data)[:3_000]
        assert isinstance(data, bytes)


def registered(name: str) -> tuple[RegistrationResponse, VerifiedRegistration, dict[str, Any]]:
    """An accepted registration with what it was judged by."""
    seen: list[Any] = []
    scenes = [scene.name for scene in ceremonies.new_credentials()]
    seed = next(seed for seed in TARGETS["registration"].seeds() if seed[0] == scenes.index(name))
    _watched("check_registration", seen, lambda: TARGETS["registration"].run(seed))
    return seen[0]


def signed_in(name: str) -> tuple[AuthenticationResponse, VerifiedAuthentication, dict[str, Any]]:
    """An accepted authentication with what it was judged by."""
    seen: list[Any] = []
    scenes = [scene.name for scene in ceremonies.sign_ins()]
    seed = next(seed for seed in TARGETS["authentication"].seeds() if seed[0] == scenes.index(name))
    _watched("check_authentication", seen, lambda: TARGETS["authentication"].run(seed))
    return seen[0]


def _watched(name: str, seen: list[Any], run: Callable[[], str]) -> None:
    """Run with that function of the oracle noting what it is asked."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            oracle, name, lambda response, verified, **expected: seen.append((response, verified, expected))
        )
        assert run() == ACCEPTED


def changed_object(
    response: RegistrationResponse, change: Callable[[dict[str, Any]], None]
) -> RegistrationResponse:
    tree = cbor2.loads(response.attestation_object)
    change(tree)
    return dataclasses.replace(response, attestation_object=cbor2.dumps(tree))


def flagged(tree: dict[str, Any], flags: int) -> None:
    data = tree["authData"]
    tree["authData"] = data[:32] + bytes([flags]) + data[33:]


def client_data(response: Any, **members: Any) -> Any:
    told = {**json.loads(response.client_data_json), **members}
    return dataclasses.replace(response, client_data_json=json.dumps(told).encode())


STRICTER = dataclasses.replace(LAX, cross_origin_allowed=False)
# What the oracle says, and what of a right registration is changed: response, verdict or what was expected.
REGISTRATIONS: list[tuple[str, str, Any]] = [
    ("type", "none.ES256", lambda r, v, e: (client_data(r, type="webauthn.get"), v, e)),
    ("challenge", "none.ES256", lambda r, v, e: (r, v, {**e, "challenge": bytes(32)})),
    ("origin", "none.ES256", lambda r, v, e: (client_data(r, origin="https://example.com"), v, e)),
    ("framed", "none.ES256.crossOrigin", lambda r, v, e: (r, v, {**e, "policy": STRICTER})),
    ("rp id", "none.ES256", lambda r, v, e: (changed_object(r, lambda t: t.update(authData=bytes(32) + t["authData"][32:])), v, e)),
    ("user present", "none.ES256", lambda r, v, e: (changed_object(r, lambda t: flagged(t, 0x40)), v, e)),
    ("backup state without", "none.ES256", lambda r, v, e: (changed_object(r, lambda t: flagged(t, 0x51)), v, e)),
    ("credential id", "none.ES256", lambda r, v, e: (dataclasses.replace(r, raw_id=b"another"), v, e)),
    ("algorithm", "none.ES256", lambda r, v, e: (r, v, {**e, "offered": dataclasses.replace(OFFERED, algorithms=(-8,))})),
    ("bytes behind", "none.ES256", lambda r, v, e: (changed_object(r, lambda t: t.update(authData=t["authData"] + b"\x00")), v, e)),
    ("format not taken", "packed.ES256", lambda r, v, e: (r, v, {**e, "policy": dataclasses.replace(LAX, attestation_formats=frozenset({"none"}))})),
    ("chain", "packed.ES256", lambda r, v, e: (r, v, {**e, "anchors": ()})),
    ("signature of the statement", "packed.ES256", lambda r, v, e: (changed_object(r, lambda t: t["attStmt"].update(sig=b"")), v, e)),
    ("self signature", "packed-self.ES256", lambda r, v, e: (changed_object(r, lambda t: t["attStmt"].update(sig=b"")), v, e)),
    ("signature of the statement", "fido-u2f.ES256", lambda r, v, e: (changed_object(r, lambda t: t["attStmt"].update(sig=b"")), v, e)),
    ("extraData", "tpm.ES256", lambda r, v, e: (client_data(r, more=1), v, e)),
    ("challenge of the key", "android-key.ES256", lambda r, v, e: (client_data(r, more=1), v, e)),
    ("nonce", "apple.ES256", lambda r, v, e: (client_data(r, more=1), v, e)),
    ("none says something", "none.ES256", lambda r, v, e: (changed_object(r, lambda t: t.update(attStmt={"sig": b""})), v, e)),
    ("prohibited model", "packed.ES256", lambda r, v, e: (r, v, {**e, "models": targets.models_with("REVOKED")})),
    ("flags told", "none.ES256", lambda r, v, e: (r, dataclasses.replace(v, user_verified=not v.user_verified), e)),
    ("sign count", "none.ES256", lambda r, v, e: (r, dataclasses.replace(v, sign_count=9), e)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "name", "change"), REGISTRATIONS, ids=[f"{row[0]}: {row[1]}" for row in REGISTRATIONS]
)
def test_the_oracle_denies_a_registration(said: str, name: str, change: Any) -> None:
    """Had the verifier overlooked that, the fuzzer would have seen it."""
    response, verified, expected = registered(name)
    oracle.check_registration(response, verified, **expected)
    response, verified, expected = change(response, verified, expected)
    with pytest.raises(AssertionError, match=said):
        oracle.check_registration(response, verified, **expected)


def stored(expected: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {**expected, "credential": dataclasses.replace(expected["credential"], **changed)}


AUTHENTICATIONS: list[tuple[str, Any]] = [
    ("type", lambda r, v, e: (client_data(r, type="webauthn.create"), v, e)),
    ("challenge", lambda r, v, e: (r, v, {**e, "challenge": bytes(32)})),
    ("topOrigin", lambda r, v, e: (client_data(r, topOrigin="https://example.net"), v, e)),
    ("signature", lambda r, v, e: (client_data(r, more=1), v, e)),
    ("signature", lambda r, v, e: (dataclasses.replace(r, signature=r.signature[:-1]), v, e)),
    ("rp id", lambda r, v, e: (dataclasses.replace(r, authenticator_data=bytes(37)), v, e)),
    ("user present", lambda r, v, e: (dataclasses.replace(r, authenticator_data=r.authenticator_data[:32] + bytes(5)), v, e)),
    ("backup eligibility changed", lambda r, v, e: (r, v, stored(e, backup_eligible=not e["credential"].backup_eligible))),
    ("credential id", lambda r, v, e: (r, v, stored(e, credential_id=b"another"))),
    ("user handle", lambda r, v, e: (r, v, stored(e, user_handle=b"another"))),
    ("nobody is named", lambda r, v, e: (dataclasses.replace(r, user_handle=None), v, e)),
    ("owner", lambda r, v, e: (r, v, {**e, "offered": dataclasses.replace(REQUESTED, person="grace")})),
    ("allowed credentials", lambda r, v, e: (r, v, {**e, "offered": dataclasses.replace(REQUESTED, allowed_credentials=(b"another",))})),
    ("sign count", lambda r, v, e: (r, v, stored(e, sign_count=8))),
    ("clone suspected", lambda r, v, e: (r, dataclasses.replace(v, clone_suspected=True), e)),
    ("flags told", lambda r, v, e: (r, dataclasses.replace(v, user_verified=not v.user_verified), e)),
]  # fmt: skip


@pytest.mark.parametrize(("said", "change"), AUTHENTICATIONS, ids=[row[0] for row in AUTHENTICATIONS])
def test_the_oracle_denies_an_authentication(said: str, change: Any) -> None:
    """Had the verifier overlooked that, the fuzzer would have seen it."""
    response, verified, expected = signed_in("counted")
    oracle.check_authentication(response, verified, **expected)
    response, verified, expected = change(response, verified, expected)
    with pytest.raises(AssertionError, match=said):
        oracle.check_authentication(response, verified, **expected)


# A function that the verifier calls, and the target whose oracle misses it.
OVERLOOKED = [
    ("passkeys.verification.check_client_data", "registration"),
    ("passkeys.verification.check_authenticator_data", "registration"),
    ("passkeys.verification.check_authenticator_data", "authentication"),
    ("passkeys.verification._check_identity", "authentication"),
    ("passkeys.verification._check_user", "authentication"),
    ("passkeys.attestation.packed.check_signature", "statement"),
    ("passkeys.attestation.fido_u2f.check_signature", "registration"),
    ("passkeys.attestation.tpm._check_signature", "statement"),
]


@pytest.mark.parametrize(("name", "target"), OVERLOOKED, ids=[f"{row[0]}: {row[1]}" for row in OVERLOOKED])
def test_what_the_verifier_overlooks_is_found(
    name: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verifier that leaves out one check accepts something within the executions of the short run, and is caught."""
    monkeypatch.setattr(name, lambda *_, **__: None)
    # The oracle says so, or cannot even read what was accepted.
    with pytest.raises(Exception):
        for _ in plain.fuzz(TARGETS[target], RUNS[target][0], seed=1):
            pass


def test_the_oracle_follows_a_chain_to_an_anchor_and_nowhere_else() -> None:
    """By issuers alone, as of a time."""
    leaf, lower, upper, root = targets.links()
    assert oracle.leads([leaf, lower, upper], [root], NOW)
    assert not oracle.leads([leaf, lower], [root], NOW)
    assert not oracle.leads([leaf, lower, upper, root], [], NOW)
    assert not oracle.leads([leaf, lower, upper], [root], NOW.replace(year=2020))


@pytest.mark.parametrize("raised", [KeyError, AssertionError, MemoryError])
def test_a_finding_becomes_a_file(raised: type[BaseException], tmp_path: Path) -> None:
    """Whatever a target raises ends the run with a status of 1, and its input is kept."""
    target = TARGETS["responses"]
    found = target.seeds()[7]

    def run(data: bytes) -> str:
        if data == found:
            raise raised
        return target.run(data)

    assert plain.hunt("x", dataclasses.replace(target, run=run), 50, 1, tmp_path, None) == 1
    (kept,) = tmp_path.glob("x-crash-*")
    assert kept.read_bytes() == found
    assert inputs.read(found, 1).parts


@pytest.mark.parametrize("engine", [[], ["--engine", "plain"]], ids=["as it is installed", "plain"])
def test_the_command_runs_to_its_bound_and_goes_on(engine: list[str], tmp_path: Path) -> None:
    """`make fuzz`: to the executions asked for, with figures; asked for more, only the rest is run."""
    command = [sys.executable, "-m", "tests.fuzz", "--state", str(tmp_path), *engine, "responses"]
    executions = []
    for runs in (10_000, 20_000):
        done = subprocess.run(
            [*command, "--runs", str(runs)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (row,) = re.findall(r"^\| responses \| ([\d,]+) \| ([\d,]+) \|", done.stdout, flags=re.MULTILINE)
        executions.append(int(row[0].replace(",", "")))
        assert row[1] != "0"
    # A fiftieth is this target's; libFuzzer begins with the whole corpus, however little is asked for.
    assert 200 <= executions[0] < 400 <= executions[1] < 700
