"""An application's back end: whom it serves, every request that it refuses, with which code and challenge; and what it costs the issuer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from passkeys.dpop import thumbprint
from passkeys.errors import IssuerUnreachable
from passkeys.issuer_keys import read_local_document
from passkeys.nonces import LIFE_SECONDS, nonce
from passkeys.proofs_seen import ProofsSeen
from passkeys.tokens import Claims, mint
from passkeys.verify import Access, AccessRefused, Verifier
from tests.hosts import ROOT
from tests.passkeys.proofs import proof
from tests.passkeys.tokens import EC, b64, jwk, jwks, token, without
from tests.passkeys.worlds import Clock, world_of

ISSUER, API, URL = (
    "https://passkey.example.com",
    "https://api.example.com",
    "https://api.example.com/orders?page=2",
)
ISSUERS, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
JKT = thumbprint(jwk(EC, None))
KEYS = jwks(jwk(ISSUERS, "own-1", alg="ES256"), jwk(OTHER, "own-2", alg="ES256"))
HEADER = {"alg": "ES256", "kid": "own-1", "typ": "at+jwt"}
NOW = Clock().now
SECONDS = int(NOW.timestamp())
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": API,
    "sub": "ada",
    "client_id": "portal",
    "iat": SECONDS - 10,
    "exp": SECONDS + 290,
    "jti": "t-1",
    "auth_time": SECONDS - 100,
    "acr": "phr",
    "amr": ["swk", "user", "mfa"],
    "sid": "c2Vzc2lvbg",
    "roles": ["operator"],
    "cnf": {"jkt": JKT},
}
_ids = count()


def made(
    claims: Mapping[str, Any] = CLAIMS,
    header: Mapping[str, Any] | None = None,
    *,
    key: Any = ISSUERS,
    **changed: Any,
) -> str:
    """A token of ours, or wrong in what is said."""
    return token({**claims, **changed}, {**HEADER, **(header or {})}, key=key)


def possession(shown: str, **changed: Any) -> str:
    """A new proof for the request, with this token."""
    ath = b64(hashlib.sha256(shown.encode()).digest())
    honest = {
        "htm": "GET",
        "htu": "https://api.example.com/orders",
        "iat": SECONDS,
        "jti": f"p-{next(_ids)}",
        "ath": ath,
    }
    return proof(
        honest | {name: value for name, value in changed.items() if name != "key"}, key=changed.get("key", EC)
    )


@dataclass
class Service:
    """The issuer's keys, as the network would give them; and how often they were asked for."""

    keys: bytes = KEYS
    asked: list[str] = field(default_factory=list)
    away: bool = False

    async def __call__(self, address: str) -> tuple[bytes, str]:
        self.asked.append(address)
        if self.away:
            raise IssuerUnreachable("the test says so")
        await asyncio.sleep(0)
        return self.keys, "public, max-age=3600"


def verifier(service: Service | None = None, clock: Clock | None = None, **given: Any) -> Verifier:
    return Verifier(issuer=ISSUER, audience=API, read=service or Service(), clock=clock or Clock(), **given)


async def verified(by: Verifier, shown: str, *, scheme: str = "DPoP", **changed: Any) -> Access:
    request = {"authorization": f"{scheme} {shown}", "dpop": possession(shown), "method": "GET", "url": URL}
    return await by.verify(**{**request, **changed})


async def refusal(by: Verifier, shown: str, **changed: Any) -> AccessRefused:
    with pytest.raises(AccessRefused) as refused:
        await verified(by, shown, **changed)
    return refused.value


async def test_a_good_request_says_whose_it_is() -> None:
    """The claims, typed and frozen; the scheme has no case; a query of the address is no part of the proof."""
    expected = Access(
        subject="ada",
        client_id="portal",
        session="c2Vzc2lvbg",
        roles=frozenset({"operator"}),
        acr="phr",
        amr=("swk", "user", "mfa"),
        auth_time=NOW - timedelta(seconds=100),
        expires_at=NOW + timedelta(seconds=290),
        jkt=JKT,
    )
    by = verifier()
    assert await verified(by, made()) == expected
    assert await verified(by, made(), scheme="dpop") == expected
    assert (await verified(by, made(without(CLAIMS, "acr", "roles")))).acr is None


