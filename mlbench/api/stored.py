"""What is computed from finished jobs alone: any metric of their scores, and every value once more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlbench.errors import UsageError
from mlbench.evaluation.dataset_finder import DatasetFinder
from mlbench.evaluation.rescoring import JobValue, RequestedMetric, rescore
from mlbench.evaluation.verification import Verified, verify_runs
from mlbench.plugins.catalog import discover
from mlbench.plugins.datasets import DatasetRequest, MakeProgress, silent
from mlbench.reporting.board import chosen_boards
from mlbench.reporting.board_verification import verify_board, whole_records
from mlbench.reporting.comparison_inputs import is_runs
from mlbench.results.ledger import Ledger


def score_boards(
    metric: RequestedMetric,
    ledger: Ledger,
    datasets: Sequence[str] = (),
    data: Sequence[DatasetRequest] = (),
    *,
    progress: MakeProgress = silent,
    note: Callable[[str], None] = lambda line: None,
) -> list[tuple[tuple[str, str], list[JobValue]]]:
    """Return the metric of every job, for each board by (name of the data set, id of the board).

    Args:
        metric: What to compute.
        ledger: Where the scores are.
        datasets: Names of data sets; all by default.
        data: Where to find the labels.
        progress: Told (data set, done, total) while a data set is made.
        note: Told, a line each, what is left out.
    """
    found = chosen_boards(ledger, datasets)
    finder = DatasetFinder(discover(), data, progress)
    return [(key, rescore(metric, records, ledger, finder, note)) for key, records in found.items()]


@dataclass(kw_only=True)
class Verification:
    """What was checked.

    Attributes:
        runs: By runs folder, what was found there.
        boards: By board, its number of rows.
        rows_recomputed: Whether the rows of boards were computed anew.
        differences: One line for each difference, with the path of the file.
    """

    runs: dict[Path, Verified] = field(default_factory=dict)
    boards: dict[Path, int] = field(default_factory=dict)
    rows_recomputed: bool = False
    differences: list[str] = field(default_factory=list)


def verify(
    paths: Sequence[Path],
    compared: Sequence[Path] = (),
    data: Sequence[DatasetRequest] = (),
    *,
    progress: MakeProgress = silent,
) -> Verification:
    """Recompute finished jobs and boards from what they were made of.

    Args:
        paths: Runs folders, boards (CSV), or folders of boards.
        compared: Runs folders to compute the rows of boards from; those among ``paths`` by default.
        data: Where to find the labels.
        progress: Told (data set, done, total) while a data set is made.

    Raises:
        UsageError: A path is none of these.
    """
    runs, csvs = _sorted_out(paths)
    for folder in compared:
        if not is_runs(folder):
            raise UsageError(f"{folder}: no finished jobs: a runs folder has a folder jobs in it")
    finder = DatasetFinder(discover(), data, progress)
    result = Verification()
    for folder in runs:
        result.runs[folder] = verify_runs(folder, finder)
        result.differences += result.runs[folder].differences
    at_hand = tuple(compared) or tuple(runs)
    records = whole_records(at_hand) if at_hand else None
    result.rows_recomputed = records is not None
    for path in csvs:
        result.boards[path], lines = verify_board(path, records)
        result.differences += lines
    return result


def _sorted_out(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Runs folders, and CSV files of boards."""
    runs: list[Path] = []
    csvs: list[Path] = []
    for path in paths:
        if is_runs(path):
            runs.append(path)
        elif path.is_file() and path.suffix == ".csv":
            csvs.append(path)
        elif path.is_dir() and (found := sorted(path.glob("*.csv"))):
            csvs += found
        else:
            raise UsageError(f"{path}: neither a runs folder, nor a board's CSV, nor a folder of boards")
    return runs, csvs
