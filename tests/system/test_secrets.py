"""Nothing secret at rest: run every flow, then search every byte of the state and the logs."""

from __future__ import annotations

import base64
import secrets
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from demo import authenticator, ceremonies
from demo.authenticator import Lie, Passkey
from demo.ceremonies import Answer, call
from tests import homes
from tests.faults.evidence import wait_until_settled
from tests.faults.tickets import issue_tickets
from tests.hosts import MASTER_KEY, RunningHost, running_host
from tests.identity_provider import IdentityProvider, identity_provider
from tests.visits import add, enrol, sign_in

KEYS = {
    "function key": secrets.token_urlsafe(32),
    "system key": secrets.token_urlsafe(32),
}
ENV = {
    "LOCAL_HOST_FUNCTION_KEY": KEYS["function key"],
    "LOCAL_HOST_SYSTEM_KEY": KEYS["system key"],
    "PASSKEYS_CEREMONY_SECONDS": "4",
    "PASSKEYS_LIMIT_NETWORK": "50/600",
    "PASSKEYS_LIMIT_PERSON": "50/600",
    "PASSKEYS_AUDIT_FLUSH_SCHEDULE": "* * * * * *",
}


def spellings(secret: bytes) -> set[bytes]:
    """The ways in which bytes are commonly written down, base64 inside other base64 included."""
    found = {
        secret,
        secret.hex().encode(),
        secret.hex().upper().encode(),
        secret.decode("latin-1").encode("utf-16-le"),
    }
    found.add(urllib.parse.quote_from_bytes(secret).encode())
    for shift in range(3):
        # In a longer text the secret may begin at any of three places; what its neighbours decide is cut off.
        text = base64.b64encode(b"\0" * shift + secret)
        certain = text[-(-shift * 8 // 6) : (shift + len(secret)) * 8 // 6]
        found |= {certain, certain.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def findings(root: Path, wanted: Mapping[str, bytes]) -> list[str]:
    """Each secret that any file below `root` holds, in any spelling."""
    files = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    return [
        f"{name} in {path.relative_to(root)}"
        for name, secret in wanted.items()
        for spelling in spellings(secret)
        for path, data in files.items()
        if spelling in data
    ]


def private_parts(passkey: Passkey) -> Iterator[bytes]:
    """The private key as its number and as its file form."""
    assert isinstance(passkey.private_key, ec.EllipticCurvePrivateKey)
    yield passkey.private_key.private_numbers().private_value.to_bytes(32, "big")
    yield passkey.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def every_flow(host: RunningHost, provider: IdentityProvider) -> dict[str, bytes]:
    """Run everything that takes a secret, wrongly used ones too; the secrets by name."""
    used: dict[str, bytes] = {name: key.encode() for name, key in KEYS.items()}
    tickets = issue_tickets(host.state, *["ada"] * 4)
    used |= {f"ticket {n}": ticket.encode() for n, ticket in enumerate(tickets)}
    used |= {f"ticket {n}, decoded": authenticator.from_base64url(ticket) for n, ticket in enumerate(tickets)}

    passkey, _ = ceremonies.register(host.url, tickets[0], algorithm=-7)
    _, refused = ceremonies.register(host.url, tickets[1], lie=Lie(origin="http://localhost:1"))
    assert refused.outcome == "rejected"
    used |= {f"private key {n}": part for n, part in enumerate(private_parts(passkey))}
    assert ceremonies.sign_in(host.url, passkey).outcome == "completed"
    assert ceremonies.sign_in(host.url, passkey, lie=Lie(broken_signature=True)).outcome == "rejected"

    # A password in the field for the name, and again in capitals.
    used["password"] = secrets.token_hex(16).encode()
    for typed in (used["password"].decode(), used["password"].decode().upper()):
        assert ceremonies.start(host.url, "authentication", {"username": typed}).status == 202

    # Secrets that a client sends along: extension results (PRF output is key material), and in the wrong places.
    used["prf output"] = secrets.token_bytes(32)
    started = ceremonies.start(host.url, "authentication", {})
    response = authenticator.get(passkey, started.body["publicKey"], origin=host.url)
    first = authenticator.to_base64url(used["prf output"])
    response["clientExtensionResults"] = {"prf": {"enabled": True, "results": {"first": first}}}
    assert ceremonies.finished(host.url, ceremonies.respond(host.url, started.body["id"], response)).outcome
    ceremonies.start(host.url, "registration", {"ticket": tickets[2], "unknown": tickets[2]})
    ceremonies.start(host.url, "registration", {"ticket": tickets[3] + " "})
    call(host.url, "POST", "/registrations", f'{{"ticket": "{tickets[3]}", '.encode())
    call(host.url, "GET", f"/?ticket={tickets[3]}")
    call(host.url, "POST", f"/registrations?ticket={tickets[3]}", {})
    call(host.url, "GET", "/healthz", headers={"Authorization": f"Bearer {tickets[3]}"})

    used |= verifiers_in_use(host, passkey)
    used |= tokens_in_use(host, provider)
    for key in KEYS.values():
        call(host.url, "GET", "/operations/ceremonies", headers={"x-functions-key": key})
        call(host.url, "GET", f"/operations/ceremonies?code={key}")
        call(host.url, "GET", f"/runtime/webhooks/durabletask/instances?code={key}")
        call(host.url, "GET", f"/runtime/webhooks/nothing/here?code={key}")
    ceremonies.cancel(host.url, ceremonies.start(host.url, "authentication", {}).body["id"])
    while ceremonies.start(host.url, "authentication", {}).status != 429:
        pass
    return used


def tokens_in_use(host: RunningHost, provider: IdentityProvider) -> dict[str, bytes]:
    """Access tokens used well, again, by two ceremonies, wrongly, and in the wrong places; each whole and in its parts."""

    def come(made: str, issuer: str = "partner", status: int = 202) -> Answer:
        headers = {"Authorization": f"Bearer {made}"}
        answer = call(host.url, "POST", "/registrations", {"issuer": issuer}, headers=headers)
        assert answer.status == status, answer
        return answer

    good, weak, entra = provider.oidc(), provider.oidc(scope="openid"), provider.entra()
    foreign, unknown, wrong = provider.oidc(aud="x"), provider.oidc(sub="eve"), provider.oidc(kid="unknown")
    for made, issuer in ((good, "partner"), (entra, "company")):
        first, second = come(made, issuer), come(made, issuer)
        for started, outcome in ((first, "completed"), (second, "refused")):
            _, response = authenticator.create(ceremonies.options_of(host.url, started), origin=host.url)
            answer = ceremonies.respond(host.url, started.body["id"], response)
            assert ceremonies.finished(host.url, answer).outcome == outcome
        come(made, issuer, 401)
    for made, status in ((weak, 403), (foreign, 401), (unknown, 403), (wrong, 401), (good + "x", 401)):
        come(made, status=status)
    come(good, "company", 401)
    stray = provider.oidc()
    call(host.url, "GET", "/credentials", headers={"Authorization": f"Bearer {stray}"})
    call(host.url, "GET", f"/?access_token={stray}")
    call(host.url, "POST", "/registrations", {"issuer": stray}, headers={"Authorization": f"Bearer {stray}"})
    call(host.url, "POST", "/registrations", {"ticket": stray[:256], "access_token": stray})
    call(host.url, "POST", "/registrations", {}, headers={"Authorization": f"Bearer {stray}, Bearer {stray}"})
    call(host.url, "POST", "/registrations", {}, headers={"Authorization": f"DPoP {stray}"})
    made = {
        "good": good,
        "entra": entra,
        "weak": weak,
        "foreign": foreign,
        "unknown": unknown,
        "wrong": wrong,
        "stray": stray,
    }
    return {
        f"token {name}, {part}": value
        for name, text in made.items()
        for part, value in (
            ("whole", text.encode()),
            ("claims", text.split(".")[1].encode()),
            ("claims, decoded", authenticator.from_base64url(text.split(".")[1])),
            ("signature", text.split(".")[2].encode()),
            ("signature, decoded", authenticator.from_base64url(text.split(".")[2])),
        )
    }


def verifiers_in_use(host: RunningHost, passkey: Passkey) -> dict[str, bytes]:
    """Proof keys shown where they belong, where they do not, and for ceremonies that are not theirs."""
    by_grace, by_ada = enrol(host.url, issue_tickets(host.state, "grace")[0])[1], sign_in(host.url, passkey)
    rejected = sign_in(host.url, passkey, lie=Lie(broken_signature=True))
    second, added = add(by_ada)
    assert added.answer.outcome == "completed"
    assert by_ada.ask("PATCH", f"/credentials/{second.id}", {"name": "second"}).status == 200
    assert by_ada.ask("DELETE", f"/credentials/{second.id}").status == 200
    assert rejected.ask("GET", f"/ceremonies/{rejected.ceremony_id}/signals").status == 200
    for path in (
        f"/operations/credentials/{passkey.id}/disable",
        f"/operations/credentials/{passkey.id}/enable",
    ):
        headers = {**by_grace.header, "x-functions-key": KEYS["function key"]}
        assert call(host.url, "POST", path, {"reason": "a test"}, headers=headers).status == 200

    verifier = by_ada.verifier
    crossed = {"Authorization": f"Ceremony {rejected.ceremony_id}:{verifier}"}
    assert call(host.url, "GET", "/credentials", headers=crossed).status == 401
    call(host.url, "GET", "/credentials", headers={"Authorization": f"Bearer {verifier}"})
    call(host.url, "GET", f"/credentials?code_verifier={verifier}")
    call(host.url, "DELETE", f"/credentials/{verifier}", headers=by_ada.header)
    by_ada.ask("POST", "/registrations", {"code_verifier": verifier, "ticket": verifier})
    ceremonies.start(host.url, "authentication", {"code_verifier": verifier, "code_challenge": verifier})
    ceremonies.start(host.url, "authentication", {"code_verifier": verifier})
    by_ada.ask("PATCH", f"/credentials/{passkey.id}", {"name": "x", "code_verifier": verifier})
    visits = {"added": added, "by Ada": by_ada, "by Grace": by_grace, "rejected": rejected}
    return {f"verifier {name}": visit.verifier.encode() for name, visit in visits.items()}


def in_account(used: dict[str, bytes]) -> list[str]:
    """The same of the storage account, if that is the home."""
    return findings(homes.account()[1], used) if homes.IN_AZURITE else []


def test_no_secret_is_at_rest(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tickets, keys, private keys, extension results, proof keys' verifiers, access tokens: in no byte of the state or the logs, while it runs and after."""
    with (
        identity_provider(tmp_path_factory.mktemp("provider")) as provider,
        running_host(
            state=tmp_path / "state", env={**ENV, **provider.settings(tmp_path_factory.mktemp("settings"))}
        ) as host,
    ):
        used = every_flow(host, provider)
        wait_until_settled(host.url, host.state, seconds=15)
        assert findings(tmp_path, used) + in_account(used) == []
        assert host.stop() == 0
    assert findings(tmp_path, used) + in_account(used) == []
    # The search looked where everything is: the tickets' digests, the public ids and the log lines are there.
    searched = {path.suffix for path in tmp_path.rglob("*") if path.stat().st_size}
    assert ".log" in searched
    assert {".sqlite", ".jsonl"} <= searched or in_account({"an entry": b'"ceremony_id"'})
    assert findings(tmp_path, {"master key (this test's own use of the API)": MASTER_KEY.encode()}) == []


@pytest.mark.parametrize(
    "written",
    [
        lambda secret: secret,
        lambda secret: secret.hex().encode(),
        base64.b64encode,
        lambda secret: base64.urlsafe_b64encode(b"ab" + secret + b"c"),
        lambda secret: base64.b64encode(b"a" + secret),
        lambda secret: secret.decode("latin-1").encode("utf-16-le"),
    ],
)
def test_the_search_finds_what_is_there(tmp_path: Path, written) -> None:
    """A planted secret is found in each spelling, so that finding none means something."""
    secret = secrets.token_bytes(32)
    (tmp_path / "file").write_bytes(b"before" + written(secret) + b"after")
    assert findings(tmp_path, {"it": secret}) != []
    assert findings(tmp_path, {"another": secrets.token_bytes(32)}) == []
