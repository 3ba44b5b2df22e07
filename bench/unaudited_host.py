"""The local host, and no entry of any ceremony reaches the audit: what the audit costs is measured beside it (bench/audit.py)."""

from __future__ import annotations

import sys
from typing import Any

from azure.durable_functions import DurableOrchestrationContext

from local_host import cli


def leave_out_the_audit() -> None:
    """Let orchestrations signal every entity but the audit logs."""
    signal_entity = DurableOrchestrationContext.signal_entity

    def signal(context: DurableOrchestrationContext, entity: Any, *said: Any) -> None:
        if entity.name != "audit_log":
            signal_entity(context, entity, *said)

    DurableOrchestrationContext.signal_entity = signal


if __name__ == "__main__":
    leave_out_the_audit()
    sys.exit(cli.main(sys.argv[1:]))
