"""`python -m local_host`."""

from __future__ import annotations

import sys

from local_host.cli import main

sys.exit(main(sys.argv[1:]))
