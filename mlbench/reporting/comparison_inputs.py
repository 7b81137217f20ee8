"""What ``mlbench compare`` is given (runs folders, boards, jobs, models) as pairs of entries to compare."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from mlbench.errors import LedgerError, UsageError
from mlbench.metrics import METRICS, MICRO
from mlbench.reporting.board import Board, Row, row_name
from mlbench.reporting.board_csv import read_board
from mlbench.reporting.board_verification import computed_board
from mlbench.reporting.compare import (
    Comparison,
    Contender,
    Entry,
    contender,
    entries_named,
    entries_of,
    lost,
    pair_up,
)
from mlbench.results.ledger import Ledger
from mlbench.results.migrations import from_json
from mlbench.results.schema import BASELINE, RECORD

OpenLedger = Callable[[Path], Ledger]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is to be compared.

    Attributes:
        pairs: Pairs of entries, A first.
        contenders: What has ranks over several data sets; empty when two runs folders or boards are compared.
        lost: Entries of A that B lacks.
    """

    pairs: Sequence[tuple[Entry, Entry]]
    contenders: Sequence[Contender] = ()
    lost: Sequence[Entry] = field(default_factory=tuple)


def is_runs(path: Path) -> bool:
    """Return whether a path is a runs folder."""
    return (path / "jobs").is_dir()


def comparison_inputs(what: Sequence[str], runs: Path, open_ledger: OpenLedger = Ledger) -> Inputs:
    """Return the pairs of two runs folders or boards, else of jobs and models of ``runs``.

    Args:
        what: Paths of runs folders, boards or jobs, or ``MODEL`` or ``MODEL:FEATURES``.
        runs: The runs folder that models and boards are looked up in.
        open_ledger: Opens a runs folder.

    Raises:
        UsageError: Something is not there, is ambiguous, or cannot be compared with the rest.
        LedgerError: A record cannot be read.
    """
    if len(what) < 2:
        raise UsageError("give at least two things to compare")
    if all(is_runs(Path(one)) or Path(one).suffix == ".csv" for one in what):
        if len(what) > 2:
            raise UsageError("only two runs folders or boards can be compared at a time")
        first, second = (_entries(Path(one), runs, open_ledger) for one in what)
        return Inputs(pairs=pair_up(first, second), lost=lost(first, second))
    if twice := next((one for one in what if what.count(one) > 1), None):
        raise UsageError(f"{twice} is given twice")
    contenders = _contenders(what, runs, open_ledger)
    return Inputs(pairs=_pairs(contenders), contenders=contenders)


def worse(one: Comparison, metric: str | None, margin: float) -> list[str]:
    """Return a line if B is worse than A by more than a margin, or if its value became undefined."""
    if metric is None:
        return []
    a, b = one.values[metric]
    loss = METRICS[metric].sign * (a - b)
    if loss <= margin or math.isnan(a):
        return []
    return [f"worse: {one.second} on {one.dataset}: {metric} {b:.4f}, was {a:.4f}, worse by {loss:.4f} > {margin:g}"]


def _entries(path: Path, runs: Path, open_ledger: OpenLedger) -> list[Entry]:
    """Of a runs folder; of a board, the rows that are ok, from their jobs in ``runs``."""
    if is_runs(path):
        return entries_of(open_ledger(path))
    board, ledger = read_board(path), open_ledger(runs)
    known = _with_jobs(board, ledger)
    ids = frozenset(job for row in known for job in row["job_ids"].split())
    try:
        found = entries_of(ledger, lambda record: record.id in ids)
    except UsageError as error:
        raise UsageError(f"{path}: no job of this board is in {runs}: give its runs folder with --runs") from error
    there = {record.id for entry in found for record in entry.seeds}
    wanted = [row for row in board.rows if row["status"] == "ok" and row["model"] != BASELINE]
    names = {row_name(row) for row in known if set(row["job_ids"].split()) <= there}
    lacking = [row for row in wanted if row_name(row) not in names]
    if lacking:
        raise UsageError(
            f"{path}: {row_name(lacking[0])}: no job in {runs} gives the values of this row: "
            "name its runs folder with --runs"
        )
    return found


def _with_jobs(board: Board, ledger: Ledger) -> list[Row]:
    """The rows that are ok, with their jobs; those of schema 1 are matched with what the runs give."""
    rows = [row for row in board.rows if row["status"] == "ok" and row["model"] != BASELINE]
    if board.schema_version > 1:
        return rows
    computed = computed_board(board, list(ledger.records()))
    others = {row_name(row): row for row in computed.rows} if computed else {}
    return [
        {**row, "job_ids": other["job_ids"]}
        for row in rows
        if (other := others.get(row_name(row))) and _same(row, other)
    ]


def _same(row: Row, other: Row) -> bool:
    """Whether one job gives both rows: same value and as many trials."""
    try:
        values = float(row[MICRO] or "nan"), float(other[MICRO] or "nan")
    except ValueError:
        return False
    same = math.isclose(*values, rel_tol=1e-12) or all(map(math.isnan, values))
    return same and row["n_trials"] == other["n_trials"]


def _contenders(what: Sequence[str], runs: Path, open_ledger: OpenLedger) -> list[Contender]:
    """Single jobs' folders, and models of ``runs``; what is not there is said before what is ambiguous."""
    names = [one for one in what if not _is_job(Path(one))]
    entries: list[Entry] = []
    if names:
        try:
            entries = entries_of(open_ledger(runs))
        except UsageError:
            for path in filter(Path.exists, map(Path, names)):
                raise UsageError(_misplaced(path)) from None
            raise
    models = {entry.seeds[0].job.model for entry in entries}
    for name in names:
        if name.partition(":")[0] not in models and Path(name).exists():
            raise UsageError(_misplaced(Path(name)))
        entries_named(name, entries)
    return [contender(one, entries) if one in names else _job(Path(one)) for one in what]


def _misplaced(path: Path) -> str:
    """Explain why an existing file or folder cannot be compared with the others."""
    if is_runs(path) or path.suffix == ".csv":
        kind = "a runs folder" if is_runs(path) else "a board"
        return f"{path} is {kind}, which is compared with another one or with a board: to name models, give --runs"
    return f"{path} is not a runs folder (it has no jobs folder), a job (it has no {RECORD}) or a board (.csv)"


def _is_job(path: Path) -> bool:
    return (path / RECORD).is_file() or path.name == RECORD


def _job(path: Path) -> Contender:
    """Return the single job of a folder or of its record."""
    folder = path if path.is_dir() else path.parent
    try:
        record = from_json((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LedgerError(f"{folder / RECORD}: {error}") from error
    if record.status != "ok":
        raise UsageError(f"{folder}: the job ended as {record.status}: there are no values to compare")
    entry = Entry(seeds=[record], ledger=Ledger(folder.resolve().parents[1]))
    return Contender(name=f"{entry.label} ({record.id[:8]})", entries={entry.dataset: entry})


def _pairs(contenders: Sequence[Contender]) -> list[tuple[Entry, Entry]]:
    """Return all pairs on each data set that both have."""
    pairs = [
        (first.entries[name], second.entries[name])
        for first, second in combinations(contenders, 2)
        for name in sorted(first.entries.keys() & second.entries.keys())
    ]
    if not pairs:
        raise UsageError("nothing to compare: they have no data set in common")
    return pairs
