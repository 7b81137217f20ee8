"""The CSV of a board: no spreadsheet takes it for formulas, and it is read whichever mlbench wrote it."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

import pytest
from helpers import patient, record
from hypothesis import given
from hypothesis import strategies as st

from mlbench.errors import DataError
from mlbench.reporting.board import COLUMNS, FIRST_COLUMNS, Board, Row, leaderboard
from mlbench.reporting.board_csv import from_csv, read_board, rows_to_csv, to_csv
from mlbench.reporting.files import write_text
from mlbench.reporting.views import to_html, to_markdown

BOARD = leaderboard([record(0.5), record(0.25, model="prior"), record(None, model="bad", status="failed", error="e")])


# ------------------------------------------------------------------------------------------- writing
FORMULAS = ["=1+1", "@SUM(A1)", "+1", "-1", "-x", "'quoted", "'=1", "''=1", "''", "=", "-", "'", "'-1", "- a", "-inf"]
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"))) | st.sampled_from(
    [*FORMULAS, "a,b", 'a"b', "a|b", " x "]
)
ROWS = st.lists(st.builds(lambda values: {**dict.fromkeys(COLUMNS, ""), **values}, st.fixed_dictionaries(
    dict.fromkeys(("model", "best_params", "dataset", "error"), TEXT)
)), max_size=3)  # fmt: skip


@patient
@given(ROWS)
def test_rows_come_back_from_the_csv(rows: list[Row]) -> None:
    """Any line of text in any cell survives being written and read, what looks like a formula included."""
    assert from_csv(to_csv(Board(rows=tuple(rows)))) == Board(rows=tuple(rows))


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "a\rb", "\rb", "b\r", "\ta", "a\x00b", "\x1b[31m", "a\u2028b"])
@pytest.mark.parametrize("column", ["model", "error"])
def test_control_characters_do_not_break_the_csv(column: str, value: str) -> None:
    """A CSV can be read again whatever a cell holds, has the same rows, and is written the same again."""
    blank = dict.fromkeys(COLUMNS, "")
    text = to_csv(Board(rows=({**blank, column: value}, {**blank, column: "second"})))

    board = from_csv(text)

    assert len(board.rows) == 2
    assert board.rows[1][column] == "second"
    assert to_csv(board) == text
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize("value", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(1)"])
@pytest.mark.parametrize("column", ["model", "error", "best_params", "dataset"])
def test_no_cell_is_a_formula(column: str, value: str) -> None:
    """A spreadsheet that opens the CSV runs nothing: such cells do not begin like a formula."""
    row = {**dict.fromkeys(COLUMNS, ""), column: value}

    (cells,) = list(csv.DictReader(io.StringIO(to_csv(Board(rows=(row,))))))

    assert cells[column][0] not in "=+-@\t\r"
    assert value.strip() in cells[column]


@patient
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_stay_numbers(value: float) -> None:
    """Values are written to the last digit and stay numbers, negative ones too."""
    (cells,) = csv.DictReader(io.StringIO(to_csv(leaderboard([record(value)]))))

    assert float(cells["average_precision_micro"]) == value
    assert math.copysign(1, float(cells["average_precision_micro"])) == math.copysign(1, value)


# ------------------------------------------------------------------------------------------- reading
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it has no column rank"),
        ("a,b\n1,2\n", "it has no column rank"),
        *((",".join(c for c in COLUMNS if c != name) + "\n", f"it has no column {name}") for name in FIRST_COLUMNS),
        (",".join([*COLUMNS, "rank"]) + "\n", "a column is there twice"),
        (",".join(COLUMNS) + "\n1,2,3\n", "line 2 has not as many cells as the header"),
        (",".join(COLUMNS) + "\n" + "," * len(COLUMNS) + "\n", "line 2 has not as many cells as the header"),
    ],
    ids=["empty", "other", *(f"without {name}" for name in FIRST_COLUMNS), "twice", "short row", "long row"],
)
def test_another_csv_is_no_leaderboard(text: str, why: str) -> None:
    """A CSV that lacks a column of the first schema, or with rows that do not fit, is refused with its name."""
    with pytest.raises(DataError) as caught:
        from_csv(text, "x.csv")

    assert str(caught.value) == f"x.csv is no leaderboard: {why}"


def test_a_column_that_is_not_known_is_ignored() -> None:
    """A later mlbench may add columns: the rows are the same without them, and so is what is shown of them."""
    rows = [{**row, "carbon_grams": "12"} for row in BOARD.rows]

    board = from_csv(rows_to_csv(("carbon_grams", *COLUMNS), rows))

    assert board.rows == BOARD.rows
    assert board.columns == ("carbon_grams", *COLUMNS)
    assert to_markdown(board) == to_markdown(BOARD)
    assert to_html(board) == to_html(BOARD)


def test_columns_in_another_order_are_the_same_board() -> None:
    """The header says what a cell is, not its place."""
    assert from_csv(rows_to_csv(COLUMNS[::-1], BOARD.rows)).rows == BOARD.rows


def test_the_columns_of_schema_1_are_enough() -> None:
    """What an older mlbench did not write is empty, its board is of schema 1, and it is written as it was."""
    text = rows_to_csv(FIRST_COLUMNS, BOARD.rows)

    board = from_csv(text)

    later = dict.fromkeys(set(COLUMNS) - set(FIRST_COLUMNS), "")
    assert board.rows == tuple({**row, **later} for row in BOARD.rows)
    assert (board.schema_version, board.id, board.job_ids) == (1, "", frozenset())
    assert board.metric == "average_precision_micro"
    assert to_csv(board) == text


def test_some_later_columns_may_be_missing() -> None:
    """Each of the later columns can be missing by itself and is then empty."""
    columns = tuple(name for name in COLUMNS if name not in ("notes", "refit"))

    board = from_csv(rows_to_csv(columns, BOARD.rows))

    assert board.rows == tuple({**row, "notes": "", "refit": ""} for row in BOARD.rows)
    assert board.schema_version == 3


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("schema_version", "two"),
        ("schema_version", "-1"),
        ("metric", "accuracy_of_tomorrow"),
        ("notes", "no list"),
        ("notes", '{"a": 1}'),
        ("notes", "[1]"),
        ("notes", "[" * 5000),
    ],
)
def test_a_cell_that_every_reader_needs_is_checked(column: str, value: str) -> None:
    """A schema that is no number, a metric that nobody knows, or notes that are no list are an error of ours."""
    text = rows_to_csv(COLUMNS, [BOARD.rows[0], {**BOARD.rows[1], column: value}])

    with pytest.raises(DataError, match=rf"x\.csv: a cell is not what it must be: line 3, {column}: "):
        from_csv(text, "x.csv")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there or is no text is an error with its name."""
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe")

    with pytest.raises(DataError, match=r"nowhere\.csv: No such file"):
        read_board(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match=r"x\.csv is no leaderboard: it is no text"):
        read_board(tmp_path / "x.csv")


# ---------------------------------------------------------------------------------------- write_text
def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    """Folders that are missing are made; line ends are as they are; nothing is left beside."""
    path = tmp_path / "a" / "b" / "board.csv"

    write_text(path, "ä\nb\n")

    assert path.read_bytes() == "ä\nb\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_the_same_text_leaves_the_file_alone(tmp_path: Path) -> None:
    """A board that did not change is not touched; one that did is replaced as a whole."""
    path = tmp_path / "board.csv"
    write_text(path, "same")
    os.utime(path, ns=(1, 1))
    before = path.stat()

    write_text(path, "same")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (1, before.st_ino)

    write_text(path, "other")
    assert path.read_text() == "other"
    assert path.stat().st_mtime_ns != 1


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """A file that is open while it is replaced keeps its old content to the end."""
    path = tmp_path / "board.csv"
    write_text(path, "old" * 9999)
    with path.open() as file:
        start = file.read(10)
        write_text(path, "new")
        assert start + file.read() == "old" * 9999
