"""The folder for data sets that were made on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def data_home() -> Path:
    """Return ``$MLBENCH_DATA`` if set, else ``mlbench`` in the user's cache folder. The folder is not created."""
    if chosen := os.environ.get("MLBENCH_DATA"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "mlbench"
