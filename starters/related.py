"""What browsers and password managers look for at fixed places: the related origins, and where passkeys are managed."""

from azure.functions import HttpRequest, HttpResponse

from passkeys.world import World
from starters.answers import by_method, json_response
from starters.problems import RefusedError


async def well_known_webauthn(world: World, req: HttpRequest) -> HttpResponse:
    """GET /.well-known/webauthn: the origins outside the RP id that may use its passkeys (WebAuthn L3 §5.11)."""

    async def get() -> HttpResponse:
        if not world.settings.related_origins:
            raise RefusedError("page_unknown")
        return json_response({"origins": list(world.settings.related_origins)})

    return await by_method(req, {"GET": get})


async def well_known_passkey_endpoints(world: World, req: HttpRequest) -> HttpResponse:
    """GET /.well-known/passkey-endpoints: where a password manager sends people to add a passkey, or to manage theirs.

    (W3C, A Well-Known URL for Relying Party Passkey Endpoints, §2.) Both are our page, at the origin of the settings:
    built from no header that a caller could have chosen.
    """

    async def get() -> HttpResponse:
        page = f"{world.settings.origins[0]}/"
        return json_response({"enroll": page, "manage": page})

    return await by_method(req, {"GET": get})
