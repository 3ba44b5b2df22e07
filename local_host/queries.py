"""Named SQL statements, read from the `.sql` files beside this module.

A statement begins with a line that is a comment holding its name alone (`-- next_timer`); comment lines below it say
what it is for; it ends with the semicolon before the next name.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

DIRECTORY = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- ([a-z_]+)$", re.MULTILINE)


@cache
def statements(file_name: str) -> dict[str, str]:
    """The statements of one file by name. Raises ValueError when a name occurs twice."""
    parts = _NAME.split((DIRECTORY / file_name).read_text("utf-8"))
    found: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in found:
            raise ValueError(f"{file_name} holds two statements named {name}. Rename one.")
        lines = (line for line in body.splitlines() if line and not line.startswith("--"))
        found[name] = "\n".join(lines).rstrip(";\n ")
    return found
