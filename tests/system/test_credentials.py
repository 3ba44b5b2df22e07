"""The life of a credential on the real host: a second one, names, removal, disabling; and sessions that are none."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Flags, Lie, Passkey
from demo.ceremonies import call, expect
from passkeys.proof import challenge_of
from tests.faults.evidence import acts_of, faults_of, gather, read_audit, wait_until_settled
from tests.faults.tickets import issue_tickets
from tests.hosts import FUNCTION_KEY, RunningHost, running_host
from tests.visits import Visit, add, enrol, sign_in

ENV = {
    "PASSKEYS_LIMIT_PERSON": "1000/60",
    "PASSKEYS_LIMIT_NETWORK": "1000/60",
    "PASSKEYS_LIMIT_ACTS": "1000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
    "PASSKEYS_RELATED_ORIGINS": "https://example.com",
    "PASSKEYS_CONDITIONAL_CREATE": "on",
}
MODES = {
    "as it starts": (),
    "status reads answered at once": ("--status-reads", "immediate"),
    "the SDK's client without HTTP": ("--sdk-calls", "direct"),
}


@pytest.fixture(scope="module", params=MODES.values(), ids=MODES)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    state: Path = tmp_path_factory.mktemp("life") / "state"
    with running_host(state=state, env=ENV, arguments=request.param) as running:
        yield running


def new(host: RunningHost, person: str = "ada") -> tuple[Passkey, Visit]:
    """Somebody's passkey, registered by ticket; the registration itself is their session."""
    (ticket,) = issue_tickets(host.state, person)
    passkey, visit = enrol(host.url, ticket)
    assert visit.answer.outcome == "completed"
    return passkey, visit


def of(visit: Visit, passkey: Passkey) -> dict[str, Any]:
    """One of the person's passkeys, as they see it."""
    return next(one for one in visit.listed() if one["id"] == passkey.id)


def told(visit: Visit) -> dict[str, Any]:
    """What the outside sees of a ceremony's end, less what is of one ceremony alone."""
    body = {**visit.answer.body, "instanceId": "", "createdTime": "", "lastUpdatedTime": ""}
    return {**body, "output": {**body["output"], "at": ""}}


def test_a_session_adds_passkeys_names_and_removes_them(host: RunningHost) -> None:
    """No ticket for the second and the third; each is listed, named, used and removed; its own session ends with it."""
    first, _ = new(host)
    visit = sign_in(host.url, first)
    second, by_second = add(visit)
    third, by_third = add(visit)
    assert (by_second.answer.outcome, by_third.answer.outcome) == ("completed", "completed")
    assert of(visit, first)["current"]
    assert of(by_second, second)["current"]
    assert {first.id, second.id, third.id} <= {one["id"] for one in visit.listed()}

    named = expect(visit.ask("PATCH", f"/credentials/{second.id}", {"name": "blue key"}), 200).body
    assert (named["name"], named) == ("blue key", of(visit, second))
    assert sign_in(host.url, second).answer.outcome == "completed"
    assert of(visit, second)["lastUsedAt"] is not None

    removed = expect(visit.ask("DELETE", f"/credentials/{second.id}"), 200).body
    accepted = removed["signals"]["allAcceptedCredentials"]["allAcceptedCredentialIds"]
    assert removed["removed"] == second.id
    assert set(accepted) == {one["id"] for one in visit.listed()}
    assert second.id not in accepted
    assert by_second.ask("GET", "/credentials").body["code"] == "session_invalid"
    assert sign_in(host.url, second).answer.outcome == "rejected"
    assert visit.ask("DELETE", f"/credentials/{second.id}").body["code"] == "credential_unknown"


def test_a_removed_credential_is_not_registered_again(host: RunningHost) -> None:
    """Its id is nobody's for good: the authenticator that kept it brings it back, with a ticket, in vain."""
    passkey, visit = new(host)
    add(visit)
    expect(visit.ask("DELETE", f"/credentials/{passkey.id}"), 200)
    (ticket,) = issue_tickets(host.state, "grace")
    lie = Lie(credential_id=authenticator.from_base64url(passkey.id))
    _, again = enrol(host.url, ticket, lie=lie)
    assert again.answer.outcome == "refused"


def test_the_last_one_goes_only_when_it_is_said(host: RunningHost) -> None:
    """Katherine has one: 409; when she says so, it is gone, and nothing is left to accept."""
    passkey, visit = new(host, "katherine")
    refused = visit.ask("DELETE", f"/credentials/{passkey.id}")
    assert (refused.status, refused.body["code"]) == (409, "last_credential")
    visit = sign_in(host.url, passkey)
    removed = expect(visit.ask("DELETE", f"/credentials/{passkey.id}?confirm=last"), 200).body
    assert removed["signals"]["allAcceptedCredentials"]["allAcceptedCredentialIds"] == []
    assert visit.ask("GET", "/credentials").status == 401


