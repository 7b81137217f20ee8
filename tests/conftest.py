"""Fixtures that several test files use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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
