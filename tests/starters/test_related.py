"""The documents at fixed places: related origins, passkey endpoints, and pictures of authenticators."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from passkeys.errors import StoreUnavailable
from passkeys.world import World
from starters.authenticators import authenticator_icon, authenticator_view, known_models
from starters.related import well_known_passkey_endpoints, well_known_webauthn
from tests.starters import fakes
from tests.starters.fakes import body_of, request
from tests.starters.test_openapi import fits

AAGUID = "ee882879-721c-4913-9775-3dfcce97072a"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
RELATED = "https://example.com,https://shop.example.co.uk:8443"


async def test_related_origins_are_served_as_they_are_set(tmp_path: Path) -> None:
    """WebAuthn L3 §5.11: one member, the list, in its order, as JSON."""
    world = fakes.world(tmp_path, PASSKEYS_RELATED_ORIGINS=RELATED)
    response = await well_known_webauthn(world, request("GET", "/.well-known/webauthn"))
    fits(response, "/.well-known/webauthn", "get")
    assert body_of(response) == {"origins": RELATED.split(",")}
    assert response.headers["Content-Type"] == "application/json"
    world.store.close()  # type: ignore[attr-defined]


async def test_without_related_origins_there_is_no_such_document(world: World) -> None:
    """404: an empty list would say that somebody had thought of it."""
    response = await well_known_webauthn(world, request("GET", "/.well-known/webauthn"))
    fits(response, "/.well-known/webauthn", "get")
    assert (response.status_code, body_of(response)["code"]) == (404, "page_unknown")


async def test_password_managers_find_our_page(tmp_path: Path) -> None:
    """At the settings' first origin, whatever host a caller names."""
    world = fakes.world(tmp_path, PASSKEYS_RP_ID="example.org", PASSKEYS_ORIGINS="https://login.example.org")
    req = request("GET", "/.well-known/passkey-endpoints", headers={"host": "evil.example"})
    response = await well_known_passkey_endpoints(world, req)
    fits(response, "/.well-known/passkey-endpoints", "get")
    assert body_of(response) == dict.fromkeys(("enroll", "manage"), "https://login.example.org/")
    world.store.close()  # type: ignore[attr-defined]


BITWARDEN = "d548826e-79b4-db40-a3d8-11116f7e8349"


@dataclass
class Models:
    """A port to the metadata with one model in it."""

    picture: bytes | None

    async def current(self) -> Any:
        return SimpleNamespace(models={AAGUID: SimpleNamespace(name="YubiKey 5", icon="digest")})

    async def icon(self, aaguid: str) -> bytes | None:
        return self.picture if aaguid == AAGUID else None


def world_with(picture: bytes | None) -> Any:
    return SimpleNamespace(models=Models(picture))


def away() -> Any:
    """A world whose metadata cannot be read."""

    async def current() -> Any:
        raise StoreUnavailable("metadata/current.json", "away")

    return SimpleNamespace(models=SimpleNamespace(current=current))


async def icon(world: Any, aaguid: str) -> Any:
    response = await authenticator_icon(world, request("GET", "/", route={"aaguid": aaguid}))
    if response.status_code != 200:
        fits(response, "/authenticators/{aaguid}/icon", "get")
    return response


async def test_a_models_picture_may_be_kept(world: World) -> None:
    """image/png, the same for everybody: the one answer of the API that caches may keep; never sniffed."""
    response = await icon(world_with(PNG), AAGUID)
    assert (response.status_code, response.get_body()) == (200, PNG)
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Cache-Control"] == "public, max-age=86400"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert (await icon(world, AAGUID)).status_code == 404


@pytest.mark.parametrize(
    "aaguid", ["", "x", AAGUID.upper(), AAGUID + "\n", "../" + AAGUID, AAGUID[:-1] + "b"]
)
async def test_what_is_no_models_id_has_no_picture(aaguid: str) -> None:
    """404; what is not of the form is not even asked about."""
    response = await icon(world_with(PNG), aaguid)
    assert (response.status_code, body_of(response)["code"]) == (404, "icon_unknown")


@pytest.mark.parametrize("picture", [None, b"", b"<svg onload=alert(1)>", b"\x89PNG"])
async def test_only_pictures_are_served(picture: bytes | None) -> None:
    """Whatever the metadata holds: an SVG could carry script."""
    assert (await icon(world_with(picture), AAGUID)).status_code == 404


async def test_a_models_name_and_place_of_its_picture() -> None:
    """As far as the metadata knows; whether it is proven, the attestation has said."""
    known = await known_models(world_with(PNG), {AAGUID, BITWARDEN, "other"})
    assert set(known) == {AAGUID, BITWARDEN}
    assert set(await known_models(away(), {AAGUID, BITWARDEN})) == {BITWARDEN}, (
        "passkeys are listed without it"
    )
    assert authenticator_view(BITWARDEN, known[BITWARDEN], proven=False) == {
        "aaguid": BITWARDEN,
        "name": "Bitwarden",
        "icon": None,
        "proven": False,
    }
    assert authenticator_view(AAGUID, known[AAGUID], proven=True) == {
        "aaguid": AAGUID,
        "name": "YubiKey 5",
        "icon": f"/authenticators/{AAGUID}/icon",
        "proven": True,
    }
