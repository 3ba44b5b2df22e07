"""A request that the app's managed identity authorizes, at a provider that takes Entra ID's tokens."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable

from passkeys.directories.asking import Answer, Asking, Question
from passkeys.errors import DirectoryExhausted
from passkeys.managed_identity import IdentityUnavailable, Token

MAX_CLAIMS = 4096
_CLAIMS = re.compile(r'\bclaims="([A-Za-z0-9+/_-]+={0,2})"')


async def asked_by_identity(
    asking: Asking, token: Token, scope: str, question: Callable[[str], Question]
) -> Answer:
    """The answer to `question` with a token; if the token is refused, once more with another.

    A token may end early: it was revoked, or continuous access evaluation wants other claims in it, which the challenge
    names (https://learn.microsoft.com/entra/identity-platform/claims-challenge). Raises DirectoryExhausted.
    """
    shown: list[str] = []
    claims: str | None = None

    async def made() -> Question:
        try:
            given = await token(scope, refused=shown[-1] if again else None, claims=claims)
        except IdentityUnavailable as unavailable:
            raise DirectoryExhausted(f"{asking.name}: {unavailable}") from None
        shown.append(given)
        return question(given)

    again = False
    answer = await asking.ask(made)
    if answer.status == 401:
        again, claims = True, claims_in(answer)
        answer = await asking.ask(made)
    return answer


def claims_in(answer: Answer) -> str | None:
    """The claims that an `insufficient_claims` challenge asks for: JSON; None if there is none that can be read."""
    found = _CLAIMS.search(answer.headers.get("www-authenticate", ""))
    if found is None or len(found[1]) > MAX_CLAIMS:
        return None
    text = found[1].replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return None
