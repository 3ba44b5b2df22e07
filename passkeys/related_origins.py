"""Related origins: other domains that may use this RP's passkeys (WebAuthn L3 §5.11), and how many browsers will bear.

A browser that finds an origin outside the RP id asks `https://{RP id}/.well-known/webauthn` for the list. It counts the
distinct *labels* of the registrable domains in it (`example` of `example.co.uk` and of `example.com`) and stops
listening after a number of its own choosing, at least five: an origin beyond that would work in some browsers only.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

# WebAuthn L3 §5.11.1: clients SHOULD support at least five labels. Chromium and Safari support just as many.
MAX_LABELS = 5


def label_of(origin: str) -> str | None:
    """The label by which an origin is counted, or None if its host has no registrable domain, as `co.uk` has none.

    `origin` must be one that `passkeys.settings` has accepted.
    """
    registrable: str | None = _suffixes().privatesuffix(urlsplit(origin).hostname or "")
    return registrable.split(".", 1)[0] if registrable else None


def labels_of(origins: Iterable[str]) -> set[str]:
    """The distinct labels among them."""
    return {label for origin in origins if (label := label_of(origin)) is not None}


@cache
def _suffixes() -> Any:
    # Imported where it is needed: reading the list takes a fifth of a second, and most services have no related origin.
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
