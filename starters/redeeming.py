"""POST /ceremonies/{id}/response?redeem=true: who has started a sign-in for themselves has the tokens with its outcome.

For a public application that starts the ceremony itself, without a browser in between: the verifier that shows who answers
redeems as well, and one proof by the DPoP key goes with the answer. Everything that can be wrong with the request is seen
before the answer is handed over, which costs no challenge. If no tokens come of it, the outcome comes without them; while they
are wanted still, POST /token says why.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.applications import Application
from passkeys.authorization import Authorization
from passkeys.ceremony import Outcome
from passkeys.world import World
from starters.oauth import OAuthError
from starters.possession import Possession, next_nonce, possession_of
from starters.problems import RefusedError
from starters.sessions import verifier_of
from starters.token import tokens_for
from starters.views import output_of, start_of, status_response
from starters.waiting import is_finished

log = logging.getLogger("starters.redeeming")


@dataclass(frozen=True, slots=True)
class Redeemer:
    """An application that may redeem the ceremony as soon as it has ended, with the key that it has shown."""

    world: World
    client: Any
    application: Application
    ceremony_id: str
    verifier: str
    shown: Possession | None

    async def response(self, status: Any) -> HttpResponse:
        """The outcome, with the tokens if there are any. Raises what POST /token answers with 503."""
        more: dict[str, Any] = {}
        if is_finished(status) and output_of(self.ceremony_id, status)["outcome"] == Outcome.COMPLETED:
            more = {"tokens": await self._tokens()}
        response = status_response(self.ceremony_id, status, more)
        response.headers.update(await next_nonce(self.world))
        return response

    async def _tokens(self) -> Mapping[str, Any] | None:
        form = {"code": self.ceremony_id, "code_verifier": self.verifier}
        try:
            return await tokens_for(self.world, self.client, self.application, form, self.shown)
        except OAuthError as refused:
            log.warning("not_redeemed %s", refused.code)
            return None


async def redeemer_of(world: World, req: HttpRequest, client: Any, ceremony_id: str) -> Redeemer:
    """Who redeems with the answer. Raises RefusedError(request_malformed), and OAuthError for the proof."""
    start = start_of(await client.get_status(ceremony_id, show_input=True)) or {}
    members = start.get("authorization")
    asked = None if members is None else Authorization.from_members(members)
    application = None if asked is None else world.applications.get(asked.client_id)
    own = (
        asked is not None
        and application is not None
        and application.keys is None
        and (asked.redirect_uri, asked.code_challenge) == (None, start.get("code_challenge"))
    )
    if not own or application is None:
        raise RefusedError(
            "request_malformed",
            "`redeem` is for a public application that has started this sign-in itself, without a `redirect_uri`.",
        )
    # Not yet taken: an answer that is none burns nothing, can be sent without end, and is not to be written down each time.
    shown = await possession_of(world, req, application)
    verifier = verifier_of(req.headers.get("authorization", ""))
    return Redeemer(world, client, application, ceremony_id, verifier, shown)
