"""A board that is about to be written over one of the same name, of other data or of another budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlbench.errors import DataError
from mlbench.reporting.leaderboard import TIMINGS, Row, boards, leaderboard, read_csv
from mlbench.results.ledger import Ledger, Record

OF_JOBS = ("model", "features", "dataset_sha256", "average_precision_micro", "n_trials", *TIMINGS)
"""Columns that two rows share only when the same jobs made them."""


def replaced(path: Path, rows: Sequence[Row], records: Sequence[Record], ledger: Ledger) -> str | None:
    """One line if the board at ``path`` is of other data or another budget than ``rows``, and where its jobs are.

    Args:
        path: The CSV that is about to be written.
        rows: Its new rows.
        records: All of the ledger.
        ledger: Where the jobs of the new rows are.
    """
    try:
        old = read_csv(path)
    except DataError:
        return None  # there is none
    made = [{tuple(row[name] for name in OF_JOBS) for row in board} for board in (old, rows)]
    shas = [board[0]["dataset_sha256"] if board else "" for board in (old, rows)]
    if not all(made) or (shas[0] == shas[1] and made[0] & made[1]):
        return None
    budgets: list[dict[str, object]] = [{}, {}]
    for (name, _), group in boards(records).items():
        if name == rows[0]["dataset"]:
            there = {tuple(row[name] for name in OF_JOBS) for row in leaderboard(group)}
            for number, board in enumerate(made):
                if there & board:
                    budgets[number] = group[0].job["budget"]
    if shas[0] != shas[1]:
        what = f"other data (SHA-256 {shas[0][:12]}, now {shas[1][:12]})"
    elif all(budgets) and budgets[0] != budgets[1]:
        was, now = budgets
        other = "; ".join(f"{name} {was.get(name)}, now {now[name]}" for name in now if was.get(name) != now[name])
        what = f"another budget ({other})"
    elif not budgets[0] and _n_seeds(old) == _n_seeds(rows) and _n_trials(old) != _n_trials(rows):
        what = f"another budget ({_n_trials(old)} trials, now {_n_trials(rows)})"
    else:
        return None
    where = f"are still in {ledger.jobs}" if budgets[0] else f"are not in {ledger.jobs}, but where they were run"
    return f"{path} was a board of {what}, and is replaced: its jobs {where}"


def _n_seeds(rows: Sequence[Row]) -> set[str]:
    return {row["n_seeds"] for row in rows}


def _n_trials(rows: Sequence[Row]) -> int:
    return max((int(row["n_trials"]) for row in rows if row["n_trials"].isdecimal()), default=0)
