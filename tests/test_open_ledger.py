"""What a command leaves out because it cannot be read is said, once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import call

from mlbench.results.ledger import Ledger, read_record


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    """A copy of finished jobs, one of them renamed, one cut; a study is under way."""
    shutil.copytree(finished / "runs", tmp_path / "runs")
    failed = [one for one in Ledger(tmp_path / "runs").folders() if read_record(one).job.model == "breaks"]
    failed[0].rename(failed[0].with_name("renamed"))
    (failed[1] / "record.json").write_text("{")
    (tmp_path / "runs" / "work" / "0123.abc").mkdir(parents=True)
    return tmp_path / "runs"


@pytest.mark.parametrize(
    "words",
    [
        ("leaderboard",),
        ("score", "--metric", "f1_macro"),
        ("compare", "ridge:rfft", "ridge"),
        ("compare", "{runs}", "{board}"),
        ("report", "-o", "{out}"),
    ],
)
def test_jobs_that_cannot_be_read_are_counted(
    words: tuple[str, ...], runs: Path, finished: Path, tmp_path: Path
) -> None:
    """One line names how many and the command that names them; none where all are whole."""
    warning = f"warning: skipping 2 jobs that cannot be read: see `mlbench verify {runs}`"
    board = finished / "leaderboards" / "demo-limit-60.csv"

    def said(folder: Path) -> list[str]:
        filled = [word.format(runs=folder, board=board, out=tmp_path / "report") for word in words]
        code, _, err = call(*filled, "--runs", folder)
        assert code == 0, err
        return err.splitlines()

    assert said(runs).count(warning) == 1
    assert not any("cannot be read" in line for line in said(finished / "runs"))


def test_a_single_job_that_cannot_be_read(runs: Path) -> None:
    """It is one job, not 1 jobs."""
    shutil.rmtree(runs / "jobs" / "renamed")
    assert "warning: skipping 1 job that cannot be read" in call("leaderboard", "--runs", runs)[2]
