"""A static site of all boards of a ledger, for people: one ``index.html`` that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlbench.errors import UsageError
from mlbench.reporting.leaderboard import write_text
from mlbench.reporting.report.collect import collect
from mlbench.reporting.report.page import page
from mlbench.results.ledger import Ledger

INDEX = "index.html"


def write_report(ledger: Ledger, folder: Path, datasets: Sequence[str] = ()) -> Path:
    """Write the report of those data sets, or of all, and give the path of its page. Same ledger, same bytes.

    Raises:
        UsageError: There is nothing to report, or the folder cannot be written to.
        UnknownName: No finished job is of that data set.
        LedgerError: A file of a job is not the one of its record.
    """
    text = page(collect(ledger, datasets))
    path = folder / INDEX
    try:
        write_text(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}: choose another folder with -o") from error
    return path
