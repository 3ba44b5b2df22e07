"""Write the fixtures of tests/orchestrators/histories: one recorded history for each scenario.

    python -m tests.orchestrators.record

Run it only when a ceremony's calls were changed on purpose; then give the orchestrator a new name first, unless no
instance of the old one can be running anywhere.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.orchestrators.refreshes import REFRESHES
from tests.orchestrators.scenarios import SCENARIOS

HISTORIES = Path(__file__).parent / "histories"


def main() -> None:
    scripts = {name: script for name, (script, *_) in SCENARIOS.items()} | REFRESHES
    for name, script in scripts.items():
        text = json.dumps(script().fixture(), indent=1)
        (HISTORIES / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