def test_anothers_is_as_one_that_is_not_there(host: RunningHost) -> None:
    """Ada and Grace, each with a session: neither sees, names or removes what is the other's."""
    hers, visit = new(host, "ada")
    graces, _ = new(host, "grace")
    for found in (graces.id, "AQID"):
        for answer in (
            visit.ask("DELETE", f"/credentials/{found}?confirm=last"),
            visit.ask("PATCH", f"/credentials/{found}", {"name": "mine"}),
        ):
            assert (answer.status, answer.body["code"]) == (404, "credential_unknown")
    assert sign_in(host.url, graces).answer.outcome == "completed"
    assert graces.id not in {one["id"] for one in visit.listed()}


def test_a_disabled_one_is_rejected_with_the_face_of_an_unknown_one(host: RunningHost) -> None:
    """Disabled: rejected, the session over; enabled: it works. Outside, the end is that of a credential nobody knows."""
    passkey, _ = new(host)
    operator = new(host, "grace")[1]
    visit = sign_in(host.url, passkey)
    path = f"/operations/credentials/{passkey.id}"
    disabled = expect(operator.operate("POST", f"{path}/disable", {"reason": "reported lost"}), 200).body
    assert (disabled["standing"], disabled["decision"]["by"]) == ("disabled", "grace")
    assert visit.ask("GET", "/credentials").status == 401

    refused = sign_in(host.url, passkey)
    unknown = sign_in(host.url, passkey, lie=Lie(credential_id=b"x" * 32))
    wrong = sign_in(host.url, passkey, lie=Lie(broken_signature=True))
    assert told(refused) == told(unknown) == told(wrong)
    assert refused.answer.body["output"]["reason"] == "not_verified"
    reasons = [
        call(
            host.url,
            "GET",
            f"/operations/ceremonies/{one.ceremony_id}",
            headers={"x-functions-key": FUNCTION_KEY},
        ).body["reason"]
        for one in (refused, unknown, wrong)
    ]
    assert reasons == ["credential_disabled", "credential_unknown", "credential_disabled"]

    listed = expect(operator.operate("GET", "/operations/credentials?person=ada"), 200).body["credentials"]
    assert next(one for one in listed if one["id"] == passkey.id)["decision"]["reason"] == "reported lost"
    expect(operator.operate("POST", f"{path}/enable", {"reason": "found again"}), 200)
    assert sign_in(host.url, passkey).answer.outcome == "completed"


def test_only_an_unknown_credential_is_signalled_as_one(host: RunningHost) -> None:
    """By the proof key of that very ceremony: not a disabled one, not a wrong signature; never without the verifier."""
    passkey, _ = new(host)
    operator = new(host, "grace")[1]
    unknown = sign_in(host.url, passkey, lie=Lie(credential_id=b"x" * 32))
    wrong = sign_in(host.url, passkey, lie=Lie(broken_signature=True))
    expect(operator.operate("POST", f"/operations/credentials/{passkey.id}/disable", {"reason": "x"}), 200)
    disabled = sign_in(host.url, passkey)
    signals = [
        expect(one.ask("GET", f"/ceremonies/{one.ceremony_id}/signals"), 200).body["unknownCredential"]
        for one in (unknown, wrong, disabled)
    ]
    gone = {"rpId": "localhost", "credentialId": authenticator.to_base64url(b"x" * 32)}
    assert signals == [gone, None, None]
    for visit in (wrong, operator):
        assert visit.ask("GET", f"/ceremonies/{unknown.ceremony_id}/signals").status == 401
    assert call(host.url, "GET", f"/ceremonies/{unknown.ceremony_id}/signals").status == 401


def test_operators_need_key_role_and_session(host: RunningHost) -> None:
    """Each of the three is missing once: 401, 403, 401; and nothing was changed."""
    passkey, visit = new(host, "ada")
    operator = new(host, "grace")[1]
    path, body = f"/operations/credentials/{passkey.id}/disable", {"reason": "no reason"}
    assert operator.ask("POST", path, body).status == 401
    assert visit.operate("POST", path, body).body["code"] == "operator_required"
    assert (
        call(host.url, "POST", path, body, headers={"x-functions-key": FUNCTION_KEY}).body["code"]
        == "session_invalid"
    )
    assert sign_in(host.url, passkey).answer.outcome == "completed"


