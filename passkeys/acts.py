"""Acts: administrative changes, each with an id of its own and one entry in the audit.

A ceremony proves who somebody is; an act is what they, an operator or the re-judging then change.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from enum import StrEnum

# Who it is that acts when the metadata does. `passkeys.directory` lets no person be called so.
BY_METADATA = "metadata"
ACT_ID = re.compile(r"act-[0-9a-f]{32}\Z")


class Act(StrEnum):
    """What is done. Stable: the audit uses them."""

    RENAME = "rename"
    REMOVE = "remove"
    DISABLE = "disable"
    ENABLE = "enable"
    RECOVERY_TICKET_ISSUED = "recovery_ticket_issued"  # of a recovery, not of a credential
    # By the metadata alone.
    MODEL_DISABLED = "model_disabled"
    MODEL_STEP_UP = "model_step_up"
    MODEL_CLEARED = "model_cleared"
    METADATA_REFRESHED = "metadata_refreshed"
    # Of a signing key: passkeys/signing_keys.py.
    KEY_PUBLISHED = "key_published"
    KEY_SIGNING = "key_signing"
    KEY_RETIRED = "key_retired"
    KEY_REMOVED = "key_removed"


class ActOutcome(StrEnum):
    """How an act ended."""

    COMPLETED = "completed"
    REFUSED = "refused"
    FAILED = "failed"


def new_act_id(random_bytes: Callable[[int], bytes]) -> str:
    """A fresh id for an act that somebody asked for: 128 random bits."""
    return f"act-{random_bytes(16).hex()}"


def derived_act_id(*facts: str) -> str:
    """The id of an act that follows from `facts`: the same for the same, so that a run again records nothing twice."""
    return f"act-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}"
