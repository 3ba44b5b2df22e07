"""The edge of OAuth: forms, clients, proofs and origins; whatever is wrong is 4xx with a code that clients know."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.functions import HttpRequest, HttpResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passkeys import once
from passkeys.applications import Application
from passkeys.dpop import thumbprint
from passkeys.errors import StoreUnavailable
from passkeys.world import World
from starters.oauth import (
    OAuthError,
    answered,
    client_of,
    form_of,
    oauth_response,
)
from starters.possession import next_nonce, possession_of, take
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.proofs import proof
from tests.passkeys.tokens import EC, ED, jwk
from tests.starters.applications import (
    APPLICATIONS,
    ISSUER,
    ORIGIN,
    assertion,
    dpop,
    error_of,
    post,
    with_applications,
)
from tests.starters.fakes import request


@pytest.fixture
def shops(world: World) -> World:
    return with_applications(world)


async def refused(call: Awaitable[Any]) -> tuple[str, int]:
    with pytest.raises(OAuthError) as error:
        await call
    return error.value.code, error.value.status


def test_a_form_is_read() -> None:
    """As urlencoded says; a parameter without a value is none (RFC 6749 §3.2)."""
    body = b"grant_type=refresh_token&name=J%C3%B6rg+L&empty=&also&t=a%2Bb.c~d-e_f&"
    found = form_of(post("/token", body))
    assert found == {"grant_type": "refresh_token", "name": "Jörg L", "t": "a+b.c~d-e_f"}
    typed = {"content-type": 'application/x-www-form-urlencoded; charset="UTF-8"'}
    assert form_of(post("/token", b"a=b", typed)) == {"a": "b"}


BAD_FORMS: dict[str, Any] = {
    "twice the same": post("/token", b"a=1&a=1"),
    "twice, once without a value": post("/token", b"a=1&a="),
    "JSON": post("/token", b'{"a":1}', {"content-type": "application/json"}),
    "no type": post("/token", b"a=1", {"content-type": ""}),
    "multipart": post("/token", b"a=1", {"content-type": "multipart/form-data; boundary=x"}),
    "another charset": post(
        "/token", b"a=1", {"content-type": "application/x-www-form-urlencoded; charset=latin1"}
    ),
    "compressed": post("/token", b"a=1", {"content-encoding": "gzip"}),
    "too large": post("/token", b"a=" + b"x" * 65_535),
    "too many": post("/token", "&".join(f"a{n}=1" for n in range(33)).encode()),
    "no name": post("/token", b"=1"),
    "an escape cut off": post("/token", b"a=%2"),
    "no UTF-8": post("/token", b"a=%ff"),
    "bytes of Latin-1": post("/token", b"a=\xe9"),
    "a line end": post("/token", b"a=%0a"),
    "a zero": post("/token", b"a=%00"),
    "half a pair": post("/token", b"a=%ed%a0%80"),
    "a blank": post("/token", b"a=b c"),
    "in the address": post("/token?client_id=shop", b"a=1"),
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_what_is_no_form_is_refused(name: str) -> None:
    """By the one code, and never otherwise."""
    with pytest.raises(OAuthError) as error:
        form_of(BAD_FORMS[name])
    assert error.value.code == "invalid_request"
    assert error.value.status in (400, 413)


@given(body=st.binary(max_size=60) | st.from_regex(rb"[a-z=&%0-9+]{0,40}"))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    """A form or an OAuthError."""
    try:
        assert all(form_of(post("/token", body)).values())
    except OAuthError as error:
        assert error.code == "invalid_request"


async def test_a_public_client_is_known_by_its_id(shops: World) -> None:
    """And a back end by its assertion, with or without its id beside it."""
    asked = {"client_id": "shop"}
    assert await client_of(shops, post("/token", asked), asked) is APPLICATIONS["shop"]
    for beside in ({}, {"client_id": "shop-api"}):
        form = {**beside, **assertion(shops, "shop-api")}
        assert await client_of(shops, post("/token", form), form) is APPLICATIONS["shop-api"]
    form = assertion(shops, "shop-api", aud=f"{ISSUER}/token")
    assert await client_of(shops, post("/token", form), form) is APPLICATIONS["shop-api"]


Clients = Callable[[World], tuple[dict[str, str], dict[str, str]]]
BAD_CLIENTS: dict[str, tuple[Clients, tuple[str, int]]] = {
    "none": (lambda w: ({}, {}), ("invalid_request", 400)),
    "unknown": (lambda w: ({"client_id": "evil"}, {}), ("invalid_client", 401)),
    "a back end without its assertion": (lambda w: ({"client_id": "shop-api"}, {}), ("invalid_client", 401)),
    "a secret": (lambda w: ({"client_id": "shop", "client_secret": "x"}, {}), ("invalid_client", 401)),
    "basic": (lambda w: ({"client_id": "shop"}, {"authorization": "Basic c2hvcDp4"}), ("invalid_client", 401)),
    "bearer": (lambda w: ({"client_id": "shop"}, {"authorization": "Bearer x"}), ("invalid_client", 401)),
    "an assertion of no type": (lambda w: ({"client_assertion": "x"}, {}), ("invalid_request", 400)),
    "a type of no assertion": (lambda w: ({"client_id": "shop", "client_assertion_type": "x"}, {}), ("invalid_request", 400)),
    "SAML": (lambda w: ({**assertion(w, "shop-api"), "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, {}), ("invalid_request", 400)),
    "no token": (lambda w: ({**assertion(w, "shop-api"), "client_assertion": "x"}, {}), ("invalid_client", 401)),
    "another's key": (lambda w: (assertion(w, "shop-api", key=EC), {}), ("invalid_client", 401)),
    "for another server": (lambda w: (assertion(w, "shop-api", aud="https://other.example.com"), {}), ("invalid_client", 401)),
    "for this very endpoint": (lambda w: (assertion(w, "shop-api", aud=f"{ISSUER}/revoke"), {}), ("invalid_client", 401)),
    "of nobody": (lambda w: (assertion(w, "evil"), {}), ("invalid_client", 401)),
    "of a public client": (lambda w: (assertion(w, "shop"), {}), ("invalid_client", 401)),
    "of another client than it says": (lambda w: ({**assertion(w, "shop-api"), "client_id": "batch"}, {}), ("invalid_client", 401)),
    "of a client's, named another": (lambda w: (assertion(w, "shop-api", iss="batch"), {}), ("invalid_client", 401)),
    "a script of another's": (lambda w: ({"client_id": "shop"}, {"origin": "https://ledger.example.com"}), ("unauthorized_client", 400)),
    "a script of nobody's": (lambda w: ({"client_id": "shop"}, {"origin": "https://evil.example"}), ("unauthorized_client", 400)),
    "a script in a sandbox": (lambda w: ({"client_id": "shop"}, {"origin": "null"}), ("unauthorized_client", 400)),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CLIENTS)
async def test_who_is_not_the_client_is_refused(shops: World, name: str) -> None:
    """With the code that clients know; a 401 says how to prove who one is."""
    made, expected = BAD_CLIENTS[name]
    form, headers = made(shops)
    assert await refused(client_of(shops, post("/token", form, headers), form)) == expected


async def test_an_assertion_is_taken_once(shops: World) -> None:
    """The same again is refused, and by the other client that has the same key too: it is not theirs."""
    form = assertion(shops, "shop-api")
    assert await client_of(shops, post("/token", form), form)
    assert await refused(client_of(shops, post("/token", form), form)) == ("invalid_client", 401)
    same = assertion(shops, "batch", jti="x"), assertion(shops, "shop-api", jti="x")
    for form in same:
        assert await client_of(shops, post("/token", form), form)


async def proof_of_possession(world: World, asked: HttpRequest, application: Application) -> str | None:
    """The thumbprint of the key that a proof is by, taken."""
    found = await possession_of(world, asked, application)
    await take(world, found)
    return None if found is None else found.jkt


async def test_a_proof_gives_the_keys_thumbprint_once(shops: World) -> None:
    """Shown again it is refused; a new one is not."""
    for key in (EC, ED):
        headers = await dpop(shops, "/token", key=key)
        asked = post("/token", {}, headers)
        assert await proof_of_possession(shops, asked, APPLICATIONS["shop"]) == thumbprint(jwk(key, None))
        assert await refused(proof_of_possession(shops, asked, APPLICATIONS["shop"])) == (
            "invalid_dpop_proof",
            400,
        )
    again = post("/token", {}, await dpop(shops, "/token"))
    assert await proof_of_possession(shops, again, APPLICATIONS["shop"])


async def test_no_proof_is_needed_where_the_application_says_so(shops: World) -> None:
    """But one that is sent counts."""
    back_end = APPLICATIONS["shop-api"]
    assert await proof_of_possession(shops, post("/token", {}), back_end) is None
    assert await proof_of_possession(shops, post("/token", {}, await dpop(shops, "/token")), back_end)
    assert await refused(proof_of_possession(shops, post("/token", {}), APPLICATIONS["shop"])) == (
        "invalid_dpop_proof",
        400,
    )
    assert await refused(proof_of_possession(shops, post("/token", {}, {"dpop": ""}), back_end)) == (
        "invalid_dpop_proof",
        400,
    )


async def test_without_our_nonce_a_client_is_given_one(shops: World) -> None:
    """None, one of another's, or one of an hour ago: use_dpop_nonce and the header; with that one it is good."""
    later = replace(shops, clock=lambda: shops.clock() + timedelta(hours=1))
    for headers in (
        await dpop(shops, "/token", nonce=None),
        await dpop(shops, "/token", nonce="theirs"),
        await dpop(later, "/token"),
    ):
        with pytest.raises(OAuthError) as error:
            await proof_of_possession(shops, post("/token", {}, headers), APPLICATIONS["shop"])
        assert error.value.code == "use_dpop_nonce"
        given = error.value.headers["DPoP-Nonce"]
        assert {"DPoP-Nonce": given} == await next_nonce(shops)
        good = post("/token", {}, await dpop(shops, "/token", nonce=given))
        assert await proof_of_possession(shops, good, APPLICATIONS["shop"])


