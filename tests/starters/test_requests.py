"""Whatever arrives is bounded in size, depth and form, and refused with the right code."""

from __future__ import annotations

from typing import Any

import pytest

from starters.problems import RefusedError
from starters.requests import ceremony_id, json_object, network_of, number, one_of
from tests.starters.fakes import AUTHENTICATION, REGISTRATION, request

JSON = {"content-type": "application/json"}


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"", JSON, "body_malformed"),
        (b"{", JSON, "body_malformed"),
        (b"[]", JSON, "body_malformed"),
        (b'"text"', JSON, "body_malformed"),
        (b"null", JSON, "body_malformed"),
        (b'{"a": 1, "a": 2}', JSON, "body_malformed"),
        (b'{"x": {"a": 1, "a": 1}}', JSON, "body_malformed"),
        (b'{"a": NaN}', JSON, "body_malformed"),
        (b'{"a": -Infinity}', JSON, "body_malformed"),
        (b'{"a": 1e999}', JSON, "body_malformed"),
        (b'{"a": ' + b"9" * 5000 + b"}", JSON, "body_malformed"),
        (b'{"a": "\xff"}', JSON, "body_malformed"),
        (b'\xef\xbb\xbf{"a": 1}', JSON, "body_malformed"),
        ('{"a": 1}'.encode("utf-16"), JSON, "body_malformed"),
        (b'{"a": "\\ud800"}', JSON, "body_malformed"),
        (b'{"\\udc00": 1}', JSON, "body_malformed"),
        (nested(17), JSON, "body_malformed"),
        (b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", JSON, "body_malformed"),
        (b"[" * 60_000, JSON, "body_malformed"),
        (b'{"a": "' + b"x" * 65536 + b'"}', JSON, "body_too_large"),
        (b"{}", {"content-type": "text/plain"}, "media_type_unsupported"),
        (b"{}", {"content-type": ""}, "media_type_unsupported"),
        (b"{}", {"content-type": "application/json; charset=latin-1"}, "media_type_unsupported"),
        (b"{}", {"content-type": "application/x-www-form-urlencoded"}, "media_type_unsupported"),
        (b"{}", {**JSON, "content-encoding": "gzip"}, "media_type_unsupported"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_body_is_refused(body: bytes, headers: dict[str, str], code: str) -> None:
    """Size, encoding, form, depth, repeated names and numbers out of range: each has its code, none gets through."""
    with pytest.raises(RefusedError) as refused:
        json_object(request("POST", "/", body, headers=headers))
    assert refused.value.code == code


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"'],
)
def test_a_good_body_is_read(content_type: str) -> None:
    """UTF-8 JSON objects of up to 16 levels, however the media type is spelt."""
    headers = {"content-type": content_type}
    assert json_object(request("POST", "/", '{"ä": [1, 2.5, "€", null]}'.encode(), headers=headers)) == {
        "ä": [1, 2.5, "€", None]
    }
    assert json_object(request("POST", "/", nested(16), headers=headers))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "registration",
        "registration-123",
        REGISTRATION.upper(),
        REGISTRATION + "0",
        REGISTRATION + "\n",
        "@audit_log@00",
        "audit-flush",
        "approval-" + "1" * 32,
    ],
)
def test_only_ceremonies_can_be_named(text: str) -> None:
    """Ids of entities, of other instances, or of no form at all are unknown before anybody is asked."""
    with pytest.raises(RefusedError, match="ceremony_unknown"):
        ceremony_id(request("GET", "/", route={"id": text}))
    assert ceremony_id(request("GET", "/", route={"id": AUTHENTICATION})) == AUTHENTICATION


@pytest.mark.parametrize("text", ["-1", "26", "x", "1.5", "1e1", "%2B1", "9999999", "%D9%A1"])
def test_a_number_out_of_its_range_is_refused(text: str) -> None:
    """A whole number in ASCII digits from 0 to 25; anything else is the caller's mistake."""
    with pytest.raises(RefusedError, match="parameter_invalid"):
        number(request("GET", f"/?wait={text}"), "wait", default=0, lowest=0, highest=25)


def test_numbers_and_words_are_read() -> None:
    """In range as given, absent as the default; a word only of the list."""
    assert number(request("GET", "/?wait=25"), "wait", default=0, lowest=0, highest=25) == 25
    assert number(request("GET", "/"), "wait", default=3, lowest=0, highest=25) == 3
    assert one_of(request("GET", "/?after=a"), "after", ["a", "b"]) == "a"
    assert one_of(request("GET", "/"), "after", ["a"]) is None
    with pytest.raises(RefusedError, match="parameter_invalid"):
        one_of(request("GET", "/?after=c"), "after", ["a", "b"])


@pytest.mark.parametrize(
    ("header", "hops", "network"),
    [
        ("203.0.113.7:50000", 1, "203.0.113.0-24"),
        ("203.0.113.7", 1, "203.0.113.0-24"),
        ("198.51.100.1, 203.0.113.7:1", 1, "203.0.113.0-24"),
        ("10.0.0.1, 203.0.113.7:1, 192.0.2.9:443", 2, "203.0.113.0-24"),
        ("[2001:db8:1:2::5]:443", 1, "2001:db8:1::-48"),
        ("2001:db8:1:2::5", 1, "2001:db8:1::-48"),
        ("::ffff:203.0.113.7", 1, "203.0.113.0-24"),
        ("", 1, "unknown"),
        ("unknown", 1, "unknown"),
        ("203.0.113.7, ", 1, "unknown"),
        ("203.0.113.7", 2, "unknown"),
        ("203.0.113.7", 0, "unknown"),
        ("1.2.3.4.5:6", 1, "unknown"),
        ("203.0.113.7|x", 1, "unknown"),
        ("fe80::1%eth0/../x", 1, "unknown"),
    ],
)
def test_the_network_is_what_the_nearest_proxy_saw(header: str, hops: int, network: str) -> None:
    """Counted from the right by the trusted hops; cut to /24 and /48; what cannot be told shares one network."""
    got = network_of(request("POST", "/", headers={"x-forwarded-for": header}), hops=hops)
    assert got == network


def test_a_caller_without_any_address_has_the_shared_network() -> None:
    """No header at all is no way around the limit."""
    req: Any = request("POST", "/")
    assert network_of(request("POST", "/", headers={"x-forwarded-for": ""}), hops=1) == "unknown"
    assert network_of(req, hops=1) == "203.0.113.0-24"
