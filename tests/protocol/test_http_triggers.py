"""HTTP triggers: requests, routes, levels, answers, failures (Durable protocol: functions, triggers and HTTP)."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.hosts import FUNCTION_KEY, MASTER_KEY, SYSTEM_KEY
from tests.protocol.conftest import APPS, serve
from tests.protocol.driver import Driver


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The app of HTTP triggers."""
    env = {"AzureWebJobs.switched_off.Disabled": "true"}
    yield from serve("triggers", tmp_path_factory.mktemp("triggers"), env)


def get(web: Driver, path: str, **options: Any) -> Any:
    """The JSON of a GET that must succeed."""
    answer = web.http("GET", f"/api/{path}", **options)
    assert answer.status == 200, f"{path}: {answer.status} {answer.text}"
    return answer.json()


# --- the request ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_without_methods_every_verb_is_served(web: Driver, method: str) -> None:
    """A trigger that names no methods takes all; the method arrives in upper case."""
    assert web.http(method, "/api/echo/x").json()["method"] == method


def test_head_is_answered_without_a_body(web: Driver) -> None:
    """HEAD reaches a trigger of every verb and sends no body back."""
    answer = web.http("HEAD", "/api/echo/x")
    assert (answer.status, answer.body) == (200, b"")


def test_the_url_is_as_received(web: Driver) -> None:
    """Scheme, Host header, path and query as the caller wrote them."""
    told = get(web, "echo/a%20b?q=1&r=%C3%A9", headers={"host": "127.0.0.1:81"})
    assert told["url"] == "http://127.0.0.1:81/api/echo/a%20b?q=1&r=%C3%A9"


PARAMS = [
    ("a=&b=1", {"b": "1"}),
    ("a=1&a=2", {"a": "1,2"}),
    ("a=%C3%A9%20+x", {"a": "é  x"}),
    ("", {}),
]


@pytest.mark.parametrize(("query", "params"), PARAMS, ids=[row[0] or "none" for row in PARAMS])
def test_query_parameters(web: Driver, query: str, params: dict[str, str]) -> None:
    """Empty values are dropped, repeated names joined with a comma, escapes decoded."""
    assert get(web, f"echo/x?{query}")["params"] == params


def test_headers_are_lower_case_and_joined(web: Driver) -> None:
    """Names in lower case; a repeated header is one value joined with a comma."""
    parts = urlsplit(web.host.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=10)
    try:
        connection.putrequest("GET", "/api/echo/x")
        connection.putheader("X-Twice", "1")
        connection.putheader("X-Twice", "2")
        connection.putheader("X-ONCE", "Value")
        connection.endheaders()
        headers = json.loads(connection.getresponse().read())["headers"]
    finally:
        connection.close()
    assert headers["x-once"] == "Value"
    assert headers["x-twice"].replace(" ", "") == "1,2"
    assert all(name == name.lower() for name in headers)


def test_the_callers_address_is_appended_as_the_front_end_does(web: Driver) -> None:
    """X-Forwarded-For ends with the peer's address and port, after whatever the caller claimed."""
    headers = get(web, "echo/x", headers={"X-Forwarded-For": "203.0.113.9"})["headers"]
    claimed, _, peer = headers["x-forwarded-for"].rpartition(",")
    assert claimed.strip() == "203.0.113.9"
    assert peer.strip().startswith("127.0.0.1:")


BODIES = [b"", b"text", b'{"a": 1}', bytes(range(256)), b"x" * 1_000_000]


@pytest.mark.parametrize("body", BODIES, ids=["empty", "text", "json", "every byte", "a megabyte"])
def test_a_body_arrives_as_the_bytes_it_is(web: Driver, body: bytes) -> None:
    """Whatever the content type, the function gets the bytes."""
    answer = web.http("POST", "/api/echo/x", body=body, headers={"content-type": "application/x-any"})
    told = answer.json()
    assert told["length"] == len(body)
    assert told["body"].encode("latin-1") == body