def test_sessions_that_are_none(host: RunningHost) -> None:
    """A rejected ceremony, one without a proof key, another's verifier, a mixed pair: 401, and one face."""
    passkey, visit = new(host)
    rejected = sign_in(host.url, passkey, lie=Lie(broken_signature=True))
    plain = ceremonies.sign_in(host.url, passkey).body["instanceId"]
    other = new(host, "grace")[1]
    headers = [
        rejected.header,
        {"Authorization": f"Ceremony {plain}:{visit.verifier}"},
        {"Authorization": f"Ceremony {visit.ceremony_id}:{other.verifier}"},
        {"Authorization": f"Ceremony {other.ceremony_id}:{visit.verifier}"},
        {"Authorization": f"Bearer {visit.verifier}"},
        {},
    ]
    answers = [call(host.url, "GET", "/credentials", headers=one) for one in headers]
    assert {(answer.status, str(answer.body)) for answer in answers} == {(401, str(answers[0].body))}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Ceremony"}
    assert call(host.url, "POST", "/registrations", {}, headers=rejected.header).status == 401


@pytest.mark.parametrize("kind", ["registration", "authentication"])
def test_whoever_learns_an_id_cannot_answer_in_the_starters_place(host: RunningHost, kind: str) -> None:
    """The operators' listing names what is running. A good answer by who has but the id is 401, and burns nothing."""
    adas, _ = new(host)
    (ticket,) = issue_tickets(host.state, "ada")
    verifier = secrets.token_urlsafe(32)
    body = {"ticket": ticket} if kind == "registration" else {}
    started = ceremonies.start(host.url, kind, {**body, "code_challenge": challenge_of(verifier)})
    key = {"x-functions-key": FUNCTION_KEY}
    listed = expect(call(host.url, "GET", "/operations/ceremonies", headers=key), 200).body["ceremonies"]
    (seen,) = (one["id"] for one in listed if one["id"] == started.body["id"])
    options = ceremonies.status(host.url, seen).body["customStatus"]["publicKey"]

    def answered() -> Any:
        if kind == "authentication":
            return authenticator.get(adas, options, origin=host.url)
        return authenticator.create({**options, "excludeCredentials": []}, origin=host.url)[1]

    visit, others, own = sign_in(host.url, adas), answered(), answered()
    for header in ({}, key, visit.header, {"Authorization": f"Ceremony {seen}:{visit.verifier}"}):
        refused = ceremonies.respond(host.url, seen, others, headers=header)
        assert (refused.status, refused.body["code"]) == (401, "proof_required")
        assert refused.headers["www-authenticate"] == "Ceremony"
    proof = {"Authorization": f"Ceremony {seen}:{verifier}"}
    done = ceremonies.finished(host.url, ceremonies.respond(host.url, seen, own, headers=proof))
    assert (done.outcome, done.body["output"]["credential_id"]) == ("completed", own["id"])
    late = ceremonies.respond(host.url, seen, others)
    assert (late.status, late.body["code"]) == (409, "ceremony_finished")


def test_conditional_creation_is_for_sessions(host: RunningHost) -> None:
    """Switched on: a session may, a ticket may not; the ceremony remembers it, the audit says it, and it is no session."""
    _, visit = new(host)
    _, added = add(visit, mediation="conditional")
    assert added.answer.outcome == "completed"
    (ticket,) = issue_tickets(host.state, "ada")
    refused = ceremonies.start(host.url, "registration", {"ticket": ticket, "mediation": "conditional"})
    assert (refused.status, refused.body["code"]) == (403, "conditional_create_off")
    path = f"/operations/ceremonies/{added.ceremony_id}"
    entry = expect(call(host.url, "GET", path, headers={"x-functions-key": FUNCTION_KEY}), 200).body["audit"]
    assert (entry["mediation"], entry["session"]) == ("conditional", visit.ceremony_id)
    assert "mediation" not in added.answer.body["output"]
    for method, path in (("GET", "/credentials"), ("POST", "/registrations")):
        refused = added.ask(method, path, {} if method == "POST" else None)
        assert (refused.status, refused.body["code"]) == (401, "session_invalid")
    assert added.answer.body["output"]["credential_id"] in {one["id"] for one in visit.listed()}


def test_the_documents_at_fixed_places(host: RunningHost) -> None:
    """Related origins, passkey endpoints, and no picture of a model that nobody knows."""
    assert expect(call(host.url, "GET", "/.well-known/webauthn"), 200).body == {
        "origins": ["https://example.com"]
    }
    endpoints = expect(call(host.url, "GET", "/.well-known/passkey-endpoints"), 200).body
    assert set(endpoints) == {"enroll", "manage"}
    assert call(host.url, "GET", "/authenticators/ee882879-721c-4913-9775-3dfcce97072a/icon").status == 404


