"""NumPy's AVX-512 sort is left out where it is slow, for the command alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ONE = "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512f avx512bw\n\n"
AMD = 2 * ONE
INTEL = AMD.replace("AuthenticAMD", "GenuineIntel")
OLDER = AMD.replace("avx512f avx512bw", "")
PRINTS = """
import os, sys
from pathlib import Path
from mlbench.cli.processor import import_numpy
{first}
import builtins
seen = []
def watched(name, *more, **kwargs):
    if name == "numpy":
        seen.append(os.environ.get("NPY_DISABLE_CPU_FEATURES"))
    return real_import(name, *more, **kwargs)
real_import = builtins.__import__
builtins.__import__ = watched
import_numpy(Path(sys.argv[1]))
print(seen[:1], os.environ.get("NPY_DISABLE_CPU_FEATURES"))
"""


def _ends(path: Path, text: str, *, first: str = "", **environment: str) -> str:
    path.write_text(text)
    known = {name: value for name, value in os.environ.items() if name != "NPY_DISABLE_CPU_FEATURES"}
    ended = subprocess.run(
        [sys.executable, "-c", PRINTS.format(first=first), path], env={**known, **environment}, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip
    return ended.stdout.strip()


def test_amd_with_avx_512_sorts_without(tmp_path: Path) -> None:
    """The variable is set while NumPy is imported, and gone afterwards, so that no child has it."""
    assert _ends(tmp_path / "cpuinfo", AMD) == "['X86_V4'] None"


@pytest.mark.parametrize("text", [INTEL, OLDER, "", "\x00\xff"])
def test_other_processors_are_left_alone(tmp_path: Path, text: str) -> None:
    """Where the sort is quick, or nothing is known, nothing is imported and nothing is set."""
    assert _ends(tmp_path / "cpuinfo", text) == "[] None"


def test_what_the_user_chose_stays(tmp_path: Path) -> None:
    """Whoever set the variable, or imported NumPy before, has decided."""
    assert _ends(tmp_path / "cpuinfo", AMD, NPY_DISABLE_CPU_FEATURES="") == "[]"
    assert _ends(tmp_path / "cpuinfo", AMD, first="import numpy") == "[] None"


def test_the_command_starts_before_numpy() -> None:
    """Neither ``import mlbench`` nor the command's own modules import NumPy, or it would be too late to choose."""
    code = "import sys, mlbench, mlbench.cli.main; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