async def test_a_proof_is_remembered_by_its_nonce_and_not_by_its_senders_clock(shops: World) -> None:
    """Else one that claims to be of last year would be forgotten at once, while its nonce is still good."""
    asked = post("/token", {}, await dpop(shops, "/token", iat=1))
    assert await proof_of_possession(shops, asked, APPLICATIONS["shop"])
    await once.sweep(shops.store, now=shops.clock())
    assert await refused(proof_of_possession(shops, asked, APPLICATIONS["shop"])) == (
        "invalid_dpop_proof",
        400,
    )


async def test_without_nonces_the_proofs_own_time_counts(shops: World) -> None:
    """By setting: 30 seconds, once, and no nonce is given out."""
    plain = replace(shops, settings=replace(shops.settings, dpop_nonces=False))
    asked = post("/token", {}, await dpop(plain, "/token", nonce=None))
    assert await proof_of_possession(plain, asked, APPLICATIONS["shop"])
    assert await refused(proof_of_possession(plain, asked, APPLICATIONS["shop"])) == (
        "invalid_dpop_proof",
        400,
    )
    old = post("/token", {}, await dpop(plain, "/token", iat=int(plain.clock().timestamp()) - 31))
    assert await refused(proof_of_possession(plain, old, APPLICATIONS["shop"])) == ("invalid_dpop_proof", 400)
    assert await next_nonce(plain) == {}


