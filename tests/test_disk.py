"""Our own files: where they cannot be written it is no fault of a model, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import job_data, random_dataset, request

from mlbench.data.cache import write_features
from mlbench.errors import DataError
from mlbench.execution import supervisor as supervise
from mlbench.execution.process import Ending
from mlbench.execution.worker_request import EXIT_DISK


def test_a_child_that_cannot_write_says_so_by_its_exit_code() -> None:
    """A full disk is not a failed trial."""
    code = (
        "from mlbench.execution.worker import _our_own_files\n"
        "with _our_own_files(), open('/dev/full', 'w') as file:\n    file.write('x'); file.flush()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == EXIT_DISK
    assert "No space left on device" in ended.stderr


def test_the_parent_tries_again_once_when_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that exits with our code gains nothing by it: the second time it is a row."""
    calls: list[int] = []

    def ended(*_: object) -> Ending:
        calls.append(1)
        return Ending(kind="exit", code=EXIT_DISK, last={"phase": "prepare"})

    monkeypatch.setattr(supervise, "_one_process", ended)
    outcome = supervise.supervise(request(tmp_path, timeout=1, trial_timeout=1))
    assert (outcome.status, len(calls)) == ("killed", 2)


def test_the_parent_ends_the_run_when_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the disk's, and no row."""
    monkeypatch.setattr(supervise, "_one_process", lambda *_: Ending(kind="exit", code=EXIT_DISK, last={}))
    (tmp_path / supervise.PROBE).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        supervise.supervise(request(tmp_path, timeout=1, trial_timeout=1))


def test_features_are_refused_before_they_are_stored(tmp_path: Path) -> None:
    """Values that float32 cannot hold, and blocks of rows of different widths."""
    data = job_data(random_dataset())
    with pytest.raises(DataError, match="NaN or infinite"):
        write_features(data, lambda X: np.full((len(X), 2), 1e300), tmp_path / "a")
    widths = iter((4, 1, 1))
    with pytest.raises(DataError, match="into 1 columns, the first one into 4"):
        write_features(data, lambda X: np.ones((len(X), next(widths)), np.float32), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []
