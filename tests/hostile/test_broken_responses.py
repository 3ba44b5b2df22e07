"""A corpus of broken answers: every field missing, of the wrong type, too large, too deep; and whole answers misused.

Each is either refused with a 4xx problem document, and the challenge stays good, or recorded as a rejection. What is
optional in WebAuthn's JSON may be missing or strange without harm; what is not must never pass.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest

from demo import authenticator, ceremonies
from demo.authenticator import Lie, Passkey, from_base64url, to_base64url
from demo.ceremonies import Answer, call
from tests.faults.evidence import instances_of, outcome_of, wait_until_settled
from tests.faults.tickets import issue_tickets, write_directory
from tests.hosts import RunningHost, running_host

ENV = {
    "PASSKEYS_LIMIT_NETWORK": "100000/60",
    "PASSKEYS_LIMIT_PERSON": "100000/60",
    "PASSKEYS_LIMIT_GLOBAL": "100000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}
PEOPLE = 200
KINDS = ("registration", "authentication")
# What a registration or an assertion says nothing without (WebAuthn L3 §5.1.8, §5.1.9 and the FIDO checks on ids).
NEEDED = {
    "registration": {
        ("id",),
        ("rawId",),
        ("type",),
        ("response",),
        ("response", "clientDataJSON"),
        ("response", "attestationObject"),
    },
    "authentication": {
        ("id",),
        ("rawId",),
        ("type",),
        ("response",),
        ("response", "clientDataJSON"),
        ("response", "authenticatorData"),
        ("response", "signature"),
    },
}


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


WRONG_VALUES: dict[str, Any] = {
    "null": None,
    "false": False,
    "number": 7,
    "negative": -1,
    "huge number": 10**30,
    "fraction": 0.5,
    "empty text": "",
    "not base64url": "***",
    "padded": "AAAA====",
    "one character": "A",
    "emoji": "🔑",
    "nul": "\x00",
    "lone surrogate": "\ud800",
    "short": "AAAA",
    "long": "A" * 20_000,
    "oversized": "A" * 70_000,
    "list": [],
    "object": {},
    "deep": nested(40),
    "very deep": nested(500),
    "url": "http://localhost/",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    state: Path = tmp_path_factory.mktemp("hostile") / "state"
    write_directory(state.parent / "people.json", PEOPLE)
    with running_host(
        state=state, env={**ENV, "PASSKEYS_DIRECTORY": str(state.parent / "people.json")}
    ) as running:
        yield running
        assert "Traceback" not in running.log(), "something unforeseen was raised: see the log"


@pytest.fixture(scope="module")
def passkey(host: RunningHost) -> Passkey:
    (ticket,) = issue_tickets(host.state, "person-0")
    made, answer = ceremonies.register(host.url, ticket)
    assert answer.outcome == "completed"
    return made


class Opened:
    """An open ceremony and an honest answer to it, replaced by a fresh one whenever it has been used up."""

    def __init__(self, host: RunningHost, passkey: Passkey, kind: str) -> None:
        self.host, self.passkey, self.kind = host, passkey, kind
        self.tickets: list[str] = []
        self.renew()

    def renew(self) -> None:
        if self.kind == "registration" and not self.tickets:
            self.tickets = issue_tickets(self.host.state, *(f"person-{number}" for number in range(PEOPLE)))
        body = {"ticket": self.tickets.pop()} if self.kind == "registration" else {}
        started = ceremonies.start(self.host.url, self.kind, body)
        options = ceremonies.options_of(self.host.url, started)
        self.id = started.body["id"]
        self.honest = (
            authenticator.create(options, origin=self.host.url)[1]
            if self.kind == "registration"
            else authenticator.get(self.passkey, options, origin=self.host.url)
        )

    def send(self, response: Any) -> Answer:
        """Answer; the first final answer. A ceremony that this has used up is replaced."""
        answer = ceremonies.respond(self.host.url, self.id, response)
        if answer.status == 202:
            answer = ceremonies.finished(self.host.url, answer)
        if answer.status == 200:
            self.renew()
        return answer


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, host: RunningHost, passkey: Passkey) -> Opened:
    return Opened(host, passkey, request.param)


def paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every member of an object, at any depth."""
    for name, member in value.items() if isinstance(value, dict) else ():
        yield (*path, name)
        yield from paths(member, (*path, name))


