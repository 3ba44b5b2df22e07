"""Which proofs of possession have been shown, remembered in the memory of one process (RFC 9449 §11.1)."""

from __future__ import annotations

import logging
from collections import OrderedDict
from datetime import datetime
from typing import Protocol

MAX_SEEN = 100_000
log = logging.getLogger("passkeys.proofs_seen")


class Seen(Protocol):
    """What proofs have been shown. One for all processes is stricter than one in each: see ProofsSeen."""

    async def first_time(self, digest: str, *, until: datetime, now: datetime) -> bool:
        """Whether this proof has not been shown before; from now on, and until then at least, it has."""
        ...


class ProofsSeen:
    """The proofs that this process has seen, as long as they could be shown again, and no more than `limit` of them.

    Only who has a good token and its key can add to them. When they are too many, the oldest is forgotten early, and the log
    says so: within its window, that one could be shown again.
    """

    def __init__(self, limit: int = MAX_SEEN) -> None:
        self._limit = limit
        self._until: OrderedDict[str, datetime] = OrderedDict()

    async def first_time(self, digest: str, *, until: datetime, now: datetime) -> bool:
        """As Seen has it."""
        known = self._until.get(digest)
        if known is not None and known > now:
            return False
        # In the order in which they came, which is nearly that in which they end: a few are kept a moment too long.
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)
        if len(self._until) >= self._limit:
            self._until.popitem(last=False)
            log.warning("dpop_proofs_forgotten_early: more than %d within their window.", self._limit)
        self._until[digest] = until
        self._until.move_to_end(digest)
        return True
