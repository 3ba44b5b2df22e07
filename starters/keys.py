"""The public keys of our tokens, for whoever verifies one."""

from azure.functions import HttpRequest, HttpResponse

from passkeys.errors import KeysUnavailable
from passkeys.world import World
from starters.answers import by_method, json_response
from starters.problems import RefusedError

# A key is published for PASSKEYS_KEY_PUBLISH_SECONDS before it signs: who keeps the set for half of that never misses one.
MAX_AGE_SECONDS = 3600


async def well_known_jwks(world: World, req: HttpRequest) -> HttpResponse:
    """GET /.well-known/jwks.json: the JWK set (RFC 7517 §5) of all keys whose signatures count, also the next one."""

    async def get() -> HttpResponse:
        try:
            keys = await world.signing.published()
        except KeysUnavailable as away:
            raise RefusedError("unavailable", headers={"Retry-After": "1"}) from away
        age = min(MAX_AGE_SECONDS, world.settings.key_publish_seconds // 2)
        headers = {
            "Cache-Control": f"public, max-age={age}",
            # Public, the same for everybody, and of use to pages of other origins.
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return json_response({"keys": keys}, headers=headers)

    return await by_method(req, {"GET": get})