def changed(
    response: dict[str, Any], path: tuple[str, ...], change: Callable[[dict[str, Any], str], None]
) -> dict[str, Any]:
    copied = copy.deepcopy(response)
    where = copied
    for name in path[:-1]:
        where = where[name]
    change(where, path[-1])
    return copied


def complaint(answer: Answer, *, may_complete: bool) -> str | None:
    """What is wrong with how a broken answer was met; None when it was met well."""
    if 400 <= answer.status < 500:
        is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
        return None if is_problem and answer.body.get("code") else f"no problem document: {answer}"
    if answer.status == 200 and (
        answer.outcome == "rejected" or (may_complete and answer.outcome == "completed")
    ):
        return None
    return f"{answer.status} {answer.outcome}: {answer.body!r:.300}"


def test_every_field_missing(opened: Opened) -> None:
    """One member left out at a time: never a 5xx, and never a yes without what is needed."""
    complaints = {}
    for path in list(paths(opened.honest)):
        answer = opened.send(changed(opened.honest, path, lambda where, name: where.pop(name)))
        complaints[".".join(path)] = complaint(answer, may_complete=path not in NEEDED[opened.kind])
    assert {name: said for name, said in complaints.items() if said} == {}
    assert opened.send(opened.honest).outcome == "completed"


def test_every_field_of_every_wrong_value(opened: Opened) -> None:
    """One member replaced at a time, by each of the wrong values: the same."""
    complaints = {}
    for path in list(paths(opened.honest)):
        for label, value in WRONG_VALUES.items():
            answer = opened.send(
                changed(opened.honest, path, lambda where, name, value=value: where.__setitem__(name, value))
            )
            said = complaint(answer, may_complete=path not in NEEDED[opened.kind])
            complaints[f"{'.'.join(path)} = {label}"] = said
    assert {name: said for name, said in complaints.items() if said} == {}
    assert opened.send(opened.honest).outcome == "completed"


def test_every_binary_field_cut_and_flipped(opened: Opened) -> None:
    """Each base64url field cut short, grown, and with single bits flipped: a 4xx or a rejection."""
    complaints = {}
    for path in sorted(NEEDED[opened.kind] - {("type",), ("response",)}):
        for label, damage in DAMAGES.items():
            response = changed(
                opened.honest,
                path,
                lambda where, name, damage=damage: where.__setitem__(
                    name, to_base64url(damage(from_base64url(where[name])))
                ),
            )
            if response != opened.honest:
                # Attestation "none" signs nothing: a public key with a flipped bit is just another key that nobody has, and
                # a flipped letter in the name of the client data's last member makes a member that nobody knows.
                unproven = (
                    opened.kind == "registration"
                    and path[-1] in {"attestationObject", "clientDataJSON"}
                    and "flipped" in label
                )
                complaints[f"{'.'.join(path)} {label}"] = complaint(
                    opened.send(response), may_complete=unproven
                )
    assert {name: said for name, said in complaints.items() if said} == {}


def flipped(data: bytes, byte: int, bit: int) -> bytes:
    return data[:byte] + bytes([data[byte] ^ 1 << bit]) + data[byte + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "first byte gone": lambda data: data[1:],
    "last byte gone": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "one more": lambda data: data + b"\0",
    "twice": lambda data: data * 2,
    "zeros": lambda data: bytes(len(data)),
    "ones": lambda data: b"\xff" * len(data),
} | {
    f"bit {bit} of byte {byte} from the end flipped": lambda data, byte=byte, bit=bit: flipped(
        data, len(data) - byte, bit
    )
    for byte in (1, 2, 3, 8, 16)
    for bit in (0, 7)
}


