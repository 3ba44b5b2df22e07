"""Tokens for Azure's own APIs, without a secret in any setting: the app's managed identity asks for them.

In Azure that is the managed identity alone. On a developer's machine, whoever is signed in to the Azure command line.
A token is kept here until a few minutes before its end: with azure-identity 1.27.0 each call of a credential for App Service was
seen to ask the platform again.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from passkeys.errors import PasskeysError


class Token(Protocol):
    """Who gives bearer tokens."""

    async def __call__(self, scope: str, *, refused: str | None = None, claims: str | None = None) -> str:
        """A token for a scope, such as https://graph.microsoft.com/.default. Raises IdentityUnavailable.

        `refused`: a token that does not do any more: another is asked for, with the `claims` (JSON) that a challenge named.
        """


RENEWED_BEFORE = 300
# The platform has its own ends, for each of its tries; this is for all of them.
LONGEST_SECONDS = 30.0
# One of these is there wherever Azure gives the app an identity: App Service and Functions; Arc; Cloud Shell.
_ENDPOINTS = ("IDENTITY_ENDPOINT", "IMDS_ENDPOINT", "MSI_ENDPOINT")


class IdentityUnavailable(PasskeysError):
    """Azure gave no token: the app has no identity, or it could not be asked."""

    code = "identity_unavailable"


def credential_of(client_id: str | None, environ: Mapping[str, str] = os.environ) -> Any:
    """The asynchronous credential of azure-identity that is right here.

    `client_id` is of a user-assigned identity; None: AZURE_CLIENT_ID, as Azure's own defaults have it, or the app's own.
    """
    from azure.identity.aio import AzureCliCredential, ManagedIdentityCredential

    if any(environ.get(name) for name in _ENDPOINTS) or environ.get("WEBSITE_INSTANCE_ID"):
        return ManagedIdentityCredential(client_id=client_id or environ.get("AZURE_CLIENT_ID") or None)
    return AzureCliCredential()


def tokens_of(credential: Any, *, now: Callable[[], float] = time.time) -> Token:
    """What gives bearer tokens by the credential. `now` is seconds since 1970."""
    from azure.core.exceptions import AzureError

    known: dict[str, Any] = {}
    asking: dict[tuple[str, str | None], asyncio.Task[Any]] = {}

    async def token(scope: str, *, refused: str | None = None, claims: str | None = None) -> str:
        kept: Any = known.get(scope)
        # Another may have had the refused one replaced already.
        if kept is None or kept.token == refused or kept.expires_on - RENEWED_BEFORE <= now():
            task = asking.get((scope, claims))
            if task is None or task.done():
                task = asking[scope, claims] = asyncio.create_task(asked(scope, claims))
                # Whoever waits is told; if nobody does any more, nobody need be.
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
            # Who gives up waiting ends it for nobody: the platform may need longer than one of them has.
            kept = await asyncio.shield(task)
        found: str = kept.token
        return found

    async def asked(scope: str, claims: str | None) -> Any:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                known[scope] = await credential.get_token(scope, **({"claims": claims} if claims else {}))
            return known[scope]
        except (AzureError, OSError, ValueError) as error:
            # The message may quote what the endpoint answered; its class says enough.
            raise IdentityUnavailable(
                f"No token for {scope} ({type(error).__name__}). See that the app has a managed identity."
            ) from None

    return token
