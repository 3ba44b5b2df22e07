"""Small apps as text, loaded by the real loader into a fresh import state."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_host.app import App, load_app

HEAD = """
import azure.durable_functions as df
import azure.functions as func
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""


@contextmanager
def loaded(
    directory: Path,
    source: str,
    *,
    host_json: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    file_name: str = "function_app.py",
) -> Iterator[App]:
    """The app of this source, written to `directory` and loaded; the import state is as before afterwards."""
    path, modules = list(sys.path), dict(sys.modules)
    (directory / file_name).write_text(source, "utf-8")
    if host_json is not None:
        (directory / "host.json").write_text(json.dumps(host_json), "utf-8")
    try:
        yield load_app(directory, environ or {})
    finally:
        sys.path[:] = path
        for name in sys.modules.keys() - modules.keys():
            if getattr(sys.modules[name], "__file__", None) and str(directory) in str(
                sys.modules[name].__file__
            ):
                del sys.modules[name]
