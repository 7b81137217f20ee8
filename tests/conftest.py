"""Fixtures that several test files use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_files import install


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: a test that needs it fails in CI when it is missing, and is skipped elsewhere."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MLBENCH_SHARED_DATA", beside))
    if folder.is_dir():
        return folder
    message = f"no real data at {folder}: set MLBENCH_SHARED_DATA"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


BREAKS = """
from mlbench import ModelSpec, hookimpl

def fit(prepared, params, context):
    raise RuntimeError("it is broken on purpose")

@hookimpl
def mlbench_models():
    yield ModelSpec(name="breaks", summary="always fails", defaults={}, fit=fit)
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``runs`` and ``leaderboards`` of six small jobs on the demo, two of which failed; only to read."""
    folder = tmp_path_factory.mktemp("finished")
    site = install(folder / "site", "mlbench-breaks", BREAKS)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    words = ["run", "-m", "ridge", "-m", "breaks", "--seed", "0", "--seed", "1", "--n-trials", "3", "--limit", "60"]
    ended = subprocess.run(
        [sys.executable, "-m", "mlbench", *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    return folder
