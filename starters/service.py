"""About the service itself: whether it is ready, and what its HTTP contract is."""

import asyncio
import json
import logging
from collections.abc import Awaitable
from functools import cache
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.world import World
from starters.answers import by_method, json_response
from starters.backlog import is_full
from starters.headers import API_HEADERS
from starters.looking import looked
from starters.openapi import document
from starters.pages import WEB
from starters.problems import RefusedError

# A probe that takes longer is as good as failed: whoever asks for readiness has a timeout of their own.
PROBE_SECONDS = 2.0
# Of the right form, and never given out: 128 random bits are not all zero.
_NO_CEREMONY = "authentication-" + "0" * 32

log = logging.getLogger("starters.service")


async def healthz(world: World, req: HttpRequest, client: Any) -> HttpResponse:
    """GET /healthz: 200 when every part that a ceremony needs can be reached, else 503 that names what cannot."""

    async def get() -> HttpResponse:
        probes: dict[str, Awaitable[Any]] = {
            "store": world.store.get("tickets/healthz.json"),
            "directory": _directory(world),
            "task_hub": client.get_status(_NO_CEREMONY),
            "pages": _pages(),
            "keys": world.signing.published(),
            "audit": _audit(world, client),
        }
        if world.settings.metadata is not None:
            probes["metadata"] = _metadata(world)
        results = await asyncio.gather(*map(_in_time, probes.values()), return_exceptions=True)
        failed = {
            name: result
            for name, result in zip(probes, results, strict=True)
            if isinstance(result, Exception)
        }
        for name, failure in failed.items():
            log.error("Not ready: %s: %r", name, failure)
        if failed:
            raise RefusedError("not_ready", members={"missing": sorted(failed)})
        return json_response({"status": "ready", "missing": []})

    return await by_method(req, {"GET": get})


async def openapi(world: World, req: HttpRequest) -> HttpResponse:
    """GET /openapi.json: the OpenAPI 3.1 document of everything that this service serves."""

    async def get() -> HttpResponse:
        text = _document_text(conformance=world.settings.conformance)
        return HttpResponse(text, headers={**API_HEADERS, "Content-Type": "application/json"})

    return await by_method(req, {"GET": get})


@cache
def _document_text(*, conformance: bool) -> str:
    return json.dumps(document(conformance=conformance))


async def _directory(world: World) -> None:
    """Whether it can be asked."""
    await looked(world, "directory", lambda: world.directory.find("healthz"))


async def _audit(world: World, client: Any) -> None:
    """Full, nothing begins."""
    if await is_full(world, client):
        raise BufferError("the audit logs are full")


async def _pages() -> None:
    if not (WEB / "index.html").is_file():
        raise FileNotFoundError("web/index.html")


async def _metadata(world: World) -> None:
    """Configured, it must be there: without it nobody would notice that revoked models are let in. Old will do."""
    if await world.models.current() is None:
        raise LookupError("no metadata has been loaded yet")


async def _in_time(probe: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(probe, PROBE_SECONDS)
