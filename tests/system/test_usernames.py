"""Signing in by name, over HTTP: it works for who has the name, and looks the same for everybody else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Lie, Passkey, from_base64url
from demo.ceremonies import Answer, call, expect
from passkeys.proof import challenge_of
from tests.enumeration.population import stranger
from tests.faults.tickets import issue_tickets
from tests.hosts import RunningHost, running_host

ENV = {
    "PASSKEYS_LIMIT_PERSON": "1000/60",
    "PASSKEYS_LIMIT_NETWORK": "1000/60",
    "PASSKEYS_LIMIT_USERNAME": "40/86400",
}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("usernames") / "state"


@pytest.fixture(scope="module")
def host(state: Path) -> Iterator[RunningHost]:
    with running_host(state=state, env=ENV) as running:
        yield running


@pytest.fixture(scope="module")
def ada(host: RunningHost) -> Passkey:
    (ticket,) = issue_tickets(host.state, "ada")
    return ceremonies.register(host.url, ticket)[0]


def listed(host: RunningHost, username: str) -> list[dict[str, Any]]:
    """The allowCredentials that a sign-in with this name is answered with."""
    started = ceremonies.start(host.url, "authentication", {"username": username})
    allowed: list[dict[str, Any]] = ceremonies.options_of(host.url, started)["allowCredentials"]
    return allowed


def told(answer: Answer) -> tuple[str, str | None, Any]:
    output = answer.body["output"]
    return output["outcome"], output["reason"], output["person"]


@pytest.mark.parametrize("typed", ["ada", "ADA", " Ada "])
@pytest.mark.parametrize("lie", [Lie(), Lie(no_user_handle=True)], ids=["user handle", "none"])
def test_who_has_the_name_signs_in(host: RunningHost, ada: Passkey, typed: str, lie: Lie) -> None:
    """However it is typed, and whether or not the authenticator says whose credential it is."""
    assert [entry["id"] for entry in listed(host, typed)] == [ada.id]
    signed_in = ceremonies.sign_in(host.url, ada, username=typed, lie=lie)
    assert told(signed_in) == ("completed", None, {"id": "ada", "display_name": "Ada Lovelace"})


@pytest.mark.parametrize("username", ["grace", "mallory", "nobody", "\N{SNOWMAN} no id at all"])
def test_who_has_it_not_is_refused_alike(host: RunningHost, ada: Passkey, username: str) -> None:
    """Ada's good answer to a sign-in that began for another: without a passkey, disabled, unknown, or no name at all."""
    assert told(ceremonies.sign_in(host.url, ada, username=username)) == ("rejected", "not_verified", None)


def test_a_names_decoys_outlive_the_host(tmp_path: Path) -> None:
    """Stopped, started again and asked again: the same credentials, since the key is in the store."""
    names = [f"nobody{number}" for number in range(5)]
    told = []
    for _ in range(2):
        with running_host(state=tmp_path / "state", env=ENV) as running:
            told.append([listed(running, name) for name in names])
    assert told[0] == told[1]
    assert all(told[0])
    with running_host(state=tmp_path / "another", env=ENV) as running:
        assert [listed(running, name) for name in names] != told[0]


def signalled(host: RunningHost, username: str | None, passkey: Passkey, lie: Lie) -> tuple[Any, str]:
    """What the starter of a ceremony is told to signal after this answer, and with which id it was given."""
    code_verifier = secrets.token_urlsafe(32)
    body = {"code_challenge": challenge_of(code_verifier)}
    started = ceremonies.start(
        host.url, "authentication", body if username is None else {**body, "username": username}
    )
    response = authenticator.get(passkey, ceremonies.options_of(host.url, started), origin=host.url, lie=lie)
    ceremony_id = started.body["id"]
    proof = {"Authorization": f"Ceremony {ceremony_id}:{code_verifier}"}
    answered = ceremonies.respond(host.url, ceremony_id, response, headers=proof)
    assert told(ceremonies.finished(host.url, answered)) == ("rejected", "not_verified", None)
    answer = expect(call(host.url, "GET", f"/ceremonies/{ceremony_id}/signals", headers=proof), 200)
    assert answer.body["rpId"] == "localhost"
    return answer.body["unknownCredential"], response["id"]


def test_what_was_listed_is_never_called_unknown(host: RunningHost, ada: Passkey) -> None:
    """A real credential and a decoy, answered wrongly with a name and without: nothing to signal. A strange one: it is."""
    decoy = from_base64url(listed(host, "nobody")[0]["id"])
    for username, credential_id in (
        ("ada", ada.credential_id),
        ("nobody", decoy),
        (None, ada.credential_id),
        (None, decoy),
        ("ada", decoy),
        ("nobody", ada.credential_id),
    ):
        unknown, _ = signalled(host, username, stranger(), Lie(credential_id=credential_id))
        assert unknown is None
    for username in ("ada", "nobody", None):
        unknown, credential_id = signalled(host, username, stranger(), Lie())
        assert unknown == {"rpId": "localhost", "credentialId": credential_id}


def test_a_decoy_cannot_be_registered(host: RunningHost, ada: Passkey) -> None:
    """Who may register cannot find out by trying which of a name's credentials are nobody's: refused as a real one is."""
    decoy = from_base64url(listed(host, "nobody")[0]["id"])
    outcomes = []
    for credential_id in (ada.credential_id, decoy):
        (ticket,) = issue_tickets(host.state, "grace")
        _, answer = ceremonies.register(host.url, ticket, lie=Lie(credential_id=credential_id))
        outcomes.append(told(answer))
    assert outcomes == [("refused", "not_allowed", None)] * 2


def test_a_name_is_limited_whoever_it_is(host: RunningHost, ada: Passkey) -> None:
    """After as many starts as are allowed, the name is told to come back later; known and unknown ones alike."""
    refused = []
    for username in ("ada", "nobody at all"):
        for _ in range(41):
            answer = ceremonies.start(host.url, "authentication", {"username": username})
            if answer.status != 202:
                break
        refused.append((answer.status, answer.body))
        assert int(answer.headers["retry-after"]) > 60
        assert ceremonies.start(host.url, "authentication", {"username": username.upper()}).status == 429
    assert refused[0] == refused[1]
    assert refused[0][0] == 429
    assert told(ceremonies.sign_in(host.url, ada))[0] == "completed"  # without the name she still can
