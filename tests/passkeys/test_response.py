"""The shape of a response: everything bounded, everything strict, nothing else judged."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passkeys import response as shape
from passkeys.errors import MalformedResponse
from passkeys.response import (
    decode_base64url,
    encode_base64url,
    encoded_length,
    parse_authentication_response,
    parse_registration_response,
)

REGISTRATION: dict[str, Any] = {
    "id": "AQID",
    "rawId": "AQID",
    "type": "public-key",
    "authenticatorAttachment": "platform",
    "clientExtensionResults": {"prf": {"results": {"first": "c2VjcmV0"}}},
    "response": {
        "clientDataJSON": "e30",
        "attestationObject": "oA",
        "transports": ["internal", "from-the-future"],
        "publicKey": "unused",
        "publicKeyAlgorithm": -7,
        "authenticatorData": "unused",
    },
    "unknown": 1,
}
AUTHENTICATION: dict[str, Any] = {
    "id": "AQID",
    "rawId": "AQID",
    "type": "public-key",
    "clientExtensionResults": {},
    "response": {
        "clientDataJSON": "e30",
        "authenticatorData": "AAAA",
        "signature": "AA",
        "userHandle": "YWRh",
    },
}


def test_a_registration_response_is_read() -> None:
    """Bytes come out, and unknown members and transports are tolerated."""
    parsed = parse_registration_response(REGISTRATION)
    assert (parsed.raw_id, parsed.client_data_json, parsed.attestation_object) == (
        b"\x01\x02\x03",
        b"{}",
        b"\xa0",
    )
    assert parsed.transports == ("internal", "from-the-future")


def test_an_authentication_response_is_read() -> None:
    """Bytes come out; a user handle may be there, null or missing."""
    assert parse_authentication_response(AUTHENTICATION).user_handle == b"ada"
    without = copy.deepcopy(AUTHENTICATION)
    without["response"]["userHandle"] = None
    assert parse_authentication_response(without).user_handle is None
    del without["response"]["userHandle"]
    assert parse_authentication_response(without).user_handle is None


def test_what_goes_on_is_what_is_used() -> None:
    """`to_json` reads as the same response again, and has none of what was not used: extension results hold secrets."""
    for parse, value in (
        (parse_registration_response, REGISTRATION),
        (parse_authentication_response, AUTHENTICATION),
    ):
        parsed = parse(value)
        assert parse(parsed.to_json()) == parsed
        assert "c2VjcmV0" not in str(parsed.to_json())
        assert "unused" not in str(parsed.to_json())


WRONG = [None, True, 0, 1.5, "", [], {}, ["AA"], {"a": 1}]


def members(value: dict[str, Any]) -> list[tuple[str, ...]]:
    return [("id",), ("rawId",), ("type",), ("response",)] + [
        ("response", name)
        for name in value["response"]
        if name in ("clientDataJSON", "attestationObject", "authenticatorData", "signature")
        and value["response"][name] != "unused"
    ]


CASES = [
    (parse, value, path)
    for parse, value in (
        (parse_registration_response, REGISTRATION),
        (parse_authentication_response, AUTHENTICATION),
    )
    for path in members(value)
]


def changed(value: dict[str, Any], path: tuple[str, ...], new: object) -> dict[str, Any]:
    result = copy.deepcopy(value)
    target = result
    for name in path[:-1]:
        target = target[name]
    if new is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = new
    return result


@pytest.mark.parametrize(("parse", "value", "path"), CASES)
def test_every_member_that_is_needed_must_be_there_and_of_its_type(parse: Any, value: Any, path: Any) -> None:
    """Each needed member, left out or of any wrong type, is malformed; the message names it."""
    for new in (..., *WRONG):
        with pytest.raises(MalformedResponse, match="." if path == ("response",) else path[-1]):
            parse(changed(value, path, new))


@pytest.mark.parametrize("value", [*WRONG, "text", [REGISTRATION]])
def test_what_is_no_object_is_malformed(value: object) -> None:
    """The whole must be an object with a response in it."""
    for parse in (parse_registration_response, parse_authentication_response):
        with pytest.raises(MalformedResponse):
            parse(value)


LIMITS = [
    (REGISTRATION, ("rawId",), shape.MAX_CREDENTIAL_ID),
    (REGISTRATION, ("response", "clientDataJSON"), shape.MAX_CLIENT_DATA),
    (REGISTRATION, ("response", "attestationObject"), shape.MAX_ATTESTATION_OBJECT),
    (AUTHENTICATION, ("response", "authenticatorData"), shape.MAX_AUTHENTICATOR_DATA),
    (AUTHENTICATION, ("response", "signature"), shape.MAX_SIGNATURE),
    (AUTHENTICATION, ("response", "userHandle"), shape.MAX_USER_HANDLE),
]


@pytest.mark.parametrize(("value", "path", "limit"), LIMITS)
def test_every_size_is_bounded(value: Any, path: Any, limit: int) -> None:
    """The longest allowed is read; one byte more is malformed."""
    parse = parse_registration_response if value is REGISTRATION else parse_authentication_response
    parse(changed(value, path, encode_base64url(bytes(limit))))
    with pytest.raises(MalformedResponse):
        parse(changed(value, path, encode_base64url(bytes(limit + 1))))


@pytest.mark.parametrize(
    "transports", ["usb", {"a": 1}, [1], [None], ["usb"] * 17, ["x" * 33], [""], [["usb"]], ["é"]]
)
def test_transports_are_a_short_list_of_words(transports: object) -> None:
    """What is no list of words is malformed."""
    with pytest.raises(MalformedResponse, match="transports"):
        parse_registration_response(changed(REGISTRATION, ("response", "transports"), transports))


@pytest.mark.parametrize("results", [[], "x", 1])
def test_extension_results_are_an_object(results: object) -> None:
    """They are dropped, but not of any shape."""
    with pytest.raises(MalformedResponse, match="clientExtensionResults"):
        parse_registration_response(changed(REGISTRATION, ("clientExtensionResults",), results))


@pytest.mark.parametrize(
    "text", ["A", "AA==", "A A", "AA\n", "+A", "/A", "AB", "AAF", "é", "AAAAA", "\ud800"]
)
def test_base64url_has_one_spelling(text: str) -> None:
    """Padding, the other alphabet, white space and stray bits are all refused: one text for one id."""
    with pytest.raises(ValueError, match="base64url"):
        decode_base64url(text)


@given(st.binary(max_size=200))
def test_base64url_round_trip(data: bytes) -> None:
    """What is encoded is decoded, and as long as it was said to be."""
    text = encode_base64url(data)
    assert decode_base64url(text) == data
    assert len(text) == encoded_length(len(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = ["id", "rawId", "type", "authenticatorAttachment", "clientExtensionResults", "clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle", "transports"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.dictionaries(st.sampled_from(NAMES), JSON) | JSON)
def test_no_json_raises_anything_else(outer: dict[str, Any], inner: object) -> None:
    """Whatever JSON arrives, parsing it succeeds or raises MalformedResponse."""
    for parse in (parse_registration_response, parse_authentication_response):
        try:
            parse({**outer, "response": inner})
        except MalformedResponse:
            continue
