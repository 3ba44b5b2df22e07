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
# Who acts when the service does, by what the directory says of somebody, or by itself. No person's id has a colon.
BY_DIRECTORY, BY_SERVICE = "service:directory", "service:sessions"
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
    # Of a session with an application: starters/session_acts.py.
    TOKENS_ISSUED = "tokens_issued"
    TOKENS_REFRESHED = "tokens_refreshed"
    TOKENS_REFUSED = "tokens_refused"
    REFRESH_REUSED = "refresh_reused"
    SESSION_REVOKED = "session_revoked"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    ACCESS_ENDED = "access_ended"  # of a person: the directory says that they may not come in any more


class Leaving(StrEnum):
    """What the directory says of somebody who may not come in, and why their access ends. Stable: the audit uses them."""

    DISABLED = "person_disabled"
    UNKNOWN = "person_unknown"


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
