"""Leaderboards as pandas frames that show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from mlbench.errors import DataError, one_line
from mlbench.reporting.board import COLUMNS, Board, Row
from mlbench.reporting.views import to_html

TEXT = frozenset(
    {"model", "features", "status", "best_params", "device", "plugin", "plugin_version", "mlbench_version", "error"}
    | {"dataset", "dataset_sha256", "metric", "refit", "notes", "job_ids", "board_id"}
)
"""Columns of text."""
WHOLE = ("n_", "rank", "budget_trials", "schema_version")
"""How the columns of whole numbers begin."""


class Leaderboard(pd.DataFrame):  # type: ignore[misc]
    """The rows of one or more boards, with the columns of the CSV; notebooks render it as boards."""

    @property
    def _constructor(self) -> type[Leaderboard]:
        return Leaderboard

    def boards(self) -> list[Board]:
        """Return the boards, each with the rows that are in the frame."""
        rows = [_as_row(values) for values in self.to_dict("records")]
        keys = [(row["dataset"], row["dataset_sha256"], row["board_id"]) for row in rows]
        return [
            Board(rows=tuple(row for row, one in zip(rows, keys, strict=True) if one == key))
            for key in dict.fromkeys(keys)
        ]

    def _repr_html_(self) -> str | None:
        if tuple(self.columns) != COLUMNS:  # some columns of it: as pandas shows any table
            shown: str | None = pd.DataFrame(self)._repr_html_()
            return shown
        return "\n".join(map(to_html, self.boards()))


def frame(boards: Iterable[Board], where: str = "the leaderboard") -> Leaderboard:
    """Return the rows of those boards.

    Raises:
        DataError: A cell that must be a number is none.
    """
    found = Leaderboard([row for board in boards for row in board.rows], columns=list(COLUMNS))
    try:
        for name in COLUMNS:
            if name not in TEXT:
                found[name] = pd.to_numeric(found[name].replace("", None))
    except ValueError as error:
        raise DataError(f"{where}: a cell is not what it must be: {one_line(error)}") from error
    return found


def _as_row(values: dict[Any, Any]) -> Row:
    row = {}
    for name, value in values.items():
        whole = isinstance(value, float) and name.startswith(WHOLE) and value == value
        row[name] = "" if value is None or value != value else str(int(value)) if whole else str(value)
    return row
