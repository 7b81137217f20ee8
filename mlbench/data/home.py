"""Where data sets that were made on this machine are kept."""

from __future__ import annotations

import os
from pathlib import Path


def data_home() -> Path:
    """``$MLBENCH_DATA``, else ``mlbench`` in the user's cache folder; not made by asking for it."""
    if chosen := os.environ.get("MLBENCH_DATA"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "mlbench"
