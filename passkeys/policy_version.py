"""Which policy a decision was made by: a short digest of the settings that decide, and of the files that they name.

Two entries of the audit with the same version were decided alike; where it changes, somebody has changed a setting. It says
nothing of what was changed: keep the settings under version control, and the digest finds the revision.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path

from passkeys.settings import Settings

# Where things are, and what lets in there: it decides nothing.
_PLACES = frozenset({"store", "store_connection", "store_prefix", "keys", "directory"})
_FILES = ("issuers", "applications")
DIGITS = 16


def policy_version(settings: Settings) -> str:
    """Sixteen hexadecimal digits. Reads the files of issuers and applications; one that is not there counts as none."""
    decided = {
        each.name: repr(getattr(settings, each.name))
        for each in fields(settings)
        if each.name not in _PLACES and each.name not in _FILES
    }
    read = {name: _digest(getattr(settings, name)) for name in _FILES}
    told = json.dumps({**decided, **read}, sort_keys=True).encode()
    return hashlib.sha256(told).hexdigest()[:DIGITS]


def _digest(file: Path | None) -> str | None:
    try:
        return None if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None
