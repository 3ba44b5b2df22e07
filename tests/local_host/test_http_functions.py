"""HTTP triggers: the request a function sees, and what becomes of its answer (Functions: the HTTP request object)."""

from __future__ import annotations

from typing import Any

import azure.functions as func
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from local_host.http_functions import Received, build_request, convert, function_headers, query_parameters
from local_host.invoke import BadResult


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def test_the_request_is_the_librarys_own() -> None:
    """Method, URL as received, lower-case headers, parameters, route values and bytes reach their places."""
    received = Received(
        "POST",
        "/a%20b?q=1&e=",
        "q=1&e=",
        headers(("Host", "app.example:81"), ("X-A", "1")),
        ("127.0.0.1", 9),
        b"\xff",
    )
    request = build_request(received, {"id": "7"}, "localhost:7071")
    assert (request.method, request.url) == ("POST", "http://app.example:81/a%20b?q=1&e=")
    assert dict(request.params) == {"q": "1"}
    assert dict(request.route_params) == {"id": "7"}
    assert request.headers["x-a"] == request.headers["X-A"] == "1"
    assert request.get_body() == b"\xff"
    with pytest.raises(ValueError, match=r"utf-8|JSON"):
        request.get_json()


def test_a_request_without_host_gets_the_hosts_own() -> None:
    """HTTP/1.0 has no Host header."""
    assert (
        build_request(Received("GET", "/a", "", headers(), None, b""), {}, "localhost:1").url
        == "http://localhost:1/a"
    )


HEADERS: list[tuple[list[tuple[str, str]], tuple[str, int] | None, dict[str, str]]] = [
    ([("A", "1"), ("a", "2")], None, {"a": "1, 2"}),
    ([("Connection", "close"), ("TE", "x"), ("Transfer-Encoding", "chunked"), ("Upgrade", "h2c")], None, {}),
    ([], ("10.0.0.1", 5), {"x-forwarded-for": "10.0.0.1:5"}),
    ([("X-Forwarded-For", "a")], ("10.0.0.1", 5), {"x-forwarded-for": "a, 10.0.0.1:5"}),
    ([("X-Forwarded-For", "a"), ("X-Forwarded-For", "b")], ("::1", 5), {"x-forwarded-for": "a, b, [::1]:5"}),
]


@pytest.mark.parametrize(("given", "peer", "expected"), HEADERS)
def test_headers_as_a_function_sees_them(
    given: list[tuple[str, str]], peer: tuple[str, int] | None, expected: dict[str, str]
) -> None:
    """Repeated ones joined, those of the connection dropped, the peer appended to X-Forwarded-For."""
    assert function_headers(headers(*given), peer) == expected


PARAMETERS = [
    ("a=1&b=2", {"a": "1", "b": "2"}),
    ("a=&b=1", {"b": "1"}),
    ("a", {}),
    ("a=1&a=2", {"a": "1,2"}),
    ("A=1&a=2", {"A": "1,2"}),
    ("a=%C3%A9+x%20y", {"a": "é x y"}),
    ("a=%ff", {"a": "\ufffd"}),
    ("a=%zz", {"a": "%zz"}),
    ("=1&&;=2", {"": "1", ";": "2"}),
]


@pytest.mark.parametrize(("query", "expected"), PARAMETERS)
def test_query_parameters(query: str, expected: dict[str, str]) -> None:
    """Empty values dropped, repeated names joined with a comma, escapes decoded, nonsense kept harmless."""
    assert query_parameters(query) == expected


def response(*args: Any, extra: list[tuple[str, str]] | None = None, **kwargs: Any) -> func.HttpResponse:
    made = func.HttpResponse(*args, **kwargs)
    for name, value in extra or []:
        made.headers.add(name, value)
    return made


TEXT = "text/plain; charset=utf-8"
# what the function returned, status, body, headers that must be there
CONVERTED: list[tuple[Any, int, bytes, list[tuple[str, str]]]] = [
    (response("é"), 200, "é".encode(), [("Content-Type", TEXT)]),
    (response(b"\x00", mimetype="image/png", status_code=201), 201, b"\x00", [("Content-Type", "image/png")]),
    (response("x", headers={"Content-Type": "a/b"}), 200, b"x", [("Content-Type", "a/b")]),
    (response("x", status_code=204), 204, b"", []),
    (response("x", status_code=304), 304, b"", []),
    (
        response("x", headers={"ETag": '"e"', "Content-Length": "99", "Connection": "close"}),
        200,
        b"x",
        [("ETag", '"e"')],
    ),
    (
        response("x", extra=[("Set-Cookie", "a=1; Path=/; HttpOnly"), ("Set-Cookie", "b=2; Max-Age=5")]),
        200,
        b"x",
        [("Set-Cookie", "a=1; HttpOnly; Path=/"), ("Set-Cookie", "b=2; Max-Age=5")],
    ),
    ("just text", 200, b"just text", [("Content-Type", TEXT)]),
    ("", 200, b"", []),
    ("[1]", 200, b"[1]", [("Content-Type", TEXT)]),
    ('{"a": 1}', 200, b'{"a": 1}', [("Content-Type", TEXT)]),
    ('{"body": "b", "status": 418, "headers": {"X": 1}}', 418, b"b", [("X", "1"), ("Content-Type", TEXT)]),
    ('{"body": {"a": 1}}', 200, b'{"a": 1}', [("Content-Type", "application/json")]),
]


@pytest.mark.parametrize(("returned", "status", "body", "expected"), CONVERTED)
def test_what_becomes_of_a_return_value(
    returned: Any, status: int, body: bytes, expected: list[tuple[str, str]]
) -> None:
    """HttpResponse as it is, text as a body or, when it describes a response, as that response."""
    made = convert(returned)
    assert (made.status, made.body or b"") == (status, body)
    assert set(expected) <= set(made.headers.items())
    assert made.headers.get("Content-Length") != "99"
    assert "Connection" not in made.headers


IMPOSSIBLE: list[tuple[Any, type[Exception]]] = [
    (None, BadResult),
    (5, BadResult),
    (b"bytes", BadResult),
    ({"body": "x"}, BadResult),
    (response("x", status_code=99), ValueError),
    (response("x", status_code=1000), ValueError),
    (response("x", headers={"X": "a\u0000b"}), ValueError),
]


@pytest.mark.parametrize(("returned", "error"), IMPOSSIBLE)
def test_what_is_no_response_is_refused(returned: Any, error: type[Exception]) -> None:
    """None, other types, impossible statuses and headers that would break the response."""
    with pytest.raises(error):
        convert(returned)
