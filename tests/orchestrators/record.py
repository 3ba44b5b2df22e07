"""Write the fixtures of tests/orchestrators/histories: one recorded history for each scenario.

    python -m tests.orchestrators.record

Run it only when a ceremony's calls were changed on purpose; then give the orchestrator a new name first, unless no
instance of the old one can be running anywhere.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.orchestrators.acts import ACTS
from tests.orchestrators.leavers import LEAVERS
from tests.orchestrators.refreshes import REFRESHES
from tests.orchestrators.rotations import ROTATIONS
from tests.orchestrators.scenarios import SCENARIOS

HISTORIES = Path(__file__).parent / "histories"


def main() -> None:
    scripts = {name: script for name, (script, *_) in SCENARIOS.items()}
    scripts |= {f"acts/{name}": script for name, (script, *_) in ACTS.items()}
    scripts |= {f"metadata/{name}": script for name, script in REFRESHES.items()}
    scripts |= {f"keys/{name}": script for name, script in ROTATIONS.items()}
    scripts |= {f"leavers/{name}": script for name, script in LEAVERS.items()}
    for name, script in scripts.items():
        file = HISTORIES / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(script().fixture(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
