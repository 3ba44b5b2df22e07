"""All that an application needs: a page, and an API that asks `passkeys.verify` whose each request is.

It keeps nothing of anybody: no cookie, no session, no secret. The page's script holds the tokens (web/client.js), each request
brings one with a proof, and what it says is all that the API knows.
"""

import logging
import secrets
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from passkeys.verify import Access, AccessRefused, Verifier

CLIENT_ID = "sample"
HERE = Path(__file__).parent
WEB = HERE.parents[1] / "web"
# The client is copied, not imported from the service: so the policy below needs no foreign scripts.
FILES = {
    "/app.js": HERE / "app.js",
    "/style.css": HERE / "style.css",
    "/client.js": WEB / "client.js",
    "/mark.svg": WEB / "mark.svg",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {issuer}; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
VERIFIER, ACCESS = web.AppKey("verifier", Verifier), web.RequestKey("access", Access)
ORIGIN, PAGE = web.AppKey("origin", str), web.AppKey("page", str)
log = logging.getLogger("sample")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nothing under /api/ is reached but by a good token, and a proof that its holder has its key."""
    try:
        if request.path.startswith("/api/"):
            request[ACCESS] = await request.app[VERIFIER].verify(
                authorization=", ".join(request.headers.getall("Authorization", ())) or None,
                dpop=", ".join(request.headers.getall("DPoP", ())) or None,
                method=request.method,
                url=request.app[ORIGIN] + request.rel_url.raw_path,
            )
        return await handler(request)
    except AccessRefused as refused:
        log.warning("%s %s: %s", request.method, request.path, refused.code)
        return web.json_response({"error": "Sign in."}, status=refused.status, headers=refused.headers)


async def me(request: web.Request) -> web.Response:
    """GET /api/me: for everybody who has signed in."""
    access = request[ACCESS]
    told = {"subject": access.subject, "roles": sorted(access.roles), "acr": access.acr}
    return web.json_response({**told, "signed_in_at": access.auth_time.isoformat()})


async def transfer(request: web.Request) -> web.Response:
    """POST /api/transfer: for who has signed in within the last minute, phishing-resistant (RFC 9470)."""
    request.app[VERIFIER].require(request[ACCESS], acr="phr", max_age=60)
    return web.json_response({"transferred": 100, "by": request[ACCESS].subject})


async def ledger(request: web.Request) -> web.Response:
    """GET /api/ledger: for operators. What a role allows is for the application to say: 403, and no challenge."""
    if "operator" not in request[ACCESS].roles:
        return web.json_response({"error": "Only operators may see the ledger."}, status=403)
    return web.json_response({"entries": []})


async def index(request: web.Request) -> web.Response:
    """GET /, and /callback, where people come back to: the same page."""
    return web.Response(text=request.app[PAGE], content_type="text/html")


async def file(request: web.Request) -> web.FileResponse:
    """A file of the page."""
    return web.FileResponse(FILES[request.path])


def make_app(issuer: str, origin: str) -> web.Application:
    """The application at `origin`, which is also the audience of its tokens, for people of the service at `issuer`."""

    async def harden(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Security-Policy"] = POLICY.format(issuer=issuer)
        # The address of /callback has the code in it until the script has read it.
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"

    app = web.Application(middlewares=[guard])
    app.on_response_prepare.append(harden)
    app[ORIGIN] = origin
    app[PAGE] = (
        (HERE / "index.html").read_text("utf-8").replace("ISSUER", issuer).replace("CLIENT_ID", CLIENT_ID)
    )
    # A nonce of this process's: with several processes, give all the same key, and one memory of proofs (`seen=`).
    nonce_key = secrets.token_bytes(32)
    app[VERIFIER] = Verifier(issuer=issuer, audience=origin, nonce_key=nonce_key, insecure_localhost=True)
    app.add_routes(
        [web.get("/", index), web.get("/callback", index), *(web.get(path, file) for path in FILES)]
    )
    app.add_routes(
        [web.get("/api/me", me), web.post("/api/transfer", transfer), web.get("/api/ledger", ledger)]
    )
    return app
