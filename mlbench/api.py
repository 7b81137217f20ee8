"""What mlbench does: run, compare, score, verify, merge, report. The command line and notebooks only call it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mlbench.data.complete import CompleteDataset
from mlbench.data.dataset import Dataset
from mlbench.errors import DataError, UsageError
from mlbench.evaluation.dataset_finder import DatasetFinder
from mlbench.evaluation.evaluate import evaluate
from mlbench.evaluation.rescoring import Metric, Scored, find_metric, rescore
from mlbench.evaluation.verification import Verified, verify_runs
from mlbench.execution.executors import executor_for
from mlbench.execution.job import Job
from mlbench.execution.plan import plan
from mlbench.execution.python_request import python_request
from mlbench.execution.scheduler import Schedule, schedule
from mlbench.plugins.catalog import Catalog, discover
from mlbench.plugins.datasets import DatasetRequest, MakeProgress, load, silent
from mlbench.plugins.worker_pool import usable_cpus
from mlbench.reporting.board import Board, boards, chosen_boards, differences_of, leaderboard
from mlbench.reporting.board_csv import read_board, to_csv
from mlbench.reporting.board_verification import verify_board, whole_records
from mlbench.reporting.compare import PAIRED, Comparison, compare_entries
from mlbench.reporting.comparison_inputs import comparison_inputs, is_runs
from mlbench.reporting.files import write_text
from mlbench.reporting.frames import Leaderboard, frame
from mlbench.reporting.report import write_report
from mlbench.reporting.views import to_markdown
from mlbench.results.ledger import Ledger, WorkFolder
from mlbench.results.merge import merge
from mlbench.results.outcome import Outcome
from mlbench.results.schema import Record

__all__ = [
    "Leaderboard",
    "Verification",
    "boards_of",
    "check_writable",
    "compare",
    "load_dataset",
    "load_leaderboard",
    "merge",
    "run",
    "run_jobs",
    "score",
    "score_boards",
    "verify",
    "write_boards",
    "write_report",
]
Path_ = str | os.PathLike[str]


# ----------------------------------------------------------------------------------------------- run
def run(
    *datasets: Path_ | Dataset,
    models: str | Sequence[str] = (),
    features: str | Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    device: str = "auto",
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
    done = run_jobs(todo, ledger, jobs=jobs)
    if done.lost:
        raise UsageError(f"{done.lost[0]}{f' ({len(done.lost)} jobs in all)' if len(done.lost) > 1 else ''}")
    return frame(boards_of(todo, list(ledger.records())).values())


def run_jobs(
    todo: Sequence[Job],
    ledger: Ledger,
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    on_done: Callable[[Job, Record], None] = lambda job, record: None,
    fail_fast: bool = False,
) -> Schedule:
    """Run the jobs that the ledger lacks; every process that was started has ended when this returns or raises.

    Args:
        todo: In the order in which they start.
        ledger: Where records are, and go.
        jobs: Number of jobs that run side by side.
        executor: Any ``concurrent.futures`` executor that shares the file system; threads of ours by default.
        on_done: Told each job that ran, as soon as its record is in the ledger.
        fail_fast: Start nothing more after the first row that is not ok.
    """
    threads = max(1, usable_cpus() // jobs)
    chosen = executor or executor_for(jobs)
    try:
        done = schedule(todo, chosen, ledger, _evaluate, threads=threads, on_done=on_done, fail_fast=fail_fast)
    except BaseException:
        if executor is None:
            chosen.shutdown(wait=True, cancel_futures=True)
        raise
    if executor is None:
        chosen.shutdown()
    return done


def _evaluate(job: Job, work: WorkFolder, outcome: Outcome) -> tuple[Record, tuple[str, ...]]:
    return evaluate(
        job.key,
        job.dataset,
        work.path,
        work.study.read(),
        outcome,
        default_params=job.model.spec.defaults,
        n_trials_asked=job.n_trials,
    )


def boards_of(todo: Sequence[Job], records: Sequence[Record]) -> dict[str, Board]:
    """Return the board of each data set: these jobs, and what else there is of the same data and budget."""
    found: dict[str, Board] = {}
    ids = {job.id for job in todo}
    for job in todo:
        if job.dataset.name not in found:
            mine = [record for record in records if record.job.board_id == job.key.board_id]
            found[job.dataset.name] = leaderboard(mine, preferred=ids)
    return found


def check_writable(folder: Path) -> None:
    """Fail before hours of work, not after, if boards cannot be written to ``folder``.

    Raises:
        UsageError: They cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix="."):
            pass
    except OSError as error:
        what = f"{folder}: cannot be written: {error.strerror or error}"
        raise UsageError(f"{what}: choose another folder with --leaderboards") from error


def write_boards(found: Mapping[str, Board], folder: Path) -> list[str]:
    """Write the CSV and the Markdown of boards; return a warning for each that replaces a different one.

    Raises:
        UsageError: A file cannot be written.
    """
    warnings = []
    for name, board in found.items():
        path = folder / f"{name}.csv"
        if (what := _replaced(path, board)) is not None:
            warnings.append(f"{path} was a board of {what}, and is replaced: finished jobs stay in their runs folder")
        try:
            write_text(path, to_csv(board))
            write_text(path.with_suffix(".md"), to_markdown(board))
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror or error}: free the disk") from error
    return warnings


def _replaced(path: Path, board: Board) -> str | None:
    """What the board at ``path`` is of, if its data or its budget are others."""
    try:
        old = read_board(path)
    except DataError:
        return None  # there is none
    if not old.rows or not board.rows:
        return None
    if old.dataset_sha256 != board.dataset_sha256:
        return f"other data (SHA-256 {old.dataset_sha256[:12]}, now {board.dataset_sha256[:12]})"
    if old.schema_version == 1 or old.id == board.id:
        return None
    differing = differences_of(old.rows[0], board.rows[0])
    return f"another budget ({'; '.join(differing)})" if differing else "another budget"


# ------------------------------------------------------------------------------------- load, compare
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


def compare(first: str, second: str, *, runs: Path_ = "runs") -> pd.DataFrame:
    """Return paired differences, the second less the first: a line for each data set that both have.

    Args:
        first: ``MODEL`` or ``MODEL:FEATURES`` of ``runs``, another runs folder, a board or a job.
        second: The same.
        runs: Folder where finished jobs are kept.

    Raises:
        MlbenchError: No such model or folder, or nothing in common.
    """
    pairs = comparison_inputs([first, second], Path(runs)).pairs
    return pd.DataFrame([_comparison(compare_entries(*pair)) for pair in pairs])


def _comparison(found: Comparison) -> dict[str, Any]:
    line: dict[str, Any] = {"dataset": found.dataset, "first": found.first, "second": found.second}
    for name in PAIRED:
        line[f"{name}_first"], line[f"{name}_second"] = found.values[name]
        gap = found.differences.get(name)
        for part in ("value", "low", "high", "superiority"):
            line[f"{name}_difference_{part}"] = getattr(gap, part) if gap else None
    for kind in ("wins", "losses", "ties"):
        line[f"labels_{kind}"] = sum(getattr(found.labels, kind).values()) if found.labels else None
    return line


# ------------------------------------------------------------------------------------ score, verify
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


def score_boards(
    metric: Metric,
    ledger: Ledger,
    datasets: Sequence[str] = (),
    data: Sequence[DatasetRequest] = (),
    *,
    progress: MakeProgress = silent,
    note: Callable[[str], None] = lambda line: None,
) -> list[tuple[tuple[str, str], list[Scored]]]:
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
