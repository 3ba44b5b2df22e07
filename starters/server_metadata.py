"""What clients of OAuth look for at a fixed place: who issues, where each endpoint is, and what it takes (RFC 8414)."""

from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys import client_assertions, dpop
from passkeys.assurance import ACR_VALUES
from passkeys.world import World
from starters.answers import by_method, json_response
from starters.oauth import CLIENT_SCHEME, TOKEN_PATH

# As the key set: what changes here changes with a deployment, and a client may go by it for an hour.
CACHED = "public, max-age=3600"
GRANT_TYPES = ("authorization_code", "refresh_token")
_METHODS = ("none", CLIENT_SCHEME)


async def well_known_oauth_authorization_server(world: World, req: HttpRequest) -> HttpResponse:
    """GET /.well-known/oauth-authorization-server: for everybody, and for scripts of any origin."""

    async def get() -> HttpResponse:
        headers = {"Cache-Control": CACHED, "Access-Control-Allow-Origin": "*"}
        return json_response(metadata(world.settings.issuer), headers=headers)

    return await by_method(req, {"GET": get})


def metadata(issuer: str) -> dict[str, Any]:
    """RFC 8414 §2, with RFC 9207 §3, RFC 9449 §5.1 and OpenID Connect's `acr_values_supported`. Built from no header."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": issuer + TOKEN_PATH,
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": list(_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(client_assertions.ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": list(_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(client_assertions.ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": [CLIENT_SCHEME],
        "introspection_endpoint_auth_signing_alg_values_supported": list(client_assertions.ALGORITHMS),
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "acr_values_supported": list(ACR_VALUES),
    }