BAD_PROOFS: dict[str, dict[str, Any]] = {
    "for another endpoint": {"htu": f"{ISSUER}/revoke"},
    "for another server": {"htu": "https://evil.example/token"},
    "for GET": {"htm": "GET"},
    "no jti": {"jti": None},
    "no iat": {"iat": None},
}


@pytest.mark.parametrize("name", BAD_PROOFS)
async def test_a_bad_proof_is_refused_by_the_one_code(shops: World, name: str) -> None:
    """Which of the obligations it was is for the log alone."""
    asked = post("/token", {}, await dpop(shops, "/token", **BAD_PROOFS[name]))
    assert await refused(proof_of_possession(shops, asked, APPLICATIONS["shop"])) == (
        "invalid_dpop_proof",
        400,
    )


async def test_a_proof_is_for_the_address_that_the_client_sees(world: World) -> None:
    """At whichever origin of ours the request came in, behind a proxy or not; of no other origin, whatever headers say."""
    both = replace(
        world.settings,
        issuer="https://a.example.com",
        origins=("https://a.example.com", "https://b.example.com"),
    )
    shops = replace(with_applications(world), settings=both)
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-host": "b.example.com"}
    evil = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example"}
    for origin, headers, good in (
        ("https://a.example.com", {}, True),
        ("https://b.example.com", forwarded, True),
        ("https://b.example.com", {}, False),
        ("https://evil.example", evil, False),
        ("https://a.example.com", evil, True),
    ):
        asked = post("/token", {}, {**headers, **await dpop(shops, "/token", htu=f"{origin}/token")})
        call = proof_of_possession(shops, asked, APPLICATIONS["shop"])
        if good:
            assert await call
        else:
            assert await refused(call) == ("invalid_dpop_proof", 400)


