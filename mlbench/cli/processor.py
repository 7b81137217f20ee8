"""Lets NumPy sort as fast as the processor can.

On AMD's processors with AVX-512, the instruction that NumPy 2.4's AVX-512 sort is made of is slow: sorting 1.28 million
float32 takes 42 ms, and 7 ms with its AVX2 sort. Which one it takes is decided by ``NPY_DISABLE_CPU_FEATURES``, which
is read when NumPy is imported. The values are the same.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

VARIABLE = "NPY_DISABLE_CPU_FEATURES"
SLOW = "X86_V4"
"""NumPy 2.4's name of AVX-512."""


def import_numpy(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Import NumPy, without its AVX-512 kernels where they sort slowly and the user has chosen none.

    Child processes, which train more than they sort, are not affected: elsewhere AVX-512 is a little faster.

    Args:
        cpuinfo: What Linux says of the processor; elsewhere nothing is changed.
    """
    if "numpy" in sys.modules or VARIABLE in os.environ or not _sorts_slowly(cpuinfo):
        return
    os.environ[VARIABLE] = SLOW
    try:
        import numpy  # noqa: F401
    finally:
        del os.environ[VARIABLE]


def _sorts_slowly(cpuinfo: Path) -> bool:
    try:
        text = cpuinfo.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    first = text.split("\n\n", 1)[0]
    if "AuthenticAMD" not in first or " avx512bw" not in first:
        return False
    major, minor = version("numpy").split(".")[:2]
    return (int(major), int(minor)) >= (2, 4)
