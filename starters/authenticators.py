"""Authenticators as people see them: the model's name and its picture, as far as they are known."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from passkeys.authenticators import name_of
from passkeys.errors import StoreError
from passkeys.world import World
from starters.answers import by_method
from starters.headers import API_HEADERS
from starters.problems import RefusedError

AAGUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# PNG, third edition, §5.2. Nothing else is served: an SVG could carry script.
_PNG = b"\x89PNG\r\n\x1a\n"


log = logging.getLogger("starters.authenticators")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a model: what people call it, and whether there is a picture."""

    name: str | None
    has_icon: bool


async def known_models(world: World, aaguids: set[str]) -> Mapping[str, Known]:
    """What is known of these models. Of those that nobody knows, nothing; the names of the built-in table at least, while the
    metadata cannot be read.
    """
    try:
        metadata = await world.models.current()
    except StoreError as error:  # people find their passkeys without it, by the names that they gave them
        log.warning("The metadata is not read: %s", error)
        metadata = None
    listed = metadata.models if metadata else {}
    known = {
        aaguid: Known(name_of(aaguid, metadata), aaguid in listed and listed[aaguid].icon is not None)
        for aaguid in aaguids
    }
    return {aaguid: one for aaguid, one in known.items() if one.name is not None or one.has_icon}


def authenticator_view(aaguid: str, known: Known | None, *, proven: bool) -> dict[str, Any]:
    """One authenticator. `proven`: an attestation vouches for the model; else its AAGUID is what it says of itself."""
    return {
        "aaguid": aaguid,
        "name": known.name if known else None,
        "icon": icon_path(aaguid) if known and known.has_icon else None,
        "proven": proven,
    }


def icon_path(aaguid: str) -> str:
    """Where a model's picture is, relative to this service."""
    return f"/authenticators/{aaguid}/icon"


async def authenticator_icon(world: World, req: HttpRequest) -> HttpResponse:
    """GET /authenticators/{aaguid}/icon: the model's picture, out of the metadata."""

    async def get() -> HttpResponse:
        aaguid = req.route_params.get("aaguid", "")
        picture = await world.models.icon(aaguid) if AAGUID.fullmatch(aaguid) else None
        if picture is None or not picture.startswith(_PNG):
            raise RefusedError("icon_unknown")
        # The same for everybody, and seldom another: the one answer of the API that may be kept.
        headers = {**API_HEADERS, "Content-Type": "image/png", "Cache-Control": "public, max-age=86400"}
        return HttpResponse(picture, headers=headers)

    return await by_method(req, {"GET": get})