async def test_what_the_service_mints_is_accepted() -> None:
    """Of the very function that makes tokens, with the keys that the service publishes."""
    world = world_of()
    claims = Claims(
        "portal", API, "ada", "c2Vzc2lvbg", world.clock(), "phrh", ("hwk", "user", "mfa"), ("operator",), JKT
    )
    minted = await mint(world, claims, seconds=300)
    published = json.dumps({"keys": await world.signing.published()}).encode()
    by = Verifier(
        issuer=world.settings.issuer,
        audience=API,
        read=Service(published),
        clock=world.clock,
        insecure_localhost=True,
    )
    now = int(world.clock().timestamp())
    assert (await verified(by, minted, dpop=possession(minted, iat=now))).acr == "phrh"


SOMEBODYS = ec.generate_private_key(ec.SECP256R1())
GOOD = made()
DPOP = 'DPoP error="{}", algs="ES256 Ed25519"'
INVALID, BAD_PROOF = DPOP.format("invalid_token"), DPOP.format("invalid_dpop_proof")
NO_CREDENTIALS = 'DPoP algs="ES256 Ed25519"'
# name: (token, what else is changed of the request, code, challenge)
ATTACKS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    # no credentials
    "nothing": (GOOD, {"authorization": None}, "credentials_missing", NO_CREDENTIALS),
    "empty": (GOOD, {"authorization": ""}, "credentials_missing", NO_CREDENTIALS),
    "Basic": (GOOD, {"authorization": "Basic YTpi"}, "credentials_missing", NO_CREDENTIALS),
    "the scheme alone": (GOOD, {"authorization": "DPoP "}, "credentials_missing", NO_CREDENTIALS),
    "two credentials": (
        GOOD,
        {"authorization": f"DPoP {GOOD}, Bearer {GOOD}"},
        "credentials_missing",
        NO_CREDENTIALS,
    ),
    "a megabyte": (GOOD, {"authorization": "DPoP " + "x" * 2**20}, "credentials_missing", NO_CREDENTIALS),
    # somebody else's token, or none of ours
    "another issuer's": (made(iss="https://evil.example.com"), {}, "token_issuer_mismatch", INVALID),
    "for another API": (made(aud="https://other.example.com"), {}, "token_audience_mismatch", INVALID),
    "for two APIs": (made(aud=[API, "https://other.example.com"]), {}, "token_audience_mismatch", INVALID),
    "aud a list of one": (made(aud=[API]), {}, "token_audience_mismatch", INVALID),
    "an ID token": (made(header={"typ": "JWT"}), {}, "token_type_refused", INVALID),
    "a DPoP proof": (made(header={"typ": "dpop+jwt"}), {}, "token_type_refused", INVALID),
    "with a nonce": (made(nonce="n"), {}, "token_kind_refused", INVALID),
    "another algorithm": (
        GOOD.replace(GOOD.split(".")[0], b64(json.dumps({**HEADER, "alg": "RS256"}))),
        {},
        "token_algorithm_refused",
        INVALID,
    ),
    "alg none": (
        f"{b64(json.dumps({**HEADER, 'alg': 'none'}))}.{GOOD.split('.')[1]}.x",
        {},
        "token_malformed",
        INVALID,
    ),
    "HS256 by the public key": (
        token(CLAIMS, {**HEADER, "alg": "HS256"}, key=KEYS, algorithm="HS256"),
        {},
        "token_algorithm_refused",
        INVALID,
    ),
    "no kid": (made(header={"kid": None}), {}, "token_key_id_missing", INVALID),
    "an unknown kid": (made(header={"kid": "own-9"}), {}, "token_key_unknown", INVALID),
    "signed by somebody": (made(key=SOMEBODYS), {}, "token_signature_invalid", INVALID),
    "signed by our other key": (made(key=OTHER), {}, "token_signature_invalid", INVALID),
    "changed": (
        GOOD.replace(GOOD.split(".")[1], made(sub="grace").split(".")[1]),
        {},
        "token_signature_invalid",
        INVALID,
    ),
    "expired": (made(exp=SECONDS - 60), {}, "token_expired", INVALID),
    "not yet issued": (made(iat=SECONDS + 61, exp=SECONDS + 300), {}, "token_issued_in_future", INVALID),
    "no subject": (made(without(CLAIMS, "sub")), {}, "token_subject_malformed", INVALID),
    # what ours have
    "no client": (made(without(CLAIMS, "client_id")), {}, "token_claims_malformed", INVALID),
    "no session": (made(without(CLAIMS, "sid")), {}, "token_claims_malformed", INVALID),
    "auth_time a text": (made(auth_time="1"), {}, "token_claims_malformed", INVALID),
    "auth_time true": (made(auth_time=True), {}, "token_claims_malformed", INVALID),
    "auth_time of the year 10 million": (made(auth_time=10**15), {}, "token_claims_malformed", INVALID),
    "no auth_time": (made(without(CLAIMS, "auth_time")), {}, "token_claims_malformed", INVALID),
    "no amr": (made(without(CLAIMS, "amr")), {}, "token_claims_malformed", INVALID),
    "roles a text": (made(roles="operator"), {}, "token_claims_malformed", INVALID),
    "acr a list": (made(acr=["phr"]), {}, "token_claims_malformed", INVALID),
    "acr null": (made(acr=None), {}, "token_claims_malformed", INVALID),
    "bound by a certificate": (made(cnf={"x5t#S256": JKT}), {}, "token_claims_malformed", INVALID),
    "bound twice": (made(cnf={"jkt": JKT, "x5t#S256": JKT}), {}, "token_claims_malformed", INVALID),
    "cnf null": (made(cnf=None), {}, "token_claims_malformed", INVALID),
    # possession
    "bound, as a bearer token": (GOOD, {"authorization": f"Bearer {GOOD}"}, "token_bound", INVALID),
    "bound, as a bearer token, without a proof": (
        GOOD,
        {"authorization": f"Bearer {GOOD}", "dpop": None},
        "token_bound",
        INVALID,
    ),
    "unbound": (made(without(CLAIMS, "cnf")), {}, "token_unbound", INVALID),
    "unbound, as a bearer token": (
        made(without(CLAIMS, "cnf")),
        {"scheme": "Bearer"},
        "token_unbound",
        INVALID,
    ),
    "no proof": (GOOD, {"dpop": None}, "dpop_missing", BAD_PROOF),
    "an empty proof": (GOOD, {"dpop": ""}, "dpop_malformed", BAD_PROOF),
    "two proofs": (GOOD, {"dpop": f"{possession(GOOD)}, {possession(GOOD)}"}, "dpop_malformed", BAD_PROOF),
    "a thief's proof": (GOOD, {"dpop": possession(GOOD, key=SOMEBODYS)}, "dpop_key_mismatch", INVALID),
    "a proof for another token": (
        GOOD,
        {"dpop": possession(made(jti="t-2"))},
        "dpop_token_mismatch",
        BAD_PROOF,
    ),
    "a proof without the token": (
        GOOD,
        {"dpop": possession(GOOD, ath=None)},
        "dpop_token_mismatch",
        BAD_PROOF,
    ),
    "a proof for another method": (GOOD, {"method": "DELETE"}, "dpop_method_mismatch", BAD_PROOF),
    "a proof for another address": (GOOD, {"url": f"{API}/payments"}, "dpop_url_mismatch", BAD_PROOF),
    "a proof for another host": (
        GOOD,
        {"url": "https://evil.example.com/orders"},
        "dpop_url_mismatch",
        BAD_PROOF,
    ),
    "a proof of a minute ago": (
        GOOD,
        {"dpop": possession(GOOD, iat=SECONDS - 60)},
        "dpop_too_old",
        BAD_PROOF,
    ),
    "a proof of a minute to come": (
        GOOD,
        {"dpop": possession(GOOD, iat=SECONDS + 60)},
        "dpop_in_future",
        BAD_PROOF,
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_attacks(name: str) -> None:
    """Each is refused by its own code, and the sender learns the kind alone; nothing of the token is in either."""
    shown, changed, code, challenge = ATTACKS[name]
    refused = await refusal(verifier(), shown, **changed)
    assert (refused.code, refused.status) == (code, 401)
    assert refused.headers == {"WWW-Authenticate": challenge}
    assert shown.split(".")[2] not in f"{refused}{refused.headers}"


async def test_a_proof_is_good_once() -> None:
    """The same again is refused, with any token of its key, until it could not be shown any more anyhow."""
    clock = Clock()
    by = verifier(clock=clock)
    once = possession(GOOD)
    await verified(by, GOOD, dpop=once)
    for later in (0, 15, 15):
        clock.advance(later)
        refused = await refusal(by, GOOD, dpop=once)
        assert (refused.code, refused.headers["WWW-Authenticate"]) == ("dpop_replayed", BAD_PROOF)
    clock.advance(1)
    assert (await refusal(by, GOOD, dpop=once)).code == "dpop_too_old"


async def test_two_keys_may_call_their_proofs_alike() -> None:
    """What one client calls its proof takes nothing from another."""
    by, theirs = verifier(), made(cnf={"jkt": thumbprint(jwk(SOMEBODYS, None))})
    await verified(by, GOOD, dpop=possession(GOOD, jti="1"))
    await verified(by, theirs, dpop=possession(theirs, jti="1", key=SOMEBODYS))


async def test_a_refused_request_uses_no_proof_up() -> None:
    """Only a proof of the right key for a good token is remembered: nobody else can fill the memory, or burn a proof."""
    seen = ProofsSeen()
    by = verifier(seen=seen)
    for shown, changed, _, _ in ATTACKS.values():
        await refusal(by, shown, **changed)
    assert len(seen._until) == 0


async def test_the_memory_of_proofs_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """It holds so many and no more, forgets what could not be shown again, and says when it forgets too early."""
    seen, until = ProofsSeen(limit=3), NOW + timedelta(seconds=30)
    for name in "abc":
        assert await seen.first_time(name, until=until, now=NOW)
    assert not await seen.first_time("a", until=until, now=NOW)
    assert await seen.first_time("d", until=until, now=NOW)
    assert "forgotten_early" in caplog.text
    assert len(seen._until) == 3
    assert await seen.first_time("e", until=until + timedelta(seconds=60), now=until)
    assert list(seen._until) == ["e"]


async def test_a_nonce_says_when_the_proof_was_made() -> None:
    """With nonces, a proof without is told which to take; then no clock of the sender's matters, and once is still once."""
    clock, key = Clock(), secrets.token_bytes(32)
    by = verifier(clock=clock, nonce_key=key)
    refused = await refusal(by, GOOD)
    assert (refused.code, refused.status) == ("dpop_nonce_missing", 401)
    assert refused.headers["WWW-Authenticate"] == DPOP.format("use_dpop_nonce")
    given = refused.headers["DPoP-Nonce"]
    wrong = possession(GOOD, nonce=given, iat=SECONDS - 10_000)
    assert (await verified(by, GOOD, dpop=wrong)).subject == "ada"
    assert (await refusal(by, GOOD, dpop=wrong)).code == "dpop_replayed"
    theirs = await refusal(by, GOOD, dpop=possession(GOOD, nonce=nonce(b"another key" * 3, NOW)))
    assert theirs.code == "dpop_nonce_refused"
    clock.advance(2 * LIFE_SECONDS - 301)  # its token is gone by then; the proof would be good for this long
    longer = made(exp=SECONDS + 10_000)
    again = possession(longer, nonce=given)
    await verified(by, longer, dpop=again)
    for later in (0, 300):  # up to the end of the nonce's second slot
        clock.advance(later)
        assert (await refusal(by, longer, dpop=again)).code == "dpop_replayed"
    clock.advance(1)
    assert (await refusal(by, longer, dpop=again)).code == "dpop_nonce_refused"


async def test_bearer_tokens_where_they_are_allowed() -> None:
    """An unbound token then needs no proof; a bound one still does; and both schemes are offered."""
    by, unbound = verifier(bearer=True), made(without(CLAIMS, "cnf"))
    assert (await verified(by, unbound, scheme="Bearer", dpop=None)).jkt is None
    refused = await refusal(by, GOOD, scheme="Bearer")
    assert refused.code == "token_bound"
    assert refused.headers["WWW-Authenticate"] == f"{INVALID}, Bearer"
    assert (await refusal(by, unbound)).code == "token_unbound"
    expired = await refusal(by, made(without(CLAIMS, "cnf"), exp=SECONDS - 60), scheme="Bearer")
    assert expired.headers["WWW-Authenticate"] == f'{NO_CREDENTIALS}, Bearer error="invalid_token"'
    nothing = await refusal(by, GOOD, authorization=None)
    assert nothing.headers["WWW-Authenticate"] == f"{NO_CREDENTIALS}, Bearer"


async def test_step_up() -> None:
    """A request may want a stronger or a more recent sign-in, and says which (RFC 9470 §3). Hardware is good for both."""
    clock = Clock()
    by = verifier(clock=clock)
    synced, hardware = await verified(by, made()), await verified(by, made(acr="phrh"))
    none = await verified(by, made(without(CLAIMS, "acr")))
    by.require(synced, acr="phr", max_age=100)
    by.require(hardware, acr="phr")
    by.require(none)
    told = DPOP.format("insufficient_user_authentication").partition(", algs")[0]
    for access, wanted, code, named in (
        (synced, {"acr": "phrh"}, "acr_insufficient", 'acr_values="phrh"'),
        (none, {"acr": "phr"}, "acr_insufficient", 'acr_values="phr"'),
        (synced, {"acr": "phishing"}, "acr_insufficient", 'acr_values="phishing"'),
        (synced, {"max_age": 99}, "auth_time_too_old", 'max_age="99"'),
        (synced, {"acr": "phr", "max_age": 0}, "auth_time_too_old", 'acr_values="phr", max_age="0"'),
    ):
        with pytest.raises(AccessRefused) as refused:
            by.require(access, **wanted)
        assert (refused.value.code, refused.value.status) == (code, 401)
        assert refused.value.headers["WWW-Authenticate"] == f'{told}, {named}, algs="ES256 Ed25519"'
    with pytest.raises(AccessRefused):
        by.require(await verified(by, made(auth_time=SECONDS + 61)), max_age=300)
    with pytest.raises(ValueError, match="one word"):
        by.require(synced, acr='phr" error="')


async def test_the_keys_are_read_once() -> None:
    """200 requests at once, and 200 unknown keys after them, make one read each; from where the issuer has its keys."""
    service, clock = Service(), Clock()
    by = verifier(service, clock)
    await asyncio.gather(*(verified(by, GOOD) for _ in range(200)))
    assert service.asked == [f"{ISSUER}/.well-known/jwks.json"]
    clock.advance(30)
    await asyncio.gather(
        *(refusal(by, made(header={"kid": f"k-{n}"}, exp=SECONDS + 999)) for n in range(200))
    )
    assert len(service.asked) == 2


async def test_without_keys_nobody_is_told_that_a_token_is_bad() -> None:
    """An issuer that cannot be reached is 503, and no challenge: signing in again would not help."""
    refused = await refusal(verifier(Service(away=True)), GOOD)
    assert (refused.code, refused.status) == ("issuer_unreachable", 503)
    assert "WWW-Authenticate" not in refused.headers
    assert refused.headers["Retry-After"]


@pytest.mark.parametrize(
    "issuer",
    [
        "http://passkey.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "https://passkey.example.com/",
        "https://passkey.example.com/tenant",
        "https://ada@passkey.example.com",
        "https://",
        "ftp://localhost",
        "passkey.example.com",
    ],
)
def test_the_issuer_is_an_https_origin(issuer: str) -> None:
    """Whatever else is said: no http but on this machine, and there too only where it is said."""
    with pytest.raises(ValueError, match="origin|https"):
        Verifier(issuer=issuer, audience=API, insecure_localhost=True)
    with pytest.raises(ValueError, match="insecure_localhost"):
        Verifier(issuer="http://localhost:7071", audience=API)


async def test_keys_without_tls_come_from_this_machine_alone() -> None:
    """The local profile's are read over http from localhost; from anywhere else nothing is asked."""

    async def give(_: web.Request) -> web.Response:
        return web.Response(body=KEYS, headers={"Cache-Control": "max-age=60"})

    app = web.Application()
    app.router.add_get("/.well-known/jwks.json", give)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        issuer = f"http://127.0.0.1:{port}"
        by = Verifier(issuer=issuer, audience=API, insecure_localhost=True, clock=Clock())
        assert (await verified(by, made(iss=issuer))).subject == "ada"
    finally:
        await runner.cleanup()
    for elsewhere in (
        "http://example.com/keys",
        "http://localhost.example.com/keys",
        "http://localhost@example.com/keys",
    ):
        with pytest.raises(IssuerUnreachable, match="not an address"):
            await read_local_document(elsewhere)


def test_it_takes_nothing_of_the_service_along() -> None:
    """Importing it imports no Azure, no store, no settings, and no world: a back end of anybody's can."""
    program = "import sys, passkeys.verify; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    for stranger in (
        "azure",
        "sqlite3",
        "passkeys.store",
        "passkeys.embedded",
        "passkeys.world",
        "passkeys.settings",
    ):
        assert not {name for name in loaded if re.match(rf"{re.escape(stranger)}(\.|$)", name)}, stranger


def test_the_time_is_the_systems_unless_it_is_told() -> None:
    """The default clock is aware, and now."""
    by = Verifier(issuer=ISSUER, audience=API)
    assert abs(by._clock() - datetime.now(UTC)) < timedelta(seconds=5)
