"""Makes real distributions for tests: a module with its ``.dist-info``, found by ``PYTHONPATH``."""

from __future__ import annotations

import textwrap
from pathlib import Path


def install(site: Path, name: str, code: str, version: str = "0.1") -> Path:
    """A distribution ``name`` with one module of that code and one entry point for it."""
    module = name.replace("-", "_")
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{module}.py").write_text(textwrap.dedent(code))
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[mlbench]\n{module} = {module}\n")
    return site
