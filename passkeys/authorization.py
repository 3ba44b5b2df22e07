"""What an application asks for when it has somebody sign in: RFC 6749 §4.1.1 with RFC 7636, RFC 8707 and RFC 9449 §10.

It goes through the task hub with its ceremony: a challenge is in it, and no verifier. `authorization_of` judges what is
asked for by what is registered; `Authorization.from_members` reads it back when the ceremony is redeemed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from passkeys.applications import Application
from passkeys.errors import PasskeysError
from passkeys.proof import is_code_challenge

MAX_ACR_VALUES = 8
# RFC 6749 §3.3 writes such words.
_WORD = re.compile(r"[!#-\[\]-~]{1,128}")


class AuthorizationFault(StrEnum):
    """What is wrong with what was asked for. Stable: problem documents use them."""

    CLIENT_UNKNOWN = "client_unknown"
    REDIRECT_URI_UNREGISTERED = "redirect_uri_unregistered"
    RESOURCE_UNREGISTERED = "resource_unregistered"
    REQUEST_MALFORMED = "request_malformed"


class AuthorizationRefused(PasskeysError):
    """Nothing that this application may be given. `code` says which; `detail` what to send instead."""

    code: AuthorizationFault

    def __init__(self, code: AuthorizationFault, detail: str | None = None) -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Authorization:
    """What may be redeemed, and by whom: the client, where its person was sent back to (None: nowhere, it started the
    ceremony itself), which of its audiences the tokens are for, its proof key's challenge, the thumbprint of the key that
    the tokens are to be bound to (None: not said in advance), and the acr values of which one must be met (none: any).
    """

    client_id: str
    redirect_uri: str | None
    audience: str
    code_challenge: str
    dpop_jkt: str | None
    acr_values: tuple[str, ...]

    def to_members(self) -> dict[str, Any]:
        """JSON-native, for the task hub."""
        return {**asdict(self), "acr_values": list(self.acr_values)}

    @classmethod
    def from_members(cls, members: Mapping[str, Any]) -> Authorization:
        """What `to_members` gave."""
        return cls(**{**members, "acr_values": tuple(members["acr_values"])})


def authorization_of(
    applications: Mapping[str, Application], asked: Mapping[str, object], *, code_challenge: str | None
) -> Authorization | None:
    """What the start asks for, or None without a `client_id`. Raises AuthorizationRefused.

    `asked`: {"client_id", "redirect_uri", "resource", "application_challenge", "dpop_jkt", "acr_values"}, each of them as it
    came, or absent. `code_challenge` is the one of whoever answers: a page that signs people in for an application has its
    own, and hands the application's over as `application_challenge`.
    """
    client_id = asked.get("client_id")
    if client_id is None:
        stray = [name for name in _OTHERS if asked.get(name) is not None]
        if stray:
            raise _malformed(f"`{stray[0]}` says nothing without `client_id`.")
        return None
    application = applications.get(client_id) if isinstance(client_id, str) else None
    if application is None:
        raise AuthorizationRefused(AuthorizationFault.CLIENT_UNKNOWN)
    redirect_uri = asked.get("redirect_uri")
    if redirect_uri is not None and redirect_uri not in application.redirect_uris:
        raise AuthorizationRefused(AuthorizationFault.REDIRECT_URI_UNREGISTERED)
    resource = asked.get("resource")
    if resource is not None and resource not in application.audiences:
        raise AuthorizationRefused(AuthorizationFault.RESOURCE_UNREGISTERED)
    return Authorization(
        client_id=application.client_id,
        redirect_uri=None if redirect_uri is None else str(redirect_uri),
        audience=application.audiences[0] if resource is None else str(resource),
        code_challenge=_challenge(asked.get("application_challenge"), code_challenge, redirect_uri),
        dpop_jkt=_thumbprint(asked.get("dpop_jkt")),
        acr_values=_acr_values(asked.get("acr_values")),
    )


_OTHERS = ("redirect_uri", "resource", "application_challenge", "dpop_jkt", "acr_values")


def _challenge(applications: object, answerers: str | None, redirect_uri: object) -> str:
    if applications is None:
        if answerers is None:  # RFC 9700 §2.1.1: of every client
            raise _malformed("An application sends a `code_challenge`: the SHA-256 of its code_verifier.")
        return answerers
    if not isinstance(applications, str) or not is_code_challenge(applications):
        raise _malformed(
            "`application_challenge` is the SHA-256 of the application's code_verifier, in base64url."
        )
    if redirect_uri is None:
        raise _malformed(
            "`application_challenge` is for an application that the page redirects to: send `redirect_uri`."
        )
    if applications == answerers:
        raise _malformed("`application_challenge` is the application's own, and never that of who answers.")
    return applications


def _thumbprint(value: object) -> str | None:
    if value is None:
        return None
    # RFC 9449 §10: a SHA-256 in base64url, which is what a challenge is too.
    if not isinstance(value, str) or not is_code_challenge(value):
        raise _malformed("`dpop_jkt` is the SHA-256 thumbprint of the DPoP key, in base64url.")
    return value


def _acr_values(value: object) -> tuple[str, ...]:
    words = value.split(" ") if isinstance(value, str) else [] if value is None else [""]
    if len(words) > MAX_ACR_VALUES or not all(map(_WORD.fullmatch, words)):
        raise _malformed(f"`acr_values` is a text of at most {MAX_ACR_VALUES} words with a blank between.")
    return tuple(words)


def _malformed(detail: str) -> AuthorizationRefused:
    return AuthorizationRefused(AuthorizationFault.REQUEST_MALFORMED, detail)