def test_a_chunked_body_is_never_passed_on(web: Driver) -> None:
    """A chunked request reaches the function with an empty body, or is refused with 411."""
    answer = web.http(
        "POST",
        "/api/length",
        body=iter([b"abc", b"def"]),
        headers={"transfer-encoding": "chunked"},
        chunked=True,
    )
    assert answer.status == 411 or (answer.status, answer.json()) == (200, 0)
    assert web.http("POST", "/api/length", body=b"abc").json() == 3, "and the host is well"


def test_a_body_over_the_limit_is_refused(web: Driver) -> None:
    """A declared length above 100 MiB is refused before it is read."""
    parts = urlsplit(web.host.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as raw:
        raw.sendall(
            b"POST /api/length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857601\r\nExpect: 100-continue\r\n\r\n"
        )
        status = raw.recv(4096).split(b" ", 2)[1]
        if status == b"100":
            raw.sendall(b"x" * 65536)
            status = raw.recv(4096).split(b" ", 2)[1]
    assert status == b"413"


@pytest.mark.parametrize(
    ("body", "status"), [(b"[1]", 200), (b"{", 400), (b"", 400), (b"\xff", 400)], ids=repr
)
def test_get_json_raises_on_what_is_not_json(web: Driver, body: bytes, status: int) -> None:
    """get_json() gives the value or raises ValueError, which the function may answer."""
    assert web.http("POST", "/api/parsed", body=body).status == status


def test_forms_and_files_are_read_by_the_sdk(web: Driver) -> None:
    """url-encoded and multipart bodies are parsed by HttpRequest.form and .files."""
    plain = web.http(
        "POST",
        "/api/form",
        body=b"a=1&b=%C3%A9",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert plain.json() == {"form": {"a": "1", "b": "é"}, "files": {}}
    part = (
        b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\ncontent\r\n--B--\r\n'
    )
    many = web.http(
        "POST", "/api/form", body=part, headers={"content-type": "multipart/form-data; boundary=B"}
    )
    assert many.json() == {"form": {"a": "1"}, "files": {"f": "content"}}


def test_plain_functions_run_beside_the_loop(web: Driver) -> None:
    """A `def` function runs in a thread pool, so it does not hold up the host."""
    assert get(web, "sync/x")["main_thread"] is False


# --- routes -----------------------------------------------------------------------------------------------

GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
MATCHES: list[tuple[str, dict[str, str] | None]] = [
    ("int/5", {"x": "5"}),
    ("int/-5", {"x": "-5"}),
    ("int/5.0", None),
    ("int/2147483648", None),
    ("long/2147483648", {"x": "2147483648"}),
    ("long/9223372036854775808", None),
    ("bool/true", {"x": "true"}),
    ("bool/FALSE", {"x": "FALSE"}),
    ("bool/1", None),
    ("datetime/2026-01-01", {"x": "2026-01-01"}),
    ("datetime/tomorrow", None),
    ("decimal/4.5", {"x": "4.5"}),
    ("decimal/four", None),
    ("double/1.5e3", {"x": "1.5e3"}),
    ("double/x", None),
    ("float/-1.5", {"x": "-1.5"}),
    ("guid/" + GUID, {"x": GUID}),
    ("guid/" + GUID.upper(), {"x": GUID.upper()}),
    ("guid/" + GUID[:-1], None),
    ("alpha/abcXYZ", {"x": "abcXYZ"}),
    ("alpha/abc1", None),
    ("regex/aab", {"x": "aab"}),
    ("regex/aabb", None),
    ("min/5", {"x": "5"}),
    ("min/4", None),
    ("max/5", {"x": "5"}),
    ("max/6", None),
    ("range/3", {"x": "3"}),
    ("range/6", None),
    ("length/abc", {"x": "abc"}),
    ("length/ab", None),
    ("lengths/ab", {"x": "ab"}),
    ("lengths/abcd", None),
    ("minlength/abc", {"x": "abc"}),
    ("minlength/ab", None),
    ("maxlength/abc", {"x": "abc"}),
    ("maxlength/abcd", None),
    ("required/x", {"x": "x"}),
    ("chained/3", {"x": "3"}),
    ("chained/5", None),
    ("chained/x", None),
    ("optional/x", {"x": "x"}),
    ("optional", {}),
    ("optional/x/y", None),
    ("optionalint", {}),
    ("optionalint/5", {"x": "5"}),
    ("optionalint/five", None),
    ("default", {"x": "seven"}),
    ("default/eight", {"x": "eight"}),
    ("two/a/1", {"x": "a", "y": "1"}),
    ("two/a", None),
    ("two/a%20b/1", {"x": "a b", "y": "1"}),
    ("mixed/file-a.txt", {"x": "a", "y": "txt"}),
    ("mixed/a.txt", None),
]


@pytest.mark.parametrize(("path", "values"), MATCHES, ids=[row[0] for row in MATCHES])
def test_route_templates(web: Driver, path: str, values: dict[str, str] | None) -> None:
    """Values are texts, an absent optional one is missing, and what breaks a constraint is 404."""
    answer = web.http("GET", f"/api/c/{path}")
    assert answer.status == (404 if values is None else 200)
    if values is not None:
        assert answer.json() == values


CATCH_ALL = [("echo/a/b/c", {"rest": "a/b/c"}), ("echo/a", {"rest": "a"})]


@pytest.mark.parametrize(("path", "values"), CATCH_ALL, ids=[row[0] for row in CATCH_ALL])
def test_a_catch_all_takes_the_rest(web: Driver, path: str, values: dict[str, str]) -> None:
    """{*rest} matches any number of segments."""
    assert get(web, path)["route"] == values


def test_a_catch_all_matches_nothing_too(web: Driver) -> None:
    """{*rest} matches an empty rest."""
    assert get(web, "echo")["route"].get("rest", "") == ""


@pytest.mark.parametrize("path", ["/api/VERBS", "/API/verbs"])
def test_literals_ignore_case(web: Driver, path: str) -> None:
    """Literal segments match whatever their case, the prefix too."""
    assert web.http("GET", path).text == "got"


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("PUT", 200), ("DELETE", 200), ("POST", 404)])
def test_a_wrong_method_is_404(web: Driver, method: str, status: int) -> None:
    """Methods are part of the match: two functions share a route by method, and any other is 404, not 405."""
    assert web.http(method, "/api/verbs").status == status