def attestation(response: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The registration with another attestation object."""
    made = cbor2.loads(from_base64url(response["response"]["attestationObject"])) | changes
    return changed(
        response,
        ("response", "attestationObject"),
        lambda where, name: where.__setitem__(name, to_base64url(cbor2.dumps(made))),
    )


ATTESTATIONS: dict[str, dict[str, Any]] = {
    "unknown format": {"fmt": "made-up"},
    "format is a number": {"fmt": 3},
    "packed without statement": {"fmt": "packed"},
    "packed with nonsense": {
        "fmt": "packed",
        "attStmt": {"alg": -7, "sig": b"nonsense", "x5c": [b"nonsense"]},
    },
    "fido-u2f with nonsense": {"fmt": "fido-u2f", "attStmt": {"sig": b"x", "x5c": [b"x", b"y"]}},
    "tpm with nonsense": {
        "fmt": "tpm",
        "attStmt": {"ver": "2.0", "alg": -257, "x5c": [b""], "sig": b"", "certInfo": b"", "pubArea": b""},
    },
    "apple with nonsense": {"fmt": "apple", "attStmt": {"x5c": [b"0"]}},
    "android-key with nonsense": {"fmt": "android-key", "attStmt": {"alg": -7, "sig": b"", "x5c": [b"0"]}},
    "android-safetynet with nonsense": {
        "fmt": "android-safetynet",
        "attStmt": {"ver": "1", "response": b"a.b.c"},
    },
    "statement under none": {"attStmt": {"sig": b"x"}},
    "statement is a list": {"attStmt": []},
    "authData is text": {"authData": "text"},
    "authData is short": {"authData": b"\0" * 36},
    "authData without credential": {"authData": b"\0" * 32 + b"\x45" + b"\0" * 4},
    "credential id longer than the data": {
        "authData": b"\0" * 32 + b"\x45" + b"\0" * 4 + b"\0" * 16 + b"\xff\xff" + b"x" * 40
    },
    "deep": {"attStmt": {"x": nested(900)}},
}


@pytest.mark.parametrize("opened", ["registration"], indirect=True)
def test_broken_attestations(opened: Opened) -> None:
    """Attestation objects that are well-formed CBOR and wrong: a rejection or a 4xx, for every format there is."""
    complaints = {
        label: complaint(opened.send(attestation(opened.honest, **changes)), may_complete=False)
        for label, changes in ATTESTATIONS.items()
    }
    for label, data in {
        "indefinite": b"\xbf" * 900,
        "huge array": b"\x9b" + b"\xff" * 8,
        "tag storm": b"\xc1" * 900 + b"\0",
        "shared loop": b"\xd8\x1c\x81\xd8\x1d\x00",
    }.items():
        response = changed(
            opened.honest,
            ("response", "attestationObject"),
            lambda where, name, data=data: where.__setitem__(name, to_base64url(data)),
        )
        complaints[label] = complaint(opened.send(response), may_complete=False)
    assert {label: said for label, said in complaints.items() if said} == {}


CLIENT_DATA: dict[str, bytes] = {
    "not JSON": b"{",
    "a list": b"[]",
    "not UTF-8": b'{"type":"webauthn.get","challenge":"\xff"}',
    "UTF-16": '{"type":"webauthn.get"}'.encode("utf-16"),
    "deep": b"[" * 5000,
    "a number too long": b"1" * 5000,
    "null members": b'{"type":null,"challenge":null,"origin":null}',
    "numbers": b'{"type":1,"challenge":2,"origin":3}',
    "byte order mark": b'\xef\xbb\xbf{"type":"webauthn.get"}',
    "token binding of another type": b'{"type":"webauthn.get","challenge":"AAAA","origin":"http://localhost","tokenBinding":7}',
}


def test_broken_client_data(opened: Opened) -> None:
    """Client data that is not what a browser writes: a rejection or a 4xx."""
    complaints = {}
    for label, data in CLIENT_DATA.items():
        response = changed(
            opened.honest,
            ("response", "clientDataJSON"),
            lambda where, name, data=data: where.__setitem__(name, to_base64url(data)),
        )
        complaints[label] = complaint(opened.send(response), may_complete=False)
    assert {label: said for label, said in complaints.items() if said} == {}


BODIES: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "text": b'"text"',
    "cut": b'{"id": "a',
    "not UTF-8": b'{"id": "\xff\xfe"}',
    "UTF-16": '{"id": "a"}'.encode("utf-16"),
    "UTF-32": '{"id": "a"}'.encode("utf-32"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "NaN": b'{"id": NaN}',
    "infinity": b'{"id": 1e999}',
    "a name twice": b'{"id": "a", "id": "b"}',
    "deep lists": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "too large": b'{"id": "' + b"A" * 200_000 + b'"}',
    "long number": b'{"id": ' + b"9" * 30_000 + b"}",
    "many members": json.dumps({str(n): n for n in range(5000)}).encode(),
    "nul bytes": b"\0" * 500,
    "form": b"id=a&type=public-key",
    "prototype": b'{"__proto__": {"id": "a"}, "constructor": 1}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_that_are_no_answer(host: RunningHost, passkey: Passkey, body: bytes) -> None:
    """At every route that takes a body: a 4xx problem, and the ceremony it was meant for is as open as before."""
    opened = Opened(host, passkey, "authentication")
    for path in ("/registrations", f"/ceremonies/{opened.id}/response"):
        assert complaint(call(host.url, "POST", path, body), may_complete=False) is None
    # A sign-in needs nothing of its body; whatever is no JSON object is refused all the same.
    assert call(host.url, "POST", "/authentications", body).status in {202, 400, 413, 415}
    assert opened.send(opened.honest).outcome == "completed"


@pytest.mark.parametrize(
    "media_type",
    ["", "text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "a" * 300],
)
def test_other_media_types(host: RunningHost, passkey: Passkey, media_type: str) -> None:
    """A body that does not say that it is JSON in UTF-8 is refused with 415."""
    opened = Opened(host, passkey, "authentication")
    body = json.dumps(opened.honest).encode()
    answer = call(
        host.url, "POST", f"/ceremonies/{opened.id}/response", body, headers={"Content-Type": media_type}
    )
    assert (answer.status, answer.body["code"]) == (415, "media_type_unsupported")


def test_an_answer_of_the_other_kind(host: RunningHost, passkey: Passkey) -> None:
    """An assertion to a registration and an attestation to a sign-in: never a yes."""
    for kind, other in (KINDS, KINDS[::-1]):
        answered, borrowed = Opened(host, passkey, kind), Opened(host, passkey, other)
        assert complaint(answered.send(borrowed.honest), may_complete=False) is None


def test_an_answer_to_anothers_challenge(host: RunningHost, passkey: Passkey) -> None:
    """Two ceremonies of one kind, each answered with the other's answer: both rejected."""
    for kind in KINDS:
        one, two = Opened(host, passkey, kind), Opened(host, passkey, kind)
        answers = one.honest, two.honest
        assert one.send(answers[1]).outcome == "rejected"
        assert two.send(answers[0]).outcome == "rejected"


def test_a_replayed_answer(host: RunningHost, passkey: Passkey) -> None:
    """The same answer again to its own ceremony is 409; to a new ceremony, a rejection."""
    opened = Opened(host, passkey, "authentication")
    used_id, used = opened.id, opened.honest
    assert opened.send(used).outcome == "completed"
    again = ceremonies.respond(host.url, used_id, used)
    assert (again.status, again.body["code"]) == (409, "ceremony_finished")
    assert opened.send(used).outcome == "rejected"


def test_a_count_that_does_not_rise(host: RunningHost, passkey: Passkey) -> None:
    """A sign count at or below the last one is never accepted as if nothing were."""
    assert ceremonies.sign_in(host.url, passkey).outcome == "completed"
    for stale in (0, passkey.sign_count):
        assert ceremonies.sign_in(host.url, passkey, lie=Lie(sign_count=stale)).outcome == "rejected"
    assert ceremonies.sign_in(host.url, passkey).outcome == "completed"


def test_ids_that_nobody_was_given(host: RunningHost) -> None:
    """Unknown, malformed and foreign ids are 404 at every route, and never reach another instance."""
    strange = (
        "authentication-" + "0" * 32,
        "authentication-" + "A" * 32,
        "registration-" + "0" * 31,
        "audit-flush",
        "@audit_log@00",
        "%40rate_limiter%40network",
        "..%2f..%2fruntime",
        "authentication-" + "0" * 32 + "%00",
        "authentication-" + "0" * 32 + "%0a",
        "x" * 5000,
    )
    for one in strange:
        for method, path, body in (("GET", "", None), ("DELETE", "", None), ("POST", "/response", {})):
            answer = call(host.url, method, f"/ceremonies/{one}{path}", body)
            assert 400 <= answer.status < 500, (one, method, answer)


def test_at_the_end_the_host_lives_and_everything_is_recorded(host: RunningHost, passkey: Passkey) -> None:
    """After all of the above: a sign-in works, and whatever ended is in the audit once, none of it as failed."""
    assert ceremonies.sign_in(host.url, passkey).outcome == "completed"
    for ceremony_id, row in instances_of(host.url).items():
        if row["runtimeStatus"] == "Running":
            ceremonies.cancel(host.url, ceremony_id)
    found = wait_until_settled(host.url, host.state, seconds=20)
    assert {outcome_of(row) for row in found.values()} <= {"completed", "rejected", "canceled"}
