"""Extensions: asked for by setting, checked in shape, and never a secret past parsing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passkeys.errors import MalformedResponse, Rejection
from passkeys.extensions import (
    EXTENSIONS,
    authentication_facts,
    authenticator_outputs,
    creation_inputs,
    parse_client_outputs,
    prf_salt,
    registration_facts,
    request_inputs,
)
from passkeys.response import decode_base64url

Json = dict[str, Any]
PRF_VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "webauthn-l3.json").read_text())[
    "extension_vectors"
]["prf_web_api"]["cases"]
SECRET = "xBcumC6Ql8OabAy3IMs3W5Lj_K0VSmPkOpPxCWseGXM"
ALL = creation_inputs(EXTENSIONS, protection_required=False)
ENFORCED = creation_inputs(["credProtect"], protection_required=True)


def test_what_is_not_named_is_not_asked_for() -> None:
    """Each extension has its own inputs, and no others come with it."""
    assert creation_inputs([], protection_required=True) == {}
    assert request_inputs([], rp_id="example.org") == {}
    assert creation_inputs(["credProps", "minPinLength"], protection_required=False) == {
        "credProps": True,
        "minPinLength": True,
    }
    assert ENFORCED == {
        "credentialProtectionPolicy": "userVerificationRequired",
        "enforceCredentialProtectionPolicy": True,
    }
    assert creation_inputs(["largeBlob", "prf"], protection_required=False) == {
        "largeBlob": {"support": "preferred"},
        "prf": {},
    }
    assert set(request_inputs(EXTENSIONS, rp_id="example.org")) == {"prf", "largeBlob"}


def test_a_blob_is_only_ever_read() -> None:
    """Nothing here writes to a person's authenticator."""
    assert request_inputs(["largeBlob"], rp_id="example.org") == {"largeBlob": {"read": True}}


def test_the_salt_of_the_prf_never_changes() -> None:
    """Every key made with it would change with it; another RP has another."""
    salt = decode_base64url(request_inputs(["prf"], rp_id="example.org")["prf"]["eval"]["first"])
    assert salt == prf_salt("example.org") != prf_salt("example.com")
    assert salt.hex() == "8f9522a79a57a972da271ac481c6d6233c8bf8698135cafd0d6bcdbdd9b1fe06"


def filled(output: object) -> Any:
    return json.loads(json.dumps(output).replace("<32 bytes>", SECRET))


@pytest.mark.parametrize(
    "output", [filled(output) for case in PRF_VECTORS for output in case["allowed_outputs"]], ids=json.dumps
)
def test_prf_vectors(output: Json) -> None:
    """WebAuthn L3 test vectors, prf: every allowed output is taken, and no result of it gets through."""
    kept = parse_client_outputs(output)
    assert set(kept["prf"]) == set(output["prf"])
    assert kept["prf"].get("enabled") == output["prf"].get("enabled")
    assert "results" not in kept["prf"] or kept["prf"]["results"] == {}
    assert SECRET not in json.dumps(kept)
    assert parse_client_outputs(kept) == kept


SECRETS = st.text(st.sampled_from("ABCDEFabcdef0123456789-_"), min_size=24, max_size=43)


@given(SECRETS, SECRETS, SECRETS)
def test_no_secret_gets_past_parsing(first: str, second: str, blob: str) -> None:
    """Neither as a PRF result, nor as a blob, nor in a member that nobody knows."""
    kept = json.dumps(
        parse_client_outputs(
            {
                "prf": {"enabled": True, "results": {"first": first, "second": second}, "other": first},
                "largeBlob": {"blob": blob, "written": True, "other": second},
                "credProps": {"rk": True, "other": {"deep": first}},
                "hmacGetSecret": {"output1": first},
            }
        )
    )
    assert not any(secret in kept for secret in (first, second, blob))
    assert json.loads(kept) == {
        "credProps": {"rk": True},
        "prf": {"enabled": True, "results": {}},
        "largeBlob": {"written": True, "blob": ""},
    }


@pytest.mark.parametrize(
    "output",
    [
        {"credProps": True},
        {"credProps": {"rk": "yes"}},
        {"prf": []},
        {"prf": {"enabled": 1}},
        {"prf": {"results": SECRET}},
        {"prf": {"results": {"first": [1, 2]}}},
        {"prf": {"results": {"first": "not base64url!"}}},
        {"largeBlob": {"supported": "preferred"}},
        {"largeBlob": {"blob": {"0": 1}}},
    ],
    ids=json.dumps,
)
def test_outputs_of_another_shape_are_malformed(output: Json) -> None:
    """A client that sends them is told so, without a word of what it sent."""
    with pytest.raises(MalformedResponse, match=r"clientExtensionResults\.\w+ must ") as malformed:
        parse_client_outputs(output)
    assert SECRET not in str(malformed.value)


