"""The functions of ``mlbench`` for scripts and notebooks; they return pandas tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pandas as pd

from mlbench.api.jobs import boards_of, run_jobs
from mlbench.api.stored import score_boards
from mlbench.data.complete import CompleteDataset
from mlbench.data.dataset import Dataset
from mlbench.errors import UnknownName, UsageError
from mlbench.evaluation.rescoring import find_metric
from mlbench.execution.plan import plan
from mlbench.execution.python_request import python_request
from mlbench.metrics import METRICS, MICRO
from mlbench.plugins.catalog import Catalog, discover
from mlbench.plugins.datasets import DatasetRequest, load
from mlbench.reporting.board import boards, leaderboard
from mlbench.reporting.board_csv import read_board
from mlbench.reporting.compare import PAIRED, Comparison, compare_entries
from mlbench.reporting.comparison_inputs import comparison_inputs
from mlbench.reporting.frames import Leaderboard, frame
from mlbench.results.ledger import Ledger

Path_ = str | os.PathLike[str]


def run(
    *datasets: Path_ | Dataset,
    models: str | Sequence[str] = (),
    features: str | Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    device: str = "auto",
    executor: Executor | None = None,
    runs: Path_ = "runs",
    **budget: Any,
) -> Leaderboard:
    """Tune every model on every data set and score each once on test; finished jobs are not run again.

    Args:
        datasets: Names, paths, or ``Dataset`` objects; without one, the built-in demo.
        models: A name or names; all that are installed by default.
        features: A name or names of feature sets; each data set's own by default.
        seeds: Seeds; each gives one job.
        jobs: Number of jobs that run side by side.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        executor: Any ``concurrent.futures.Executor`` whose workers share the file system, such as Dask's; the
            caller shuts it down. ``jobs`` then only tells how many jobs share the threads of a machine.
        runs: Folder where finished jobs are kept.
        budget: ``n_trials``, ``timeout`` and ``trial_timeout`` (seconds), ``memory_limit`` (bytes), ``metric``,
            ``refit``.

    Raises:
        MlbenchError: An expected error, which the command line prints as one line.
    """
    if jobs < 1:
        raise UsageError(f"jobs must be at least 1, not {jobs}")
    request, catalog = python_request(datasets, models, features, seeds, device, budget)
    todo, ledger = plan(request, catalog), Ledger(Path(runs))
    done = run_jobs(todo, ledger, jobs=jobs, executor=executor)
    if done.lost:
        raise UsageError(f"{done.lost[0]}{f' ({len(done.lost)} jobs in all)' if len(done.lost) > 1 else ''}")
    return frame(boards_of(todo, list(ledger.records())).values())


def load_dataset(name: Path_, *, catalog: Catalog | None = None) -> CompleteDataset:
    """Load the data set of a registered name or of a path, with all three splits.

    Raises:
        MlbenchError: It does not exist, or cannot be read.
    """
    return load(DatasetRequest(name=os.fspath(name)), catalog or discover())


def load_leaderboard(path: Path_) -> Leaderboard:
    """Load the board of a CSV, or all boards of a runs folder.

    Raises:
        MlbenchError: It is neither, or there is nothing in it.
    """
    where = Path(path)
    if where.is_file():
        return frame([read_board(where)], str(where))
    found = boards(Ledger(where).records())
    if not found:
        raise UsageError(f"{where}: no board, and no runs folder with finished jobs")
    return frame(leaderboard(records) for records in found.values())


def compare(first: str, second: str, *, metric: str = MICRO, runs: Path_ = "runs") -> pd.DataFrame:
    """Return paired differences, the second less the first: a line for each data set that both have.

    Args:
        first: ``MODEL`` or ``MODEL:FEATURES`` of ``runs``, another runs folder, a board or a job.
        second: The same.
        metric: A metric of mlbench to compare beside micro and macro average precision.
        runs: Folder where finished jobs are kept.

    Raises:
        MlbenchError: No such model or folder, or nothing in common.
    """
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    names = tuple(dict.fromkeys([*PAIRED, metric]))
    pairs = comparison_inputs([first, second], Path(runs)).pairs
    return pd.DataFrame([_comparison(compare_entries(*pair, names)) for pair in pairs])


def _comparison(found: Comparison) -> dict[str, Any]:
    line: dict[str, Any] = {"dataset": found.dataset, "first": found.first, "second": found.second}
    for name in found.values:
        line[f"{name}_first"], line[f"{name}_second"] = found.values[name]
        gap = found.differences.get(name)
        for part in ("value", "low", "high", "superiority"):
            line[f"{name}_difference_{part}"] = getattr(gap, part) if gap else None
    for kind in ("wins", "losses", "ties"):
        line[f"labels_{kind}"] = sum(getattr(found.labels, kind).values()) if found.labels else None
    return line


def score(metric: str, *datasets: str, runs: Path_ = "runs", data: Sequence[Path_] = ()) -> pd.DataFrame:
    """Return any metric on finished jobs, from their stored scores: nothing is trained.

    Args:
        metric: A metric of mlbench, or a function of ``sklearn.metrics``.
        datasets: Names of data sets; all by default.
        runs: Folder where finished jobs are kept.
        data: Where to find the labels: registered names or paths.

    Raises:
        MlbenchError: No such metric or data set.
    """
    asked = [DatasetRequest(name=os.fspath(name)) for name in data]
    lines = []
    for (name, board_id), rows in score_boards(find_metric(metric), Ledger(Path(runs)), datasets, asked):
        lines += [{"dataset": name, "board_id": board_id, **vars(row)} for row in rows]
    return pd.DataFrame(lines)