def test_an_operator_who_was_only_present_decides_nothing(tmp_path: Path) -> None:
    """Where user verification is not demanded of everybody, it still is of operators; their own passkeys they may see."""
    env = {**ENV, "PASSKEYS_USER_VERIFICATION": "preferred"}
    with running_host(state=tmp_path / "state", env=env) as host:
        _, ada = new(host)
        graces, _ = new(host, "grace")
        present, verified = (
            sign_in(host.url, graces, lie=Lie(flags=Flags.USER_PRESENT)),
            sign_in(host.url, graces),
        )
        assert (present.answer.outcome, len(present.listed())) == ("completed", 1)
        assert "user_verified" not in present.answer.body["output"]
        adas = ada.listed()[0]["id"]
        asked = ("POST", f"/operations/credentials/{adas}/disable", {"reason": "lost"})
        refused = present.operate(*asked)
        assert (refused.status, refused.body["code"]) == (403, "user_verification_required")
        assert ada.listed()[0]["standing"] == "active"
        assert expect(verified.operate(*asked), 200).body["standing"] == "disabled"


def test_every_act_is_on_the_record_once(tmp_path: Path) -> None:
    """A fresh host, one act of each kind and one refused, stopped: one entry each, and the chain verifies."""
    with running_host(state=tmp_path / "state", env=ENV) as running:
        passkey, visit = new(running)
        operator = new(running, "grace")[1]
        path = f"/operations/credentials/{passkey.id}"
        expect(visit.ask("PATCH", f"/credentials/{passkey.id}", {"name": "Ada's own"}), 200)
        expect(visit.ask("DELETE", f"/credentials/{passkey.id}"), 409)
        expect(operator.operate("POST", f"{path}/disable", {"reason": "a test"}), 200)
        expect(operator.operate("POST", f"{path}/enable", {"reason": "a test"}), 200)
        second, _ = add(sign_in(running.url, passkey))
        expect(sign_in(running.url, second).ask("DELETE", f"/credentials/{passkey.id}"), 200)
        found = wait_until_settled(running.url, running.state, seconds=10)
        acts = acts_of(running.url)
        assert running.stop() == 0
    evidence = gather(running.state, found)
    assert faults_of(evidence, [], strangers={"completed"}) == []
    recorded = [(entry["act"], entry["outcome"], entry["code"], entry["by"]) for entry in evidence.acts]
    assert Counter(recorded) == Counter(
        [
            ("rename", "completed", None, "ada"),
            ("remove", "refused", "last_credential", "ada"),
            ("disable", "completed", None, "grace"),
            ("enable", "completed", None, "grace"),
            ("remove", "completed", None, "ada"),
        ]
    )
    assert Counter(entry["act_id"] for entry in evidence.acts) == Counter(list(acts))
    assert {entry["person"] for entry in evidence.acts} == {"ada"}
    assert "Ada's own" not in str(read_audit(running.state)[0])


def test_a_stale_session_lists_and_changes_nothing(tmp_path: Path) -> None:
    """Past PASSKEYS_FRESH_SECONDS: removing and adding are refused with how fresh it must be; the list is still shown."""
    env = {**ENV, "PASSKEYS_FRESH_SECONDS": "1"}
    with running_host(state=tmp_path / "state", env=env) as running:
        passkey, visit = new(running)
        end = time.monotonic() + 20
        while (answer := visit.ask("DELETE", "/credentials/AQID")).status == 404:
            assert time.monotonic() < end
        assert (answer.status, answer.body["code"]) == (401, "session_stale")
        assert (
            answer.headers["www-authenticate"]
            == 'Ceremony error="insufficient_user_authentication", max_age=1'
        )
        assert visit.ask("DELETE", f"/credentials/{passkey.id}?confirm=last").body["code"] == "session_stale"
        assert visit.ask("POST", "/registrations", {}).body["code"] == "session_stale"
        assert [one["id"] for one in visit.listed()] == [passkey.id]


def test_too_many_changes_are_told_when_to_come_back(tmp_path: Path) -> None:
    """PASSKEYS_LIMIT_ACTS, for each person: the third in a row is 429; another person is not held up by it."""
    env = {**ENV, "PASSKEYS_LIMIT_ACTS": "2/600"}
    with running_host(state=tmp_path / "state", env=env) as running:
        passkey, visit = new(running)
        names = [visit.ask("PATCH", f"/credentials/{passkey.id}", {"name": f"name {n}"}) for n in range(3)]
        assert [answer.status for answer in names] == [200, 200, 429]
        assert 1 <= int(names[-1].headers["retry-after"]) <= 300
        assert of(visit, passkey)["name"] == "name 1"
        other, hers = new(running, "grace")
        assert hers.ask("PATCH", f"/credentials/{other.id}", {"name": "x"}).status == 200