async def done() -> HttpResponse:
    return oauth_response({"ok": True})


async def test_scripts_of_an_application_may_read_the_answer(shops: World) -> None:
    """Its own origins, by name, errors included; nobody else's; who is no browser is not asked."""
    for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example", None), ("null", None), (None, None)):
        headers = {} if origin is None else {"origin": origin}
        for response in (
            await answered(shops, post("/token", {}, headers), {"POST": done}),
            await answered(shops, request("GET", "/token", headers=headers), {"POST": done}),
        ):
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
            assert response.headers["Vary"] == "Origin"
            assert response.headers["Cache-Control"] == "no-store"
            assert "Access-Control-Allow-Credentials" not in response.headers


async def test_a_preflight_is_answered(shops: World) -> None:
    """With what an application's script may send; another's learns nothing of it."""
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "dpop,content-type"}
    response = await answered(
        shops, request("OPTIONS", "/token", headers={"origin": ORIGIN, **asked}), {"POST": done}
    )
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    assert response.headers["Access-Control-Allow-Headers"] == "content-type, dpop"
    other = await answered(
        shops,
        request("OPTIONS", "/token", headers={"origin": "https://evil.example", **asked}),
        {"POST": done},
    )
    assert other.status_code == 204
    assert not [name for name in other.headers.keys() if name.lower().startswith("access-control")]


async def test_what_cannot_be_reached_is_503_and_a_wrong_method_405(shops: World) -> None:
    """As JSON that clients of OAuth can read."""

    async def away() -> HttpResponse:
        raise StoreUnavailable("sessions/x", "the test says so")

    async def no_keys() -> HttpResponse:
        return oauth_response(await next_nonce(replace(shops, keys=MemoryKeys(away=True))))

    for handler in (away, no_keys):
        response = await answered(shops, post("/token", {}), {"POST": handler})
        assert (response.status_code, error_of(response)) == (503, "temporarily_unavailable")
        assert response.headers["Retry-After"] == "1"
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        response = await answered(shops, request(method, "/token"), {"POST": done})
        assert (response.status_code, error_of(response), response.headers["Allow"]) == (
            405,
            "invalid_request",
            "OPTIONS, POST",
        )


async def test_neither_log_nor_answer_nor_store_has_a_proof_or_an_assertion(
    shops: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Good or refused: no byte of either is anywhere but in the request."""
    caplog.set_level(logging.DEBUG)
    form, headers = assertion(shops, "shop-api"), await dpop(shops, "/token")
    bad_form, bad_headers = assertion(shops, "shop-api", key=EC), await dpop(shops, "/token", htm="GET")
    answers = ""
    for sent, by in ((form, headers), (form, headers), (bad_form, bad_headers)):
        asked = post("/token", sent, by)
        for call in (
            client_of(shops, asked, form_of(asked)),
            proof_of_possession(shops, asked, APPLICATIONS["shop"]),
        ):
            try:
                await call
            except OAuthError as error:
                answers += error.response().get_body().decode() + json.dumps(dict(error.response().headers))
    names = [name async for name in shops.store.list("")]
    documents = [await shops.store.get(name) for name in names]
    kept = (
        caplog.text + answers + "".join(names) + "".join(found.data.decode() for found in documents if found)
    )
    assert "proofs/" in kept
    for secret in (
        form["client_assertion"],
        headers["dpop"],
        bad_form["client_assertion"],
        bad_headers["dpop"],
    ):
        for part in secret.split("."):
            assert part not in kept


@given(
    value=st.text(max_size=40),
    name=st.sampled_from(["dpop", "origin", "authorization", "x-forwarded-host", "x-forwarded-proto"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_header_raises_anything_else(shops: World, name: str, value: str) -> None:
    """Whatever the headers hold: an answer or an OAuthError."""
    asked = post("/token", {"client_id": "shop"}, {"dpop": proof(), name: value})
    for call in (
        client_of(shops, asked, form_of(asked)),
        proof_of_possession(shops, asked, APPLICATIONS["shop"]),
    ):
        assert (await refused_or_good(call)) is None


async def refused_or_good(call: Awaitable[Any]) -> None:
    try:
        await call
    except OAuthError as error:
        assert 400 <= error.status < 500
