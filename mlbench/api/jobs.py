"""Running jobs, and writing their boards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

from mlbench.errors import DataError, UsageError
from mlbench.evaluation.evaluate import evaluate
from mlbench.execution.executors import executor_for
from mlbench.execution.job import Job
from mlbench.execution.scheduler import Schedule, schedule
from mlbench.plugins.worker_pool import usable_cpus
from mlbench.reporting.board import Board, differences_of, leaderboard
from mlbench.reporting.board_csv import read_board, to_csv
from mlbench.reporting.files import write_text
from mlbench.reporting.views import to_markdown
from mlbench.results.ledger import Ledger, WorkFolder
from mlbench.results.outcome import Outcome
from mlbench.results.schema import Record


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
        jobs: Number of jobs that run side by side; each gets its share of the machine's threads.
        executor: Any ``concurrent.futures.Executor`` whose workers share the file system; the caller shuts it
            down. By default, threads that supervise ``jobs`` child processes.
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
