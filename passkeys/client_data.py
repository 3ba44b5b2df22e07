"""Client data: what the browser says of the page that asked. WebAuthn L3 §5.8.1."""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection
from typing import Any

from passkeys.errors import Rejection, RejectionCode, rejected_as
from passkeys.policy import Policy
from passkeys.response import encode_base64url


def check_client_data(
    client_data_json: bytes,
    expected_type: str,
    *,
    challenge: bytes,
    origins: Collection[str],
    policy: Policy,
) -> None:
    """Discharge L3 §7.1 steps 5 to 11; §7.2 has the same, three later. Raises Rejection."""
    # Steps 5 and 6: UTF-8 (a byte order mark is dropped), then JSON.
    with rejected_as(RejectionCode.CLIENT_DATA_UNREADABLE):
        client_data = _DECODER.decode(client_data_json.decode("utf-8-sig"))
        # Whatever is no object has no members, and raises here.
        claimed_challenge, origin = client_data["challenge"].encode(), client_data["origin"]
        cross_origin = client_data.get("crossOrigin", False)
        if not isinstance(origin, str) or not isinstance(cross_origin, bool):
            raise TypeError("a member has the wrong type")
    # Step 7.
    if client_data.get("type") != expected_type:
        raise Rejection(RejectionCode.CLIENT_DATA_TYPE_UNEXPECTED)
    # Step 8.
    if not hmac.compare_digest(claimed_challenge, encode_base64url(challenge).encode()):
        raise Rejection(RejectionCode.CHALLENGE_MISMATCH)
    # Step 9: the whole origin, scheme and port too, against the list.
    if origin not in origins:
        raise Rejection(RejectionCode.ORIGIN_UNEXPECTED)
    # Step 10: framed by a page of another origin.
    if cross_origin and not policy.cross_origin_allowed:
        raise Rejection(RejectionCode.CROSS_ORIGIN_DENIED)
    if "topOrigin" in client_data:
        # Step 11, first half: what step 10 asks, of a browser that tells only this.
        if not policy.cross_origin_allowed:
            raise Rejection(RejectionCode.TOP_ORIGIN_DENIED)
        # Step 11, second half: which page may frame ours. (A list or a map in its place is no member of a set, and raises.)
        with rejected_as(RejectionCode.TOP_ORIGIN_UNEXPECTED):
            if client_data["topOrigin"] not in policy.top_origins:
                raise Rejection(RejectionCode.TOP_ORIGIN_UNEXPECTED)
    _check_token_binding(client_data, policy)


def _check_token_binding(client_data: dict[str, Any], policy: Policy) -> None:
    """Level 3 only reserves the name (§5.8.1), and nobody's is looked at; FIDO's tools want its shape checked."""
    if not policy.token_binding_checked or "tokenBinding" not in client_data:
        return
    with rejected_as(RejectionCode.TOKEN_BINDING_MALFORMED):
        if client_data["tokenBinding"]["status"] not in _STATUSES:
            raise Rejection(RejectionCode.TOKEN_BINDING_MALFORMED)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice, and readers disagree on which one counts")
    return members


# Of token binding: WebAuthn Level 2 §5.8.1, and an early draft's third word, which the tools still have.
_STATUSES = frozenset({"present", "supported", "not-supported"})
_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats)