@pytest.mark.parametrize(
    ("asked", "client", "authenticator", "facts"),
    [
        ({}, {"credProps": {"rk": True}, "prf": {"enabled": True}}, {"credProtect": 3, "minPinLength": 4}, {}),
        (ALL, {}, {}, {}),
        (ALL, {"credProps": {}}, {}, {"credProps": {}}),
        (ALL, {"credProps": {"rk": False}}, {}, {"credProps": {"rk": False}}),
        (ALL, {"prf": {}}, {}, {"prf": {"enabled": False}}),
        (ALL, {"prf": {"enabled": True, "results": {}}}, {}, {"prf": {"enabled": True}}),
        (ALL, {"largeBlob": {"supported": True}}, {}, {"largeBlob": {"supported": True}}),
        (ALL, {}, {"credProtect": 2, "minPinLength": 63, "hmac-secret": True}, {"credProtect": 2, "minPinLength": 63}),
        (ENFORCED, {}, {"credProtect": 3, "minPinLength": 4}, {"credProtect": 3}),
    ],
)  # fmt: skip
def test_what_a_registration_says_of_its_credential(
    asked: Json, client: Json, authenticator: Json, facts: Json
) -> None:
    """Of what was asked for, from whom it concerns; the rest is ignored."""
    assert registration_facts(asked, client, authenticator) == facts
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize(
    ("asked", "authenticator", "code"),
    [
        (ENFORCED, {"credProtect": 2}, "credential_protection_too_low"),
        (ENFORCED, {"credProtect": 1}, "credential_protection_too_low"),
        (ENFORCED, {}, "credential_protection_too_low"),
        (ALL, {"credProtect": 0}, "extension_output_invalid"),
        (ALL, {"credProtect": 4}, "extension_output_invalid"),
        (ALL, {"credProtect": True}, "extension_output_invalid"),
        (ALL, {"credProtect": 3.0}, "extension_output_invalid"),
        (ALL, {"credProtect": "3"}, "extension_output_invalid"),
        (ALL, {"minPinLength": 3}, "extension_output_invalid"),
        (ALL, {"minPinLength": 64}, "extension_output_invalid"),
        (ALL, {"minPinLength": [4]}, "extension_output_invalid"),
    ],
)
def test_what_an_authenticator_may_not_say(asked: Json, authenticator: Json, code: str) -> None:
    """Less protection than was demanded, or anything that its extension does not define."""
    with pytest.raises(Rejection) as rejection:
        registration_facts(asked, {}, authenticator)
    assert rejection.value.code == code


def test_protection_that_was_only_preferred_may_be_lower() -> None:
    """It is stored as it is."""
    assert registration_facts(ALL, {}, {"credProtect": 1}) == {"credProtect": 1}


def test_what_a_sign_in_says() -> None:
    """Whether the PRF was evaluated and a blob was there; not what they are."""
    asked = request_inputs(EXTENSIONS, rp_id="example.org")
    outputs = parse_client_outputs({"prf": {"results": {"first": SECRET}}, "largeBlob": {"blob": SECRET}})
    assert authentication_facts(asked, outputs) == {"prf": {"evaluated": True}, "largeBlob": {"read": True}}
    assert authentication_facts(asked, {"prf": {}, "largeBlob": {}}) == {
        "prf": {"evaluated": False},
        "largeBlob": {"read": False},
    }
    assert authentication_facts(asked, {}) == authentication_facts({}, outputs) == {}


@pytest.mark.parametrize("data", [b"\xff", b"\xa1\x01", cbor2.dumps([1]), cbor2.dumps(1), b""])
def test_extension_data_is_a_map(data: bytes) -> None:
    """WebAuthn L3 §6.1: a CBOR map; nothing else has outputs."""
    assert authenticator_outputs(None) == {}
    assert authenticator_outputs(cbor2.dumps({"credProtect": 3})) == {"credProtect": 3}
    with pytest.raises(Rejection) as rejection:
        authenticator_outputs(data)
    assert rejection.value.code == "extension_output_invalid"
