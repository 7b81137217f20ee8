"""An HTML report of all boards of a ledger: a single self-contained ``index.html``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlbench.errors import UsageError
from mlbench.reporting.files import write_text
from mlbench.reporting.report.collect import collect
from mlbench.reporting.report.page import page
from mlbench.results.ledger import Ledger

INDEX = "index.html"


def write_report(ledger: Ledger, folder: Path, datasets: Sequence[str] = ()) -> Path:
    """Write the report of some data sets, or of all, and return its path. The same ledger gives the same bytes.

    Raises:
        UsageError: There are no finished jobs, or the folder cannot be written to.
        UnknownName: A data set has no finished jobs.
        LedgerError: A file of a job does not match its record.
    """
    text = page(collect(ledger, datasets))
    path = folder / INDEX
    try:
        write_text(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}: choose another folder with -o") from error
    return path
