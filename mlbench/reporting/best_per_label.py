"""The best model for each label: its average precision on test, with an interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlbench.evaluation.per_label import LIMITS
from mlbench.reporting.board_csv import rows_to_csv
from mlbench.reporting.row_records import records_of_rows, shown_record
from mlbench.results.ledger import Ledger
from mlbench.results.schema import PER_LABEL, Record

SHARED = ("label", "n_positives_train", "n_positives_test")
COLUMNS = ("dataset", *SHARED, "best_model", "best_features", "average_precision", *LIMITS)


def best_of_labels(records: Iterable[Record], ledger: Ledger) -> list[dict[str, str]]:
    """One row a label, in the data's order, by ``COLUMNS``; empty cells where a label has no positive in test.

    Args:
        records: Of one board. Where a row has several seeds, the one that stands for it counts.
        ledger: Where their files are.

    Raises:
        LedgerError: A job's values of labels cannot be read.
    """
    best: dict[str, dict[str, str]] = {}
    for record in map(shown_record, records_of_rows(records)):
        if record.status != "ok":
            continue
        for row in ledger.rows(record, PER_LABEL):
            mine = {name: row.get(name, "") for name in (*SHARED, "average_precision", *LIMITS)}
            mine["dataset"] = record.dataset.name
            mine |= {"best_model": record.job.model, "best_features": record.job.features}
            if not mine["average_precision"]:
                mine |= {"best_model": "", "best_features": ""}
            known = best.setdefault(row["label"], mine)
            if float(mine["average_precision"] or "-inf") > float(known["average_precision"] or "-inf"):
                best[row["label"]] = mine
    return list(best.values())


def to_csv(rows: Sequence[dict[str, str]]) -> str:
    """Return the CSV of those rows."""
    return rows_to_csv(COLUMNS, rows)
