"""`python -m passkeys`: enrolment tickets, and what can be verified offline: audit trail, recoveries, metadata. See passkeys/cli.py."""

from __future__ import annotations

import os
import secrets
import sys
from datetime import UTC, datetime

from passkeys.cli import main

if __name__ == "__main__":
    # The edge: environment, clock and chance come in here, and nowhere below.
    sys.exit(
        main(
            sys.argv[1:],
            environ=os.environ,
            clock=lambda: datetime.now(UTC),
            random_bytes=secrets.token_bytes,
        )
    )
