"""Verification of a published board: its CSV, its Markdown and, if the runs are available, each of its rows.

Without the runs, cells that the Markdown does not show can only be checked for their format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlbench.errors import DataError, LedgerError, one_line
from mlbench.reporting.board import BOARD_SCHEMA, COLUMNS, FIRST_COLUMNS, Board, Row, boards, leaderboard, row_name
from mlbench.reporting.board_csv import from_csv, to_csv
from mlbench.reporting.views import table_lines, to_markdown
from mlbench.results.ledger import Ledger, read_record
from mlbench.results.schema import Record

WRITTEN = {1: FIRST_COLUMNS, 2: COLUMNS, BOARD_SCHEMA: COLUMNS}
"""The columns that a board of each schema has; one of a later schema may have others."""


def whole_records(runs: Sequence[Path]) -> list[Record]:
    """Return the records of those runs folders that can be read, each job once; nothing is put aside."""
    found: dict[str, Record] = {}
    for folder in (folder for root in runs for folder in Ledger(root).folders()):
        try:
            found.setdefault(folder.name, read_record(folder))
        except (OSError, ValueError, LedgerError):
            continue  # `mlbench verify` of the runs reports it; here its row is missing
    return list(found.values())


def verify_board(path: Path, records: Sequence[Record] | None) -> tuple[int, list[str]]:
    """Return how many rows a board has, and one line for each difference, with the path of the file.

    Args:
        path: ``NAME.csv``.
        records: To compute the rows anew; None if there are no runs at hand.
    """
    try:
        text = path.read_bytes().decode()
        board = from_csv(text, str(path))
    except UnicodeDecodeError:
        return 0, [f"{path}: not a text file"]
    except OSError as error:
        return 0, [f"{path}: {error.strerror or error}"]
    except DataError as error:
        return 0, [one_line(error) if str(path) in str(error) else f"{path}: {one_line(error)}"]
    found = []
    columns = WRITTEN.get(board.schema_version) if board.rows else board.columns
    if columns is not None and (board.columns != columns or to_csv(board) != text):
        found.append(f"{path}: it is not in the form that mlbench writes")
    try:
        if records is not None:
            found += [f"{path}: {one_line(what)}" for what in _rows_differ(board, records)]
        found += _markdown_differs(path, board)
    except (ValueError, ArithmeticError, KeyError) as error:
        found.append(f"{path}: invalid cell: {one_line(error)}")
    return len(board.rows), found


def _markdown_differs(path: Path, board: Board) -> Iterator[str]:
    """Of a board of an earlier schema, the table alone is compared: its footnotes had other words."""
    beside = path.with_suffix(".md")
    try:
        text = beside.read_bytes().decode()
    except OSError as error:
        yield f"{beside}: {error.strerror or error}"
        return
    except UnicodeDecodeError:
        yield f"{beside}: it is no text"
        return
    if board.schema_version < BOARD_SCHEMA:
        lines = [line.replace(r"\_", "_") for line in text.splitlines() if line.startswith("| ")]
        same = lines == [line.replace(r"\_", "_") for line in table_lines(board)]
    else:
        same = text == to_markdown(board)
    if not same:
        yield f"{beside}: does not match {path.name}"


def computed_board(board: Board, records: Sequence[Record]) -> Board | None:
    """Return the board that records give in place of a published one, or None if no job is of its data.

    A board names its jobs. One of schema 1 does not: the records of one budget that give most of its rows are
    taken, in the versions that it states, and they are ranked by micro average precision, as it was.
    """
    if board.schema_version > 1:
        ids = board.job_ids
        mine = [record for record in records if record.job.board_id == board.id]
        named = {(row["model"], row["features"]) for row in board.rows}
        kept = [record for record in mine if record.id in ids or (record.job.model, record.job.features) not in named]
        return leaderboard(kept, ids, schema=min(board.schema_version, BOARD_SCHEMA)) if kept else None
    candidates = []
    wanted = {_variant_of_row(row) for row in board.rows}
    for group in boards(records).values():
        if group[0].dataset.sha256 == board.dataset_sha256:
            preferred = {record.id for record in group if _variant(record) in wanted}
            candidates.append(from_csv(to_csv(leaderboard(group, preferred, schema=1))))
    rows = [_first_cells(row) for row in board.rows]
    return max(candidates, key=lambda one: sum(_first_cells(row) in rows for row in one.rows), default=None)


def _rows_differ(board: Board, records: Sequence[Record]) -> Iterator[str]:
    if not board.rows:
        return
    computed = computed_board(board, records)
    if computed is None:
        yield f"no finished job of {board.dataset} ({board.dataset_sha256[:12]}) in the runs"
        return
    computed = from_csv(to_csv(computed))
    columns = [name for name in COLUMNS if name in board.columns]
    others = {row_name(row): row for row in computed.rows}
    for row in board.rows:
        other = others.get(row_name(row))
        if other is None:
            yield f"row {row_name(row)}: no such job in the runs"
            continue
        for column in columns:
            if board.schema_version == 1 and column == "error" and row["status"] == "ok":
                continue  # what the time limits cut stood there, and is a note now
            if row[column] != other[column]:
                yield (
                    f"row {row_name(row)}: {column} is {row[column] or 'empty'}, recomputed {other[column] or 'empty'}"
                )
    there = [row_name(row) for row in board.rows]
    for name in others:
        if name not in there:
            yield f"row {name} is missing"
    kept = [name for name in others if name in there]
    if sorted(there) == sorted(kept) and there != kept:
        yield "the rows are in a different order"
    if len(set(there)) < len(there):
        yield "a row occurs twice"


def _first_cells(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in FIRST_COLUMNS if name != "error")


def _variant_of_row(row: Row) -> tuple[str, ...]:
    return row["model"], row["features"], row["plugin"], row["plugin_version"], row["device"]


def _variant(record: Record) -> tuple[str, ...]:
    job = record.job
    return job.model, job.features, job.plugin, job.plugin_version, record.device
