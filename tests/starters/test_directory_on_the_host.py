"""Whole ceremonies against a company directory over TLS: what is said of a person while they sign in is what counts."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Passkey
from passkeys.directories.asking import Answer
from passkeys.local_keys import LocalKeys
from tests.fakes import okta
from tests.fakes.okta import Okta
from tests.fakes.serving import served
from tests.fakes.trouble import AWAY, throttled
from tests.hosts import ROOT, RunningHost, running_host

ADA, GRACE = "00u" + "1" * 17, "00u" + "2" * 17


@pytest.fixture(scope="module")
def fake() -> Okta:
    return Okta(users={ADA: okta.user(ADA, "Ada Lovelace"), GRACE: okta.user(GRACE, "Grace Hopper")})


@pytest.fixture(scope="module")
def settings(fake: Okta, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("okta")
    jwk = asyncio.run(LocalKeys(folder / "state" / "keys").create())
    with served(fake, folder) as origin:
        fake.org, fake.endpoint, fake.key = origin, f"{origin}/oauth2/v1/token", jwk
        entry = {
            "provider": "okta",
            "org": origin,
            "client_id": fake.client_id,
            "key_id": jwk["kid"],
            "tls_roots": str(folder / "root.pem"),
        }
        (folder / "directory.json").write_text(json.dumps(entry))
        yield {
            "PASSKEYS_DIRECTORY": str(folder / "directory.json"),
            "PASSKEYS_KEYS": str(folder / "state" / "keys"),
        }


@pytest.fixture(scope="module")
def host(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    with running_host(state=tmp_path_factory.mktemp("host") / "state", env=settings) as running:
        yield running


def enrolled(host: RunningHost, settings: dict[str, str], person: str) -> Passkey:
    """A passkey of theirs, by a link that was made for their id in the directory."""
    command = [sys.executable, "-m", "passkeys", "ticket", "issue", "--quiet", "--person", person]
    environment = {**os.environ, **settings, "LOCAL_HOST_STATE": str(host.state)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    found = re.search(r"#ticket=([\w-]+)", done.stdout)
    assert found is not None
    made, registered = ceremonies.register(host.url, found[1])
    assert registered.body["output"]["person"]["id"] == person
    return made


@pytest.fixture(scope="module")
def passkey(host: RunningHost, settings: dict[str, str]) -> Passkey:
    """Ada's."""
    return enrolled(host, settings, ADA)


@pytest.fixture(autouse=True)
def well(fake: Okta) -> Iterator[None]:
    """Each test begins with an Okta that is well."""
    fake.trouble.clear()
    fake.users[ADA]["status"] = "ACTIVE"
    yield


def outcome(host: RunningHost, passkey: Passkey) -> str:
    return str(ceremonies.sign_in(host.url, passkey).body["output"]["outcome"])


def test_the_directory_is_asked_at_every_sign_in(host: RunningHost, passkey: Passkey, fake: Okta) -> None:
    """Nothing is remembered of the time before."""
    for _ in range(2):
        before = len(fake.asked)
        assert outcome(host, passkey) == "completed"
        assert [question.url.rsplit("/", 1)[1] for question in fake.asked[before:]] == [ADA]


def test_a_fault_that_passes_is_not_noticed(host: RunningHost, passkey: Passkey, fake: Okta) -> None:
    """One broken connection, one throttle without a time: the person waits a little longer."""
    fake.trouble.extend([AWAY, throttled()])
    assert outcome(host, passkey) == "completed"


@pytest.mark.parametrize("trouble", [Answer(403, {}, {}), AWAY], ids=["403", "away"])
def test_a_directory_that_cannot_be_asked_lets_nobody_in(
    host: RunningHost, passkey: Passkey, fake: Okta, trouble: object
) -> None:
    """Refused, whatever is the matter; and as soon as it answers again, let in."""
    fake.trouble.extend([trouble] * 6)
    assert outcome(host, passkey) == "refused"
    fake.trouble.clear()
    assert outcome(host, passkey) == "completed"


def test_who_is_suspended_between_challenge_and_answer_is_refused(
    host: RunningHost, settings: dict[str, str], fake: Okta
) -> None:
    """What counts is what the directory says when the answer is judged."""
    grace = enrolled(host, settings, GRACE)
    started = ceremonies.start(host.url, "authentication", {})
    response = authenticator.get(grace, ceremonies.options_of(host.url, started), origin=host.url)
    fake.users[GRACE]["status"] = "SUSPENDED"
    ended = ceremonies.finished(host.url, ceremonies.respond(host.url, started.body["id"], response))
    assert (ended.body["output"]["outcome"], ended.body["output"]["reason"]) == ("refused", "not_allowed")
    assert ended.body["output"]["person"] is None
    # What follows from it asks the directory once more: before that is over, others' questions cannot be counted.
    deadline = time.monotonic() + 20
    while not any('"access_ended"' in segment.read_text() for segment in segments(host)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def segments(host: RunningHost) -> list[Path]:
    """The audit's files."""
    return list((host.state / "store" / "audit").rglob("*.jsonl"))


def test_a_directory_that_asks_for_a_minute_is_left_alone(
    host: RunningHost, passkey: Passkey, fake: Okta
) -> None:
    """Refused too, and not asked again behind its back."""
    fake.trouble.append(throttled("60"))
    before = len(fake.asked)
    assert [outcome(host, passkey) for _ in range(2)] == ["refused"] * 2
    assert len(fake.asked) == before + 1


def test_the_log_says_what_is_the_matter_and_not_about_whom(host: RunningHost, passkey: Passkey) -> None:
    """Codes that alerts look for; no token, no assertion, and of people nothing."""
    log = host.log()
    assert "directory_misconfigured okta: status 403" in log
    assert "service-token" not in log
    assert "eyJ" not in log
    assert ADA not in log
