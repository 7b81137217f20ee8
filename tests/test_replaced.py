"""A board that takes the place of another one says so, and where the other's jobs are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import call, record

from mlbench.execution.job import Budget
from mlbench.reporting.leaderboard import leaderboard, to_csv
from mlbench.reporting.replaced import replaced
from mlbench.results.ledger import Ledger, Record

LEDGER = Ledger(Path("runs"))


def _spent(seconds: float, **more: object) -> Record:
    timings = {"prepare_seconds": 1.0, "tune_seconds": seconds, "fit_seconds": 3.0, "predict_seconds": 4.0}
    return record(0.5, timings=timings, id=f"{seconds}", **more)  # type: ignore[arg-type]


OLD = _spent(2.5, budget=Budget(timeout=60.0))
NEW = _spent(3.5)
ELSEWHERE = _spent(4.5, n_trials=7)


def _of_other_data(one: Record) -> Record:
    return replace(one, job={**one.job, "dataset_sha256": "e" * 64}, dataset={**one.dataset, "sha256": "e" * 64})


@pytest.mark.parametrize(
    ("old", "there", "says"),
    [
        (OLD, [OLD, NEW], "another budget (timeout 60.0, now 600.0), and is replaced: its jobs are still in runs/jobs"),
        (ELSEWHERE, [NEW], "another budget (7 trials, now 20), and is replaced: its jobs are not in runs/jobs"),
        (_of_other_data(OLD), [NEW], "other data (SHA-256 eeeeeeeeeeee, now dddddddddddd), and is replaced: its jobs"),
        (NEW, [OLD, NEW], None),
        (_spent(5.5), [NEW], None),
    ],
)
def test_what_is_replaced_is_told(tmp_path: Path, old: Record, there: list[Record], says: str | None) -> None:
    """By fingerprint, and by what differs in the budget; the same board made anew is nothing to tell."""
    path = tmp_path / "toy.csv"
    path.write_text(to_csv(leaderboard([old])))
    found = replaced(path, leaderboard([NEW]), there, LEDGER)
    assert (found is None) == (says is None)
    assert says is None or f"{path} was a board of {says}" in str(found)


def test_a_first_board_and_a_further_seed_replace_nothing(tmp_path: Path) -> None:
    """Where there is no board, or one of fewer seeds of the same."""
    path = tmp_path / "toy.csv"
    more = _spent(9.5, seed=1, n_trials=3)
    assert replaced(path, leaderboard([NEW]), [NEW], LEDGER) is None
    path.write_text(to_csv(leaderboard([NEW])))
    assert replaced(path, leaderboard([NEW, more]), [NEW, more], LEDGER) is None


def test_the_command_warns_once(tmp_path: Path) -> None:
    """A run of more trials writes over the board of fewer; the same run again says nothing."""
    words = ("run", "-m", "ridge", "--limit", "60", "--runs", tmp_path / "runs", "--leaderboards", tmp_path / "boards")
    told = [call(*words, "--n-trials", n)[2].count("another budget (n_trials 1, now 2)") for n in ("1", "2", "2")]
    assert told == [0, 1, 0]