def test_overlapping_routes_go_to_the_first_name(web: Driver) -> None:
    """Functions are tried in order of their names, not by how specific the route is."""
    assert web.http("GET", "/api/overlap/special").text == "general"


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/nothing", "/verbs", "/admin/host/status", "/runtime/other"]
)
def test_an_unknown_path_is_404(web: Driver, path: str) -> None:
    """What no function serves is 404."""
    assert web.http("GET", path).status in ({404, 401} if path.startswith(("/admin", "/runtime")) else {404})


def test_a_name_given_to_the_function_is_its_route(web: Driver) -> None:
    """Without a route the function's name is the route; @function_name changes it."""
    assert web.http("GET", "/api/renamed_function").text == "renamed"
    assert web.http("GET", "/api/original_name").status == 404


def test_blueprints_are_served_from_the_apps_own_modules(web: Driver) -> None:
    """A blueprint's functions are the app's; the app's folder comes first on the import path."""
    assert web.http("GET", "/api/from-blueprint").text == "blueprint"


# --- levels and keys --------------------------------------------------------------------------------------

LEVELS: list[tuple[str, str | None, int]] = [
    ("function-level", None, 401),
    ("function-level", "wrong", 401),
    ("function-level", FUNCTION_KEY, 200),
    ("function-level", MASTER_KEY, 200),
    ("function-level", SYSTEM_KEY, 401),
    ("level-admin", None, 401),
    ("level-admin", FUNCTION_KEY, 401),
    ("level-admin", SYSTEM_KEY, 401),
    ("level-admin", MASTER_KEY, 200),
    ("verbs", None, 200),
    ("verbs", "wrong", 200),
]


@pytest.mark.parametrize("place", ["header", "query"])
@pytest.mark.parametrize(("path", "key", "status"), LEVELS)
def test_levels_and_keys(web: Driver, path: str, key: str | None, status: int, place: str) -> None:
    """A function level takes function and master keys, admin the master only, anonymous asks nothing."""
    if place == "header":
        answer = web.http("GET", f"/api/{path}", headers={"x-functions-key": key} if key else {})
    else:
        answer = web.http("GET", f"/api/{path}" + (f"?code={key}" if key else ""))
    assert answer.status == status


