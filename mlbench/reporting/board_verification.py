"""Checking a published board: its CSV, the Markdown beside it, and, with runs at hand, each of its rows.

Without runs, a cell that the Markdown does not show can only be checked for its form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlbench.errors import DataError, LedgerError, one_line
from mlbench.reporting.leaderboard import COLUMNS, Row, boards, from_csv, leaderboard, to_csv
from mlbench.reporting.views import to_markdown
from mlbench.results.ledger import Ledger, Record, read_record


def whole_records(runs: Sequence[Path]) -> list[Record]:
    """The records of those runs folders that can be read, each job once; nothing is put aside."""
    found: dict[str, Record] = {}
    for folder in (folder for root in runs for folder in Ledger(root).folders()):
        try:
            found.setdefault(folder.name, read_record(folder))
        except (OSError, ValueError, LedgerError):
            continue  # `mlbench verify` of the runs says so; here its row is missing
    return list(found.values())


def verify_board(path: Path, records: Sequence[Record] | None) -> tuple[int, list[str]]:
    """How many rows a board has, and one line for each difference, with the path of the file.

    Args:
        path: ``NAME.csv``.
        records: To compute the rows anew; None if there are no runs at hand.
    """
    try:
        text = path.read_bytes().decode()
        rows = from_csv(text, str(path))
    except UnicodeDecodeError:
        return 0, [f"{path}: it is no text"]
    except OSError as error:
        return 0, [f"{path}: {error.strerror or error}"]
    except DataError as error:
        return 0, [f"{path}: {one_line(error)}"]
    found = []
    if to_csv(rows) != text:
        found.append(f"{path}: it is not written as this mlbench writes")
    found += [f"{path}: {one_line(what)}" for what in _rows_differ(rows, records)] if records is not None else []
    beside = path.with_suffix(".md")
    try:
        if beside.read_bytes() != to_markdown(rows).encode():
            found.append(f"{beside}: it is not the Markdown of {path.name}")
    except OSError as error:
        found.append(f"{beside}: {error.strerror or error}")
    except (ValueError, ArithmeticError) as error:
        found.append(f"{path}: a cell is not what it must be: {one_line(error)}")
    return len(rows), found


def _rows_differ(rows: Sequence[Row], records: Sequence[Record]) -> Iterator[str]:
    """Against the records of one budget: those that give most of the rows."""
    if not rows:
        return
    shas = {row["dataset_sha256"] for row in rows}
    candidates = []
    for group in boards(records).values():
        if group[0].dataset["sha256"] in shas:
            # A board keeps the version that was run for it, though the ledger may have newer ones.
            wanted = {
                (row["model"], row["features"], row["plugin"], row["plugin_version"], row["device"]) for row in rows
            }
            preferred = {record.id for record in group if _variant(record) in wanted}
            candidates.append(from_csv(to_csv(leaderboard(group, preferred))))
    if not candidates:
        yield f"no finished job of {rows[0]['dataset']} ({rows[0]['dataset_sha256'][:12]}) in the runs"
        return
    best = max(candidates, key=lambda expected: sum(row in rows for row in expected))
    computed = {_name(row): row for row in best}
    for row in rows:
        other = computed.get(_name(row))
        if other is None:
            yield f"row {_name(row)}: no such job in the runs"
            continue
        for column in COLUMNS:
            if row[column] != other[column]:
                yield f"row {_name(row)}: {column} is {row[column] or 'empty'}, recomputed {other[column] or 'empty'}"
    there = [_name(row) for row in rows]
    for name in computed:
        if name not in there:
            yield f"row {name} is missing"
    kept = [name for name in computed if name in there]
    if sorted(there) == sorted(kept) and there != kept:
        yield "the rows are in another order"
    if len(set(there)) < len(there):
        yield "a row stands there twice"


def _variant(record: Record) -> tuple[str, ...]:
    job = record.job
    return job["model"], job["features"], job["plugin"], job["plugin_version"], record.device


def _name(row: Row) -> str:
    return f"{row['model']} · {row['features']}"
