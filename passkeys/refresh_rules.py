"""What becomes of a refresh token that is shown: the whole rule, pure.

    made by us, of a living family, by its application, with its key     the newest           a successor, once
                                                                         the one before       in its grace, the same successor
                                                                         any older one        the family dies: somebody has a copy
    anything else                                                        refused, and nothing dies by it

What is forged, or comes from another application or with another key, is no sign of a copy, and kills nothing: or whoever
has heard of a family could end it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from passkeys import refresh_tokens
from passkeys.family_rows import Family, Status
from passkeys.refresh_tokens import Shown

# How often the immediate predecessor may be shown again while its grace lasts.
MAX_REPLAYS = 3


class Verdict(StrEnum):
    """What becomes of a token that is shown. Stable: logs and audit use them."""

    ROTATE = "rotate"  # the newest: its successor is due
    REPLAY = "replay"  # the one before, in its grace: the same successor again
    UNKNOWN = "refresh_unknown"  # no token, or no family of it
    FORGED = "refresh_forged"  # not made by us: kills nothing, or anybody could
    OVER = "refresh_over"  # expired, revoked, or signed out everywhere
    CLIENT_MISMATCH = "refresh_client_mismatch"  # another application's
    KEY_MISMATCH = "refresh_key_mismatch"  # bound to a key whose proof did not come with it
    REPLAYED_TOO_OFTEN = "refresh_replayed_too_often"  # in its grace, and still refused
    REUSED = "refresh_reused"  # used up before: somebody has a copy


def judge(
    family: Family,
    shown: Shown,
    *,
    key: bytes,
    client_id: str,
    jkt: str | None,
    signed_out_at: datetime | None,
    now: datetime,
    grace: timedelta,
) -> Verdict:
    """What becomes of the token. Pure; in the order of the table in docs/tokens.md."""
    older = shown.generation != family.generation
    refusals = (
        (not refresh_tokens.is_ours(key, shown, salt=family.salt), Verdict.FORGED),
        (not is_alive(family, signed_out_at=signed_out_at, now=now), Verdict.OVER),
        (client_id != family.client_id, Verdict.CLIENT_MISMATCH),
        (family.jkt is not None and jkt != family.jkt, Verdict.KEY_MISMATCH),
        (older and shown.generation != family.generation - 1, Verdict.REUSED),
        (older and now - family.rotated_at > grace, Verdict.REUSED),
        (older and family.replays >= MAX_REPLAYS, Verdict.REPLAYED_TOO_OFTEN),
    )
    refused = [verdict for fact, verdict in refusals if fact]
    return refused[0] if refused else (Verdict.REPLAY if older else Verdict.ROTATE)


def judge_again(
    family: Family, *, client_id: str, jkt: str | None, now: datetime, grace: timedelta
) -> Verdict:
    """What becomes of a ceremony that is redeemed although its family is there: REPLAY, if the answer can have been lost.

    Who signed out everywhere since is not asked about here. Lost: in the grace, by the same application with the same key, and nobody has used its first token. Anything else is
    somebody who has the code too: REUSED.
    """
    same = (family.client_id, family.jkt) == (client_id, jkt)
    refusals = (
        (not is_alive(family, signed_out_at=None, now=now), Verdict.OVER),
        (not same or family.generation > 1 or now - family.created_at > grace, Verdict.REUSED),
        (family.replays >= MAX_REPLAYS, Verdict.REPLAYED_TOO_OFTEN),
    )
    return next((verdict for fact, verdict in refusals if fact), Verdict.REPLAY)


def is_alive(family: Family, *, signed_out_at: datetime | None, now: datetime) -> bool:
    """Whether anything of the family is still good."""
    signed_out = signed_out_at is not None and family.auth_time <= signed_out_at
    return family.status is Status.ACTIVE and now < family.ends_at and not signed_out
