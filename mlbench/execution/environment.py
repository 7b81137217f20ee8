"""Where a process runs, and with what."""

from __future__ import annotations

import functools
import os
import platform
import sys
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "scipy", "sklearn", "optuna", "xgboost", "lightgbm", "torch")


def environment(threads: int) -> dict[str, Any]:
    """Return fields of ``mlbench.results.schema.Environment``: versions of the libraries that were imported."""
    versions = {
        name: str(getattr(sys.modules[name], "__version__", "unknown")) for name in LIBRARIES if name in sys.modules
    }
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "versions": versions,
    }


@functools.cache
def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
