"""A board as CSV: written in the present columns, read in those of every schema."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlbench.errors import DataError, one_line
from mlbench.metrics import METRICS
from mlbench.reporting.board import COLUMNS, FIRST_COLUMNS, Board, Row

_FORMULA = re.compile(r"'*\s*[=+\-@]")


def to_csv(board: Board) -> str:
    """Return the CSV of a board, in its own columns."""
    return rows_to_csv(board.columns, board.rows)


def rows_to_csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """Return a CSV that no spreadsheet takes for formulas."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: no_formula(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def from_csv(text: str, where: str = "the leaderboard") -> Board:
    """Return the board of a CSV.

    Columns that mlbench does not know are ignored; those that an older mlbench did not write are empty.

    Raises:
        DataError: It is no leaderboard, or one whose schema, metric or notes cannot be understood.
    """
    try:
        header, *lines = list(csv.reader(io.StringIO(text))) or [[]]
    except csv.Error as error:
        raise DataError(f"{where} is no leaderboard: {error}") from error
    lacking = [name for name in FIRST_COLUMNS if name not in header]
    if lacking or len(set(header)) < len(header):
        what = f"it has no column {lacking[0]}" if lacking else "a column is there twice"
        raise DataError(f"{where} is no leaderboard: {what}")
    number = next((n for n, line in enumerate(lines, start=2) if len(line) != len(header)), None)
    if number is not None:
        raise DataError(f"{where} is no leaderboard: line {number} has not as many cells as the header")
    blank = dict.fromkeys(COLUMNS, "")
    rows = tuple(
        blank | {name: _with_formula(cell) for name, cell in zip(header, line, strict=True) if name in blank}
        for line in lines
    )
    for number, row in enumerate(rows, start=2):
        if (column := _unreadable(row)) is not None:
            what = f"line {number}, {column}: {one_line(row[column])}"
            raise DataError(f"{where}: a cell is not what it must be: {what}")
    return Board(rows=rows, columns=tuple(header))


def _unreadable(row: Row) -> str | None:
    """Return the column of a cell without which the others cannot be understood."""
    if row["schema_version"] and not re.fullmatch("[1-9][0-9]*", row["schema_version"], re.ASCII):
        return "schema_version"
    if row["metric"] and row["metric"] not in METRICS:
        return "metric"
    try:
        notes = json.loads(row["notes"] or "[]")
    except (ValueError, RecursionError):
        return "notes"
    whole = isinstance(notes, list) and all(isinstance(note, str) for note in notes)
    return None if whole else "notes"


def read_board(path: Path) -> Board:
    """Return the board of a file.

    Raises:
        DataError: It cannot be read, or is no leaderboard.
    """
    try:
        return from_csv(path.read_bytes().decode(), str(path))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no leaderboard: it is no text") from error


def no_formula(value: str) -> str:
    """Return one line; text that a spreadsheet would run as a formula gets a leading apostrophe, numbers do not."""
    value = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", value)
    if _FORMULA.match(value):
        try:
            float(value)
        except ValueError:
            return f"'{value}"
    return value


def _with_formula(value: str) -> str:
    """Return what ``no_formula`` was given."""
    return value[1:] if value.startswith("'") and _FORMULA.match(value) else value
