"""What the tests share: the command in a process of its own, and one stand-in that it made."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """The data home of these tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def mlbench(home):
    """The command: arguments -> finished process."""

    def command(*arguments, check=True, **more):
        environment = os.environ | {"MLBENCH_DATA": str(home), "PYTHONWARNINGS": "error"}
        call = [sys.executable, "-m", "mlbench", *map(str, arguments)]
        done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=300, **more)
        assert not check or done.returncode == 0, done.stderr
        return done

    return command


@pytest.fixture(scope="session")
def tiny(mlbench, tmp_path_factory):
    """The smallest stand-in, made by two processes."""
    folder = tmp_path_factory.mktemp("tiny") / "data"
    mlbench("data", "make", "synth-musicnet-tiny", "-o", folder, "-j", 2)
    return folder


@pytest.fixture(scope="session")
def digests():
    """Folder -> SHA-256 of each of its files."""

    def of(folder):
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}

    return of


@pytest.fixture(scope="session")
def shared_music():
    """The folder with a genuine label file of MusicNet; it must be there in CI."""
    root = Path(os.environ.get("MLBENCH_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
    if not (root / "musicnet").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{root / 'musicnet'} is missing: set MLBENCH_SHARED_DATA")
        pytest.skip("MLBENCH_SHARED_DATA names no folder with musicnet/2382.csv")
    return root / "musicnet"
