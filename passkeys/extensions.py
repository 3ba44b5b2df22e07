"""The extensions that we know: how each is asked for, and what of its outputs may be kept.

Obligations of this file:
1. What the settings do not name is not asked for, and what was not asked for is ignored when it comes (WebAuthn L3
   §7.1 step 28, §7.2 step 23: clients may add extensions of their own).
2. Secrets end here. PRF results are keys and a large blob is the person's: `parse_client_outputs` checks their shape
   and lets only the fact through that they were there, before anything is stored, logged or sent on.
3. An output that was asked for and has not the shape of its definition is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from webauthn.helpers import bytes_to_base64url, parse_cbor

from passkeys.errors import MalformedResponse, Rejection, RejectionCode, rejected_as

Json = dict[str, Any]

EXTENSIONS = ("credProps", "prf", "largeBlob", "credProtect", "minPinLength")

# CTAP 2.1 §12.1, credProtect: the policies in order of their strength, which is the authenticator's output.
PROTECTIONS: Mapping[str, int] = MappingProxyType(
    {
        "userVerificationOptional": 1,
        "userVerificationOptionalWithCredentialIDList": 2,
        "userVerificationRequired": 3,
    }
)
# CTAP 2.1 §12.4, minPinLength, with the bounds of a PIN in §6.5.1.
_PIN_LENGTHS = range(4, 63 + 1)
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def creation_inputs(names: Iterable[str], *, protection_required: bool) -> Json:
    """AuthenticationExtensionsClientInputsJSON for a registration."""
    inputs: Mapping[str, Json] = {
        "credProps": {"credProps": True},
        "prf": {"prf": {}},
        "largeBlob": {"largeBlob": {"support": "preferred"}},
        "credProtect": {
            "credentialProtectionPolicy": "userVerificationRequired",
            "enforceCredentialProtectionPolicy": protection_required,
        },
        "minPinLength": {"minPinLength": True},
    }
    return {member: value for name in names for member, value in inputs[name].items()}


def request_inputs(names: Iterable[str], *, rp_id: str) -> Json:
    """AuthenticationExtensionsClientInputsJSON for an authentication: the PRF of our salt, and the blob, read only."""
    inputs: Mapping[str, Json] = {
        "prf": {"prf": {"eval": {"first": bytes_to_base64url(prf_salt(rp_id))}}},
        "largeBlob": {"largeBlob": {"read": True}},
    }
    return {member: value for name in names for member, value in inputs.get(name, {}).items()}


def prf_salt(rp_id: str) -> bytes:
    """The one input on which the PRF is evaluated. No secret, and never to change: every key made with it would change."""
    return hashlib.sha256(b"Durable Passkeys PRF 1\x00" + rp_id.encode()).digest()


def parse_client_outputs(value: object) -> Json:
    """What may be kept of AuthenticationExtensionsClientOutputsJSON: of those we know, all but secrets.

    Parsing what it returns gives the same again. Raises MalformedResponse.
    """
    if not isinstance(value, dict):
        raise MalformedResponse("clientExtensionResults", "must be a JSON object")
    return {
        name: _members(f"clientExtensionResults.{name}", value[name], members)
        for name, members in _CLIENT_OUTPUTS.items()
        if value.get(name) is not None
    }


def authenticator_outputs(extensions: bytes | None) -> Mapping[str, object]:
    """The authenticator extension outputs in authenticator data, by identifier. Raises Rejection."""
    with rejected_as(RejectionCode.EXTENSION_OUTPUT_INVALID):
        outputs = {} if extensions is None else parse_cbor(extensions)
        if not isinstance(outputs, dict):
            raise TypeError("the extension outputs are not a map")
        return outputs


def registration_facts(
    asked: Mapping[str, Any], client: Mapping[str, Any], authenticator: Mapping[str, object]
) -> Json:
    """What a registration's outputs say of the new credential, to be stored with it. Raises Rejection.

    `asked`: the inputs that this ceremony offered. Of client and authenticator, each says what only it can know.
    """
    facts: Json = {
        name: client[name] for name in ("credProps", "largeBlob") if name in asked and name in client
    }
    if "prf" in asked and "prf" in client:
        facts["prf"] = {"enabled": client["prf"].get("enabled", False)}
    if "minPinLength" in asked and "minPinLength" in authenticator:
        facts["minPinLength"] = _integer_in(_PIN_LENGTHS, authenticator["minPinLength"])
    if "credentialProtectionPolicy" in asked:
        if "credProtect" in authenticator:
            facts["credProtect"] = _integer_in(range(1, 4), authenticator["credProtect"])
        # CTAP 2.1 §12.1: without an output the credential has the default, userVerificationOptional.
        level = facts.get("credProtect", 1)
        if (
            asked["enforceCredentialProtectionPolicy"]
            and level < PROTECTIONS[asked["credentialProtectionPolicy"]]
        ):
            raise Rejection(RejectionCode.CREDENTIAL_PROTECTION_TOO_LOW, f"level {level}")
    return facts


def authentication_facts(asked: Mapping[str, Any], client: Mapping[str, Any]) -> Json:
    """What an authentication's outputs say: that the PRF was evaluated, that a blob was there."""
    facts: Json = {}
    if "prf" in asked and "prf" in client:
        facts["prf"] = {"evaluated": "results" in client["prf"]}
    if "largeBlob" in asked and "largeBlob" in client:
        facts["largeBlob"] = {"read": "blob" in client["largeBlob"]}
    return facts


def _members(where: str, value: object, members: Mapping[str, Callable[[object], object]]) -> Json:
    if not isinstance(value, dict):
        raise MalformedResponse(where, "must be a JSON object")
    try:
        return {name: keep(value[name]) for name, keep in members.items() if value.get(name) is not None}
    except TypeError as error:
        raise MalformedResponse(where, str(error)) from None


def _flag(value: object) -> object:
    if not isinstance(value, bool):
        raise TypeError("must have true or false where its definition says so")
    return value


def _no_results(value: object) -> object:
    """WebAuthn L3 §10.1.4: `first`, and perhaps `second`. They were there: nothing else gets through."""
    if not isinstance(value, dict) or not all(map(_is_base64url, value.values())):
        raise TypeError("must have results in base64url")
    return {}


def _no_blob(value: object) -> object:
    """WebAuthn L3 §10.1.5. It was there: nothing else gets through."""
    if not _is_base64url(value):
        raise TypeError("must have a blob in base64url")
    return ""


def _is_base64url(value: object) -> bool:
    return isinstance(value, str) and _BASE64URL.fullmatch(value) is not None


def _integer_in(allowed: range, value: object) -> int:
    # CBOR's true and 4.0 are in ranges too.
    if type(value) is not int or value not in allowed:
        raise Rejection(RejectionCode.EXTENSION_OUTPUT_INVALID)
    return value


_CLIENT_OUTPUTS: Mapping[str, Mapping[str, Callable[[object], object]]] = MappingProxyType(
    {
        "credProps": {"rk": _flag},
        "prf": {"enabled": _flag, "results": _no_results},
        "largeBlob": {"supported": _flag, "written": _flag, "blob": _no_blob},
    }
)
