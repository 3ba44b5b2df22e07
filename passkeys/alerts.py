"""What a person must look at at once: one line in the log, at ERROR, that begins with `alert` and a stable code.

Whoever watches counts these lines by their code; docs/sessions.md lists the codes.
"""

from __future__ import annotations

import logging

log = logging.getLogger("passkeys.alerts")


def alert(code: str, **facts: str | int | None) -> None:
    """Tell it. `facts` are what to look for: never a token, nor what somebody is called or where they are."""
    log.error("alert %s%s", code, "".join(f" {name}={value}" for name, value in facts.items()))