def test_the_header_comes_before_the_query(web: Driver) -> None:
    """When both carry a key, the header decides."""
    answer = web.http("GET", f"/api/function-level?code={FUNCTION_KEY}", headers={"x-functions-key": "wrong"})
    assert answer.status == 401


def test_a_disabled_function_is_404(web: Driver) -> None:
    """A function switched off by its app setting is not served."""
    assert web.http("GET", "/api/switched-off").status == 404


# --- answers ----------------------------------------------------------------------------------------------


def test_an_answer_without_content_type_is_plain_text(web: Driver) -> None:
    """text/plain; charset=utf-8 unless the function says otherwise."""
    answer = web.http("GET", "/api/answers/text")
    assert answer.headers["Content-Type"].replace(" ", "") == "text/plain;charset=utf-8"
    assert answer.text == "žluť"


def test_bytes_and_empty_answers(web: Driver) -> None:
    """Bytes go out as they are; 204 has no body."""
    answer = web.http("GET", "/api/answers/bytes")
    assert (answer.body, answer.headers["Content-Type"]) == (b"\x00\xff", "application/octet-stream")
    empty = web.http("GET", "/api/answers/empty")
    assert (empty.status, empty.body) == (204, b"")


def test_status_and_headers_are_passed_on(web: Driver) -> None:
    """Any status code and any header of the response reach the caller."""
    answer = web.http("GET", "/api/answers/headers")
    assert answer.status == 299
    assert (answer.headers["X-One"], answer.headers["Location"], answer.headers["ETag"]) == (
        "1",
        "/else",
        '"e"',
    )


def test_several_cookies_keep_their_attributes(web: Driver) -> None:
    """Each Set-Cookie is a header of its own, with its attributes."""
    cookies = web.http("GET", "/api/answers/cookies").headers.get_all("Set-Cookie") or []
    assert len(cookies) == 2
    first, second = (cookie.lower().replace(" ", "") for cookie in cookies)
    assert first.startswith("one=1;")
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= set(first.split(";"))
    assert second.startswith("two=2;")
    assert {"max-age=60", "domain=example.test"} <= set(second.split(";"))


def test_a_plain_str_is_a_body(web: Driver) -> None:
    """A function may return text."""
    answer = web.http("GET", "/api/plain-text")
    assert (answer.status, answer.text) == (200, "just text")


@pytest.mark.parametrize("path", ["raises", "raises-sync", "returns-none", "returns-object"])
def test_a_failing_function_is_500_and_empty(web: Driver, path: str) -> None:
    """An exception, None or anything that is no response: 500 with an empty body, and the log has the reason."""
    answer = web.http("GET", f"/api/{path}")
    assert (answer.status, answer.body) == (500, b"")
    name = path.replace("-", "_")
    errors = [json.dumps(line) for line in web.log_lines() if str(line["level"]).lower() == "error"]
    assert any(name in line for line in errors)


def test_secrets_in_a_failure_are_masked_in_the_log(web: Driver) -> None:
    """What looks like a secret in the text of an exception is masked before it is logged."""
    web.http("GET", "/api/raises")
    assert "not for the caller" in web.host.log()
    assert "hunter2" not in web.host.log()


def test_the_context_parameter(web: Driver) -> None:
    """A `context` that is no binding receives the invocation's facts."""
    first, second = get(web, "context"), get(web, "context")
    assert first["function_name"] == "with_context"
    assert first["function_directory"].startswith(str(APPS / "triggers"))
    assert first["invocation_id"] != second["invocation_id"]
    assert (first["local"], first["trace"], first["retry"]) == (True, True, True)


def test_no_key_is_ever_in_the_log(web: Driver) -> None:
    """Requests with keys in header and query leave no key behind in the log."""
    web.http("GET", f"/api/function-level?code={FUNCTION_KEY}")
    web.http("GET", "/api/function-level", headers={"x-functions-key": MASTER_KEY})
    web.webhook("GET", "instances")
    for key in (FUNCTION_KEY, MASTER_KEY, SYSTEM_KEY):
        assert key not in web.host.log()
